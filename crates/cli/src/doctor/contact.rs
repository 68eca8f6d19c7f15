//! The two contacts that a code can go to.

/// Where a code can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contact {
    Phone,
    Email,
}

impl Contact {
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::Phone => "phone_number",
            Self::Email => "email",
        }
    }

    pub(super) fn verified_attribute(self) -> &'static str {
        match self {
            Self::Phone => "phone_number_verified",
            Self::Email => "email_verified",
        }
    }

    /// "email".
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Phone => "SMS",
            Self::Email => "email",
        }
    }

    pub(super) fn by(self) -> &'static str {
        match self {
            Self::Phone => "by SMS",
            Self::Email => "by email",
        }
    }

    /// The delivery medium of `AdminCreateUser`.
    pub(super) fn medium(self) -> &'static str {
        match self {
            Self::Phone => "SMS",
            Self::Email => "EMAIL",
        }
    }

    /// The MFA method that uses it.
    pub(super) fn mfa_method(self) -> &'static str {
        match self {
            Self::Phone => "SMS_MFA",
            Self::Email => "EMAIL_OTP",
        }
    }
}

/// The condition for marking a contact as verified.
pub(super) const OWN_CONTACT: &str = "Only if you know that the contact belongs to the user (anyone who receives the code can take over the account):";

/// The noun for an attribute.
pub(super) fn attribute_in_words(attribute: &str) -> &str {
    match attribute {
        "email" => "email address",
        "phone_number" => "phone number",
        "preferred_username" => "preferred username",
        other => other,
    }
}
