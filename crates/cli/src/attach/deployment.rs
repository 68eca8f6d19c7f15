//! What a stack wants to be attached, and to which pool.

use pool::aws::Clients;
use pool::control;
use pool::description::{Description, SignInName};
use pool::triggers::{Slot, Triggers};
use serde_json::Value;
use shared::arn::function_name;

use super::Target;
use crate::aws::cloudformation::{Stack, Stacks};
use crate::aws::{Aws, AwsError, Call, Kind};
use crate::{Common, Error};

/// A stack, and the way to its Region.
pub(super) struct Deployment {
    pub(super) aws: Aws,
    pub(super) clients: Clients,
    pub(super) stack: Stack,
    pub(super) pool_id: String,
    /// What belongs into the pool's slots.
    pub(super) wanted: Triggers,
}

/// The value that a parameter of the stack ought to have for this pool.
pub(super) struct Parameter {
    pub(super) value: &'static str,
    pub(super) why: &'static str,
    /// The value that the functions have; none where the stack has no such parameter.
    pub(super) deployed: Option<String>,
    /// The stack made a pool of its own, for which the functions take `true` for granted.
    pub(super) own_pool: bool,
}

/// The parameter that tells the functions that nobody can take over somebody else's address.
pub(super) const EMAIL_IS_USERNAME: &str = "EmailIsUsername";

/// Outputs that name what is attached; `CustomMessage` is one only where Cognito sends messages itself.
const OUTPUTS: [(Slot, &str); 4] = [
    (Slot::PreSignUp, "PreSignUpFunctionArn"),
    (Slot::CustomEmailSender, "CustomEmailSenderFunctionArn"),
    (Slot::CustomSmsSender, "CustomSmsSenderFunctionArn"),
    (Slot::Key, "CodeKeyArn"),
];

impl Deployment {
    pub(super) async fn load(target: &Target, common: &Common) -> Result<Self, Error> {
        let aws = Aws::load(common, None).await?;
        let stack = Stacks::new(&aws).describe(&target.stack_name).await?;
        let wanted = wanted(&stack)?;
        let pool_id = target.user_pool_id.clone().or_else(|| stack.outputs.get("UserPoolId").cloned());
        let pool_id = pool_id.ok_or_else(|| {
            Error::Usage("the stack names no user pool: name it with --user-pool-id".to_owned())
        })?;
        let clients = Clients::new(aws.config());
        Ok(Self { aws, clients, stack, pool_id, wanted })
    }

    /// The pool as it is.
    pub(super) async fn read(&self) -> Result<Description, Error> {
        control::read(&self.clients, &self.pool_id).await.map_err(|error| self.failure(error))
    }

    /// Functions of this stack that it does not want to be attached any more.
    ///
    /// A function that is gone is recognized by the name that CloudFormation gave it.
    pub(super) fn former(&self, pool: &Description) -> Triggers {
        let now = pool.triggers();
        let mut former = Triggers::default();
        for (slot, logical_id) in [
            (Slot::CustomMessage, "CustomMessageFunction"),
            (Slot::CustomEmailSender, "CustomEmailSenderFunction"),
            (Slot::CustomSmsSender, "CustomSmsSenderFunction"),
        ] {
            if self.wanted.arn(slot).is_some() {
                continue;
            }
            if let Some(arn) = now.arn(slot).filter(|arn| is_named(arn, &self.stack.name, logical_id)) {
                former = former.with(slot, arn);
            } else if let Some(arn) = self.stack.outputs.get(&format!("{logical_id}Arn")) {
                former = former.with(slot, arn);
            }
        }
        // A key that no sender needs any more goes with the senders.
        let sender_goes =
            former.functions().any(|(slot, arn)| slot.is_sender() && now.arn(slot) == Some(arn));
        match now.arn(Slot::Key) {
            Some(key) if sender_goes && self.wanted.arn(Slot::Key).is_none() => former.with(Slot::Key, key),
            _ => former,
        }
    }

