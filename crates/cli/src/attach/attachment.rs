//! A stack of the template and the user pool that its Lambda triggers are attached to.

use pool::aws::Clients;
use pool::control;
use pool::triggers::{LambdaConfigMember, Triggers};
use pool::user_pool::{EmailSignIn, UserPool};
use serde_json::Value;
use shared::arn::function_name;
use shared::trigger::Trigger;

use super::Target;
use crate::aws::{Aws, AwsError, Call, Kind};
use crate::common::Common;
use crate::exit::Error;
use crate::stack::Stack;

/// A stack, a user pool, and the clients for their Region.
pub(super) struct Attachment {
    pub(super) aws: Aws,
    pub(super) clients: Clients,
    pub(super) stack: Stack,
    pub(super) pool_id: String,
    /// The functions and the key that the stack attaches.
    pub(super) desired: Triggers,
}

/// The value that [`EMAIL_IS_USERNAME`](crate::stack::EMAIL_IS_USERNAME) should have for the user pool.
pub(super) struct ParameterCheck {
    pub(super) value: &'static str,
    pub(super) why: &'static str,
    /// The value that the functions have, `None` if the stack has no such parameter.
    pub(super) deployed: Option<String>,
}

impl Attachment {
    pub(super) async fn load(target: &Target, common: &Common) -> Result<Self, Error> {
        let aws = Aws::load(common, None).await?;
        let stack = Stack::load(&aws, &target.stack_name).await?;
        let desired = desired(&stack)?;
        let pool_id = target.user_pool_id.as_deref().or(stack.user_pool_id()).map(str::to_owned);
        let pool_id = pool_id.ok_or_else(|| {
            Error::Usage("the stack has no output UserPoolId: set --user-pool-id".to_owned())
        })?;
        let clients = Clients::new(aws.config());
        Ok(Self { aws, clients, stack, pool_id, desired })
    }

    /// Describes the user pool.
    pub(super) async fn describe_pool(&self) -> Result<UserPool, Error> {
        control::read(&self.clients, &self.pool_id).await.map_err(|error| self.failure(error))
    }

    /// Functions that an earlier version of the stack attached and that this version doesn't attach.
    ///
    /// A deleted function is recognized by the name that CloudFormation generated.
    pub(super) fn former(&self, pool: &UserPool) -> Triggers {
        let now = pool.triggers();
        let mut former = Triggers::default();
        for trigger in [Trigger::CustomMessage, Trigger::CustomEmailSender, Trigger::CustomSmsSender] {
            let member = LambdaConfigMember::Function(trigger);
            if self.desired.arn(member).is_some() {
                continue;
            }
            let attached =
                now.arn(member).filter(|arn| is_named(arn, self.stack.name(), trigger.logical_id()));
            if let Some(arn) = attached.or(self.stack.function_arn(trigger)) {
                former = former.with(member, arn);
            }
        }
        // A key that no sender needs is removed with the senders.
        let sender_goes =
            former.functions().any(|(member, arn)| member.is_sender() && now.arn(member) == Some(arn));
        match now.arn(LambdaConfigMember::Key) {
            Some(key) if sender_goes && self.desired.arn(LambdaConfigMember::Key).is_none() => {
                former.with(LambdaConfigMember::Key, key)
            }
            _ => former,
        }
    }

    /// Every function of this stack that may be attached.
    pub(super) fn ours(&self, pool: &UserPool) -> Triggers {
        let former = self.former(pool);
        let arn = |member| self.desired.arn(member).or_else(|| former.arn(member));
        LambdaConfigMember::ALL
            .into_iter()
            .fold(Triggers::default(), |ours, member| ours.with(member, arn(member).unwrap_or_default()))
    }

