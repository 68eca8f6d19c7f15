//! The AWS configuration, and the meaning of AWS errors.
//!
//! The functions run only in Lambda, but the tool finds credentials in the same places as the AWS CLI: variables,
//! profiles, single sign-on, roles, instance metadata.

pub(crate) mod cloudformation;
pub(crate) mod cloudwatch;
pub(crate) mod cognito;
pub(crate) mod end_user_messaging;
pub(crate) mod iam;
pub(crate) mod kms;
pub(crate) mod lambda;
pub(crate) mod logs;
pub(crate) mod secrets_manager;
pub(crate) mod ses;
pub(crate) mod sns;
pub(crate) mod sqs;
pub(crate) mod sts;

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use pool::aws::innermost;
use pool::error_code::{ErrorCode, unqualified};

use crate::common::Common;
use crate::terminal::output::plain;

/// The configuration of AWS clients: Region, credentials, timeouts.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    config: SdkConfig,
    region: String,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Throttled.
    Throttled,
    /// Access denied; the text names the missing permission.
    Denied,
    /// Not found in this account and Region.
    NotFound,
    /// The service rejects the request, and a retry doesn't help.
    Invalid,
    /// Everything else: credentials, permission, network, a fault of the service.
    Other,
}

/// A call that failed, with the error message for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct AwsError {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl AwsError {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// A new connection to a distant Region takes about 300 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of one attempt. The longest call waits one second for messages.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

impl Aws {
    /// Finds the Region. `region` is the one that the command line implies, for example by a URL.
    ///
    /// # Errors
    /// If no Region is set. Credentials are loaded at the first call.
    pub(crate) async fn load(common: &Common, region: Option<&str>) -> Result<Self, AwsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(profile) = &common.profile {
            // --profile takes precedence over credentials in variables, which may belong to another account.
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(region) = common.region.as_deref().or(region) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = Box::pin(loader.load()).await;
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            let text = "no AWS Region is set: use --region, or set AWS_REGION or `region` in the profile";
            AwsError::new(Kind::Other, text)
        })?;
        Ok(Self { config, region })
    }

    /// The same configuration with the credentials of a role, which is assumed at the first call.
    pub(crate) async fn assuming(self, role_arn: &str) -> Self {
        let provider = AssumeRoleProvider::builder(role_arn)
            .session_name("cognito-triggers")
            .configure(&self.config)
            .build()
            .await;
        let builder =
            self.config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider));
        Self { config: builder.build(), region: self.region }
    }

    /// The same configuration for another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        let builder = self.config.clone().into_builder().region(Region::new(region.to_owned()));
        Self { config: builder.build(), region: region.to_owned() }
    }

    /// The SDK's configuration, for the clients of the services.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The Region.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }
}

/// Maps "not found" to `None`.
pub(crate) fn if_any<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A time as a day: `YYYY-MM-DD` in UTC.
pub(crate) fn day(time: &aws_smithy_types::DateTime) -> String {
    let text = time.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// A call, for error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// `SQS`, `Lambda`.
    pub(crate) service: &'a str,
    /// The IAM action, `sqs:ReceiveMessage`.
    pub(crate) action: &'a str,
    pub(crate) region: &'a str,
    /// Whether the service's error messages may quote the request: they are not shown then.
    pub(crate) quotes: bool,
}

