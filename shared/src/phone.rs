//! Phone numbers, their countries, and the countries that get SMS.
//!
//! The country comes from a table made of libphonenumber's metadata: docs/adr/0005-phone-table.md.

use std::collections::BTreeSet;
use std::fmt;
use std::iter;
use std::str::FromStr;

use crate::phone_table::{BY_DIGITS, KEY_DIGITS, LENGTHS, STRETCHES};

/// The minimum number of digits, calling code included: the shortest subscriber numbers in use have 7.
const SHORTEST: usize = 7;

/// The maximum number of digits, calling code included. Source: ITU-T E.164.
const LONGEST: usize = 15;

/// A phone number in E.164 format: `+` and 7 to 15 digits, the first of them not 0.
///
/// It has no `Display` and no `Serialize`, and its `Debug` is a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number. It doesn't contain the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// The text does not begin with `+` and a calling code.
    #[error("the phone number does not begin with `+` and a calling code")]
    NoCallingCode,
    /// Other characters than ASCII digits follow the `+`.
    #[error("the phone number has characters other than digits after its `+`")]
    NotDigits,
    /// There are fewer than 7 or more than 15 digits.
    #[error("the phone number does not have 7 to 15 digits")]
    Length,
}

impl PhoneNumber {
    /// The number itself, only for the request to the provider and the recipient's hash.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether numbers of its calling code can have this many digits.
    ///
    /// A provider rejects all other numbers, but only after the limits counted them.
    #[must_use]
    pub fn has_possible_length(&self) -> bool {
        let digits = self.0.trim_start_matches('+');
        let lengths = (1..=3).find_map(|len| {
            let code = digits.get(..len)?.parse().ok()?;
            let index = LENGTHS.binary_search_by_key(&code, |(code, _)| *code).ok()?;
            LENGTHS.get(index).map(|(_, lengths)| *lengths)
        });
        // An unassigned calling code has no territory either.
        lengths.is_none_or(|lengths| lengths & (1 << digits.len()) != 0)
    }

    /// The territory that the number's first digits belong to. Takes much less than a microsecond.
    #[must_use]
    pub fn territory(&self) -> Territory {
        let digits = self.0.bytes().skip(1).map(|byte| u32::from(byte.wrapping_sub(b'0')));
        let place = digits.chain(iter::repeat(0)).take(KEY_DIGITS).fold(0, |place, digit| place * 10 + digit);
        let after = STRETCHES.partition_point(|(first, _)| *first <= place);
        let stretch = after.checked_sub(1).and_then(|index| STRETCHES.get(index));
        match stretch.map_or(Rule::Unknown, |(_, rule)| *rule) {
            Rule::ByDigits(row) => {
                let digits = self.0.len() - 1;
                let rule = BY_DIGITS.get(usize::from(row)).and_then(|row| row.get(digits - SHORTEST));
                rule.map_or(Territory::Unknown, |rule| rule.settled())
            }
            rule => rule.settled(),
        }
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, PhoneNumberError> {
        // No calling code begins with 0; `+0…` is a national number after a plus.
        let digits = text.strip_prefix('+').filter(|digits| !digits.starts_with('0'));
        let digits = digits.ok_or(PhoneNumberError::NoCallingCode)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneNumberError::NotDigits);
        }
        if !(SHORTEST..=LONGEST).contains(&digits.len()) {
            return Err(PhoneNumberError::Length);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PhoneNumber(+*****)")
    }
}

/// Where a phone number belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Territory {
    /// An ordinary number of this country: fixed line, mobile or Internet telephony.
    ///
    /// A range that libphonenumber doesn't know counts as the country of its calling code if the code has only one,
    /// because users get numbers in new ranges before libphonenumber lists them.
    Country(Country),
    /// A range that never gets a message, in any country.
    Never(NeverReason),
    /// No country can be derived: an unassigned calling code, an unassigned range of a code that several
    /// countries share, or a trunk prefix (`+44 0…`) that hides what follows.
    Unknown,
}

