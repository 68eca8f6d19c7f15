//! The fields of custom-message's response, and what Cognito accepts in them.
//!
//! Sources: "Custom message Lambda trigger", Amazon Cognito developer guide (lengths in characters, the code
//! included), and the patterns of the template types in the Amazon Cognito API reference. Cognito applies both to the
//! response.

use std::ops::RangeInclusive;

use crate::text::has_forbidden_character;

/// A field of `response`. A field that is null leaves the text to the user pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageField {
    /// The subject of the email.
    EmailSubject,
    /// The HTML body of the email.
    EmailMessage,
    /// The text of the SMS.
    SmsMessage,
}

/// Why Cognito would reject a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFieldError {
    /// The length, and the lengths that Cognito accepts.
    #[error("has {0} characters, but Cognito accepts {min} to {max}", min = .1.start(), max = .1.end())]
    Length(usize, RangeInclusive<usize>),
    /// A character is outside Cognito's pattern.
    #[error("has a character that Cognito does not accept")]
    Character,
}

impl MessageField {
    /// All fields.
    pub const ALL: [Self; 3] = [Self::EmailSubject, Self::EmailMessage, Self::SmsMessage];

    /// The member of `response`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EmailSubject => "emailSubject",
            Self::EmailMessage => "emailMessage",
            Self::SmsMessage => "smsMessage",
        }
    }

    /// Checks a text against Cognito's rules for the field.
    ///
    /// # Errors
    /// If Cognito would reject the text.
    pub fn check(self, text: &str) -> Result<(), MessageFieldError> {
        let lengths = match self {
            Self::EmailSubject => 1..=140,
            Self::EmailMessage => 6..=20_000,
            Self::SmsMessage => 6..=140,
        };
        let length = text.chars().count();
        if !lengths.contains(&length) {
            Err(MessageFieldError::Length(length, lengths))
        } else if has_forbidden_character(text) {
            Err(MessageFieldError::Character)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field: MessageField, text: &str, expected: &str) {
        let found = field.check(text).map_or_else(|error| error.to_string(), |()| "accepted".to_owned());
        assert_eq!(found, expected);
    }

    #[test]
    fn each_field_has_its_lengths() {
        check(MessageField::EmailSubject, "é", "accepted");
        check(MessageField::EmailSubject, "", "has 0 characters, but Cognito accepts 1 to 140");
        check(MessageField::EmailMessage, &"é".repeat(20_000), "accepted");
        check(
            MessageField::EmailMessage,
            &"x".repeat(20_001),
            "has 20001 characters, but Cognito accepts 6 to 20000",
        );
        check(MessageField::SmsMessage, &"é".repeat(140), "accepted");
        check(MessageField::SmsMessage, &"x".repeat(141), "has 141 characters, but Cognito accepts 6 to 140");
        check(MessageField::SmsMessage, "short", "has 5 characters, but Cognito accepts 6 to 140");
    }

    #[test]
    fn a_control_character_is_not_accepted() {
        check(MessageField::SmsMessage, "your code\u{7}", "has a character that Cognito does not accept");
    }
}
