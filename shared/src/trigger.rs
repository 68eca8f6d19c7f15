//! The four Lambda triggers, and what each trigger source asks for.

use std::fmt;
use std::time::Duration;

/// A Lambda trigger of the user pool that one of the functions handles, in the order in which they are invoked for a
/// user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// Decides on sign-ups.
    PreSignUp,
    /// Writes the messages that Cognito sends itself.
    CustomMessage,
    /// Sends email.
    CustomEmailSender,
    /// Sends SMS.
    CustomSmsSender,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::PreSignUp, Self::CustomMessage, Self::CustomEmailSender, Self::CustomSmsSender];

    /// The function's package, which is also the value of its metrics' dimension `Function`.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::PreSignUp => "pre-sign-up",
            Self::CustomMessage => "custom-message",
            Self::CustomEmailSender => "custom-email-sender",
            Self::CustomSmsSender => "custom-sms-sender",
        }
    }

    /// The logical id of its function in the template.
    #[must_use]
    pub fn logical_id(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUpFunction",
            Self::CustomMessage => "CustomMessageFunction",
            Self::CustomEmailSender => "CustomEmailSenderFunction",
            Self::CustomSmsSender => "CustomSmsSenderFunction",
        }
    }

    /// The stack's output that holds the ARN of its function.
    #[must_use]
    pub fn output(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUpFunctionArn",
            Self::CustomMessage => "CustomMessageFunctionArn",
            Self::CustomEmailSender => "CustomEmailSenderFunctionArn",
            Self::CustomSmsSender => "CustomSmsSenderFunctionArn",
        }
    }

    /// The log group of its function in a stack of that name. The template sets it, so it doesn't follow from the
    /// function's name.
    #[must_use]
    pub fn log_group(self, stack_name: &str) -> String {
        format!("/aws/lambda/{stack_name}-{}", self.package())
    }

    /// The beginning of the logical ids of its function's alarms and other resources.
    #[must_use]
    pub fn logical_id_prefix(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUp",
            Self::CustomMessage => "CustomMessage",
            Self::CustomEmailSender => "CustomEmailSender",
            Self::CustomSmsSender => "CustomSmsSender",
        }
    }

    /// The member of the user pool's `LambdaConfig`.
    ///
    /// Source: "`LambdaConfigType`", Amazon Cognito user pools API reference.
    #[must_use]
    pub fn lambda_config_member(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUp",
            Self::CustomMessage => "CustomMessage",
            Self::CustomEmailSender => "CustomEmailSender",
            Self::CustomSmsSender => "CustomSMSSender",
        }
    }

    /// Whether its function gets encrypted codes and sends the messages itself.
    #[must_use]
    pub fn is_sender(self) -> bool {
        matches!(self, Self::CustomEmailSender | Self::CustomSmsSender)
    }

    /// The trigger that handles a trigger source, `None` if the source is unknown here.
    #[must_use]
    pub fn of_source(trigger_source: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| match trigger {
            Self::PreSignUp => SignUpSource::from_trigger_source(trigger_source).is_some(),
            Self::CustomMessage | Self::CustomEmailSender | Self::CustomSmsSender => {
                trigger.request(trigger_source).is_some()
            }
        })
    }

    /// The message that a trigger source asks for, `None` if it isn't one of this trigger's.
    ///
    /// AWS's tables spell the last one both `CustomSMSSender_*` and `CustomSmsSender_*`.
    #[must_use]
    pub fn request(self, trigger_source: &str) -> Option<Request> {
        let (prefix, suffix) = trigger_source.split_once('_')?;
        let is_own = match self {
            Self::PreSignUp => false,
            Self::CustomMessage => prefix == "CustomMessage",
            Self::CustomEmailSender => prefix == "CustomEmailSender",
            Self::CustomSmsSender => matches!(prefix, "CustomSMSSender" | "CustomSmsSender"),
        };
        match suffix {
            _ if !is_own => None,
            "AccountTakeOverNotification" if self.is_sender() => Some(Request::AccountTakeOverNotification),
            _ => MessageKind::from_suffix(suffix).map(Request::Message),
        }
    }
}

/// The package.
impl fmt::Display for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.package())
    }
}

/// What a trigger source of a message trigger asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A message of that kind.
    Message(MessageKind),
    /// An account takeover notification of threat protection. It carries neither a code nor an address, so there is
    /// nothing to send.
    AccountTakeOverNotification,
}

/// The operation behind a pre sign-up event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpSource {
    /// A user signs up: `PreSignUp_SignUp`.
    SelfSignUp,
    /// An administrator creates the user, and decides: `PreSignUp_AdminCreateUser`.
    Administrator,
    /// The first sign-in through an identity provider: `PreSignUp_ExternalProvider`.
    ExternalProvider,
}

impl SignUpSource {
    /// The operation of a trigger source, `None` if the source is unknown here.
    #[must_use]
    pub fn from_trigger_source(trigger_source: &str) -> Option<Self> {
        match trigger_source {
            "PreSignUp_SignUp" => Some(Self::SelfSignUp),
            "PreSignUp_AdminCreateUser" => Some(Self::Administrator),
            "PreSignUp_ExternalProvider" => Some(Self::ExternalProvider),
            _ => None,
        }
    }
}

