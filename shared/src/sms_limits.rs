//! The SMS limits, which stop SMS pumping, and their counters.
//!
//! An attacker who earns money with SMS makes a pool send thousands of codes to the attacker's own numbers. These
//! numbers are close together, because they are rented in blocks: docs/sms-pumping.md. This file defines the counters
//! and limits, and limits a process while the store fails. The caller counts, because counting needs a store.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::parameter::Variable;
use crate::phone::{Country, CountryAllowlist, PhoneNumber};
use crate::recipient::RecipientHasher;
use crate::trigger::MessageKind;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// How long a counter is kept after its window, in seconds, so that a process with a slow clock still finds it.
const KEPT_AFTER: u64 = HOUR;

/// How many of a number's last digits differ within a block. A block has 10,000 numbers, which is a usual unit for
/// mobile operators.
const BLOCK_DIGITS: usize = 4;

/// How many digits a prefix has at least: three after the longest calling code. Without this minimum, the prefix of a
/// small country's short numbers would cover the whole country.
const SHORTEST_PREFIX: usize = 6;

/// How many SMS parts one process sends in an hour while the store fails.
pub const PROCESS_CAP_HOURLY: u64 = 30;

/// The maximum number of SMS, in parts, because operators charge for each part. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsLimits {
    pub(crate) number_hourly: Option<u64>,
    pub(crate) prefix_hourly: Option<u64>,
    pub(crate) country_daily: Option<u64>,
    pub(crate) daily_messages: Option<u64>,
    pub(crate) daily_usd: UsdBudget,
}

/// The maximum cost of all SMS in a day, and the price of one part in each country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsdBudget {
    pub(crate) limit: Option<Usd>,
    pub(crate) prices: BTreeMap<Country, Usd>,
    /// The maximum price of a message, for countries without a price.
    pub(crate) otherwise: Option<Usd>,
}

/// Who can cause an SMS. Each class has counters of its own under the same limits, so that sign-ups, which an attacker can
/// repeat without end, use up nothing of what the users of a pool need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmsClass {
    /// Anyone who can sign up or set a phone number, with any number.
    Open,
    /// The user of an existing account, with the number of that account.
    Account,
}

impl SmsClass {
    /// The class of a message to a number that Cognito shows as verified or not.
    #[must_use]
    pub fn of(kind: MessageKind, number_is_verified: bool) -> Self {
        match kind {
            MessageKind::Authentication => Self::Account,
            MessageKind::ForgotPassword | MessageKind::ResendCode if number_is_verified => Self::Account,
            MessageKind::SignUp
            | MessageKind::ResendCode
            | MessageKind::ForgotPassword
            | MessageKind::UpdateUserAttribute
            | MessageKind::VerifyUserAttribute
            | MessageKind::AdminCreateUser => Self::Open,
        }
    }

    /// What tells its counters from those of the other class.
    fn prefix(self) -> &'static str {
        match self {
            Self::Open => "sms",
            Self::Account => "sms-account",
        }
    }
}

/// One limit, in the order from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmsLimit {
    /// Parts to one number in an hour.
    NumberHourly,
    /// Parts to one block of numbers in an hour.
    PrefixHourly,
    /// Parts to one country in a day.
    CountryDaily,
    /// All parts in a day.
    DailyMessages,
    /// The cost of all parts in a day.
    DailyUsd,
}

/// A counter for one message.
///
/// The message may be sent if the value of each counter is at most `room`; `amount` is then added to the value. The
/// store does both in one step, because two simultaneous messages would otherwise see the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The limit that it enforces.
    pub limit: SmsLimit,
    /// Its name in the store, different in each window. It doesn't show the number or the prefix.
    pub key: String,
    /// The amount that the message adds: parts, or for [`SmsLimit::DailyUsd`] millionths of a US dollar.
    pub amount: u64,
    /// The highest value at which the message may be sent. `None` if the message alone exceeds the limit.
    pub room: Option<u64>,
    /// When the store may delete it, in seconds since 1970.
    pub expires_at: u64,
}

impl SmsLimit {
    /// Every limit, the narrowest first.
    pub const ALL: [Self; 5] =
        [Self::NumberHourly, Self::PrefixHourly, Self::CountryDaily, Self::DailyMessages, Self::DailyUsd];

