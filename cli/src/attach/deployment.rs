//! What a stack wants to be attached, and to which pool.

use pool::aws::Clients;
use pool::control;
use pool::description::{Description, SignInName};
use pool::triggers::{Slot, Triggers};
use serde_json::Value;

use super::Target;
use crate::aws::{Aws, AwsError, Call, Kind};
use crate::cloudformation::{Stack, Stacks};
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
    /// The value that it has; none where the stack has no such parameter.
    pub(super) deployed: Option<String>,
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
            let prefix = format!("function:{}-{logical_id}-", self.stack.name);
            if let Some(arn) = now.arn(slot).filter(|arn| arn.contains(&prefix)) {
                former = former.with(slot, arn);
            } else if let Some(arn) = self.stack.outputs.get(&format!("{logical_id}Arn")) {
                former = former.with(slot, arn);
            }
        }
        former
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
            SignInName::EmailAlias => {
                ("false", "the e-mail address is an alias, which Cognito gives to whoever verifies it last")
            }
            SignInName::NotEmail => ("false", "the e-mail address is not the user name"),
        };
        Parameter { value, why, deployed: self.stack.parameters.get(EMAIL_IS_USERNAME).cloned() }
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
