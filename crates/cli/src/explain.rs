//! `explain`: what the sign-up policy does with an address, and whether an SMS may go to a number.
//!
//! Both decisions are made by the code that the functions run, with their settings.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared::domain::{BlockedDomains, Denial};
use shared::phone::{Country, CountryAllowlist, PhoneNumber, SmsPermission};
use shared::policy::{Contacts, Decision, PassReason, RefuseReason, SignUpPolicy};
use shared::settings::sign_up::SignUpSettings;
use shared::settings::{ConfigError, FileError, Files, Noted, Settings};
use shared::trigger::{SignUpSource, Trigger};

use crate::aws::Aws;
use crate::aws::lambda::Functions;
use crate::common::Common;
use crate::exit::{End, Error};
use crate::stack::Stack;
use crate::terminal::input;
use crate::terminal::output::{Output, Tone, plain};
use crate::terminal::words::count;

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    #[command(flatten)]
    who: Who,
    /// Also decides about an SMS to this number, in E.164 format (+12065550123)
    #[arg(long, value_name = "NUMBER", conflicts_with = "file")]
    phone: Option<String>,
    /// How the user is created
    #[arg(long, value_enum, default_value_t, value_name = "SOURCE")]
    source: Source,
    #[command(flatten)]
    settings: From,
}

/// The addresses to decide about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// Email address; `-` reads it from standard input, so that it isn't in the shell's history
    address: Option<String>,
    /// File with one address on each line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The source of the settings; by default, every setting has its default.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct From {
    /// Uses the settings of this stack's functions
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
    /// Uses the settings in this file: lines of the form NAME=value, with the variables of docs/configuration.md
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Source {
    /// A user signs up
    #[default]
    SignUp,
    /// An administrator creates the user
    Admin,
    /// First sign-in through an identity provider
    External,
}

const DETAILS: &str = "\
The decision is made by the code that the functions run. It reads only the settings that affect the decision. \
Without --stack-name and --settings, every setting has its default. If a function would not start with the \
settings, explain shows the function's error message and decides nothing.

With --stack-name, explain reads the variables of the deployed functions (cloudformation:DescribeStacks, \
lambda:GetFunctionConfiguration). A list that is set as file:PATH is in a Lambda layer, which explain can't \
read: put a copy at the same path on this machine. With --settings, PATH is a path on this machine.

--phone checks the allowed countries, the number ranges that never get an SMS, and the denied domains. It \
doesn't check the SMS limits, because these depend on the messages sent before.

The exit code is 0 for every decision, and 1 if the settings or lists can't be used. All exit codes: \
cognito-triggers --help.";

impl Source {
    fn of_the_policy(self) -> SignUpSource {
        match self {
            Self::SignUp => SignUpSource::SelfSignUp,
            Self::Admin => SignUpSource::Administrator,
            Self::External => SignUpSource::ExternalProvider,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SignUp => "sign-up",
            Self::Admin => "admin",
            Self::External => "external",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::SignUp => "when a user signs up",
            Self::Admin => "when an administrator creates the user",
            Self::External => "when the user first signs in through an identity provider",
        }
    }
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let Options { who, phone, source, settings } = options;
    // Unreadable input should be reported before any call to AWS.
    let subject = Subject::of(who)?;
    let variables = Variables::of(&settings, phone.is_some(), common).await?;
    let Some(rules) = Rules::read(&variables, phone.is_some(), output) else { return Ok(End::LookAtIt) };
    output.text(Tone::Plain, 0, &format!("With {}, {}:", variables.name, source.words()))?;
    output.text(Tone::Plain, 0, "")?;
    match subject {
        Subject::One(address) => rules.explain(source, &address, phone.as_deref(), output)?,
        Subject::Many(lines) => rules.explain_all(source, lines, output)?,
    }
    Ok(End::Done)
}

/// One address, or lines of them.
enum Subject {
    One(String),
    Many(Box<dyn BufRead>),
}

impl Subject {
    fn of(who: Who) -> Result<Self, Error> {
        let address = match (who.address, who.file) {
            (_, Some(path)) => {
                let lines = input::lines(&path).map_err(|error| unreadable(&path, &error))?;
                return Ok(Self::Many(lines));
            }
            (address, None) => input::argument(address.unwrap_or_default())?,
        };
        if address.is_empty() || address.contains('\n') {
            return Err(Error::Usage("enter one address, or a file of addresses with --file".to_owned()));
        }
        Ok(Self::One(address))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Usage(format!("can't read {}: {error}", path.display()))
}

/// The variables of the functions, and their source.
struct Variables {
    /// "With … ".
    name: String,
    pre_sign_up: BTreeMap<String, String>,
    sms_sender: BTreeMap<String, String>,
    /// Whether lists in files are in a Lambda layer, which can't be read from here.
    deployed: bool,
}

impl Variables {
    async fn of(from: &From, with_sms: bool, common: &Common) -> Result<Self, Error> {
        if let Some(stack) = &from.stack_name {
            return Self::of_stack(stack, with_sms, common).await;
        }
        let (name, variables) = match &from.settings {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
                let variables =
                    parse(&text).map_err(|problem| Error::Usage(format!("{}: {problem}", path.display())))?;
                (format!("the settings in {}", path.display()), variables)
            }
            None => ("the default settings".to_owned(), BTreeMap::new()),
        };
        Ok(Self { name, pre_sign_up: variables.clone(), sms_sender: variables, deployed: false })
    }

