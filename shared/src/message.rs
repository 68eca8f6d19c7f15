//! Messages: which one a trigger source asks for, and its text in every language.
//!
//! A message is a folder of templates, `<locale>/<kind>/`, embedded in the binary; files of the same name in the
//! folder `TEMPLATES_DIR` replace them. Rendering never fails for want of an override: a broken one is dropped
//! and reported, and the built-in text goes out.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::config::MessageSettings;
use crate::locale::Locale;
use crate::secret::Code;

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// What a message is about. Every kind has texts in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    /// Somebody signed up and confirms the address or number.
    SignUp,
    /// The same once more, with a new code.
    ResendCode,
    /// A password is to be reset.
    ForgotPassword,
    /// An address or number was changed and is confirmed.
    UpdateUserAttribute,
    /// A signed-in user confirms an address or number.
    VerifyUserAttribute,
    /// A code to sign in with: second factor or passwordless.
    Authentication,
    /// An administrator created the user: user name and temporary password.
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

/// Which message trigger a function serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageTrigger {
    /// `CustomMessage_*`.
    CustomMessage,
    /// `CustomEmailSender_*`.
    CustomEmailSender,
    /// `CustomSMSSender_*`; AWS's tables also spell it `CustomSmsSender_*`.
    CustomSmsSender,
}

/// What a message trigger asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A message of that kind.
    Message(MessageKind),
    /// A notice of threat protection. It carries neither a code nor an address, so there is nothing to send.
    AccountTakeOverNotification,
}

impl MessageTrigger {
    /// What the trigger source asks for, `None` when it is not one of this trigger's.
    #[must_use]
    pub fn request(self, trigger_source: &str) -> Option<Request> {
        let (prefix, suffix) = trigger_source.split_once('_')?;
        let ours = match self {
            Self::CustomMessage => prefix == "CustomMessage",
            Self::CustomEmailSender => prefix == "CustomEmailSender",
            Self::CustomSmsSender => matches!(prefix, "CustomSMSSender" | "CustomSmsSender"),
        };
        match suffix {
            _ if !ours => None,
            "AccountTakeOverNotification" if self != Self::CustomMessage => {
                Some(Request::AccountTakeOverNotification)
            }
            _ => MessageKind::from_suffix(suffix).map(Request::Message),
        }
    }
}

/// What is filled in: the clear text that a user needs, or Cognito's placeholder for it.
///
/// A placeholder goes in verbatim, everything else is escaped in HTML.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// A code.
    Code(Insert<'a>),
    /// The link that Cognito makes out of its placeholder.
    Link(Insert<'a>),
    /// User name and temporary password.
    Invitation {
        /// What the user signs in with.
        username: Insert<'a>,
        /// The temporary password.
        password: Insert<'a>,
    },
}

/// One value of a [`Content`].
#[derive(Clone, Copy)]
pub enum Insert<'a> {
    /// One of Cognito's placeholders, as the event names it. Goes in verbatim.
    Placeholder(&'a str),
    /// A decrypted code or password.
    Secret(&'a Code),
    /// A user name.
    Name(&'a str),
}

impl Insert<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Placeholder(text) | Self::Name(text) => text,
            Self::Secret(code) => code.expose(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Placeholder(text) => Value::from_safe_string((*text).to_owned()),
            Self::Name(text) => Value::from(*text),
            Self::Secret(code) => Value::from(code.expose()),
        }
    }
}

impl Content<'_> {
    /// What has to stand in a rendered body exactly once.
    fn inserts(&self) -> impl Iterator<Item = &Insert<'_>> {
        let (first, second) = match self {
            Self::Code(insert) | Self::Link(insert) => (insert, None),
            Self::Invitation { username, password } => (password, Some(username)),
        };
        std::iter::once(first).chain(second)
    }

    fn email_part(&self) -> &'static str {
        match self {
            Self::Code(_) | Self::Invitation { .. } => "email",
            Self::Link(_) => "email-link",
        }
    }
}

/// A complete e-mail. Its `Debug` is a mask, because the bodies hold the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// One line, never with a code.
    pub subject: String,
    /// The plain-text body.
    pub text: String,
    /// The HTML body.
    pub html: String,
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email(******)")
    }
}

/// A complete SMS text. Its `Debug` is a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// The text as it goes out.
    pub text: String,
}

impl fmt::Debug for Sms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sms(******)")
    }
}

