//! The settings that custom-sms-sender reads.

use std::str::FromStr;

use super::sender::SenderSettings;
use super::{Noted, Settings, configuration_set, region};
use crate::arn::Arn;
use crate::locale::Locale;
use crate::message::{Content, Insert, Messages};
use crate::parameter::Variable;
use crate::phone::{Country, CountryAllowlist};
use crate::segments::segments;
use crate::sms_limits::{SmsLimit, SmsLimits, Usd, UsdBudget, parse_limit, parse_prices};
use crate::trigger::MessageKind;

const PROVIDER: &str = "SMS_PROVIDER";
const ORIGINATION_IDENTITY: &str = "SMS_ORIGINATION_IDENTITY";
const MAX_PRICE: &str = "SMS_MAX_PRICE_USD";
const PRICES: &str = "SMS_PRICES_USD";

/// The settings of custom-sms-sender.
#[derive(Debug)]
pub struct SmsSettings {
    /// The settings that both senders have.
    pub sender: SenderSettings,
    /// The texts.
    pub messages: Messages,
    /// The countries that get SMS.
    pub countries: CountryAllowlist,
    /// The service that sends SMS.
    pub provider: SmsProvider,
    /// The Region of that service, `None` for the function's own.
    pub region: Option<String>,
    /// The limits on the SMS that the function sends.
    pub limits: SmsLimits,
}

/// The service that sends SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmsProvider {
    /// Amazon SNS.
    Sns(SnsSettings),
    /// AWS End User Messaging SMS.
    EndUserMessaging(EndUserMessagingSettings),
}

/// What an SMS through Amazon SNS contains besides the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnsSettings {
    /// The name that phones show.
    pub sender_id: Option<SenderId>,
    /// The number that messages come from.
    pub origination_number: Option<OriginationNumber>,
    /// The maximum price of one message.
    pub max_price: Option<MaxPrice>,
}

/// What an SMS through AWS End User Messaging contains besides the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndUserMessagingSettings {
    /// What messages come from.
    pub identity: OriginationIdentity,
    /// The configuration set, for delivery events.
    pub configuration_set: Option<String>,
    /// The maximum price of one message.
    pub max_price: Option<MaxPrice>,
}

/// The name that a phone shows instead of a number, if the country permits it.
///
/// 3 to 11 letters, digits or hyphens, at least one letter: "Publishing to a mobile phone", Amazon SNS guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderId(String);

/// The number that messages come from: 5 to 14 digits, with or without `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginationNumber(String);

/// The maximum price of one message in USD. The provider rejects more expensive messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPrice(String);

/// The ARN of the phone number, pool or sender ID that messages come from.
///
/// IAM permissions are granted on that ARN, and IAM checks it only if the call names the ARN and not the number.
/// Source: "`SendTextMessage`", AWS End User Messaging SMS and voice v2 API reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginationIdentity(String);

macro_rules! as_str {
    ($($name:ident),+) => {
        $(impl $name {
            /// As the service accepts it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        })+
    };
}
as_str!(SenderId, OriginationNumber, MaxPrice, OriginationIdentity);

impl OriginationIdentity {
    /// The Region of the number, pool or sender ID.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl FromStr for SenderId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if (3..=11).contains(&text.len()) && letter && text.bytes().all(valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 3 to 11 letters, digits or hyphens with at least one letter")
        }
    }
}

impl FromStr for OriginationNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if (5..=14).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a number of 5 to 14 digits")
        }
    }
}

impl FromStr for MaxPrice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if digits(whole) && digits(fraction) && !zero {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a price in USD above zero, such as 0.50")
        }
    }
}

impl FromStr for OriginationIdentity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_identity = |arn: &Arn<'_>| {
            arn.is_regional()
                && ["phone-number/", "pool/", "sender-id/"]
                    .iter()
                    .any(|kind| arn.resource_of("sms-voice", kind).is_some_and(|name| !name.contains(':')))
        };
        match Arn::parse(text).filter(is_identity) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err("must be the ARN of a phone number, pool or sender ID, such as \
                 arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234"),
        }
    }
}