    /// The variable that sets it.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::NumberHourly => "SMS_MAX_PER_NUMBER_HOURLY",
            Self::PrefixHourly => "SMS_MAX_PER_PREFIX_HOURLY",
            Self::CountryDaily => "SMS_MAX_PER_COUNTRY_DAILY",
            Self::DailyMessages => "SMS_DAILY_BUDGET_MESSAGES",
            Self::DailyUsd => "SMS_DAILY_BUDGET_USD",
        }
    }

    /// The default, in parts. `None` is no limit.
    #[must_use]
    pub fn default_limit(self) -> Option<u64> {
        match self {
            Self::NumberHourly => Some(6),
            Self::PrefixHourly => Some(20),
            Self::CountryDaily => Some(500),
            Self::DailyMessages => Some(1_000),
            Self::DailyUsd => None,
        }
    }

    /// Its name in logs and in the keys of counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NumberHourly => "number",
            Self::PrefixHourly => "prefix",
            Self::CountryDaily => "country",
            Self::DailyMessages => "messages",
            Self::DailyUsd => "usd",
        }
    }

    /// The length of its windows in seconds: they begin with the hours and days of UTC.
    fn window(self) -> u64 {
        match self {
            Self::NumberHourly | Self::PrefixHourly => HOUR,
            Self::CountryDaily | Self::DailyMessages | Self::DailyUsd => DAY,
        }
    }

    fn counter(self, class: SmsClass, value: &str, now: u64, amount: u64, limit: u64) -> Counter {
        let start = now - now % self.window();
        Counter {
            limit: self,
            key: format!("{}#{}#{value}#{start}", class.prefix(), self.name()),
            amount,
            room: limit.checked_sub(amount),
            expires_at: start.saturating_add(self.window()).saturating_add(KEPT_AFTER),
        }
    }
}

impl fmt::Display for SmsLimit {
    /// Why a message is not sent.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the SMS limit {} is reached", Variable(self.variable()))
    }
}

impl SmsLimits {
    /// The limits that are too low for any message of that many parts, which is a mistake in the settings.
    #[must_use]
    pub fn below(&self, parts: usize, countries: &CountryAllowlist) -> Vec<SmsLimit> {
        let parts = u64::try_from(parts).unwrap_or(u64::MAX);
        let too_expensive = |Usd(limit): Usd| {
            countries.iter().any(|country| {
                self.daily_usd.price(country).is_some_and(|Usd(price)| price.saturating_mul(parts) > limit)
            })
        };
        [
            (SmsLimit::NumberHourly, self.number_hourly.is_some_and(|limit| limit < parts)),
            (SmsLimit::PrefixHourly, self.prefix_hourly.is_some_and(|limit| limit < parts)),
            (SmsLimit::CountryDaily, self.country_daily.is_some_and(|limit| limit < parts)),
            (SmsLimit::DailyMessages, self.daily_messages.is_some_and(|limit| limit < parts)),
            (SmsLimit::DailyUsd, self.daily_usd.limit.is_some_and(too_expensive)),
        ]
        .into_iter()
        .filter_map(|(limit, below)| below.then_some(limit))
        .collect()
    }

