//! Settings: read once at start-up, checked completely, every problem reported at once.

use std::cell::RefCell;
use std::fmt;

use crate::disposable::{BlockedDomains, DisposableDomains};
use crate::domain::{DomainAllowlist, DomainDenylist, DomainPatterns};
use crate::locale::Locale;
use crate::phone::{CountryAllowlist, CountryAllowlistError};
use crate::recipient::RecipientHasher;

/// Where settings come from, and what was wrong with them so far.
///
/// A getter answers `None` when it has noted a problem; [`Settings::finish`] turns the notes into one error.
/// An empty value counts as not set, because templates pass optional parameters as empty texts.
pub struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    read_file: &'a dyn Fn(&str) -> Result<String, String>,
    problems: RefCell<Vec<String>>,
}

/// Everything that is wrong with the settings, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "invalid configuration: {}", self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The variables that have a problem, without their values.
    #[must_use]
    pub fn variables(&self) -> String {
        let mut names: Vec<_> = self.0.iter().filter_map(|problem| problem.split(' ').next()).collect();
        names.dedup();
        names.join(", ")
    }
}

impl<'a> Settings<'a> {
    /// Reads variables through `lookup`, and lists written as `file:PATH` through `read_file`.
    #[must_use]
    pub fn new(
        lookup: &'a dyn Fn(&str) -> Option<String>,
        read_file: &'a dyn Fn(&str) -> Result<String, String>,
    ) -> Self {
        Self { lookup, read_file, problems: RefCell::default() }
    }

    /// The value, `None` when it is not set or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Notes a problem. `problem` goes on from the variable's name: "is not set".
    pub fn problem(&self, name: &str, problem: impl fmt::Display) {
        self.problems.borrow_mut().push(format!("{name} {problem}"));
    }

    /// A value that must be there.
    pub fn required<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(name, parse)?;
        if value.is_none() {
            self.problem(name, "is not set");
        }
        value
    }

    /// A value that may be absent: `Some(None)` when it is, `None` when it is wrong.
    pub fn optional<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let Some(text) = self.text(name) else { return Some(None) };
        match parse(&text) {
            Ok(value) => Some(Some(value)),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    /// `true` or `false`, and which of them when it is not set.
    pub fn flag(&self, name: &str, default: bool) -> Option<bool> {
        let flag = self.optional(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("is neither `true` nor `false`"),
        })?;
        Some(flag.unwrap_or(default))
    }

    /// A list, which may be the content of a file: Lambda's environment ends at 4 KB for all variables together.
    ///
    /// Source: "Lambda quotas", AWS Lambda developer guide.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<String> {
        let text = self.text(name).unwrap_or_default();
        let Some(path) = text.strip_prefix("file:") else { return Some(text) };
        // A path with an `@` is most likely an address that was put behind it by mistake.
        let is_address = path.contains(crate::address::AT_SIGNS);
        let shown = if is_address { "…".to_owned() } else { path.escape_debug().to_string() };
        match (self.read_file)(path) {
            // An empty file is a broken one: whoever wants no list sets none.
            Ok(content)
                if content
                    .lines()
                    .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) =>
            {
                self.problem(name, format!("names the file `{shown}`, which lists nothing"));
                None
            }
            Ok(content) => Some(content),
            Err(problem) => {
                self.problem(name, format!("names the file `{shown}`, which cannot be read: {problem}"));
                None
            }
        }
    }

    /// `ALLOWED_EMAIL_DOMAINS`.
    #[must_use]
    pub fn allowed_domains(&self) -> Option<DomainAllowlist> {
        self.domains("ALLOWED_EMAIL_DOMAINS", DomainAllowlist::parse)
    }

    /// `DENIED_EMAIL_DOMAINS`.
    #[must_use]
    pub fn denied_domains(&self) -> Option<DomainDenylist> {
        self.domains("DENIED_EMAIL_DOMAINS", DomainDenylist::parse)
    }

    /// Every list that keeps an address out: `DENIED_EMAIL_DOMAINS`, and with `DENY_DISPOSABLE_EMAIL` the list of
    /// disposable mailboxes without `DISPOSABLE_EMAIL_EXCEPTIONS`.
    #[must_use]
    pub fn blocked_domains(&self) -> Option<BlockedDomains> {
        let denied = self.denied_domains();
        let enabled = self.flag("DENY_DISPOSABLE_EMAIL", false);
        let exceptions = self.domains("DISPOSABLE_EMAIL_EXCEPTIONS", DomainPatterns::parse);
        let (enabled, exceptions) = (enabled?, exceptions?);
        if !enabled && self.text("DISPOSABLE_EMAIL_EXCEPTIONS").is_some() {
            self.problem("DISPOSABLE_EMAIL_EXCEPTIONS", "has no effect without DENY_DISPOSABLE_EMAIL");
            return None;
        }
        Some(BlockedDomains { denied: denied?, disposable: DisposableDomains::new(enabled, exceptions) })
    }

    /// `SMS_ALLOWED_COUNTRIES`.
    #[must_use]
    pub fn allowed_countries(&self) -> Option<CountryAllowlist> {
        const NAME: &str = "SMS_ALLOWED_COUNTRIES";
        self.list(NAME)?.parse().map_err(|error: CountryAllowlistError| self.problem(NAME, error)).ok()
    }

    fn domains<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, Vec<String>>) -> Option<T> {
        parse(&self.list(name)?).map_err(|problems| self.problem(name, problems.join(", "))).ok()
    }

    /// `RECIPIENT_HASH_KEY`, else `random`, which must be fresh for every process.
    #[must_use]
    pub fn recipient_hasher(&self, random: &[u8; 32]) -> RecipientHasher {
        let key = self.text("RECIPIENT_HASH_KEY");
        RecipientHasher::new(key.as_deref().map_or(random.as_slice(), str::as_bytes))
    }

    /// The parsed settings, when every one of them was right.
    ///
    /// # Errors
    /// All problems that were noted.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let problems = self.problems.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(ConfigError(problems)),
        }
    }
}