impl Call<'_> {
    /// Classifies an SDK error and describes it.
    pub(crate) fn failure<E>(self, error: &SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let Self { service, action, region, .. } = self;
        if let Some(error) = credentials(error) {
            return AwsError::new(Kind::Other, error);
        }
        match error {
            SdkError::ServiceError(response) => match response.err().code() {
                Some(code) => self.refusal(code, response.err().message()),
                None => self.wordless(response.raw().status().as_u16()),
            },
            // Some of the SDK's protocols don't report an empty body as a service error.
            SdkError::ResponseError(response) => self.wordless(response.raw().status().as_u16()),
            SdkError::TimeoutError(_) => AwsError::new(
                Kind::Other,
                format!("{service} in {region} did not respond in time ({action})"),
            ),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => AwsError::new(
                Kind::Other,
                format!("{service} in {region} did not respond in time ({action})"),
            ),
            SdkError::DispatchFailure(_) => AwsError::new(
                Kind::Other,
                format!(
                    "{service} in {region} could not be reached ({action}): check the Region and the network"
                ),
            ),
            _ => {
                AwsError::new(Kind::Other, format!("the call {action} failed: {}", plain(&innermost(error))))
            }
        }
    }

    /// An error response without an error code.
    fn wordless(self, status: u16) -> AwsError {
        let Self { service, action, region, .. } = self;
        let text = match status {
            429 => return self.refusal("TooManyRequestsException", None),
            // Some of the SDK's protocols report an unreadable response as a service error.
            200..300 => {
                format!("{service} in {region} returned an unreadable response ({action})")
            }
            _ => format!(
                "{service} in {region} returned HTTP status {status} without an error code ({action})"
            ),
        };
        AwsError::new(Kind::Other, text)
    }

    fn refusal(self, code: &str, message: Option<&str>) -> AwsError {
        let Self { service, action, region, quotes } = self;
        let name = unqualified(code);
        let said = match message {
            Some(message) if !quotes && !message.is_empty() => format!("{name}: {}", plain(message)),
            _ => plain(name),
        };
        let (kind, text) = match ErrorCode::parse(code) {
            Some(ErrorCode::Denied) => (
                Kind::Denied,
                format!(
                    "these credentials lack the permission {action} in {region}. {service} returned {said}"
                ),
            ),
            Some(ErrorCode::ExpiredCredentials) => (
                Kind::Other,
                format!("the credentials have expired: sign in again. {service} returned {said}"),
            ),
            Some(ErrorCode::UnknownCredentials) => (
                Kind::Other,
                format!("AWS does not accept these credentials in {region}. {service} returned {said}"),
            ),
            Some(ErrorCode::Throttled) => (
                Kind::Throttled,
                format!(
                    "{service} throttled the request ({action}): run the command again later. It returned {said}"
                ),
            ),
            Some(ErrorCode::NotFound) => {
                (Kind::NotFound, format!("not found by {service} in {region} ({action}): {said}"))
            }
            Some(ErrorCode::Invalid) => {
                (Kind::Invalid, format!("{service} in {region} rejected the request ({action}): {said}"))
            }
            Some(ErrorCode::Conflict) | None => {
                (Kind::Other, format!("{service} in {region} failed ({action}): {said}"))
            }
        };
        AwsError { kind, text }
    }
}

/// The error of the credentials, if they caused the failure.
fn credentials(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut source = Some(error);
    let mut found = None;
    // The innermost error is the most precise one: a role's provider wraps the provider of its source credentials.
    while let Some(error) = source {
        found = error.downcast_ref::<CredentialsError>().or(found);
        source = error.source();
    }
    let error = found?;
    Some(match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            // If every provider failed, the list is too long to be useful.
            let why = error.source().map(ToString::to_string).filter(|why| !why.contains('\n'));
            let why = why.map(|why| format!(" ({})", plain(&why))).unwrap_or_default();
            format!(
                "no AWS credentials found{why}: name a profile with --profile, sign in with `aws sso login`, or \
                 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        CredentialsError::ProviderTimedOut(_) => "the AWS credential provider timed out".to_owned(),
        CredentialsError::InvalidConfiguration(_) => {
            format!("the AWS profile has no usable credentials: {}", plain(&innermost(error)))
        }
        _ => format!("can't load AWS credentials: {}", plain(&innermost(error))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, quotes: bool, kind: Kind, text: &str) {
        let call = Call { service: "SQS", action: "sqs:ReceiveMessage", region: "eu-central-1", quotes };
        assert_eq!(call.refusal(code, Some("Its own words.")), AwsError::new(kind, text));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        check(
            "com.amazonaws.sqs#AccessDenied",
            false,
            Kind::Denied,
            "these credentials lack the permission sqs:ReceiveMessage in eu-central-1. SQS returned AccessDenied: Its own words.",
        );
        check(
            "AWS.SimpleQueueService.NonExistentQueue",
            false,
            Kind::NotFound,
            "not found by SQS in eu-central-1 (sqs:ReceiveMessage): NonExistentQueue: Its own words.",
        );
        check(
            "ExpiredToken",
            false,
            Kind::Other,
            "the credentials have expired: sign in again. SQS returned ExpiredToken: Its own words.",
        );
    }

    #[test]
    fn a_service_that_quotes_is_not_quoted() {
        check(
            "InvalidRequestContentException",
            true,
            Kind::Invalid,
            "SQS in eu-central-1 rejected the request (sqs:ReceiveMessage): InvalidRequestContentException",
        );
    }
}
