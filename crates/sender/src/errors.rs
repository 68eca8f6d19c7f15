//! Every error that AWS can answer with, sorted once: whose fault it is, and so what becomes of the event.
//!
//! docs/reliability.md shows the table; tests hold it to the errors that the SDKs model.

use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::outcome::FailureClass;

use crate::aws::Service;
use crate::http::NotConnected;

/// One kind of error.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Who answers so; `None` for every service.
    pub service: Option<Service>,
    /// The error code, and after a slash the reason that the service or its text gives.
    pub code: &'static str,
    /// Whose fault it is.
    pub class: FailureClass,
    /// What to do about it; empty where waiting is all.
    pub remedy: &'static str,
}

/// The reason that stands for a text that names the recipient.
pub const ABOUT_RECIPIENT: &str = "recipient";

const fn row(service: Service, code: &'static str, class: FailureClass, remedy: &'static str) -> Row {
    Row { service: Some(service), code, class, remedy }
}

const fn any(code: &'static str, class: FailureClass, remedy: &'static str) -> Row {
    Row { service: None, code, class, remedy }
}

use FailureClass::{Configuration, Recipient, Transient};
use Service::{DynamoDb, EndUserMessaging, Kms, SesV2, Sns};

const KEY_STATE: &str = "the key is disabled or about to be deleted: look at its state";
const OTHER_KEY: &str = "the code is encrypted under another key than CODE_KEY_ARN";
const TOPIC_ONLY: &str = "this concerns topics and applications, which the function never publishes to";