impl SmsSettings {
    /// Reads all settings.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let sender = SenderSettings::read(settings);
        let messages = Messages::read(settings);
        let countries = settings.allowed_countries();
        let provider = SmsProvider::read(settings);
        let region = settings.optional("SMS_REGION", region);
        let limits = SmsLimits::read(settings, countries.as_ref().ok());
        let (messages, countries, limits) = (messages?, countries?, limits?);
        let parts = most_parts(&messages);
        let too_low = limits.below(parts, &countries).into_iter().map(|limit| {
            settings.problem(limit.variable(), format!("is less than the {parts} SMS that one message takes"))
        });
        if let Some(noted) = too_low.last() {
            return Err(noted);
        }
        let (provider, region) = (provider?, region?);
        let region = match &provider {
            SmsProvider::Sns(_) => region,
            // An identity sends only in its own Region.
            SmsProvider::EndUserMessaging(settings) => Some(settings.identity.region().to_owned()),
        };
        Ok(Self { sender: sender?, messages, countries, provider, region, limits })
    }
}

/// The most SMS that one message takes, in any language, with an ordinary username and password.
fn most_parts(messages: &Messages) -> usize {
    let parts = |kind, locale| {
        let sample = if kind == MessageKind::AdminCreateUser {
            Content::Invitation {
                username: Insert::Placeholder("+12065550100"),
                password: Insert::Placeholder("12345678"),
            }
        } else {
            Content::Code(Insert::Placeholder("12345678"))
        };
        messages.sms(kind, locale, sample).map_or(1, |(sms, _)| segments(&sms.text).parts)
    };
    let all = Locale::all().flat_map(|locale| MessageKind::ALL.map(|kind| parts(kind, locale)));
    all.max().unwrap_or(1)
}

impl SmsProvider {
    /// Reads `SMS_PROVIDER` and its settings. Those of the other provider are only checked, so that an operator can
    /// switch between providers with one parameter.
    fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let uses_sns = settings.optional(PROVIDER, |text| match text {
            "sns" => Ok(true),
            "end-user-messaging" => Ok(false),
            _ => Err("must be `sns` or `end-user-messaging`"),
        });
        let sender_id = settings.optional("SMS_SENDER_ID", str::parse);
        let origination_number = settings.optional("SMS_ORIGINATION_NUMBER", str::parse);
        let max_price = settings.optional(MAX_PRICE, str::parse);
        let identity = settings.optional(ORIGINATION_IDENTITY, str::parse);
        let configuration_set = settings.optional("SMS_CONFIGURATION_SET", configuration_set);
        let (sender_id, origination_number, max_price) = (sender_id?, origination_number?, max_price?);
        let (identity, configuration_set) = (identity?, configuration_set?);
        Ok(if uses_sns?.unwrap_or(true) {
            Self::Sns(SnsSettings { sender_id, origination_number, max_price })
        } else {
            let identity = identity.ok_or_else(|| {
                let text = format!("is required, because {} is `end-user-messaging`", Variable(PROVIDER));
                settings.problem(ORIGINATION_IDENTITY, text)
            })?;
            Self::EndUserMessaging(EndUserMessagingSettings { identity, configuration_set, max_price })
        })
    }
}

impl SmsLimits {
    /// Reads the limits. `countries` are the allowed ones, if they are known: with a budget in USD, each of them needs
    /// a price in `SMS_PRICES_USD`, or `SMS_MAX_PRICE_USD`.
    ///
    /// # Errors
    /// If a limit is invalid or too low for one message.
    pub fn read(settings: &Settings<'_>, countries: Option<&CountryAllowlist>) -> Result<Self, Noted> {
        let parts = |limit: SmsLimit| {
            let value = settings.optional(limit.variable(), parse_limit);
            Ok(value?.unwrap_or(limit.default_limit()))
        };
        let number_hourly = parts(SmsLimit::NumberHourly);
        let prefix_hourly = parts(SmsLimit::PrefixHourly);
        let country_daily = parts(SmsLimit::CountryDaily);
        let daily_messages = parts(SmsLimit::DailyMessages);
        let daily_usd = UsdBudget::read(settings, countries);
        Ok(Self {
            number_hourly: number_hourly?,
            prefix_hourly: prefix_hourly?,
            country_daily: country_daily?,
            daily_messages: daily_messages?,
            daily_usd: daily_usd?,
        })
    }
}