    /// The counters of a message of `parts` parts to this number. The narrowest is first, so that a message which a
    /// narrow limit blocks doesn't count towards a wide one.
    ///
    /// `now` is in seconds since 1970. The names contain keyed hashes of number and prefix, so another key leads to
    /// other counters.
    #[must_use]
    pub fn counters(
        &self,
        class: SmsClass,
        number: &PhoneNumber,
        country: Country,
        parts: usize,
        now: u64,
        hasher: &RecipientHasher,
    ) -> Vec<Counter> {
        let parts = u64::try_from(parts).unwrap_or(u64::MAX);
        let hash = |text: &str| hasher.hash(text).to_string();
        let counter = |name: SmsLimit, limit: Option<u64>, value: &dyn Fn() -> String| {
            limit.map(|limit| name.counter(class, &value(), now, parts, limit))
        };
        let all = "all".to_owned();
        let usd = self.daily_usd.limit.map(|Usd(limit)| {
            // Start-up checks that there is a price. Without one, the amount exceeds every limit.
            let Usd(price) = self.daily_usd.price(country).unwrap_or(Usd(u64::MAX));
            SmsLimit::DailyUsd.counter(class, &all, now, price.saturating_mul(parts), limit)
        });
        [
            counter(SmsLimit::NumberHourly, self.number_hourly, &|| hash(number.expose())),
            counter(SmsLimit::PrefixHourly, self.prefix_hourly, &|| hash(prefix(number))),
            counter(SmsLimit::CountryDaily, self.country_daily, &|| country.to_string()),
            counter(SmsLimit::DailyMessages, self.daily_messages, &|| all.clone()),
            usd,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl UsdBudget {
    pub(crate) fn price(&self, country: Country) -> Option<Usd> {
        self.prices.get(&country).copied().or(self.otherwise)
    }
}

/// The number without its last four digits, `+` included.
fn prefix(number: &PhoneNumber) -> &str {
    let digits = number.expose().len().saturating_sub(1);
    let kept = digits.saturating_sub(BLOCK_DIGITS).max(SHORTEST_PREFIX);
    number.expose().get(..=kept).unwrap_or(number.expose())
}

/// A positive number of parts, or `none`.
pub(crate) fn parse_limit(text: &str) -> Result<Option<u64>, &'static str> {
    if text == "none" {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit) if digits && limit > 0 => Ok(Some(limit)),
        _ => Err("must be a number of SMS parts above zero, or `none`"),
    }
}

/// Prices such as `DE=0.0981`, separated by commas or white space.
pub(crate) fn parse_prices(text: &str) -> Result<BTreeMap<Country, Usd>, Vec<String>> {
    let mut prices = BTreeMap::new();
    let mut problems = Vec::new();
    let entries = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(|separator: char| separator == ',' || separator.is_whitespace()))
        .filter(|entry| !entry.is_empty());
    for (index, entry) in entries.enumerate() {
        let position = index.saturating_add(1);
        let Some((name, price)) = entry.split_once('=') else {
            problems.push(format!("entry {position} is not a country and a price, such as `DE=0.0981`"));
            continue;
        };
        match (name.parse::<Country>(), price.parse::<Usd>()) {
            (Ok(country), Ok(price)) => {
                if prices.insert(country, price).is_some() {
                    problems.push(format!("entry {position} repeats {country}"));
                }
            }
            (Err(error), _) => problems.push(format!("entry {position} {error}")),
            (Ok(country), Err(error)) => {
                problems.push(format!("entry {position}: the price for {country} {error}"));
            }
        }
    }
    if problems.is_empty() { Ok(prices) } else { Err(problems) }
}

/// An amount of money above zero, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Usd(u64);

impl FromStr for Usd {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        // Nine digits before the point and six behind it are 15 digits, which always fit.
        let amount = if digits(whole, 9) && digits(fraction, 6) {
            format!("{whole}{fraction:0<6}").parse().unwrap_or(0)
        } else {
            0
        };
        if amount > 0 { Ok(Self(amount)) } else { Err("must be an amount in USD above zero, such as 0.0981") }
    }
}

/// How much one process sends while the store fails: it still sends codes, up to a limit.
///
/// Processes don't share it, so during a failure of the store all of them can send the cap times the function's
/// concurrency in an hour.
#[derive(Clone, Debug)]
pub struct ProcessCap {
    hourly: u64,
    window: u64,
    sent: u64,
}

impl ProcessCap {
    /// A cap of this many parts in an hour of UTC: [`PROCESS_CAP_HOURLY`] outside tests.
    #[must_use]
    pub fn new(hourly: u64) -> Self {
        Self { hourly, window: 0, sent: 0 }
    }

    /// Whether a message of `parts` parts may be sent; if so, it is counted. `now` is in seconds since 1970.
    pub fn allow(&mut self, now: u64, parts: usize) -> bool {
        let window = now / HOUR;
        // A clock that is set back begins no new hour.
        if window > self.window {
            (self.window, self.sent) = (window, 0);
        }
        let sent = self.sent.saturating_add(u64::try_from(parts).unwrap_or(u64::MAX));
        let allowed = sent <= self.hourly;
        if allowed {
            self.sent = sent;
        }
        allowed
    }
}

