//! The settings of the functions: environment variables, checked completely, with all problems in one error.
//!
//! A function reads them at start-up, and `cognito-triggers doctor` reads them from Lambda. Both use these readers, so
//! both find the same problems.

mod check;
pub mod custom_message;
pub mod email;
pub mod endpoints;
pub mod messages;
pub mod more;
pub mod sender;
pub mod sign_up;
pub mod sms;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use crate::address::AT_SIGNS;
use crate::domain::{BlockedDomains, DisposableDomains, DomainAllowlist, DomainDenylist, DomainPatterns};
use crate::metric::Observability;
use crate::parameter::{MORE_SETTINGS, Variable};
use crate::phone::CountryAllowlist;
use crate::policy::{RecipientPolicy, SignUpMode};
use crate::recipient::RecipientHasher;

const ALLOWED_EMAIL_DOMAINS: &str = "ALLOWED_EMAIL_DOMAINS";
const SIGN_UP_MODE: &str = "SIGN_UP_MODE";

/// The settings of one function, and the problems that its readers found so far.
///
/// A getter returns [`Noted`] if it noted a problem, and [`Settings::finish`] turns all problems into one error.
/// An empty value counts as not set, because the template passes optional parameters as empty texts.
pub struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    files: &'a dyn Files,
    problems: RefCell<Vec<Problem>>,
    in_layer: RefCell<Vec<String>>,
    more: OnceCell<BTreeMap<&'static str, String>>,
}

/// A setting has no value, and [`Settings`] knows why. Only [`Settings`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted(());

/// Reads the files that settings name.
pub trait Files {
    /// The content of a file.
    ///
    /// # Errors
    /// If the file can't be read.
    fn read(&self, path: &str) -> Result<String, FileError>;

    /// The `.txt` and `.html` files in a folder and below it, by their path relative to the folder, with `/` between
    /// the parts.
    ///
    /// # Errors
    /// If the folder or one of these files can't be read.
    fn read_templates(&self, folder: &str) -> Result<BTreeMap<String, String>, FileError>;
}

/// Why a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// The file is in a Lambda layer of the function, and this process isn't the function.
    InLayer,
    /// The reason that the file system gives.
    Unreadable(String),
}

/// The files of a function, read outside that function: all of them are in a Lambda layer.
#[derive(Clone, Copy, Debug)]
pub struct InLayer;

impl Files for InLayer {
    fn read(&self, _path: &str) -> Result<String, FileError> {
        Err(FileError::InLayer)
    }

    fn read_templates(&self, _folder: &str) -> Result<BTreeMap<String, String>, FileError> {
        Err(FileError::InLayer)
    }
}

/// A problem with one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    variable: String,
    /// Continues a sentence that begins with the variable.
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", Variable(&self.variable), self.text)
    }
}

/// Why there are no settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The function doesn't start with them. There may be more problems in files that can't be read here.
    Invalid(Vec<Problem>),
    /// These files are in a Lambda layer. Everything else is valid.
    NotKnown(Vec<String>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problems) => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                formatter.write_str(&problems.join("; "))
            }
            Self::NotKnown(paths) => {
                let verb = if paths.len() == 1 { "is" } else { "are" };
                write!(formatter, "{} {verb} in a Lambda layer", paths.join(" and "))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The variables that have a problem, without their values.
    #[must_use]
    pub fn variables(&self) -> String {
        let Self::Invalid(problems) = self else { return String::new() };
        let mut names: Vec<_> = problems.iter().map(|problem| problem.variable.as_str()).collect();
        names.dedup();
        names.join(", ")
    }
}

/// The least important log lines that a function writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Also warnings.
    Warn,
    /// Also one line for each event.
    #[default]
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    /// The level with this name, in upper or lower case. Lambda also has `fatal`.
    #[must_use]
    pub fn lookup(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "error" | "fatal" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            _ => None,
        }
    }
}

