//! Lists of email domains that are trusted or denied.
//!
//! Trust is strict: only the exact spelling of a listed domain is trusted. Denial is forgiving: an unusual spelling of
//! a denied domain is still denied, and so is every domain below it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::address::{AT_SIGNS, EmailAddress, EmailDomain, domains_of};
use crate::disposable::{is_listed, list_date};

/// One entry of a list: `example.com` is that domain alone, `*.example.com` any depth below it but not itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainPattern {
    domain: EmailDomain,
    below: bool,
}

/// Why a text is not a valid pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text contains an `@`, also full-width or small: it is most likely an address, which must not be shown.
    #[error("is an email address, not a domain")]
    Address,
    /// Neither a domain name nor `*.` and a domain name.
    #[error("is not a domain such as `example.com` or `*.example.com`")]
    NotADomain,
    /// The pattern would cover domains of other owners.
    #[error("is a public suffix under which anyone can register a domain, so list single domains instead")]
    PublicSuffix,
}

impl DomainPattern {
    /// Whether the domain is covered. Compares whole labels.
    #[must_use]
    pub fn matches(&self, domain: &EmailDomain) -> bool {
        if self.below { domain.is_below(&self.domain) } else { self.domain == *domain }
    }

    /// Whether a denial of the pattern concerns the domain: also one below a denied domain, because the owner of a domain
    /// owns all names below it.
    fn denies(&self, domain: &EmailDomain) -> bool {
        self.matches(domain) || domain.is_below(&self.domain)
    }

    /// Whether anyone can register names under it: `co.uk`, `*.github.io`.
    ///
    /// A private suffix itself may be listed, because that exact domain belongs to its operator.
    fn is_public_suffix(&self) -> bool {
        let is_suffix = |name: &str, private: bool| {
            psl::suffix(name.as_bytes()).is_some_and(|suffix| {
                suffix.as_bytes() == name.as_bytes() && (private || suffix.typ() != Some(psl::Type::Private))
            })
        };
        // Some suffixes are listed as a wildcard: every name directly below `kawasaki.jp` is one.
        is_suffix(self.domain.as_str(), self.below)
            || (self.below && is_suffix(&format!("x.{}", self.domain), true))
    }

    fn is_public_mailbox_provider(&self) -> bool {
        PUBLIC_MAILBOX_PROVIDERS.contains(&self.domain.as_str())
    }
}

impl FromStr for DomainPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.contains(AT_SIGNS) {
            return Err(PatternError::Address);
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        // `*`, `com` and `*.com` have no second label, so they get their own error before the form is checked.
        if text == "*" || (!name.contains(['.', '*']) && EmailDomain::strict(&format!("a.{name}")).is_some())
        {
            return Err(PatternError::PublicSuffix);
        }
        let domain = EmailDomain::strict(name).ok_or(PatternError::NotADomain)?;
        Ok(Self { domain, below })
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", if self.below { "*." } else { "" }, self.domain)
    }
}

/// Patterns. An empty list covers no domain, and no entry covers all domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DomainList(BTreeSet<DomainPattern>);

/// Patterns of the exceptions from a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainPatterns(DomainList);

/// The domains whose users are confirmed without a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainAllowlist(DomainList);

/// The domains that may neither sign up nor receive a message, with all domains below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainDenylist(DomainList);

impl DomainList {
    /// Reads patterns separated by commas, spaces or line ends. A `#` at the start of a line makes it a comment.
    fn parse(
        text: &str,
        accept: impl Fn(&DomainPattern) -> Result<(), PatternError>,
    ) -> Result<Self, Vec<String>> {
        let mut patterns = BTreeSet::new();
        let mut problems = Vec::new();
        let entries = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split([',', ' ', '\t']))
            .filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let position = index.saturating_add(1);
            let pattern = entry.parse().and_then(|pattern| accept(&pattern).map(|()| pattern));
            match pattern {
                Ok(pattern) => {
                    patterns.insert(pattern);
                }
                Err(PatternError::Address) => {
                    problems.push(format!("entry {position} {}", PatternError::Address));
                }
                // Digits that are no domain may be a phone number, which must not be shown.
                Err(error @ PatternError::NotADomain) if entry.contains(char::is_numeric) => {
                    problems.push(format!("entry {position} {error}"));
                }
                Err(error) => problems.push(format!("entry {position} `{}` {error}", entry.escape_debug())),
            }
        }
        if problems.is_empty() { Ok(Self(patterns)) } else { Err(problems) }
    }

    fn find(&self, domain: &EmailDomain) -> Option<&DomainPattern> {
        self.0.iter().find(|pattern| pattern.matches(domain))
    }
}

