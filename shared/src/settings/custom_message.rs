//! The settings that custom-message reads.

use super::{Noted, Settings};
use crate::message::Messages;

/// The settings of custom-message.
#[derive(Debug)]
pub struct CustomMessageSettings {
    /// The texts.
    pub messages: Messages,
    /// The fields of the response that the function writes.
    pub channels: Channels,
    /// How users confirm their sign-up.
    pub confirmation: EmailConfirmation,
}

/// Which fields of the response the function writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// Subject and body of the email.
    pub email: bool,
    /// The text of the SMS.
    pub sms: bool,
}

/// How users confirm their sign-up. The event doesn't contain it, so the operator sets it as in the user pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailConfirmation {
    /// They enter a code.
    #[default]
    Code,
    /// They click a link.
    Link,
}

impl CustomMessageSettings {
    /// Reads all settings.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let messages = Messages::read(settings);
        let channels = settings.required("CUSTOM_MESSAGE_CHANNELS", |text| {
            let mut channels = Channels::default();
            for channel in text.split(',').map(str::trim) {
                match channel {
                    "email" => channels.email = true,
                    "sms" => channels.sms = true,
                    "none" => {}
                    _ => return Err("must be `email`, `sms`, `email,sms` or `none`"),
                }
            }
            Ok(channels)
        });
        let confirmation = settings.optional("EMAIL_CONFIRMATION", |text| match text {
            "code" => Ok(EmailConfirmation::Code),
            "link" => Ok(EmailConfirmation::Link),
            _ => Err("must be `code` or `link`"),
        });
        Ok(Self { messages: messages?, channels: channels?, confirmation: confirmation?.unwrap_or_default() })
    }
}