impl<'a> Settings<'a> {
    /// Reads variables through `lookup`, and the files that they name through `files`.
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>, files: &'a dyn Files) -> Self {
        Self {
            lookup,
            files,
            problems: RefCell::default(),
            in_layer: RefCell::default(),
            more: OnceCell::new(),
        }
    }

    /// The value of the variable, or its entry in `MORE_SETTINGS`. `None` if it is not set or empty.
    #[must_use]
    pub fn text(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty()).or_else(|| self.in_more_settings(variable))
    }

    fn in_more_settings(&self, variable: &str) -> Option<String> {
        if MORE_SETTINGS.iter().all(|(known, _)| *known != variable) {
            return None;
        }
        let read = || {
            let Ok(list) = self.list(more::VARIABLE) else { return BTreeMap::new() };
            more::parse(&list).unwrap_or_else(|problems| {
                self.problem(more::VARIABLE, problems.join(", "));
                BTreeMap::new()
            })
        };
        self.more.get_or_init(read).get(variable).filter(|value| !value.is_empty()).cloned()
    }

    /// Notes a problem. `text` continues a sentence that begins with the variable: "is not set".
    pub fn problem(&self, variable: &str, text: impl fmt::Display) -> Noted {
        let problem = Problem { variable: variable.to_owned(), text: text.to_string() };
        self.problems.borrow_mut().push(problem);
        Noted(())
    }

    /// A required value.
    ///
    /// # Errors
    /// If it isn't set or `parse` rejects it.
    pub fn required<T, E: fmt::Display>(
        &self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Noted> {
        self.optional(variable, parse)?.ok_or_else(|| self.problem(variable, "is not set"))
    }

    /// An optional value, `None` if it isn't set.
    ///
    /// # Errors
    /// If `parse` rejects it.
    pub fn optional<T, E: fmt::Display>(
        &self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Noted> {
        let parsed = self.text(variable).map(|text| parse(&text));
        parsed.transpose().map_err(|problem| self.problem(variable, problem))
    }

    /// `true` or `false`, or `default` if it isn't set.
    ///
    /// # Errors
    /// If it is neither.
    pub fn flag(&self, variable: &str, default: bool) -> Result<bool, Noted> {
        let flag = self.optional(variable, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be `true` or `false`"),
        });
        Ok(flag?.unwrap_or(default))
    }

    /// A list, or the content of the file that `file:PATH` names. Files are for long lists, because all variables of a
    /// Lambda function together can have 4 KB.
    ///
    /// Source: "Lambda quotas", AWS Lambda developer guide.
    ///
    /// # Errors
    /// If the file can't be read or has no entry.
    pub fn list(&self, variable: &str) -> Result<String, Noted> {
        let text = self.text(variable).unwrap_or_default();
        let Some(path) = text.strip_prefix("file:") else { return Ok(text) };
        // A path with an `@` is most likely an address that the operator put there by mistake.
        let shown = if path.contains(AT_SIGNS) { "…".to_owned() } else { path.escape_debug().to_string() };
        let content = self.files.read(path).map_err(|error| match error {
            FileError::InLayer => self.not_known(shown.clone()),
            FileError::Unreadable(error) => {
                self.problem(variable, format!("names the file `{shown}`, which can't be read: {error}"))
            }
        })?;
        // An operator who wants no list sets none, so a file without an entry is a mistake.
        if content.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(self.problem(variable, format!("names the file `{shown}`, which has no entry")));
        }
        Ok(content)
    }

    fn not_known(&self, path: String) -> Noted {
        self.in_layer.borrow_mut().push(path);
        Noted(())
    }

    /// The settings, if all of them are valid and known.
    ///
    /// # Errors
    /// All problems, or the files that can't be read here.
    pub fn finish<T>(self, value: Result<T, Noted>) -> Result<T, ConfigError> {
        let (problems, in_layer) = (self.problems.into_inner(), self.in_layer.into_inner());
        match value {
            Ok(value) if problems.is_empty() && in_layer.is_empty() => Ok(value),
            _ if problems.is_empty() => Err(ConfigError::NotKnown(in_layer)),
            _ => Err(ConfigError::Invalid(problems)),
        }
    }

    /// `LOG_LEVEL`.
    ///
    /// # Errors
    /// If it is not a level.
    pub fn log_level(&self) -> Result<LogLevel, Noted> {
        let parse = |text: &str| LogLevel::lookup(text).ok_or("must be `error`, `warn`, `info` or `debug`");
        Ok(self.optional("LOG_LEVEL", parse)?.unwrap_or_default())
    }

    /// `METRICS_NAMESPACE`, which the template sets to the stack's name.
    ///
    /// CloudWatch drops a metrics line with an invalid namespace without an error.
    /// Source: "`MetricDatum`" and "`PutMetricData`", Amazon CloudWatch API reference.
    ///
    /// # Errors
    /// If CloudWatch would drop it.
    pub fn metrics_namespace(&self) -> Result<String, Noted> {
        let namespace = self.optional("METRICS_NAMESPACE", |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
            if text.len() <= 255 && text.bytes().all(valid) && !text.starts_with("AWS/") {
                Ok(text.to_owned())
            } else {
                Err("must be up to 255 letters, digits and `.-_/#:`, and must not begin with `AWS/`")
            }
        });
        Ok(namespace?.unwrap_or_else(|| "cognito-triggers".to_owned()))
    }

    /// `OBSERVABILITY`.
    ///
    /// # Errors
    /// If it is no value of the template's parameter.
    pub fn observability(&self) -> Result<Observability, Noted> {
        let parse =
            |text: &str| Observability::parse(text).ok_or("must be `minimal`, `full` or `full-with-traces`");
        Ok(self.optional("OBSERVABILITY", parse)?.unwrap_or_default())
    }

    /// `ALLOWED_EMAIL_DOMAINS`.
    ///
    /// # Errors
    /// If an entry is invalid, or covers domains of other people.
    pub fn allowed_domains(&self) -> Result<DomainAllowlist, Noted> {
        self.domains(ALLOWED_EMAIL_DOMAINS, DomainAllowlist::parse)
    }

    /// `DENIED_EMAIL_DOMAINS`.
    ///
    /// # Errors
    /// If an entry is invalid.
    pub fn denied_domains(&self) -> Result<DomainDenylist, Noted> {
        self.domains("DENIED_EMAIL_DOMAINS", DomainDenylist::parse)
    }

    /// All lists that block a domain: `DENIED_EMAIL_DOMAINS`, and with `DENY_DISPOSABLE_EMAIL` the list of disposable
    /// mailboxes without `DISPOSABLE_EMAIL_EXCEPTIONS`.
    ///
    /// # Errors
    /// If an entry is invalid.
    pub fn blocked_domains(&self) -> Result<BlockedDomains, Noted> {
        let denied = self.denied_domains();
        let enabled = self.flag("DENY_DISPOSABLE_EMAIL", false);
        let exceptions = self.domains("DISPOSABLE_EMAIL_EXCEPTIONS", DomainPatterns::parse);
        let disposable = DisposableDomains::new(enabled?, exceptions?);
        Ok(BlockedDomains { denied: denied?, disposable })
    }

    /// `SIGN_UP_MODE`.
    ///
    /// # Errors
    /// If it is none.
    pub fn sign_up_mode(&self) -> Result<SignUpMode, Noted> {
        Ok(self.optional(SIGN_UP_MODE, str::parse::<SignUpMode>)?.unwrap_or_default())
    }

    /// The problem of a closed pool without a list.
    fn closed_to_all(&self) -> Noted {
        let list = Variable(ALLOWED_EMAIL_DOMAINS);
        self.problem(SIGN_UP_MODE, format!("is `closed`, but {list} is empty: no user could sign up"))
    }

    /// Which addresses the senders send codes to. `ALLOWED_EMAIL_DOMAINS` matters only in a closed pool.
    ///
    /// # Errors
    /// If a list is invalid, or the pool is closed to all users.
    pub fn recipient_policy(&self) -> Result<RecipientPolicy, Noted> {
        let denied = self.blocked_domains();
        let mode = self.sign_up_mode();
        let has_list = self.text(ALLOWED_EMAIL_DOMAINS).is_some();
        let closed_to = match mode? {
            SignUpMode::Open | SignUpMode::Review => None,
            SignUpMode::Closed if !has_list => return Err(self.closed_to_all()),
            SignUpMode::Closed => {
                Some(self.domains(ALLOWED_EMAIL_DOMAINS, DomainAllowlist::parse_unchecked)?)
            }
        };
        Ok(RecipientPolicy { denied: denied?, closed_to })
    }

    fn domains<T>(&self, variable: &str, parse: impl Fn(&str) -> Result<T, Vec<String>>) -> Result<T, Noted> {
        parse(&self.list(variable)?).map_err(|problems| self.problem(variable, problems.join(", ")))
    }

    /// `SMS_ALLOWED_COUNTRIES`.
    ///
    /// # Errors
    /// If an entry is invalid, or there is none.
    pub fn allowed_countries(&self) -> Result<CountryAllowlist, Noted> {
        const NAME: &str = "SMS_ALLOWED_COUNTRIES";
        self.list(NAME)?.parse::<CountryAllowlist>().map_err(|error| self.problem(NAME, error))
    }

    /// Hashes with `RECIPIENT_HASH_KEY`, or with `random`, which must be new for each process.
    #[must_use]
    pub fn recipient_hasher(&self, random: &[u8; 32]) -> RecipientHasher {
        let key = self.text("RECIPIENT_HASH_KEY");
        RecipientHasher::new(key.as_deref().map_or(random.as_slice(), str::as_bytes))
    }
}

