//! `smoke`: tests a deployment from end to end without sending a message.
//!
//! Every function is invoked as Cognito would invoke it, with encrypted codes, but as a dry run. If a check can't be
//! made, its reason is printed and the other checks continue.

mod checks;

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use shared::domain::BlockedDomains;
use shared::dry_run::{EmailPreview, Preview};
use shared::locale::Locale;
use shared::phone::{CountryAllowlist, PhoneNumber, SmsPermission};
use shared::policy::Contacts;
use shared::settings::sign_up::SignUpSettings;
use shared::settings::{InLayer, Noted, Settings};
use shared::trigger::{MessageKind, SignUpSource, Trigger};

use crate::aws::lambda::{Functions, InvocationResponse};
use crate::aws::ses::Ses;
use crate::aws::{Aws, AwsError, Kind as ErrorKind};
use crate::common::Common;
use crate::dry_run::{check_support, read_answer};
use crate::event::{CodeEncryptor, EventOverrides, Kind, random_code, set_dry_run, simulator};
use crate::exit::{End, Error};
use crate::smoke::checks::SmokeResult;
use crate::stack::Stack;
use crate::terminal::output::{Output, Tone, plain};

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// Stack to test
    #[arg(long, value_name = "NAME")]
    stack_name: String,
    /// Tests every message in every language, not only in the default language
    #[arg(long)]
    all_locales: bool,
    /// Number for the dry runs of the SMS sender; default: a number in an allowed country
    #[arg(long, value_name = "NUMBER")]
    phone: Option<PhoneNumber>,
    /// Also sends one email, to the SES mailbox simulator
    #[arg(long)]
    send: bool,
}

const DETAILS: &str = "\
Without --send, no message is sent: the senders get dry runs, in which they decrypt the code and render the \
message. With --send, the email sender also sends one email to the SES mailbox simulator, which tests the \
permission to send. SMS can't be tested like this, because SNS has no simulator and AWS End User Messaging has \
simulator numbers only for the United States.

You need cloudformation:DescribeStacks, lambda:InvokeFunction, lambda:GetFunctionConfiguration, \
kms:GenerateDataKey, ses:GetAccount, ses:GetEmailIdentity and ses:GetConfigurationSet. If a permission is \
missing, smoke names it, marks the check as unknown, and continues with the others.

The exit code is 1 if a check failed or is unknown.";

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let aws = Aws::load(common, None).await?;
    let stack = Stack::load(&aws, &options.stack_name).await?;
    if stack.function_arn(Trigger::PreSignUp).is_none() {
        let name = Trigger::PreSignUp.output();
        let text = format!(
            "the stack {} has no output {name}: check that it is a stack of the Cognito triggers",
            options.stack_name
        );
        return Err(AwsError::new(ErrorKind::NotFound, text).into());
    }
    let headline = format!(
        "Stack {} in {}. {}",
        options.stack_name,
        aws.region(),
        if options.send {
            "One email goes to the mailbox simulator."
        } else {
            "Dry run: no message is sent."
        }
    );
    output.text(Tone::Strong, 0, &headline)?;
    let mut smoke =
        Smoke { functions: Functions::new(&aws), aws, stack, options, output, proofs: Vec::new() };
    for function in Trigger::ALL {
        smoke.function(function).await?;
    }
    smoke.end()
}

/// A user pool other than the event's.
const ANOTHER_POOL: &str = "eu-central-1_AnotherPool";

/// A check and its result.
#[derive(Debug, Serialize)]
struct Proof {
    of: &'static str,
    what: String,
    #[serde(flatten)]
    result: SmokeResult,
}

#[derive(Serialize)]
struct SmokeDocument<'a> {
    stack: &'a str,
    proofs: &'a [Proof],
    ok: usize,
    failed: usize,
    unknown: usize,
}

struct Smoke<'a> {
    aws: Aws,
    functions: Functions,
    stack: Stack,
    options: Options,
    output: &'a mut Output,
    proofs: Vec<Proof>,
}

/// A function of the stack, with its settings if they can be read.
struct Subject {
    role: Trigger,
    arn: String,
    variables: Option<BTreeMap<String, String>>,
}