    async fn of_stack(stack: &str, with_sms: bool, common: &Common) -> Result<Self, Error> {
        let aws = Aws::load(common, None).await?;
        let described = Stack::load(&aws, stack).await?;
        let functions = Functions::new(&aws);
        let arn = described
            .required_function_arn(Trigger::PreSignUp, "check that it is a stack of the Cognito triggers")?;
        let pre_sign_up = functions.variables(arn).await?;
        let sms_sender = if with_sms {
            let without =
                "it deploys no SMS sender. If Cognito itself sends SMS, it sends them to any country";
            functions.variables(described.required_function_arn(Trigger::CustomSmsSender, without)?).await?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            name: format!("the settings of the stack {stack}"),
            pre_sign_up,
            sms_sender,
            deployed: true,
        })
    }
}

/// Reads lines of the form `NAME=value`. Blank lines and lines that begin with `#` are ignored.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index.saturating_add(1);
        let (name, value) = line.split_once('=').ok_or(format!("line {number} is not NAME=value"))?;
        let name = name.trim_end();
        if variables.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("line {number} sets {} again", plain(name)));
        }
    }
    Ok(variables)
}

/// The settings that decide.
struct Rules {
    sign_up: SignUpSettings,
    /// `None` if no number is to be decided about.
    sms: Option<SmsRules>,
}

/// What the SMS sender checks before the SMS limits.
struct SmsRules {
    denied: BlockedDomains,
    countries: CountryAllowlist,
}

impl Rules {
    /// Reads the settings as the functions do. `None` if one of them would not start: all errors have been printed
    /// then.
    fn read(variables: &Variables, with_sms: bool, output: &mut Output) -> Option<Self> {
        let asked = RefCell::default();
        let reader = Reader { variables, asked: &asked };
        let sign_up = reader.read(&variables.pre_sign_up, SignUpSettings::read);
        let sms = with_sms.then(|| {
            reader.read(&variables.sms_sender, |settings| {
                let (denied, countries) = (settings.blocked_domains(), settings.allowed_countries());
                Ok(SmsRules { denied: denied?, countries: countries? })
            })
        });
        let errors: Vec<_> = [
            ("pre-sign-up", sign_up.as_ref().err()),
            ("custom-sms-sender", sms.as_ref().and_then(|sms| sms.as_ref().err())),
        ]
        .into_iter()
        .filter_map(|(function, error)| Some((function, error?)))
        .collect();
        let mut in_layer = BTreeSet::new();
        for (function, error) in &errors {
            match error {
                ConfigError::NotKnown(paths) => in_layer.extend(paths),
                ConfigError::Invalid(_) => {
                    output.error(&format!("{function} doesn't start with {}: {error}", variables.name));
                }
            }
        }
        for path in in_layer {
            output.error(&format!(
                "the list {} is in a Lambda layer of the deployed function and can't be read from here: copy it to \
                 that path, or write the settings into a file for --settings",
                plain(path)
            ));
        }
        if !variables.deployed {
            let asked: &BTreeSet<String> = &asked.borrow();
            let unread: Vec<_> = variables
                .pre_sign_up
                .keys()
                .filter(|name| !asked.contains(*name))
                .map(|name| plain(name))
                .collect();
            if !unread.is_empty() {
                output
                    .note(&format!("note: these settings don't affect the decision: {}", unread.join(", ")));
            }
        }
        let usable = errors.is_empty();
        let sign_up = sign_up.ok()?;
        for provider in sign_up.policy.allowed.public_mailbox_providers() {
            output.note(&format!(
                "note: ALLOWED_EMAIL_DOMAINS trusts {provider}, where anyone can get a mailbox"
            ));
        }
        if !usable {
            return None;
        }
        Some(Self { sign_up, sms: sms.and_then(Result::ok) })
    }

