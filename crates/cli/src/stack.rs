//! A deployed stack of the template, as CloudFormation describes it.

use shared::arn::Arn;
use shared::metric::Observability;
use shared::trigger::Trigger;

use crate::aws::cloudformation::{StackDescription, Stacks};
use crate::aws::{Aws, AwsError, Kind};

/// The parameter that lets the functions rely on unique email addresses.
pub(crate) const EMAIL_IS_USERNAME: &str = "EmailIsUsername";

/// A stack with a name, parameters and outputs. Its outputs name everything that the commands work on.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    description: StackDescription,
    /// Whether `CloudFormation` described it. If not, only the name is known.
    described: bool,
}

/// The service that sends a stack's SMS and measures their cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmsService {
    Sns,
    EndUserMessaging,
}

impl SmsService {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sns => "SNS",
            Self::EndUserMessaging => "End User Messaging",
        }
    }
}

impl Stack {
    /// Describes a stack. Its ARN is also accepted as its name.
    ///
    /// # Errors
    /// If there is no such stack in the Region, or the call fails.
    pub(crate) async fn load(aws: &Aws, name: &str) -> Result<Self, AwsError> {
        let description = Stacks::new(aws).describe(name).await?;
        Ok(Self { description, described: true })
    }

    /// A stack that the credentials can't describe: its name is known, which is also the namespace of its metrics, but
    /// neither parameters nor outputs. It may be named by its ARN.
    pub(crate) fn by_name_only(name: &str) -> Self {
        let name = Arn::parse(name).and_then(Arn::stack_name).unwrap_or(name).to_owned();
        Self { description: StackDescription { name, ..StackDescription::default() }, described: false }
    }