    /// Compares the parameter with the sign-in attributes of the user pool.
    pub(super) fn email_is_username(&self, pool: &UserPool) -> ParameterCheck {
        let (value, why) = match pool.email_sign_in() {
            EmailSignIn::Only => ("true", "email is the sign-in attribute"),
            EmailSignIn::OrPhone => (
                "false",
                "users may also sign up with a phone number, so Cognito doesn't keep email addresses unique",
            ),
            EmailSignIn::Alias => {
                ("false", "email is an alias attribute, which Cognito moves to the user who verifies it last")
            }
            EmailSignIn::No => ("false", "email is not a sign-in attribute of the user pool"),
        };
        ParameterCheck { value, why, deployed: self.stack.email_is_username().map(str::to_owned) }
    }

    /// Describes an error of the control plane.
    pub(super) fn failure(&self, error: control::Error) -> Error {
        let control::Error::Call(error) = error else {
            return AwsError::new(Kind::Other, error.to_string()).into();
        };
        let service = if error.action.starts_with("lambda:") { "Lambda" } else { "Cognito" };
        let call = Call { service, action: error.action, region: self.aws.region(), quotes: false };
        call.failure(&error.cause).into()
    }
}

impl ParameterCheck {
    /// Whether the functions could confirm a user with the email address of another user.
    pub(super) fn is_dangerous(&self) -> bool {
        self.value == "false" && self.deployed.as_deref() == Some("true")
    }
}

/// Whether CloudFormation gave a function this name: `<stack>-<logical id>-<suffix>`, which cuts the logical id
/// if the name would be longer than 64 characters.
fn is_named(arn: &str, stack: &str, logical_id: &str) -> bool {
    const SHORTEST: usize = 8;
    let name = function_name(arn);
    let rest = name.strip_prefix(stack).and_then(|rest| rest.strip_prefix('-'));
    let Some((id, suffix)) = rest.and_then(|rest| rest.split_once('-')) else { return false };
    id.len() >= SHORTEST && logical_id.starts_with(id) && !suffix.is_empty() && !suffix.contains('-')
}

/// What the stack attaches: its output `LambdaConfigToAttach`, or the functions of a stack that has no such output. The custom message function is attached only if Cognito sends messages itself.
fn desired(stack: &Stack) -> Result<Triggers, AwsError> {
    if let Some(config) = stack.lambda_config_to_attach() {
        let config: Value = serde_json::from_str(config).unwrap_or_default();
        let desired = Triggers::from_lambda_config(&config);
        if !desired.is_empty() {
            return Ok(desired);
        }
    }
    stack.require_template()?;
    let functions = Trigger::ALL
        .into_iter()
        .filter(|trigger| *trigger != Trigger::CustomMessage || stack.cognito_sends_messages())
        .filter_map(|trigger| Some((LambdaConfigMember::Function(trigger), stack.function_arn(trigger)?)));
    let key = stack.key_arn().map(|arn| (LambdaConfigMember::Key, arn));
    Ok(functions.chain(key).fold(Triggers::default(), |desired, (member, arn)| desired.with(member, arn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_function_is_recognized_by_its_name_even_if_it_was_cut() {
        let is_ours = |name: &str| {
            let arn = format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}");
            is_named(&arn, "shop-triggers", "CustomEmailSenderFunction")
        };
        for ours in [
            "shop-triggers-CustomEmailSenderFunction-1A2B3C4D",
            "shop-triggers-CustomEmail-1A2B3C4D",
            "shop-triggers-CustomEm-1A2B3C4D:live",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for not_ours in [
            "shop-triggers-Custom-1A2B3C4D",
            "shop-triggers-CustomEmailSenderFunction",
            "shop-triggers-CustomEmailSenderFunction-",
            "shop-triggers-CustomSmsSenderFunction-1A2B3C4D",
            "shop-triggers-CustomEmailSenderFunction-of-others",
            "another-shop-triggers-CustomEmailSenderFunction-1A2B3C4D",
            "shop-CustomEmailSenderFunction-1A2B3C4D",
            "CustomEmailSenderFunction",
        ] {
            assert!(!is_ours(not_ours), "{not_ours}");
        }
    }
}
