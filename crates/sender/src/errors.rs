//! Every error that AWS can return, with its class, which decides what happens to the event.
//!
//! docs/reliability.md shows the table. Tests compare it with the errors that the SDKs model.

use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::outcome::FailureClass;

use client::aws::Service;
use client::http::NotConnected;

/// How one error is handled.
#[derive(Debug, Clone, Copy)]
pub struct ErrorRule {
    /// The service that returns it, `None` for every service.
    pub service: Option<Service>,
    /// The error code, and after a slash the reason in the service's error.
    pub code: &'static str,
    /// Its class.
    pub class: FailureClass,
    /// What to do about it. Empty if waiting is enough.
    pub remedy: &'static str,
}

/// The reason of an error whose message names the recipient.
pub const ABOUT_RECIPIENT: &str = "recipient";

const fn rule(service: Service, code: &'static str, class: FailureClass, remedy: &'static str) -> ErrorRule {
    ErrorRule { service: Some(service), code, class, remedy }
}

const fn any(code: &'static str, class: FailureClass, remedy: &'static str) -> ErrorRule {
    ErrorRule { service: None, code, class, remedy }
}

use FailureClass::{Configuration, Recipient, Transient};
use Service::{DynamoDb, EndUserMessaging, Kms, SesV2, Sns};

const KEY_STATE: &str = "the key is disabled or scheduled for deletion: check its state";
const OTHER_KEY: &str = "the code is encrypted with another key than CODE_KEY_ARN (parameter CodeKeyArn)";
const TOPIC_ONLY: &str = "this error is about topics and applications, which the function never publishes to";

