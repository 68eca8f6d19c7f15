//! Writes the e-mail and SMS texts that Cognito itself sends.
//!
//! It never fails an operation: what it cannot do, it leaves as Cognito sent it, and says so in the log. An error
//! here would block the user's sign-up or reset, a `null` only gives the pool's own text.

use runtime::Invocation;
use runtime::metrics::{Metric, Metrics};
use serde_json::value::{RawValue, to_raw_value};
use shared::config::Settings;
use shared::event::{Answer, Event, EventError, Request};
use shared::locale::Locale;
use shared::message::{Content, Insert, Messages, RenderError, has_forbidden_character};
use shared::outcome::{ErrorType, Outcome};
use shared::trigger::{MessageKind, Request as Wanted, Trigger};

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    messages: Messages,
    channels: Channels,
    confirmation: EmailConfirmation,
    metrics: Metrics,
}

/// Which fields of the answer this function fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Channels {
    email: bool,
    sms: bool,
}

/// Whether sign-up is confirmed by code or by link. The event does not tell, the pool's setting must be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EmailConfirmation {
    #[default]
    Code,
    Link,
}

impl Config {
    /// Reads every setting, noting all problems.
    #[must_use]
    pub fn read(settings: &Settings<'_>, _random: &[u8; 32]) -> Option<Self> {
        let metrics = Metrics::read(settings, env!("CARGO_PKG_NAME"));
        let messages = runtime::messages(settings);
        let channels = settings.required("CUSTOM_MESSAGE_CHANNELS", |text| {
            let mut channels = Channels::default();
            for channel in text.split(',').map(str::trim) {
                match channel {
                    "email" => channels.email = true,
                    "sms" => channels.sms = true,
                    "none" => {}
                    _ => return Err("is none of `email`, `sms`, `email,sms`, `none`"),
                }
            }
            Ok(channels)
        });
        let confirmation = settings.optional("EMAIL_CONFIRMATION", |text| match text {
            "code" => Ok(EmailConfirmation::Code),
            "link" => Ok(EmailConfirmation::Link),
            _ => Err("is neither `code` nor `link`"),
        });
        let (messages, channels) = (messages?, channels?);
        if channels.sms {
            warn_of_long_messages(&messages);
        }
        Some(Self { messages, channels, confirmation: confirmation?.unwrap_or_default(), metrics })
    }
}

/// A long brand name takes the SMS over Cognito's limit, and Cognito's own text would go out instead of ours.
fn warn_of_long_messages(messages: &Messages) {
    let locale = messages.settings().default_locale;
    let code = Insert::Placeholder("{####}");
    for kind in MessageKind::ALL {
        let content = if kind == MessageKind::AdminCreateUser {
            Content::Invitation { username: Insert::Placeholder("{username}"), password: code }
        } else {
            Content::Code(code)
        };
        let rule =
            messages.sms(kind, locale, content).ok().and_then(|(sms, _)| SMS_TEXT.broken_by(&sms.text));
        if let Some(rule) = rule {
            tracing::warn!(
                message.kind = kind.name(),
                message.locale = locale.tag(),
                "the SMS text {rule}; Cognito's own will go out, unless BRAND_NAME is shorter"
            );
        }
    }
}

/// Answers one event.
#[must_use]
pub fn handle(config: &Config, invocation: Invocation) -> Box<RawValue> {
    let answer = answer(config, &invocation);
    let metric = if matches!(answer, Ok(Some(_))) { Metric::MessageWritten } else { Metric::MessageLeft };
    config.metrics.emit(&[(metric, 1.0)]);
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => invocation.event,
        Err(error) => {
            tracing::error!(
                invocation.id = invocation.request_id,
                outcome = Outcome::Malformed.name(),
                error.r#type = ErrorType::MalformedEvent.name(),
                "malformed event, it goes back unchanged: {error}"
            );
            invocation.event
        }
    }
}

