//! Numbers, durations and lists in sentences.

use std::fmt::Display;
use std::time::Duration;

/// A number with its noun: "1 entry", "2 entries", "0 days".
pub(crate) fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let singular = number == N::from(1);
    match noun.strip_suffix('y') {
        _ if singular => format!("{number} {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ if noun.ends_with('s') => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

/// A duration for people: whole minutes up to two hours, whole hours up to two days, then days.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() / 60 {
        minutes @ ..120 => format!("{minutes} min"),
        minutes @ ..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 60 / 24),
    }
}

/// A list: "a", "a and b", "a, b and c".
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.pop() {
        Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        last => last.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        for (number, noun, expected) in [
            (1, "grant", "1 grant"),
            (0, "grant", "0 grants"),
            (2, "day", "2 days"),
            (2, "entry", "2 entries"),
            (2, "address", "2 addresses"),
        ] {
            assert_eq!(count(number, noun), expected);
        }
    }

    #[test]
    fn times_are_in_whole_minutes_hours_or_days() {
        let minutes = |minutes: u64| duration(Duration::from_secs(60 * minutes + 59));
        assert_eq!([0, 119, 120, 2879, 2880].map(minutes), ["0 min", "119 min", "2 h", "47 h", "2 days"]);
    }

    #[test]
    fn a_list_has_one_and() {
        let names = ["a", "b", "c"];
        let expected = ["", "a", "a and b", "a, b and c"];
        assert_eq!([0, 1, 2, 3].map(|length| list(names.get(..length).unwrap_or_default())), expected);
    }
}
