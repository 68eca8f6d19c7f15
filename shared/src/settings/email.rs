//! The settings that custom-email-sender reads.

use serde::{Deserialize, Serialize};

use super::sender::SenderSettings;
use super::{Noted, Settings, configuration_set};
use crate::mailbox::Mailbox;
use crate::message::Messages;
use crate::parameter::Variable;

/// The settings of custom-email-sender.
#[derive(Debug)]
pub struct EmailSettings {
    /// The settings that both senders have.
    pub sender: SenderSettings,
    /// The texts.
    pub messages: Messages,
    /// The sender's address.
    pub from: Mailbox,
    /// The address for replies, if it isn't the sender's.
    pub reply_to: Option<Mailbox>,
    /// At least one; the later ones are fallbacks.
    pub routes: Vec<SesRoute>,
}

/// A Region and a configuration set that SES sends through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SesRoute {
    /// The Region, `None` for the function's own.
    pub region: Option<String>,
    /// The configuration set, `None` for the identity's default.
    pub configuration_set: Option<String>,
}

impl EmailSettings {
    /// Reads all settings. `AWS_REGION` must be the function's.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let sender = SenderSettings::read(settings);
        let messages = Messages::read(settings);
        let from = settings.required("FROM_ADDRESS", str::parse::<Mailbox>);
        let reply_to = settings.optional("REPLY_TO_ADDRESS", str::parse::<Mailbox>);
        let routes = SesRoute::read(settings);
        Ok(Self { sender: sender?, messages: messages?, from: from?, reply_to: reply_to?, routes: routes? })
    }
}

impl SesRoute {
    /// Reads the route of `SES_REGION` and `SES_CONFIGURATION_SET`, and the fallback, which `SES_FALLBACK_REGION` or
    /// `SES_FALLBACK_CONFIGURATION_SET` switches on.
    fn read(settings: &Settings<'_>) -> Result<Vec<Self>, Noted> {
        const FALLBACK_REGION: &str = "SES_FALLBACK_REGION";
        const FALLBACK_SET: &str = "SES_FALLBACK_CONFIGURATION_SET";
        let own = settings.text("AWS_REGION");
        let region = |variable| settings.optional(variable, region);
        let set = |variable| settings.optional(variable, configuration_set);
        let (first_region, first_set) = (region("SES_REGION"), set("SES_CONFIGURATION_SET"));
        let (second_region, second_set) = (region(FALLBACK_REGION), set(FALLBACK_SET));
        let other = |region: &String| Some(region) != own.as_ref();
        let first = Self { region: first_region?.filter(other), configuration_set: first_set? };
        let second = match (second_region?, second_set?) {
            (None, None) => return Ok(vec![first]),
            (None, configuration_set) => Self { region: first.region.clone(), configuration_set },
            (Some(region), configuration_set) => {
                Self { region: Some(region).filter(other), configuration_set }
            }
        };
        if second == first {
            let text = format!(
                "and {} repeat the first route: set another Region or configuration set",
                Variable(FALLBACK_SET)
            );
            return Err(settings.problem(FALLBACK_REGION, text));
        }
        Ok(vec![first, second])
    }
}

fn region(text: &str) -> Result<String, &'static str> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.bytes().all(valid) {
        Ok(text.to_owned())
    } else {
        Err("must be the code of a Region, such as eu-central-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_variables;

    fn routes(variables: &[(&str, &str)]) -> Option<Vec<(Option<String>, Option<String>)>> {
        let variables = [variables, &[("AWS_REGION", "eu-central-1")]].concat();
        let routes = read_variables(&variables, SesRoute::read).ok()?;
        Some(routes.into_iter().map(|route| (route.region, route.configuration_set)).collect())
    }

    #[test]
    fn either_setting_switches_the_fallback_on() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(routes(&[]), Some(vec![(None, None)]));
        assert_eq!(
            routes(&[("SES_REGION", "eu-central-1"), ("SES_FALLBACK_REGION", "eu-west-1")]),
            Some(vec![(None, None), (text("eu-west-1"), None)])
        );
        assert_eq!(
            routes(&[("SES_REGION", "eu-west-1"), ("SES_FALLBACK_CONFIGURATION_SET", "other")]),
            Some(vec![(text("eu-west-1"), None), (text("eu-west-1"), text("other"))])
        );
    }

    #[test]
    fn a_fallback_to_the_same_route_is_invalid() {
        assert_eq!(routes(&[("SES_FALLBACK_REGION", "eu-central-1")]), None);
        let set = |name| (name, "codes");
        assert_eq!(routes(&[set("SES_CONFIGURATION_SET"), set("SES_FALLBACK_CONFIGURATION_SET")]), None);
    }
}
