//! The request of an event to a sender.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::event::{Event, EventError, Request};
use shared::locale::{Locale, LocaleReason};
use shared::message::{Content, Insert};
use shared::secret::Code;
use shared::text::is_forbidden;
use shared::trigger::{MessageKind, Request as Wanted, Trigger};

use crate::envelope::{Envelope, looks_like_direct_kms_ciphertext};
use crate::kms::DecryptError;

/// One message to write and send.
#[derive(Clone)]
pub struct Job {
    /// What it is about.
    pub kind: MessageKind,
    /// The language, and how it was chosen.
    pub locale: (Locale, LocaleReason),
    /// The event's `userPoolId`, which the code must be bound to.
    pub user_pool_id: String,
    /// The encrypted code, in base64.
    pub code: String,
    /// The trigger source, unchanged.
    pub trigger_source: String,
    /// The rest of the request.
    pub request: Request,
    user_name: Option<String>,
}

/// What an event requests.
pub enum Task {
    /// Send a message.
    Send(Box<Job>),
    /// Send nothing, although the event is well-formed.
    Nothing(Reason),
}

/// Why there is nothing to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A trigger source that this function does not know, as it may be logged.
    UnknownSource(String),
    /// An account takeover notification of threat protection. It has no code and no address. Holds its `EVENT_ID`.
    AccountTakeOver(Option<String>),
    /// The user was created without a password, so there is no invitation.
    NoPassword,
}

impl Reason {
    /// One sentence.
    #[must_use]
    pub fn explain(&self) -> &'static str {
        match self {
            Self::UnknownSource(_) => "the trigger source is unknown, so nothing is sent",
            Self::AccountTakeOver(_) => {
                "threat protection reports a risky sign-in; the event has no address, so nothing is sent"
            }
            Self::NoPassword => "the user was created without a password, so there is no invitation to send",
        }
    }
}

impl Task {
    /// Reads an event.
    ///
    /// # Errors
    /// If a field that the message needs is absent or has the wrong type.
    pub fn read(trigger: Trigger, event: &Event, default_locale: Locale) -> Result<Self, EventError> {
        let kind = match trigger.request(event.trigger_source()) {
            None => {
                let source = event.shown_trigger_source().to_owned();
                return Ok(Self::Nothing(Reason::UnknownSource(source)));
            }
            Some(Wanted::AccountTakeOverNotification) => {
                let id = event.request().and_then(|request| request.attribute("EVENT_ID")).ok().flatten();
                return Ok(Self::Nothing(Reason::AccountTakeOver(id)));
            }
            Some(Wanted::Message(kind)) => kind,
        };
        let missing = |field: &str| EventError::Missing { field: field.to_owned() };
        let request = event.request()?;
        let code = match request.text("code")? {
            Some(code) => code,
            None if kind == MessageKind::AdminCreateUser => return Ok(Self::Nothing(Reason::NoPassword)),
            None => return Err(missing("request.code")),
        };
        let user_pool_id = event.envelope_text("userPoolId")?.ok_or_else(|| missing("userPoolId"))?;
        let locale = Locale::choose(
            request.client_metadata("locale").as_deref(),
            request.attribute("locale").ok().flatten().as_deref(),
            default_locale,
        );
        Ok(Self::Send(Box::new(Job {
            kind,
            locale,
            user_pool_id,
            code,
            trigger_source: event.trigger_source().to_owned(),
            user_name: event.envelope_text("userName")?,
            request,
        })))
    }
}

impl Job {
    /// The user attribute that holds the recipient.
    ///
    /// # Errors
    /// If it is missing or not a string.
    pub fn contact(&self, attribute: &str) -> Result<String, EventError> {
        let missing = || EventError::Missing { field: format!("request.userAttributes.{attribute}") };
        self.request.attribute(attribute)?.ok_or_else(missing)
    }

    /// The encrypted code, parsed but not yet authenticated.
    ///
    /// # Errors
    /// If it is not a message of the AWS Encryption SDK in base64.
    pub fn envelope(&self) -> Result<Envelope, DecryptError> {
        let bytes = STANDARD.decode(self.code.trim()).map_err(|_| DecryptError::NotBase64)?;
        if looks_like_direct_kms_ciphertext(&bytes) {
            return Err(DecryptError::DirectKms);
        }
        Ok(Envelope::parse(bytes)?)
    }

    /// The decrypted code for the user. Cognito HTML-escapes only temporary passwords.
    ///
    /// # Errors
    /// If it is neither a code of Cognito nor a temporary password in an invitation.
    pub fn clear_code(&self, code: Code) -> Result<Code, DecryptError> {
        match self.kind {
            MessageKind::AdminCreateUser => {
                let password = code.html_unescaped();
                if password.is_password() { Ok(password) } else { Err(DecryptError::NotAPassword) }
            }
            _ if code.is_digits() => Ok(code),
            _ => Err(DecryptError::NotACode),
        }
    }

    /// The content of the message: the code, or username and temporary password.
    #[must_use]
    pub fn content<'a>(&self, code: &'a Code, sign_in_name: &'a str) -> Content<'a> {
        if self.kind == MessageKind::AdminCreateUser {
            Content::Invitation { username: Insert::Name(sign_in_name), password: Insert::Secret(code) }
        } else {
            Content::Code(Insert::Secret(code))
        }
    }

    /// What the user signs in with: the username, or `contact` if the pool generated the username.
    ///
    /// A pool whose sign-in attributes are addresses or numbers puts the user's `sub` into `userName`, which no user
    /// remembers. Source: "Customizing sign-in attributes", Amazon Cognito developer guide.
    #[must_use]
    pub fn sign_in_name(&self, contact: &str) -> String {
        let sub = self.request.attribute("sub").ok().flatten();
        match &self.user_name {
            Some(name) if sub.as_ref() != Some(name) => {
                let visible = |character: &char| !character.is_control() && !is_forbidden(*character);
                name.chars().filter(visible).take(MAX_USER_NAME).collect()
            }
            _ => contact.to_owned(),
        }
    }
}

/// Cognito's own limit for usernames, in characters.
const MAX_USER_NAME: usize = 128;
