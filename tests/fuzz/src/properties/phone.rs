//! A number is digits that E.164 allows, in one country or none, and nothing that is said of it shows it.
//!
//! The first line is a list of countries, the rest a number; all of it is a text to send.

use shared::phone::{Country, CountryAllowlist, PhoneNumber, SmsPermission, Territory};
use shared::segments::{Encoding, Segments, segments};

/// Checks one number with one list.
pub fn check(text: &str) {
    let (list, number) = text.split_once('\n').unwrap_or((text, text));
    let countries = list.parse::<CountryAllowlist>();
    if let Err(error) = &countries {
        check_list_error(list, &error.to_string());
    }
    if let Ok(number) = number.parse::<PhoneNumber>() {
        check_number(number.expose(), text);
        check_territory(&number, countries.ok());
    }
    check_segments(text);
}

fn check_number(exposed: &str, text: &str) {
    assert!(text.ends_with(exposed), "a number is never repaired");
    let digits = exposed.strip_prefix('+').expect("a number begins with `+`");
    assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(!digits.starts_with('0'));
}

fn check_territory(number: &PhoneNumber, countries: Option<CountryAllowlist>) {
    let territory = number.territory();
    if let Territory::Country(country) = territory {
        assert_eq!(country.to_string().parse::<Country>(), Ok(country));
        for (calling_code, only) in CALLING_CODES {
            if number.expose().starts_with(calling_code) {
                assert!(only.contains(&country.to_string().as_str()), "{country} has not {calling_code}");
            }
        }
    }
    let Some(countries) = countries else { return };
    let permission = countries.decide(number);
    let expected = match territory {
        Territory::Country(country) => {
            let listed = countries.iter().any(|listed| listed == country);
            (listed && number.has_possible_length()).then_some(country)
        }
        Territory::Never(_) | Territory::Unknown => None,
    };
    match (permission, expected) {
        (SmsPermission::Allowed(country), Some(expected)) => assert_eq!(country, expected),
        (SmsPermission::Refused(refusal), None) => {
            assert!(!refusal.to_string().contains(|character: char| character.is_ascii_digit()));
        }
        _ => panic!(
            "a number is allowed if, and only if, its country is listed and has numbers of that length"
        ),
    }
    assert_eq!(format!("{number:?}"), "PhoneNumber(+*****)");
}

/// Calling codes and who shares them. Source: ITU-T E.164, list of assigned country codes.
const CALLING_CODES: [(&str, &[&str]); 8] = [
    ("+33", &["FR"]),
    ("+358", &["FI", "AX"]),
    ("+39", &["IT", "VA"]),
    ("+44", &["GB", "GG", "IM", "JE"]),
    ("+49", &["DE"]),
    ("+61", &["AU", "CC", "CX"]),
    ("+7", &["RU", "KZ"]),
    ("+81", &["JP"]),
];

/// An entry that may be a user's number by mistake is not shown.
fn check_list_error(list: &str, error: &str) {
    assert!(!error.contains(char::is_control), "a line of the log could be forged");
    let entries = list.split(|separator: char| separator == ',' || separator.is_whitespace());
    for number in
        entries.filter(|entry| entry.starts_with('+') && entry.bytes().any(|byte| byte.is_ascii_digit()))
    {
        assert!(!error.contains(number));
    }
}

fn check_segments(text: &str) {
    let Segments { encoding, units, parts } = segments(text);
    let (alone, joined) = if encoding == Encoding::Gsm7 { (160, 153) } else { (70, 67) };
    assert!(parts >= 1 && units >= text.chars().count());
    assert!(units <= if parts == 1 { alone } else { parts * joined }, "the text fits its parts");
    assert!(parts == 1 || units > (parts - 1) * (joined - 1), "and no part is sent in vain");
}
