//! A deployed stack of the template, as CloudFormation describes it.

use shared::arn::Arn;
use shared::trigger::Trigger;

use crate::aws::cloudformation::{self, Stacks};
use crate::aws::{Aws, AwsError, Kind};

/// A stack with a name, parameters and outputs. Its outputs name everything that the commands work on.
#[derive(Clone, Debug)]
pub(crate) struct Stack(cloudformation::Stack);

impl Stack {
    /// Describes a stack, which may be named by its ARN.
    ///
    /// # Errors
    /// If there is no such stack in the Region, or the call fails.
    pub(crate) async fn load(aws: &Aws, name: &str) -> Result<Self, AwsError> {
        Stacks::new(aws).describe(name).await.map(Self)
    }

    /// The stack's name, also if it was named by its ARN.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// A parameter's value, empty if the stack has no such parameter.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.0.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    fn output(&self, name: &str) -> Option<&str> {
        self.0.outputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The ARN of a function, none of one that the stack doesn't deploy.
    pub(crate) fn function_arn(&self, trigger: Trigger) -> Option<&str> {
        self.output(trigger.output())
    }

    /// The ARN of a function that the command can't do without. `otherwise` says what its absence means.
    ///
    /// # Errors
    /// If the stack doesn't deploy the function.
    pub(crate) fn required_function_arn(&self, trigger: Trigger, otherwise: &str) -> Result<&str, AwsError> {
        let text = format!("the stack has no output {}: {otherwise}", trigger.output());
        self.function_arn(trigger).ok_or_else(|| AwsError::new(Kind::NotFound, text))
    }

    /// The name that CloudFormation made up for a function.
    pub(crate) fn function_name(&self, trigger: Trigger) -> Option<&str> {
        Some(Arn::parse(self.function_arn(trigger)?)?.lambda_function()?.name)
    }

    /// The user pool that the stack made or is attached to.
    pub(crate) fn user_pool_id(&self) -> Option<&str> {
        self.output("UserPoolId")
    }

    /// The KMS key that codes are encrypted under.
    pub(crate) fn key_arn(&self) -> Option<&str> {
        self.output("CodeKeyArn")
    }

    /// The SQS queue of the senders' failed events.
    pub(crate) fn queue_url(&self) -> Option<&str> {
        self.output("OnFailureQueueUrl")
    }

    /// The role with all permissions that `redrive` needs.
    pub(crate) fn redrive_role_arn(&self) -> Option<&str> {
        self.output("RedriveRoleArn")
    }
}

#[cfg(test)]
impl Stack {
    /// A stack of that name with these parameters and outputs.
    pub(crate) fn sample(name: &str, parameters: &[(&str, &str)], outputs: &[(&str, &str)]) -> Self {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (parameters, outputs) = (map(parameters), map(outputs));
        Self(cloudformation::Stack { name: name.to_owned(), parameters, outputs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_name_that_is_in_its_arn() {
        let name = "triggers-PreSignUpFunction-AbC123xYz";
        let arn = format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}");
        let stack = Stack::sample("triggers", &[], &[("PreSignUpFunctionArn", &arn), ("UserPoolId", "")]);
        assert_eq!(stack.function_name(Trigger::PreSignUp), Some(name));
        assert_eq!(stack.function_name(Trigger::CustomMessage), None);
        assert_eq!((stack.user_pool_id(), stack.parameter("SmsDelivery")), (None, ""));
        assert!(stack.required_function_arn(Trigger::CustomSmsSender, "it deploys no sender").is_err());
    }
}