/// Why a template gave no usable text. Names the template, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template engine refused it.
    #[error("template `{template}`: {problem}")]
    Template {
        /// File name below the templates folder.
        template: String,
        /// What the engine says, with the line.
        problem: String,
    },
    /// The code, link, user name or password is not in the text exactly once.
    #[error("template `{template}` does not insert {insert} exactly once")]
    Insert {
        /// File name below the templates folder.
        template: String,
        /// Which of the variables.
        insert: &'static str,
    },
}

impl RenderError {
    fn template(&self) -> &str {
        match self {
            Self::Template { template, .. } | Self::Insert { template, .. } => template,
        }
    }
}

/// Renders every message of the deployment.
#[derive(Debug)]
pub struct Messages {
    settings: MessageSettings,
    built_in: Environment<'static>,
    overridden: Option<Environment<'static>>,
}

/// Work that one template may do, in engine instructions; the longest built-in one needs about 300.
const FUEL: u64 = 50_000;
/// The longest override file, in bytes: what Cognito takes as an e-mail body.
const MAX_OVERRIDE: usize = 20_000;

impl Messages {
    /// Takes the settings and the files that replace built-in templates, by their name below `TEMPLATES_DIR`.
    ///
    /// Every message that an override touches is rendered once with sample values. What does not work is left
    /// out, and the problems come back beside the result, for the log.
    #[must_use]
    pub fn new(settings: MessageSettings, overrides: BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut messages = Self { settings, built_in: environment(BTreeMap::new()), overridden: None };
        let mut problems = Vec::new();
        let mut usable = overrides;
        usable.retain(|name, source| {
            let problem = if template(name).is_none() {
                "replaces no built-in template"
            } else if source.len() > MAX_OVERRIDE {
                "is longer than 20,000 bytes"
            } else {
                return true;
            };
            problems.push(format!("template `{name}` {problem}"));
            false
        });
        while !usable.is_empty() {
            messages.overridden = Some(environment(usable.clone()));
            let Some(error) = messages.first_problem() else { return (messages, problems) };
            problems.push(error.to_string());
            if usable.remove(error.template()).is_none() {
                // An overriding layout can break a built-in message: then none of the overrides is safe.
                usable.clear();
            }
        }
        messages.overridden = None;
        (messages, problems)
    }

    /// The settings that the messages are made with.
    #[must_use]
    pub fn settings(&self) -> &MessageSettings {
        &self.settings
    }

    /// The e-mail of that kind, and what was wrong with an override if the built-in text had to step in.
    ///
    /// # Errors
    /// When a built-in template does not render. Tests render all of them.
    pub fn email(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Email, Option<RenderError>), RenderError> {
        self.with_fallback(|environment| {
            let body = content.email_part();
            let subject = self.part(environment, kind, locale, "subject.txt", content)?;
            let text = self.part(environment, kind, locale, &format!("{body}.txt"), content)?;
            let html = self.part(environment, kind, locale, &format!("{body}.html"), content)?;
            Ok(Email { subject: single_line(&subject), text, html })
        })
    }

    /// The e-mail body as HTML and its subject only, as the custom message trigger returns them.
    ///
    /// # Errors
    /// When a built-in template does not render.
    pub fn html_email(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Email, Option<RenderError>), RenderError> {
        self.with_fallback(|environment| {
            let subject = self.part(environment, kind, locale, "subject.txt", content)?;
            let html =
                self.part(environment, kind, locale, &format!("{}.html", content.email_part()), content)?;
            Ok(Email { subject: single_line(&subject), text: String::new(), html })
        })
    }

    /// The SMS of that kind, and what was wrong with an override if the built-in text had to step in.
    ///
    /// # Errors
    /// When a built-in template does not render.
    pub fn sms(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Sms, Option<RenderError>), RenderError> {
        self.with_fallback(|environment| {
            Ok(Sms { text: self.part(environment, kind, locale, "sms.txt", content)? })
        })
    }

