//! Numbers in sentences.

use std::fmt::Display;

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
}
