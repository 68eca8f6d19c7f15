//! Which language a message is written in, and why.

use std::fmt;

use crate::templates::LOCALES;

/// A language with templates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locale(&'static str);

/// The reason for the choice, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocaleReason {
    /// `clientMetadata.locale`.
    ClientMetadata,
    /// The user attribute `locale`.
    Attribute,
    /// `DEFAULT_LOCALE`, because there are no templates for the other two.
    Default,
}

impl LocaleReason {
    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientMetadata => "client-metadata",
            Self::Attribute => "attribute",
            Self::Default => "default",
        }
    }
}

impl Locale {
    /// Every language with templates.
    pub fn all() -> impl Iterator<Item = Self> {
        LOCALES.iter().map(|tag| Self(tag))
    }

    /// Their tags for an error message: "`de`, `en` or `ja`".
    #[must_use]
    pub fn names() -> String {
        let tags: Vec<_> = LOCALES.iter().map(|tag| format!("`{tag}`")).collect();
        match tags.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => tags.concat(),
        }
    }

    /// The BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.0
    }

    /// The direction of its script, for HTML's `dir` attribute.
    #[must_use]
    pub fn direction(self) -> &'static str {
        match self.0.split('-').next() {
            Some("ar" | "arc" | "ckb" | "dv" | "fa" | "he" | "ps" | "sd" | "ug" | "ur" | "yi") => "rtl",
            _ => "ltr",
        }
    }

    /// RFC 4647 lookup: the longest prefix of the requested tag with templates.
    ///
    /// POSIX spellings (`de_DE.UTF-8`) and lists (`de-AT,de;q=0.9`, of which the first counts) are accepted, because
    /// clients send whatever their platform calls a locale.
    #[must_use]
    pub fn lookup(wanted: &str) -> Option<Self> {
        let first = wanted.trim().split(['.', '@', ',', ';', ' ']).next()?;
        let mut tag = first.replace('_', "-").to_ascii_lowercase();
        let valid = tag.len() <= MAX_TAG
            && tag.split('-').all(|subtag| {
                (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !valid {
            return None;
        }
        loop {
            let find = |name: &str| LOCALES.iter().find(|locale| locale.eq_ignore_ascii_case(name));
            if let Some(locale) = find(&tag) {
                return Some(Self(locale));
            }
            // After an alias, nothing is cut off: `zh-TW` is `zh-Hant` or nothing, but cutting it off would give
            // `zh-Hans`.
            if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == tag) {
                return find(name).map(|locale| Self(locale));
            }
            let (mut front, _) = tag.rsplit_once('-')?;
            // A single letter only introduces the part that was just cut off.
            while let Some((shorter, last)) = front.rsplit_once('-') {
                if last.len() > 1 {
                    break;
                }
                front = shorter;
            }
            tag = front.to_owned();
        }
    }

    /// The language for one message: the client's choice, otherwise the user's attribute, otherwise the default.
    #[must_use]
    pub fn choose(
        client_metadata: Option<&str>,
        attribute: Option<&str>,
        default: Self,
    ) -> (Self, LocaleReason) {
        let find = |wanted: Option<&str>| wanted.and_then(Self::lookup);
        find(client_metadata)
            .map(|locale| (locale, LocaleReason::ClientMetadata))
            .or_else(|| find(attribute).map(|locale| (locale, LocaleReason::Attribute)))
            .unwrap_or((default, LocaleReason::Default))
    }
}

/// English, which always has templates (a test checks it).
impl Default for Locale {
    fn default() -> Self {
        Self("en")
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// Longer texts are not language tags: BCP 47 requires 35 characters, the rest is for extensions.
const MAX_TAG: usize = 64;

/// Tags for which cutting off finds no language, or a wrong one.
///
/// Chinese is chosen by script, which these regions imply (CLDR likely subtags); the others are old or more
/// specific names of the same language (IANA language subtag registry).
const ALIASES: &[(&str, &str)] = &[
    ("in", "id"),
    ("iw", "he"),
    ("ji", "yi"),
    ("no", "nb"),
    ("nn", "nb"),
    ("pt", "pt-BR"),
    ("tl", "fil"),
    ("zh", "zh-Hans"),
    ("zh-cn", "zh-Hans"),
    ("zh-hk", "zh-Hant"),
    ("zh-mo", "zh-Hant"),
    ("zh-sg", "zh-Hans"),
    ("zh-tw", "zh-Hant"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(wanted: &str, expected: Option<&str>) {
        assert_eq!(Locale::lookup(wanted).map(Locale::tag), expected, "{wanted}");
    }

    #[test]
    fn lookup_finds_the_longest_prefix() {
        check("de", Some("de"));
        check("de-AT", Some("de"));
        check("DE-at-1996", Some("de"));
        check("de-x-private", Some("de"));
        check("ja-JP-u-ca-japanese", Some("ja"));
        check("fr", None);
        check("d", None);
        check("dex", None);
    }

    #[test]
    fn spellings_of_platforms_are_understood() {
        check("de_DE.UTF-8", Some("de"));
        check("de_DE@euro", Some("de"));
        check(" ja_JP ", Some("ja"));
        check("de-AT,de;q=0.9,en", Some("de"));
        check("C", None);
        check("POSIX", None);
    }

    #[test]
    fn anything_else_is_no_language() {
        for wanted in
            ["", "-", "de-", "-de", "../../de", "de/../en", "de\0", "ｄe", "de--at", &"de-".repeat(40)]
        {
            check(wanted, None);
        }
    }

    #[test]
    fn the_client_comes_first_then_the_attribute_then_the_default() {
        let english = Locale::default();
        let choose = |client, attribute| {
            let (locale, reason) = Locale::choose(client, attribute, english);
            (locale.tag(), reason)
        };
        assert_eq!(choose(Some("de"), Some("ja")), ("de", LocaleReason::ClientMetadata));
        assert_eq!(choose(Some("tlh"), Some("ja")), ("ja", LocaleReason::Attribute));
        assert_eq!(choose(None, Some("")), ("en", LocaleReason::Default));
    }

    #[test]
    fn english_is_always_there() {
        assert!(Locale::all().any(|locale| locale == Locale::default()));
    }

    proptest! {
        #[test]
        fn lookup_never_panics(wanted in ".*|[a-zA-Z_.@-]{0,40}") {
            let _ = Locale::lookup(&wanted);
        }

        #[test]
        fn a_tag_that_is_there_is_found_whatever_follows(rest in "(-[a-z0-9]{1,8}){0,4}") {
            prop_assert_eq!(Locale::lookup(&format!("de{rest}")).map(Locale::tag), Some("de"));
        }
    }
}
