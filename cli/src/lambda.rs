//! Lambda: hands events to functions.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use crate::aws::{Aws, AwsError, Call};

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
}
