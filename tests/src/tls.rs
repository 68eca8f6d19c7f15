//! A certificate authority of its own for the mocks; the functions learn it from `SSL_CERT_FILE`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Server certificates for 127.0.0.1 and the file that makes a client trust them.
pub struct Tls {
    ca_file: NamedTempFile,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Makes a new authority, which is the only one in [`Tls::ca_file`].
    #[must_use]
    pub fn new() -> Self {
        Self::beside("")
    }

    /// The same, with certificates in PEM form before it in the file: a function on Lambda reads the whole
    /// bundle of the system (some 140 authorities), which costs time at its start.
    #[must_use]
    pub fn beside(other_authorities: &str) -> Self {
        let mut authority = CertificateParams::default();
        // A name of its own: where subject and issuer are the same, OpenSSL takes the server's for self-signed.
        authority.distinguished_name.push(DnType::CommonName, "Authority of the mocks");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
            .expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .and_then(|server| server.signed_by(&key, &authority))
            .expect("a certificate");

        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was just made");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits its certificate");

        let mut ca_file = NamedTempFile::new().expect("a temporary file");
        write!(ca_file, "{other_authorities}\n{}", authority.pem()).expect("room for a certificate");
        Self { ca_file, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// The file for `SSL_CERT_FILE`; it lives as long as this value.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        self.ca_file.path()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}
