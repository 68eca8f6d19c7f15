//! Email addresses and their domains.

use std::fmt;
use std::iter;
use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_general_category::{GeneralCategory, get_general_category};

/// Longest address that SMTP can carry in a path (RFC 5321, 4.5.3.1.3, less the angle brackets), in bytes.
const MAX_ADDRESS: usize = 254;
/// Longest local part (RFC 5321, 4.5.3.1.1), in bytes.
const MAX_LOCAL_PART: usize = 64;
/// The at sign and the two characters that UTS #46 maps to it. A text with one of them is most likely an address and
/// must not be shown.
pub(crate) const AT_SIGNS: [char; 3] = ['@', '\u{fe6b}', '\u{ff20}'];

/// What a domain may hold besides letters, digits and marks: the separator, the hyphen, the joiners, and the characters
/// that RFC 5892 permits by exception or in context.
const EXCEPTIONS: [char; 12] = [
    '.', '-', '\u{200c}', '\u{200d}', '\u{b7}', '\u{375}', '\u{5f3}', '\u{5f4}', '\u{6fd}', '\u{6fe}',
    '\u{3007}', '\u{30fb}',
];

/// One plain email address that SES accepts: an ASCII local part, `@`, a domain.
///
/// It has no display name, comment, quoted local part, route, list, white space or control character, so it can
/// neither name a second recipient nor end a header. SES accepts ASCII local parts only, and domains in Punycode
/// ("Email format", Amazon SES developer guide). Consecutive dots in the local part are valid, because mailboxes of
/// Japanese carriers have them.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    local_part: String,
    domain: EmailDomain,
}

/// The text is not one plain email address. The error doesn't contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not one plain email address")]
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

    /// The address with its domain in ASCII, for sending.
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

/// A domain name in canonical form: ASCII (Punycode if needed), lower case, at least two labels, no final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EmailDomain(String);

impl EmailDomain {
    /// The name in its canonical form.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain, if UTS #46 changes only the case of its letters.
    ///
    /// Both spellings of an internationalized domain are equal, because both become ASCII. Full-width,
    /// compatibility, zero-width and soft-hyphen spellings, which UTS #46 would silently map *into* another
    /// domain, are `None`.
    #[must_use]
    pub fn strict(text: &str) -> Option<Self> {
        let lower = text.chars().map(lower_case).collect::<Option<String>>()?;
        let uts46 = Uts46::new();
        let ascii = uts46
            .to_ascii(lower.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .ok()?;
        let unchanged = if lower.is_ascii() {
            ascii == lower
        } else {
            let (unicode, result) =
                uts46.to_unicode(lower.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
            result.is_ok() && unicode == lower
        };
        if unchanged { Self::checked(&ascii) } else { None }
    }

    /// The domain as a lenient parser reads it: mapped by UTS #46, without white space and final dots.
    #[must_use]
    pub fn forgiving(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let ascii = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .ok()?;
        Self::checked(ascii.trim_end_matches('.'))
    }

    /// Whether the domain is below the other one, at any depth. Compares whole labels.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.0.strip_suffix(&other.0).is_some_and(|front| front.ends_with('.'))
    }

    /// Whether IDNA 2008 permits each character. UTS #46 also admits symbols: it maps no character of `com≠`, which a
    /// parser without Unicode normalization may take for `com=`.
    ///
    /// Sources: RFC 5892, 2.1, 2.6 and appendix A.
    pub(crate) fn is_idna_2008(&self) -> bool {
        use GeneralCategory::{
            DecimalNumber, LowercaseLetter, ModifierLetter, NonspacingMark, OtherLetter, SpacingMark,
        };
        let (unicode, result) =
            Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
        let permitted = |character| {
            EXCEPTIONS.contains(&character)
                || matches!(
                    get_general_category(character),
                    DecimalNumber
                        | LowercaseLetter
                        | ModifierLetter
                        | NonspacingMark
                        | OtherLetter
                        | SpacingMark
                )
        };
        result.is_ok() && unicode.chars().all(permitted)
    }

    /// The domain in the older IDNA 2003, which writes `ss` instead of `ß`, if that is another domain.
    pub(crate) fn idna_2003(&self) -> Option<Self> {
        let (unicode, _) = Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        let mapped = unicode.replace('ß', "ss").replace('ς', "σ");
        if mapped == unicode { None } else { Self::forgiving(&mapped) }
    }

    /// The rules of both parsers: DNS accepts the labels, and the last one is a name.
    fn checked(ascii: &str) -> Option<Self> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let (_, last) = ascii.rsplit_once('.')?;
        let plain = ascii.len() <= 253 && ascii.split('.').all(label);
        // The last label of an IPv4 address is a number.
        (plain && !last.bytes().all(|byte| byte.is_ascii_digit())).then(|| Self(ascii.to_owned()))
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The domains that lenient parsers read in the address: one, or two that write `ß` in different ways. `None` if it
/// can't be parsed as an address.
pub(crate) fn domains_of(address: &str) -> Option<impl Iterator<Item = EmailDomain>> {
    let (local_part, domain) = split(address)?;
    if local_part.trim().is_empty() {
        return None;
    }
    let domain = EmailDomain::forgiving(domain)?;
    let older = domain.idna_2003();
    Some(iter::once(domain).chain(older))
}

/// Local part and domain of a text with exactly one `@` outside quotes.
fn split(text: &str) -> Option<(&str, &str)> {
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

/// The character in lower case, if only the case changes.
///
/// Some mappings to lower case change more: KELVIN SIGN becomes an ASCII `k`. A mapping that can be reversed changes
/// only the case.
fn lower_case(character: char) -> Option<char> {
    let mut lower = character.to_lowercase();
    let (Some(mapped), None) = (lower.next(), lower.next()) else { return None };
    (mapped == character || mapped.to_uppercase().eq([character])).then_some(mapped)
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
