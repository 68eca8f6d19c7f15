//! A deployed bundle: what its stack and its functions say of themselves.

use std::collections::BTreeMap;

use crate::aws::cloudformation::Stacks;
use crate::aws::{Aws, AwsError, Kind};
use shared::trigger::Trigger;

/// A stack of the template.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) stack: String,
    outputs: BTreeMap<String, String>,
}

impl Deployment {
    /// Asks CloudFormation.
    ///
    /// # Errors
    /// When there is no such stack, or it is none of this template.
    pub(crate) async fn load(aws: &Aws, stack: &str) -> Result<Self, AwsError> {
        let outputs = Stacks::new(aws).outputs(stack).await?;
        let found = Self { stack: stack.to_owned(), outputs };
        if found.function_arn(Trigger::PreSignUp).is_none() {
            let text = format!("the stack {stack} has no output {}", Trigger::PreSignUp.output());
            return Err(AwsError::new(Kind::NotFound, format!("{text}: is it one of these triggers?")));
        }
        Ok(found)
    }

    pub(crate) fn output(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// None for a sender that the stack does not deploy.
    pub(crate) fn function_arn(&self, trigger: Trigger) -> Option<&str> {
        self.output(trigger.output())
    }

    pub(crate) fn user_pool_id(&self) -> Option<&str> {
        self.output("UserPoolId")
    }

    pub(crate) fn key_arn(&self) -> Option<&str> {
        self.output("CodeKeyArn")
    }

    pub(crate) fn queue_url(&self) -> Option<&str> {
        self.output("OnFailureQueueUrl")
    }

    pub(crate) fn redrive_role_arn(&self) -> Option<&str> {
        self.output("RedriveRoleArn")
    }
}