    /// Describes a stack that must be deployed from this project's template.
    ///
    /// # Errors
    /// If there is no such stack in the Region, if it was deployed from another template, or if the call fails.
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
        &self.description.name
    }

    /// A parameter's value, empty if the stack has no such parameter.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.description.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    fn output(&self, name: &str) -> Option<&str> {
        self.description.outputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The ARN of a function; `None` if the stack doesn't deploy it.
    pub(crate) fn function_arn(&self, trigger: Trigger) -> Option<&str> {
        self.output(trigger.output())
    }

    /// The ARN of a function that the command needs. `otherwise` explains why it may be missing.
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

    /// The triggers whose functions the stack deploys. All of them if only its name is known.
    pub(crate) fn triggers(&self) -> impl Iterator<Item = Trigger> {
        Trigger::ALL.into_iter().filter(|trigger| !self.described || self.function_name(*trigger).is_some())
    }

    /// The value of [`EMAIL_IS_USERNAME`], `None` if the stack has no such parameter.
    pub(crate) fn email_is_username(&self) -> Option<&str> {
        self.description.parameters.get(EMAIL_IS_USERNAME).map(String::as_str)
    }

    /// Whether Cognito sends the messages of at least one channel itself, with the texts of the custom message function.
    pub(crate) fn cognito_sends_messages(&self) -> bool {
        ["EmailDelivery", "SmsDelivery"].iter().any(|delivery| self.parameter(delivery) == "cognito")
    }

    /// The service that sends the SMS, `None` if the stack has none or isn't described.
    pub(crate) fn sms_service(&self) -> Option<SmsService> {
        let has_sender = self.function_name(Trigger::CustomSmsSender).is_some();
        let has_identity = !self.parameter("SmsOriginationIdentity").is_empty();
        match (has_sender, self.parameter("SmsDelivery")) {
            (true, _) if has_identity => Some(SmsService::EndUserMessaging),
            (true, _) | (false, "cognito") => Some(SmsService::Sns),
            _ => None,
        }
    }

    /// The Region whose SES the custom email sender uses, `None` if the stack doesn't deploy it. The default is the
    /// stack's own Region.
    pub(crate) fn ses_region<'a>(&'a self, own: &'a str) -> Option<&'a str> {
        self.function_name(Trigger::CustomEmailSender)?;
        Some(self.parameter("SesRegion")).filter(|region| !region.is_empty()).or(Some(own))
    }

    /// The logical ID of one of the stack's alarms. `CloudFormation` names a resource `STACK-ID-SUFFIX`, and neither
    /// an ID nor a suffix has a dash. So `STACK-OTHER-ID-SUFFIX` belongs to another stack.
    pub(crate) fn alarm_id<'a>(&self, alarm_name: &'a str) -> Option<&'a str> {
        let rest = alarm_name.strip_prefix(self.name())?.strip_prefix('-')?;
        let (id, suffix) = rest.split_once('-')?;
        (!id.is_empty() && !suffix.contains('-')).then_some(id)
    }

    /// The `LambdaConfig` that the stack's functions need in a user pool, as JSON.
    pub(crate) fn lambda_config_to_attach(&self) -> Option<&str> {
        self.output("LambdaConfigToAttach")
    }

    /// Which metrics of the functions CloudWatch receives. All of them if only the stack's name is known.
    pub(crate) fn observability(&self) -> Observability {
        Observability::parse(self.parameter("Observability")).unwrap_or_default()
    }

    /// The user pool that may invoke the stack's functions.
    pub(crate) fn user_pool_id(&self) -> Option<&str> {
        self.output("UserPoolId")
    }

    /// The KMS key that encrypts the codes.
    pub(crate) fn key_arn(&self) -> Option<&str> {
        self.output("CodeKeyArn")
    }

    /// The on-failure queue of the senders.
    pub(crate) fn queue_url(&self) -> Option<&str> {
        self.output("OnFailureQueueUrl")
    }

    /// The name of that queue.
    pub(crate) fn queue_name(&self) -> Option<&str> {
        self.queue_url().and_then(|url| url.rsplit('/').next())
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
        let description = StackDescription { name: name.to_owned(), parameters, outputs };
        Self { description, described: true }
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

    #[test]
    fn the_sms_service_follows_from_who_sends() {
        let check = |parameters: &[(&str, &str)], functions: &[&str], expected| {
            let arn = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-Function-AbC123xYz";
            let outputs: Vec<_> = functions.iter().map(|output| (*output, arn)).collect();
            let stack = Stack::sample("triggers", parameters, &outputs);
            assert_eq!(stack.sms_service(), expected, "{parameters:?}");
        };
        let (ours, without) =
            (["PreSignUpFunctionArn", "CustomSmsSenderFunctionArn"], ["PreSignUpFunctionArn"]);
        check(&[("SmsDelivery", "none")], &without, None);
        check(&[("SmsDelivery", "cognito")], &without, Some(SmsService::Sns));
        check(&[("SmsDelivery", "sender")], &ours, Some(SmsService::Sns));
        let identity = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234";
        let eum = [("SmsDelivery", "sender"), ("SmsOriginationIdentity", identity)];
        check(&eum, &ours, Some(SmsService::EndUserMessaging));
    }

    #[test]
    fn an_alarm_of_a_stack_with_a_longer_name_is_another_stacks() {
        let triggers = Stack::by_name_only("triggers");
        assert_eq!(triggers.alarm_id("triggers-FailedEventsAlarm-1AB2CD3EF4GH5"), Some("FailedEventsAlarm"));
        for other in
            ["triggers-prod-FailedEventsAlarm-1AB2", "triggersFailedEventsAlarm-1AB2", "triggers-", "other"]
        {
            assert_eq!(triggers.alarm_id(other), None, "{other}");
        }
    }

    #[test]
    fn a_stack_may_be_named_by_its_arn() {
        let arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/triggers/0123-4567";
        assert_eq!(Stack::by_name_only(arn).name(), "triggers");
    }

    #[test]
    fn only_a_described_stack_is_known_to_lack_a_function() {
        assert_eq!(Stack::by_name_only("triggers").triggers().count(), Trigger::ALL.len());
        assert_eq!(Stack::sample("triggers", &[], &[("Bucket", "x")]).triggers().count(), 0);
    }
}
