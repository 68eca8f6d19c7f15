//! What the stand-ins for KMS, SES and SNS have in common: signatures, scripted faults, and a record of every call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::http::{Answer, Handler, Request, Response, Server};
use crate::signature;
use crate::tls::Tls;

/// How a stand-in treats one request. Without a script, every reply is [`Reply::Ok`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// Does what was asked.
    Ok,
    /// Does what was asked, answers, and closes the idle connection without a word.
    OkThenClose,
    /// Does what was asked, and answers after that time.
    SlowOk(Duration),
    /// Refuses.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The error code, written as the protocol of the service wants it.
        aws_error_code: Option<String>,
        /// The body; empty for the one that the error code makes.
        body: String,
    },
    /// Resets the connection, the request unread.
    ResetBefore,
    /// Does what was asked, then resets the connection instead of answering.
    ResetAfter,
    /// Reads the request and never answers.
    Hang,
    /// Answers 200 with a body that is not of the protocol, without doing what was asked.
    Garbage,
}

impl Reply {
    /// A refusal with that status and error code, in the words of the service.
    #[must_use]
    pub fn error(code: u16, aws_error_code: &str) -> Self {
        Self::Status { code, aws_error_code: Some(aws_error_code.to_owned()), body: String::new() }
    }
}

/// A request that a stand-in read.
#[derive(Clone, Debug)]
pub struct Call<B> {
    /// Header lines in the order they came.
    pub headers: Vec<(String, String)>,
    /// The request, parsed.
    pub body: B,
    /// Whether the service did what was asked: a reset afterwards makes no difference.
    pub accepted: bool,
}

/// The part of a stand-in that speaks its service's protocol.
pub trait Protocol: Send + Sync + 'static {
    /// A parsed request.
    type Body: Clone + Send;

    /// The name that the service signs with.
    const SIGNING_NAME: &'static str;

    /// The setting of the AWS SDKs that names the endpoint.
    const ENDPOINT_VARIABLE: &'static str;

    /// Reads a request.
    ///
    /// # Errors
    /// An error code and a sentence, for what is not a request to the one operation that is known.
    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal>;

    /// Does what was asked; the number counts the requests accepted so far, this one included.
    ///
    /// # Errors
    /// When the service would refuse.
    fn accept(&self, body: &Self::Body, number: usize) -> Result<Response, Refusal>;

    /// An error as the service writes it.
    fn refuse(&self, refusal: &Refusal) -> Response;
}

/// Why a service refuses.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status code.
    pub status: u16,
    /// The error code.
    pub code: String,
    /// The message for a person.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

/// A stand-in for an AWS service on a port of 127.0.0.1. It ends when it is dropped.
pub struct Service<P: Protocol> {
    state: Arc<State<P>>,
    url: String,
    _server: Server,
}

impl<P: Protocol> Service<P> {
    pub(crate) fn serve(protocol: P, tls: Option<&Tls>) -> Self {
        let state = Arc::new(State { protocol, record: Mutex::default() });
        let server = Server::start(Arc::clone(&state), tls);
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { state, url: format!("{scheme}://{}", server.address()), _server: server }
    }

    /// Where it listens: the value for the endpoint setting of the SDK.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The variable that sends an SDK's client here, such as `AWS_ENDPOINT_URL_KMS`, and its value.
    #[must_use]
    pub fn endpoint(&self) -> (&'static str, &str) {
        (P::ENDPOINT_VARIABLE, &self.url)
    }

    /// Queues replies for the next requests, one each.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.record().script.extend(replies);
    }

    /// Every request that was read, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call<P::Body>> {
        self.record().calls.clone()
    }

    /// The requests that did what they asked for, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<P::Body> {
        self.record().calls.iter().filter(|call| call.accepted).map(|call| call.body.clone()).collect()
    }

    /// How many requests arrived, those reset unread included.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.record().attempts
    }

    /// Forgets all requests and what is left of the script.
    pub fn clear(&self) {
        *self.record() = Record::default();
    }

    fn record(&self) -> MutexGuard<'_, Record<P::Body>> {
        self.state.record.lock().expect("no holder panics")
    }
}

struct State<P: Protocol> {
    protocol: P,
    record: Mutex<Record<P::Body>>,
}

struct Record<B> {
    script: VecDeque<Reply>,
    calls: Vec<Call<B>>,
    attempts: usize,
}

impl<B> Default for Record<B> {
    fn default() -> Self {
        Self { script: VecDeque::new(), calls: Vec::new(), attempts: 0 }
    }
}

impl<P: Protocol> State<P> {
    /// Records the request, with the reply that the script wants, or why there is none.
    fn take(&self, request: &Request) -> Result<(Reply, Option<Response>), Refusal> {
        signature::check(request, P::SIGNING_NAME)?;
        let body = self.protocol.parse(request)?;
        let mut record = self.record.lock().expect("no holder panics");
        let reply = record.script.pop_front().unwrap_or(Reply::Ok);
        let number = 1 + record.calls.iter().filter(|call| call.accepted).count();
        let answer = match reply {
            Reply::Ok | Reply::OkThenClose | Reply::SlowOk(_) | Reply::ResetAfter => {
                Some(self.protocol.accept(&body, number))
            }
            Reply::Status { .. } | Reply::ResetBefore | Reply::Hang | Reply::Garbage => None,
        };
        let accepted = matches!(answer, Some(Ok(_)));
        record.calls.push(Call { headers: request.headers.clone(), body, accepted });
        Ok((reply, answer.transpose()?))
    }

    fn scripted_refusal(&self, status: u16, code: Option<String>, body: String) -> Response {
        let code = code.unwrap_or_default();
        let mut response = self.protocol.refuse(&Refusal::new(status, &code, "scripted by the test"));
        if !body.is_empty() {
            response.body = body.into_bytes();
        } else if code.is_empty() {
            response.body.clear();
        }
        response
    }
}

impl<P: Protocol> Handler for State<P> {
    fn admit(&self) -> bool {
        let mut record = self.record.lock().expect("no holder panics");
        record.attempts += 1;
        record.script.pop_front_if(|reply| matches!(reply, Reply::ResetBefore)).is_none()
    }

    async fn answer(&self, request: Request) -> Answer {
        let (reply, answer) = match self.take(&request) {
            Ok(taken) => taken,
            Err(refusal) => return Answer::Send(self.protocol.refuse(&refusal)),
        };
        match (reply, answer) {
            (Reply::Status { code, aws_error_code, body }, _) => {
                Answer::Send(self.scripted_refusal(code, aws_error_code, body))
            }
            (Reply::Garbage, _) => {
                Answer::Send(Response::new(200, "text/html", "<p>Welcome to the hotel's network"))
            }
            (Reply::OkThenClose, Some(response)) => Answer::SendAndClose(response),
            (Reply::SlowOk(time), Some(response)) => {
                tokio::time::sleep(time).await;
                Answer::Send(response)
            }
            (Reply::Ok, Some(response)) => Answer::Send(response),
            (Reply::ResetAfter | Reply::ResetBefore, _) => Answer::Reset,
            (Reply::Hang, _) | (_, None) => std::future::pending().await,
        }
    }
}
