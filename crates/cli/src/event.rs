//! `event`: an event as Cognito sends it, with an encrypted code.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use envelope_writer::{SealSuite, Signer, Writer};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::arn::region_of;
use shared::dry_run::MEMBER;
use shared::phone::PhoneNumber;
use shared::trigger::{MessageKind, Request, Trigger};
use zeroize::Zeroizing;

use crate::aws::kms::Keys;
use crate::aws::{Aws, AwsError};
use crate::common::Common;
use crate::exit::{End, Error};
use crate::stack::Stack;
use crate::terminal::output::{Output, Tone, plain};

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// Trigger source as in Cognito's documentation, or the name of its event file; --list shows both
    #[arg(value_name = "KIND", required_unless_present = "list", value_parser = Kind::parse)]
    kind: Option<Kind>,
    /// Lists every trigger source
    #[arg(long, exclusive = true)]
    list: bool,
    #[command(flatten)]
    draft: Draft,
    /// Requests a dry run: a sender decrypts the code and renders the message, but sends nothing
    #[arg(long)]
    dry_run: bool,
    /// Writes the event to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const DETAILS: &str = "\
The event is one of the project's event files, changed by the options. Use it with `sam local invoke -e FILE`, \
`sam remote invoke --event-file FILE` or `cognito-triggers invoke`.

The code is encrypted as Cognito does it: as a message of the AWS Encryption SDK that is bound to the user pool, \
with a data key from KMS (kms:GenerateDataKey). So that the function can decrypt it, its CODE_KEY_ARN must be \
the same key. With --kms-endpoint-url, or the variable AWS_ENDPOINT_URL_KMS, the key is in a local KMS.

Without --email and --phone, the recipient is an address of the SES mailbox simulator, which doesn't affect \
bounce rates, and a phone number that is reserved for fiction.";

/// The options that change the event.
#[derive(Debug, Args)]
pub(crate) struct Draft {
    /// User pool of the event; default: the stack's user pool, or an invented one
    #[arg(long, value_name = "ID")]
    user_pool_id: Option<String>,
    /// Email address of the user
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Phone number of the user in E.164 format (+12065550123)
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Language of the user, in the attribute `locale`
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// Entry of `clientMetadata`; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    client_metadata: Vec<(String, String)>,
    /// Code or temporary password; default: a random one
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// KMS key that encrypts the code; default: the stack's key
    #[arg(long, value_name = "ARN")]
    key_arn: Option<String>,
    /// URL of a local KMS
    #[arg(long, value_name = "URL")]
    kms_endpoint_url: Option<String>,
    /// Uses the user pool and the key of this stack
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<String>,
}

/// A trigger source, with its event file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    name: &'static str,
    text: &'static str,
}

macro_rules! event_files {
    ($($name:literal,)*) => {
        [$(Kind { name: $name, text: include_str!(concat!("../../../tests/fixtures/events/", $name, ".json")) },)*]
    };
}

/// One for each trigger source that the functions know.
const KINDS: [Kind; 26] = event_files![
    "pre-sign-up-sign-up",
    "pre-sign-up-admin-create-user",
    "pre-sign-up-external-provider",
    "custom-message-sign-up",
    "custom-message-resend-code",
    "custom-message-forgot-password",
    "custom-message-update-user-attribute",
    "custom-message-verify-user-attribute",
    "custom-message-authentication",
    "custom-message-admin-create-user",
    "custom-email-sender-sign-up",
    "custom-email-sender-resend-code",
    "custom-email-sender-forgot-password",
    "custom-email-sender-update-user-attribute",
    "custom-email-sender-verify-user-attribute",
    "custom-email-sender-authentication",
    "custom-email-sender-admin-create-user",
    "custom-email-sender-account-take-over-notification",
    "custom-sms-sender-sign-up",
    "custom-sms-sender-resend-code",
    "custom-sms-sender-forgot-password",
    "custom-sms-sender-update-user-attribute",
    "custom-sms-sender-verify-user-attribute",
    "custom-sms-sender-authentication",
    "custom-sms-sender-admin-create-user",
    "custom-sms-sender-account-take-over-notification",
];

