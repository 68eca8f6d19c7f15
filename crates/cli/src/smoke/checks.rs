//! The checks of `smoke`: what a response proves.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::dry_run::Preview;
use shared::locale::Locale;
use shared::message_field::MessageField;
use shared::outcome::{ErrorType, Outcome};
use shared::policy::Decision;
use shared::trigger::MessageKind;

use crate::aws::lambda::InvocationResponse;
use crate::aws::ses::Ses;
use crate::dry_run::read_answer;
use crate::terminal::output::plain;

/// The result of a check.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "detail", rename_all = "lowercase")]
pub(super) enum SmokeResult {
    /// Passed, with a remark.
    Ok(String),
    /// Failed: the cause, with the remedy if there is one.
    Failed(String),
    /// Not checked, because a call to AWS failed.
    Unknown(String),
}

/// Shortens a cause that was just shown.
pub(super) fn once(last: &mut Option<String>, result: SmokeResult) -> SmokeResult {
    match result {
        SmokeResult::Failed(cause) if last.as_ref() == Some(&cause) => {
            SmokeResult::Failed("the same cause".to_owned())
        }
        SmokeResult::Failed(cause) => {
            *last = Some(cause.clone());
            SmokeResult::Failed(cause)
        }
        other => other,
    }
}

/// Whether pre-sign-up decides as `expected`: the decision of its settings, with the error message for rejected
/// users.
pub(super) fn sign_up(response: &InvocationResponse, expected: Option<(Decision, &str)>) -> SmokeResult {
    let event: Value = serde_json::from_str(&response.payload).unwrap_or_default();
    let flag = |name: &str| event.pointer(&format!("/response/{name}")) == Some(&Value::Bool(true));
    let happened = match &response.function_error {
        Some(failure) if failure.error_type == ErrorType::SignUpRefused.name() => "refused",
        Some(failure) => return SmokeResult::Failed(failure.to_string()),
        None if event.get("request").is_none() => {
            return SmokeResult::Failed("the function did not return the event".to_owned());
        }
        None => match (flag("autoConfirmUser"), flag("autoVerifyEmail")) {
            (true, true) => "confirmed",
            (false, false) => "unchanged",
            _ => {
                let cause = "it set only one of autoConfirmUser and autoVerifyEmail";
                return SmokeResult::Failed(cause.to_owned());
            }
        },
    };
    let Some((decision, refusal)) = expected else { return SmokeResult::Ok(happened.to_owned()) };
    let wanted = match decision {
        Decision::Confirm { .. } => "confirmed",
        Decision::PassThrough(_) => "unchanged",
        Decision::Refuse(_) => "refused",
    };
    if wanted != happened {
        let cause = format!(
            "{happened}, but its settings require: {wanted}. Check that the deployed version matches this one"
        );
        return SmokeResult::Failed(cause);
    }
    if response.function_error.as_ref().is_some_and(|failure| failure.error_message != refusal) {
        return SmokeResult::Failed("refused, but the error message is not REFUSAL_MESSAGE".to_owned());
    }
    SmokeResult::Ok(decision.explain().to_owned())
}

/// What is checked in a field of custom-message's response, besides Cognito's own rules.
struct FieldCheck {
    field: MessageField,
    name: &'static str,
    channel: &'static str,
    /// The text must contain the value of one of these members of the request.
    placeholders: &'static [&'static str],
}

const FIELDS: [FieldCheck; 3] = [
    FieldCheck { field: MessageField::EmailSubject, name: "subject", channel: "email", placeholders: &[] },
    FieldCheck {
        field: MessageField::EmailMessage,
        name: "email",
        channel: "email",
        placeholders: &["codeParameter", "linkParameter"],
    },
    FieldCheck {
        field: MessageField::SmsMessage,
        name: "SMS",
        channel: "sms",
        placeholders: &["codeParameter"],
    },
];

/// Whether Cognito would accept custom-message's response. `channels` is its setting `CUSTOM_MESSAGE_CHANNELS`.
pub(super) fn custom_message(
    event: &Value,
    response: &InvocationResponse,
    channels: Option<&str>,
) -> SmokeResult {
    if let Some(failure) = &response.function_error {
        return SmokeResult::Failed(failure.to_string());
    }
    let written: Value = serde_json::from_str(&response.payload).unwrap_or_default();
    let mut facts = Vec::new();
    for FieldCheck { field, name, channel, placeholders } in FIELDS {
        let member = field.name();
        let text = written.pointer(&format!("/response/{member}")).and_then(Value::as_str);
        let Some(text) = text else {
            if channels.is_some_and(|channels| channels.contains(channel)) {
                let why = complaint(&response.log).unwrap_or_else(|| "see its log for the reason".to_owned());
                return SmokeResult::Failed(format!(
                    "it did not set {member}, so Cognito sends its own text: {why}"
                ));
            }
            continue;
        };
        if let Err(error) = field.check(text) {
            return SmokeResult::Failed(format!("{member} {error}"));
        }
        let holds = |parameter: &&str| {
            let mark = event.pointer(&format!("/request/{parameter}")).and_then(Value::as_str);
            mark.is_some_and(|mark| text.contains(mark))
        };
        if !placeholders.is_empty() && !placeholders.iter().any(holds) {
            return SmokeResult::Failed(format!("{member} has no placeholder for the code"));
        }
        facts.push(format!("{name} {}", text.chars().count()));
    }
    match complaint(&response.log) {
        Some(problem) => SmokeResult::Failed(problem),
        None if facts.is_empty() => {
            SmokeResult::Ok("Cognito sends its own text, as its settings require".to_owned())
        }
        None => SmokeResult::Ok(format!("{} characters", facts.join(", "))),
    }
}