impl DomainPatterns {
    /// Reads patterns as [`DomainDenylist::parse`] does.
    ///
    /// # Errors
    /// One sentence for each entry that is not a valid pattern, with its position.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        DomainList::parse(text, |_| Ok(())).map(Self)
    }

    /// The pattern that covers this domain.
    #[must_use]
    pub fn find(&self, domain: &EmailDomain) -> Option<&DomainPattern> {
        self.0.find(domain)
    }
}

impl DomainAllowlist {
    /// Reads patterns separated by commas, spaces or line ends. A `#` at the start of a line makes it a comment.
    ///
    /// # Errors
    /// One sentence for each entry that is not a valid pattern or covers domains of other owners, with its position.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let accept = |pattern: &DomainPattern| {
            if pattern.is_public_suffix() { Err(PatternError::PublicSuffix) } else { Ok(()) }
        };
        DomainList::parse(text, accept).map(Self)
    }

    /// Reads a list that [`Self::parse`] accepts, without checking whether it covers domains of other people.
    ///
    /// The list of public suffixes has 1 MB, so only pre-sign-up links it. With a list that it rejects, it doesn't
    /// start, and no user signs up.
    ///
    /// # Errors
    /// One sentence for each entry that is no valid pattern, with its position.
    pub fn parse_unchecked(text: &str) -> Result<Self, Vec<String>> {
        DomainList::parse(text, |_| Ok(())).map(Self)
    }

    /// The pattern that trusts this address, if it is one plain address in a listed domain.
    #[must_use]
    pub fn trusts(&self, address: &str) -> Option<&DomainPattern> {
        if self.is_empty() {
            return None;
        }
        let address: EmailAddress = address.parse().ok()?;
        // A trusted address is a plain dot-atom. Delivery also accepts consecutive and outer dots.
        if !address.has_dot_atom() {
            return None;
        }
        let domain = address.domain();
        self.0.0.iter().find(|pattern| {
            // An exact entry is the operator's own spelling. Below a wildcard, a label of symbols can be read in two ways.
            pattern.matches(domain) && (!pattern.below || domain.is_idna_2008())
        })
    }

    /// Whether no domain is trusted at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// The listed domains in which anyone can get a mailbox, so that all users are trusted.
    pub fn public_mailbox_providers(&self) -> impl Iterator<Item = &DomainPattern> {
        self.0.0.iter().filter(|pattern| pattern.is_public_mailbox_provider())
    }
}

/// Why a denylist denies an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'a> {
    /// The domain is on the list.
    Listed(&'a DomainPattern),
    /// The domain is on the list of disposable mailboxes.
    Disposable,
    /// The text can't be parsed as an address, so it might hide a denied domain.
    Unreadable,
}

impl Denial<'_> {
    /// The reason, without personal data.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Listed(_) => "the email domain is on DENIED_EMAIL_DOMAINS (parameter DeniedEmailDomains)",
            Self::Disposable => concat!("the email domain is on the disposable email list of ", list_date!()),
            Self::Unreadable => {
                "the email address can't be parsed, and DENIED_EMAIL_DOMAINS or DENY_DISPOSABLE_EMAIL is set"
            }
        }
    }
}

