//! Settings are right or there is a problem to report, and limits once read hold for every message.
//!
//! Each line is `NAME=VALUE`, in the value `\n` begins a new line.

use std::collections::BTreeMap;

use shared::message::MessageSettings;
use shared::phone::{CountryAllowlist, PhoneNumber, SmsPermission};
use shared::recipient::RecipientHasher;
use shared::settings::{FileError, Files, Settings};
use shared::sms_limits::{SmsClass, SmsLimit, SmsLimits};

const NUMBER: &str = "+12065550100";

/// The content of a file is the variable with the file's name, so that lists from files are read too.
struct Variables<'a>(&'a BTreeMap<&'a str, String>);

impl Files for Variables<'_> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let content = self.0.get(path).cloned();
        content.ok_or_else(|| FileError::Unreadable("no such file".to_owned()))
    }

    fn read_templates(&self, _folder: &str) -> Result<BTreeMap<String, String>, FileError> {
        Ok(BTreeMap::new())
    }
}

/// Checks one environment.
pub fn check(text: &str) {
    let variables: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name, value.replace("\\n", "\n")))
        .collect();
    let lookup = |name: &str| variables.get(name).cloned();
    let files = Variables(&variables);
    let settings = Settings::new(&lookup, &files);

    let message = MessageSettings::read(&settings);
    let flag = settings.flag("DELIVERY_RECORDS", true);
    let (allowed, denied) = (settings.allowed_domains().map(drop), settings.denied_domains().map(drop));
    let countries = settings.required("SMS_ALLOWED_COUNTRIES", str::parse::<CountryAllowlist>);
    let limits = SmsLimits::read(&settings, countries.as_ref().ok());
    let others = flag.map(drop).and(allowed).and(denied);
    let all = others.and_then(|()| Ok((message?, countries?, limits?)));
    match settings.finish(all) {
        Ok((message, countries, limits)) => {
            let shown = [Some(&message.brand), message.support.as_ref()];
            for text in shown.into_iter().flatten() {
                assert!(
                    !text.is_empty()
                        && !text.contains(['{', '}', '<', '>'])
                        && !text.contains(char::is_control)
                );
            }
            check_limits(&limits, &countries, &variables);
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty(), "a problem is named");
            assert!(!error.contains(['@', '\u{ff20}', '\u{fe6b}']), "an address would be shown");
            assert!(!error.contains(char::is_control), "a line of the log could be forged");
        }
    }
}

fn check_limits(limits: &SmsLimits, countries: &CountryAllowlist, variables: &BTreeMap<&str, String>) {
    let number: PhoneNumber = NUMBER.parse().expect("a number");
    let hasher = RecipientHasher::new(b"key");
    let SmsPermission::Allowed(country) = countries.decide(&number) else { return };
    for (parts, now) in [(1, 0), (2, 1_700_000_000), (usize::MAX, u64::MAX)] {
        let counters = limits.counters(SmsClass::Open, &number, country, parts, now, &hasher);
        assert!(
            counters.is_sorted_by(|one, other| one.limit < other.limit),
            "the narrowest first, each once"
        );
        for counter in &counters {
            assert!(counter.amount > 0, "every message counts");
            assert!(counter.expires_at >= now, "a counter outlives its window");
            assert!(!counter.key.contains("5550100"), "no key shows the number");
            let value = variables.get(counter.limit.variable()).map(|value| value.trim());
            if let (Some(room), true) = (counter.room, counter.limit != SmsLimit::DailyUsd) {
                let limit = value.filter(|value| !value.is_empty()).map_or(Ok(0), str::parse::<u64>);
                let limit = limit.expect("a limit is a number");
                assert!(
                    limit == 0 || room.checked_add(counter.amount) == Some(limit),
                    "room is what is left"
                );
            }
            assert_ne!(value, Some("none"), "no limit, no counter");
        }
        let usd = variables.get("SMS_DAILY_BUDGET_USD").is_some_and(|value| !value.trim().is_empty());
        assert_eq!(usd, counters.iter().any(|counter| counter.limit == SmsLimit::DailyUsd));
        if parts == 1 && usd {
            let counter = counters.last().expect("the budget is the widest");
            assert!(counter.room.is_some(), "a budget is enough for one message");
        }
    }
}
