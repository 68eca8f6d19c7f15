//! Values that cannot print themselves.

use std::fmt;

use zeroize::Zeroizing;

use crate::text::is_forbidden;

/// A confirmation code or a temporary password in clear text.
///
/// It has no `Display` and no `Serialize`, its `Debug` is a mask, and its memory is zeroed on drop.
/// It lives between decryption and rendering only.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Takes the decrypted text over.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The clear text, for the renderer alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a code that Cognito generates: 6 digits, and 8 for some sign-ins.
    ///
    /// Source: "Custom email sender Lambda trigger", Amazon Cognito developer guide, whose example masks 6 to 8 digits.
    #[must_use]
    pub fn is_digits(&self) -> bool {
        (6..=8).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether it can be a temporary password: at most 256 characters, none of them invisible.
    ///
    /// Source: "`AdminCreateUser`", Amazon Cognito API reference.
    #[must_use]
    pub fn is_password(&self) -> bool {
        let invisible = |character: char| character.is_control() || is_forbidden(character);
        (1..=256).contains(&self.0.chars().count()) && !self.0.contains(invisible)
    }

    /// The password as it was before Cognito HTML-escaped it.
    ///
    /// Cognito escapes reserved characters of temporary passwords before it encrypts them, and of nothing else.
    /// Which entities it writes is documented for `<` and `>` only, so the five standard characters are decoded in
    /// every usual spelling, each once and `&amp;` last, so that a password which itself looks like an entity
    /// survives: its `&` comes escaped.
    /// Source: "Custom sender Lambda triggers", Amazon Cognito developer guide.
    #[must_use]
    pub fn html_unescaped(&self) -> Self {
        let mut text = Zeroizing::new(self.0.to_string());
        for (entity, character) in ENTITIES {
            text = Zeroizing::new(text.replace(entity, character));
        }
        Self(text)
    }
}

/// The spellings of the five standard characters, and of the slash, that escaping libraries write.
const ENTITIES: [(&str, &str); 11] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&#039;", "'"),
    ("&#x27;", "'"),
    ("&#x2F;", "/"),
    ("&#x2f;", "/"),
    ("&amp;", "&"),
];

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(******)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(escaped: &str, expected: &str) {
        let code = Code::new(Zeroizing::new(escaped.to_owned()));
        assert_eq!(code.html_unescaped().expose(), expected);
    }

    #[test]
    fn temporary_passwords_are_unescaped_once() {
        check("abc", "abc");
        check("a&lt;b&gt;c&amp;d&quot;e&#39;f", "a<b>c&d\"e'f");
        check("&#34;&apos;&#039;&#x27;&#x2F;", "\"'''/");
        check("&amp;lt;", "&lt;");
        check("&amp;amp;", "&amp;");
        check("a&b&nbsp;&", "a&b&nbsp;&");
    }

    #[test]
    fn a_generated_code_has_six_to_eight_digits() {
        let is_digits = |text: &str| Code::new(Zeroizing::new(text.to_owned())).is_digits();
        assert!(["123456", "1234567", "00000000"].into_iter().all(is_digits));
        for other in ["", "12345", "123456789", "12345a", "123 456", "123456\n", "１２３４５６", "Pa$$w0rd"]
        {
            assert!(!is_digits(other), "{other}");
        }
    }

    #[test]
    fn a_password_has_no_invisible_character_and_no_text_of_any_length() {
        let is_password = |text: &str| Code::new(Zeroizing::new(text.to_owned())).is_password();
        assert!(["Pa$$ w0rd", "パスワード1", "a<b>&\"'", &"x".repeat(256)].into_iter().all(is_password));
        let escape = "12\u{1b}]0;x\u{7}";
        for other in ["", "a\0", "a\nb", "12\u{202e}34", "a\u{200b}", "a\u{2028}", escape, &"x".repeat(257)] {
            assert!(!is_password(other), "{}", other.escape_debug());
        }
    }

    #[test]
    fn a_code_does_not_print_itself() {
        let code = Code::new(Zeroizing::new("123456".to_owned()));
        assert_eq!(format!("{code:?}"), "Code(******)");
    }
}
