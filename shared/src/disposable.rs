//! The built-in list of domains of disposable mailboxes.
//!
//! [`LIST_DATE`] is the day of the list, docs/sign-up-guard.md names its sources, and `tools/disposable_domains.py`
//! writes both files in `shared/data/`.

use std::cmp::Ordering;

use crate::address::EmailDomain;

/// The listed domains, one per line, in ascending byte order.
///
/// One text instead of an array, because each element would cost memory and a relocation at start-up.
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

/// How old the list may become before start-up warns, in days. The services change their domains every week, so a list
/// of last year misses most of them.
pub const LIST_LASTS_DAYS: u64 = 365;

/// The age of the list, in days. `now` is in seconds since 1970.
#[must_use]
pub fn list_age_days(now: u64) -> u64 {
    (now / (24 * 3_600)).saturating_sub(list_day())
}

/// Whether the domain or a parent of it is on the list. No entry is a public suffix, so all domains below an entry
/// belong to the same service.
pub(crate) fn is_listed(domain: &EmailDomain) -> bool {
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
        // The line around the middle: from the line feed before it to the one at or after it.
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
    use crate::address::domains_of;

    fn listed() -> impl Iterator<Item = EmailDomain> {
        DOMAINS
            .lines()
            .map(|line| EmailDomain::strict(line).or_else(|| EmailDomain::forgiving(line)).unwrap())
    }

    #[test]
    fn the_list_is_sorted_canonical_and_long() {
        let lines: Vec<_> = DOMAINS.lines().collect();
        assert!(lines.len() > 4_000);
        assert!(DOMAINS.ends_with('\n'));
        assert!(lines.is_sorted_by(|before, after| before < after));
        // Otherwise no parsed address could be equal to it.
        for line in lines {
            let domains: Vec<_> = domains_of(&format!("ann@{line}")).unwrap().collect();
            assert_eq!(domains.first().map(EmailDomain::as_str), Some(line));
            assert_eq!(domains.len(), 1, "{line} has another spelling in IDNA 2003");
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
            assert!(!is_listed(&EmailDomain::strict(provider).unwrap()), "{provider}");
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
    }

    #[test]
    fn every_line_is_found() {
        let found: BTreeSet<_> = DOMAINS.lines().filter(|line| has_line(DOMAINS, line)).collect();
        assert_eq!(found.len(), DOMAINS.lines().count());
    }
}
