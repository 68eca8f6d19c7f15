//! The calls to Cognito and Lambda.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex};

use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::{Builder, ConfigBag};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use serde_json::Value;

use crate::error_code::ErrorCode;
use crate::user_pool::UserPool;

/// The call that changes a pool.
pub(crate) const UPDATE: &str = "cognito-idp:UpdateUserPool";

/// Cognito and Lambda in one Region.
#[derive(Clone, Debug)]
pub struct Clients {
    cognito: aws_sdk_cognitoidentityprovider::Client,
    lambda: aws_sdk_lambda::Client,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct CallError {
    /// The permission that the call needs, `cognito-idp:UpdateUserPool`.
    pub action: &'static str,
    /// The SDK's error.
    #[source]
    pub cause: Box<SdkError<ErrorMetadata, HttpResponse>>,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access denied.
    Denied,
    /// Not found.
    NotFound,
    /// Throttled.
    Throttled,
    /// Another change is in progress.
    Conflict,
    /// The service rejected the request.
    Rejected,
    /// No response: network, credentials, a fault of the service. The change may have been made or not.
    NoResponse,
}

impl CallError {
    pub(crate) fn new<E: ProvideErrorMetadata>(
        action: &'static str,
        error: SdkError<E, HttpResponse>,
    ) -> Self {
        Self { action, cause: Box::new(error.map_service_error(|error| error.meta().clone())) }
    }

    fn meta(&self) -> Option<&ErrorMetadata> {
        self.cause.as_service_error()
    }

    /// The service's name for the error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.meta().and_then(ErrorMetadata::code)
    }

    /// The service's error message.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.meta().and_then(ErrorMetadata::message)
    }

    /// Why the call failed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let status = self.cause.raw_response().map_or(0, |response| response.status().as_u16());
        let code = self.code();
        match (code, code.and_then(ErrorCode::parse)) {
            // Cognito returns NotAuthorizedException to callers that IAM allows.
            (Some("NotAuthorizedException"), _) | (_, Some(ErrorCode::Denied)) => Kind::Denied,
            (_, Some(ErrorCode::NotFound)) => Kind::NotFound,
            // LimitExceededException is about the rate of changes to a user pool or a function.
            (Some("LimitExceededException"), _) | (_, Some(ErrorCode::Throttled)) => Kind::Throttled,
            (_, Some(ErrorCode::Conflict)) => Kind::Conflict,
            (Some(_), _) if (400..500).contains(&status) => Kind::Rejected,
            (None, _) if status == 429 => Kind::Throttled,
            _ => Kind::NoResponse,
        }
    }

    fn sentence(&self) -> String {
        match (self.code(), self.message()) {
            (Some(code), Some(message)) => format!("{}: {code}: {message}", self.action),
            (Some(code), None) => format!("{}: {code}", self.action),
            _ => format!("{}: {}", self.action, innermost(&*self.cause)),
        }
    }
}

/// The text of an error's last source, which has the reason.
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