impl UsdBudget {
    fn read(settings: &Settings<'_>, countries: Option<&CountryAllowlist>) -> Result<Self, Noted> {
        let variable = SmsLimit::DailyUsd.variable();
        let limit = settings.optional(variable, str::parse::<Usd>);
        let prices = settings.list(PRICES).and_then(|list| {
            parse_prices(&list).map_err(|problems| settings.problem(PRICES, problems.join(", ")))
        });
        // The provider's settings report an invalid price.
        let otherwise = settings.text(MAX_PRICE).and_then(|text| text.parse::<Usd>().ok());
        let budget = Self { limit: limit?, prices: prices?, otherwise };
        let Some(limit) = budget.limit else { return Ok(budget) };
        let countries: Vec<_> = countries.into_iter().flat_map(CountryAllowlist::iter).collect();
        let names = |wanted: &dyn Fn(Option<Usd>) -> bool| {
            let found = countries.iter().filter(|country| wanted(budget.price(**country)));
            found.map(Country::to_string).collect::<Vec<_>>().join(", ")
        };
        let unpriced = names(&|price| price.is_none());
        let too_expensive = names(&|price| price.is_some_and(|price| price > limit));
        let text = if !unpriced.is_empty() {
            format!(
                "needs a price for {unpriced}: set it in {}, or set {} for all countries",
                Variable(PRICES),
                Variable(MAX_PRICE)
            )
        } else if !too_expensive.is_empty() {
            format!("is less than one message costs in {too_expensive}")
        } else {
            return Ok(budget);
        };
        Err(settings.problem(variable, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_variables;

    #[track_caller]
    fn check<T: FromStr>(text: &str, accepted: bool) {
        assert_eq!(text.parse::<T>().is_ok(), accepted, "{text}");
    }

    #[test]
    fn settings_have_the_form_that_the_services_accept() {
        check::<SenderId>("Acme", true);
        check::<SenderId>("Acme-24", true);
        check::<SenderId>("Ac", false);
        check::<SenderId>("12345", false);
        check::<SenderId>("Acme Inc", false);
        check::<SenderId>("AcmeAcmeAcme", false);
        check::<OriginationNumber>("+15550100123", true);
        check::<OriginationNumber>("12345", true);
        check::<OriginationNumber>("1234", false);
        check::<OriginationNumber>("+1555010012345678", false);
        check::<MaxPrice>("0.50", true);
        check::<MaxPrice>("1", true);
        for wrong in ["0", "0.00", "-1", ".5", "1.", "1e3", "", "NaN"] {
            check::<MaxPrice>(wrong, false);
        }
    }

    #[test]
    fn only_the_arn_of_a_number_pool_or_sender_id_is_an_origination_identity() {
        let check = check::<OriginationIdentity>;
        check("arn:aws:sms-voice:eu-central-1:123456789012:phone-number/phone-1234", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:sender-id/Acme/DE", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:configuration-set/x", false);
        check("arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234:1", false);
        check("arn:aws:sns:eu-central-1:123456789012:pool/pool-1234", false);
        check("arn:aws:sms-voice:eu-central-1:1234:pool/pool-1234", false);
        check("arn:aws:sms-voice:eu-central-1:123456789012:pool/", false);
        check("+12065550100", false);
        check("", false);
    }

    fn read(variables: &[(&str, &str)], countries: &str) -> Result<SmsLimits, String> {
        read_variables(variables, |settings| SmsLimits::read(settings, countries.parse().ok().as_ref()))
    }

    #[test]
    fn prices_without_a_budget_are_no_problem() {
        assert!(read(&[("SMS_PRICES_USD", "US=0.00581")], "US").is_ok());
    }

    #[test]
    fn settings_of_the_other_provider_are_no_problem() {
        let identity =
            ("SMS_ORIGINATION_IDENTITY", "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1");
        let all = [identity, ("SMS_CONFIGURATION_SET", "codes"), ("SMS_SENDER_ID", "Acme")];
        for (provider, uses_sns) in [("sns", true), ("end-user-messaging", false)] {
            let variables = [all.as_slice(), &[(PROVIDER, provider)]].concat();
            let provider = read_variables(&variables, SmsProvider::read).expect("valid settings");
            assert_eq!(matches!(provider, SmsProvider::Sns(_)), uses_sns);
        }
    }

    #[test]
    fn all_invalid_limits_are_reported() {
        let variables = [
            ("SMS_MAX_PER_NUMBER_HOURLY", "0"),
            ("SMS_MAX_PER_PREFIX_HOURLY", "+20"),
            ("SMS_MAX_PER_COUNTRY_DAILY", "unlimited"),
            ("SMS_DAILY_BUDGET_MESSAGES", "1e3"),
            ("SMS_DAILY_BUDGET_USD", "0.00"),
            ("SMS_PRICES_USD", "DE=0.0981, DE=1\nUK=1 FR 0.1, AT=free"),
        ];
        let parts = "must be a number of SMS parts above zero, or `none`";
        assert_eq!(
            read(&variables, "DE").unwrap_err(),
            [
                format!("SMS_MAX_PER_NUMBER_HOURLY (SmsMaxPerNumberHourly in MoreSettings) {parts}"),
                format!("SMS_MAX_PER_PREFIX_HOURLY (SmsMaxPerPrefixHourly in MoreSettings) {parts}"),
                format!("SMS_MAX_PER_COUNTRY_DAILY (SmsMaxPerCountryDaily in MoreSettings) {parts}"),
                format!("SMS_DAILY_BUDGET_MESSAGES (SmsDailyBudgetMessages in MoreSettings) {parts}"),
                "SMS_DAILY_BUDGET_USD (SmsDailyBudgetUsd in MoreSettings) must be an amount in USD above zero, such as \
                 0.0981"
                    .to_owned(),
                "SMS_PRICES_USD (SmsPricesUsd in MoreSettings) entry 2 repeats DE, \
                 entry 3 is not the ISO 3166-1 code of a country with phone numbers of its own, \
                 entry 4 is not a country and a price, such as `DE=0.0981`, \
                 entry 5 is not a country and a price, such as `DE=0.0981`, \
                 entry 6: the price for AT must be an amount in USD above zero, such as 0.0981"
                    .to_owned(),
            ]
            .join("; ")
        );
    }

    #[test]
    fn a_budget_in_usd_needs_a_price_for_every_country() {
        let budget = ("SMS_DAILY_BUDGET_USD", "25");
        let prices = ("SMS_PRICES_USD", "US=0.00581");
        assert_eq!(
            read(&[budget, prices], "US, DE, GB").unwrap_err(),
            "SMS_DAILY_BUDGET_USD (SmsDailyBudgetUsd in MoreSettings) needs a price for DE, GB: set it in SMS_PRICES_USD \
             (SmsPricesUsd in MoreSettings), or set SMS_MAX_PRICE_USD (SmsMaxPriceUsd in MoreSettings) for all countries"
        );
        assert!(read(&[budget, prices], "US").is_ok());
        assert!(read(&[budget, prices, ("SMS_MAX_PRICE_USD", "0.1")], "US, DE, GB").is_ok());
        assert_eq!(
            read(&[("SMS_DAILY_BUDGET_USD", "0.09"), ("SMS_MAX_PRICE_USD", "0.1"), prices], "US, DE")
                .unwrap_err(),
            "SMS_DAILY_BUDGET_USD (SmsDailyBudgetUsd in MoreSettings) is less than one message costs in DE"
        );
    }
}
