//! Disposable mailboxes: a list of their domains, and the one question that sign-up and sending ask of all lists.
//!
//! The list is part of the build: [`LIST_DATE`] says how old it is, docs/sign-up-guard.md where it comes from.
//! `tools/disposable_domains.py` writes both files in `shared/data/`.

use std::cmp::Ordering;

use crate::domain::{Denial, DomainDenylist, DomainPatterns, EmailDomain, domains_of};

/// The listed domains, one per line, in ascending byte order.
///
/// One text instead of an array, because each element would need memory and a relocation at start.
static DOMAINS: &str = include_str!("../data/disposable_domains.txt");

/// The day of the list as a literal, for `concat!`.
macro_rules! list_date {
    () => {
        include_str!("../data/disposable_domains_date.txt")
    };
}
pub(crate) use list_date;

/// The day of the list: `YYYY-MM-DD`.
pub const LIST_DATE: &str = list_date!();

/// The day of the list, in days since 1970-01-01.
fn list_day() -> u64 {
    let mut numbers = LIST_DATE.split('-').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0_u64);
    let (year, month, day) = (next(), next(), next());
    // Years that start in March end with their leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469
}

/// How old the list may become, in days, before start-up warns: services change their domains every week, so after
/// a year it misses most of them.
pub const LIST_LASTS_DAYS: u64 = 365;

/// How old the list is, in days. `now` is in seconds since 1970.
#[must_use]
pub fn list_age_days(now: u64) -> u64 {
    (now / (24 * 3_600)).saturating_sub(list_day())
}

/// Whether users with a disposable mailbox are denied, and where not. By default nobody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisposableDomains {
    enabled: bool,
    exceptions: DomainPatterns,
}

impl DisposableDomains {
    /// Denies the listed domains and what is below them, but for those that `exceptions` cover.
    #[must_use]
    pub fn new(enabled: bool, exceptions: DomainPatterns) -> Self {
        Self { enabled, exceptions }
    }

    /// Whether the list is used at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Why this address is denied, if it is. Reads it as [`DomainDenylist::denies`] does.
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

/// Every list that keeps an address out: of the pool, and of what is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedDomains {
    /// The operator's own list.
    pub denied: DomainDenylist,
    /// The list of disposable mailboxes.
    pub disposable: DisposableDomains,
}

impl BlockedDomains {
    /// Why this address is denied, if it is; the operator's own list has the first word.
    #[must_use]
    pub fn denies(&self, address: &str) -> Option<Denial<'_>> {
        self.denied.denies(address).or_else(|| self.disposable.denies(address))
    }
}

/// Whether the domain or a parent of it is on the list. No entry is a public suffix, so a parent that is listed
/// belongs to the service.
fn is_listed(domain: &EmailDomain) -> bool {
    let mut name = domain.as_str();
    loop {
        if has_line(DOMAINS, name) {
            return true;
        }
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => return false,
        }
    }
}

