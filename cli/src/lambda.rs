//! Lambda: hands events to functions, and tells their settings.

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use crate::aws::{Aws, AwsError, Call, Kind};
use crate::output::plain;

/// Lambda in one Region.
pub(crate) struct Functions {
    client: aws_sdk_lambda::Client,
    region: String,
}

impl Functions {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: aws_sdk_lambda::Client::new(aws.config()), region: aws.region().to_owned() }
    }

    /// Queues an event for a function; Lambda answers before the function runs.
    ///
    /// A call whose answer got lost is tried again, so the function may get the event twice.
    ///
    /// # Errors
    /// When Lambda does not say that it took the event.
    pub(crate) async fn invoke_later(&self, function_arn: &str, event: &str) -> Result<(), AwsError> {
        // Lambda quotes a payload that it cannot read.
        let call =
            Call { service: "Lambda", action: "lambda:InvokeFunction", region: &self.region, quotes: true };
        self.client
            .invoke()
            .function_name(function_arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event))
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failure(&error))
    }

    /// The environment variables of a function as it was deployed.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html>
    ///
    /// # Errors
    /// When there is no such function, or Lambda does not tell its variables: they may be encrypted with a key that
    /// these credentials may not use.
    pub(crate) async fn variables(&self, function_arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let action = "lambda:GetFunctionConfiguration";
        let call = Call { service: "Lambda", action, region: &self.region, quotes: false };
        let answer = self
            .client
            .get_function_configuration()
            .function_name(function_arn)
            .send()
            .await
            .map_err(|error| call.failure(&error))?;
        let Some(environment) = answer.environment else { return Ok(BTreeMap::new()) };
        if let Some(error) = environment.error() {
            let code = plain(error.error_code().unwrap_or("no reason"));
            let text =
                format!("Lambda cannot read the variables of {function_arn} for these credentials: {code}");
            return Err(AwsError::new(Kind::Other, text));
        }
        Ok(environment.variables.unwrap_or_default().into_iter().collect())
    }
}

/// What lets a user pool invoke a function, for an operator who said yes.
impl Functions {
    /// Lets a user pool, and nobody else, invoke a function.
    ///
    /// # Errors
    /// When Lambda does not say that it did.
    pub(crate) async fn allow_invoke(
        &self,
        function_arn: &str,
        statement_id: &str,
        pool_arn: &str,
        account: &str,
    ) -> Result<(), AwsError> {
        let action = "lambda:AddPermission";
        let call = Call { service: "Lambda", action, region: &self.region, quotes: false };
        self.client
            .add_permission()
            .function_name(function_arn)
            .statement_id(statement_id)
            .action("lambda:InvokeFunction")
            .principal("cognito-idp.amazonaws.com")
            .source_arn(pool_arn)
            .source_account(account)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failure(&error))
    }
}