/// The table: the services' own errors first, then the common ones.
///
/// Sources: "Errors" of each operation in the API references of SES v2 (`SendEmail`), SNS (`Publish`), End User
/// Messaging SMS v2 (`SendTextMessage`), KMS (`Decrypt`), DynamoDB (`UpdateItem`), and their common errors.
pub const TABLE: &[ErrorRule] = &[
    rule(SesV2, "TooManyRequestsException", Transient, "the account's sending rate is used up"),
    rule(
        SesV2,
        "LimitExceededException",
        Transient,
        "the account's sending quota is used up: request a higher one",
    ),
    rule(
        SesV2,
        "AccountSuspendedException",
        Configuration,
        "SES has suspended the account's sending: see its email to the account",
    ),
    rule(
        SesV2,
        "SendingPausedException",
        Configuration,
        "sending is paused for the account or the configuration set",
    ),
    rule(
        SesV2,
        "MessageRejected",
        Configuration,
        "verify FROM_ADDRESS (parameter FromAddress) in that Region; without production access also the recipient",
    ),
    rule(
        SesV2,
        "MailFromDomainNotVerifiedException",
        Configuration,
        "verify the identity's MAIL FROM domain",
    ),
    rule(
        SesV2,
        "NotFoundException",
        Configuration,
        "SES_CONFIGURATION_SET (SesConfigurationSet in MoreSettings) does not exist in this Region",
    ),
    rule(SesV2, "BadRequestException/recipient", Recipient, "SES rejects the recipient's address"),
    rule(SesV2, "BadRequestException", Configuration, "SES rejects the request: check the settings"),
    rule(
        SesV2,
        "AccessDeniedException",
        Configuration,
        "allow ses:SendEmail on the identity and the configuration set",
    ),
    rule(Sns, "InternalError", Transient, ""),
    rule(Sns, "InvalidParameter/recipient", Recipient, "SNS rejects the recipient's number"),
    rule(
        Sns,
        "InvalidParameter",
        Configuration,
        "SNS rejects the request: check SmsSenderId, SmsOriginationNumber and SmsMaxPriceUsd",
    ),
    rule(Sns, "ParameterValueInvalid/recipient", Recipient, "SNS rejects the recipient's number"),
    rule(
        Sns,
        "ParameterValueInvalid",
        Configuration,
        "SNS rejects the request: check SmsSenderId, SmsOriginationNumber and SmsMaxPriceUsd",
    ),
    rule(Sns, "InvalidParameterValue/recipient", Recipient, "SNS rejects the recipient's number"),
    rule(
        Sns,
        "InvalidParameterValue",
        Configuration,
        "SNS rejects the request: check SmsSenderId, SmsOriginationNumber and SmsMaxPriceUsd",
    ),
    rule(Sns, "ValidationException/recipient", Recipient, "SNS rejects the recipient's number"),
    rule(
        Sns,
        "ValidationException",
        Configuration,
        "SNS rejects the request: check SmsSenderId, SmsOriginationNumber and SmsMaxPriceUsd",
    ),
    rule(Sns, "OptedOut", Recipient, "the number has opted out of messages from this account"),
    rule(
        Sns,
        "AuthorizationError",
        Configuration,
        "allow sns:Publish to phone numbers in the function's role",
    ),
    rule(Sns, "AccessDenied", Configuration, "allow sns:Publish to phone numbers in the function's role"),
    rule(Sns, "InvalidSecurity", Configuration, "SNS rejects the request's signature"),
    rule(Sns, "EndpointDisabled", Configuration, TOPIC_ONLY),
    rule(Sns, "PlatformApplicationDisabled", Configuration, TOPIC_ONLY),
    rule(Sns, "NotFound", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSAccessDenied", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSDisabled", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSInvalidState", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSNotFound", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSOptInRequired", Configuration, TOPIC_ONLY),
    rule(Sns, "KMSThrottling", Transient, ""),
    rule(
        EndUserMessaging,
        "ConflictException/DESTINATION_PHONE_NUMBER_OPTED_OUT",
        Recipient,
        "the number has opted out",
    ),
    rule(
        EndUserMessaging,
        "ConflictException/DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
        Recipient,
        "a protect configuration blocks the number's country",
    ),
    rule(
        EndUserMessaging,
        "ConflictException/DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        Configuration,
        "the account has no production access: verify the number, or request production access",
    ),
    rule(
        EndUserMessaging,
        "ConflictException",
        Configuration,
        "check the state of SMS_ORIGINATION_IDENTITY (parameter SmsOriginationIdentity) in End User Messaging",
    ),
    rule(
        EndUserMessaging,
        "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        Configuration,
        "the account's monthly SMS spend limit is reached: request a higher one",
    ),
    rule(
        EndUserMessaging,
        "ServiceQuotaExceededException/DAILY_DESTINATION_CALL_LIMIT",
        Recipient,
        "the number has reached its daily limit of messages",
    ),
    rule(
        EndUserMessaging,
        "ServiceQuotaExceededException",
        Configuration,
        "a quota of End User Messaging is used up",
    ),
    rule(
        EndUserMessaging,
        "ResourceNotFoundException",
        Configuration,
        "SMS_ORIGINATION_IDENTITY (parameter SmsOriginationIdentity) or SMS_CONFIGURATION_SET (parameter \
         SmsConfigurationSet) does not exist in this Region",
    ),
    rule(
        EndUserMessaging,
        "ValidationException/recipient",
        Recipient,
        "End User Messaging rejects the recipient's number",
    ),
    rule(
        EndUserMessaging,
        "ValidationException/DESTINATION_COUNTRY_BLOCKED",
        Recipient,
        "the account blocks the number's country",
    ),
    rule(
        EndUserMessaging,
        "ValidationException/PRICE_OVER_THRESHOLD",
        Recipient,
        "the message would cost more than SMS_MAX_PRICE_USD (SmsMaxPriceUsd in MoreSettings)",
    ),
    rule(
        EndUserMessaging,
        "ValidationException/INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        Configuration,
        "SMS_ORIGINATION_IDENTITY (parameter SmsOriginationIdentity) cannot send to the number's country: use \
         one that can, or remove the country from SmsAllowedCountries",
    ),
    rule(
        EndUserMessaging,
        "ValidationException",
        Configuration,
        "End User Messaging rejects the request: check the settings",
    ),
    rule(
        EndUserMessaging,
        "AccessDeniedException",
        Configuration,
        "allow sms-voice:SendTextMessage on SMS_ORIGINATION_IDENTITY in the function's role",
    ),
    rule(EndUserMessaging, "InternalServerException", Transient, ""),
    rule(EndUserMessaging, "ThrottlingException", Transient, "the account's sending rate is used up"),
    rule(Kms, "DependencyTimeoutException", Transient, ""),
    rule(Kms, "KeyUnavailableException", Transient, ""),
    rule(Kms, "KMSInternalException", Transient, ""),
    rule(Kms, "LimitExceededException", Transient, ""),
    rule(Kms, "DisabledException", Configuration, "enable the key CODE_KEY_ARN (parameter CodeKeyArn)"),
    rule(Kms, "KMSInvalidStateException", Configuration, KEY_STATE),
    rule(
        Kms,
        "NotFoundException",
        Configuration,
        "the key does not exist in this Region and account: check CODE_KEY_ARN (parameter CodeKeyArn)",
    ),
    rule(Kms, "IncorrectKeyException", Configuration, OTHER_KEY),
    rule(
        Kms,
        "InvalidCiphertextException",
        Configuration,
        "the event is damaged, or the code is encrypted with another key than CODE_KEY_ARN (parameter \
         CodeKeyArn)",
    ),
    rule(
        Kms,
        "InvalidKeyUsageException",
        Configuration,
        "CODE_KEY_ARN (parameter CodeKeyArn) must be a symmetric encryption key",
    ),
    rule(
        Kms,
        "InvalidGrantTokenException",
        Configuration,
        "the function uses no grant token, so this is a bug in it",
    ),
    rule(
        Kms,
        "DryRunOperationException",
        Configuration,
        "the function makes no dry run of KMS, so this is a bug in it",
    ),
    rule(
        Kms,
        "AccessDeniedException",
        Configuration,
        "allow kms:Decrypt on CODE_KEY_ARN in the function's role and in the key's policy",
    ),
    rule(
        DynamoDb,
        "ConditionalCheckFailedException",
        Configuration,
        "the function handles this response, so this is a bug in it",
    ),
    rule(DynamoDb, "InternalServerError", Transient, ""),
    rule(DynamoDb, "InvalidEndpointException", Configuration, "check the function's Region and endpoint"),
    rule(
        DynamoDb,
        "ItemCollectionSizeLimitExceededException",
        Configuration,
        "the table must not have a local secondary index",
    ),
    rule(DynamoDb, "ProvisionedThroughputExceededException", Transient, ""),
    rule(DynamoDb, "ReplicatedWriteConflictException", Transient, ""),
    rule(DynamoDb, "RequestLimitExceeded", Transient, ""),
    rule(
        DynamoDb,
        "ResourceNotFoundException",
        Configuration,
        "the table DELIVERY_TABLE does not exist in this Region",
    ),
    rule(DynamoDb, "ThrottlingException", Transient, ""),
    rule(DynamoDb, "TransactionConflictException", Transient, ""),
    rule(DynamoDb, "ValidationException", Configuration, "the key of DELIVERY_TABLE must be `id`, a string"),
    rule(DynamoDb, "AccessDeniedException", Configuration, "allow dynamodb:UpdateItem on DELIVERY_TABLE"),
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
    any("AccessDeniedException", Configuration, "allow the call in the function's role"),
    any("AccessDenied", Configuration, "allow the call in the function's role"),
    any("NotAuthorized", Configuration, "allow the call in the function's role"),
    any("OptInRequired", Configuration, "the account is not signed up for the service in this Region"),
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

/// Every execution environment of Lambda gets new ones.
const CREDENTIALS: &str = "the function's credentials were not accepted";

/// A failed call, without any part of the request.
///
/// It omits the service's error message, which may quote addresses and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The service that was called.
    pub service: Service,
    /// The service's error code, or what happened to the connection.
    pub code: String,
    /// Its class.
    pub class: FailureClass,
    /// What to do about it. Empty if waiting is enough.
    pub remedy: &'static str,
}

impl ServiceError {
    /// Classifies an SDK error. `reason` extracts from the service's error what its code doesn't say.
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
                // An error status without a readable body is still an error.
                Self::answered(service, answer.raw().status().as_u16(), None, None)
            }
            _ => Self::invalid_request(service),
        }
    }

    /// The service did not respond within the time.
    #[must_use]
    pub fn timeout(service: Service) -> Self {
        Self::unanswered(service, "timeout", FailureClass::Ambiguous)
    }

    /// The call was not made, because the invocation has no time left for it.
    #[must_use]
    pub fn no_time(service: Service) -> Self {
        Self::unanswered(service, "no time left", Transient)
    }

    /// The SDK rejected the request before sending it.
    #[must_use]
    pub fn invalid_request(service: Service) -> Self {
        Self::unanswered(service, "request could not be built", Configuration)
    }

    fn unanswered(service: Service, code: &str, class: FailureClass) -> Self {
        Self { service, code: code.to_owned(), class, remedy: "" }
    }

    /// Classifies an error response by its code, or by its status if the code is unknown.
    fn answered(service: Service, status: u16, code: Option<&str>, reason: Option<&str>) -> Self {
        let rule = code.and_then(|code| look_up(service, code, reason));
        let code = match code {
            Some(code) => plain(code),
            None if status == 200 => "unreadable response".to_owned(),
            None => format!("HTTP status {status}"),
        };
        // Unknown errors may be temporary, so they are retried. A gateway that lost its service can't know what the
        // service did, and an unreadable response doesn't show it.
        let class = rule.map_or(
            match status {
                ..300 | 502 | 504 => FailureClass::Ambiguous,
                _ => Transient,
            },
            |rule| rule.class,
        );
        Self { service, code, class, remedy: rule.map_or("", |rule| rule.remedy) }
    }
}

fn look_up(service: Service, code: &str, reason: Option<&str>) -> Option<&'static ErrorRule> {
    let find = |service: Option<Service>, code: &str| {
        TABLE.iter().find(|rule| rule.service == service && rule.code == code)
    };
    reason
        .and_then(|reason| find(Some(service), &format!("{code}/{reason}")))
        .or_else(|| find(Some(service), code))
        .or_else(|| find(None, code))
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (service, what) = match self.service {
            SesV2 => ("SES", "accept the message"),
            Sns => ("SNS", "accept the message"),
            EndUserMessaging => ("End User Messaging", "accept the message"),
            Kms => ("KMS", "decrypt the code"),
            DynamoDb => ("DynamoDB", "update the record"),
            Service::Other(name) => (name, "accept the message"),
        };
        write!(formatter, "{service} did not {what}: {}", self.code)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.remedy) }
    }
}

impl std::error::Error for ServiceError {}

/// An error code is a word without digits. Anything else in a broken response is not shown.
fn plain(code: &str) -> String {
    if code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || b"._-".contains(&byte)) {
        code.to_owned()
    } else {
        "unknown error".to_owned()
    }
}