/// The table: services' own errors first, then those that all share.
///
/// Sources: "Errors" of each operation in the API references of SES v2 (`SendEmail`), SNS (`Publish`), End User
/// Messaging SMS v2 (`SendTextMessage`), KMS (`Decrypt`), DynamoDB (`UpdateItem`), and their common errors.
pub const TABLE: &[Row] = &[
    row(SesV2, "TooManyRequestsException", Transient, "the account's sending rate is used up"),
    row(
        SesV2,
        "LimitExceededException",
        Transient,
        "the account's sending quota is used up: ask SES for more",
    ),
    row(
        SesV2,
        "AccountSuspendedException",
        Configuration,
        "SES has suspended the account's sending: see its e-mail",
    ),
    row(
        SesV2,
        "SendingPausedException",
        Configuration,
        "sending is paused for the account or the configuration set",
    ),
    row(
        SesV2,
        "MessageRejected",
        Configuration,
        "verify FROM_ADDRESS in that region; in the sandbox also the recipient",
    ),
    row(SesV2, "MailFromDomainNotVerifiedException", Configuration, "verify the identity's MAIL FROM domain"),
    row(SesV2, "NotFoundException", Configuration, "the configuration set does not exist in that region"),
    row(SesV2, "BadRequestException/recipient", Recipient, "SES does not take the recipient's address"),
    row(SesV2, "BadRequestException", Configuration, "SES does not take the request: look at the settings"),
    row(
        SesV2,
        "AccessDeniedException",
        Configuration,
        "allow ses:SendEmail on the identity and the configuration set",
    ),
    row(Sns, "InternalError", Transient, ""),
    row(Sns, "InvalidParameter/recipient", Recipient, "SNS does not take the recipient's number"),
    row(
        Sns,
        "InvalidParameter",
        Configuration,
        "SNS does not take the request: look at sender id, origination number and price",
    ),
    row(Sns, "ParameterValueInvalid/recipient", Recipient, "SNS does not take the recipient's number"),
    row(
        Sns,
        "ParameterValueInvalid",
        Configuration,
        "SNS does not take the request: look at sender id, origination number and price",
    ),
    row(Sns, "InvalidParameterValue/recipient", Recipient, "SNS does not take the recipient's number"),
    row(
        Sns,
        "InvalidParameterValue",
        Configuration,
        "SNS does not take the request: look at sender id, origination number and price",
    ),
    row(Sns, "ValidationException/recipient", Recipient, "SNS does not take the recipient's number"),
    row(
        Sns,
        "ValidationException",
        Configuration,
        "SNS does not take the request: look at sender id, origination number and price",
    ),
    row(Sns, "OptedOut", Recipient, "the number has opted out of messages from this account"),
    row(
        Sns,
        "AuthorizationError",
        Configuration,
        "allow sns:Publish to phone numbers in the function's role",
    ),
    row(Sns, "AccessDenied", Configuration, "allow sns:Publish to phone numbers in the function's role"),
    row(Sns, "InvalidSecurity", Configuration, "SNS does not take the request's signature"),
    row(Sns, "EndpointDisabled", Configuration, TOPIC_ONLY),
    row(Sns, "PlatformApplicationDisabled", Configuration, TOPIC_ONLY),
    row(Sns, "NotFound", Configuration, TOPIC_ONLY),
    row(Sns, "KMSAccessDenied", Configuration, TOPIC_ONLY),
    row(Sns, "KMSDisabled", Configuration, TOPIC_ONLY),
    row(Sns, "KMSInvalidState", Configuration, TOPIC_ONLY),
    row(Sns, "KMSNotFound", Configuration, TOPIC_ONLY),
    row(Sns, "KMSOptInRequired", Configuration, TOPIC_ONLY),
    row(Sns, "KMSThrottling", Transient, ""),
    row(
        EndUserMessaging,
        "ConflictException/DESTINATION_PHONE_NUMBER_OPTED_OUT",
        Recipient,
        "the number has opted out",
    ),
    row(
        EndUserMessaging,
        "ConflictException/DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
        Recipient,
        "a protect configuration blocks the number's country",
    ),
    row(
        EndUserMessaging,
        "ConflictException/DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        Configuration,
        "the account is in the sandbox: verify the number, or ask for production access",
    ),
    row(
        EndUserMessaging,
        "ConflictException",
        Configuration,
        "look at the state of SMS_ORIGINATION_IDENTITY in End User Messaging",
    ),
    row(
        EndUserMessaging,
        "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        Configuration,
        "the month's spending limit for SMS is reached: raise it",
    ),
    row(
        EndUserMessaging,
        "ServiceQuotaExceededException/DAILY_DESTINATION_CALL_LIMIT",
        Recipient,
        "the number got as many messages today as one number may",
    ),
    row(
        EndUserMessaging,
        "ServiceQuotaExceededException",
        Configuration,
        "a quota of End User Messaging is used up",
    ),
    row(
        EndUserMessaging,
        "ResourceNotFoundException",
        Configuration,
        "SMS_ORIGINATION_IDENTITY or SMS_CONFIGURATION_SET does not exist in that region",
    ),
    row(
        EndUserMessaging,
        "ValidationException/recipient",
        Recipient,
        "End User Messaging does not take the recipient's number",
    ),
    row(
        EndUserMessaging,
        "ValidationException/DESTINATION_COUNTRY_BLOCKED",
        Recipient,
        "the account blocks the number's country",
    ),
    row(
        EndUserMessaging,
        "ValidationException/PRICE_OVER_THRESHOLD",
        Recipient,
        "the message would cost more than SMS_MAX_PRICE_USD",
    ),
    row(
        EndUserMessaging,
        "ValidationException/INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        Configuration,
        "SMS_ORIGINATION_IDENTITY cannot send to the number's country: get one that can, or take the country off SMS_ALLOWED_COUNTRIES",
    ),
    row(
        EndUserMessaging,
        "ValidationException",
        Configuration,
        "End User Messaging does not take the request: look at the settings",
    ),
    row(
        EndUserMessaging,
        "AccessDeniedException",
        Configuration,
        "allow sms-voice:SendTextMessage on SMS_ORIGINATION_IDENTITY in the function's role",
    ),
    row(EndUserMessaging, "InternalServerException", Transient, ""),
    row(EndUserMessaging, "ThrottlingException", Transient, "the rate of messages is used up"),
    row(Kms, "DependencyTimeoutException", Transient, ""),
    row(Kms, "KeyUnavailableException", Transient, ""),
    row(Kms, "KMSInternalException", Transient, ""),
    row(Kms, "LimitExceededException", Transient, ""),
    row(Kms, "DisabledException", Configuration, "enable the key of CODE_KEY_ARN"),
    row(Kms, "KMSInvalidStateException", Configuration, KEY_STATE),
    row(
        Kms,
        "NotFoundException",
        Configuration,
        "there is no such key in that region and account: look at CODE_KEY_ARN",
    ),
    row(Kms, "IncorrectKeyException", Configuration, OTHER_KEY),
    row(
        Kms,
        "InvalidCiphertextException",
        Configuration,
        "the event is damaged, or the code is encrypted under another key than CODE_KEY_ARN",
    ),
    row(
        Kms,
        "InvalidKeyUsageException",
        Configuration,
        "CODE_KEY_ARN must be a symmetric key for encryption and decryption",
    ),
    row(Kms, "InvalidGrantTokenException", Configuration, "the function uses no grant token: a bug in it"),
    row(Kms, "DryRunOperationException", Configuration, "the function makes no dry run: a bug in it"),
    row(
        Kms,
        "AccessDeniedException",
        Configuration,
        "allow kms:Decrypt on CODE_KEY_ARN in the function's role and in the key's policy",
    ),
    row(
        DynamoDb,
        "ConditionalCheckFailedException",
        Configuration,
        "an answer, not a fault: a bug in the function",
    ),
    row(DynamoDb, "InternalServerError", Transient, ""),
    row(DynamoDb, "InvalidEndpointException", Configuration, "look at the function's region and endpoint"),
    row(
        DynamoDb,
        "ItemCollectionSizeLimitExceededException",
        Configuration,
        "the table must have no local index",
    ),
    row(DynamoDb, "ProvisionedThroughputExceededException", Transient, ""),
    row(DynamoDb, "ReplicatedWriteConflictException", Transient, ""),
    row(DynamoDb, "RequestLimitExceeded", Transient, ""),
    row(
        DynamoDb,
        "ResourceNotFoundException",
        Configuration,
        "the table DELIVERY_TABLE does not exist in this region",
    ),
    row(DynamoDb, "ThrottlingException", Transient, ""),
    row(DynamoDb, "TransactionConflictException", Transient, ""),
    row(DynamoDb, "ValidationException", Configuration, "the key of DELIVERY_TABLE must be `id`, a string"),
    row(DynamoDb, "AccessDeniedException", Configuration, "allow dynamodb:UpdateItem on DELIVERY_TABLE"),
    any("Throttling", Transient, ""),
    any("ThrottlingException", Transient, ""),
    any("ThrottledException", Transient, ""),
    any("TooManyRequestsException", Transient, ""),
    any("RequestLimitExceeded", Transient, ""),
    any("SlowDown", Transient, ""),
    any("InternalFailure", Transient, ""),
    any("InternalServerError", Transient, ""),
    any("InternalServiceErrorException", Transient, ""),
    any("ServiceUnavailable", Transient, ""),
    any("ServiceUnavailableException", Transient, ""),
    any("RequestTimeout", Transient, ""),
    any("RequestTimeoutException", Transient, ""),
    any("AccessDeniedException", Configuration, "the function's role does not allow the call"),
    any("AccessDenied", Configuration, "the function's role does not allow the call"),
    any("NotAuthorized", Configuration, "the function's role does not allow the call"),
    any("OptInRequired", Configuration, "the account is not signed up for the service in that region"),
    any("ExpiredToken", Transient, CREDENTIALS),
    any("ExpiredTokenException", Transient, CREDENTIALS),
    any("RequestExpired", Transient, CREDENTIALS),
    any("UnrecognizedClientException", Transient, CREDENTIALS),
    any("InvalidClientTokenId", Transient, CREDENTIALS),
    any("InvalidSignatureException", Transient, CREDENTIALS),
    any("SignatureDoesNotMatch", Transient, CREDENTIALS),
    any("IncompleteSignature", Transient, CREDENTIALS),
    any("MissingAuthenticationToken", Transient, CREDENTIALS),
];

