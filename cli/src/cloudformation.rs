//! CloudFormation: what a stack says about itself.

use std::collections::BTreeMap;

use crate::aws::{Aws, AwsError, Call, Kind};

/// CloudFormation in one Region.
pub(crate) struct Stacks {
    client: aws_sdk_cloudformation::Client,
    region: String,
}

impl Stacks {
    pub(crate) fn new(aws: &Aws) -> Self {
        let client = aws_sdk_cloudformation::Client::new(aws.config());
        Self { client, region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { service: "CloudFormation", action, region: &self.region, quotes: false }
    }

    /// The outputs of a stack, by name.
    ///
    /// # Errors
    /// When there is no such stack in the Region, or CloudFormation does not say.
    pub(crate) async fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await.map_err(|error| {
            self.missing(stack, self.call("cloudformation:DescribeStacks").failure(&error))
        })?;
        let outputs = answer.stacks().iter().flat_map(aws_sdk_cloudformation::types::Stack::outputs);
        Ok(outputs
            .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
            .collect())
    }

    /// The name by which the service itself knows a resource of a stack: for a secret its ARN.
    ///
    /// # Errors
    /// When there is no such stack or resource, or CloudFormation does not say.
    pub(crate) async fn physical_id(&self, stack: &str, logical_id: &str) -> Result<String, AwsError> {
        let answer = self
            .client
            .describe_stack_resource()
            .stack_name(stack)
            .logical_resource_id(logical_id)
            .send()
            .await
            .map_err(|error| {
                self.missing(stack, self.call("cloudformation:DescribeStackResource").failure(&error))
            })?;
        answer
            .stack_resource_detail()
            .and_then(|resource| resource.physical_resource_id())
            .map(str::to_owned)
            .ok_or_else(|| AwsError::new(Kind::NotFound, format!("the stack has no resource {logical_id}")))
    }

    /// A stack that does not exist is a `ValidationError` to CloudFormation.
    fn missing(&self, stack: &str, error: AwsError) -> AwsError {
        if error.kind == Kind::Invalid && error.text.contains("does not exist") {
            let text = format!(
                "there is no stack {stack} in {}, or it lacks what is looked for: is that the right Region \
                 (--region) and account (--profile)?",
                self.region
            );
            return AwsError::new(Kind::NotFound, text);
        }
        error
    }
}
