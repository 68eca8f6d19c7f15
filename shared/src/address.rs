//! E-mail addresses: one plain address, or none.

use std::fmt;
use std::str::FromStr;

use crate::domain::EmailDomain;

/// Longest address that SMTP can carry in a path (RFC 5321, 4.5.3.1.3, less the angle brackets), in bytes.
const MAX_ADDRESS: usize = 254;
/// Longest local part (RFC 5321, 4.5.3.1.1), in bytes.
const MAX_LOCAL_PART: usize = 64;
/// The at sign, and the two that UTS #46 maps to it: what holds one is most likely an address and is not shown.
pub(crate) const AT_SIGNS: [char; 3] = ['@', '\u{fe6b}', '\u{ff20}'];

/// One plain e-mail address that can be handed to SES: an ASCII local part, `@`, a domain.
///
/// No display name, comment, quoted local part, route, list, white space or control character gets through, so
/// an address can neither name a second recipient nor end a header. SES accepts ASCII local parts only and wants
/// the domain in Punycode ("Email format", Amazon SES developer guide). Consecutive dots in the local part pass:
/// mailboxes of Japanese carriers have them.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    local_part: String,
    domain: EmailDomain,
}

/// The text is not one plain e-mail address. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not one plain e-mail address")]
pub struct NotOneAddress;

impl EmailAddress {
    /// The domain behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &EmailDomain {
        &self.domain
    }

    /// Whether the local part is an RFC 5322 dot-atom: no dot at its ends, no two dots in a row.
    pub(crate) fn has_dot_atom(&self) -> bool {
        self.local_part.split('.').all(|atom| !atom.is_empty())
    }

    /// The address with its domain in ASCII, for the one place that sends.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}@{}", self.local_part, self.domain)
    }
}

impl FromStr for EmailAddress {
    type Err = NotOneAddress;

    fn from_str(text: &str) -> Result<Self, NotOneAddress> {
        let (local_part, domain) = split(text).ok_or(NotOneAddress)?;
        if local_part.is_empty() || local_part.len() > MAX_LOCAL_PART || !local_part.chars().all(is_plain) {
            return Err(NotOneAddress);
        }
        let domain = EmailDomain::strict(domain).ok_or(NotOneAddress)?;
        let address = Self { local_part: local_part.to_owned(), domain };
        if address.expose().len() > MAX_ADDRESS { Err(NotOneAddress) } else { Ok(address) }
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(******)")
    }
}

/// Local part and domain of a text with exactly one `@` outside quotes.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let mut at = None;
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '@' if !quoted && at.replace(index).is_some() => return None,
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    let (local_part, rest) = text.split_at_checked(at?)?;
    Some((local_part, rest.strip_prefix('@')?))
}

/// RFC 5322 `atext` or a dot.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse().ok().map(|address: EmailAddress| address.expose()).as_deref(), expected);
    }

    #[test]
    fn one_plain_address_is_an_address() {
        check("ann@example.com", Some("ann@example.com"));
        check("Ann+tag@Example.COM", Some("Ann+tag@example.com"));
        check("o'hara..x.@mail.example.jp", Some("o'hara..x.@mail.example.jp"));
        check("ann@bücher.example", Some("ann@xn--bcher-kva.example"));
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "@",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "ann@example.com.",
            "ann@.example.com",
            "ann@example..com",
            "ann@[192.0.2.1]",
            "ann@192.0.2.1",
            "ann@example.com,bob@example.com",
            "ann@example.com;",
            "ann@example.com@example.org",
            "Ann <ann@example.com>",
            "<ann@example.com>",
            "\"ann\"@example.com",
            "\"ann@example.org\"@example.com",
            "ann(comment)@example.com",
            "ann@example.com(comment)",
            "@example.org:ann@example.com",
            "ann @example.com",
            " ann@example.com",
            "ann@example.com ",
            "ann@exam ple.com",
            "ann@example.com\r\nBcc: bob@example.com",
            "ann\0@example.com",
            "änn@example.com",
            "ann@exam\u{200b}ple.com",
            "ann@exam\u{ad}ple.com",
            "ann@example.com\u{200b}",
            "ann@ｅxample.com",
            "ann@example。com",
            "ann@-example.com",
            "ann@exam_ple.com",
        ] {
            check(text, None);
        }
        check(&format!("{}@example.com", "a".repeat(65)), None);
        check(&format!("ann@{}.com", "a".repeat(64)), None);
        check(&format!("a@{}com", "abcdefgh.".repeat(30)), None);
    }

    #[test]
    fn an_address_does_not_print_itself() {
        let address: EmailAddress = "ann@example.com".parse().unwrap();
        assert_eq!(format!("{address:?}"), "EmailAddress(******)");
    }

    proptest! {
        #[test]
        fn an_address_is_one_line_of_plain_ascii_with_one_at(text in "\\PC*@?\\PC*|[a-z.\"\\\\@<>(),; \r\n]{0,30}") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                let shown = address.expose();
                prop_assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(shown.matches('@').count(), 1);
                prop_assert!(!shown.contains([',', ';', '<', '>', '"', '(', ')', ':']));
            }
        }
    }
}