    fn with_fallback<T>(
        &self,
        render: impl Fn(&Environment<'static>) -> Result<T, RenderError>,
    ) -> Result<(T, Option<RenderError>), RenderError> {
        match self.overridden.as_ref().map(&render) {
            Some(Ok(message)) => Ok((message, None)),
            Some(Err(error)) => render(&self.built_in).map(|message| (message, Some(error))),
            None => render(&self.built_in).map(|message| (message, None)),
        }
    }

    fn part(
        &self,
        environment: &Environment<'static>,
        kind: MessageKind,
        locale: Locale,
        part: &str,
        content: Content<'_>,
    ) -> Result<String, RenderError> {
        let name = format!("{locale}/{}/{part}", kind.name());
        let failed = |error: &minijinja::Error| RenderError::Template {
            template: error.name().unwrap_or(&name).to_owned(),
            // Not the error's `Display`: with debug information it could quote the context.
            problem: format!("{} in line {}", error.kind(), error.line().unwrap_or(0)),
        };
        let template = environment.get_template(&name).map_err(|error| failed(&error))?;
        let (code, link, username, password) = match content {
            Content::Code(code) => (Some(code), None, None, None),
            Content::Link(link) => (None, Some(link), None, None),
            Content::Invitation { username, password } => (None, None, Some(username), Some(password)),
        };
        let value = |insert: Option<Insert<'_>>| insert.map_or(Value::UNDEFINED, |insert| insert.value());
        let text = template
            .render(context! {
                brand => &self.settings.brand,
                support => self.settings.support.as_deref().unwrap_or_default(),
                lang => locale.tag(),
                dir => locale.direction(),
                code => value(code),
                link => value(link),
                username => value(username),
                password => value(password),
            })
            .map_err(|error| failed(&error))?;
        let text = text.trim().to_owned();
        if part != "subject.txt" {
            for insert in content.inserts() {
                check_insert(&name, &text, insert)?;
            }
        }
        Ok(text)
    }

    /// Renders everything with sample values and gives the first problem.
    fn first_problem(&self) -> Option<RenderError> {
        let environment = self.overridden.as_ref()?;
        // Placeholders, because those are counted: an override that forgets the code, or shows it twice, is found.
        let (secret, name) = (Insert::Placeholder("sample-734802"), Insert::Placeholder("sample-name-5519"));
        for locale in Locale::all() {
            for kind in MessageKind::ALL {
                let mut contents = vec![if kind == MessageKind::AdminCreateUser {
                    Content::Invitation { username: name, password: secret }
                } else {
                    Content::Code(secret)
                }];
                if kind.can_be_link() {
                    contents.push(Content::Link(Insert::Placeholder("{##Click Here##}")));
                }
                for content in contents {
                    let body = content.email_part();
                    let parts = ["subject.txt", "sms.txt", &format!("{body}.txt"), &format!("{body}.html")];
                    for part in parts {
                        if part == "sms.txt" && matches!(content, Content::Link(_)) {
                            continue;
                        }
                        if let Err(error) = self.part(environment, kind, locale, part, content) {
                            return Some(error);
                        }
                    }
                }
            }
        }
        None
    }
}

/// Whether the text holds a character outside the classes that Cognito lets through in a subject or body.
///
/// These are letters, marks, symbols, numbers, punctuation and white space; whether white space means more than
/// ASCII is not documented, so only ASCII counts. Control and format characters (zero-width space, soft hyphen,
/// bidi marks) and the ideographic space are outside.
/// Source: `EmailVerificationMessageType` in the Amazon Cognito API reference.
#[must_use]
pub fn has_forbidden_character(text: &str) -> bool {
    text.chars().any(|character| {
        !matches!(character, ' '..='~' | '\t' | '\n' | '\r') && {
            use GeneralCategory::{
                Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
                Unassigned,
            };
            matches!(
                get_general_category(character),
                Control
                    | Format
                    | LineSeparator
                    | ParagraphSeparator
                    | PrivateUse
                    | SpaceSeparator
                    | Surrogate
                    | Unassigned
            )
        }
    })
}

fn environment(overrides: BTreeMap<String, String>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.set_loader(move |name| {
        Ok(overrides.get(name).cloned().or_else(|| template(name).map(str::to_owned)))
    });
    environment
}

fn template(name: &str) -> Option<&'static str> {
    let index = TEMPLATES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    TEMPLATES.get(index).map(|(_, source)| *source)
}

fn check_insert(template: &str, text: &str, insert: &Insert<'_>) -> Result<(), RenderError> {
    let (name, wanted) = match insert {
        // A secret may be anything, also a word of the text, and HTML shows it escaped: only a placeholder can
        // be counted. That every template inserts its variables once is tested, for overrides at start-up.
        Insert::Secret(_) | Insert::Name(_) => return Ok(()),
        Insert::Placeholder(_) => ("the placeholder", insert.text()),
    };
    if text.matches(wanted).count() == 1 {
        Ok(())
    } else {
        Err(RenderError::Insert { template: template.to_owned(), insert: name })
    }
}

fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
