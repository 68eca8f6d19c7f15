//! A deployed stack of the template, as CloudFormation describes it.

use shared::arn::Arn;
use shared::trigger::Trigger;

use crate::aws::cloudformation::{StackDescription, Stacks};
use crate::aws::{Aws, AwsError, Kind};

/// The parameter that lets the functions rely on unique email addresses.
pub(crate) const EMAIL_IS_USERNAME: &str = "EmailIsUsername";

/// A stack with a name, parameters and outputs. Its outputs name everything that the commands work on.
#[derive(Clone, Debug)]
pub(crate) struct Stack(StackDescription);

impl Stack {
    /// Describes a stack, which may be named by its ARN.
    ///
    /// # Errors
    /// If there is no such stack in the Region, or the call fails.
    pub(crate) async fn load(aws: &Aws, name: &str) -> Result<Self, AwsError> {
        Stacks::new(aws).describe(name).await.map(Self)
    }

    /// Describes a stack that has to be one of the template.
    ///
    /// # Errors
    /// If there is no such stack in the Region, if it is one of another template, or if the call fails.
    pub(crate) async fn load_template(aws: &Aws, name: &str) -> Result<Self, AwsError> {
        let stack = Self::load(aws, name).await?;
        stack.require_template()?;
        Ok(stack)
    }

    /// Every stack of the template deploys the pre sign-up function.
    ///
    /// # Errors
    /// If the stack doesn't.
    pub(crate) fn require_template(&self) -> Result<(), AwsError> {
        if self.function_arn(Trigger::PreSignUp).is_some() {
            return Ok(());
        }
        let text = format!(
            "the stack {} has no output {}: check that it is a stack of the Cognito triggers",
            self.name(),
            Trigger::PreSignUp.output()
        );
        Err(AwsError::new(Kind::NotFound, text))
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

    /// The name that CloudFormation generated for a function.
    pub(crate) fn function_name(&self, trigger: Trigger) -> Option<&str> {
        Some(Arn::parse(self.function_arn(trigger)?)?.lambda_function()?.name)
    }

    /// Whether the stack creates its user pool, instead of being for an existing one.
    pub(crate) fn creates_user_pool(&self) -> bool {
        self.parameter("UserPoolId").is_empty()
    }

    /// The value of [`EMAIL_IS_USERNAME`], `None` if the stack has no such parameter.
    pub(crate) fn email_is_username(&self) -> Option<&str> {
        self.0.parameters.get(EMAIL_IS_USERNAME).map(String::as_str)
    }

    /// Whether Cognito sends the messages of at least one channel itself, with the texts of the custom message function.
    pub(crate) fn cognito_sends_messages(&self) -> bool {
        ["EmailDelivery", "SmsDelivery"].iter().any(|delivery| self.parameter(delivery) == "cognito")
    }

    /// The `LambdaConfig` that a stack for an existing user pool attaches, as JSON.
    pub(crate) fn lambda_config_to_attach(&self) -> Option<&str> {
        self.output("LambdaConfigToAttach")
    }

    /// The user pool that the stack creates or is attached to.
    pub(crate) fn user_pool_id(&self) -> Option<&str> {
        self.output("UserPoolId")
    }

    /// The KMS key that codes are encrypted under.
    pub(crate) fn key_arn(&self) -> Option<&str> {
        self.output("CodeKeyArn")
    }

    /// The on-failure queue of the senders.
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
        Self(StackDescription { name: name.to_owned(), parameters, outputs })
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

    #[test]
    fn a_stack_of_another_template_is_named() {
        assert!(
            Stack::sample("triggers", &[], &[("PreSignUpFunctionArn", "arn")]).require_template().is_ok()
        );
        let error =
            Stack::sample("shop", &[], &[("BucketName", "x")]).require_template().expect_err("an error");
        assert_eq!(
            error.text,
            "the stack shop has no output PreSignUpFunctionArn: check that it is a stack of the Cognito triggers"
        );
    }
}