impl DomainDenylist {
    /// Reads patterns as [`DomainAllowlist::parse`] does. Suffixes such as `co.uk` may be denied, `*` and whole
    /// top-level domains may not.
    ///
    /// # Errors
    /// One sentence for each entry that is not a valid pattern, with its position.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut list = DomainList::parse(text, |_| Ok(()))?;
        let older: Vec<_> = list
            .0
            .iter()
            .filter_map(|pattern| {
                Some(DomainPattern { domain: pattern.domain.idna_2003()?, ..pattern.clone() })
            })
            .collect();
        list.0.extend(older);
        Ok(Self(list))
    }

    /// Why this address is denied, if it is.
    #[must_use]
    pub fn denies(&self, address: &str) -> Option<Denial<'_>> {
        if self.0.0.is_empty() {
            return None;
        }
        match domains_of(address) {
            Some(mut domains) => domains
                .find_map(|domain| self.0.0.iter().find(|pattern| pattern.denies(&domain)))
                .map(Denial::Listed),
            None => Some(Denial::Unreadable),
        }
    }
}

/// Whether users with a disposable mailbox are denied, and the exceptions. By default no user is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisposableDomains {
    enabled: bool,
    exceptions: DomainPatterns,
}

impl DisposableDomains {
    /// Denies the listed domains and all domains below them, except those that `exceptions` cover.
    #[must_use]
    pub fn new(enabled: bool, exceptions: DomainPatterns) -> Self {
        Self { enabled, exceptions }
    }

    /// Whether the list is used at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Why this address is denied, if it is. Parses it as [`DomainDenylist::denies`] does.
    #[must_use]
    pub fn denies(&self, address: &str) -> Option<Denial<'_>> {
        if !self.enabled {
            return None;
        }
        match domains_of(address) {
            Some(mut domains) => domains
                .any(|domain| is_listed(&domain) && self.exceptions.find(&domain).is_none())
                .then_some(Denial::Disposable),
            None => Some(Denial::Unreadable),
        }
    }
}

/// All lists that deny an address: it can't sign up, and no message goes to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedDomains {
    /// The operator's own list.
    pub denied: DomainDenylist,
    /// The list of disposable mailboxes.
    pub disposable: DisposableDomains,
}

impl BlockedDomains {
    /// Why this address is denied, if it is. The operator's own list comes first.
    #[must_use]
    pub fn denies(&self, address: &str) -> Option<Denial<'_>> {
        self.denied.denies(address).or_else(|| self.disposable.denies(address))
    }
}