    /// Everything of this stack that may be attached.
    pub(super) fn ours(&self, pool: &Description) -> Triggers {
        let former = self.former(pool);
        let arn = |slot| self.wanted.arn(slot).or_else(|| former.arn(slot));
        Slot::ALL
            .into_iter()
            .fold(Triggers::default(), |ours, slot| ours.with(slot, arn(slot).unwrap_or_default()))
    }

    /// What the functions are to be told about the user names of the pool.
    pub(super) fn email_is_username(&self, pool: &Description) -> Parameter {
        let (value, why) = match pool.sign_in_name() {
            SignInName::Email => ("true", "the e-mail address is the user name"),
            SignInName::EmailOrPhone => (
                "false",
                "users may also sign up with a phone number, so the address is not what Cognito keeps unique",
            ),
            SignInName::EmailAlias => {
                ("false", "the e-mail address is an alias, which Cognito gives to whoever verifies it last")
            }
            SignInName::NotEmail => ("false", "the e-mail address is not the user name"),
        };
        let parameter = |name: &str| self.stack.parameters.get(name).cloned();
        let own_pool = parameter("UserPoolId").is_none_or(|id| id.is_empty());
        let deployed = if own_pool { Some("true".to_owned()) } else { parameter(EMAIL_IS_USERNAME) };
        Parameter { value, why, deployed, own_pool }
    }

    /// A failure of the control plane that is one of AWS; others are shown as they are.
    pub(super) fn failure(&self, error: control::Error) -> Error {
        let control::Error::Call(error) = error else {
            return AwsError::new(Kind::Other, error.to_string()).into();
        };
        let service = if error.action.starts_with("lambda:") { "Lambda" } else { "Cognito" };
        let call = Call { service, action: error.action, region: self.aws.region(), quotes: false };
        call.failure(&error.cause).into()
    }
}

impl Parameter {
    /// Whether the functions may confirm users whose address is somebody else's.
    pub(super) fn is_dangerous(&self) -> bool {
        self.value == "false" && self.deployed.as_deref() == Some("true")
    }
}

/// Whether CloudFormation gave a function this name: `<stack>-<logical id>-<suffix>`, of which it cuts the logical id
/// where a name would be longer than 64 characters.
fn is_named(arn: &str, stack: &str, logical_id: &str) -> bool {
    const SHORTEST: usize = 8;
    let name = function_name(arn);
    let rest = name.strip_prefix(stack).and_then(|rest| rest.strip_prefix('-'));
    let Some((id, suffix)) = rest.and_then(|rest| rest.split_once('-')) else { return false };
    id.len() >= SHORTEST && logical_id.starts_with(id) && !suffix.is_empty() && !suffix.contains('-')
}

/// A stack for an existing pool says what is to be attached; for its own pool it attaches that itself.
fn wanted(stack: &Stack) -> Result<Triggers, AwsError> {
    let Stack { outputs, parameters, .. } = stack;
    if let Some(config) = outputs.get("LambdaConfigToAttach") {
        let config: Value = serde_json::from_str(config).unwrap_or_default();
        let wanted = Triggers::from_lambda_config(&config);
        if !wanted.is_empty() {
            return Ok(wanted);
        }
    }
    let arn = |name: &str| outputs.get(name).map(String::as_str).unwrap_or_default();
    let mut wanted =
        OUTPUTS.iter().fold(Triggers::default(), |wanted, (slot, name)| wanted.with(*slot, arn(name)));
    let by_cognito = |name: &str| parameters.get(name).is_some_and(|value| value == "cognito");
    if by_cognito("EmailDelivery") || by_cognito("SmsDelivery") {
        wanted = wanted.with(Slot::CustomMessage, arn("CustomMessageFunctionArn"));
    }
    if wanted.arn(Slot::PreSignUp).is_none() {
        let text = "the stack has no output PreSignUpFunctionArn: is it a stack of the Cognito triggers?";
        return Err(AwsError::new(Kind::NotFound, text));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_its_name_even_where_that_was_cut() {
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
