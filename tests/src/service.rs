//! What the mocks of AWS services have in common: signatures, scripted faults, and a record of every call.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use crate::http::{Handler, Request, Response, ResponseAction, Server, patiently};
use crate::signature;
use crate::tls::Tls;

/// How a mock treats one request. Without a script, every reply is [`Reply::Ok`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// Does what the request says.
    Ok,
    /// Does what the request says, responds, and closes the idle connection without notice.
    OkThenClose,
    /// Does what the request says, and responds after that time.
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
    /// Does what the request says, then resets the connection instead of responding.
    ResetAfter,
    /// Does what the request says, then responds with that status alone, as if it had not.
    RefuseAfter(u16),
    /// Reads the request and never answers; [`Service::held`] tells when.
    Hang,
    /// Does what the request says and never responds; [`Service::held`] returns when it hangs.
    HangAfter,
    /// Responds with 200 and a body that is not of the protocol, without doing what the request says.
    Garbage,
    /// Refuses because the session token has expired, with the status and code of that service.
    ExpiredCredentials,
}

/// Longer than any function here needs to get to its next request.
const HOLD_LIMIT: Duration = Duration::from_secs(10);

impl Reply {
    /// A refusal with that status and error code, in the words of the service.
    #[must_use]
    pub fn error(code: u16, aws_error_code: &str) -> Self {
        Self::Status { code, aws_error_code: Some(aws_error_code.to_owned()), body: String::new() }
    }

    /// A refusal with that status alone, as a load balancer in front of a service gives it.
    #[must_use]
    pub fn bare(code: u16) -> Self {
        Self::Status { code, aws_error_code: None, body: String::new() }
    }
}

/// A request that a mock read.
#[derive(Clone, Debug)]
pub struct Call<B> {
    /// Header lines in the order they came.
    pub headers: Vec<(String, String)>,
    /// The request, parsed.
    pub body: B,
    /// Whether the service did what the request says: a reset afterwards makes no difference.
    pub accepted: bool,
}

/// The part of a mock that speaks its service's protocol.
pub trait Protocol: Send + Sync + 'static {
    /// A parsed request.
    type Body: Clone + Send;

    /// The name that the service signs with.
    const SIGNING_NAME: &'static str;

    /// The setting of the AWS SDKs that names the endpoint.
    const ENDPOINT_VARIABLE: &'static str;

    /// The status and the code of the refusal of an expired session token. Services with a JSON protocol and a
    /// target header answer 400, the others 403.
    const EXPIRED_TOKEN: (u16, &'static str) = (400, "ExpiredTokenException");

    /// Reads a request.
    ///
    /// # Errors
    /// An error code and a sentence, for what is not a request to the one operation that is known.
    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal>;

    /// Whether a request repeats the one before it, because the client didn't wait for the answer. It then is no
    /// further request: it gets a good answer, and neither the counts nor the script show it. So a test doesn't
    /// depend on whether a busy machine answers within the client's timeout.
    fn is_repetition(_before: &Self::Body, _body: &Self::Body) -> bool {
        false
    }

    /// Does what the request says; the number counts the requests accepted so far, this one included.
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
    /// What else the body says, where the service writes JSON.
    pub details: BTreeMap<String, Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: BTreeMap::new() }
    }

    /// For a signature that is missing or doesn't match.
    pub(crate) fn of_signature(reason: String) -> Self {
        Self::new(403, "IncompleteSignatureException", reason)
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }
}

/// An address of 127.0.0.1 on which no process listens: connections are refused.
///
/// The port is taken as long as this value lives, so no other process can begin to listen there.
pub struct ClosedPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Default for ClosedPort {
    fn default() -> Self {
        Self::new()
    }
}

impl ClosedPort {
    /// Takes a free port.
    #[must_use]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port of 127.0.0.1");
        Self { address: socket.local_addr().expect("the address of a bound socket"), _socket: socket }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variable that sends the SDK's client for a service here, and its value.
    #[must_use]
    pub fn endpoint<P: Protocol>(&self) -> (&'static str, String) {
        (P::ENDPOINT_VARIABLE, self.url())
    }
}

/// A mock of an AWS service on a port of 127.0.0.1. It ends when it is dropped.
pub struct Service<P: Protocol> {
    state: Arc<State<P>>,
    url: String,
    server: Server,
}

impl<P: Protocol + Default> Service<P> {
    /// Listens, with TLS if there is a certificate authority.
    #[must_use]
    pub fn start(tls: Option<&Tls>) -> Self {
        Self::serve(P::default(), tls)
    }
}