/// The fields of a log entry that are read here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    level: String,
    /// A sentence for people. It is shown, and not compared.
    message: String,
    outcome: Option<String>,
    #[serde(rename = "outcome.reason")]
    outcome_reason: Option<String>,
    #[serde(rename = "message.problems")]
    problems: Option<String>,
}

fn lines(log: &str) -> impl Iterator<Item = Line> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// The error in the end of the function's log.
fn complaint(log: &str) -> Option<String> {
    let line = lines(log).find(|line| line.level == "ERROR")?;
    Some(plain(&line.problems.unwrap_or(line.message)))
}

/// Whether a dry run would send the message that the event requests.
pub(super) fn dry_run(response: &InvocationResponse, message: MessageKind, locale: Locale) -> SmokeResult {
    if let Some(failure) = &response.function_error {
        return SmokeResult::Failed(failure.to_string());
    }
    let Some(found) = read_answer(&response.payload) else {
        return SmokeResult::Failed("the function did not return the result of a dry run".to_owned());
    };
    if !found.would_send {
        let reason = plain(found.reason.as_deref().unwrap_or("no reason given"));
        return SmokeResult::Failed(match found.error_type {
            Some(error_type) => format!("{}: {reason}", plain(&error_type)),
            None => reason,
        });
    }
    if let Some(problem) = found.template_problems.first() {
        return SmokeResult::Failed(format!("{}, so the built-in template is used", plain(problem)));
    }
    if found.message_kind.as_deref() != Some(message.name()) || found.locale.as_deref() != Some(locale.tag())
    {
        return SmokeResult::Failed(
            "the function rendered another message than the requested one".to_owned(),
        );
    }
    let origin = if found.overridden == Some(true) { ", template override" } else { "" };
    SmokeResult::Ok(match found.message {
        Some(Preview::Email(email)) => format!("{} characters of text{origin}", email.text_characters),
        Some(Preview::Sms(sms)) => format!("{} characters in {} SMS{origin}", sms.characters, sms.parts),
        Some(Preview::Other(_)) | None => format!("rendered{origin}"),
    })
}

/// Whether the code for another user pool was rejected.
pub(super) fn foreign_code(response: &InvocationResponse) -> SmokeResult {
    match read_answer(&response.payload) {
        Some(found) if found.error_type.as_deref() == Some(ErrorType::DecryptionFailed.name()) => {
            SmokeResult::Ok(String::new())
        }
        Some(found) if found.would_send => SmokeResult::Failed("it would have been sent".to_owned()),
        _ => SmokeResult::Unknown("the function did not decrypt the code".to_owned()),
    }
}

/// Whether SES accepted the email. Only the log shows it.
pub(super) fn sent(response: &InvocationResponse) -> SmokeResult {
    if let Some(failure) = &response.function_error {
        return SmokeResult::Failed(failure.to_string());
    }
    let ended = lines(&response.log).find_map(|line| Some((line.outcome.clone()?, line)));
    match ended {
        Some((outcome, _)) if outcome == Outcome::Sent.name() => {
            SmokeResult::Ok("SES accepted it".to_owned())
        }
        Some((_, line)) => SmokeResult::Failed(plain(&line.outcome_reason.unwrap_or(line.message))),
        None => SmokeResult::Unknown("the end of the function's log does not contain the outcome".to_owned()),
    }
}

/// Whether the account can send through SES.
pub(super) async fn account(ses: &Ses) -> SmokeResult {
    match ses.account().await {
        Ok(account) if !account.sending => SmokeResult::Failed(
            "sending is paused for the account: see the account dashboard of the SES console for the reason"
                .to_owned(),
        ),
        Ok(account) if !account.production => SmokeResult::Ok(
            "only to verified recipients, because the account has no production access: request it from AWS"
                .to_owned(),
        ),
        Ok(_) => SmokeResult::Ok(String::new()),
        Err(error) => SmokeResult::Unknown(error.to_string()),
    }
}

