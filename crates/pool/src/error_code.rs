//! The meaning of the error codes that AWS services return: one table for the control plane and the operator's tool.
//!
//! The senders have a table of their own, `sender::errors`. It decides whether a message was sent, and so it depends
//! on the service.

/// What an error code says about a call, whichever service returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The caller lacks a permission.
    Denied,
    /// The caller's credentials have expired.
    ExpiredCredentials,
    /// AWS doesn't accept the caller's credentials.
    UnknownCredentials,
    /// The resource doesn't exist, or not in this account and Region.
    NotFound,
    /// The service throttled the call.
    Throttled,
    /// Another change is in progress.
    Conflict,
    /// The service will never accept this request.
    Invalid,
}

impl ErrorCode {
    /// The meaning of a code, `None` if it depends on the service or isn't known.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Some(match unqualified(code) {
            "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "KmsAccessDenied" => {
                Self::Denied
            }
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Self::ExpiredCredentials,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken" => Self::UnknownCredentials,
            "ResourceNotFoundException" | "NotFoundException" | "QueueDoesNotExist" | "NonExistentQueue" => {
                Self::NotFound
            }
            "TooManyRequestsException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestLimitExceeded"
            | "SlowDown" => Self::Throttled,
            "ConcurrentModificationException"
            | "ResourceConflictException"
            | "PreconditionFailedException"
            // While users are imported, Cognito rejects changes of the pool.
            | "UserImportInProgressException" => Self::Conflict,
            "InvalidRequestContentException"
            | "RequestTooLargeException"
            | "InvalidParameterValueException"
            | "ValidationError"
            | "ValidationException"
            | "UnsupportedMediaTypeException" => Self::Invalid,
            _ => return None,
        })
    }
}

/// A code without its namespace: the query protocol puts one before some codes, `AWS.SimpleQueueService.`, and JSON
/// protocols put one before a `#`.
#[must_use]
pub fn unqualified(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_does_not_change_the_meaning() {
        for code in
            ["NonExistentQueue", "AWS.SimpleQueueService.NonExistentQueue", "com.aws#NonExistentQueue"]
        {
            assert_eq!(ErrorCode::parse(code), Some(ErrorCode::NotFound), "{code}");
        }
        assert_eq!(ErrorCode::parse("UserNotFoundException"), None);
    }
}