impl<P: Protocol> Service<P> {
    pub(crate) fn serve(protocol: P, tls: Option<&Tls>) -> Self {
        let state = Arc::new(State { protocol, record: Mutex::default(), held: Semaphore::new(0) });
        let server = Server::start(Arc::clone(&state), tls);
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { state, url: format!("{scheme}://{}", server.address()), server }
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

    /// Waits until a request is held by [`Reply::Hang`] or [`Reply::HangAfter`]. Each one is reported once.
    ///
    /// # Panics
    /// When none is within ten seconds.
    pub async fn held(&self) {
        let next = patiently("a request that is held", HOLD_LIMIT, self.state.held.acquire()).await;
        next.expect("it is never closed").forget();
    }

    /// Ends all connections and refuses new ones until [`open`](Self::open).
    pub async fn close(&mut self) {
        self.server.close().await;
    }

    /// Listens again where it did.
    pub fn open(&mut self) {
        self.server.open(Arc::clone(&self.state));
    }

    /// Forgets all requests, those held too, and what is left of the script.
    pub fn clear(&self) {
        *self.record() = Record::default();
        self.state.held.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn protocol(&self) -> &P {
        &self.state.protocol
    }

    fn record(&self) -> MutexGuard<'_, Record<P::Body>> {
        self.state.record.lock().expect("no holder panics")
    }
}

struct State<P: Protocol> {
    protocol: P,
    record: Mutex<Record<P::Body>>,
    /// A permit for each request that is held and was not yet told.
    held: Semaphore,
}

struct Record<B> {
    script: VecDeque<Reply>,
    calls: Vec<Call<B>>,
    attempts: usize,
    /// The last request, if it got a good answer without delay.
    answered: Option<B>,
}

impl<B> Default for Record<B> {
    fn default() -> Self {
        Self { script: VecDeque::new(), calls: Vec::new(), attempts: 0, answered: None }
    }
}

impl<P: Protocol> State<P> {
    /// Records the request, with the reply that the script wants, or why there is none.
    fn take(&self, request: &Request) -> Result<(Reply, Option<Response>), Refusal> {
        // Only AWS services sign.
        if !P::SIGNING_NAME.is_empty() {
            signature::check(request, P::SIGNING_NAME).map_err(Refusal::of_signature)?;
        }
        let body = self.protocol.parse(request)?;
        let mut record = self.record.lock().expect("no holder panics");
        let repeats = |answered: &P::Body| P::is_repetition(answered, &body);
        if record.answered.as_ref().is_some_and(repeats) {
            record.attempts -= 1;
            let answer = self.protocol.accept(&body, record.calls.len())?;
            return Ok((Reply::Ok, Some(answer)));
        }
        let reply = record.script.pop_front().unwrap_or(Reply::Ok);
        record.answered = matches!(reply, Reply::Ok | Reply::OkThenClose).then(|| body.clone());
        let number = 1 + record.calls.iter().filter(|call| call.accepted).count();
        let answer = reply.does().then(|| self.protocol.accept(&body, number));
        let accepted = matches!(answer, Some(Ok(_)));
        record.calls.push(Call { headers: request.headers.clone(), body, accepted });
        // What a service refuses by itself is slow, cut off or held back as any other answer is.
        let answer = answer.map(|answer| answer.unwrap_or_else(|refusal| self.protocol.refuse(&refusal)));
        Ok((reply, answer))
    }
}

impl<P: Protocol> Handler for State<P> {
    fn admit(&self) -> bool {
        let mut record = self.record.lock().expect("no holder panics");
        record.attempts += 1;
        record.script.pop_front_if(|reply| matches!(reply, Reply::ResetBefore)).is_none()
    }

