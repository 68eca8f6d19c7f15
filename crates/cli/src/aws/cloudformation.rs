//! CloudFormation: what a stack says about itself.

use std::collections::BTreeMap;

use crate::aws::{Aws, AwsError, Call, Kind};

/// What a stack says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    /// Its name, whatever it was asked for by.
    pub(crate) name: String,
    /// By name; a parameter that is not to be shown has stars for a value.
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

    /// The outputs of a stack, by name.
    ///
    /// # Errors
    /// When there is no such stack in the Region, or CloudFormation does not say.
    pub(crate) async fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>, AwsError> {
        Ok(self.describe(stack).await?.outputs)
    }

    /// Name, parameters and outputs of a stack, which may be named by its ARN.
    ///
    /// # Errors
    /// When there is no such stack in the Region, or CloudFormation does not say.
    pub(crate) async fn describe(&self, stack: &str) -> Result<Stack, AwsError> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await.map_err(|error| {
            self.missing(stack, self.call("cloudformation:DescribeStacks").failure(&error))
        })?;
        let Some(found) = answer.stacks().first() else { return Err(self.no_stack(stack)) };
        let parameters = found.parameters().iter();
        let outputs = found.outputs().iter();
        Ok(Stack {
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
            return self.no_stack(stack);
        }
        error
    }

    fn no_stack(&self, stack: &str) -> AwsError {
        let text = format!(
            "there is no stack {stack} in {}, or it lacks what is looked for: is that the right Region (--region) \
             and account (--profile)?",
            self.region
        );
        AwsError::new(Kind::NotFound, text)
    }
}
