//! The texts of the messages in every language.
//!
//! A message is a folder of templates, `<locale>/<kind>/`, embedded in the binary. Files with the same name in the
//! folder `TEMPLATES_DIR` override them. An override that can't be rendered is reported, and the built-in template is
//! used instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{AutoEscape, Environment, ErrorKind, HtmlEscape, UndefinedBehavior, Value, context};
use zeroize::{Zeroize as _, Zeroizing};

use crate::locale::Locale;
use crate::secret::Code;
use crate::templates::template;
use crate::text::single_line;
use crate::trigger::MessageKind;

/// The values of one message: the clear text that the user needs, or Cognito's placeholder for it.
///
/// HTML escapes every value except a placeholder.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// A code.
    Code(Insert<'a>),
    /// The link that Cognito writes instead of its placeholder.
    Link(Insert<'a>),
    /// Username and temporary password.
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
    /// One of Cognito's placeholders, as the event names it. It is never escaped.
    Placeholder(&'a str),
    /// A decrypted code or password.
    Secret(&'a Code),
    /// A username.
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
    /// The variables that a body must contain exactly once, each with its value.
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

    /// Replaces the value while a template is rendered: a private-use character, which no setting contains and HTML
    /// doesn't escape.
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
/// Templates are rendered once per process and language. The template engine never reads a value that a user controls.
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

    /// The longest text that these values can make, in bytes. No escaped character is longer than 6.
    fn room(&self, content: &Content<'_>) -> usize {
        let values = content.inserts().map(|(slot, insert)| 6 * insert.text().len() * self.count(slot));
        self.pieces.iter().map(|(piece, _)| piece.len()).chain(values).sum()
    }

    /// The text with its values. It has room for all of it, because a text that grows leaves copies of the code behind.
    fn fill(&self, content: &Content<'_>) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.room(content)));
        for (piece, slot) in &self.pieces {
            text.push_str(piece);
            for (_, insert) in content.inserts().filter(|(wanted, _)| Some(*wanted) == *slot) {
                match insert {
                    Insert::Placeholder(verbatim) => text.push_str(verbatim),
                    // Writing to a string can't fail.
                    other if self.html => drop(write!(*text, "{}", HtmlEscape(other.text()))),
                    other => text.push_str(other.text()),
                }
            }
        }
        text
    }
}

/// A complete email. Its `Debug` is a mask, and its bodies are zeroed on drop, because they contain the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// One line without a code.
    pub subject: String,
    /// The plain-text body.
    pub text: String,
    /// The HTML body.
    pub html: String,
}

impl Drop for Email {
    fn drop(&mut self) {
        self.text.zeroize();
        self.html.zeroize();
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email(******)")
    }
}

/// A complete SMS text. Its `Debug` is a mask, and it is zeroed on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// The text as it is sent.
    pub text: String,
}

impl Drop for Sms {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl fmt::Debug for Sms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sms(******)")
    }
}

/// Why a template could not be rendered. It names the template, but no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template engine returned an error.
    #[error("template `{template}`: {problem}")]
    Template {
        /// File name below the templates folder.
        template: String,
        /// The engine's error, with the line.
        problem: String,
    },
    /// The code, link, username or password is not in a body exactly once, or is in a subject.
    #[error("template `{template}` must insert {insert} exactly once in the body and not in the subject")]
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

/// The settings of all messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSettings {
    /// The product's name, as users know it.
    pub brand: String,
    /// Where users find help: an address or a URL, shown as text.
    pub support: Option<String>,
    /// The language for users who have not chosen one.
    pub default_locale: Locale,
}

/// Renders every message of the deployment.
#[derive(Debug)]
pub struct Messages {
    settings: MessageSettings,
    built_in: Environment<'static>,
    overridden: Option<Environment<'static>>,
    /// The files that override built-in templates.
    files: BTreeSet<String>,
    /// Why other files don't override one.
    problems: Vec<String>,
    /// The parts that are rendered so far.
    forms: Mutex<BTreeMap<FormKey, Arc<Form>>>,
}

/// The templates that a part is rendered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TemplateSet {
    /// The built-in templates only.
    BuiltIn,
    /// The built-in templates with the overrides of the deployment.
    Overridden,
}

type FormKey = (TemplateSet, MessageKind, Locale, Part);

/// The maximum number of engine instructions for one template. The longest built-in one needs about 300.
const FUEL: u64 = 50_000;
/// The longest override file, in bytes: what Cognito accepts as an email body.
const MAX_OVERRIDE: usize = 20_000;
/// The longest text that a template may render, in bytes: no email client shows more of a message (Gmail clips it at
/// 102 KB). Without this limit, a loop around a long text could render a gigabyte within its instructions.
const MAX_RENDERED: usize = 100_000;