impl Subject {
    fn setting(&self, name: &str) -> Option<&str> {
        self.variables.as_ref()?.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Reads settings as the function does. Lists in files are in its Lambda layer.
    fn settings<T>(&self, read: impl FnOnce(&Settings<'_>) -> Result<T, Noted>) -> Result<T, String> {
        let lookup = |name: &str| self.setting(name).map(str::to_owned);
        let settings = Settings::new(&lookup, &InLayer);
        let value = read(&settings);
        settings.finish(value).map_err(|error| error.to_string())
    }

    fn default_locale(&self) -> Locale {
        self.setting("DEFAULT_LOCALE").and_then(Locale::lookup).unwrap_or_default()
    }
}

impl Smoke<'_> {
    async fn function(&mut self, role: Trigger) -> Result<(), Error> {
        self.output.text(Tone::Plain, 0, "")?;
        let Some(arn) = self.stack.function_arn(role).map(str::to_owned) else {
            return Ok(self.output.text(
                Tone::Strong,
                0,
                &format!("{}: not in this stack", role.package()),
            )?);
        };
        self.output.text(Tone::Strong, 0, role.package())?;
        let variables = match self.functions.variables(&arn).await {
            Ok(variables) => Some(variables),
            Err(error) => {
                self.note(role, "its settings", SmokeResult::Unknown(error.to_string()))?;
                None
            }
        };
        let subject = Subject { role, arn, variables };
        match role {
            Trigger::PreSignUp => self.pre_sign_up(&subject).await,
            Trigger::CustomMessage => self.custom_message(&subject).await,
            Trigger::CustomEmailSender | Trigger::CustomSmsSender => self.sender(&subject).await,
        }
    }

    /// Records a check and prints its line.
    fn note(&mut self, of: Trigger, what: &str, result: SmokeResult) -> Result<(), Error> {
        let (tone, word, detail) = match &result {
            SmokeResult::Ok(detail) => (Tone::Good, "ok     ", detail),
            SmokeResult::Failed(detail) => (Tone::Warning, "failed ", detail),
            SmokeResult::Unknown(detail) => (Tone::Warning, "unknown", detail),
        };
        let colon = if detail.is_empty() { "" } else { ": " };
        self.output.text(tone, 12, &format!("  {word}  {what}{colon}{detail}"))?;
        self.proofs.push(Proof { of: of.package(), what: what.to_owned(), result });
        Ok(())
    }

    /// The languages to try, beginning with the default one.
    fn locales(&self, subject: &Subject) -> Vec<Locale> {
        let first = subject.default_locale();
        let others = Locale::all().filter(|locale| self.options.all_locales && *locale != first);
        std::iter::once(first).chain(others).collect()
    }

    fn overrides(&self, locale: Option<Locale>) -> EventOverrides {
        EventOverrides {
            user_pool_id: self.stack.user_pool_id().map(str::to_owned),
            locale: locale.map(|locale| locale.tag().to_owned()),
            ..EventOverrides::default()
        }
    }

    async fn invoke(&self, subject: &Subject, event: &Value) -> Result<InvocationResponse, AwsError> {
        self.functions.invoke(&subject.arn, &event.to_string(), true).await
    }

    async fn pre_sign_up(&mut self, subject: &Subject) -> Result<(), Error> {
        let mut samples = vec![("an unlisted domain", "smoke-test.example".to_owned())];
        let settings = match &subject.variables {
            None => None,
            Some(_) => match subject.settings(SignUpSettings::read) {
                Ok(settings) => {
                    samples.extend(listed(subject, &settings));
                    Some(settings)
                }
                Err(problem) => {
                    self.note(subject.role, "domains of its lists", SmokeResult::Unknown(problem))?;
                    None
                }
            },
        };
        let Some(kind) = Kind::of(subject.role, "sign-up") else { return Ok(()) };
        for (what, domain) in samples {
            let email = format!("smoke@{domain}");
            let contacts = Contacts { email: Some(&email), ..Contacts::default() };
            let expected = settings.as_ref().map(|settings| {
                let decision = settings.policy.decide(SignUpSource::SelfSignUp, contacts);
                (decision, settings.refusal_message.as_str())
            });
            let mut event = EventOverrides { email: Some(email.clone()), ..self.overrides(None) }.event(kind);
            set_dry_run(&mut event, true);
            let result = match self.invoke(subject, &event).await {
                Ok(response) => checks::sign_up(&response, expected),
                Err(error) => {
                    return self.note(subject.role, what, SmokeResult::Unknown(error.to_string()));
                }
            };
            self.note(subject.role, &format!("{what}, {domain}"), result)?;
        }
        Ok(())
    }

    async fn custom_message(&mut self, subject: &Subject) -> Result<(), Error> {
        let channels = subject.setting("CUSTOM_MESSAGE_CHANNELS").map(str::to_owned);
        let mut cause = None;
        for locale in self.locales(subject) {
            for message in MessageKind::ALL {
                let Some(kind) = Kind::of(subject.role, message.name()) else { continue };
                let mut event = self.overrides(Some(locale)).event(kind);
                set_dry_run(&mut event, true);
                let what = format!("{} in {locale}", message.name());
                let result = match self.invoke(subject, &event).await {
                    Ok(response) => checks::custom_message(&event, &response, channels.as_deref()),
                    Err(error) => {
                        return self.note(subject.role, &what, SmokeResult::Unknown(error.to_string()));
                    }
                };
                self.note(subject.role, &what, checks::once(&mut cause, result))?;
            }
        }
        Ok(())
    }

    async fn sender(&mut self, subject: &Subject) -> Result<(), Error> {
        match check_support(&self.functions, &subject.arn, subject.role).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                return self.note(subject.role, "it supports dry runs", SmokeResult::Failed(problem));
            }
            Err(error) => {
                return self.note(
                    subject.role,
                    "it supports dry runs",
                    SmokeResult::Unknown(error.to_string()),
                );
            }
        }
        let Some(key) = self.stack.key_arn().map(str::to_owned) else {
            let problem = "the stack has no output CodeKeyArn".to_owned();
            return self.note(subject.role, "the KMS key", SmokeResult::Failed(problem));
        };
        let encryptor = CodeEncryptor::new(&self.aws, key, None);
        let phone = self.number(subject);
        let mut preview = None;
        let mut cause = None;
        for locale in self.locales(subject) {
            for message in MessageKind::ALL {
                let Some(kind) = Kind::of(subject.role, message.name()) else { continue };
                let overrides = EventOverrides { phone: phone.clone(), ..self.overrides(Some(locale)) };
                let mut event = overrides.event(kind);
                set_dry_run(&mut event, true);
                if let Err(error) = encryptor.encrypt_into(&mut event, &random_code(kind)?).await {
                    return self.note(
                        subject.role,
                        "encrypting a code with its key",
                        SmokeResult::Unknown(error.to_string()),
                    );
                }
                let what = format!("{} in {locale}", message.name());
                let result = match self.invoke(subject, &event).await {
                    Ok(response) => {
                        preview = preview.or_else(|| read_answer(&response.payload)?.message);
                        checks::dry_run(&response, message, locale)
                    }
                    Err(error) => {
                        return self.note(subject.role, &what, SmokeResult::Unknown(error.to_string()));
                    }
                };
                self.note(subject.role, &what, checks::once(&mut cause, result))?;
            }
        }
        self.foreign_code(subject, &encryptor, phone).await?;
        if subject.role == Trigger::CustomEmailSender {
            self.identity(preview).await?;
        }
        if self.options.send {
            self.send(subject, &encryptor).await?;
        }
        Ok(())
    }

    /// The sender must reject a code that was encrypted for another user pool with the same key.
    async fn foreign_code(
        &mut self,
        subject: &Subject,
        encryptor: &CodeEncryptor,
        phone: Option<String>,
    ) -> Result<(), Error> {
        let what = "a code for another user pool is rejected";
        let Some(kind) = Kind::of(subject.role, "sign-up") else { return Ok(()) };
        let mut event = EventOverrides { phone, ..self.overrides(None) }.event(kind);
        set_dry_run(&mut event, true);
        let response = match encryptor.encrypt_into_for(ANOTHER_POOL, &mut event, &random_code(kind)?).await {
            Ok(()) => self.invoke(subject, &event).await,
            Err(error) => Err(error),
        };
        let result = match response {
            Err(error) => SmokeResult::Unknown(error.to_string()),
            Ok(response) => checks::foreign_code(&response),
        };
        self.note(subject.role, what, result)
    }

    /// A number that the SMS sender may send to. A dry run sends nothing, so any number in the country is suitable.
    fn number(&self, subject: &Subject) -> Option<String> {
        if subject.role != Trigger::CustomSmsSender {
            return None;
        }
        if let Some(phone) = &self.options.phone {
            return Some(phone.expose().to_owned());
        }
        let countries = subject.settings(allowed_countries).ok()?;
        sample_number(&countries)
    }

    /// Whether SES accepts emails from the sender, whose address and routes are in a dry run's preview.
    async fn identity(&mut self, preview: Option<Preview>) -> Result<(), Error> {
        let Some(Preview::Email(EmailPreview { from, routes, .. })) = preview else {
            let problem = "no dry run returned the address and the Region of the emails".to_owned();
            return self.note(
                Trigger::CustomEmailSender,
                "its identity in SES",
                SmokeResult::Unknown(problem),
            );
        };
        let regions: BTreeSet<_> = routes.iter().filter_map(|route| route.region.as_deref()).collect();
        for region in regions {
            let ses = Ses::new(&self.aws, region);
            let result = checks::account(&ses).await;
            self.note(Trigger::CustomEmailSender, &format!("sending through SES in {region}"), result)?;
            let result = checks::identity(&ses, &from, region).await;
            self.note(Trigger::CustomEmailSender, &format!("its identity in SES in {region}"), result)?;
            let of_region = routes.iter().filter(|route| route.region.as_deref() == Some(region));
            for name in of_region.filter_map(|route| route.configuration_set.as_deref()) {
                let result = checks::configuration_set(&ses, name, region).await;
                let what = format!("its configuration set {} in {region}", plain(name));
                self.note(Trigger::CustomEmailSender, &what, result)?;
            }
        }
        Ok(())
    }

    /// Sends one real message.
    async fn send(&mut self, subject: &Subject, encryptor: &CodeEncryptor) -> Result<(), Error> {
        if subject.role == Trigger::CustomSmsSender {
            let remark = "note: no SMS is sent, because SNS has no simulator, and End User Messaging has \
                          simulator numbers only for the United States. To send one, run `cognito-triggers \
                          invoke CustomSMSSender_SignUp --send --phone NUMBER`.";
            self.output.note(remark);
            return Ok(());
        }
        let what = "a real email to the mailbox simulator";
        let Some(kind) = Kind::of(subject.role, "sign-up") else { return Ok(()) };
        let mut event =
            EventOverrides { email: Some(simulator("smoke")), ..self.overrides(None) }.event(kind);
        if let Err(error) = encryptor.encrypt_into(&mut event, &random_code(kind)?).await {
            return self.note(subject.role, what, SmokeResult::Unknown(error.to_string()));
        }
        let result = match self.functions.invoke(&subject.arn, &event.to_string(), false).await {
            Ok(response) => checks::sent(&response),
            Err(error) => SmokeResult::Unknown(error.to_string()),
        };
        self.note(subject.role, what, result)
    }

    fn end(self) -> Result<End, Error> {
        let count = |wanted: fn(&SmokeResult) -> bool| {
            self.proofs.iter().filter(|proof| wanted(&proof.result)).count()
        };
        let ok = count(|result| matches!(result, SmokeResult::Ok(_)));
        let failed = count(|result| matches!(result, SmokeResult::Failed(_)));
        let unknown = count(|result| matches!(result, SmokeResult::Unknown(_)));
        let done = failed + unknown == 0;
        let tone = if done { Tone::Good } else { Tone::Warning };
        self.output.text(Tone::Plain, 0, "")?;
        self.output.text(tone, 0, &format!("{ok} ok, {failed} failed, {unknown} unknown."))?;
        let stack = &self.options.stack_name;
        self.output.json(&SmokeDocument { stack, proofs: &self.proofs, ok, failed, unknown })?;
        Ok(if done { End::Done } else { End::LookAtIt })
    }
}

