//! A language is chosen from those that there are, by its own tag or an alias of it, in whatever spelling.
//!
//! The first line is what the client asked for, the second the user's attribute.

use shared::locale::{Locale, LocaleReason};

/// Checks one choice.
pub fn check(text: &str) {
    let (client, attribute) =
        text.split_once('\n').map_or((text, None), |(client, attribute)| (client, Some(attribute)));
    for default in Locale::all() {
        let (locale, reason) = Locale::choose(Some(client), attribute, default);
        assert!(Locale::all().any(|known| known == locale));
        let by_client = Locale::lookup(client);
        let by_attribute = attribute.and_then(Locale::lookup);
        let expected = match (by_client, by_attribute) {
            (Some(locale), _) => (locale, LocaleReason::ClientMetadata),
            (None, Some(locale)) => (locale, LocaleReason::Attribute),
            (None, None) => (default, LocaleReason::Default),
        };
        assert_eq!((locale, reason), expected);
    }
    check_lookup(client);
}

fn check_lookup(wanted: &str) {
    let found = Locale::lookup(wanted);
    assert_eq!(Locale::lookup(&wanted.to_ascii_uppercase()), found, "upper and lower case are the same");
    assert_eq!(Locale::lookup(&wanted.replace('_', "-")), found, "and so are `_` and `-`");
    assert_eq!(Locale::lookup(&format!(" {},tlh", wanted.trim())), found, "only the first of several counts");
    let Some(locale) = found else { return };
    assert_eq!(Locale::lookup(locale.tag()), found);
    let first =
        |tag: &str| tag.trim().split(['-', '_', '.', '@', ',', ';', ' ']).next().map(str::to_ascii_lowercase);
    let (wanted, found) = (first(wanted).unwrap_or_default(), first(locale.tag()).unwrap_or_default());
    let alias = [("in", "id"), ("iw", "he"), ("ji", "yi"), ("no", "nb"), ("nn", "nb"), ("tl", "fil")];
    assert!(wanted == found || alias.contains(&(&wanted, &found)), "no language for another");
}