    async fn answer(&self, request: Request) -> ResponseAction {
        let (reply, answer) = match self.take(&request) {
            Ok(taken) => taken,
            Err(refusal) => return ResponseAction::Send(self.protocol.refuse(&refusal)),
        };
        deliver(reply, answer, &|refusal| self.protocol.refuse(refusal), P::EXPIRED_TOKEN, &self.held).await
    }
}

/// Makes of the service's own answer what a scripted reply wants. `refuse` writes an error as the service does,
/// `expired` is the status and the code for an expired session token; `held` gets a permit for a request without end.
pub(crate) async fn deliver(
    reply: Reply,
    answer: Option<Response>,
    refuse: &(dyn Fn(&Refusal) -> Response + Sync),
    expired: (u16, &str),
    held: &Semaphore,
) -> ResponseAction {
    match (reply, answer) {
        (Reply::Status { code, aws_error_code, body }, _) => {
            ResponseAction::Send(scripted_refusal(refuse, code, aws_error_code, body))
        }
        (Reply::RefuseAfter(code), _) => {
            ResponseAction::Send(scripted_refusal(refuse, code, None, String::new()))
        }
        (Reply::Garbage, _) => {
            ResponseAction::Send(Response::new(200, "text/html", "<p>Welcome to the hotel's network"))
        }
        (Reply::OkThenClose, Some(response)) => ResponseAction::SendAndClose(response),
        (Reply::SlowOk(time), Some(response)) => {
            tokio::time::sleep(time).await;
            ResponseAction::Send(response)
        }
        (Reply::Ok, Some(response)) => ResponseAction::Send(response),
        (Reply::ResetAfter | Reply::ResetBefore, _) => ResponseAction::Reset,
        (Reply::ExpiredCredentials, _) => {
            let (status, code) = expired;
            let message = "The security token included in the request is expired";
            ResponseAction::Send(refuse(&Refusal::new(status, code, message)))
        }
        (Reply::Hang | Reply::HangAfter, _) | (_, None) => {
            held.add_permits(1);
            std::future::pending().await
        }
    }
}

fn scripted_refusal(
    refuse: &(dyn Fn(&Refusal) -> Response + Sync),
    status: u16,
    code: Option<String>,
    body: String,
) -> Response {
    let code = code.unwrap_or_default();
    let mut response = refuse(&Refusal::new(status, &code, "scripted by the test"));
    if !body.is_empty() {
        response.body = body.into_bytes();
    } else if code.is_empty() {
        response.body.clear();
    }
    response
}

impl Reply {
    /// Whether the service does what the request says.
    pub(crate) fn does(&self) -> bool {
        match self {
            Self::Ok
            | Self::OkThenClose
            | Self::SlowOk(_)
            | Self::ResetAfter
            | Self::RefuseAfter(_)
            | Self::HangAfter => true,
            Self::Status { .. }
            | Self::ResetBefore
            | Self::Hang
            | Self::Garbage
            | Self::ExpiredCredentials => false,
        }
    }
}

#[cfg(test)]
impl<P: Protocol> Service<P> {
    /// Makes a signed call of an operation with a target header, such as `DynamoDB_20120810.GetItem`.
    pub(crate) async fn call(&self, target: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let headers = vec![("x-amz-target".to_owned(), target.to_owned())];
        let body = body.to_string().into_bytes();
        let mut request = Request { method: "POST".to_owned(), target: "/".to_owned(), headers, body };
        signature::add(&mut request, P::SIGNING_NAME);
        let address = self.url().trim_start_matches("http://").parse().expect("an address");
        let response = crate::http::post(address, "/", &request.headers, &request.body).await?;
        Ok((response.status, serde_json::from_slice(&response.body).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::end_user_messaging::{EndUserMessaging, SendTextMessage};

    const TARGET: &str = "PinpointSMSVoiceV2.SendTextMessage";

    fn message() -> Value {
        json!({ "DestinationPhoneNumber": "+12065550100", "MessageBody": "Hello" })
    }

    #[tokio::test]
    async fn a_closed_port_refuses_connections() {
        let closed = ClosedPort::new();
        let (variable, url) = closed.endpoint::<SendTextMessage>();
        assert_eq!(variable, "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2");
        let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let error = tokio::net::TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(std::net::TcpListener::bind(address).is_err(), "the port is taken");
    }

    #[tokio::test]
    async fn a_closed_service_refuses_until_it_is_opened() {
        let mut service = EndUserMessaging::start(None);
        let message = message();
        for _ in 0..2 {
            assert_eq!(service.call(TARGET, &message).await.unwrap().0, 200);
            service.close().await;
            let error = service.call(TARGET, &message).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            service.open();
        }
        assert_eq!(service.call(TARGET, &message).await.unwrap().0, 200);
        assert_eq!(service.attempts(), 3);
    }

    #[tokio::test]
    async fn a_request_is_held_before_or_after_it_is_done() {
        let service = EndUserMessaging::start(None);
        let message = message();
        for (reply, done) in [(Reply::Hang, false), (Reply::HangAfter, true)] {
            service.script([reply]);
            tokio::select! {
                answer = service.call(TARGET, &message) => panic!("it was answered: {answer:?}"),
                () = service.held() => {}
            }
            assert_eq!(service.calls().last().unwrap().accepted, done);
        }
        assert!(service.state.held.try_acquire().is_err(), "each one is reported once");
    }

    #[tokio::test]
    async fn a_rejection_is_cut_off_and_held_back_like_an_answer() {
        let service = EndUserMessaging::start(None);
        service.script([Reply::ResetAfter, Reply::HangAfter]);
        let nothing = json!({});
        assert!(service.call(TARGET, &nothing).await.is_err());
        tokio::select! {
            answer = service.call(TARGET, &nothing) => panic!("it was answered: {answer:?}"),
            () = service.held() => {}
        }
        assert!(service.accepted().is_empty());
    }

    #[tokio::test]
    async fn clearing_forgets_what_is_held() {
        let service = EndUserMessaging::start(None);
        let message = message();
        service.script([Reply::Hang]);
        tokio::select! {
            answer = service.call(TARGET, &message) => panic!("it was answered: {answer:?}"),
            // Not told: the permit goes back.
            permit = service.state.held.acquire() => drop(permit),
        }
        service.clear();
        assert!(service.state.held.try_acquire().is_err());
        assert_eq!(service.attempts(), 0);
    }

    #[tokio::test]
    async fn a_bare_status_has_no_body_and_expired_credentials_have_the_code_of_the_service() {
        let service = EndUserMessaging::start(None);
        service.script([Reply::bare(429), Reply::ExpiredCredentials]);
        assert_eq!(service.call(TARGET, &message()).await.unwrap(), (429, Value::Null));
        let (status, body) = service.call(TARGET, &message()).await.unwrap();
        assert_eq!((status, body["__type"].as_str()), (400, Some("ExpiredTokenException")));
        assert!(service.accepted().is_empty());
    }
}
