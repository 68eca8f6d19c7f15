//! Renders the email and SMS texts that Cognito itself sends.
//!
//! The function never returns an error, because an error would block the user's sign-up or password reset. If it can't
//! write a text, it leaves the field null and logs the reason; Cognito then sends the user pool's own text.

use std::mem::take;

use runtime::Invocation;
use runtime::metrics::Metrics;
use serde_json::value::{RawValue, to_raw_value};
use shared::dry_run::is_requested;
use shared::event::{Event, EventError, Request, ResponseValue};
use shared::locale::Locale;
use shared::message::{Content, Insert, Messages, RenderError};
use shared::message_field::MessageField;
use shared::metric::Metric;
use shared::outcome::{ErrorType, Outcome};
use shared::parameter::Variable;
use shared::settings::custom_message::{Channels, CustomMessageSettings, EmailConfirmation};
use shared::settings::{Noted, Settings};
use shared::text::single_line;
use shared::trigger::{MessageKind, Request as Wanted, Trigger};

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    messages: Messages,
    channels: Channels,
    confirmation: EmailConfirmation,
    metrics: Metrics,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>, _random: &[u8; 32]) -> Result<Self, Noted> {
        let metrics = Metrics::read(settings, env!("CARGO_PKG_NAME"));
        let CustomMessageSettings { messages, channels, confirmation } =
            CustomMessageSettings::read(settings)?;
        runtime::log_template_problems(&messages);
        if channels.sms {
            warn_of_long_messages(&messages);
        }
        Ok(Self { messages, channels, confirmation, metrics: metrics? })
    }
}

/// A long brand name makes the SMS longer than Cognito accepts, so Cognito would send its own text.
fn warn_of_long_messages(messages: &Messages) {
    let locale = messages.settings().default_locale;
    let code = Insert::Placeholder("{####}");
    for kind in MessageKind::ALL {
        let content = if kind == MessageKind::AdminCreateUser {
            Content::Invitation { username: Insert::Placeholder("{username}"), password: code }
        } else {
            Content::Code(code)
        };
        let Ok((sms, _)) = messages.sms(kind, locale, content) else { continue };
        if let Err(error) = MessageField::SmsMessage.check(&sms.text) {
            tracing::warn!(
                message.kind = kind.name(),
                message.locale = locale.tag(),
                "the SMS text {error}, so Cognito sends its own text: set a shorter {}",
                Variable("BRAND_NAME")
            );
        }
    }
}

/// Responds to one event, also if it requests a dry run.
#[must_use]
pub fn handle(config: &Config, invocation: Invocation) -> Box<RawValue> {
    let event = Event::parse(&invocation.event);
    let dry_run = event.as_ref().map_or(Ok(false), is_requested);
    // Cognito never sets `dryRun`, so an event with it, even malformed, is not counted as a message.
    let is_message = dry_run == Ok(false);
    let logged = |outcome| if dry_run == Ok(true) { Outcome::DryRun } else { outcome };
    let answer =
        dry_run.clone().and(event).and_then(|event| answer(config, &invocation.request_id, event, logged));
    if is_message {
        let metric = if matches!(answer, Ok(Some(_))) { Metric::MessageWritten } else { Metric::MessageLeft };
        config.metrics.emit(&[(metric, 1.0)]);
    }
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => invocation.event,
        Err(error) => {
            tracing::error!(
                invocation.id = invocation.request_id,
                outcome = logged(Outcome::Malformed).name(),
                error.r#type = ErrorType::MalformedEvent.name(),
                "malformed event, returned unchanged: {error}"
            );
            invocation.event
        }
    }
}

/// The event with its messages, `None` if the response stays as it is. `logged` gives the outcome for the log.
fn answer(
    config: &Config,
    id: &str,
    mut event: Event,
    logged: impl Fn(Outcome) -> Outcome,
) -> Result<Option<Box<RawValue>>, EventError> {
    let kind = match Trigger::CustomMessage.request(event.trigger_source()) {
        Some(Wanted::Message(kind)) => kind,
        Some(Wanted::AccountTakeOverNotification) | None => {
            tracing::warn!(
                invocation.id = id,
                outcome = logged(Outcome::MessageUnchanged).name(),
                trigger.source = event.shown_trigger_source(),
                "the trigger source is unknown, so the event is returned unchanged"
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
        if let Some(mut email) = email {
            fields.push((MessageField::EmailSubject, take(&mut email.subject)));
            fields.push((MessageField::EmailMessage, take(&mut email.html)));
        }
    }
    if config.channels.sms {
        let sms = problems.note(Placeholders::read(&request, kind, false)).and_then(|placeholders| {
            problems.note_fallback(config.messages.sms(kind, locale, placeholders.content()))
        });
        if let Some(sms) = sms {
            // The pattern of SMS texts is `.*`, and a dot matches no line end.
            fields.push((MessageField::SmsMessage, single_line(&sms.text)));
        }
    }
    fields.retain(|(field, text)| match field.check(text) {
        Ok(()) => true,
        Err(error) => {
            problems.add(format!("`{}` {error}, so it is not set", field.name()));
            false
        }
    });
    let answer = if fields.is_empty() {
        None
    } else {
        let answers: Vec<_> =
            fields.iter().map(|(field, text)| (field.name(), ResponseValue::Text(text))).collect();
        event.respond(&answers)?;
        Some(to_raw_value(&event).map_err(|_| EventError::NotAnObject)?)
    };
    let outcome = if fields.is_empty() { Outcome::MessageUnchanged } else { Outcome::MessageWritten };
    // The log line of the event.
    macro_rules! line {
        ($level:ident, $problems:expr) => {
            tracing::$level!(
                invocation.id = id,
                outcome = logged(outcome).name(),
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
    match problems.summary() {
        None => line!(info, tracing::field::Empty),
        Some(problems) => line!(error, problems),
    }
    Ok(answer)
}

/// Why a text was not written, or a template override not used. Each problem is listed once, in the order in which
/// they occurred, even if both channels have it.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// The value, or `None` with the problem added.
    fn note<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(format!("{error}, so Cognito's own text is used"))).ok()
    }

    /// The message. If the built-in template replaces an override, the reason is added.
    fn note_fallback<T>(&mut self, rendered: Result<(T, Option<RenderError>), RenderError>) -> Option<T> {
        let (message, error) = self.note(rendered)?;
        if let Some(error) = error {
            self.add(format!("{error}, so the built-in template is used"));
        }
        Some(message)
    }

    /// All problems in one line.
    fn summary(self) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_both_channels_is_logged_once() {
        let mut problems = Problems::default();
        for problem in ["no code", "broken template", "no code"] {
            problems.add(problem.to_owned());
        }
        assert_eq!(problems.summary().as_deref(), Some("no code; broken template"));
        assert_eq!(Problems::default().summary(), None);
    }
}