/// Providers that give anyone a mailbox: start-up warns if one is on the allowlist.
const PUBLIC_MAILBOX_PROVIDERS: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "bk.ru",
    "daum.net",
    "docomo.ne.jp",
    "duck.com",
    "ezweb.ne.jp",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "i.softbank.jp",
    "icloud.com",
    "inbox.ru",
    "laposte.net",
    "libero.it",
    "list.ru",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "mailinator.com",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.jp",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rediffmail.com",
    "seznam.cz",
    "softbank.ne.jp",
    "t-online.de",
    "tuta.com",
    "tutanota.com",
    "web.de",
    "wp.pl",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.fr",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowlist(text: &str) -> DomainAllowlist {
        DomainAllowlist::parse(text).unwrap()
    }

    #[track_caller]
    fn check(list: &str, address: &str, trusted: bool) {
        assert_eq!(allowlist(list).trusts(address).is_some(), trusted, "{address} with {list}");
    }

    #[test]
    fn an_exact_pattern_trusts_that_domain_alone() {
        check("example.com", "ann@example.com", true);
        check("example.com", "Ann@EXAMPLE.Com", true);
        check("Example.COM", "ann@example.com", true);
        check("example.com", "ann@mail.example.com", false);
        check("example.com", "ann@notexample.com", false);
        check("example.com", "ann@example.com.evil.example", false);
        check("example.com", "ann@example.org", false);
    }

    #[test]
    fn a_wildcard_trusts_every_depth_below_but_not_the_domain_itself() {
        check("*.example.com", "ann@mail.example.com", true);
        check("*.example.com", "ann@a.b.example.com", true);
        check("*.example.com", "ann@example.com", false);
        check("*.example.com", "ann@evilexample.com", false);
    }

    #[test]
    fn an_empty_list_trusts_no_address() {
        check("", "ann@example.com", false);
        check(" , ,\n# example.com\n", "ann@example.com", false);
    }

    #[test]
    fn both_spellings_of_an_internationalized_domain_are_equal() {
        for list in ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "XN--BCHER-KVA.example"] {
            for domain in
                ["bücher.example", "xn--bcher-kva.example", "BÜCHER.EXAMPLE", "Xn--Bcher-Kva.example"]
            {
                check(list, &format!("ann@{domain}"), true);
            }
        }
        check("*.bücher.example", "ann@post.xn--bcher-kva.example", true);
    }

    #[test]
    fn unusual_spellings_are_not_trusted() {
        for address in [
            "ann@ｅｘａｍｐｌｅ.com",
            "ann@exam\u{200b}ple.com",
            "ann@exam\u{200d}ple.com",
            "ann@exam\u{ad}ple.com",
            "ann@\u{feff}example.com",
            "ann@example.com\u{202e}",
            "ann@example。com",
            "ann@example．com",
            "ann@eⓧample.com",
            "ann@ex𝐚mple.com",
            "ann@exаmple.com",
            "ann@example.com.",
            "ann@example.com ",
            "ann@example.com\n",
            "ann@example.com\0",
            "ann@[example.com]",
            "ann@example.com@evil.example",
            "ann@evil.example,ann@example.com",
            "ann@evil.example ann@example.com",
            "\"ann@evil.example\"@example.com",
            "\"ann\"@example.com",
            "(x)ann@example.com",
            "@evil.example:ann@example.com",
            "<ann@example.com>",
            "Ann <ann@example.com>",
            "ann..x@example.com",
            ".ann@example.com",
            "ann.@example.com",
            "@example.com",
            "example.com",
            "änn@example.com",
        ] {
            check("example.com", address, false);
        }
        // KELVIN SIGN lower-cases to k, LATIN SMALL LETTER LONG S upper-cases to S.
        check("kiosk.example", "ann@\u{212a}iosk.example", false);
        check("kiosk.example", "ann@kio\u{17f}k.example", false);
        check("bücher.example", "ann@bu\u{308}cher.example", false);
        check("straße.example", "ann@strasse.example", false);
        check("strasse.example", "ann@straße.example", false);
    }

    #[track_caller]
    fn check_denied(address: &str, denied: bool) {
        let list = DomainDenylist::parse("evil.example, *.evil.example").unwrap();
        assert_eq!(list.denies(address).is_some(), denied, "{address}");
    }

    #[test]
    fn an_unusual_spelling_of_a_denied_domain_is_denied() {
        for address in [
            "ann@evil.example",
            "ann@EVIL.example.",
            "ann@ evil.example",
            "ann@ｅvil.example",
            "ann@ev\u{200b}il.example",
            "ann@evil。example",
            "\"a@b\"@evil.example",
            "ann@mail.evil.example..",
            "ann@evil.example (comment)",
            "Ann <ann@evil.example>",
            "a@example.com,b@evil.example",
            "no address",
            "ann@[192.0.2.1]",
        ] {
            check_denied(address, true);
        }
        check_denied("ann@example.com", false);
        check_denied("ann@notevil.example", false);
    }

    #[test]
    fn both_ways_of_reading_a_sharp_s_are_denied() {
        for (entry, address) in [
            ("strasse.example", "ann@straße.example"),
            ("straße.example", "ann@strasse.example"),
            ("faß.example", "ann@FASS.example"),
        ] {
            let list = DomainDenylist::parse(entry).unwrap();
            assert!(matches!(list.denies(address), Some(Denial::Listed(_))), "{address} with {entry}");
        }
    }

    #[test]
    fn a_wildcard_trusts_no_label_that_only_uts_46_admits() {
        for domain in
            ["evil.com≠.example.com", "xn--evil-9q7b.example.com", "i❤.example.com", "a√.b.example.com"]
        {
            check("*.example.com", &format!("ann@{domain}"), false);
            assert!(
                DomainDenylist::parse("*.example.com").unwrap().denies(&format!("ann@{domain}")).is_some()
            );
        }
        // As the operator spells it, and as people write their languages.
        check("i❤.example.com", "ann@i❤.example.com", true);
        for label in ["bücher", "straße", "दिल्ली", "ไทยแลนด์", "中國", "مثال", "παράδειγμα", "l·l", "a-1"]
        {
            check("*.example.com", &format!("ann@{label}.example.com"), true);
        }
    }

    #[test]
    fn a_denied_domain_is_denied_with_all_domains_below_it() {
        let denied =
            |list: &str, address: &str| DomainDenylist::parse(list).unwrap().denies(address).is_some();
        for address in
            ["ann@evil.example", "ann@mail.evil.example", "ann@a.b.evil.example", "ann@m．evil.example."]
        {
            assert!(denied("evil.example", address), "{address}");
        }
        for address in ["ann@notevil.example", "ann@evil.example.com", "ann@example.com"] {
            assert!(!denied("evil.example", address), "{address}");
        }
        assert!(denied("straße.example", "ann@mail.strasse.example"));
        assert!(!denied("*.evil.example", "ann@evil.example"), "a wildcard is what is below only");
        assert!(denied("co.uk", "ann@example.co.uk"));
        check("example.com", "ann@mail.example.com", false);
    }

    #[test]
    fn an_empty_denylist_denies_no_address() {
        assert_eq!(DomainDenylist::default().denies("no address"), None);
    }

    #[track_caller]
    fn check_invalid(entry: &str, expected: PatternError) {
        assert_eq!(entry.parse::<DomainPattern>(), Err(expected), "{entry}");
    }

    #[track_caller]
    fn check_suffix(entry: &str, allowed: bool, denied: bool) {
        assert_eq!(DomainAllowlist::parse(entry).is_ok(), allowed, "{entry}");
        assert_eq!(DomainDenylist::parse(entry).is_ok(), denied, "{entry}");
    }

    #[test]
    fn patterns_that_cover_domains_of_other_people_are_invalid() {
        for entry in ["*", "*.com", "com", "*.de", "*.xn--p1ai", "*.рф", "*.example"] {
            check_suffix(entry, false, false);
        }
        for entry in
            ["*.co.uk", "co.uk", "*.github.io", "*.kawasaki.jp", "*.sch.uk", "*.compute.amazonaws.com"]
        {
            check_suffix(entry, false, true);
        }
        for entry in ["github.io", "city.kawasaki.jp", "*.city.kawasaki.jp", "*.example.com", "*.bbc.co.uk"] {
            check_suffix(entry, true, true);
        }
    }

    #[test]
    fn texts_that_are_no_domain_are_invalid() {
        for entry in [
            "*.",
            "**",
            "a*.example.com",
            "*example.com",
            "example.com.",
            "exa mple.com",
            "192.0.2.1",
            "-a.com",
            "ｅxample.com",
        ] {
            check_invalid(entry, PatternError::NotADomain);
        }
        check_invalid("ann@example.com", PatternError::Address);
        check_invalid("ann\u{ff20}example.com", PatternError::Address);
    }

    #[test]
    fn every_problem_of_a_list_is_reported_and_no_address_is_shown() {
        assert_eq!(
            DomainAllowlist::parse("example.com, *, ann@example.com\n*.com"),
            Err(vec![
                "entry 2 `*` is a public suffix under which anyone can register a domain, so list single domains instead".to_owned(),
                "entry 3 is an email address, not a domain".to_owned(),
                "entry 4 `*.com` is a public suffix under which anyone can register a domain, so list single domains instead".to_owned(),
            ])
        );
    }

    #[test]
    fn a_public_mailbox_provider_on_the_allowlist_is_found() {
        let list = allowlist("example.com, gmail.com");
        let found: Vec<_> = list.public_mailbox_providers().map(ToString::to_string).collect();
        assert_eq!(found, ["gmail.com"]);
    }

    fn disposable(exceptions: &str) -> DisposableDomains {
        DisposableDomains::new(true, DomainPatterns::parse(exceptions).unwrap())
    }

    #[track_caller]
    fn check_disposable(exceptions: &str, address: &str, expected: Option<Denial<'_>>) {
        assert_eq!(disposable(exceptions).denies(address), expected, "{address}");
    }

    #[test]
    fn a_listed_domain_and_what_is_below_it_is_denied() {
        check_disposable("", "ann@mailinator.com", Some(Denial::Disposable));
        check_disposable("", "ann@a.b.mailinator.com", Some(Denial::Disposable));
        check_disposable("", "ann@unlikemailinator.com", None);
        check_disposable("", "ann@mailinator.com.example", None);
        check_disposable("", "ann@example.com", None);
    }

    #[test]
    fn an_unusual_spelling_of_a_disposable_domain_is_denied() {
        for address in [
            "ann@MAILINATOR.com.",
            "ann@ mailinator.com",
            "ann@ｍailinator.com",
            "ann@mail\u{200b}inator.com",
            "ann@mailinator。com",
            "\"a@b\"@mailinator.com",
            "Ann <ann@example.com>, ann@mailinator.com",
            "no address",
        ] {
            assert!(disposable("").denies(address).is_some(), "{address}");
        }
    }

    #[test]
    fn an_exception_covers_what_its_pattern_covers() {
        check_disposable("mailinator.com", "ann@mailinator.com", None);
        check_disposable("mailinator.com", "ann@MAILINATOR.com.", None);
        check_disposable("mailinator.com", "ann@a.mailinator.com", Some(Denial::Disposable));
        check_disposable("*.mailinator.com", "ann@a.mailinator.com", None);
        check_disposable("*.mailinator.com", "ann@mailinator.com", Some(Denial::Disposable));
    }

    #[test]
    fn an_unused_list_denies_no_address() {
        assert_eq!(DisposableDomains::default().denies("ann@mailinator.com"), None);
        assert_eq!(DisposableDomains::default().denies("no address"), None);
        assert_eq!(BlockedDomains::default().denies("no address"), None);
    }

    #[test]
    fn each_list_denies_independently() {
        let denied = DomainDenylist::parse("evil.example, mailinator.com").unwrap();
        let both = BlockedDomains { denied: denied.clone(), disposable: disposable("mailinator.com") };
        assert!(matches!(both.denies("ann@evil.example"), Some(Denial::Listed(_))));
        assert!(
            matches!(both.denies("ann@mailinator.com"), Some(Denial::Listed(_))),
            "no exception from here"
        );
        assert_eq!(both.denies("ann@guerrillamail.com"), Some(Denial::Disposable));
        assert_eq!(both.denies("ann@example.com"), None);
        let own = BlockedDomains { denied, ..BlockedDomains::default() };
        assert_eq!(own.denies("ann@guerrillamail.com"), None);
        let other = BlockedDomains { disposable: disposable(""), ..BlockedDomains::default() };
        assert_eq!(other.denies("no address"), Some(Denial::Unreadable));
    }

    proptest! {
        #[test]
        fn disposable_domains_never_panic(text in ".*") {
            let _ = disposable("").denies(&text);
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = text.parse::<DomainPattern>();
            let _ = allowlist("example.com").trusts(&text);
            let _ = DomainDenylist::default().denies(&text);
        }

        #[test]
        fn trust_needs_the_ascii_name_of_the_domain_after_the_only_at(text in "[a-c.\"@<,\u{200b}ａA]{0,6}@?[a-cA.@\u{ad}ｅ]{0,3}example\\.com[.a@ ]{0,1}") {
            if allowlist("example.com, *.example.com").trusts(&text).is_some() {
                let lower = text.to_ascii_lowercase();
                prop_assert!(text.is_ascii());
                let (_, domain) = lower.split_once('@').unwrap();
                prop_assert!(domain == "example.com" || domain.ends_with(".example.com"));
                prop_assert!(!domain.contains('@'));
            }
        }

        #[test]
        fn a_denylist_denies_every_address_that_the_same_allowlist_trusts(text in "[a-z.]{1,5}@[a-zü.]{0,4}example\\.com") {
            let list = "example.com *.example.com";
            if allowlist(list).trusts(&text).is_some() {
                let denied = DomainDenylist::parse(list).unwrap();
                prop_assert!(matches!(denied.denies(&text), Some(Denial::Listed(_))));
            }
        }
    }
}