    fn verdict<'a>(&self, source: Source, address: &'a str, phone: Option<&str>) -> PolicyDecision<'a> {
        let contacts = Contacts { email: Some(address), phone_number: phone, user_name: None };
        let policy = &self.sign_up.policy;
        let decision = policy.decide(source.of_the_policy(), contacts);
        PolicyDecision {
            address,
            decision: decision.name(),
            reason: reason(decision),
            explanation: decision.explain(),
            entry: entry(policy, decision, address),
        }
    }

    fn explain(
        &self,
        source: Source,
        address: &str,
        phone: Option<&str>,
        output: &mut Output,
    ) -> Result<(), Error> {
        let verdict = self.verdict(source, address, phone);
        let sms = phone.zip(self.sms.as_ref()).map(|(phone, rules)| rules.verdict(phone, address));
        let refused = verdict.decision == REFUSE;
        let report = ExplainDocument {
            source: source.name(),
            verdict,
            refusal_message: refused.then_some(&self.sign_up.refusal_message),
            sms,
        };
        report.show(output)?;
        output.json(&report)?;
        Ok(())
    }

    /// Decides line by line, so that a file may have any length.
    fn explain_all(
        &self,
        source: Source,
        mut lines: Box<dyn BufRead>,
        output: &mut Output,
    ) -> Result<(), Error> {
        let mut totals = BTreeMap::new();
        let mut addresses = 0_u64;
        output.json_part(&format!("{{\n  \"source\": \"{}\",\n  \"addresses\": [", source.name()))?;
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            // A line that isn't UTF-8 is decided about like any other malformed address.
            let text = String::from_utf8_lossy(&line);
            let address = text.trim_start_matches('\u{feff}').trim();
            if !address.is_empty() {
                let verdict = self.verdict(source, address, None);
                let row = format!("{:<12}  {:<21}  {}", verdict.decision, verdict.reason, plain(address));
                output.row(verdict.tone(), &row)?;
                let separator = if addresses == 0 { "" } else { "," };
                let document = serde_json::to_string(&verdict).map_err(std::io::Error::from)?;
                output.json_part(&format!("{separator}\n    {document}"))?;
                addresses = addresses.saturating_add(1);
                let PolicyDecision { decision, reason, explanation, .. } = verdict;
                let total = totals.entry(explanation).or_insert(Total {
                    decision,
                    reason,
                    explanation,
                    addresses: 0,
                });
                total.addresses = total.addresses.saturating_add(1);
            }
            line.clear();
        }
        let mut totals: Vec<Total> = totals.into_values().collect();
        totals.sort_by_key(|total| std::cmp::Reverse(total.addresses));
        if addresses > 0 {
            output.text(Tone::Plain, 0, "")?;
        }
        output.text(Tone::Strong, 0, &count(addresses, "address"))?;
        for Total { addresses, explanation, .. } in &totals {
            output.text(Tone::Plain, 8, &format!("{addresses:>6}  {explanation}"))?;
        }
        let totals = serde_json::to_string(&totals).map_err(std::io::Error::from)?;
        output.json_part(&format!("\n  ],\n  \"totals\": {totals}\n}}\n"))?;
        Ok(())
    }
}

/// Reads settings of a function, and notes which variables it reads.
struct Reader<'a> {
    variables: &'a Variables,
    asked: &'a RefCell<BTreeSet<String>>,
}

impl Reader<'_> {
    fn read<T>(
        &self,
        variables: &BTreeMap<String, String>,
        read: impl FnOnce(&Settings<'_>) -> Result<T, Noted>,
    ) -> Result<T, ConfigError> {
        let lookup = |name: &str| {
            self.asked.borrow_mut().insert(name.to_owned());
            variables.get(name).cloned()
        };
        let settings = Settings::new(&lookup, self);
        let value = read(&settings);
        settings.finish(value)
    }
}

/// Lists are read from this machine. If a deployed function names a list that isn't on this machine, the list is in a
/// layer.
impl Files for Reader<'_> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        std::fs::read_to_string(path).map_err(|error| {
            if self.variables.deployed {
                FileError::InLayer
            } else {
                FileError::Unreadable(error.to_string())
            }
        })
    }

    fn read_templates(&self, _folder: &str) -> Result<BTreeMap<String, String>, FileError> {
        Err(FileError::InLayer)
    }
}

impl SmsRules {
    /// In the order of the SMS sender's checks.
    fn verdict<'a>(&self, number: &'a str, address: &str) -> SmsVerdict<'a> {
        let allowed = match self.denied.denies(address) {
            Some(denial @ (Denial::Listed(_) | Denial::Disposable)) => Err(denial.explain().to_owned()),
            // A user with a malformed address can still get an SMS.
            Some(Denial::Unreadable) | None => self.country(number),
        };
        let country = allowed.as_ref().ok().map(ToString::to_string);
        SmsVerdict { number, allowed: allowed.is_ok(), country, explanation: allowed.err() }
    }

    fn country(&self, number: &str) -> Result<Country, String> {
        let number: PhoneNumber = number.parse().map_err(|error| format!("{error}"))?;
        match self.countries.decide(&number) {
            SmsPermission::Allowed(country) => Ok(country),
            SmsPermission::Refused(refusal) => Err(refusal.to_string()),
        }
    }
}

