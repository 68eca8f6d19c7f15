//! Messages: which one a trigger source asks for, and its text in every language.
//!
//! A message is a folder of templates, `<locale>/<kind>/`, embedded in the binary; files of the same name in the
//! folder `TEMPLATES_DIR` replace them. Rendering never fails for want of an override: a broken one is dropped
//! and reported, and the built-in text goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::config::MessageSettings;
use crate::locale::Locale;
use crate::secret::Code;
use crate::trigger::MessageKind;

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

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
}

impl Content<'_> {
    /// The variables that have to stand in a body exactly once, each with its value.
    fn inserts(&self) -> impl Iterator<Item = (Slot, &Insert<'_>)> {
        let (first, second) = match self {
            Self::Code(insert) => ((Slot::Code, insert), None),
            Self::Link(insert) => ((Slot::Link, insert), None),
            Self::Invitation { username, password } => {
                ((Slot::Password, password), Some((Slot::Username, username)))
            }
        };
        std::iter::once(first).chain(second)
    }

    fn text_part(&self) -> Part {
        match self {
            Self::Code(_) | Self::Invitation { .. } => Part::Text,
            Self::Link(_) => Part::LinkText,
        }
    }

    fn html_part(&self) -> Part {
        match self {
            Self::Code(_) | Self::Invitation { .. } => Part::Html,
            Self::Link(_) => Part::LinkHtml,
        }
    }
}

/// A variable of the templates whose value differs from event to event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Code,
    Link,
    Username,
    Password,
}

impl Slot {
    const ALL: [Self; 4] = [Self::Code, Self::Link, Self::Username, Self::Password];

    fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Link => "link",
            Self::Username => "username",
            Self::Password => "password",
        }
    }

    /// What stands for the value while a template is rendered: characters for private use, which no setting may
    /// hold and HTML's escaping leaves alone.
    fn mark(self) -> &'static str {
        match self {
            Self::Code => "\u{e000}",
            Self::Link => "\u{e001}",
            Self::Username => "\u{e002}",
            Self::Password => "\u{e003}",
        }
    }
}

/// One file of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Subject,
    Sms,
    Text,
    Html,
    LinkText,
    LinkHtml,
}

impl Part {
    fn file(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Sms => "sms.txt",
            Self::Text => "email.txt",
            Self::Html => "email.html",
            Self::LinkText => "email-link.txt",
            Self::LinkHtml => "email-link.html",
        }
    }

    fn is_html(self) -> bool {
        matches!(self, Self::Html | Self::LinkHtml)
    }
}

/// A rendered part with gaps for the values of one event.
///
/// Templates are rendered once per process and language; what a user controls never passes through the engine.
#[derive(Debug)]
struct Form {
    /// Texts, each with the variable that follows it, if one does.
    pieces: Vec<(String, Option<Slot>)>,
    html: bool,
}

impl Form {
    fn new(text: &str, html: bool) -> Self {
        let pieces = text
            .split_inclusive(|character| matches!(character, '\u{e000}'..='\u{e003}'))
            .map(|piece| {
                let slot = Slot::ALL.into_iter().find(|slot| piece.ends_with(slot.mark()));
                let text = slot.map_or(piece, |slot| piece.trim_end_matches(slot.mark()));
                (text.to_owned(), slot)
            })
            .collect();
        Self { pieces, html }
    }

    fn count(&self, slot: Slot) -> usize {
        self.pieces.iter().filter(|(_, found)| *found == Some(slot)).count()
    }

    fn fill(&self, content: &Content<'_>) -> String {
        let mut text = String::new();
        for (piece, slot) in &self.pieces {
            text.push_str(piece);
            for (_, insert) in content.inserts().filter(|(wanted, _)| Some(*wanted) == *slot) {
                match insert {
                    Insert::Placeholder(verbatim) => text.push_str(verbatim),
                    other if self.html => push_escaped(&mut text, other.text()),
                    other => text.push_str(other.text()),
                }
            }
        }
        text
    }
}

/// As the template engine escapes.
fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#x27;"),
            '/' => html.push_str("&#x2f;"),
            other => html.push(other),
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
    /// The code, link, user name or password is not in a body exactly once, or is in a subject.
    #[error("template `{template}` does not insert {insert} exactly as often as it should")]
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
    /// The files that are in the place of built-in ones.
    files: BTreeSet<String>,
    /// What is wrong with the other files that were to replace one.
    problems: Vec<String>,
    /// What has been rendered so far.
    forms: Mutex<BTreeMap<FormKey, Arc<Form>>>,
}