/// Whether the address, its domain or a parent domain is a verified identity. SES accepts any of them.
///
/// Source: "Verified identities in Amazon SES", Amazon SES developer guide.
pub(super) async fn identity(ses: &Ses, from: &str, region: &str) -> SmokeResult {
    let domain = from.rsplit('@').next().unwrap_or_default();
    let mut candidates = vec![("the address of FROM_ADDRESS".to_owned(), from)];
    let mut rest = Some(domain);
    while let Some(name) = rest.filter(|name| name.contains('.')) {
        candidates.push((format!("the domain {}", plain(name)), name));
        rest = name.split_once('.').map(|(_, above)| above);
    }
    let mut pending = None;
    for (what, identity) in candidates {
        match ses.identity(identity).await {
            Ok(Some(found)) if found.verified => return SmokeResult::Ok(format!("{what} is verified")),
            Ok(Some(_)) => pending = pending.or(Some(what)),
            Ok(None) => {}
            Err(error) => return SmokeResult::Unknown(error.to_string()),
        }
    }
    SmokeResult::Failed(match pending {
        Some(what) => format!(
            "{what} is not verified for sending yet: publish the DNS records, or open the link, that you got \
             from SES"
        ),
        None => format!(
            "neither the address of FROM_ADDRESS nor its domain is an identity in {region}: verify the domain with \
             `aws sesv2 create-email-identity --region {region} --email-identity {}`",
            plain(domain)
        ),
    })
}

/// Whether sending is enabled for a configuration set.
pub(super) async fn configuration_set(ses: &Ses, name: &str, region: &str) -> SmokeResult {
    match ses.configuration_set(name).await {
        Ok(Some(found)) if found.sending => SmokeResult::Ok(String::new()),
        Ok(Some(_)) => SmokeResult::Failed(format!(
            "sending is off for it; to turn it on, run `aws sesv2 put-configuration-set-sending-options \
             --region {region} --configuration-set-name {name} --sending-enabled`",
            name = plain(name)
        )),
        Ok(None) => SmokeResult::Failed(format!("no configuration set with this name exists in {region}")),
        Err(error) => SmokeResult::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(payload: &str, log: &str) -> InvocationResponse {
        InvocationResponse { payload: payload.to_owned(), function_error: None, log: log.to_owned() }
    }

    #[test]
    fn a_cause_is_named_once() {
        let mut last = None;
        let mut say = |cause: &str| match once(&mut last, SmokeResult::Failed(cause.to_owned())) {
            SmokeResult::Failed(cause) => cause,
            other => panic!("{other:?}"),
        };
        assert_eq!([say("a"), say("a"), say("b"), say("a")], ["a", "the same cause", "b", "a"]);
    }

    #[track_caller]
    fn check_message(fields: &str, log: &str, expected: &SmokeResult) {
        let event =
            serde_json::json!({ "request": { "codeParameter": "{####}", "linkParameter": "{##x##}" } });
        let response = response(&format!(r#"{{"response":{fields}}}"#), log);
        assert_eq!(custom_message(&event, &response, Some("email")), *expected);
    }

    #[test]
    fn what_cognito_would_reject_is_found() {
        let failed = |cause: &str| SmokeResult::Failed(cause.to_owned());
        let long = "x".repeat(141);
        check_message(
            r#"{"emailSubject":"a","emailMessage":"your {####}"}"#,
            "",
            &SmokeResult::Ok("subject 1, email 11 characters".to_owned()),
        );
        check_message(
            r#"{"emailSubject":"a","emailMessage":"{##x##}"}"#,
            "START RequestId: 1",
            &SmokeResult::Ok("subject 1, email 7 characters".to_owned()),
        );
        check_message(
            r#"{"emailSubject":"a","emailMessage":"no code"}"#,
            "",
            &failed("emailMessage has no placeholder for the code"),
        );
        check_message(
            &format!(r#"{{"emailSubject":"{long}","emailMessage":"{{####}}"}}"#),
            "",
            &failed("emailSubject has 141 characters, but Cognito accepts 1 to 140"),
        );
        check_message(
            "null",
            "",
            &failed("it did not set emailSubject, so Cognito sends its own text: see its log for the reason"),
        );
        check_message(
            r#"{"emailSubject":"a","emailMessage":"{####}"}"#,
            r#"{"level":"ERROR","message":"wrote the texts","message.problems":"template `x` is broken"}"#,
            &failed("template `x` is broken"),
        );
    }

    #[test]
    fn half_a_confirmation_is_found() {
        let response =
            response(r#"{"request":{},"response":{"autoConfirmUser":true,"autoVerifyEmail":false}}"#, "");
        assert!(matches!(sign_up(&response, None), SmokeResult::Failed(_)));
    }

    #[test]
    fn whether_an_email_went_out_is_in_the_log() {
        let result = |log: &str| sent(&response("{}", log));
        assert_eq!(result(r#"{"outcome":"sent"}"#), SmokeResult::Ok("SES accepted it".to_owned()));
        let blocked =
            r#"{"outcome":"blocked","outcome.reason":"the domain is denied","message":"a sentence"}"#;
        assert_eq!(result(blocked), SmokeResult::Failed("the domain is denied".to_owned()));
        assert!(matches!(result("END"), SmokeResult::Unknown(_)));
    }
}
