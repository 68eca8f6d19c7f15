//! How functions call AWS: Region, credentials and endpoints.
//!
//! This replaces the crate `aws-config`, which reads many more sources (profiles, instance metadata, SSO) that don't
//! exist inside Lambda, and costs 1 MB of binary.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::{ReconnectMode, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use shared::settings::endpoints::Endpoints;
use shared::settings::{Noted, Settings};

/// Region, credentials and endpoints, as Lambda and the AWS SDKs name them.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Region,
    credentials: Credentials,
    endpoints: Endpoints,
}

/// A service that the functions call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Decrypts the data key of a code.
    Kms,
    /// Sends email.
    SesV2,
    /// Sends SMS.
    Sns,
    /// Sends SMS, and returns a reason if it doesn't.
    EndUserMessaging,
    /// Keeps the delivery records and the counters of the SMS limits.
    DynamoDb,
    /// A provider outside AWS, with the name for error messages.
    Other(&'static str),
}

impl Service {
    /// Every AWS service.
    pub const ALL: [Self; 5] = [Self::Kms, Self::SesV2, Self::Sns, Self::EndUserMessaging, Self::DynamoDb];

    /// The variable that sets another endpoint for this service only.
    ///
    /// Source: "Service-specific endpoints", AWS SDKs and Tools reference guide.
    fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::SesV2 => "AWS_ENDPOINT_URL_SESV2",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
            Self::EndUserMessaging => "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            // No variable has this name.
            Self::Other(_) => "",
        }
    }
}

impl Aws {
    /// Reads Lambda's variables. The credentials of an execution environment never change, so they are read once.
    ///
    /// # Errors
    /// If a variable is missing or invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        Self::read_with(settings, &Service::ALL.map(Service::endpoint_variable))
    }

    /// Reads the configuration for other services: those whose endpoints these variables set.
    ///
    /// # Errors
    /// If a variable is missing or invalid.
    pub fn read_with(settings: &Settings<'_>, endpoint_variables: &[&'static str]) -> Result<Self, Noted> {
        let text = |name| settings.required(name, |text| Ok::<_, &str>(text.to_owned()));
        let region = text("AWS_REGION");
        let access_key = text("AWS_ACCESS_KEY_ID");
        let secret_key = text("AWS_SECRET_ACCESS_KEY");
        let session_token = settings.text("AWS_SESSION_TOKEN");
        let endpoints = Endpoints::read(settings, endpoint_variables);
        Ok(Self {
            region: Region::new(region?),
            credentials: Credentials::new(access_key?, secret_key?, session_token, None, "environment"),
            endpoints: endpoints?,
        })
    }

    /// The SDK configuration for one service, in the function's Region or the given one.
    #[must_use]
    pub fn config(
        &self,
        service: Service,
        region: Option<&str>,
        http_client: &SharedHttpClient,
    ) -> SdkConfig {
        self.config_with(service.endpoint_variable(), region, http_client)
    }

    /// The SDK configuration for the service whose endpoint this variable sets.
    #[must_use]
    pub fn config_with(
        &self,
        endpoint_variable: &str,
        region: Option<&str>,
        http_client: &SharedHttpClient,
    ) -> SdkConfig {
        let region = region.map_or_else(|| self.region.clone(), |region| Region::new(region.to_owned()));
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(http_client.clone())
            .region(region)
            // `crates/sender/src/retry.rs` controls attempts and pauses, because it knows the invocation's deadline.
            // Without this mode the SDK logs an error after each 5xx, because our HTTP client doesn't let it close
            // connections.
            .retry_config(RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections))
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .use_fips(self.endpoints.use_fips)
            .use_dual_stack(self.endpoints.use_dual_stack);
        if let Some(url) = self.endpoints.url(endpoint_variable) {
            builder = builder.endpoint_url(url);
        }
        builder.build()
    }
}