/// Why a range never gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeverReason {
    /// Premium rate and shared cost: the owner of the number earns money with each message.
    Premium,
    /// Satellite networks.
    Satellite,
    /// Numbers without a place: freephone, personal and company-wide numbers, pagers, mailboxes, and calling codes that
    /// belong to no country.
    NonGeographic,
}

/// A country whose phone numbers can be recognized: its ISO 3166-1 alpha-2 code, in upper case.
///
/// Also Ascension (`AC`), Tristan da Cunha (`TA`) and Kosovo (`XK`), which have numbers but no code of their
/// own in the standard. Where two countries share mobile ranges, these count as the larger one's: a mobile
/// number of `AX` is in `FI`, of `BL` and `MF` in `GP`, of `CC` and `CX` in `AU`, of `SJ` in `NO`, of `VA` in
/// `IT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country([u8; 2]);

/// Why a text names no country. It continues a sentence that begins with the text: "`DEU` is not …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountryError {
    /// The text is not two ASCII letters.
    #[error("is not a two-letter country code such as `DE`")]
    NotTwoLetters,
    /// No number is known to be in that country.
    #[error("is not the ISO 3166-1 code of a country with phone numbers of its own")]
    Unknown,
}

impl FromStr for Country {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        let &[first, second] = text.as_bytes() else { return Err(CountryError::NotTwoLetters) };
        if !text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(CountryError::NotTwoLetters);
        }
        let letters = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        // The table is also the list of countries, so that no second list can disagree with it.
        let mut rules = STRETCHES.iter().map(|(_, rule)| rule).chain(BY_DIGITS.iter().flatten());
        let known = rules.any(|rule| matches!(rule, Rule::Country(country) if *country == letters));
        if known { Ok(Self(letters)) } else { Err(CountryError::Unknown) }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second]) = *self;
        write!(formatter, "{}{}", char::from(first), char::from(second))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Country({self})")
    }
}

/// The countries whose numbers may be sent an SMS: at least one, and no entry that stands for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryAllowlist(BTreeSet<Country>);

/// All problems of a list of countries. It continues a sentence that begins with the setting: "`NAME` must list …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryAllowlistError(Vec<String>);

impl CountryAllowlist {
    /// The countries, in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = Country> {
        self.0.iter().copied()
    }

    /// Whether the number may be sent an SMS.
    #[must_use]
    pub fn decide(&self, number: &PhoneNumber) -> SmsPermission {
        match number.territory() {
            Territory::Country(country) if self.0.contains(&country) => {
                if number.has_possible_length() {
                    SmsPermission::Allowed(country)
                } else {
                    SmsPermission::Refused(SmsRefusal::ImpossibleLength(country))
                }
            }
            Territory::Country(country) => SmsPermission::Refused(SmsRefusal::NotListed(country)),
            Territory::Never(reason) => SmsPermission::Refused(SmsRefusal::Never(reason)),
            Territory::Unknown => SmsPermission::Refused(SmsRefusal::UnknownTerritory),
        }
    }
}

impl FromStr for CountryAllowlist {
    type Err = CountryAllowlistError;

    /// Reads country codes separated by commas or white space, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, CountryAllowlistError> {
        let mut countries = BTreeSet::new();
        let mut problems = Vec::new();
        let entries = text.split(|separator: char| separator == ',' || separator.is_whitespace());
        for (index, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let position = index.saturating_add(1);
            match entry.parse() {
                Ok(country) => {
                    countries.insert(country);
                }
                // An entry with digits may be a phone number, one that is long or has an `@` an address, which no
                // message may show.
                Err(error)
                    if entry.len() > 3
                        || entry.contains(char::is_numeric)
                        || entry.contains(crate::address::AT_SIGNS) =>
                {
                    problems.push(format!("entry {position} {error}"));
                }
                Err(error) => problems.push(format!("entry {position} `{}` {error}", entry.escape_debug())),
            }
        }
        if countries.is_empty() && problems.is_empty() {
            problems.push(
                "must list at least one country, such as `DE`; there is no value for all countries"
                    .to_owned(),
            );
        }
        if problems.is_empty() { Ok(Self(countries)) } else { Err(CountryAllowlistError(problems)) }
    }
}