/// A name of up to 64 letters, digits, `_` and `-`, as configuration sets have it.
fn configuration_set(text: &str) -> Result<String, &'static str> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if text.len() <= 64 && text.bytes().all(valid) {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a configuration set: up to 64 letters, digits, `_` and `-`")
    }
}

/// Reads settings from variables. All files are in a layer.
#[cfg(test)]
pub(crate) fn read_variables<T>(
    variables: &[(&str, &str)],
    read: impl FnOnce(&Settings<'_>) -> Result<T, Noted>,
) -> Result<T, String> {
    let lookup =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let settings = Settings::new(&lookup, &InLayer);
    let value = read(&settings);
    settings.finish(value).map_err(|error| error.to_string())
}

/// The code of a Region.
fn region(text: &str) -> Result<String, &'static str> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.bytes().all(valid) {
        Ok(text.to_owned())
    } else {
        Err("must be the code of a Region, such as eu-central-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageSettings;

    struct TestFiles;

    impl Files for TestFiles {
        fn read(&self, path: &str) -> Result<String, FileError> {
            match path {
                "empty.txt" => Ok("# nothing\n\n".to_owned()),
                "denied.txt" => Ok("evil.example\n# a comment\n*.evil.example\n".to_owned()),
                "/opt/denied.txt" => Err(FileError::InLayer),
                _ => Err(FileError::Unreadable("no such file".to_owned())),
            }
        }

        fn read_templates(&self, _folder: &str) -> Result<BTreeMap<String, String>, FileError> {
            Err(FileError::InLayer)
        }
    }

    fn read(variables: &[(&str, &str)]) -> Result<(), ConfigError> {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let settings = Settings::new(&lookup, &TestFiles);
        let message = MessageSettings::read(&settings).map(drop);
        let flag = settings.flag("AUTO_VERIFY_PHONE", false).map(drop);
        let allowed = settings.allowed_domains().map(drop);
        let blocked = settings.blocked_domains().map(drop);
        settings.finish(message.and(flag).and(allowed).and(blocked))
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Result<(), &str>) {
        let result = read(variables).map_err(|error| error.to_string());
        assert_eq!(result, expected.map_err(str::to_owned));
    }

    #[test]
    fn one_error_reports_all_problems() {
        check(&[("BRAND_NAME", "Acme")], Ok(()));
        check(&[("BRAND_NAME", "Acme"), ("DENIED_EMAIL_DOMAINS", "file:denied.txt")], Ok(()));
        check(&[], Err("BRAND_NAME (parameter BrandName) is not set"));
        let suffix =
            "is a public suffix under which anyone can register a domain, so list single domains instead";
        let expected = [
            "BRAND_NAME (parameter BrandName) is not set",
            "DEFAULT_LOCALE (DefaultLocale in MoreSettings) must be `de`, `en` or `ja`",
            "AUTO_VERIFY_PHONE (AutoVerifyPhone in MoreSettings) must be `true` or `false`",
            &format!("ALLOWED_EMAIL_DOMAINS (parameter AllowedEmailDomains) entry 1 `*.com` {suffix}"),
            "DENIED_EMAIL_DOMAINS (parameter DeniedEmailDomains) names the file `absent.txt`, which can't be read: \
             no such file",
            "DENY_DISPOSABLE_EMAIL (DenyDisposableEmail in MoreSettings) must be `true` or `false`",
            &format!(
                "DISPOSABLE_EMAIL_EXCEPTIONS (DisposableEmailExceptions in MoreSettings) entry 1 `evil` {suffix}"
            ),
        ];
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
            Err(&expected.join("; ")),
        );
    }

    #[test]
    fn a_file_without_an_entry_is_a_problem() {
        check(
            &[("BRAND_NAME", "Acme"), ("DENIED_EMAIL_DOMAINS", "file:empty.txt")],
            Err(
                "DENIED_EMAIL_DOMAINS (parameter DeniedEmailDomains) names the file `empty.txt`, which has no \
                 entry",
            ),
        );
    }

    #[test]
    fn a_list_in_a_layer_is_not_known_unless_another_setting_is_invalid() {
        let in_layer = ("DENIED_EMAIL_DOMAINS", "file:/opt/denied.txt");
        assert_eq!(
            read(&[("BRAND_NAME", "Acme"), in_layer]),
            Err(ConfigError::NotKnown(vec!["/opt/denied.txt".to_owned()]))
        );
        check(&[in_layer], Err("BRAND_NAME (parameter BrandName) is not set"));
    }

    #[test]
    fn more_settings_are_read_like_variables() {
        let brand = ("BRAND_NAME", "Acme");
        let more = |text| read(&[brand, ("MORE_SETTINGS", text)]).map_err(|error| error.to_string());
        assert_eq!(more("AutoVerifyPhone=true"), Ok(()));
        assert_eq!(
            more("AutoVerifyPhone=yes").unwrap_err(),
            "AUTO_VERIFY_PHONE (AutoVerifyPhone in MoreSettings) must be `true` or `false`"
        );
        assert_eq!(
            more("AutoVerifyPhon=yes").unwrap_err(),
            "MORE_SETTINGS (parameter MoreSettings) entry 1 `AutoVerifyPhon` is not one of its settings"
        );
        let in_layer = read(&[brand, ("MORE_SETTINGS", "file:/opt/denied.txt")]);
        assert_eq!(in_layer, Err(ConfigError::NotKnown(vec!["/opt/denied.txt".to_owned()])));
    }

    #[test]
    fn an_error_names_variables_without_their_values() {
        let error = read(&[("ALLOWED_EMAIL_DOMAINS", "exa mple, ann@example.com")]).unwrap_err();
        assert_eq!(error.variables(), "BRAND_NAME, ALLOWED_EMAIL_DOMAINS");
    }

    #[test]
    fn a_brand_contains_no_markup_and_no_placeholder() {
        check(
            &[("BRAND_NAME", "{####}")],
            Err("BRAND_NAME (parameter BrandName) must not contain braces or angle brackets"),
        );
        check(
            &[("BRAND_NAME", "Ac\u{200b}me")],
            Err("BRAND_NAME (parameter BrandName) must not contain control or invisible characters"),
        );
    }

    #[test]
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is for one lifetime of settings"
    )]
    fn a_namespace_that_cloudwatch_drops_is_invalid() {
        for (namespace, accepted) in
            [("stack-1", true), ("", true), ("AWS/Lambda", false), ("my stack", false), ("a\"b", false)]
        {
            let variables = [("METRICS_NAMESPACE", namespace)];
            assert_eq!(read_variables(&variables, |settings| settings.metrics_namespace()).is_ok(), accepted);
        }
    }
}