/// The list entry that decided, if any. The disposable email list doesn't show its entries.
fn entry(policy: &SignUpPolicy, decision: Decision, address: &str) -> Option<String> {
    match decision {
        Decision::Confirm { .. }
        | Decision::PassThrough(PassReason::CodeForEverybody | PassReason::EmailIsNotUsername) => {
            policy.allowed.trusts(address).map(ToString::to_string)
        }
        Decision::Refuse(RefuseReason::Denied) => match policy.denied.denies(address) {
            Some(Denial::Listed(pattern)) => Some(pattern.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The name of a refusal, as [`Decision::name`] returns it.
const REFUSE: &str = "refuse";

/// The reason in one word, for the JSON output and the table.
fn reason(decision: Decision) -> &'static str {
    match decision {
        Decision::Confirm { phone: false } => "trusted",
        Decision::Confirm { phone: true } => "trusted-with-phone",
        Decision::PassThrough(reason) => match reason {
            PassReason::Administrator => "administrator",
            PassReason::ExternalProvider => "external-provider",
            PassReason::Review => "review",
            PassReason::CodeForEverybody => "code-for-everybody",
            PassReason::EmailIsNotUsername => "email-is-not-username",
            PassReason::NotListed => "not-listed",
        },
        Decision::Refuse(reason) => match reason {
            RefuseReason::Denied => "denied",
            RefuseReason::Disposable => "disposable",
            RefuseReason::Unreadable => "unreadable",
            RefuseReason::Closed => "closed",
        },
    }
}

/// The decision about an address.
#[derive(Serialize)]
struct PolicyDecision<'a> {
    address: &'a str,
    decision: &'static str,
    reason: &'static str,
    explanation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

impl PolicyDecision<'_> {
    fn tone(&self) -> Tone {
        match self.decision {
            "confirm" => Tone::Good,
            REFUSE => Tone::Warning,
            _ => Tone::Plain,
        }
    }
}

/// Whether an SMS may be sent to a number.
#[derive(Serialize)]
struct SmsVerdict<'a> {
    number: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
}

/// The decision about one address.
#[derive(Serialize)]
struct ExplainDocument<'a> {
    source: &'static str,
    #[serde(flatten)]
    verdict: PolicyDecision<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal_message: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms: Option<SmsVerdict<'a>>,
}

impl ExplainDocument<'_> {
    fn show(&self, output: &mut Output) -> std::io::Result<()> {
        let verdict = &self.verdict;
        output.text(Tone::Strong, 2, &plain(verdict.address))?;
        output.text(verdict.tone(), 4, &format!("  {}", verdict.explanation))?;
        if let Some(entry) = &verdict.entry {
            output.text(Tone::Plain, 4, &format!("  List entry: {entry}"))?;
        }
        if let Some(message) = self.refusal_message {
            let text = format!("  The app gets the error: PreSignUp failed with error {message}.");
            output.text(Tone::Plain, 4, &text)?;
        }
        let Some(sms) = &self.sms else { return Ok(()) };
        output.text(Tone::Plain, 0, "")?;
        output.text(Tone::Strong, 2, &plain(sms.number))?;
        match (&sms.country, &sms.explanation) {
            (Some(country), _) => {
                let text = format!("  SMS allowed: the number is in {country}, an allowed country");
                output.text(Tone::Good, 4, &text)
            }
            (None, explanation) => {
                let explanation = explanation.as_deref().unwrap_or_default();
                output.text(Tone::Warning, 4, &format!("  SMS blocked: {explanation}"))
            }
        }
    }
}

/// The number of addresses with the same decision and reason.
#[derive(Serialize)]
struct Total {
    decision: &'static str,
    reason: &'static str,
    explanation: &'static str,
    addresses: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_of_names_and_values() {
        let text = "\u{feff}# comment\n\nSIGN_UP_MODE = closed\r\nALLOWED_EMAIL_DOMAINS=a.example,b.example\nEMPTY=\n";
        let pairs =
            [("SIGN_UP_MODE", " closed"), ("ALLOWED_EMAIL_DOMAINS", "a.example,b.example"), ("EMPTY", "")];
        let expected = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse("A=1\nB"), Err("line 2 is not NAME=value".to_owned()));
        assert_eq!(parse("A=1\nA=2"), Err("line 2 sets A again".to_owned()));
    }
}