/// Lambda gives every execution environment new ones.
const CREDENTIALS: &str = "the function's credentials were not accepted";

/// A call to AWS that failed, without anything of the request in it.
///
/// The service's own text is left out on purpose: it quotes addresses and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// Who was called.
    pub service: Service,
    /// The service's error code, or what happened to the connection.
    pub code: String,
    /// Whose fault it is.
    pub class: FailureClass,
    /// What to do about it; empty where waiting is all.
    pub remedy: &'static str,
}

impl CallFailure {
    /// Sorts an SDK's error. `reason` reads out of the service's own error what its code does not say.
    pub fn new<E: ProvideErrorMetadata>(
        service: Service,
        error: &SdkError<E, Response>,
        reason: impl FnOnce(&E) -> Option<String>,
    ) -> Self {
        match error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code();
                Self::answered(service, answer.raw().status().as_u16(), code, reason(answer.err()).as_deref())
            }
            SdkError::TimeoutError(_) => Self::timeout(service),
            SdkError::DispatchFailure(failure)
                if failure.as_connector_error().is_some_and(|error| NotConnected::caused(error)) =>
            {
                Self::unanswered(service, "no connection", Transient)
            }
            SdkError::DispatchFailure(_) => {
                Self::unanswered(service, "connection failed", FailureClass::Ambiguous)
            }
            SdkError::ResponseError(answer) => {
                // A bare refusal without a body that could be read is a refusal all the same.
                Self::answered(service, answer.raw().status().as_u16(), None, None)
            }
            _ => Self::unbuildable(service),
        }
    }

    /// No answer came within the time.
    #[must_use]
    pub fn timeout(service: Service) -> Self {
        Self::unanswered(service, "timeout", FailureClass::Ambiguous)
    }

    /// The invocation has no time left for the call, which was not made.
    #[must_use]
    pub fn no_time(service: Service) -> Self {
        Self::unanswered(service, "no time left", Transient)
    }

    /// The request does not satisfy the SDK's own checks.
    #[must_use]
    pub fn unbuildable(service: Service) -> Self {
        Self::unanswered(service, "request could not be built", Configuration)
    }

    fn unanswered(service: Service, code: &str, class: FailureClass) -> Self {
        Self { service, code: code.to_owned(), class, remedy: "" }
    }

    /// Sorts an answer by its code, and by its status where the code is unknown.
    fn answered(service: Service, status: u16, code: Option<&str>, reason: Option<&str>) -> Self {
        let row = code.and_then(|code| look_up(service, code, reason));
        let code = match code {
            Some(code) => plain(code),
            None if status == 200 => "unreadable answer".to_owned(),
            None => format!("HTTP status {status}"),
        };
        // Unknown refusals may pass, so they are tried again. A gateway that lost its service cannot know what the
        // service has done; nor does an answer tell that nobody can read.
        let class = row.map_or(
            match status {
                ..300 | 502 | 504 => FailureClass::Ambiguous,
                _ => Transient,
            },
            |row| row.class,
        );
        Self { service, code, class, remedy: row.map_or("", |row| row.remedy) }
    }
}

fn look_up(service: Service, code: &str, reason: Option<&str>) -> Option<&'static Row> {
    let find = |service: Option<Service>, code: &str| {
        TABLE.iter().find(|row| row.service == service && row.code == code)
    };
    reason
        .and_then(|reason| find(Some(service), &format!("{code}/{reason}")))
        .or_else(|| find(Some(service), code))
        .or_else(|| find(None, code))
}

impl fmt::Display for CallFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (service, what) = match self.service {
            SesV2 => ("SES", "take the message"),
            Sns => ("SNS", "take the message"),
            EndUserMessaging => ("End User Messaging", "take the message"),
            Kms => ("KMS", "decrypt the code"),
            DynamoDb => ("DynamoDB", "keep the record"),
        };
        write!(formatter, "{service} did not {what}: {}", self.code)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.remedy) }
    }
}

impl std::error::Error for CallFailure {}

/// An error code is a word without digits; anything else that a broken answer holds is not shown.
fn plain(code: &str) -> String {
    if code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || b"._-".contains(&byte)) {
        code.to_owned()
    } else {
        "unknown error".to_owned()
    }
}
