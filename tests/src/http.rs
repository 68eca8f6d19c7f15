//! A small HTTP/1.1 server and client, so that a test can also answer badly: cut a connection, hang, talk nonsense.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::tls::Tls;

/// More header lines than any of the clients sends.
const MAX_HEADERS: usize = 64;

/// A request that was read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// Path and query as in the request line.
    pub target: String,
    /// Header lines in the order they came; the names as they were spelled.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunked coding undone.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of the first header of that name, in any spelling of its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// What a server says to a request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header lines; `content-length` is added when the response is written.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a body of that media type.
    pub fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with("content-type", media_type)
    }

    /// The same with one more header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What becomes of a request.
pub(crate) enum ResponseAction {
    /// A response, and the connection stays open for the next request.
    Send(Response),
    /// A response, then an end of the connection that the client was not told of.
    SendAndClose(Response),
    /// No response, and a reset of the connection.
    Reset,
}

/// The part of a server that knows what it serves.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Asked when the first bytes of a request are there; `false` resets the connection, the request unread.
    fn admit(&self) -> bool {
        true
    }

    /// Answers one request. Several connections may ask at the same time.
    fn answer(&self, request: Request) -> impl Future<Output = ResponseAction> + Send;
}

/// A server on a free port of 127.0.0.1 that ends, with all its connections, when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    accepting: JoinHandle<()>,
    closing: Arc<Notify>,
    /// Keeps the port while the server is closed.
    closed: Option<TcpSocket>,
}

impl Server {
    /// Listens from now on. Needs a running tokio runtime.
    pub(crate) fn start(handler: Arc<impl Handler>, tls: Option<&Tls>) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port of 127.0.0.1");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let listener = TcpListener::from_std(listener).expect("a tokio runtime");
        let address = listener.local_addr().expect("the address of a bound listener");
        let acceptor = tls.map(Tls::acceptor);
        let closing = Arc::new(Notify::new());
        let accepting = tokio::spawn(accept(listener, acceptor.clone(), handler, Arc::clone(&closing)));
        Self { address, acceptor, accepting, closing, closed: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and refuses new ones; the port stays ours.
    pub(crate) async fn close(&mut self) {
        if self.closed.is_none() {
            self.closing.notify_one();
            let _ = (&mut self.accepting).await;
            let address = self.address;
            // A process that a test is just starting has the listener open, too, until its program is loaded.
            let socket = async {
                loop {
                    match hold(address) {
                        Ok(socket) => return socket,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "our own port: {error}"),
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let socket = patiently("our own port", CLOSE_LIMIT, socket).await;
            self.closed = Some(socket);
        }
    }

    /// Listens again, on the same port.
    pub(crate) fn open(&mut self, handler: Arc<impl Handler>) {
        if let Some(socket) = self.closed.take() {
            let listener = socket.listen(64).expect("a socket that is bound");
            let (acceptor, closing) = (self.acceptor.clone(), Arc::clone(&self.closing));
            self.accepting = tokio::spawn(accept(listener, acceptor, handler, closing));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Longer than any process needs to load its program.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Takes a port on which no process shall listen.
fn hold(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // The connections that were just ended have the port for some time yet.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    handler: Arc<impl Handler>,
    closing: Arc<Notify>,
) {
    // The set is dropped with this future, and ends every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = closing.notified() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { break };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&handler)));
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(mut stream: TcpStream, acceptor: Option<TlsAcceptor>, handler: Arc<impl Handler>) {
    // Without this, Nagle's algorithm and delayed acknowledgements add 40 ms to a response in two parts.
    let _ = stream.set_nodelay(true);
    let end = match acceptor {
        None => talk(&mut stream, &*handler).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Err(_) => return, // The client did not trust us, or went away: its own error says more.
            Ok(mut secured) => {
                let end = talk(&mut secured, &*handler).await;
                stream = secured.into_inner().0;
                end
            }
        },
    };
    if end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset) {
        // With nothing to linger for, closing sends RST instead of FIN.
        let _ = stream.set_zero_linger();
    }
}

/// Serves one connection to its end; an error of kind `ConnectionReset` asks for a reset.
async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), handler: &impl Handler) -> Result<()> {
    let mut buffer = Vec::new();
    while !buffer.is_empty() || stream.read_buf(&mut buffer).await? > 0 {
        if !handler.admit() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let request = read_request(stream, &mut buffer).await?;
        match handler.answer(request).await {
            ResponseAction::Send(response) => write_response(stream, &response).await?,
            ResponseAction::SendAndClose(response) => return write_response(stream, &response).await,
            ResponseAction::Reset => return Err(ErrorKind::ConnectionReset.into()),
        }
    }
    Ok(())
}

/// Posts a body over a connection of its own and reads the response.
///
/// # Errors
/// If no process listens there, if the connection ends early, or if the response is not HTTP/1.1.
pub(crate) async fn post(
    address: SocketAddr,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!(
        "POST {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut buffer = Vec::new();
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    loop {
        let mut head = httparse::Response::new(&mut fields);
        if let httparse::Status::Complete(length) = head.parse(&buffer).map_err(invalid)? {
            let (status, headers) = (head.code.unwrap_or_default(), owned(head.headers));
            buffer.drain(..length);
            let body = read_body(&mut stream, &mut buffer, &headers).await?;
            return Ok(Response { status, headers, body });
        }
        fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        read_more(&mut stream, &mut buffer).await?;
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<Request> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut fields);
        if let httparse::Status::Complete(length) = head.parse(buffer).map_err(invalid)? {
            let method = head.method.unwrap_or_default().to_owned();
            let target = head.path.unwrap_or_default().to_owned();
            let headers = owned(head.headers);
            buffer.drain(..length);
            let body = read_body(stream, buffer, &headers).await?;
            return Ok(Request { method, target, headers, body });
        }
        read_more(stream, buffer).await?;
    }
}

async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    headers: &[(String, String)],
) -> Result<Vec<u8>> {
    if header(headers, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream, buffer).await;
    }
    let length = header(headers, "content-length").map_or(Ok(0), str::parse).map_err(invalid)?;
    read_exactly(stream, buffer, length).await
}

async fn read_chunks(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream, buffer).await?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(invalid)?;
        if size == 0 {
            // Trailers end with an empty line; nothing here reads them.
            while !read_line(stream, buffer).await?.is_empty() {}
            return Ok(body);
        }
        body.append(&mut read_exactly(stream, buffer, size).await?);
        read_line(stream, buffer).await?;
    }
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = buffer.drain(..end + 2).take(end).collect();
            return String::from_utf8(line).map_err(invalid);
        }
        read_more(stream, buffer).await?;
    }
}

async fn read_exactly(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    length: usize,
) -> Result<Vec<u8>> {
    buffer.reserve(length.saturating_sub(buffer.len()));
    while buffer.len() < length {
        read_more(stream, buffer).await?;
    }
    let rest = buffer.split_off(length);
    Ok(std::mem::replace(buffer, rest))
}

async fn read_more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn write_response(stream: &mut (impl AsyncWrite + Unpin), response: &Response) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\ncontent-length: {}\r\n", response.status, response.body.len());
    for (name, value) in &response.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), &response.body].concat()).await?;
    stream.flush().await
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect()
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

/// Ends a wait that should have ended by itself: a harness that hangs would not say why.
pub(crate) async fn patiently<T>(what: &str, limit: Duration, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, wait)
        .await
        .unwrap_or_else(|_| panic!("gave up after {limit:?} waiting for {what}"))
}
