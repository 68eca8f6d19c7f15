//! The settings that pre-sign-up reads.

use super::{Noted, Settings};
use crate::policy::{FederatedSignUp, SignUpMode, SignUpPolicy};

/// The settings of pre-sign-up.
#[derive(Clone, Debug)]
pub struct SignUpSettings {
    /// Who may sign up, and who is confirmed without a code.
    pub policy: SignUpPolicy,
    /// The error message for users whose sign-up is rejected. Cognito writes "PreSignUp failed with error " before it
    /// and a full stop after it, and shows it.
    pub refusal_message: String,
}

/// The default of `REFUSAL_MESSAGE`.
const REFUSAL_MESSAGE: &str = "You cannot sign up with this email address";

impl SignUpSettings {
    /// Reads all settings.
    ///
    /// # Errors
    /// If one of them is invalid, or the sign-up is closed for all users.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let allowed = settings.allowed_domains();
        let denied = settings.blocked_domains();
        let mode = settings.sign_up_mode();
        let federated = settings.optional("FEDERATED_SIGN_UP", str::parse::<FederatedSignUp>);
        let confirm_trusted_users = settings.flag("CONFIRM_TRUSTED_USERS", true);
        let auto_verify_phone = settings.flag("AUTO_VERIFY_PHONE", false);
        let email_is_username = settings.flag("EMAIL_IS_USERNAME", false);
        let refusal_message = settings.optional("REFUSAL_MESSAGE", |text| {
            if text.chars().count() > 200 || text.contains(char::is_control) {
                Err("must not have more than 200 characters or any control character")
            } else {
                Ok(text.to_owned())
            }
        });
        let (allowed, mode) = (allowed?, mode?);
        if mode == SignUpMode::Closed && allowed.is_empty() {
            return Err(settings.closed_to_all());
        }
        Ok(Self {
            policy: SignUpPolicy {
                allowed,
                denied: denied?,
                mode,
                federated: federated?.unwrap_or_default(),
                confirm_trusted_users: confirm_trusted_users?,
                auto_verify_phone: auto_verify_phone?,
                email_is_username: email_is_username?,
            },
            refusal_message: refusal_message?.unwrap_or_else(|| REFUSAL_MESSAGE.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Contacts, Decision, PassReason};
    use crate::settings::InLayer;
    use crate::trigger::SignUpSource;

    #[test]
    fn settings_are_checked_completely_and_in_their_order() {
        let variables = [
            ("ALLOWED_EMAIL_DOMAINS", " "),
            ("SIGN_UP_MODE", "closed"),
            ("DENY_DISPOSABLE_EMAIL", "yes"),
            ("REFUSAL_MESSAGE", "two\nlines"),
        ];
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let settings = Settings::new(&lookup, &InLayer);
        let read = SignUpSettings::read(&settings);
        assert_eq!(
            settings.finish(read).unwrap_err().to_string(),
            "DENY_DISPOSABLE_EMAIL (DenyDisposableEmail in MoreSettings) must be `true` or `false`; REFUSAL_MESSAGE (RefusalMessage in \
             MoreSettings) must not have more than 200 characters or any control character; SIGN_UP_MODE (parameter \
             SignUpMode) is `closed`, but ALLOWED_EMAIL_DOMAINS (parameter AllowedEmailDomains) is empty: no user could \
             sign up"
        );
    }

    #[test]
    fn without_settings_every_user_gets_the_code_of_cognito() {
        let settings = Settings::new(&|_| None, &InLayer);
        let read = SignUpSettings::read(&settings);
        let SignUpSettings { policy, refusal_message } = settings.finish(read).unwrap();
        assert_eq!(refusal_message, REFUSAL_MESSAGE);
        let contacts = Contacts { email: Some("ann@example.com"), ..Contacts::default() };
        assert_eq!(
            policy.decide(SignUpSource::SelfSignUp, contacts),
            Decision::PassThrough(PassReason::NotListed)
        );
    }
}
