//! What a failed call means: whose fault it is, and whether it may be tried again.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Whose fault a failure is, which decides what becomes of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// It will probably work later: the invocation fails, Lambda tries again.
    Transient,
    /// The recipient cannot be reached: nothing that we do later changes it, so the invocation ends well.
    Recipient,
    /// Ours or the configuration's: the invocation fails, so that the event is kept until it is mended.
    Configuration,
    /// The message may be on its way although no answer came.
    Ambiguous,
}

impl FailureClass {
    /// As it stands in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Recipient => "recipient",
            Self::Configuration => "configuration",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// A call to AWS that failed, without anything of the request in it.
///
/// The service's own text is left out on purpose: it quotes addresses and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// `SES`, `SNS`.
    pub service: &'static str,
    /// The service's error code, or what happened to the connection.
    pub code: String,
    /// Whose fault it is.
    pub class: FailureClass,
    /// What to do about it, where that is known.
    pub remedy: Option<&'static str>,
}

impl CallFailure {
    /// Sorts an SDK error. `known` gives class and remedy of the service's own error codes.
    pub fn new<E: ProvideErrorMetadata, R>(
        service: &'static str,
        error: &SdkError<E, R>,
        known: impl FnOnce(&str, Option<&str>) -> Option<(FailureClass, Option<&'static str>)>,
    ) -> Self {
        let (code, class, remedy) = match error {
            SdkError::ServiceError(response) => {
                let metadata = response.err();
                let code = metadata.code().unwrap_or("unknown error");
                let (class, remedy) =
                    known(code, metadata.message()).unwrap_or((FailureClass::Transient, None));
                (plain(code), class, remedy)
            }
            SdkError::TimeoutError(_) => ("timeout".to_owned(), FailureClass::Ambiguous, None),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                ("connection timeout".to_owned(), FailureClass::Ambiguous, None)
            }
            SdkError::DispatchFailure(_) => ("connection failed".to_owned(), FailureClass::Ambiguous, None),
            SdkError::ResponseError(_) => ("unreadable answer".to_owned(), FailureClass::Ambiguous, None),
            _ => ("request could not be built".to_owned(), FailureClass::Configuration, None),
        };
        Self { service, code, class, remedy }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} did not take the message: {}", self.service, self.code)?;
        self.remedy.map_or(Ok(()), |remedy| write!(formatter, " ({remedy})"))
    }
}

impl std::error::Error for CallFailure {}

/// An error code is a word; anything else that a broken answer holds is not shown.
fn plain(code: &str) -> String {
    if code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte)) {
        code.to_owned()
    } else {
        "unknown error".to_owned()
    }
}

/// Keeps the SDK from sending a message a second time after an answer that was not read.
///
/// SES and SNS have no idempotency token: after a timeout or a reset connection the first message may be on its
/// way, so only an answer that says "not taken" is tried again. SES itself warns of server errors after it has
/// accepted a message, so those are left to Lambda's retry as well.
/// A connection that was never made counts as well: the SDK does not tell it from one that broke, and a minute's
/// delay is better than a second message.
/// A bare 429, which the SDK does not count as throttling for want of an error code, is tried again.
/// Source: "Errors returned by the Amazon SES API", Amazon SES developer guide.
#[derive(Debug)]
pub struct SendOnce;

impl ClassifyRetry for SendOnce {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().map(|response| response.status().as_u16()) {
            None | Some(500..) => RetryAction::RetryForbidden,
            Some(429) => RetryAction::throttling_error(),
            Some(_) => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "send once"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// A duration as it stands in logs: whole milliseconds.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
