//! All settings of a function at once.

use super::custom_message::CustomMessageSettings;
use super::email::EmailSettings;
use super::endpoints::Endpoints;
use super::sign_up::SignUpSettings;
use super::sms::SmsSettings;
use super::{Noted, Settings};
use crate::trigger::Trigger;

impl Settings<'_> {
    /// Reads all settings of the function of a trigger, as the function does when it starts.
    ///
    /// # Errors
    /// If the function doesn't start with them, or a file can't be read here.
    pub fn check(&self, trigger: Trigger) -> Result<(), Noted> {
        let log_level = self.log_level();
        let namespace = self.metrics_namespace().and(self.observability());
        match trigger {
            Trigger::PreSignUp => SignUpSettings::read(self).map(drop),
            Trigger::CustomMessage => CustomMessageSettings::read(self).map(drop),
            Trigger::CustomEmailSender => {
                let endpoints = Endpoints::read(self, &[]);
                EmailSettings::read(self).and(endpoints).map(drop)
            }
            Trigger::CustomSmsSender => {
                let endpoints = Endpoints::read(self, &[]);
                SmsSettings::read(self).and(endpoints).map(drop)
            }
        }
        .and(log_level)
        .and(namespace)
        .map(drop)
    }
}
