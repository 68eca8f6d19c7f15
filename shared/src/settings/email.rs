//! The settings that custom-email-sender reads.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::sender::SenderSettings;
use super::{Noted, Settings, configuration_set, region};
use crate::arn::Arn;
use crate::mailbox::Mailbox;
use crate::message::Messages;
use crate::parameter::Variable;

const IDENTITY: &str = "SES_IDENTITY_ARN";

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
    /// The identity that SES sends from, if it isn't the one of the sender's address in this account.
    pub identity: Option<SesIdentity>,
    /// At least one; the later ones are fallbacks.
    pub routes: Vec<SesRoute>,
}

/// The ARN of a verified address or domain, possibly of another account whose sending authorization policy permits it.
///
/// Source: `SendEmail`, `FromEmailAddressIdentityArn`, Amazon SES API v2 reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SesIdentity(String);

impl FromStr for SesIdentity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_identity = |arn: &Arn<'_>| arn.is_regional() && arn.resource_of("ses", "identity/").is_some();
        match Arn::parse(text).filter(is_identity) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err("must be the ARN of an SES identity, such as \
                 arn:aws:ses:eu-central-1:123456789012:identity/example.com"),
        }
    }
}

impl SesIdentity {
    /// The Region in which the identity is verified.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The same identity in another Region, where it must be verified too.
    #[must_use]
    pub fn arn_in(&self, region: &str) -> String {
        let parts: Vec<_> = self.0.splitn(5, ':').collect();
        match parts.as_slice() {
            [arn, partition, service, _, rest] => [arn, partition, service, region, rest].join(":"),
            _ => self.0.clone(),
        }
    }
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
        let identity = settings.optional(IDENTITY, str::parse::<SesIdentity>);
        let routes = SesRoute::read(settings);
        let (identity, routes) = (identity?, routes?);
        let own = settings.text("AWS_REGION").unwrap_or_default();
        let first = routes.first().and_then(|route| route.region.as_deref()).unwrap_or(&own);
        if let Some(region) = identity.as_ref().map(SesIdentity::region).filter(|region| *region != first) {
            let text =
                format!("is in {region}, but emails are sent from {first}: set {}", Variable("SES_REGION"));
            return Err(settings.problem(IDENTITY, text));
        }
        Ok(Self { sender: sender?, messages: messages?, from: from?, reply_to: reply_to?, identity, routes })
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
        // Without another Region or configuration set, there is no fallback.
        Ok(if second == first { vec![first] } else { vec![first, second] })
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
    fn an_identity_keeps_its_account_in_another_region() {
        let identity: SesIdentity =
            "arn:aws:ses:eu-west-1:210987654321:identity/shop.example".parse().unwrap();
        assert_eq!(identity.region(), "eu-west-1");
        assert_eq!(
            identity.arn_in("eu-north-1"),
            "arn:aws:ses:eu-north-1:210987654321:identity/shop.example"
        );
        for wrong in [
            "shop.example",
            "arn:aws:ses:eu-west-1:210987654321:configuration-set/x",
            "arn:aws:sns:eu-west-1:210987654321:x",
        ] {
            assert!(wrong.parse::<SesIdentity>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_route_is_no_fallback() {
        assert_eq!(routes(&[("SES_FALLBACK_REGION", "eu-central-1")]), Some(vec![(None, None)]));
        let set = |name| (name, "codes");
        assert_eq!(
            routes(&[set("SES_CONFIGURATION_SET"), set("SES_FALLBACK_CONFIGURATION_SET")]),
            Some(vec![(None, Some("codes".to_owned()))])
        );
    }
}
