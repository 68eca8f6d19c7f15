//! A mock of a DNS server: TXT, MX and address records over UDP, no such domain, a failing server, silence.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, TXT};
use hickory_proto::rr::{self, RData};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A DNS server on a free port of 127.0.0.1. It ends when it is dropped.
pub(crate) struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    task: JoinHandle<()>,
}

/// What a name has.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A text of any length.
    Text(String),
    /// A mail exchanger. An empty name says that the domain accepts no email.
    Mail(String),
    /// An address, which is never connected to.
    Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Failing,
    Silent,
}

#[derive(Default)]
struct Zone {
    records: BTreeMap<String, Vec<Record>>,
    moods: BTreeMap<String, Mood>,
    asked: Vec<String>,
}

impl Dns {
    /// Listens. It knows no name yet. Needs a running tokio runtime.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub(crate) fn start() -> Self {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port of 127.0.0.1");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let address = socket.local_addr().expect("its address");
        let socket = UdpSocket::from_std(socket).expect("a runtime");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let task = tokio::spawn(serve(socket, Arc::clone(&zone)));
        Self { address, zone, task }
    }

    /// Where it listens, as `--resolver` takes it.
    #[must_use]
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Gives a name one more record.
    pub(crate) fn add(&self, name: &str, record: Record) {
        lock(&self.zone).records.entry(name.to_owned()).or_default().push(record);
    }

    /// Takes all records from a name: there is no such domain any more.
    pub(crate) fn remove(&self, name: &str) {
        lock(&self.zone).records.remove(name);
    }

    /// Answers SERVFAIL for a name.
    pub(crate) fn fail(&self, name: &str) {
        lock(&self.zone).moods.insert(name.to_owned(), Mood::Failing);
    }

    /// Answers nothing for a name.
    pub(crate) fn be_silent(&self, name: &str) {
        lock(&self.zone).moods.insert(name.to_owned(), Mood::Silent);
    }

    /// The queried names, in order.
    #[must_use]
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.zone).asked.clone()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
        let answer = buffer.get(..length).and_then(|query| answer(query, &mut lock(&zone)));
        if let Some(answer) = answer {
            // The client may be gone.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to a query; none where the server is silent, or the query is none.
fn answer(query: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?;
    let name = question.name().to_lowercase().to_ascii().trim_end_matches('.').to_owned();
    zone.asked.push(name.clone());
    let records = zone.records.get(&name);
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = match zone.moods.get(&name) {
        Some(Mood::Silent) => return None,
        Some(Mood::Failing) => ResponseCode::ServFail,
        None if records.is_none() => ResponseCode::NXDomain,
        None => ResponseCode::NoError,
    };
    answer.add_query(question.clone());
    if answer.metadata.response_code == ResponseCode::NoError {
        let data = records.into_iter().flatten().map(Record::data);
        let asked = data.filter(|data| data.record_type() == question.query_type());
        answer.add_answers(asked.map(|data| rr::Record::from_rdata(question.name().clone(), 60, data)));
    }
    answer.to_vec().ok()
}

impl Record {
    fn data(&self) -> RData {
        match self {
            // A part has at most 255 bytes.
            Self::Text(text) => RData::TXT(TXT::from_bytes(text.as_bytes().chunks(255).collect())),
            Self::Mail(host) => {
                RData::MX(MX::new(10, format!("{host}.").parse().expect("the name of a host")))
            }
            Self::Address => RData::A(A::new(192, 0, 2, 1)),
        }
    }
}
