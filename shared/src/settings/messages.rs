//! The settings that all functions with messages read.

use std::collections::BTreeMap;

use super::{FileError, Noted, Settings};
use crate::locale::Locale;
use crate::message::{MessageSettings, Messages};
use crate::text::has_forbidden_character;

impl MessageSettings {
    /// Reads `BRAND_NAME`, `SUPPORT_CONTACT` and `DEFAULT_LOCALE`.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let brand = settings.required("BRAND_NAME", |text| visible(text, 64));
        let support = settings.optional("SUPPORT_CONTACT", |text| visible(text, 200));
        let default_locale = settings.optional("DEFAULT_LOCALE", |text| {
            Locale::lookup(text).ok_or_else(|| format!("must be {}", Locale::names()))
        });
        Ok(Self { brand: brand?, support: support?, default_locale: default_locale?.unwrap_or_default() })
    }
}

impl Messages {
    /// Reads the settings of messages and the template overrides in `TEMPLATES_DIR`. An override that can't be
    /// rendered is no error: [`Messages::problems`] names it.
    ///
    /// # Errors
    /// If a setting is invalid, or the folder can't be read.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let message_settings = MessageSettings::read(settings);
        let overrides = overrides(settings);
        Ok(Self::new(message_settings?, overrides?))
    }
}

fn overrides(settings: &Settings<'_>) -> Result<BTreeMap<String, String>, Noted> {
    const NAME: &str = "TEMPLATES_DIR";
    let Some(folder) = settings.text(NAME) else { return Ok(BTreeMap::new()) };
    settings.files.read_templates(&folder).map_err(|error| match error {
        FileError::InLayer => settings.not_known(folder.escape_debug().to_string()),
        FileError::Unreadable(error) => {
            settings.problem(NAME, format!("names a folder that can't be read: {error}"))
        }
    })
}

/// A text that Cognito accepts in every part of a message.
fn visible(text: &str, longest: usize) -> Result<String, String> {
    if text.chars().count() > longest {
        Err(format!("must not have more than {longest} characters"))
    } else if has_forbidden_character(text) || text.contains(char::is_control) {
        Err("must not contain control or invisible characters".to_owned())
    } else if text.contains(['{', '}', '<', '>']) {
        // Braces could form one of Cognito's placeholders, angle brackets markup.
        Err("must not contain braces or angle brackets".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
