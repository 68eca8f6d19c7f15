//! Decides who may sign up to the user pool, and who is confirmed without a code.

use std::time::{SystemTime, UNIX_EPOCH};

use runtime::metrics::Metrics;
use runtime::{Failure, Invocation};
use serde_json::value::{RawValue, to_raw_value};
use shared::disposable::{LIST_DATE, LIST_LASTS_DAYS, list_age_days};
use shared::dry_run::is_requested;
use shared::event::{Event, EventError, ResponseValue};
use shared::metric::Metric;
use shared::outcome::{ErrorType, Outcome};
use shared::parameter::Variable;
use shared::policy::{Contacts, Decision, SignUpPolicy};
use shared::recipient::RecipientHasher;
use shared::settings::sign_up::SignUpSettings;
use shared::settings::{Noted, Settings};
use shared::trigger::SignUpSource;

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    policy: SignUpPolicy,
    refusal_message: String,
    hasher: RecipientHasher,
    metrics: Metrics,
}

/// The error message for the user if the event is malformed, which no user can cause.
const MALFORMED_MESSAGE: &str = "Sign-up is not possible at the moment";

impl Config {
    /// Reads all settings. `random` replaces a missing `RECIPIENT_HASH_KEY`.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>, random: &[u8; 32]) -> Result<Self, Noted> {
        let hasher = settings.recipient_hasher(random);
        let metrics = Metrics::read(settings, env!("CARGO_PKG_NAME"));
        let SignUpSettings { policy, refusal_message } = SignUpSettings::read(settings)?;
        for provider in policy.allowed.public_mailbox_providers() {
            tracing::warn!(
                "{} trusts `{provider}`, where anyone can get a mailbox",
                Variable("ALLOWED_EMAIL_DOMAINS")
            );
        }
        if policy.denied.disposable.is_enabled() {
            warn_of_an_old_list(SystemTime::now());
        }
        Ok(Self { policy, refusal_message, hasher, metrics: metrics? })
    }
}

/// The list is part of the build, so only a newer build has a newer list.
fn warn_of_an_old_list(now: SystemTime) {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let age = list_age_days(now);
    if age > LIST_LASTS_DAYS {
        tracing::warn!(
            list.age_days = age,
            "the disposable email list is from {LIST_DATE} and misses newer services: deploy a newer version"
        );
    }
}

/// Handles one event.
///
/// # Errors
/// If the sign-up is rejected, with the sentence for the end user, or the event is malformed.
pub fn handle(config: &Config, invocation: &Invocation) -> Result<Box<RawValue>, Failure> {
    let event = Event::parse(&invocation.event);
    let dry_run = event.as_ref().map_or(Ok(false), is_requested);
    // A dry run counts nothing: no message follows, so a counted sign-up would set off an alarm.
    let is_dry_run = dry_run == Ok(true);
    let logged = |outcome| if is_dry_run { Outcome::DryRun } else { outcome };
    let count = |metric| {
        if !is_dry_run {
            config.metrics.emit(&[(metric, 1.0)]);
        }
    };
    let malformed = |error: &EventError| {
        count(Metric::FailedMalformed);
        tracing::error!(
            invocation.id = invocation.request_id,
            outcome = logged(Outcome::Malformed).name(),
            error.r#type = ErrorType::MalformedEvent.name(),
            "malformed event: {error}"
        );
        Failure { error_type: ErrorType::MalformedEvent, message: MALFORMED_MESSAGE.to_owned() }
    };
    let mut event = dry_run.and(event).map_err(|error| malformed(&error))?;
    let Some(source) = SignUpSource::from_trigger_source(event.trigger_source()) else {
        tracing::warn!(
            invocation.id = invocation.request_id,
            outcome = logged(Outcome::SignUpUnchanged).name(),
            trigger.source = event.shown_trigger_source(),
            "the trigger source is unknown, so the event is returned unchanged"
        );
        count(Metric::SignUpUnchanged);
        return Ok(invocation.event.clone());
    };
    let request = event.request().map_err(|error| malformed(&error))?;
    let email = request.attribute("email").map_err(|error| malformed(&error))?;
    let phone_number = request.attribute("phone_number").map_err(|error| malformed(&error))?;
    let user_name = event.envelope_text("userName").map_err(|error| malformed(&error))?;
    let contacts = Contacts {
        email: email.as_deref(),
        phone_number: phone_number.as_deref(),
        user_name: user_name.as_deref(),
    };
    let decision = config.policy.decide(source, contacts);
    let (metric, outcome) = match decision {
        Decision::Confirm { .. } => (Metric::SignUpConfirmed, Outcome::SignUpConfirmed),
        Decision::PassThrough(_) if source == SignUpSource::SelfSignUp => {
            (Metric::SignUpPassedOn, Outcome::SignUpPassedOn)
        }
        Decision::PassThrough(_) => (Metric::SignUpUnchanged, Outcome::SignUpUnchanged),
        Decision::Refuse(_) => (Metric::SignUpRefused, Outcome::SignUpRefused),
    };
    let error_type = matches!(decision, Decision::Refuse(_)).then_some(ErrorType::SignUpRefused);
    let mut respond = |confirm, phone| {
        // All three, whatever came in: a flag that arrived as `true` must not come back for a user who isn't trusted.
        let flags = [("autoConfirmUser", confirm), ("autoVerifyEmail", confirm), ("autoVerifyPhone", phone)];
        event.respond(&flags.map(|(name, flag)| (name, ResponseValue::Flag(flag))))?;
        to_raw_value(&event).map_err(|_| EventError::NotAnObject)
    };
    let answer = match decision {
        Decision::Confirm { phone } => Ok(respond(true, phone).map_err(|error| malformed(&error))?),
        Decision::PassThrough(_) if source == SignUpSource::SelfSignUp => {
            Ok(respond(false, false).map_err(|error| malformed(&error))?)
        }
        // Cognito ignores the flags of a user whom an administrator creates or an identity provider names.
        Decision::PassThrough(_) => Ok(invocation.event.clone()),
        Decision::Refuse(_) => {
            Err(Failure { error_type: ErrorType::SignUpRefused, message: config.refusal_message.clone() })
        }
    };
    // Only after the response is complete, because each event has one metrics line and one log line.
    count(metric);
    tracing::info!(
        invocation.id = invocation.request_id,
        outcome = logged(outcome).name(),
        outcome.reason = decision.explain(),
        error.r#type = error_type.map(ErrorType::name),
        trigger.source = event.trigger_source(),
        decision = decision.name(),
        recipient.hash = email.as_deref().map(|email| config.hasher.hash(email).to_string()),
        "{decision}"
    );
    answer
}
