//! What a stack attaches, and to which pool.

use pool::aws::Clients;
use pool::control;
use pool::description::{Description, EmailSignIn};
use pool::triggers::{LambdaConfigMember, Triggers};
use serde_json::Value;
use shared::arn::function_name;

use super::Target;
use crate::aws::cloudformation::{Stack, Stacks};
use crate::aws::{Aws, AwsError, Call, Kind};
use crate::{Common, Error};

/// A stack with the clients for its Region.
pub(super) struct Deployment {
    pub(super) aws: Aws,
    pub(super) clients: Clients,
    pub(super) stack: Stack,
    pub(super) pool_id: String,
    /// The functions and the key to attach.
    pub(super) wanted: Triggers,
}

/// The value that `EmailIsUsername` should have for this pool.
pub(super) struct ParameterCheck {
    pub(super) value: &'static str,
    pub(super) why: &'static str,
    /// The value that the functions have, `None` if the stack has no such parameter.
    pub(super) deployed: Option<String>,
    /// The stack has its own pool, for which the value is always `true`.
    pub(super) own_pool: bool,
}

/// The parameter that lets the functions rely on unique email addresses.
pub(super) const EMAIL_IS_USERNAME: &str = "EmailIsUsername";

/// The outputs with the ARNs to attach. `CustomMessage` is attached only if Cognito sends messages itself.
const OUTPUTS: [(LambdaConfigMember, &str); 4] = [
    (LambdaConfigMember::PreSignUp, "PreSignUpFunctionArn"),
    (LambdaConfigMember::CustomEmailSender, "CustomEmailSenderFunctionArn"),
    (LambdaConfigMember::CustomSmsSender, "CustomSmsSenderFunctionArn"),
    (LambdaConfigMember::Key, "CodeKeyArn"),
];

impl Deployment {
    pub(super) async fn load(target: &Target, common: &Common) -> Result<Self, Error> {
        let aws = Aws::load(common, None).await?;
        let stack = Stacks::new(&aws).describe(&target.stack_name).await?;
        let wanted = wanted(&stack)?;
        let pool_id = target.user_pool_id.clone().or_else(|| stack.outputs.get("UserPoolId").cloned());
        let pool_id = pool_id.ok_or_else(|| {
            Error::Usage("the stack has no output UserPoolId: set --user-pool-id".to_owned())
        })?;
        let clients = Clients::new(aws.config());
        Ok(Self { aws, clients, stack, pool_id, wanted })
    }

    /// Reads the pool.
    pub(super) async fn read(&self) -> Result<Description, Error> {
        control::read(&self.clients, &self.pool_id).await.map_err(|error| self.failure(error))
    }

    /// Functions of this stack that are no longer attached by it.
    ///
    /// A deleted function is recognized by the name that CloudFormation generated.
    pub(super) fn former(&self, pool: &Description) -> Triggers {
        let now = pool.triggers();
        let mut former = Triggers::default();
        for (member, logical_id) in [
            (LambdaConfigMember::CustomMessage, "CustomMessageFunction"),
            (LambdaConfigMember::CustomEmailSender, "CustomEmailSenderFunction"),
            (LambdaConfigMember::CustomSmsSender, "CustomSmsSenderFunction"),
        ] {
            if self.wanted.arn(member).is_some() {
                continue;
            }
            if let Some(arn) = now.arn(member).filter(|arn| is_named(arn, &self.stack.name, logical_id)) {
                former = former.with(member, arn);
            } else if let Some(arn) = self.stack.outputs.get(&format!("{logical_id}Arn")) {
                former = former.with(member, arn);
            }
        }
        // A key that no sender needs is removed with the senders.
        let sender_goes =
            former.functions().any(|(member, arn)| member.is_sender() && now.arn(member) == Some(arn));
        match now.arn(LambdaConfigMember::Key) {
            Some(key) if sender_goes && self.wanted.arn(LambdaConfigMember::Key).is_none() => {
                former.with(LambdaConfigMember::Key, key)
            }
            _ => former,
        }
    }

    /// Every function of this stack that may be attached.
    pub(super) fn ours(&self, pool: &Description) -> Triggers {
        let former = self.former(pool);
        let arn = |member| self.wanted.arn(member).or_else(|| former.arn(member));
        LambdaConfigMember::ALL
            .into_iter()
            .fold(Triggers::default(), |ours, member| ours.with(member, arn(member).unwrap_or_default()))
    }

    /// The value of `EmailIsUsername` for the pool.
    pub(super) fn email_is_username(&self, pool: &Description) -> ParameterCheck {
        let (value, why) = match pool.email_sign_in() {
            EmailSignIn::Only => ("true", "email is the sign-in attribute"),
            EmailSignIn::OrPhone => (
                "false",
                "users may also sign up with a phone number, so Cognito does not keep email addresses unique",
            ),
            EmailSignIn::Alias => {
                ("false", "email is an alias attribute, which Cognito moves to the user who verifies it last")
            }
            EmailSignIn::No => ("false", "email is not a sign-in attribute of the user pool"),
        };
        let parameter = |name: &str| self.stack.parameters.get(name).cloned();
        let own_pool = parameter("UserPoolId").is_none_or(|id| id.is_empty());
        let deployed = if own_pool { Some("true".to_owned()) } else { parameter(EMAIL_IS_USERNAME) };
        ParameterCheck { value, why, deployed, own_pool }
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

/// What the stack attaches: the output `LambdaConfigToAttach` of a stack for an existing pool, else its functions.
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
        OUTPUTS.iter().fold(Triggers::default(), |wanted, (member, name)| wanted.with(*member, arn(name)));
    let by_cognito = |name: &str| parameters.get(name).is_some_and(|value| value == "cognito");
    if by_cognito("EmailDelivery") || by_cognito("SmsDelivery") {
        wanted = wanted.with(LambdaConfigMember::CustomMessage, arn("CustomMessageFunctionArn"));
    }
    if wanted.arn(LambdaConfigMember::PreSignUp).is_none() {
        let text =
            "the stack has no output PreSignUpFunctionArn: check that it is a stack of the Cognito triggers";
        return Err(AwsError::new(Kind::NotFound, text));
    }
    Ok(wanted)
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
