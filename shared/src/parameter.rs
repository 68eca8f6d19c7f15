//! Which template parameters set which environment variable, so that an error can name both.

use std::fmt;

/// Each variable that template parameters set, with those parameters, in the order of docs/configuration.md.
///
/// The template itself sets `DELIVERY_TABLE`, `METRICS_NAMESPACE`, `RECIPIENT_HASH_KEY`, `STACK_ID` and
/// `PHYSICAL_ID_KEY`, Lambda sets `AWS_…`.
pub const PARAMETERS: &[(&str, &[&str])] = &[
    ("BRAND_NAME", &["BrandName"]),
    ("FROM_ADDRESS", &["FromAddress"]),
    ("SIGN_UP_MODE", &["SignUpMode"]),
    ("ALLOWED_EMAIL_DOMAINS", &["AllowedEmailDomains"]),
    ("DENIED_EMAIL_DOMAINS", &["DeniedEmailDomains"]),
    ("EMAIL_IS_USERNAME", &["EmailIsUsername"]),
    ("CUSTOM_MESSAGE_CHANNELS", &["EmailDelivery", "SmsDelivery"]),
    ("SES_IDENTITY_ARN", &["SesIdentityArn"]),
    ("SES_REGION", &["SesRegion"]),
    ("SES_FALLBACK_REGION", &["SesFallbackRegion"]),
    ("SMS_ALLOWED_COUNTRIES", &["SmsAllowedCountries"]),
    ("SMS_PROVIDER", &["SmsOriginationIdentity"]),
    ("SMS_ORIGINATION_IDENTITY", &["SmsOriginationIdentity"]),
    ("USER_POOL_ID", &["UserPoolId"]),
    ("CODE_KEY_ARN", &["CodeKeyArn"]),
    ("OBSERVABILITY", &["Observability"]),
    ("MORE_SETTINGS", &["MoreSettings"]),
];

/// The variables that the parameter `MoreSettings` sets, with their names there, in the order of docs/configuration.md.
pub const MORE_SETTINGS: &[(&str, &str)] = &[
    ("SUPPORT_CONTACT", "SupportContact"),
    ("DEFAULT_LOCALE", "DefaultLocale"),
    ("REPLY_TO_ADDRESS", "ReplyToAddress"),
    ("DENY_DISPOSABLE_EMAIL", "DenyDisposableEmail"),
    ("DISPOSABLE_EMAIL_EXCEPTIONS", "DisposableEmailExceptions"),
    ("REFUSAL_MESSAGE", "RefusalMessage"),
    ("CONFIRM_TRUSTED_USERS", "ConfirmTrustedUsers"),
    ("AUTO_VERIFY_PHONE", "AutoVerifyPhone"),
    ("FEDERATED_SIGN_UP", "FederatedSignUp"),
    ("EMAIL_CONFIRMATION", "EmailConfirmation"),
    ("SES_CONFIGURATION_SET", "SesConfigurationSet"),
    ("SES_FALLBACK_CONFIGURATION_SET", "SesFallbackConfigurationSet"),
    ("SMS_REGION", "SmsRegion"),
    ("SMS_SENDER_ID", "SmsSenderId"),
    ("SMS_ORIGINATION_NUMBER", "SmsOriginationNumber"),
    ("SMS_CONFIGURATION_SET", "SmsConfigurationSet"),
    ("SMS_MAX_PRICE_USD", "SmsMaxPriceUsd"),
    ("SMS_MAX_PER_NUMBER_HOURLY", "SmsMaxPerNumberHourly"),
    ("SMS_MAX_PER_PREFIX_HOURLY", "SmsMaxPerPrefixHourly"),
    ("SMS_MAX_PER_COUNTRY_DAILY", "SmsMaxPerCountryDaily"),
    ("SMS_DAILY_BUDGET_MESSAGES", "SmsDailyBudgetMessages"),
    ("SMS_DAILY_BUDGET_USD", "SmsDailyBudgetUsd"),
    ("SMS_PRICES_USD", "SmsPricesUsd"),
    ("TEMPLATES_DIR", "TemplatesDir"),
    ("DELIVERY_RECORDS", "DeliveryRecords"),
    ("SIGN_IN_CODE_MINUTES", "SignInCodeMinutes"),
    ("LOG_LEVEL", "LogLevel"),
    ("AWS_USE_FIPS_ENDPOINT", "AwsUseFipsEndpoint"),
];

/// A variable as errors name it: `SIGN_UP_MODE (parameter SignUpMode)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a>(pub &'a str);

impl fmt::Display for Variable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        if let Some((_, setting)) = MORE_SETTINGS.iter().find(|(variable, _)| variable == name) {
            return write!(formatter, "{name} ({setting} in MoreSettings)");
        }
        let parameters = PARAMETERS.iter().find(|(variable, _)| variable == name).map(|(_, names)| *names);
        match parameters {
            None | Some([]) => formatter.write_str(name),
            Some([parameter]) => write!(formatter, "{name} (parameter {parameter})"),
            Some(several) => write!(formatter, "{name} (parameters {})", several.join(" and ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable_and_its_parameters() {
        assert_eq!(Variable("SIGN_UP_MODE").to_string(), "SIGN_UP_MODE (parameter SignUpMode)");
        assert_eq!(
            Variable("CUSTOM_MESSAGE_CHANNELS").to_string(),
            "CUSTOM_MESSAGE_CHANNELS (parameters EmailDelivery and SmsDelivery)"
        );
        assert_eq!(Variable("LOG_LEVEL").to_string(), "LOG_LEVEL (LogLevel in MoreSettings)");
        assert_eq!(Variable("DELIVERY_TABLE").to_string(), "DELIVERY_TABLE");
    }
}
