//! The template parameter `MoreSettings`: settings that few stacks need, in one variable.
//!
//! An entry is a name and a value, such as `SmsMaxPriceUsd=0.15`. Entries end with a semicolon or a line break, so no
//! value contains one. Lines that begin with `#` are comments, for a file. The names are those of the former template
//! parameters, and the environment variable of the same words takes precedence.

use std::collections::BTreeMap;

use crate::parameter::MORE_SETTINGS;

/// The variable that the template sets from `MoreSettings`.
pub const VARIABLE: &str = "MORE_SETTINGS";

/// The longest name that an error shows, because a text without a name may contain anything.
const LONGEST_NAME: usize = 40;

/// The settings by their variables.
///
/// # Errors
/// What is wrong with each invalid entry. The texts contain no values.
pub fn parse(text: &str) -> Result<BTreeMap<&'static str, String>, Vec<String>> {
    let (mut settings, mut problems) = (BTreeMap::new(), Vec::new());
    let entries = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(';'))
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    for (index, entry) in entries.enumerate() {
        let number = index + 1;
        let Some((name, value)) = entry.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
        else {
            problems.push(format!("entry {number} is not a name and a value, such as `SmsMaxPriceUsd=0.15`"));
            continue;
        };
        let Some((variable, _)) = MORE_SETTINGS.iter().find(|(_, known)| *known == name) else {
            let is_name = name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let shown = if is_name { format!(" `{name}`") } else { String::new() };
            problems.push(format!("entry {number}{shown} is not one of its settings"));
            continue;
        };
        if settings.insert(*variable, value.to_owned()).is_some() {
            problems.push(format!("entry {number} repeats {name}"));
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// Adds the settings of `MORE_SETTINGS` to a function's variables, for a tool that looks at single variables. Invalid
/// entries and files stay as they are: [`Settings`](super::Settings) reports them.
pub fn expand(variables: &mut BTreeMap<String, String>) {
    let text = variables.get(VARIABLE).cloned().unwrap_or_default();
    if text.starts_with("file:") {
        return;
    }
    for (variable, value) in parse(&text).unwrap_or_default() {
        let entry = variables.entry(variable.to_owned()).or_default();
        if entry.is_empty() {
            *entry = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(variable, value)| (*variable, (*value).to_owned())).collect();
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn entries_end_with_a_semicolon_or_a_line_break() {
        check("", &[]);
        check(" ; \n", &[]);
        check("SmsMaxPriceUsd=0.15", &[("SMS_MAX_PRICE_USD", "0.15")]);
        check(
            "SmsMaxPriceUsd = 0.15; SmsPricesUsd=DE=0.0981,US=0.00581;",
            &[("SMS_MAX_PRICE_USD", "0.15"), ("SMS_PRICES_USD", "DE=0.0981,US=0.00581")],
        );
        check(
            "# our limits; SmsSenderId=no\nSmsMaxPerNumberHourly=3\nDenyDisposableEmail=true",
            &[("SMS_MAX_PER_NUMBER_HOURLY", "3"), ("DENY_DISPOSABLE_EMAIL", "true")],
        );
        check("SmsSenderId=", &[("SMS_SENDER_ID", "")]);
    }

    #[test]
    fn each_invalid_entry_is_a_problem_without_its_value() {
        let text = "SmsMaxPriceUsd; SmsMaxPriceUSD=1; ann@example.com=x; LogLevel=info; LogLevel=debug";
        assert_eq!(
            parse(text).unwrap_err(),
            [
                "entry 1 is not a name and a value, such as `SmsMaxPriceUsd=0.15`",
                "entry 2 `SmsMaxPriceUSD` is not one of its settings",
                "entry 3 is not one of its settings",
                "entry 5 repeats LogLevel",
            ]
        );
        assert!(parse("FromAddress=a@shop.example").is_err(), "a parameter of its own");
    }

    #[test]
    fn a_variable_of_its_own_takes_precedence() {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut variables = BTreeMap::from([
            variable(VARIABLE, "SmsSenderId=Acme; LogLevel=debug"),
            variable("LOG_LEVEL", "warn"),
            variable("SMS_SENDER_ID", ""),
        ]);
        expand(&mut variables);
        assert_eq!(variables["SMS_SENDER_ID"], "Acme");
        assert_eq!(variables["LOG_LEVEL"], "warn");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