impl Kind {
    /// Finds it by trigger source, whatever the case, or by the name of the event file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        KINDS
            .into_iter()
            .find(|kind| kind.name == text || kind.trigger_source().eq_ignore_ascii_case(text))
            .ok_or_else(|| "unknown trigger source: `cognito-triggers event --list` shows all".to_owned())
    }

    /// The event of that function for that message.
    pub(crate) fn of(function: Trigger, message: &str) -> Option<Self> {
        let name = format!("{}-{message}", function.package());
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    fn trigger_source(self) -> &'static str {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Source<'a> {
            trigger_source: &'a str,
        }
        serde_json::from_str(self.text).map_or("", |source: Source<'_>| source.trigger_source)
    }
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let Options { kind, list, draft, dry_run, out } = options;
    let Some(kind) = kind.filter(|_| !list) else { return list_kinds(output) };
    let mut event = draft.event(kind, common).await?;
    if dry_run {
        set_dry_run(&mut event, true);
    }
    let text = serde_json::to_string_pretty(&event).map_err(std::io::Error::from)?;
    match out {
        None => output.raw(&text)?,
        Some(path) => {
            std::fs::write(&path, text + "\n")
                .map_err(|error| Error::Usage(format!("can't write {}: {error}", path.display())))?;
            output.note(&format!("{} is in {}", kind.trigger_source(), path.display()));
        }
    }
    Ok(End::Done)
}

fn list_kinds(output: &mut Output) -> Result<End, Error> {
    for kind in KINDS {
        output.row(Tone::Plain, &format!("{:<47} {}", kind.trigger_source(), kind.name))?;
    }
    let rows = KINDS.map(|kind| (kind.trigger_source(), kind.name));
    output.json(&rows.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
    Ok(End::Done)
}

impl Draft {
    /// The finished event. It calls AWS for the outputs of a stack, and for a data key if the event has a code.
    pub(crate) async fn event(self, kind: Kind, common: &Common) -> Result<Value, Error> {
        if self.phone.as_ref().is_some_and(|number| number.parse::<PhoneNumber>().is_err()) {
            return Err(Error::Usage(
                "--phone must be a number in E.164 format, such as +12065550123".to_owned(),
            ));
        }
        let mut overrides = EventOverrides {
            user_pool_id: self.user_pool_id,
            email: self.email,
            phone: self.phone,
            locale: self.locale,
            client_metadata: self.client_metadata,
        };
        let mut key = self.key_arn;
        if let Some(stack) = &self.stack_name {
            let aws = Aws::load(common, None).await?;
            let stack = Stack::load(&aws, stack).await?;
            overrides.user_pool_id =
                overrides.user_pool_id.or_else(|| stack.user_pool_id().map(str::to_owned));
            key = key.or_else(|| stack.key_arn().map(str::to_owned));
        }
        let mut event = overrides.event(kind);
        if has_code(&event) {
            let key = key.ok_or_else(|| {
                Error::Usage("the code needs a KMS key: set --key-arn or --stack-name".to_owned())
            })?;
            let aws = Aws::load(common, region_of(&key)).await?;
            let encryptor = CodeEncryptor::new(&aws, key, self.kms_endpoint_url.as_deref());
            let code = self.code.map_or_else(|| random_code(kind), |code| Ok(Zeroizing::new(code)))?;
            encryptor.encrypt_into(&mut event, &code).await?;
        } else if self.code.is_some() {
            return Err(Error::Usage(format!(
                "the event {} has no code, so --code can't be used",
                kind.trigger_source()
            )));
        }
        Ok(event)
    }
}

/// The contents of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventOverrides {
    pub(crate) user_pool_id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) client_metadata: Vec<(String, String)>,
}

impl EventOverrides {
    /// The event, still with the code of the event file.
    pub(crate) fn event(&self, kind: Kind) -> Value {
        let mut event: Value = serde_json::from_str(kind.text).unwrap_or_default();
        if let Some(pool) = &self.user_pool_id {
            let region = pool.split('_').next().unwrap_or_default();
            set(&mut event, "region", region);
            set(&mut event, "userPoolId", pool.as_str());
        }
        let Some(request) = event.get_mut("request") else { return event };
        if let Some(attributes) = request.get_mut("userAttributes") {
            self.fill(attributes, kind);
        }
        if !self.client_metadata.is_empty() {
            let metadata: Map<_, _> = self
                .client_metadata
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect();
            set(request, "clientMetadata", metadata);
        }
        event
    }