/// What a message is about. Every kind has texts in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    /// A user signed up and confirms the address or number.
    SignUp,
    /// The user requested a new code for that.
    ResendCode,
    /// A user resets a password.
    ForgotPassword,
    /// A user changed an address or number and confirms it.
    UpdateUserAttribute,
    /// A signed-in user confirms an address or number.
    VerifyUserAttribute,
    /// An MFA code or a one-time password.
    Authentication,
    /// An administrator created the user: username and temporary password.
    AdminCreateUser,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SignUp,
        Self::ResendCode,
        Self::ForgotPassword,
        Self::UpdateUserAttribute,
        Self::VerifyUserAttribute,
        Self::Authentication,
        Self::AdminCreateUser,
    ];

    /// The folder of its templates, and its name in logs and tags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignUp => "sign-up",
            Self::ResendCode => "resend-code",
            Self::ForgotPassword => "forgot-password",
            Self::UpdateUserAttribute => "update-user-attribute",
            Self::VerifyUserAttribute => "verify-user-attribute",
            Self::Authentication => "authentication",
            Self::AdminCreateUser => "admin-create-user",
        }
    }

    /// Whether Cognito can confirm by link instead of code: sign-up and its resend, nothing else.
    ///
    /// Source: "Custom message Lambda trigger", Amazon Cognito developer guide.
    #[must_use]
    pub fn can_be_link(self) -> bool {
        matches!(self, Self::SignUp | Self::ResendCode)
    }

    /// The longest time for which the message's code can be used after Cognito generated it.
    ///
    /// Sign-in codes are valid for 3 to 15 minutes, by a setting of the app client. `None` for invitations: a setting
    /// of the user pool decides how long a temporary password is valid, up to a year.
    ///
    /// Source: "Quotas in Amazon Cognito", code validity, Amazon Cognito developer guide.
    #[must_use]
    pub fn validity(self) -> Option<Duration> {
        Some(match self {
            Self::SignUp | Self::ResendCode | Self::UpdateUserAttribute | Self::VerifyUserAttribute => {
                Duration::from_hours(24)
            }
            Self::ForgotPassword => Duration::from_hours(1),
            Self::Authentication => Duration::from_mins(15),
            Self::AdminCreateUser => return None,
        })
    }

    fn from_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "SignUp" => Some(Self::SignUp),
            "ResendCode" => Some(Self::ResendCode),
            "ForgotPassword" => Some(Self::ForgotPassword),
            "UpdateUserAttribute" => Some(Self::UpdateUserAttribute),
            "VerifyUserAttribute" => Some(Self::VerifyUserAttribute),
            "Authentication" => Some(Self::Authentication),
            "AdminCreateUser" => Some(Self::AdminCreateUser),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_trigger_agree_with_each_other() {
        for trigger in Trigger::ALL {
            let prefix = trigger.logical_id_prefix();
            assert_eq!(trigger.logical_id(), format!("{prefix}Function"));
            assert_eq!(trigger.output(), format!("{prefix}FunctionArn"));
            assert_eq!(trigger.lambda_config_member().to_lowercase(), prefix.to_lowercase());
            assert_eq!(trigger.package().replace('-', ""), prefix.to_lowercase());
        }
        assert_eq!(Trigger::PreSignUp.log_group("triggers"), "/aws/lambda/triggers-pre-sign-up");
    }

    #[track_caller]
    fn check(trigger: Trigger, source: &str, expected: Option<Request>) {
        assert_eq!(trigger.request(source), expected, "{source}");
        if expected.is_some() {
            assert_eq!(Trigger::of_source(source), Some(trigger));
        }
    }

    #[test]
    fn every_trigger_source_asks_for_its_message() {
        use Trigger::{CustomEmailSender, CustomMessage, CustomSmsSender, PreSignUp};
        let sign_up = Some(Request::Message(MessageKind::SignUp));
        check(CustomMessage, "CustomMessage_SignUp", sign_up);
        check(CustomEmailSender, "CustomEmailSender_SignUp", sign_up);
        check(CustomSmsSender, "CustomSMSSender_SignUp", sign_up);
        check(CustomSmsSender, "CustomSmsSender_SignUp", sign_up);
        check(CustomSmsSender, "CustomEmailSender_SignUp", None);
        check(CustomMessage, "CustomMessage_Future", None);
        check(CustomMessage, "CustomMessage", None);
        check(CustomMessage, "CustomMessage_AccountTakeOverNotification", None);
        check(PreSignUp, "PreSignUp_SignUp", None);
        let takeover = Some(Request::AccountTakeOverNotification);
        check(CustomEmailSender, "CustomEmailSender_AccountTakeOverNotification", takeover);
        check(CustomSmsSender, "CustomSMSSender_AccountTakeOverNotification", takeover);
    }

    #[test]
    fn the_sources_of_pre_sign_up_are_three() {
        for source in ["PreSignUp_SignUp", "PreSignUp_AdminCreateUser", "PreSignUp_ExternalProvider"] {
            assert_eq!(Trigger::of_source(source), Some(Trigger::PreSignUp));
        }
        for source in ["PreSignUp_", "PreSignUp_Future", "presignup_signup", "CustomMessage_SignUp", ""] {
            assert_eq!(SignUpSource::from_trigger_source(source), None);
        }
        assert_eq!(Trigger::of_source("PostConfirmation_ConfirmSignUp"), None);
    }
}
