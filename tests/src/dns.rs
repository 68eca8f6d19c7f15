//! A mock of a DNS server: TXT, MX and address records over UDP, no such domain, a failing server, silence.
//!
//! Source: RFC 1035.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const HEADER: usize = 12;
const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;

/// A DNS server on a free port of 127.0.0.1. It ends when it is dropped.
pub struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    task: JoinHandle<()>,
}

/// What a name has.
#[derive(Clone, Debug)]
pub enum Record {
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
    pub fn start() -> Self {
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
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Gives a name one more record.
    pub fn add(&self, name: &str, record: Record) {
        lock(&self.zone).records.entry(name.to_owned()).or_default().push(record);
    }

    /// Takes all records from a name: there is no such domain any more.
    pub fn remove(&self, name: &str) {
        lock(&self.zone).records.remove(name);
    }

    /// Answers SERVFAIL for a name.
    pub fn fail(&self, name: &str) {
        lock(&self.zone).moods.insert(name.to_owned(), Mood::Failing);
    }

    /// Answers nothing for a name.
    pub fn be_silent(&self, name: &str) {
        lock(&self.zone).moods.insert(name.to_owned(), Mood::Silent);
    }

    /// The names that were asked about, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
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
    let (name, end) = read_name(query)?;
    let kind = u16::from_be_bytes(query.get(end..end.checked_add(2)?)?.try_into().ok()?);
    zone.asked.push(name.clone());
    let records = zone.records.get(&name);
    let code = match zone.moods.get(&name) {
        Some(Mood::Silent) => return None,
        Some(Mood::Failing) => 2,
        None if records.is_none() => 3,
        None => 0,
    };
    let data: Vec<_> = records.into_iter().flatten().filter_map(|record| data(record, kind)).collect();
    let data = if code == 0 { data } else { Vec::new() };
    let mut answer = query.get(..2)?.to_vec();
    // An answer to a question that wished for recursion, from a server that does it.
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(query.get(HEADER..end.checked_add(4)?)?);
    for data in data {
        // The name of the question, the type, class IN, one minute.
        answer.extend([0xc0, 0x0c]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name in the question, in lower case, and where it ends.
fn read_name(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut place = HEADER;
    loop {
        let length = usize::from(*query.get(place)?);
        place = place.checked_add(1)?;
        if length == 0 {
            return Some((labels.join("."), place));
        }
        let end = place.checked_add(length)?;
        labels.push(String::from_utf8_lossy(query.get(place..end)?).to_ascii_lowercase());
        place = end;
    }
}

/// The data of a record, if it is of that type.
fn data(record: &Record, kind: u16) -> Option<Vec<u8>> {
    match (record, kind) {
        (Record::Text(text), TXT) => {
            // A part has at most 255 bytes.
            let parts = text.as_bytes().chunks(255);
            Some(
                parts
                    .flat_map(|part| [&[u8::try_from(part.len()).unwrap_or(u8::MAX)], part].concat())
                    .collect(),
            )
        }
        (Record::Mail(host), MX) => {
            let labels = host.split('.').filter(|label| !label.is_empty());
            let name = labels.flat_map(|label| {
                [&[u8::try_from(label.len()).unwrap_or(u8::MAX)], label.as_bytes()].concat()
            });
            Some([0, 10].into_iter().chain(name).chain([0]).collect())
        }
        (Record::Address, A) => Some(vec![192, 0, 2, 1]),
        _ => None,
    }
}