    fn fill(&self, attributes: &mut Value, kind: Kind) {
        // In an account takeover notification, this isn't an attribute of a user.
        if attributes.get("EVENT_ID").is_some() {
            return;
        }
        if let Some(email) = &self.email {
            set(attributes, "email", email.as_str());
        } else if attributes.get("email").is_some() {
            set(attributes, "email", simulator(kind.name));
        }
        if let Some(phone) = &self.phone {
            set(attributes, "phone_number", phone.as_str());
        }
        if let Some(locale) = &self.locale {
            set(attributes, "locale", locale.as_str());
        }
    }
}

/// The SES mailbox simulator accepts every label, and its emails don't count towards quotas or bounce rates.
///
/// Source: "Using the Amazon SES mailbox simulator", Amazon SES developer guide.
pub(crate) fn simulator(label: &str) -> String {
    format!("success+{label}@simulator.amazonses.com")
}

/// Sets whether an event asks for a dry run.
pub(crate) fn set_dry_run(event: &mut Value, dry_run: bool) {
    if let Some(event) = event.as_object_mut() {
        if dry_run {
            event.insert(MEMBER.to_owned(), true.into());
        } else {
            event.shift_remove(MEMBER);
        }
    }
}

fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn has_code(event: &Value) -> bool {
    !text(event, "/request/code").is_empty()
}

/// Encrypts codes as Cognito does.
pub(crate) struct CodeEncryptor {
    keys: Keys,
    key: String,
}

impl CodeEncryptor {
    pub(crate) fn new(aws: &Aws, key: String, endpoint: Option<&str>) -> Self {
        Self { keys: Keys::of(&key, aws, endpoint), key }
    }

    /// Puts the code into an event, bound to the event's own user pool.
    ///
    /// # Errors
    /// If KMS returns no data key.
    pub(crate) async fn encrypt_into(&self, event: &mut Value, code: &str) -> Result<(), AwsError> {
        let user_pool_id = text(event, "/userPoolId").to_owned();
        self.encrypt_into_for(&user_pool_id, event, code).await
    }

    /// The same, bound to a given user pool.
    ///
    /// # Errors
    /// If KMS returns no data key.
    pub(crate) async fn encrypt_into_for(
        &self,
        user_pool_id: &str,
        event: &mut Value,
        code: &str,
    ) -> Result<(), AwsError> {
        let sealed = if asks_for(event) == Some(MessageKind::AdminCreateUser) {
            self.seal(user_pool_id, &html_escaped(code)).await
        } else {
            self.seal(user_pool_id, code).await
        };
        if let Some(request) = event.get_mut("request") {
            set(request, "code", sealed?);
        }
        Ok(())
    }

    /// A message of the AWS Encryption SDK in base64, in the form that published samples of Cognito show.
    async fn seal(&self, user_pool_id: &str, code: &str) -> Result<String, AwsError> {
        let signer = Signer::default();
        let context = [("userpool-id", user_pool_id)];
        // KMS binds the data key to the whole context, so the context is passed as the reader returns it.
        let data_key = self.keys.generate_data_key(&self.key, &signer.context(&context)).await?;
        let data_keys = [("aws-kms", data_key.key_arn.as_str(), data_key.ciphertext)];
        let writer = Writer::new(SealSuite::Signed0378);
        let message = writer.seal_signed(&signer, &context, &data_key.plaintext, &data_keys, code.as_bytes());
        Ok(STANDARD.encode(message))
    }
}

fn asks_for(event: &Value) -> Option<MessageKind> {
    let source = text(event, "/triggerSource");
    [Trigger::CustomEmailSender, Trigger::CustomSmsSender].into_iter().find_map(|trigger| {
        match trigger.request(source) {
            Some(Request::Message(kind)) => Some(kind),
            _ => None,
        }
    })
}

/// As Cognito writes a temporary password into an event.
///
/// Source: "Custom sender Lambda triggers", Amazon Cognito developer guide.
fn html_escaped(password: &str) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::new());
    for character in password.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Six random digits, or a temporary password with characters that must be escaped.