/// Whether the text has this line. All its lines end with a line feed and ascend by their bytes.
fn has_line(text: &str, wanted: &str) -> bool {
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low.midpoint(high);
        // The line around the middle: back to the line feed before it, on to the one at or behind it.
        let before = text.get(low..middle).and_then(|text| text.rfind('\n'));
        let start = before.map_or(low, |index| low + index + 1);
        let Some(line) = text.get(start..high).and_then(|text| text.split('\n').next()) else { return false };
        match line.cmp(wanted) {
            Ordering::Less => low = start + line.len() + 1,
            Ordering::Greater => high = start,
            Ordering::Equal => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn listed() -> impl Iterator<Item = EmailDomain> {
        DOMAINS
            .lines()
            .map(|line| EmailDomain::strict(line).or_else(|| EmailDomain::forgiving(line)).unwrap())
    }

    fn list(exceptions: &str) -> DisposableDomains {
        DisposableDomains::new(true, DomainPatterns::parse(exceptions).unwrap())
    }

    #[track_caller]
    fn check(exceptions: &str, address: &str, expected: Option<Denial<'_>>) {
        assert_eq!(list(exceptions).denies(address), expected, "{address}");
    }

    #[test]
    fn a_listed_domain_and_what_is_below_it_is_denied() {
        check("", "ann@mailinator.com", Some(Denial::Disposable));
        check("", "ann@a.b.mailinator.com", Some(Denial::Disposable));
        check("", "ann@unlikemailinator.com", None);
        check("", "ann@mailinator.com.example", None);
        check("", "ann@example.com", None);
    }

    #[test]
    fn the_first_and_the_last_line_are_found() {
        for line in [DOMAINS.lines().next(), DOMAINS.lines().last()] {
            check("", &format!("ann@{}", line.unwrap()), Some(Denial::Disposable));
        }
    }

    #[test]
    fn a_listed_domain_does_not_slip_through_by_odd_spelling() {
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
            assert!(list("").denies(address).is_some(), "{address}");
        }
    }

    #[test]
    fn an_exception_covers_what_its_pattern_says() {
        check("mailinator.com", "ann@mailinator.com", None);
        check("mailinator.com", "ann@MAILINATOR.com.", None);
        check("mailinator.com", "ann@a.mailinator.com", Some(Denial::Disposable));
        check("*.mailinator.com", "ann@a.mailinator.com", None);
        check("*.mailinator.com", "ann@mailinator.com", Some(Denial::Disposable));
    }

    #[test]
    fn a_list_that_is_not_used_denies_nobody() {
        assert_eq!(DisposableDomains::default().denies("ann@mailinator.com"), None);
        assert_eq!(DisposableDomains::default().denies("no address"), None);
        assert_eq!(BlockedDomains::default().denies("no address"), None);
    }

    #[test]
    fn each_list_denies_for_itself() {
        let denied = DomainDenylist::parse("evil.example, mailinator.com").unwrap();
        let both = BlockedDomains { denied: denied.clone(), disposable: list("mailinator.com") };
        assert!(matches!(both.denies("ann@evil.example"), Some(Denial::Listed(_))));
        assert!(
            matches!(both.denies("ann@mailinator.com"), Some(Denial::Listed(_))),
            "no exception from here"
        );
        assert_eq!(both.denies("ann@guerrillamail.com"), Some(Denial::Disposable));
        assert_eq!(both.denies("ann@example.com"), None);
        let own = BlockedDomains { denied, ..BlockedDomains::default() };
        assert_eq!(own.denies("ann@guerrillamail.com"), None);
        let other = BlockedDomains { disposable: list(""), ..BlockedDomains::default() };
        assert_eq!(other.denies("no address"), Some(Denial::Unreadable));
    }

    #[test]
    fn the_list_is_sorted_canonical_and_long() {
        let lines: Vec<_> = DOMAINS.lines().collect();
        assert!(lines.len() > 4_000);
        assert!(DOMAINS.ends_with('\n'));
        assert!(lines.is_sorted_by(|before, after| before < after));
        // Otherwise no reading of an address could ever be equal to it.
        for line in lines {
            let domains: Vec<_> = domains_of(&format!("ann@{line}")).unwrap().collect();
            assert_eq!(domains.first().map(EmailDomain::as_str), Some(line));
            assert_eq!(domains.len(), 1, "{line} is spelt otherwise by older readers");
        }
    }

    #[test]
    fn no_entry_is_a_public_suffix_or_an_ordinary_provider() {
        for domain in listed() {
            let name = domain.as_str();
            let suffix = psl::suffix(name.as_bytes()).unwrap();
            assert_ne!(suffix.as_bytes(), name.as_bytes(), "{name}");
        }
        for provider in ["gmail.com", "outlook.com", "icloud.com", "duck.com", "proton.me", "example.com"] {
            check("", &format!("ann@{provider}"), None);
        }
    }

    #[test]
    fn the_age_of_the_list_counts_from_its_date() {
        let day = 24 * 3_600;
        assert_eq!(list_age_days(0), 0);
        assert_eq!(list_age_days(list_day() * day), 0);
        assert_eq!(list_age_days((list_day() + 366) * day - 1), 365);
        let mut parts = LIST_DATE.split('-').map(|part| part.parse::<u64>().unwrap());
        let (year, month, date) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let leap =
            |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
        let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let months: u64 = lengths.iter().take(usize::try_from(month).unwrap() - 1).sum();
        assert_eq!(years + months + date - 1, list_day());
    }

    proptest! {
        #[test]
        fn searching_finds_exactly_the_lines(
            lines in proptest::collection::btree_set("[a-c.-]{1,4}", 0..20),
            wanted in "[a-c.-]{1,4}",
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            prop_assert_eq!(has_line(&text, &wanted), lines.contains(&wanted));
            prop_assert_eq!(lines.iter().filter(|line| !has_line(&text, line)).count(), 0);
        }

        #[test]
        fn asking_never_panics(text in ".*") {
            let _ = list("").denies(&text);
        }
    }

    #[test]
    fn every_line_is_found() {
        let found: BTreeSet<_> = DOMAINS.lines().filter(|line| has_line(DOMAINS, line)).collect();
        assert_eq!(found.len(), DOMAINS.lines().count());
    }
}
