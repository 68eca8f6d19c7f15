//! Whether a function would start with its settings, as far as they can be read here.
//!
//! That is what the code that it shares with this tool reads, the addresses, and which settings of a provider are
//! there. Other parts of a function's own code, such as names of regions and tables, are not read again.

use std::collections::BTreeMap;

use shared::address::EmailAddress;
use shared::config::{MessageSettings, Settings};
use shared::policy::SignUpSettings;
use shared::pumping::SmsLimits;
use shared::trigger::Trigger;

/// What is wrong with the variables of a function, in its own words; each part begins with a variable's name.
///
/// Lists in files lie in a layer, out of reach: they are taken to be right.
pub(super) fn problem(trigger: Trigger, variables: &BTreeMap<String, String>) -> Option<String> {
    let lookup = |name: &str| variables.get(name).map(|value| in_reach(name, value).to_owned());
    let read_file = |_: &str| Err("out of reach".to_owned());
    let settings = Settings::new(&lookup, &read_file);
    let read = read(trigger, &settings, variables);
    let error = settings.finish(read).err()?.to_string();
    Some(error.strip_prefix("invalid configuration: ").unwrap_or(&error).to_owned())
}

/// An entry stands in for each list in a file.
fn in_reach<'a>(name: &str, value: &'a str) -> &'a str {
    if !value.trim().starts_with("file:") {
        return value;
    }
    match name {
        "SMS_ALLOWED_COUNTRIES" => "US",
        "SMS_PRICES_USD" => "US=0.01",
        _ => "example.com",
    }
}

/// Reads what the function reads, in the same order.
fn read(trigger: Trigger, settings: &Settings<'_>, variables: &BTreeMap<String, String>) -> Option<()> {
    let level = settings.optional("LOG_LEVEL", |text| {
        let known = ["error", "fatal", "warn", "info", "debug"].contains(&text.to_ascii_lowercase().as_str());
        known.then_some(()).ok_or("is none of `error`, `warn`, `info`, `debug`")
    });
    let own = match trigger {
        Trigger::PreSignUp => SignUpSettings::read(settings).map(drop),
        Trigger::CustomMessage => {
            let channels = settings.required("CUSTOM_MESSAGE_CHANNELS", |text| {
                let known = |name: &str| ["email", "sms", "none"].contains(&name.trim());
                text.split(',')
                    .all(known)
                    .then_some(())
                    .ok_or("is none of `email`, `sms`, `email,sms`, `none`")
            });
            let confirmation = settings.optional("EMAIL_CONFIRMATION", |text| {
                ["code", "link"].contains(&text).then_some(()).ok_or("is neither `code` nor `link`")
            });
            MessageSettings::read(settings).and(channels).and(confirmation).map(drop)
        }
        Trigger::CustomEmailSender => {
            let from = settings.required("FROM_ADDRESS", mailbox);
            let reply_to = settings.optional("REPLY_TO_ADDRESS", mailbox);
            sender(settings).and(from).and(reply_to).map(drop)
        }
        Trigger::CustomSmsSender => {
            let countries = settings.allowed_countries();
            let file = |name| variables.get(name).is_some_and(|value| value.trim().starts_with("file:"));
            // A budget has to know the prices of the very countries that are allowed.
            let in_files = file("SMS_ALLOWED_COUNTRIES") || file("SMS_PRICES_USD");
            let limits =
                in_files.then_some(()).or_else(|| SmsLimits::read(settings, countries.as_ref()).map(drop));
            sender(settings).and(countries).and(provider(settings)).and(limits)
        }
    };
    level.and(own)
}

/// What both senders read.
fn sender(settings: &Settings<'_>) -> Option<()> {
    let key = settings.required("CODE_KEY_ARN", |text| match text.split(':').nth(5) {
        Some(resource) if resource.starts_with("alias/") => {
            Err("is the ARN of an alias; set the ARN of the key, which ends in `key/` and its id")
        }
        Some(resource) if text.starts_with("arn:") && resource.starts_with("key/") => Ok(()),
        _ => Err("is not the ARN of a KMS key"),
    });
    let messages = MessageSettings::read(settings);
    let denied = settings.blocked_domains();
    let records = settings.flag("DELIVERY_RECORDS", false);
    if records == Some(true) && settings.text("DELIVERY_TABLE").is_none() {
        settings.problem("DELIVERY_RECORDS", "is `true`, but DELIVERY_TABLE is not set");
    }
    let minutes = settings.optional("SIGN_IN_CODE_MINUTES", |text| {
        let valid = text.parse().is_ok_and(|minutes: u8| (3..=15).contains(&minutes));
        valid.then_some(()).ok_or("is not a number of minutes from 3 to 15")
    });
    key.and(messages).and(denied).and(records).and(minutes).map(drop)
}

/// `Name <address>`, or an address alone.
fn mailbox(text: &str) -> Result<(), &'static str> {
    let address = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map_or(text, |parts| parts.1);
    let address = address.parse::<EmailAddress>();
    address.map(drop).map_err(|_| "is neither `Name <address>` nor an address")
}