fn answer(config: &Config, invocation: &Invocation) -> Result<Option<Box<RawValue>>, EventError> {
    let id = &invocation.request_id;
    let mut event = Event::parse(&invocation.event)?;
    let kind = match Trigger::CustomMessage.request(event.trigger_source()) {
        Some(Wanted::Message(kind)) => kind,
        Some(Wanted::AccountTakeOverNotification) | None => {
            tracing::warn!(
                invocation.id = id,
                outcome = Outcome::MessageUnchanged.name(),
                trigger.source = event.shown_trigger_source(),
                "unknown trigger source, the event goes back unchanged"
            );
            return Ok(None);
        }
    };
    let request = event.request()?;
    let (locale, reason) = Locale::choose(
        request.client_metadata("locale").as_deref(),
        request.attribute("locale").ok().flatten().as_deref(),
        config.messages.settings().default_locale,
    );
    let mut fields = Vec::new();
    let mut problems = Problems::default();
    if config.channels.email {
        let link = config.confirmation == EmailConfirmation::Link && kind.can_be_link();
        let email = problems.note(Placeholders::read(&request, kind, link)).and_then(|placeholders| {
            problems.note_fallback(config.messages.html_email(kind, locale, placeholders.content()))
        });
        if let Some(email) = email {
            fields.push(("emailSubject", email.subject, SUBJECT));
            fields.push(("emailMessage", email.html, EMAIL_BODY));
        }
    }
    if config.channels.sms {
        let sms = problems.note(Placeholders::read(&request, kind, false)).and_then(|placeholders| {
            problems.note_fallback(config.messages.sms(kind, locale, placeholders.content()))
        });
        if let Some(sms) = sms {
            fields.push(("smsMessage", single_line(&sms.text), SMS_TEXT));
        }
    }
    fields.retain(|(name, text, limits)| match limits.broken_by(text) {
        None => true,
        Some(rule) => {
            problems.0.push(format!("`{name}` {rule}; it stays as Cognito sent it"));
            false
        }
    });
    let answer = if fields.is_empty() {
        None
    } else {
        let answers: Vec<_> = fields.iter().map(|(name, text, _)| (*name, Answer::Text(text))).collect();
        event.respond(&answers)?;
        Some(to_raw_value(&event).map_err(|_| EventError::NotAnObject)?)
    };
    let outcome = if fields.is_empty() { Outcome::MessageUnchanged } else { Outcome::MessageWritten };
    // The one line of the event.
    macro_rules! line {
        ($level:ident, $problems:expr) => {
            tracing::$level!(
                invocation.id = id,
                outcome = outcome.name(),
                trigger.source = event.trigger_source(),
                message.kind = kind.name(),
                message.locale = locale.tag(),
                message.locale_reason = reason.name(),
                message.fields = fields.len(),
                message.problems = $problems,
                "wrote {} of the message",
                if fields.is_empty() { "nothing" } else { "the texts" }
            )
        };
    }
    match problems.sentence() {
        None => line!(info, tracing::field::Empty),
        Some(problems) => line!(error, problems),
    }
    Ok(answer)
}

/// What kept a text from being written, or its template from being used.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// The value, or `None` with the problem noted.
    fn note<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(format!("{error}; Cognito's own text is used"))).ok()
    }

    /// The message; that the built-in text had to step in is noted.
    fn note_fallback<T>(&mut self, rendered: Result<(T, Option<RenderError>), RenderError>) -> Option<T> {
        let (message, error) = self.note(rendered)?;
        self.0.extend(error.map(|error| format!("{error}; the built-in text is used")));
        Some(message)
    }

    /// Each once, although both channels may have the same.
    fn sentence(mut self) -> Option<String> {
        self.0.dedup();
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}

/// Cognito's placeholders for one message, as the event names them.
enum Placeholders {
    Code(String),
    Link(String),
    Invitation { username: String, password: String },
}

impl Placeholders {
    fn read(request: &Request, kind: MessageKind, link: bool) -> Result<Self, EventError> {
        let placeholder = |name: &str| {
            let missing = || EventError::Missing { field: format!("request.{name}") };
            request.text(name)?.ok_or_else(missing)
        };
        Ok(match kind {
            MessageKind::AdminCreateUser => Self::Invitation {
                username: placeholder("usernameParameter")?,
                password: placeholder("codeParameter")?,
            },
            _ if link => Self::Link(placeholder("linkParameter")?),
            _ => Self::Code(placeholder("codeParameter")?),
        })
    }

    fn content(&self) -> Content<'_> {
        match self {
            Self::Code(code) => Content::Code(Insert::Placeholder(code)),
            Self::Link(link) => Content::Link(Insert::Placeholder(link)),
            Self::Invitation { username, password } => Content::Invitation {
                username: Insert::Placeholder(username),
                password: Insert::Placeholder(password),
            },
        }
    }
}

/// What Cognito accepts in one field of the answer.
///
/// Sources: "Custom message Lambda trigger" (lengths in UTF-8 characters, the code included), and the patterns of
/// the template types in the Amazon Cognito API reference, which are enforced on the trigger's answer too.
#[derive(Clone, Copy)]
struct Limits {
    shortest: usize,
    longest: usize,
}

const SUBJECT: Limits = Limits { shortest: 1, longest: 140 };
const EMAIL_BODY: Limits = Limits { shortest: 6, longest: 20_000 };
const SMS_TEXT: Limits = Limits { shortest: 6, longest: 140 };

impl Limits {
    fn broken_by(self, text: &str) -> Option<String> {
        let length = text.chars().count();
        if length < self.shortest || length > self.longest {
            Some(format!(
                "would have {length} characters, Cognito takes {} to {}",
                self.shortest, self.longest
            ))
        } else if has_forbidden_character(text) {
            Some("would hold a character outside the classes that Cognito takes".to_owned())
        } else {
            None
        }
    }
}

/// The pattern of SMS texts is `.*`, and a dot matches no line end.
fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