impl Clients {
    /// Creates the clients without a call.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            cognito: aws_sdk_cognitoidentityprovider::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
        }
    }

    /// The response of `DescribeUserPool`, byte by byte.
    pub(crate) async fn describe_user_pool(&self, pool_id: &str) -> Result<Vec<u8>, CallError> {
        let body = ResponseBody::default();
        let sent = self
            .cognito
            .describe_user_pool()
            .user_pool_id(pool_id)
            .customize()
            .interceptor(body.clone())
            .send();
        sent.await.map_err(|error| CallError::new("cognito-idp:DescribeUserPool", error))?;
        Ok(body.take())
    }

    /// Sends this body instead of the one that the SDK serializes, without retries: if the response to a first attempt
    /// got lost and a second attempt was rejected, the error would say that nothing was changed, and the permissions
    /// would be removed from functions that the pool invokes.
    pub(crate) async fn update_user_pool(&self, pool: &UserPool, request: &Value) -> Result<(), CallError> {
        let body = request.to_string();
        let replace = move |request: &mut HttpRequest| {
            // The SDK signs the request after this.
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.as_str());
        };
        let sent = self
            .cognito
            .update_user_pool()
            .user_pool_id(pool.id())
            .customize()
            .mutate_request(replace)
            .config_override(Builder::new().retry_config(RetryConfig::disabled()))
            .send();
        sent.await.map(drop).map_err(|error| CallError::new(UPDATE, error))
    }

    /// The policy of a function, `None` if the function or its policy does not exist.
    pub(crate) async fn policy(
        &self,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<Option<String>, CallError> {
        let sent = self
            .lambda
            .get_policy()
            .function_name(function)
            .set_qualifier(qualifier.map(str::to_owned))
            .send();
        match sent.await.map_err(|error| CallError::new("lambda:GetPolicy", error)) {
            Ok(answer) => Ok(answer.policy),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets Cognito invoke a function for one pool.
    pub(crate) async fn add_permission(
        &self,
        (function, qualifier): (&str, Option<&str>),
        statement: &str,
        pool: &UserPool,
    ) -> Result<(), CallError> {
        self.lambda
            .add_permission()
            .function_name(function)
            .set_qualifier(qualifier.map(str::to_owned))
            .statement_id(statement)
            .action("lambda:InvokeFunction")
            .principal("cognito-idp.amazonaws.com")
            .source_arn(pool.arn())
            .source_account(pool.account())
            .send()
            .await
            .map(drop)
            .map_err(|error| CallError::new("lambda:AddPermission", error))
    }

    /// Removes a statement from a function's policy. Returns whether it existed.
    pub(crate) async fn remove_permission(
        &self,
        (function, qualifier): (&str, Option<&str>),
        statement: &str,
    ) -> Result<bool, CallError> {
        let sent = self
            .lambda
            .remove_permission()
            .function_name(function)
            .set_qualifier(qualifier.map(str::to_owned))
            .statement_id(statement)
            .send();
        match sent.await.map_err(|error| CallError::new("lambda:RemovePermission", error)) {
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            result => result.map(|_| true),
        }
    }
}

/// Keeps the body of a response.
#[derive(Clone, Debug, Default)]
struct ResponseBody(Arc<Mutex<Vec<u8>>>);

impl ResponseBody {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[dyn_dispatch_hint]
impl Intercept for ResponseBody {
    fn name(&self) -> &'static str {
        "ResponseBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = body;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cognitoidentityprovider::operation::update_user_pool::UpdateUserPoolInput;
    use aws_sdk_cognitoidentityprovider::types::UserPoolType;

    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::SdkError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::{CallError, Kind, UPDATE};
    use crate::model::{READ_ONLY, SETTABLE, name_in_update};

    #[test]
    fn temporary_errors_are_told_from_rejections() {
        for (code, kind) in [
            ("UserImportInProgressException", Kind::Conflict),
            ("ConcurrentModificationException", Kind::Conflict),
            ("TooManyRequestsException", Kind::Throttled),
            ("InvalidParameterException", Kind::Rejected),
        ] {
            let response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
            let meta = ErrorMetadata::builder().code(code).build();
            let cause = Box::new(SdkError::service_error(meta, response));
            let error = CallError { action: UPDATE, cause };
            assert_eq!(error.kind(), kind, "{code}");
            assert!(std::error::Error::source(&error).is_some(), "the SDK's error is the source");
        }
    }

    /// `UserPoolAddOns` for `user_pool_add_ons`.
    fn members_of_debug(debug: &str) -> Vec<String> {
        let (_, fields) = debug.split_once(" { ").unwrap();
        let names = fields.split(", ").filter_map(|field| Some(field.split_once(": ")?.0));
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
        };
        let pascal = |name: &str| name.split('_').map(capital).collect::<String>();
        names.map(pascal).collect()
    }

    #[test]
    fn every_member_of_the_sdk_is_in_one_of_the_lists() {
        let pool = members_of_debug(&format!("{:?}", UserPoolType::builder().build()));
        assert!(pool.len() > 30, "{pool:?}");
        for name in &pool {
            assert!(SETTABLE.contains(&name.as_str()) || READ_ONLY.contains(&name.as_str()), "{name}");
        }
        let input = members_of_debug(&format!("{:?}", UpdateUserPoolInput::builder()));
        for name in input.iter().filter(|name| *name != "UserPoolId") {
            assert!(SETTABLE.iter().any(|one| name_in_update(one) == name), "{name}");
        }
    }
}