impl Messages {
    /// Takes the settings and the files that override built-in templates, by their name below `TEMPLATES_DIR`.
    ///
    /// Every message that an override changes is rendered once with sample values. An override that can't be rendered
    /// is left out, and [`Messages::problems`] names it.
    #[must_use]
    pub fn new(settings: MessageSettings, overrides: BTreeMap<String, String>) -> Self {
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
                messages.problems = problems;
                return messages;
            };
            problems.push(error.to_string());
            if usable.remove(error.template()).is_none() {
                // An override of a layout can break a built-in message. In that case, no override is used.
                usable.clear();
            }
        }
        messages.overridden = None;
        messages.problems = problems;
        messages
    }

    /// Why files don't override built-in templates. Each problem names its template.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether an override changes the message: one of its own files, or one that all messages use.
    #[must_use]
    pub fn is_overridden(&self, kind: MessageKind, locale: Locale) -> bool {
        let own = format!("{locale}/{}/", kind.name());
        self.files.iter().any(|name| name.starts_with(&own) || !name.contains('/'))
    }

    /// The settings of the messages.
    #[must_use]
    pub fn settings(&self) -> &MessageSettings {
        &self.settings
    }

    /// The email of that kind, and the problem of an override if the built-in text replaced it.
    ///
    /// # Errors
    /// If a built-in template can't be rendered. Tests render all of them.
    pub fn email(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Email, Option<RenderError>), RenderError> {
        self.with_fallback(|set| {
            let subject = self.part(set, kind, locale, Part::Subject, content)?;
            let mut text = self.part(set, kind, locale, content.text_part(), content)?;
            let mut html = self.part(set, kind, locale, content.html_part(), content)?;
            Ok(Email { subject: single_line(&subject), text: take(&mut text), html: take(&mut html) })
        })
    }

    /// Only the HTML body and the subject of the email, as the custom message trigger returns them.
    ///
    /// # Errors
    /// If a built-in template can't be rendered.
    pub fn html_email(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Email, Option<RenderError>), RenderError> {
        self.with_fallback(|set| {
            let subject = self.part(set, kind, locale, Part::Subject, content)?;
            let mut html = self.part(set, kind, locale, content.html_part(), content)?;
            Ok(Email { subject: single_line(&subject), text: String::new(), html: take(&mut html) })
        })
    }

    /// The SMS of that kind, and the problem of an override if the built-in text replaced it.
    ///
    /// # Errors
    /// If a built-in template can't be rendered.
    pub fn sms(
        &self,
        kind: MessageKind,
        locale: Locale,
        content: Content<'_>,
    ) -> Result<(Sms, Option<RenderError>), RenderError> {
        self.with_fallback(|set| {
            let mut text = self.part(set, kind, locale, Part::Sms, content)?;
            Ok(Sms { text: take(&mut text) })
        })
    }

    fn with_fallback<T>(
        &self,
        render: impl Fn(TemplateSet) -> Result<T, RenderError>,
    ) -> Result<(T, Option<RenderError>), RenderError> {
        let problem = match self.overridden.as_ref().map(|_| render(TemplateSet::Overridden)) {
            Some(Ok(message)) => return Ok((message, None)),
            Some(Err(error)) => Some(error),
            None => None,
        };
        render(TemplateSet::BuiltIn).map(|message| (message, problem))
    }

    fn part(
        &self,
        set: TemplateSet,
        kind: MessageKind,
        locale: Locale,
        part: Part,
        content: Content<'_>,
    ) -> Result<Zeroizing<String>, RenderError> {
        let key = (set, kind, locale, part);
        let known = self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let form = if let Some(form) = known {
            form
        } else {
            let form = Arc::new(self.form(set, kind, locale, part, &content)?);
            self.forms.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&form));
            form
        };
        let text = form.fill(&content);
        for (slot, insert) in content.inserts().filter(|_| part != Part::Subject) {
            // Cognito would also replace a word of the text that is equal to the placeholder.
            if matches!(insert, Insert::Placeholder(wanted) if text.matches(wanted).count() != 1) {
                return Err(RenderError::Insert {
                    template: file_name(kind, locale, part),
                    insert: slot.name(),
                });
            }
        }
        Ok(text)
    }

    /// Renders a part with a mark instead of each value that differs from event to event.
    fn form(
        &self,
        set: TemplateSet,
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
        let environment = match (set, &self.overridden) {
            (TemplateSet::Overridden, Some(overridden)) => overridden,
            _ => &self.built_in,
        };
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

    /// Renders every message with the overrides and returns the first problem.
    fn first_problem(&self) -> Option<RenderError> {
        // A form depends on the variables and not on their values.
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
                    if let Err(error) = self.form(TemplateSet::Overridden, kind, locale, part, &content) {
                        return Some(error);
                    }
                }
            }
        }
        None
    }
}

/// Collects what a template renders, up to [`MAX_RENDERED`].
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

fn file_name(kind: MessageKind, locale: Locale, part: Part) -> String {
    format!("{locale}/{}/{}", kind.name(), part.file())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segments::{Encoding, segments};
    use crate::text::has_forbidden_character;

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
        Messages::new(settings(), BTreeMap::new())
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
    fn a_text_with_a_code_never_grows_and_is_zeroed() {
        let form = Form::new("Your code \u{e000}, again \u{e000}", true);
        let code = Code::new(Zeroizing::new("<\"&'".repeat(60)));
        let content = Content::Code(Insert::Secret(&code));
        let filled: Zeroizing<String> = form.fill(&content);
        assert!(filled.len() > 1_000 && filled.len() <= form.room(&content));
        assert_eq!(filled.capacity(), form.room(&content), "a text that grows leaves copies behind");
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
    fn a_link_replaces_the_code() {
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
    fn values_of_a_user_form_no_markup() {
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
        let messages = Messages::new(settings(), files);
        let problems = messages.problems().to_vec();
        (messages, problems)
    }

    #[test]
    fn an_override_replaces_the_built_in_part() {
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
            "template `en/sign-up/sms.txt` must insert code exactly once in the body and not in the subject",
        );
        check_broken(
            name,
            "{{ code }} {{ code }}",
            "template `en/sign-up/sms.txt` must insert code exactly once in the body and not in the subject",
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
            "template `en/sign-up/sms.txt` must insert code exactly once in the body and not in the subject",
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
        fn every_username_and_password_can_be_rendered(name in ".*", password in ".*", index in 0_usize..3) {
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
