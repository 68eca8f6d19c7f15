//! CloudFormation: name, parameters, outputs and resources of a stack.

use std::collections::BTreeMap;

use crate::aws::{Aws, AwsError, Call, Kind};

/// What `DescribeStacks` returns about a stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct StackDescription {
    /// The stack's name, also if it was named by its ARN.
    pub(crate) name: String,
    /// By name. CloudFormation masks the value of a parameter with `NoEcho`.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

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

    /// Name, parameters and outputs of a stack, which may be named by its ARN.
    ///
    /// # Errors
    /// If there is no such stack in the Region, or the call fails.
    pub(crate) async fn describe(&self, stack: &str) -> Result<StackDescription, AwsError> {
        let response = self.client.describe_stacks().stack_name(stack).send().await.map_err(|error| {
            self.missing(stack, self.call("cloudformation:DescribeStacks").failure(&error))
        })?;
        let Some(found) = response.stacks().first() else { return Err(self.no_stack(stack)) };
        let parameters = found.parameters().iter();
        let outputs = found.outputs().iter();
        Ok(StackDescription {
            name: found.stack_name().unwrap_or(stack).to_owned(),
            parameters: parameters
                .filter_map(|parameter| {
                    Some((parameter.parameter_key()?.to_owned(), parameter.parameter_value()?.to_owned()))
                })
                .collect(),
            outputs: outputs
                .filter_map(|output| {
                    Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
                })
                .collect(),
        })
    }

    /// The physical id of a resource of a stack: for a secret its ARN.
    ///
    /// # Errors
    /// If there is no such stack or resource, or the call fails.
    pub(crate) async fn physical_id(&self, stack: &str, logical_id: &str) -> Result<String, AwsError> {
        let response = self
            .client
            .describe_stack_resource()
            .stack_name(stack)
            .logical_resource_id(logical_id)
            .send()
            .await
            .map_err(|error| {
                self.missing(stack, self.call("cloudformation:DescribeStackResource").failure(&error))
            })?;
        response
            .stack_resource_detail()
            .and_then(|resource| resource.physical_resource_id())
            .map(str::to_owned)
            .ok_or_else(|| AwsError::new(Kind::NotFound, format!("the stack has no resource {logical_id}")))
    }

    /// CloudFormation returns `ValidationError` for a stack that doesn't exist.
    fn missing(&self, stack: &str, error: AwsError) -> AwsError {
        if error.kind == Kind::Invalid && error.text.contains("does not exist") {
            return self.no_stack(stack);
        }
        error
    }

    fn no_stack(&self, stack: &str) -> AwsError {
        let text = format!(
            "there is no stack {stack} in {}, or it doesn't have the resource: check --region and --profile",
            self.region
        );
        AwsError::new(Kind::NotFound, text)
    }
}
