//! How AWS is reached, and what its errors mean in plain words.
//!
//! Unlike the functions, which run inside Lambda only, the tool takes credentials from wherever the AWS CLI does:
//! variables, profiles, single sign-on, roles, the metadata of an instance.

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

/// A configured way to AWS: Region, credentials, timeouts.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    config: SdkConfig,
    region: String,
}

/// What a failure calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Slower, or later.
    Throttled,
    /// A permission is missing; the text names it.
    Denied,
    /// The resource does not exist, or not in this account and Region.
    NotFound,
    /// The service will never take this request.
    Invalid,
    /// Everything else: credentials, permission, network, a fault of the service.
    Other,
}

/// A call that failed, in plain words.
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

/// A new connection across the world takes some 300 ms.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt of a call; the longest one waits a second for messages.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

impl Aws {
    /// Finds the Region. `region` is what follows from the command itself, for example from a URL.
    ///
    /// # Errors
    /// When there is no Region. Credentials are looked for at the first call.
    pub(crate) async fn load(common: &Common, region: Option<&str>) -> Result<Self, AwsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(profile) = &common.profile {
            // A profile that was named wins over credentials in variables: they may be another account's.
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(region) = common.region.as_deref().or(region) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = Box::pin(loader.load()).await;
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            let text = "no AWS Region is set: give --region, or set AWS_REGION or `region` in the profile";
            AwsError::new(Kind::Other, text)
        })?;
        Ok(Self { config, region })
    }

    /// The same with the credentials of a role, which is assumed at the first call.
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

    /// The same in another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        let builder = self.config.clone().into_builder().region(Region::new(region.to_owned()));
        Self { config: builder.build(), region: region.to_owned() }
    }

    /// For the clients of the services.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Where the calls go.
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

/// A call as people know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// `SQS`, `Lambda`.
    pub(crate) service: &'a str,
    /// The permission that it needs, `sqs:ReceiveMessage`.
    pub(crate) action: &'a str,
    pub(crate) region: &'a str,
    /// Whether the service may quote what it was sent: then its own words are not shown.
    pub(crate) quotes: bool,
}

impl Call<'_> {
    /// Sorts an SDK error and puts it into words.
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
            // An empty body is no error of the service to some of the SDK's protocols.
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
                    "{service} in {region} could not be reached ({action}): is that the name of a Region, and is \
                     there a way to it?"
                ),
            ),
            _ => AwsError::new(
                Kind::Other,
                format!("{action} could not be asked for: {}", plain(&innermost(error))),
            ),
        }
    }

    /// An answer that says nothing but its status.
    fn wordless(self, status: u16) -> AwsError {
        let Self { service, action, region, .. } = self;
        let text = match status {
            429 => return self.refusal("TooManyRequestsException", None),
            // What could not be read is an error of the service to some of the SDK's protocols.
            200..300 => {
                format!("{service} in {region} gave an answer that is not one of {service}'s ({action})")
            }
            _ => format!(
                "{service} in {region} answered {status} and nothing else that {service} says ({action})"
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
                format!("these credentials may not do {action} in {region}. {service} says {said}"),
            ),
            Some(ErrorCode::ExpiredCredentials) => {
                (Kind::Other, format!("the credentials have expired: sign in again. {service} says {said}"))
            }
            Some(ErrorCode::UnknownCredentials) => (
                Kind::Other,
                format!("AWS does not know these credentials in {region}. {service} says {said}"),
            ),
            Some(ErrorCode::Throttled) => (
                Kind::Throttled,
                format!(
                    "{service} throttled the request ({action}): run the command again later. It says {said}"
                ),
            ),
            Some(ErrorCode::NotFound) => {
                (Kind::NotFound, format!("{service} in {region} does not know it ({action}): {said}"))
            }
            Some(ErrorCode::Invalid) => {
                (Kind::Invalid, format!("{service} in {region} refuses the request ({action}): {said}"))
            }
            Some(ErrorCode::Conflict) | None => {
                (Kind::Other, format!("{service} in {region} failed ({action}): {said}"))
            }
        };
        AwsError { kind, text }
    }
}

/// What is wrong with the credentials, if that is what is wrong.
fn credentials(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut source = Some(error);
    let mut found = None;
    // The innermost one knows best: a role's provider wraps the one that it starts from.
    while let Some(error) = source {
        found = error.downcast_ref::<CredentialsError>().or(found);
        source = error.source();
    }
    let error = found?;
    Some(match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            // Where everything was tried, the list of that is longer than it is useful.
            let why = error.source().map(ToString::to_string).filter(|why| !why.contains('\n'));
            let why = why.map(|why| format!(" ({})", plain(&why))).unwrap_or_default();
            format!(
                "there are no AWS credentials{why}: name a profile with --profile, sign in with `aws sso login`, or \
                 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        CredentialsError::ProviderTimedOut(_) => "the AWS credential provider timed out".to_owned(),
        CredentialsError::InvalidConfiguration(_) => {
            format!("the AWS profile does not lead to credentials: {}", plain(&innermost(error)))
        }
        _ => format!("AWS credentials could not be had: {}", plain(&innermost(error))),
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
            "these credentials may not do sqs:ReceiveMessage in eu-central-1. SQS says AccessDenied: Its own words.",
        );
        check(
            "AWS.SimpleQueueService.NonExistentQueue",
            false,
            Kind::NotFound,
            "SQS in eu-central-1 does not know it (sqs:ReceiveMessage): NonExistentQueue: Its own words.",
        );
        check(
            "ExpiredToken",
            false,
            Kind::Other,
            "the credentials have expired: sign in again. SQS says ExpiredToken: Its own words.",
        );
    }

    #[test]
    fn a_service_that_quotes_is_not_quoted() {
        check(
            "InvalidRequestContentException",
            true,
            Kind::Invalid,
            "SQS in eu-central-1 refuses the request (sqs:ReceiveMessage): InvalidRequestContentException",
        );
    }
}