/// What all messages have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSettings {
    /// Who the messages come from, as the user knows them.
    pub brand: String,
    /// Where a user finds help: an address or a URL, shown as text.
    pub support: Option<String>,
    /// The language for users who have not chosen one.
    pub default_locale: Locale,
}

impl MessageSettings {
    /// Reads `BRAND_NAME`, `SUPPORT_CONTACT` and `DEFAULT_LOCALE`.
    #[must_use]
    pub fn read(settings: &Settings<'_>) -> Option<Self> {
        let brand = settings.required("BRAND_NAME", |text| visible(text, 64));
        let support = settings.optional("SUPPORT_CONTACT", |text| visible(text, 200));
        let default_locale = settings.optional("DEFAULT_LOCALE", |text| {
            Locale::lookup(text).ok_or_else(|| format!("is none of {}", Locale::names()))
        });
        Some(Self { brand: brand?, support: support?, default_locale: default_locale?.unwrap_or_default() })
    }
}

/// A text that Cognito lets through in every part of a message.
fn visible(text: &str, longest: usize) -> Result<String, String> {
    if text.chars().count() > longest {
        Err(format!("is longer than {longest} characters"))
    } else if crate::message::has_forbidden_character(text) || text.contains(char::is_control) {
        Err("holds a control or an invisible character".to_owned())
    } else if text.contains(['{', '}', '<', '>']) {
        // Braces could form one of Cognito's placeholders, angle brackets markup.
        Err("holds a brace or an angle bracket".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Result<(), &str>) {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let read_file = |path: &str| match path {
            "empty.txt" => Ok("# nothing\n\n".to_owned()),
            "denied.txt" => Ok("evil.example\n# a comment\n*.evil.example\n".to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let settings = Settings::new(&lookup, &read_file);
        let message = MessageSettings::read(&settings);
        let flag = settings.flag("AUTO_VERIFY_PHONE", false);
        let allowed = settings.allowed_domains();
        let denied = settings.blocked_domains();
        let all = message.zip(flag).zip(allowed).zip(denied).map(|_| ());
        assert_eq!(settings.finish(all).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn every_problem_is_reported_in_one_line() {
        check(&[("BRAND_NAME", "Acme")], Ok(()));
        check(&[("BRAND_NAME", "Acme"), ("DENIED_EMAIL_DOMAINS", "file:denied.txt")], Ok(()));
        check(&[], Err("invalid configuration: BRAND_NAME is not set"));
        check(
            &[
                ("BRAND_NAME", "  "),
                ("DEFAULT_LOCALE", "tlh"),
                ("AUTO_VERIFY_PHONE", "yes"),
                ("ALLOWED_EMAIL_DOMAINS", "*.com"),
                ("DENIED_EMAIL_DOMAINS", "file:absent.txt"),
                ("DENY_DISPOSABLE_EMAIL", "1"),
                ("DISPOSABLE_EMAIL_EXCEPTIONS", "evil"),
            ],
            Err(
                "invalid configuration: BRAND_NAME is not set; DEFAULT_LOCALE is none of de, en, ja; AUTO_VERIFY_PHONE is neither `true` nor `false`; ALLOWED_EMAIL_DOMAINS entry 1 `*.com` is a public suffix: everybody can register a domain under it; name the domains one by one; DENIED_EMAIL_DOMAINS names the file `absent.txt`, which cannot be read: no such file; DENY_DISPOSABLE_EMAIL is neither `true` nor `false`; DISPOSABLE_EMAIL_EXCEPTIONS entry 1 `evil` is a public suffix: everybody can register a domain under it; name the domains one by one",
            ),
        );
    }

    #[test]
    fn a_file_that_lists_nothing_is_a_problem() {
        check(
            &[("BRAND_NAME", "Acme"), ("DENIED_EMAIL_DOMAINS", "file:empty.txt")],
            Err(
                "invalid configuration: DENIED_EMAIL_DOMAINS names the file `empty.txt`, which lists nothing",
            ),
        );
    }

    #[test]
    fn a_brand_cannot_carry_markup_or_placeholders() {
        check(
            &[("BRAND_NAME", "{####}")],
            Err("invalid configuration: BRAND_NAME holds a brace or an angle bracket"),
        );
        check(
            &[("BRAND_NAME", "Ac\u{200b}me")],
            Err("invalid configuration: BRAND_NAME holds a control or an invisible character"),
        );
    }
}