/// One domain from each list that isn't empty.
fn listed(subject: &Subject, settings: &SignUpSettings) -> Vec<(&'static str, String)> {
    let first = |name: &str| subject.setting(name).and_then(first_domain);
    let disposable = || {
        let known = "mailinator.com";
        blocks(&settings.policy.denied, known).then(|| known.to_owned())
    };
    [
        ("an allowed domain", first("ALLOWED_EMAIL_DOMAINS")),
        ("a denied domain", first("DENIED_EMAIL_DOMAINS")),
        ("a disposable email domain", disposable()),
    ]
    .into_iter()
    .filter_map(|(what, domain)| Some((what, domain?)))
    .collect()
}

fn blocks(denied: &BlockedDomains, domain: &str) -> bool {
    denied.denies(&format!("smoke@{domain}")).is_some()
}

/// A domain that the first entry of a list covers.
fn first_domain(list: &str) -> Option<String> {
    let entries = list
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([',', ' ', '\t']));
    let entry = entries.into_iter().find(|entry| !entry.is_empty())?;
    Some(entry.strip_prefix("*.").map_or_else(|| entry.to_owned(), |domain| format!("smoke-test.{domain}")))
}

fn allowed_countries(settings: &Settings<'_>) -> Result<CountryAllowlist, Noted> {
    settings.allowed_countries()
}

/// A sample number in one of the countries: its calling code, followed by digits in sequence.
fn sample_number(countries: &CountryAllowlist) -> Option<String> {
    let allowed = |number: &String| {
        number.parse().is_ok_and(|number| matches!(countries.decide(&number), SmsPermission::Allowed(_)))
    };
    // United States numbers with this beginning are reserved for fiction.
    let fiction = "+12065550123".to_owned();
    let others = (1..=9999).flat_map(|prefix| ["12345678", "123456"].map(|rest| format!("+{prefix}{rest}")));
    std::iter::once(fiction).chain(others).find(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_number(countries: &str, expected: &str) {
        assert_eq!(sample_number(&countries.parse().unwrap()).as_deref(), Some(expected), "{countries}");
    }

    #[test]
    fn every_country_has_a_number_to_rehearse_with() {
        check_number("US,DE", "+12065550123");
        check_number("DE", "+4912345678");
    }

    #[test]
    fn the_first_entry_of_a_list_gives_a_domain() {
        assert_eq!(first_domain("# ours\nexample.com, b.example").as_deref(), Some("example.com"));
        assert_eq!(first_domain("*.example.com").as_deref(), Some("smoke-test.example.com"));
        assert_eq!(first_domain(" # none"), None);
    }
}
