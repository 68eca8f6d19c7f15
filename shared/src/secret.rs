//! Values that cannot print themselves.

use std::fmt;

use zeroize::Zeroizing;

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
    fn a_code_does_not_print_itself() {
        let code = Code::new(Zeroizing::new("123456".to_owned()));
        assert_eq!(format!("{code:?}"), "Code(******)");
    }
}
