//! DNS: the records of a domain that concern email.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};

/// The timeout of one attempt.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often an unanswered query is repeated.
const ATTEMPTS: usize = 2;
/// The timeout of one query, whatever the number of DNS servers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Queries the DNS servers of the system, or the one in `--resolver`.
pub(crate) struct Dns(TokioResolver);

/// Why a query failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DnsFailure {
    #[error("the domain doesn't exist")]
    NoSuchDomain,
    #[error("this machine has no DNS server in /etc/resolv.conf: set one with --resolver")]
    NoServer,
    #[error("no DNS server answered in time")]
    Silence,
    /// SERVFAIL, REFUSED and the like.
    #[error("the DNS server returned an error ({0})")]
    Refused(String),
    #[error("the DNS query failed")]
    Other,
}

impl Dns {
    /// Finds a DNS server, without a query.
    ///
    /// # Errors
    /// If the system has none.
    pub(crate) fn new(server: Option<SocketAddr>) -> Result<Self, DnsFailure> {
        let mut builder = match server {
            Some(server) => TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(vec![name_server(server)]),
                TokioRuntimeProvider::default(),
            ),
            None => TokioResolver::builder_tokio().map_err(|_| DnsFailure::NoServer)?,
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        Ok(Self(builder.build().map_err(|_| DnsFailure::NoServer)?))
    }

    /// The TXT records of a name, each as one text; none if it has none or does not exist.
    ///
    /// # Errors
    /// If no server answered.
    pub(crate) async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFailure> {
        let answer = match self.ask(name, RecordType::TXT).await {
            Err(DnsFailure::NoSuchDomain) => return Ok(Vec::new()),
            answer => answer?,
        };
        Ok(records(answer.as_ref())
            .filter_map(|data| match data {
                // A text of more than 255 bytes comes in parts that belong together.
                RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
                _ => None,
            })
            .collect())
    }

    /// The hosts that accept a domain's email. An empty name means that it accepts none (RFC 7505).
    ///
    /// # Errors
    /// If there is no such domain, or no server answered.
    pub(crate) async fn mail_hosts(&self, domain: &str) -> Result<Vec<String>, DnsFailure> {
        let answer = self.ask(domain, RecordType::MX).await?;
        Ok(records(answer.as_ref())
            .filter_map(|data| match data {
                RData::MX(host) => Some(host.exchange.to_ascii().trim_end_matches('.').to_owned()),
                _ => None,
            })
            .collect())
    }

    /// Whether the name has an address: then it accepts email even without an MX record (RFC 5321, 5.1).
    ///
    /// # Errors
    /// If no server answered.
    pub(crate) async fn has_address(&self, domain: &str) -> Result<bool, DnsFailure> {
        for kind in [RecordType::A, RecordType::AAAA] {
            if records(self.ask(domain, kind).await?.as_ref()).any(|data| data.record_type() == kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `None` if the name exists without such records.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Option<Lookup>, DnsFailure> {
        // The final dot keeps the resolver from trying search domains.
        let answer = tokio::time::timeout(PATIENCE, self.0.lookup(format!("{name}."), kind)).await;
        match answer {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Err(_) | Ok(Err(NetError::Timeout)) => Err(DnsFailure::Silence),
            Ok(Err(error)) if error.is_nx_domain() => Err(DnsFailure::NoSuchDomain),
            Ok(Err(error)) if error.is_no_records_found() => Ok(None),
            Ok(Err(NetError::Dns(DnsError::ResponseCode(code)))) => {
                Err(DnsFailure::Refused(code.to_string()))
            }
            Ok(Err(_)) => Err(DnsFailure::Other),
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}

fn records(answer: Option<&Lookup>) -> impl Iterator<Item = &RData> {
    answer.into_iter().flat_map(Lookup::answers).map(|record| &record.data)
}