impl fmt::Display for CountryAllowlistError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for CountryAllowlistError {}

/// Whether a number may be sent an SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsPermission {
    /// It is an ordinary number of this listed country.
    Allowed(Country),
    /// It must not get an SMS.
    Refused(SmsRefusal),
}

/// Why a number gets no SMS. Its text holds the country or the kind of range, never the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmsRefusal {
    /// The number's country is not listed.
    #[error("the number is in {0}, which is not in SMS_ALLOWED_COUNTRIES (parameter SmsAllowedCountries)")]
    NotListed(Country),
    /// No number of this country has so many digits.
    #[error("the number has more or fewer digits than any number in {0}")]
    ImpossibleLength(Country),
    /// The number is in a range that never gets an SMS.
    #[error("the number is in a {0} range, which never gets an SMS")]
    Never(NeverReason),
    /// No country can be derived, so none can be allowed.
    #[error("the number is not in the range of any known country")]
    UnknownTerritory,
}

impl fmt::Display for NeverReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Premium => "premium",
            Self::Satellite => "satellite",
            Self::NonGeographic => "non-geographic",
        })
    }
}

/// An entry of the generated table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Country([u8; 2]),
    Never(NeverReason),
    Unknown,
    /// A row of [`BY_DIGITS`]: the answer depends on how many digits the number has.
    ByDigits(u8),
}

