//! How AWS is called: region, credentials and endpoints from the variables that Lambda sets.
//!
//! This stands in for the crate `aws-config`, which looks in many more places (profiles, instance metadata, SSO)
//! that do not exist inside Lambda, and costs 1 MB of binary for it.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kms::config::{BehaviorVersion, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedHttpClient;
use shared::config::Settings;

/// The account's side of the configuration, as Lambda and the AWS SDKs name it.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Region,
    credentials: Credentials,
    endpoints: Vec<(Service, String)>,
    use_fips: bool,
    use_dual_stack: bool,
}

/// A service that the senders call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Decrypts the data key of a code.
    Kms,
    /// Sends e-mail.
    SesV2,
    /// Sends SMS.
    Sns,
}

impl Service {
    /// The variable that names another endpoint for this service alone.
    ///
    /// Source: "Service-specific endpoints", AWS SDKs and Tools reference guide.
    fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::SesV2 => "AWS_ENDPOINT_URL_SESV2",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
        }
    }
}

impl Aws {
    /// Reads Lambda's variables, noting what is missing.
    ///
    /// The credentials of an execution environment do not change during its life, so they are read once.
    #[must_use]
    pub fn read(settings: &Settings<'_>) -> Option<Self> {
        let text = |name| settings.required(name, |text| Ok::<_, &str>(text.to_owned()));
        let region = text("AWS_REGION");
        let access_key = text("AWS_ACCESS_KEY_ID");
        let secret_key = text("AWS_SECRET_ACCESS_KEY");
        let session_token = settings.text("AWS_SESSION_TOKEN");
        let use_fips = settings.flag("AWS_USE_FIPS_ENDPOINT", false);
        let use_dual_stack = settings.flag("AWS_USE_DUALSTACK_ENDPOINT", false);
        let ignored = settings.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", false)?;
        let endpoints = [Service::Kms, Service::SesV2, Service::Sns]
            .into_iter()
            .filter(|_| !ignored)
            .filter_map(|service| {
                let url = settings
                    .text(service.endpoint_variable())
                    .or_else(|| settings.text("AWS_ENDPOINT_URL"))?;
                Some((service, url))
            })
            .collect();
        Some(Self {
            region: Region::new(region?),
            credentials: Credentials::new(access_key?, secret_key?, session_token, None, "environment"),
            endpoints,
            use_fips: use_fips?,
            use_dual_stack: use_dual_stack?,
        })
    }

    /// The SDK configuration for one service, in the function's region or the one given.
    #[must_use]
    pub fn config(
        &self,
        service: Service,
        region: Option<&str>,
        http_client: &SharedHttpClient,
    ) -> SdkConfig {
        let region = region.map_or_else(|| self.region.clone(), |region| Region::new(region.to_owned()));
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(http_client.clone())
            .region(region)
            .retry_config(
                RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF).with_max_attempts(ATTEMPTS),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            )
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack);
        if let Some((_, url)) = self.endpoints.iter().find(|(endpoint, _)| *endpoint == service) {
            builder = builder.endpoint_url(url);
        }
        builder.build()
    }
}

/// A new connection inside a region takes some 10 ms, so a second without one is a fault.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One attempt, so that one that hangs leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// One call with all its attempts: two calls fit into the functions' timeout of 15 s.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(7);
/// Attempts of one call.
const ATTEMPTS: u32 = 3;
/// The SDK doubles this for every attempt and takes a random share of it.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The HTTPS client that all services of a process share, with one store of root certificates.
///
/// Connections are kept, so only the first event of a process pays for the TLS handshake.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}
