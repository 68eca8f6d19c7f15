//! Commands that an operator pastes into a shell.

/// A word for a POSIX shell, quoted if necessary.
pub(crate) fn quote(word: &str) -> String {
    let safe = |character: char| character.is_ascii_alphanumeric() || "-_./:=@,+%".contains(character);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(
            quote("arn:aws:kms:eu-central-1:123456789012:key/1-2"),
            "arn:aws:kms:eu-central-1:123456789012:key/1-2"
        );
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's; $x"), r"'it'\''s; $x'");
        assert_eq!(quote(""), "''");
    }
}
