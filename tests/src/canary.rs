//! Looks for secrets in what a function wrote, in every spelling that a log is likely to give them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::signature::hex;

/// Checks that no secret occurs in a text: not as it is, and not in base64, percent, JSON, HTML or hexadecimal
/// coding, nor as a list of bytes.
///
/// Each secret has a name to be called by, such as `("the code", "424242")`.
///
/// # Panics
/// When one occurs; the message names it, the coding, and the line.
#[track_caller]
pub fn assert_absent(secrets: &[(&str, &str)], text: &str) {
    let found: Vec<String> = secrets.iter().flat_map(|(name, secret)| traces(name, secret, text)).collect();
    assert!(found.is_empty(), "what must stay secret was written down:\n{}", found.join("\n"));
}

fn traces(name: &str, secret: &str, text: &str) -> Vec<String> {
    assert!(!secret.trim().is_empty(), "{name} is empty, and would be found everywhere");
    spellings(secret)
        .iter()
        .filter_map(|(coding, spelling)| {
            let line = 1 + text.get(..text.find(spelling)?)?.matches('\n').count();
            let context = text.lines().nth(line - 1).unwrap_or_default();
            Some(format!("{name} ({secret}), {coding}, in line {line}: {context}"))
        })
        .collect()
}

fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let json = serde_json::Value::from(secret).to_string();
    let mut all = vec![
        ("as it is", secret.to_owned()),
        ("in JSON", json.trim_matches('"').to_owned()),
        (
            "in JSON inside JSON",
            serde_json::Value::from(json.trim_matches('"')).to_string().trim_matches('"').to_owned(),
        ),
        ("in HTML", html(secret)),
        (
            "percent-encoded",
            percent(secret, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), "%20"),
        ),
        ("as a form", percent(secret, |byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte), "+")),
        ("percent-encoded throughout", percent(secret, |_| false, "%20")),
        ("in hexadecimal", hex(bytes)),
        ("as a list of bytes", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")),
    ];
    // In a longer text the secret starts at any of three places of a base64 group; what it shares with its
    // neighbors differs, what lies between does not.
    for (before, skipped) in [("", 0), ("\0", 2), ("\0\0", 3)] {
        let padded = [before.as_bytes(), bytes].concat();
        let whole_characters = padded.len() * 8 / 6;
        for (coding, encoded) in [
            ("in base64", STANDARD_NO_PAD.encode(&padded)),
            ("in base64 for URLs", URL_SAFE_NO_PAD.encode(&padded)),
        ] {
            all.push((coding, encoded.chars().take(whole_characters).skip(skipped).collect()));
        }
    }
    all
}

fn percent(secret: &str, kept: impl Fn(u8) -> bool, space: &str) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b' ' => text.push_str(space),
            _ if kept(byte) => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").expect("a string takes everything"),
        }
        text
    })
}

fn html(secret: &str) -> String {
    secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, text: &str, expected: Option<&str>) {
        let found = traces("the password", secret, text);
        match expected {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(coding) => assert!(found.iter().any(|trace| trace.contains(coding)), "{found:?}"),
        }
    }

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secret = "a<B>\"7&é/?";
        check(secret, "nothing here", None);
        check(secret, "password a<B>\"7&é/?!", Some("as it is"));
        check(secret, r#"{"password":"a<B>\"7&é/?"}"#, Some("in JSON,"));
        check(secret, r#"{"event":"{\"password\":\"a<B>\\\"7&é/?\"}"}"#, Some("in JSON inside JSON"));
        check(secret, "<b>a&lt;B&gt;&quot;7&amp;é/?</b>", Some("in HTML"));
        check(secret, "?p=a%3CB%3E%227%26%C3%A9%2F%3F", Some("percent-encoded"));
        check("two words", "p=two+words", Some("as a form"));
        check("4242", "code=%34%32%34%32", Some("percent-encoded throughout"));
        check("4242", "34323432", Some("in hexadecimal"));
        check("4242", "Blob { inner: [52, 50, 52, 50] }", Some("as a list of bytes"));
    }

    #[test]
    fn a_secret_is_found_at_any_place_of_a_base64_text() {
        for before in ["", "x", "xy", "xyz", "wxyz"] {
            for after in ["", "x", "xy", "xyz"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}Secret?>1{after}"));
                check("Secret?>1", &text, Some("in base64"));
                let text = URL_SAFE_NO_PAD.encode(format!("{before}Secret?>1{after}"));
                check("Secret?>1", &text, Some("in base64 for URLs"));
            }
        }
    }

    #[test]
    #[should_panic(expected = "the code (424242), as it is, in line 2: code=424242")]
    fn a_failure_names_the_secret_and_the_line() {
        assert_absent(&[("the number", "+15550100"), ("the code", "424242")], "hello\ncode=424242\n");
    }
}