pub(crate) fn random_code(kind: Kind) -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0; 12]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| Error::Io(std::io::Error::other(error)))?;
    let pick = |from: &'static str, length: usize| {
        let letters = from.as_bytes();
        let letter = |byte: &u8| letters.get(usize::from(*byte) % letters.len()).copied().map(char::from);
        bytes.iter().take(length).filter_map(letter).collect::<String>()
    };
    Ok(Zeroizing::new(if kind.name.ends_with("-admin-create-user") {
        pick("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 12) + "1aA&<"
    } else {
        pick("0123456789", 6)
    }))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{} is not NAME=VALUE", plain(text)))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn kind(text: &str) -> Kind {
        Kind::parse(text).unwrap()
    }

    #[test]
    fn there_is_an_event_for_every_trigger_source_that_the_functions_know() {
        let mut names: BTreeSet<String> = ["sign-up", "admin-create-user", "external-provider"]
            .map(|case| format!("pre-sign-up-{case}"))
            .into();
        for message in MessageKind::ALL {
            for function in ["custom-message", "custom-email-sender", "custom-sms-sender"] {
                names.insert(format!("{function}-{}", message.name()));
            }
        }
        for function in ["custom-email-sender", "custom-sms-sender"] {
            names.insert(format!("{function}-account-take-over-notification"));
        }
        assert_eq!(BTreeSet::from(KINDS.map(|kind| kind.name.to_owned())), names);
        for kind in KINDS {
            let function = Trigger::of_source(kind.trigger_source()).unwrap();
            assert!(kind.name.starts_with(function.package()), "{kind:?}");
            assert_eq!(EventOverrides::default().event(kind)["triggerSource"], kind.trigger_source());
        }
    }

    #[test]
    fn a_kind_is_found_by_its_source_and_by_its_file() {
        assert_eq!(kind("CustomSMSSender_SignUp").name, "custom-sms-sender-sign-up");
        assert_eq!(kind("CustomSmsSender_SignUp").name, "custom-sms-sender-sign-up");
        assert_eq!(kind("custom-message-sign-up").trigger_source(), "CustomMessage_SignUp");
        assert!(Kind::parse("PostConfirmation_ConfirmSignUp").is_err());
    }

    #[test]
    fn without_options_nobody_real_is_written_to() {
        let event = EventOverrides::default().event(kind("CustomEmailSender_SignUp"));
        assert_eq!(
            event["request"]["userAttributes"]["email"],
            "success+custom-email-sender-sign-up@simulator.amazonses.com"
        );
        let event = EventOverrides::default().event(kind("CustomSMSSender_SignUp"));
        assert_eq!(event["request"]["userAttributes"]["phone_number"], "+12065550123");
        assert_eq!(event["request"]["userAttributes"]["email"], Value::Null);
    }

    #[test]
    fn an_event_says_what_the_options_say_and_is_otherwise_that_of_the_file() {
        let kind = kind("CustomEmailSender_ForgotPassword");
        let overrides = EventOverrides {
            user_pool_id: Some("us-east-1_Example02".to_owned()),
            email: Some("ann@example.com".to_owned()),
            phone: Some("+12065550100".to_owned()),
            locale: Some("de".to_owned()),
            client_metadata: vec![("campaign".to_owned(), "a=b".to_owned())],
        };
        let mut event = overrides.event(kind);
        let mut expected: Value = serde_json::from_str(kind.text).unwrap();
        expected["region"] = "us-east-1".into();
        expected["userPoolId"] = "us-east-1_Example02".into();
        expected["request"]["clientMetadata"] = serde_json::json!({ "campaign": "a=b" });
        let attributes = &mut expected["request"]["userAttributes"];
        attributes["email"] = "ann@example.com".into();
        attributes["phone_number"] = "+12065550100".into();
        attributes["locale"] = "de".into();
        assert_eq!(event, expected);
        set_dry_run(&mut event, true);
        assert_eq!(event["dryRun"], true);
        set_dry_run(&mut event, false);
        assert_eq!(event, expected);
    }

    #[test]
    fn a_notice_of_threat_protection_gets_no_address() {
        let kind = kind("CustomEmailSender_AccountTakeOverNotification");
        let overrides =
            EventOverrides { email: Some("ann@example.com".to_owned()), ..EventOverrides::default() };
        assert_eq!(overrides.event(kind), EventOverrides::default().event(kind));
        assert!(!has_code(&overrides.event(kind)));
    }

    #[test]
    fn what_is_escaped_is_what_the_senders_unescape() {
        let password = "a&lt;<b>&\"c'";
        let code = shared::secret::Code::new(html_escaped(password));
        assert_eq!(code.html_unescaped().expose(), password);
    }

    #[test]
    fn codes_are_of_digits_and_passwords_need_escaping() {
        let code = random_code(kind("CustomSMSSender_SignUp")).unwrap();
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
        let password = random_code(kind("CustomSMSSender_AdminCreateUser")).unwrap();
        assert!(password.len() == 17 && *html_escaped(&password) != *password);
    }
}