impl Default for ProcessCap {
    fn default() -> Self {
        Self::new(PROCESS_CAP_HOURLY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::read_variables;

    /// 2026-11-22 05:30 UTC.
    const NOW: u64 = 1_795_325_400;

    fn read(variables: &[(&str, &str)], countries: &str) -> Result<SmsLimits, String> {
        read_variables(variables, |settings| SmsLimits::read(settings, countries.parse().ok().as_ref()))
    }

    fn number(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    fn counters(limits: &SmsLimits, to: &str, country: &str, parts: usize, now: u64) -> Vec<Counter> {
        let hasher = RecipientHasher::new(b"key");
        limits.counters(SmsClass::Open, &number(to), country.parse().unwrap(), parts, now, &hasher)
    }

    fn default_counters(to: &str, parts: usize, now: u64) -> Vec<Counter> {
        counters(&read(&[], "US").unwrap(), to, "US", parts, now)
    }

    #[test]
    fn the_counters_of_a_message_go_from_narrow_to_wide() {
        let limits = read(&[("SMS_DAILY_BUDGET_USD", "1"), ("SMS_PRICES_USD", "US=0.00581")], "US").unwrap();
        let counters = counters(&limits, "+12065550100", "US", 2, NOW);
        let table: Vec<_> = counters
            .iter()
            .map(|counter| (counter.key.as_str(), counter.amount, counter.room, counter.expires_at))
            .collect();
        // The windows began at 05:00 and at 00:00. printf +1206555 | openssl dgst -sha256 -hmac key
        let expected = [
            ("sms#number#24a07703ec1067c6d53622417c27ca63#1795323600", 2, Some(4), 1_795_330_800),
            ("sms#prefix#356c466da8621e90585369d132d47c63#1795323600", 2, Some(18), 1_795_330_800),
            ("sms#country#US#1795305600", 2, Some(498), 1_795_395_600),
            ("sms#messages#all#1795305600", 2, Some(998), 1_795_395_600),
            ("sms#usd#all#1795305600", 11_620, Some(988_380), 1_795_395_600),
        ];
        assert_eq!(table, expected);
        assert_eq!(counters.iter().map(|counter| counter.limit).collect::<Vec<_>>(), SmsLimit::ALL);
    }

    #[test]
    fn the_users_of_a_pool_have_counters_that_no_sign_up_touches() {
        let limits = read(&[("SMS_DAILY_BUDGET_USD", "1"), ("SMS_PRICES_USD", "US=0.00581")], "US").unwrap();
        let hasher = RecipientHasher::new(b"key");
        let (to, country) = (number("+12065550100"), "US".parse().unwrap());
        let [open, account] = [SmsClass::Open, SmsClass::Account]
            .map(|class| limits.counters(class, &to, country, 1, NOW, &hasher));
        assert_eq!(open.len(), 5);
        for (open, account) in open.iter().zip(&account) {
            assert_eq!(account.key, open.key.replacen("sms#", "sms-account#", 1));
            assert_eq!(Counter { key: open.key.clone(), ..account.clone() }, *open, "the same limit");
        }
        for kind in MessageKind::ALL {
            use MessageKind::{Authentication, ForgotPassword, ResendCode};
            let verified = matches!(kind, Authentication | ForgotPassword | ResendCode);
            let class = |account| if account { SmsClass::Account } else { SmsClass::Open };
            assert_eq!(SmsClass::of(kind, true), class(verified), "{kind:?}");
            assert_eq!(SmsClass::of(kind, false), class(kind == Authentication), "{kind:?}");
        }
    }

    #[test]
    fn without_a_limit_there_is_no_counter() {
        let none = SmsLimit::ALL.map(|limit| (limit.variable(), "none"));
        let limits = read(none.get(..4).unwrap(), "US").unwrap();
        assert_eq!(counters(&limits, "+12065550100", "US", 1, NOW), []);
    }

    #[test]
    fn a_limit_below_one_message_is_named() {
        let variables = [
            ("SMS_MAX_PER_NUMBER_HOURLY", "1"),
            ("SMS_DAILY_BUDGET_USD", "0.01"),
            ("SMS_PRICES_USD", "US=0.00581"),
        ];
        let limits = read(&variables, "US").unwrap();
        let countries = "US".parse().unwrap();
        assert_eq!(limits.below(1, &countries), []);
        assert_eq!(limits.below(2, &countries), [SmsLimit::NumberHourly, SmsLimit::DailyUsd]);
        assert_eq!(read(&[], "US").unwrap().below(6, &countries), []);
    }

    #[test]
    fn a_message_that_is_more_than_a_limit_has_no_room() {
        let rooms: Vec<_> =
            default_counters("+12065550100", 7, NOW).iter().map(|counter| counter.room).collect();
        assert_eq!(rooms, [None, Some(13), Some(493), Some(993)]);
    }

    #[test]
    fn the_counters_of_another_hour_and_day_are_other_counters() {
        let keys = |now| {
            default_counters("+12065550100", 1, now)
                .into_iter()
                .map(|counter| counter.key)
                .collect::<Vec<_>>()
        };
        let same = |one: u64, other: u64| {
            keys(one).iter().zip(keys(other)).map(|(one, other)| *one == other).collect::<Vec<_>>()
        };
        assert_eq!(same(NOW, NOW + 29 * 60 + 59), [true, true, true, true]);
        assert_eq!(same(NOW, NOW + 30 * 60), [false, false, true, true]);
        assert_eq!(same(NOW, NOW + DAY), [false, false, false, false]);
    }

    #[track_caller]
    fn check_prefix(text: &str, expected: &str) {
        assert_eq!(prefix(&number(text)), expected, "{text}");
    }

    #[test]
    fn a_prefix_is_the_number_without_its_last_four_digits() {
        check_prefix("+12065550100", "+1206555");
        check_prefix("+4915112345678", "+491511234");
        check_prefix("+3545550100", "+354555");
    }

    #[test]
    fn a_prefix_never_covers_a_small_country() {
        check_prefix("+29080000", "+290800");
        check_prefix("+2908000", "+290800");
        check_prefix("+492345678", "+492345");
    }

    #[track_caller]
    fn check_usd(text: &str, expected: Option<u64>) {
        assert_eq!(text.parse().ok(), expected.map(Usd), "{text}");
    }

    #[test]
    fn money_is_counted_in_millionths() {
        check_usd("0.00581", Some(5_810));
        check_usd("1", Some(1_000_000));
        check_usd("0.1", Some(100_000));
        check_usd("999999999.999999", Some(999_999_999_999_999));
        for wrong in [
            "",
            ".",
            "0",
            "0.000000",
            "0.0000001",
            "-1",
            "+1",
            "1,5",
            "1.",
            ".5",
            "1e3",
            "1.5.0",
            "1000000000",
        ] {
            check_usd(wrong, None);
        }
    }

    #[test]
    fn a_process_sends_its_cap_in_an_hour_and_no_more() {
        let mut cap = ProcessCap::new(5);
        assert_eq!([2, 2, 2, 1, 1].map(|parts| cap.allow(NOW, parts)), [true, true, false, true, false]);
        assert!(!cap.allow(NOW - HOUR, 1), "a clock that is set back opens no new hour");
        assert!(cap.allow(NOW + HOUR, 5));
        assert!(!cap.allow(NOW + HOUR, 1));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = parse_limit(&text);
            let _ = parse_prices(&text);
            let _ = text.parse::<Usd>();
        }

        #[test]
        fn no_key_shows_the_number_or_a_long_part_of_it(digits in "[2-9][0-9]{2}555[0-9]{4}") {
            for counter in default_counters(&format!("+1{digits}"), 1, NOW) {
                // Hexadecimal text may by chance hold a few of the digits in a row, but not seven.
                prop_assert!(!counter.key.contains(digits.get(..7).unwrap()), "{}", counter.key);
            }
        }

        #[test]
        fn only_numbers_of_one_block_share_a_prefix(
            one in "[2-9][0-9]{2}555", other in "[2-9][0-9]{2}555", last in "[0-9]{4}",
        ) {
            let keys = |block: &str, last: &str| {
                default_counters(&format!("+1{block}{last}"), 1, NOW)
                    .into_iter().map(|counter| counter.key).collect::<Vec<_>>()
            };
            let (here, there) = (keys(&one, "0100"), keys(&other, &last));
            prop_assert_eq!(here[1] == there[1], one == other);
            prop_assert_eq!(here[0] == there[0], one == other && last == "0100");
            prop_assert_eq!(&here[2..], &there[2..]);
        }

        #[test]
        fn no_counter_exceeds_its_limit(
            messages in proptest::collection::vec((0..50_u16, 1..4_usize, 0..7_200_u64), 1..400),
        ) {
            let limits = read(&[("SMS_DAILY_BUDGET_USD", "0.9"), ("SMS_PRICES_USD", "US=0.00581"),
                ("SMS_DAILY_BUDGET_MESSAGES", "120"), ("SMS_MAX_PER_COUNTRY_DAILY", "110")], "US").unwrap();
            let mut store: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for (line, parts, later) in messages {
                let to = format!("+1206555{line:04}");
                for counter in counters(&limits, &to, "US", parts, NOW + later) {
                    let room = counter.room.unwrap();
                    let (counted, limit) =
                        store.entry(counter.key).or_insert((0, room + counter.amount));
                    if *counted > room {
                        break;
                    }
                    *counted += counter.amount;
                    prop_assert!(*counted <= *limit);
                }
            }
        }
    }
}