/// Which provider, and whether the settings that are there are its own.
fn provider(settings: &Settings<'_>) -> Option<()> {
    let by_sns = settings.optional("SMS_PROVIDER", |text| match text {
        "sns" => Ok(true),
        "end-user-messaging" => Ok(false),
        _ => Err("is neither `sns` nor `end-user-messaging`"),
    });
    let by_sns = by_sns?.unwrap_or(true);
    let others = if by_sns {
        ["SMS_ORIGINATION_IDENTITY", "SMS_CONFIGURATION_SET"]
    } else {
        ["SMS_SENDER_ID", "SMS_ORIGINATION_NUMBER"]
    };
    // A problem that is noted stops the function, whatever is returned.
    for name in others.into_iter().filter(|name| settings.text(name).is_some()) {
        settings.problem(name, "belongs to the other SMS_PROVIDER");
    }
    if !by_sns && settings.text("SMS_ORIGINATION_IDENTITY").is_none() {
        settings
            .problem("SMS_ORIGINATION_IDENTITY", "is not set, and SMS_PROVIDER=end-user-messaging needs it");
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";
    const COMMON: [(&str, &str); 3] =
        [("BRAND_NAME", "Shop"), ("CODE_KEY_ARN", KEY), ("FROM_ADDRESS", "a@shop.example")];

    #[track_caller]
    fn check(trigger: Trigger, more: &[(&str, &str)], expected: Option<&str>) {
        let variables =
            COMMON.iter().chain(more).map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(problem(trigger, &variables).as_deref(), expected, "{more:?}");
    }

    #[test]
    fn settings_with_which_a_function_starts_are_no_problem() {
        check(Trigger::PreSignUp, &[], None);
        check(Trigger::CustomMessage, &[("CUSTOM_MESSAGE_CHANNELS", "email, sms")], None);
        check(Trigger::CustomEmailSender, &[("LOG_LEVEL", "WARN"), ("DENIED_EMAIL_DOMAINS", "")], None);
        check(Trigger::CustomSmsSender, &[("SMS_ALLOWED_COUNTRIES", "DE,AT")], None);
    }

    #[test]
    fn every_problem_begins_with_the_variable() {
        check(
            Trigger::PreSignUp,
            &[("LOG_LEVEL", "loud")],
            Some("LOG_LEVEL is none of `error`, `warn`, `info`, `debug`"),
        );
        check(
            Trigger::PreSignUp,
            &[("SIGN_UP_MODE", "closed")],
            Some("SIGN_UP_MODE is `closed`, but ALLOWED_EMAIL_DOMAINS is empty: nobody could sign up"),
        );
        check(Trigger::CustomMessage, &[], Some("CUSTOM_MESSAGE_CHANNELS is not set"));
        check(
            Trigger::CustomEmailSender,
            &[("CODE_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:alias/codes"), ("BRAND_NAME", "")],
            Some(
                "CODE_KEY_ARN is the ARN of an alias; set the ARN of the key, which ends in `key/` and its \
                 id; BRAND_NAME is not set",
            ),
        );
        check(Trigger::CustomEmailSender, &[("FROM_ADDRESS", " ")], Some("FROM_ADDRESS is not set"));
        check(
            Trigger::CustomEmailSender,
            &[("DELIVERY_RECORDS", "true")],
            Some("DELIVERY_RECORDS is `true`, but DELIVERY_TABLE is not set"),
        );
    }

    #[test]
    fn an_sms_sender_without_countries_does_not_start() {
        let variables = COMMON.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let problem = problem(Trigger::CustomSmsSender, &variables).expect("a problem");
        assert!(problem.starts_with("SMS_ALLOWED_COUNTRIES "), "{problem}");
    }

    #[test]
    fn senders_that_name_nobody_or_the_other_provider_do_not_start() {
        check(Trigger::CustomEmailSender, &[("FROM_ADDRESS", "Shop <a@shop.example>")], None);
        check(
            Trigger::CustomEmailSender,
            &[("FROM_ADDRESS", "shop.example")],
            Some("FROM_ADDRESS is neither `Name <address>` nor an address"),
        );
        let sms = |more: &[(&str, &str)], expected| {
            check(Trigger::CustomSmsSender, &[&[("SMS_ALLOWED_COUNTRIES", "DE")], more].concat(), expected);
        };
        let messaging = ("SMS_PROVIDER", "end-user-messaging");
        sms(&[messaging, ("SMS_ORIGINATION_IDENTITY", "arn")], None);
        sms(
            &[messaging],
            Some("SMS_ORIGINATION_IDENTITY is not set, and SMS_PROVIDER=end-user-messaging needs it"),
        );
        sms(
            &[("SMS_ORIGINATION_IDENTITY", "arn")],
            Some("SMS_ORIGINATION_IDENTITY belongs to the other SMS_PROVIDER"),
        );
        sms(&[("SMS_PROVIDER", "post")], Some("SMS_PROVIDER is neither `sns` nor `end-user-messaging`"));
    }

    #[test]
    fn a_list_in_a_file_is_taken_to_be_right() {
        check(
            Trigger::PreSignUp,
            &[("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "file:/opt/allowed.txt")],
            None,
        );
        check(
            Trigger::CustomSmsSender,
            &[
                ("SMS_ALLOWED_COUNTRIES", "file:/opt/countries.txt"),
                ("SMS_DAILY_BUDGET_USD", "20"),
                ("SMS_PRICES_USD", "file:/opt/prices.txt"),
            ],
            None,
        );
    }
}