/// Overridden or built-in, and which part.
type FormKey = (bool, MessageKind, Locale, Part);

/// Work that one template may do, in engine instructions; the longest built-in one needs about 300.
const FUEL: u64 = 50_000;
/// The longest override file, in bytes: what Cognito takes as an e-mail body.
const MAX_OVERRIDE: usize = 20_000;
/// The longest text that a template may make, in bytes: no mail program shows more of a message (Gmail clips it at
/// 102 KB). Without it a loop around a long text would make a gigabyte before its work is over.
const MAX_RENDERED: usize = 100_000;

impl Messages {
    /// Takes the settings and the files that replace built-in templates, by their name below `TEMPLATES_DIR`.
    ///
    /// Every message that an override touches is rendered once with sample values. What does not work is left
    /// out, and the problems come back beside the result, for the log.
    #[must_use]
    pub fn new(settings: MessageSettings, overrides: BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut messages = Self {
            settings,
            built_in: environment(BTreeMap::new()),
            overridden: None,
            files: BTreeSet::new(),
            problems: Vec::new(),
            forms: Mutex::default(),
        };
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
            messages.forms = Mutex::default();
            let Some(error) = messages.first_problem() else {
                messages.files = usable.into_keys().collect();
                messages.problems.clone_from(&problems);
                return (messages, problems);
            };
            problems.push(error.to_string());
            if usable.remove(error.template()).is_none() {
                // An overriding layout can break a built-in message: then none of the overrides is safe.
                usable.clear();
            }
        }
        messages.overridden = None;
        messages.problems.clone_from(&problems);
        (messages, problems)
    }

    /// What is wrong with files that were to replace built-in templates. Each names its template.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether a file of the deployment has a part in the message: one of its own, or one of all messages.
    #[must_use]
    pub fn is_overridden(&self, kind: MessageKind, locale: Locale) -> bool {
        let own = format!("{locale}/{}/", kind.name());
        self.files.iter().any(|name| name.starts_with(&own) || !name.contains('/'))
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
        self.with_fallback(|overridden| {
            let subject = self.part(overridden, kind, locale, Part::Subject, content)?;
            let text = self.part(overridden, kind, locale, content.text_part(), content)?;
            let html = self.part(overridden, kind, locale, content.html_part(), content)?;
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
        self.with_fallback(|overridden| {
            let subject = self.part(overridden, kind, locale, Part::Subject, content)?;
            let html = self.part(overridden, kind, locale, content.html_part(), content)?;
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
        self.with_fallback(|overridden| {
            Ok(Sms { text: self.part(overridden, kind, locale, Part::Sms, content)? })
        })
    }

    fn with_fallback<T>(
        &self,
        render: impl Fn(bool) -> Result<T, RenderError>,
    ) -> Result<(T, Option<RenderError>), RenderError> {
        match self.overridden.as_ref().map(|_| render(true)) {
            Some(Ok(message)) => Ok((message, None)),
            Some(Err(error)) => render(false).map(|message| (message, Some(error))),
            None => render(false).map(|message| (message, None)),
        }
    }

    fn part(
        &self,
        overridden: bool,
        kind: MessageKind,
        locale: Locale,
        part: Part,
        content: Content<'_>,
    ) -> Result<String, RenderError> {
        let key = (overridden, kind, locale, part);
        let known = self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let form = if let Some(form) = known {
            form
        } else {
            let form = Arc::new(self.form(overridden, kind, locale, part, &content)?);
            self.forms.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&form));
            form
        };
        let text = form.fill(&content);
        for (slot, insert) in content.inserts().filter(|_| part != Part::Subject) {
            // A placeholder that is also a word of the text would be replaced by Cognito there as well.
            if matches!(insert, Insert::Placeholder(wanted) if text.matches(wanted).count() != 1) {
                return Err(RenderError::Insert {
                    template: file_name(kind, locale, part),
                    insert: slot.name(),
                });
            }
        }
        Ok(text)
    }

    /// Renders a part with a mark in the place of every value that differs from event to event.
    fn form(
        &self,
        overridden: bool,
        kind: MessageKind,
        locale: Locale,
        part: Part,
        content: &Content<'_>,
    ) -> Result<Form, RenderError> {
        let name = file_name(kind, locale, part);
        let failed = |error: &minijinja::Error| RenderError::Template {
            template: error.name().unwrap_or(&name).to_owned(),
            // Not the error's `Display`: with debug information it could quote the context.
            problem: match error.kind() {
                ErrorKind::WriteFailure => "the text becomes longer than 100,000 bytes".to_owned(),
                kind => format!("{kind} in line {}", error.line().unwrap_or(0)),
            },
        };
        let environment = self.overridden.as_ref().filter(|_| overridden).unwrap_or(&self.built_in);
        let template = environment.get_template(&name).map_err(|error| failed(&error))?;
        let wanted = |slot: Slot| content.inserts().any(|(found, _)| found == slot);
        let mark = |slot: Slot| if wanted(slot) { Value::from(slot.mark()) } else { Value::UNDEFINED };
        let mut text = Bounded::default();
        let variables = context! {
            brand => &self.settings.brand,
            support => self.settings.support.as_deref().unwrap_or_default(),
            lang => locale.tag(),
            dir => locale.direction(),
            code => mark(Slot::Code),
            link => mark(Slot::Link),
            username => mark(Slot::Username),
            password => mark(Slot::Password),
        };
        template.render_captured_to(variables, &mut text).map_err(|error| failed(&error))?;
        let text = String::from_utf8(text.0).unwrap_or_default();
        if text.contains(|character: char| character.is_control() && !character.is_ascii_whitespace()) {
            let problem = "the text holds a control character".to_owned();
            return Err(RenderError::Template { template: name, problem });
        }
        let form = Form::new(text.trim(), part.is_html());
        let right = |slot: &Slot| form.count(*slot) == usize::from(wanted(*slot) && part != Part::Subject);
        match Slot::ALL.into_iter().find(|slot| !right(slot)) {
            Some(slot) => Err(RenderError::Insert { template: name, insert: slot.name() }),
            None => Ok(form),
        }
    }

    /// Renders every overridden message and gives the first problem.
    fn first_problem(&self) -> Option<RenderError> {
        // Which value stands there makes no difference to a form, only which variables there are.
        let (value, link) = (Insert::Name("-"), Content::Link(Insert::Name("-")));
        for locale in Locale::all() {
            for kind in MessageKind::ALL {
                let content = if kind == MessageKind::AdminCreateUser {
                    Content::Invitation { username: value, password: value }
                } else {
                    Content::Code(value)
                };
                let parts = [Part::Subject, Part::Sms, Part::Text, Part::Html].map(|part| (part, content));
                let links = [Part::LinkText, Part::LinkHtml].map(|part| (part, link));
                let links = links.into_iter().filter(|_| kind.can_be_link());
                for (part, content) in parts.into_iter().chain(links) {
                    if let Err(error) = self.form(true, kind, locale, part, &content) {
                        return Some(error);
                    }
                }
            }
        }
        None
    }
}

/// Takes what a template writes, up to [`MAX_RENDERED`].
#[derive(Default)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > MAX_RENDERED {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

fn file_name(kind: MessageKind, locale: Locale, part: Part) -> String {
    format!("{locale}/{}/{}", kind.name(), part.file())
}

fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::segments::{Encoding, segments};

    const CODE: &str = "{####}";
    const NAME: &str = "{username}";
    const LINK: &str = "{##Click Here##}";

    fn settings() -> MessageSettings {
        MessageSettings {
            brand: "Acme".to_owned(),
            support: Some("https://example.com/help".to_owned()),
            default_locale: Locale::default(),
        }
    }

    fn messages() -> Messages {
        Messages::new(settings(), BTreeMap::new()).0
    }

    fn placeholders(kind: MessageKind) -> Content<'static> {
        if kind == MessageKind::AdminCreateUser {
            Content::Invitation { username: Insert::Placeholder(NAME), password: Insert::Placeholder(CODE) }
        } else {
            Content::Code(Insert::Placeholder(CODE))
        }
    }

    fn all() -> impl Iterator<Item = (MessageKind, Locale)> {
        MessageKind::ALL.into_iter().flat_map(|kind| Locale::all().map(move |locale| (kind, locale)))
    }

    #[test]
    fn every_email_in_every_language_is_what_cognito_takes() {
        let messages = messages();
        for (kind, locale) in all() {
            let (email, error) = messages.email(kind, locale, placeholders(kind)).unwrap();
            assert_eq!(error, None);
            assert!((1..=140).contains(&email.subject.chars().count()), "{kind:?} {locale}");
            assert!(!email.subject.contains('\n') && !email.subject.contains('{'), "{kind:?} {locale}");
            assert!(email.subject.contains("Acme"), "{kind:?} {locale}");
            for part in [&email.subject, &email.text, &email.html] {
                assert!(!has_forbidden_character(part), "{kind:?} {locale}: {part}");
            }
            for body in [&email.text, &email.html] {
                assert!(body.chars().count() < 20_000, "{kind:?} {locale}");
                assert_eq!(body.matches(CODE).count(), 1, "{kind:?} {locale}");
                assert!(
                    body.contains("https://example.com/help")
                        || body.contains("https:&#x2f;&#x2f;example.com")
                );
            }
            assert!(email.html.contains(&format!("lang=\"{locale}\"")), "{kind:?} {locale}");
            // The code is alone on its line, so that it is easy to copy, and a password has nothing behind it.
            assert!(email.text.lines().any(|line| line == CODE), "{kind:?} {locale}");
        }
    }

    #[test]
    fn every_sms_in_every_language_is_what_cognito_takes_and_fits_one_segment() {
        let messages = messages();
        for (kind, locale) in all() {
            let (sms, error) = messages.sms(kind, locale, placeholders(kind)).unwrap();
            assert_eq!(error, None);
            assert!((6..=140).contains(&sms.text.chars().count()), "{kind:?} {locale}");
            assert_eq!(sms.text.matches(CODE).count(), 1, "{kind:?} {locale}");
            assert!(!has_forbidden_character(&sms.text), "{kind:?} {locale}");
            let code = Code::new(Zeroizing::new("12345678".to_owned()));
            let content = if kind == MessageKind::AdminCreateUser {
                Content::Invitation { username: Insert::Name("ann"), password: Insert::Secret(&code) }
            } else {
                Content::Code(Insert::Secret(&code))
            };
            let (sms, _) = messages.sms(kind, locale, content).unwrap();
            let size = segments(&sms.text);
            assert_eq!(size.parts, 1, "{kind:?} {locale}: {}", sms.text);
            if locale.tag() != "ja" {
                assert_eq!(size.encoding, Encoding::Gsm7, "{kind:?} {locale}: {}", sms.text);
            }
        }
    }

    #[test]
    fn a_temporary_password_ends_the_sms_on_a_line_of_its_own() {
        for locale in Locale::all() {
            let kind = MessageKind::AdminCreateUser;
            let (sms, _) = messages().sms(kind, locale, placeholders(kind)).unwrap();
            assert_eq!(sms.text.lines().last(), Some(CODE), "{locale}");
        }
    }

    #[test]
    fn a_link_takes_the_place_of_the_code() {
        for (kind, locale) in all().filter(|(kind, _)| kind.can_be_link()) {
            let (email, _) =
                messages().email(kind, locale, Content::Link(Insert::Placeholder(LINK))).unwrap();
            for body in [&email.text, &email.html] {
                assert_eq!(body.matches(LINK).count(), 1, "{kind:?} {locale}");
                assert!(!body.contains("####"), "{kind:?} {locale}");
            }
        }
    }

    #[test]
    fn what_a_user_controls_forms_no_markup() {
        let password = Code::new(Zeroizing::new("a<b>&\"'{####}".to_owned()));
        let content = Content::Invitation {
            username: Insert::Name("<img src=x>{{ brand }}{% if %}"),
            password: Insert::Secret(&password),
        };
        for locale in Locale::all() {
            let (email, _) = messages().email(MessageKind::AdminCreateUser, locale, content).unwrap();
            assert!(!email.html.contains("<img"), "{locale}");
            assert!(email.html.contains("a&lt;b&gt;&amp;&quot;&#x27;{####}"), "{locale}");
            assert!(email.text.contains("a<b>&\"'{####}"), "{locale}");
            assert!(email.text.contains("<img src=x>{{ brand }}{% if %}"), "{locale}");
        }
    }

    fn overridden(files: &[(&str, &str)]) -> (Messages, Vec<String>) {
        let files = files.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        Messages::new(settings(), files)
    }

    #[test]
    fn an_override_takes_the_place_of_the_built_in_part() {
        let (messages, problems) = overridden(&[("en/sign-up/sms.txt", "{{ brand }} says {{ code }}")]);
        assert_eq!(problems, Vec::<String>::new());
        let (sms, _) =
            messages.sms(MessageKind::SignUp, Locale::default(), placeholders(MessageKind::SignUp)).unwrap();
        assert_eq!(sms.text, "Acme says {####}");
    }

    #[track_caller]
    fn check_broken(name: &str, source: &str, expected: &str) {
        let good = ("de/sign-up/sms.txt", "{{ code }} gilt");
        let (messages, problems) = overridden(&[(name, source), good]);
        assert_eq!(problems, [expected]);
        let content = placeholders(MessageKind::SignUp);
        let built_in = super::tests::messages().sms(MessageKind::SignUp, Locale::default(), content).unwrap();
        assert_eq!(messages.sms(MessageKind::SignUp, Locale::default(), content).unwrap(), built_in);
        let german = Locale::lookup("de").unwrap();
        assert_eq!(messages.sms(MessageKind::SignUp, german, content).unwrap().0.text, "{####} gilt");
    }

    #[test]
    fn a_broken_override_is_reported_and_the_built_in_part_stays() {
        let name = "en/sign-up/sms.txt";
        check_broken(
            name,
            "no code",
            "template `en/sign-up/sms.txt` does not insert code exactly as often as it should",
        );
        check_broken(
            name,
            "{{ code }} {{ code }}",
            "template `en/sign-up/sms.txt` does not insert code exactly as often as it should",
        );
        check_broken(name, "{{ code", "template `en/sign-up/sms.txt`: syntax error in line 1");
        check_broken(
            name,
            "{{ code }}{{ given_name }}",
            "template `en/sign-up/sms.txt`: undefined value in line 1",
        );
        check_broken(
            name,
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}{{ code }}",
            "template `en/sign-up/sms.txt`: unknown function in line 1",
        );
        check_broken(
            "en/sign-up/smss.txt",
            "{{ code }}",
            "template `en/sign-up/smss.txt` replaces no built-in template",
        );
        check_broken(
            name,
            &format!("{{{{ code }}}}{{% for x in [1, 1, 1, 1, 1, 1] %}}{}{{% endfor %}}", "x".repeat(19_000)),
            "template `en/sign-up/sms.txt`: the text becomes longer than 100,000 bytes",
        );
        check_broken(
            name,
            "{{ code }}\0",
            "template `en/sign-up/sms.txt`: the text holds a control character",
        );
        check_broken(name, &"x".repeat(20_001), "template `en/sign-up/sms.txt` is longer than 20,000 bytes");
        // In a template `{#` begins a comment, so a literal placeholder would vanish.
        check_broken(
            name,
            "{####}",
            "template `en/sign-up/sms.txt` does not insert code exactly as often as it should",
        );
    }

    #[test]
    fn an_override_that_breaks_a_built_in_message_is_dropped_with_it() {
        let (messages, problems) = overridden(&[("code.html", "{{ brand }}")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(messages.overridden.is_none());
    }

    #[test]
    fn no_message_prints_itself() {
        let (email, _) = messages()
            .email(MessageKind::SignUp, Locale::default(), placeholders(MessageKind::SignUp))
            .unwrap();
        assert_eq!(format!("{email:?}"), "Email(******)");
    }

    proptest! {
        #[test]
        fn rendering_never_fails_whatever_user_name_and_password_are(name in ".*", password in ".*", index in 0_usize..3) {
            let locale = Locale::all().nth(index).unwrap();
            let code = Code::new(Zeroizing::new(password));
            let content = Content::Invitation { username: Insert::Name(&name), password: Insert::Secret(&code) };
            let (email, _) = messages().email(MessageKind::AdminCreateUser, locale, content).unwrap();
            prop_assert!(email.text.contains(name.trim()));
            prop_assert!(!email.subject.contains(['\r', '\n']));
        }

        #[test]
        fn overrides_never_panic(source in "(\\{\\{|\\{%|\\}\\}|%\\}|code|brand|[ a-z|.\"(){}#]){0,12}") {
            let _ = overridden(&[("en/sign-up/sms.txt", &source)]);
        }
    }
}
