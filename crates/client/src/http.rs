//! The HTTPS client of the AWS SDKs: HTTP/1.1 over TLS, with kept-alive connections.
//!
//! It replaces the SDK's default client for two reasons. The default client brings HTTP/2, half a megabyte in every
//! cold start, and no service needs it for one call at a time. And it doesn't distinguish a connection that was never
//! made from one that broke. After the first failure, a message can be sent again at once. After the second one, it
//! may have been sent already. Pool, protocol and TLS come from the same libraries. docs/adr/0010-http-client.md

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector as SdkConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower_service::Service;

/// A new connection inside a Region takes about 10 ms, TLS included, so a second without a connection is a fault.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an idle connection is kept. The services close idle connections after a minute or more. A request on a
/// connection that is just being closed could get lost.
const KEPT_IDLE: Duration = Duration::from_secs(20);

/// The client that all services of a process share, with one store of root certificates: those of the system, or
/// of the file `SSL_CERT_FILE`.
///
/// Connections are kept, so only the first event of a process pays for the TLS handshake.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let connector = http_connector();
    http_client_fn(move |_, _| connector.clone())
}

/// The connector below the client: sends a request unchanged, once.
#[must_use]
pub fn http_connector() -> SharedHttpConnector {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!("a root certificate of the system cannot be read: {error}");
    }
    roots.add_parsable_certificates(native.certs);
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEPT_IDLE)
        .pool_timer(TokioTimer::new())
        .build(Connector(https));
    SharedHttpConnector::new(Http1(client))
}

/// The call did not leave this process, because no connection was made.
#[derive(Debug)]
pub struct NotConnected;

impl NotConnected {
    /// Whether it is the source of an error, at any depth.
    #[must_use]
    pub fn caused(error: &(dyn Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::caused)
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no connection")
    }
}

impl Error for NotConnected {}

/// TCP and TLS, within [`CONNECT_TIMEOUT`] together.
#[derive(Clone)]
struct Connector(HttpsConnector<HttpConnector>);

impl Service<http::Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<http::Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { timeout(CONNECT_TIMEOUT, connecting).await? })
    }
}

#[derive(Clone)]
struct Http1(Client<Connector, SdkBody>);

impl fmt::Debug for Http1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Http1")
    }
}

impl SdkConnector for Http1 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let mut request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let connection = capture_connection(&mut request);
            let response = client.request(request).await.map_err(|error| {
                ConnectorError::io(if error.is_connect() { NotConnected.into() } else { error.into() })
            })?;
            // Many servers share the address, so the next attempt should reach another one.
            if response.status().is_server_error()
                && let Some(connection) = connection.connection_metadata().as_ref()
            {
                connection.poison();
            }
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
