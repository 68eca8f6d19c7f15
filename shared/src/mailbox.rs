//! The sender of an email as a header contains it: `Name <address>`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::address::EmailAddress;
use crate::text::has_forbidden_character;

/// An address with the name that email clients show.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: EmailAddress,
}

impl Mailbox {
    /// The address without the name.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.expose()
    }

    /// As SES accepts it: an ASCII name as a quoted string, any other name as MIME encoded words.
    ///
    /// SES accepts ASCII only; the address's domain is already in Punycode.
    /// Source: "Email format", Amazon SES developer guide; RFC 2047.
    #[must_use]
    pub fn header(&self) -> String {
        let address = self.address.expose();
        match &self.name {
            None => address,
            Some(name) if name.is_ascii() => {
                format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Some(name) => format!("{} <{address}>", encoded_words(name)),
        }
    }
}

impl FromStr for Mailbox {
    type Err = &'static str;

    // The error doesn't contain the value, because it may be an address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text),
        };
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        if name.chars().count() > MAX_NAME || has_forbidden_character(name) || name.contains(char::is_control)
        {
            return Err("must not have a name of more than 100 characters, or with an invisible character");
        }
        let address = address.parse().map_err(|_| "must be `Name <address>` or an address")?;
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mailbox(******)")
    }
}

/// The longest name, in characters: email clients show far less.
const MAX_NAME: usize = 100;
/// Most bytes of text in one encoded word, so that it stays below RFC 2047's 75 characters in base64.
const MAX_ENCODED: usize = 45;

fn encoded_words(text: &str) -> String {
    let mut words = vec![String::new()];
    for character in text.chars() {
        match words.last_mut() {
            Some(word) if word.len().saturating_add(character.len_utf8()) <= MAX_ENCODED => {
                word.push(character);
            }
            _ => words.push(character.to_string()),
        }
    }
    let words: Vec<_> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<Mailbox>().ok().map(|mailbox| mailbox.header()).as_deref(), expected);
    }

    #[test]
    fn a_name_and_an_address_become_a_header() {
        check("no-reply@example.com", Some("no-reply@example.com"));
        check("<no-reply@example.com>", Some("no-reply@example.com"));
        check("Acme <no-reply@example.com>", Some("\"Acme\" <no-reply@example.com>"));
        check("\"Acme, Inc.\" <no-reply@example.com>", Some("\"Acme, Inc.\" <no-reply@example.com>"));
        check("A\"c\\me <a@example.com>", Some("\"A\\\"c\\\\me\" <a@example.com>"));
        check("Bücher <a@bücher.example>", Some("=?UTF-8?B?QsO8Y2hlcg==?= <a@xn--bcher-kva.example>"));
    }

    #[test]
    fn long_names_are_split_between_characters() {
        let header = format!("{} <a@example.com>", "あ".repeat(40)).parse::<Mailbox>().unwrap().header();
        for word in header.split(' ').take(3) {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            assert!(String::from_utf8(STANDARD.decode(inner).unwrap()).is_ok());
        }
    }

    #[test]
    fn nothing_can_end_a_header_or_add_a_mailbox() {
        check("Acme\r\nBcc: x <a@example.com>", None);
        check("Acme <a@example.com>, b@example.com", None);
        check("Acme <a@example.com,b@example.com>", None);
        check("Acme", None);
        check("", None);
    }
}