impl Rule {
    /// The rule as an answer, if it does not depend on anything else.
    fn settled(self) -> Territory {
        match self {
            Self::Country(letters) => Territory::Country(Country(letters)),
            Self::Never(reason) => Territory::Never(reason),
            Self::Unknown | Self::ByDigits(_) => Territory::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn territory_of(number: &str) -> String {
        match number.parse::<PhoneNumber>().unwrap().territory() {
            Territory::Country(country) => country.to_string(),
            Territory::Never(reason) => reason.to_string(),
            Territory::Unknown => "unknown".to_owned(),
        }
    }

    #[track_caller]
    fn check(number: &str, territory: &str) {
        assert_eq!(territory_of(number), territory, "{number}");
    }

    #[track_caller]
    fn check_error(text: &str, error: PhoneNumberError) {
        assert_eq!(text.parse::<PhoneNumber>(), Err(error), "{text}");
    }

    #[track_caller]
    fn check_permission(allowed: &str, number: &str, expected: &str) {
        let allowed: CountryAllowlist = allowed.parse().unwrap();
        let decision = match allowed.decide(&number.parse().unwrap()) {
            SmsPermission::Allowed(country) => format!("allowed in {country}"),
            SmsPermission::Refused(refusal) => refusal.to_string(),
        };
        assert_eq!(decision, expected, "{number}");
    }

    #[test]
    fn a_number_that_cannot_exist_gets_no_sms() {
        check_permission("US", "+12065550100", "allowed in US");
        for number in ["+120655501000", "+1206555010000", "+12065550100000", "+1206555010"] {
            check_permission("US", number, "the number has more or fewer digits than any number in US");
        }
        check_permission("GB", "+447400123456", "allowed in GB");
        check_permission("GB", "+4474001234567", "the number has more or fewer digits than any number in GB");
        // Numbers in Germany have no fixed length.
        check_permission("DE", "+4915112345678", "allowed in DE");
        check_permission("DE", "+4930123456", "allowed in DE");
    }

    #[test]
    fn every_number_of_the_vectors_has_a_possible_length() {
        let vectors: BTreeMap<String, String> =
            serde_json::from_str(include_str!("../fixtures/phone/territories.json")).unwrap();
        for number in vectors.keys() {
            assert!(number.parse::<PhoneNumber>().unwrap().has_possible_length(), "{number}");
        }
    }

    #[track_caller]
    fn check_list_error(text: &str, expected: &str) {
        assert_eq!(text.parse::<CountryAllowlist>().unwrap_err().to_string(), expected);
    }

    #[test]
    fn every_vector_of_libphonenumber_has_its_territory() {
        let vectors: BTreeMap<String, String> =
            serde_json::from_str(include_str!("../fixtures/phone/territories.json")).unwrap();
        assert!(vectors.len() > 2_000);
        let wrong: Vec<_> =
            vectors.iter().filter(|(number, territory)| territory_of(number) != **territory).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn shared_calling_codes_are_told_apart() {
        check("+12065550100", "US");
        check("+14165550100", "CA");
        check("+18765550100", "JM");
        check("+16585550100", "JM");
        check("+18095550100", "DO");
        check("+17875550100", "PR");
        check("+14415550100", "BM");
        check("+79000000000", "RU");
        check("+77000000000", "KZ");
        check("+447400000000", "GB");
        check("+447911100000", "GG");
        check("+447509000000", "JE");
        check("+447624000000", "IM");
        check("+390600000000", "IT");
        check("+390669800000", "VA");
        check("+4740000000", "NO");
        check("+4779000000", "SJ");
        check("+61400000000", "AU");
        check("+61891640000", "CX");
        check("+61891620000", "CC");
        check("+262692000000", "RE");
        check("+262639000000", "YT");
        check("+358401000000", "FI");
        check("+35818100000", "AX");
        check("+590690000000", "GP");
        check("+5997000000", "BQ");
        check("+59995100000", "CW");
        check("+2908000", "TA");
    }

    #[test]
    fn premium_satellite_and_non_geographic_ranges_are_never_messaged() {
        check("+19005550100", "premium");
        check("+15005550100", "non-geographic");
        check("+18005550100", "non-geographic");
        check("+447000000000", "non-geographic");
        check("+447600000000", "non-geographic");
        check("+443000000000", "non-geographic");
        check("+449000000000", "premium");
        check("+448440000000", "premium");
        check("+4990010000000", "premium");
        check("+4970000000000", "non-geographic");
        check("+491371000000", "premium");
        check("+33899000000", "premium");
        check("+819900000000", "premium");
        check("+80012345678", "non-geographic");
        check("+80812345678", "premium");
        check("+870773111632", "satellite");
        check("+878101234567", "non-geographic");
        check("+881612345678", "satellite");
        check("+88213456789", "non-geographic");
        check("+88351234567", "non-geographic");
        check("+88812345678", "non-geographic");
        check("+979123456789", "premium");
    }

    #[test]
    fn the_length_decides_where_a_mailbox_number_extends_a_mobile_number() {
        check("+4915205500000", "DE");
        check("+491520550000000", "non-geographic");
    }

    #[test]
    fn an_unassigned_range_belongs_to_the_country_when_its_code_has_only_one() {
        check("+4914000000000", "DE");
        check("+818100000000", "JP");
        check("+21000000000", "unknown");
    }

    #[test]
    fn an_unassigned_range_of_a_shared_code_belongs_to_nobody() {
        check("+15550100000", "unknown");
        check("+15555550100", "unknown");
        check("+19995550100", "unknown");
        check("+442600000000", "unknown");
    }

    #[test]
    fn an_unassigned_range_among_premium_ranges_is_premium() {
        check("+4990020000000", "premium");
        check("+34801000000", "premium");
    }

    #[test]
    fn a_trunk_prefix_cannot_hide_a_range() {
        check("+4490000000000", "premium");
        check("+44090000000000", "unknown");
        check("+490900100000", "unknown");
        check("+1190055501000", "unknown");
        check("+390600000000", "IT");
        check("+2250700000000", "CI");
    }

    #[test]
    fn only_e_164_is_a_number() {
        check_error("", PhoneNumberError::NoCallingCode);
        check_error("12065550100", PhoneNumberError::NoCallingCode);
        check_error("0012065550100", PhoneNumberError::NoCallingCode);
        check_error("+02065550100", PhoneNumberError::NoCallingCode);
        check_error(" +12065550100", PhoneNumberError::NoCallingCode);
        check_error("+12065550100 ", PhoneNumberError::NotDigits);
        check_error("+1 206 555 0100", PhoneNumberError::NotDigits);
        check_error("++2065550100", PhoneNumberError::NotDigits);
        check_error("+1206555010x", PhoneNumberError::NotDigits);
        check_error("+1206555010٠", PhoneNumberError::NotDigits);
        check_error("+", PhoneNumberError::Length);
        check_error("+123456", PhoneNumberError::Length);
        check_error("+1234567890123456", PhoneNumberError::Length);
    }

    #[test]
    fn a_number_does_not_print_itself() {
        let number: PhoneNumber = "+12065550100".parse().unwrap();
        assert_eq!(number.expose(), "+12065550100");
        assert_eq!(format!("{number:?}"), "PhoneNumber(+*****)");
    }

    #[test]
    fn only_listed_countries_are_allowed() {
        check_permission("US", "+12065550100", "allowed in US");
        check_permission(
            "US",
            "+14165550100",
            "the number is in CA, which is not in SMS_ALLOWED_COUNTRIES (parameter SmsAllowedCountries)",
        );
        check_permission("de, at\nUS,,CA", "+14165550100", "allowed in CA");
        check_permission(
            "US",
            "+12642350100",
            "the number is in AI, which is not in SMS_ALLOWED_COUNTRIES (parameter SmsAllowedCountries)",
        );
        check_permission("US", "+19005550100", "the number is in a premium range, which never gets an SMS");
        check_permission("GB", "+442600000000", "the number is not in the range of any known country");
    }

    #[test]
    fn every_wrong_entry_of_a_list_is_reported() {
        check_list_error(
            "",
            "must list at least one country, such as `DE`; there is no value for all countries",
        );
        check_list_error(
            " , ",
            "must list at least one country, such as `DE`; there is no value for all countries",
        );
        check_list_error(
            "*, DE, DEU, UK, +12065550100, ann@example.com, a@b",
            "entry 1 `*` is not a two-letter country code such as `DE`, \
             entry 3 `DEU` is not a two-letter country code such as `DE`, \
             entry 4 `UK` is not the ISO 3166-1 code of a country with phone numbers of its own, \
             entry 5 is not a two-letter country code such as `DE`, \
             entry 6 is not a two-letter country code such as `DE`, \
             entry 7 is not a two-letter country code such as `DE`",
        );
    }

    #[test]
    fn the_table_is_sorted_and_covers_the_number_line() {
        assert!(STRETCHES.is_sorted_by(|(before, _), (after, _)| before < after));
        assert_eq!(STRETCHES.first().map(|(first, _)| *first), Some(0));
        let rows = STRETCHES.iter().filter_map(|(_, rule)| match rule {
            Rule::ByDigits(row) => Some(usize::from(*row)),
            _ => None,
        });
        assert_eq!(rows.max(), Some(BY_DIGITS.len() - 1));
        assert!(BY_DIGITS.iter().flatten().all(|rule| !matches!(rule, Rule::ByDigits(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<PhoneNumber>();
            let _ = text.parse::<Country>();
            let _ = text.parse::<CountryAllowlist>();
        }

        #[test]
        fn every_number_has_one_answer_and_shows_no_digits(text in "\\+[1-9][0-9]{6,14}") {
            let number: PhoneNumber = text.parse().unwrap();
            let allowed: CountryAllowlist = "DE".parse().unwrap();
            let answer = format!("{:?} {:?}", number.territory(), allowed.decide(&number));
            prop_assert!(!answer.contains(|character: char| character.is_ascii_digit()));
        }
    }
}
