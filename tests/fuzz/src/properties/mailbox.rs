//! A sender's name cannot end its header, add a mailbox to it or change the address.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::mailbox::Mailbox;

/// Checks one value of `FROM_ADDRESS`.
pub fn check(text: &str) {
    let Ok(mailbox) = text.parse::<Mailbox>() else { return };
    let header = mailbox.header();
    assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')), "one line of ASCII");
    let Some(front) = header.strip_suffix('>') else {
        return super::address::check(&header);
    };
    let (name, address) = front.rsplit_once(" <").expect("the address is in angle brackets");
    let address: shared::address::EmailAddress = address.parse().expect("an address");
    assert!(header.ends_with(&format!("<{}>", address.expose())));
    let given = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => unquoted(quoted),
        None => name.split(' ').map(decoded).collect(),
    };
    assert!(text.contains(&given) && !given.is_empty(), "the name is the one that was given");
}

/// What a quoted string stands for. Source: RFC 5322, 3.2.4.
fn unquoted(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        assert_ne!(character, '"', "a quoted string ends at its end");
        let next = if character == '\\' { characters.next() } else { Some(character) };
        plain.push(next.expect("a backslash quotes something"));
    }
    plain
}

/// What an encoded word stands for. Source: RFC 2047, 2.
fn decoded(word: &str) -> String {
    assert!(word.len() <= 75, "an encoded word has 75 characters at most");
    let text = word.strip_prefix("=?UTF-8?B?").and_then(|word| word.strip_suffix("?="));
    let bytes = STANDARD.decode(text.expect("an encoded word")).expect("base64");
    String::from_utf8(bytes).expect("each word is whole characters")
}
