//! Rules about plain text.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Whether the text contains a character for which [`is_forbidden`] is true.
#[must_use]
pub fn has_forbidden_character(text: &str) -> bool {
    text.chars().any(is_forbidden)
}

/// Whether the character is outside the classes that Cognito accepts in a subject or body.
///
/// These are letters, marks, symbols, numbers, punctuation and white space; whether white space means more than
/// ASCII is not documented, so only ASCII counts. Control and format characters (zero-width space, soft hyphen,
/// bidi marks) and the ideographic space are outside.
/// Source: `EmailVerificationMessageType` in the Amazon Cognito API reference.
#[must_use]
pub fn is_forbidden(character: char) -> bool {
    !matches!(character, ' '..='~' | '\t' | '\n' | '\r') && {
        use GeneralCategory::{
            Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
            Unassigned,
        };
        matches!(
            get_general_category(character),
            Control
                | Format
                | LineSeparator
                | ParagraphSeparator
                | PrivateUse
                | SpaceSeparator
                | Surrogate
                | Unassigned
        )
    }
}

/// The text with every run of white space, line ends included, as one space.
#[must_use]
pub fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
