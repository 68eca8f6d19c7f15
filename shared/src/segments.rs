//! The number of SMS parts of a text.
//!
//! One SMS carries 140 octets: 160 characters of the GSM 7-bit alphabet, or 70 units of UCS-2 as soon as one
//! character is outside that alphabet. A longer text is split, and every part loses 6 octets to the header
//! that joins them: 153 and 67 are left. Sources: 3GPP TS 23.038 (formerly GSM 03.38) and 23.040; "SMS
//! character limits", AWS End User Messaging SMS user guide.

/// The GSM 7-bit default alphabet without the letters and digits of ASCII, and without the escape itself.
const DEFAULT_SIGNS: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";

/// The extension table: each of these takes an escape septet and one more.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How a text is encoded on the way to the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet with its extension table; units are septets.
    Gsm7,
    /// UCS-2, in practice UTF-16; units are of 16 bits.
    Ucs2,
}

/// The encoding and number of parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// The narrowest encoding that holds every character.
    pub encoding: Encoding,
    /// The length of the text in the encoding's units.
    pub units: usize,
    /// The number of SMS that are sent and paid for: at least 1.
    ///
    /// Amazon SNS splits between words, so a long text can take more parts. Source: "Publishing SMS messages to a
    /// mobile phone", Amazon SNS developer guide.
    pub parts: usize,
}

/// Counts the SMS parts of a text. Takes time in proportion to the text.
#[must_use]
pub fn segments(text: &str) -> Segments {
    if let Some(units) = text.chars().map(septets).sum::<Option<usize>>() {
        let widths = text.chars().filter_map(septets);
        Segments { encoding: Encoding::Gsm7, units, parts: parts(units, widths, 160, 153) }
    } else {
        let units = text.encode_utf16().count();
        let widths = text.chars().map(char::len_utf16);
        Segments { encoding: Encoding::Ucs2, units, parts: parts(units, widths, 70, 67) }
    }
}

/// Fills one part after the other. A character of two units is never split between two parts.
fn parts(units: usize, widths: impl Iterator<Item = usize>, alone: usize, joined: usize) -> usize {
    if units <= alone {
        return 1;
    }
    let (parts, _) =
        widths.fold(
            (1, 0),
            |(parts, used), width| {
                if used + width > joined { (parts + 1, width) } else { (parts, used + width) }
            },
        );
    parts
}

/// How many septets a character takes in the GSM 7-bit alphabet; `None` if it is not in it.
fn septets(character: char) -> Option<usize> {
    match character {
        'A'..='Z' | 'a'..='z' | '0'..='9' => Some(1),
        _ if DEFAULT_SIGNS.contains(character) => Some(1),
        _ if EXTENSION.contains(character) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoding::{Gsm7, Ucs2};
    use super::*;

    #[track_caller]
    fn check(text: &str, encoding: Encoding, units: usize, parts: usize) {
        assert_eq!(segments(text), Segments { encoding, units, parts }, "{text}");
    }

    #[test]
    fn the_alphabet_has_127_characters_and_10_more_behind_the_escape() {
        let widths = |width| (char::MIN..=char::MAX).filter(|c| septets(*c) == Some(width)).count();
        assert_eq!(widths(1), 127);
        assert_eq!(widths(2), 10);
    }

    #[test]
    fn one_sms_holds_160_septets_and_several_153_each() {
        check("", Gsm7, 0, 1);
        check(&"a".repeat(160), Gsm7, 160, 1);
        check(&"a".repeat(161), Gsm7, 161, 2);
        check(&"a".repeat(306), Gsm7, 306, 2);
        check(&"a".repeat(307), Gsm7, 307, 3);
        check("Ihr Code für Größe lautet 123456.", Gsm7, 33, 1);
    }

    #[test]
    fn an_extended_character_takes_two_septets_and_is_not_split() {
        check("€", Gsm7, 2, 1);
        check(&"€".repeat(80), Gsm7, 160, 1);
        check(&"€".repeat(81), Gsm7, 162, 2);
        check(&"€".repeat(152), Gsm7, 304, 2);
        // 306 septets would fill two parts exactly, but each has room for 76 whole characters only.
        check(&"€".repeat(153), Gsm7, 306, 3);
        check(&format!("{}€{}", "a".repeat(152), "a".repeat(152)), Gsm7, 306, 3);
    }

    #[test]
    fn one_sms_holds_70_units_of_ucs_2_and_several_67_each() {
        check(&"あ".repeat(70), Ucs2, 70, 1);
        check(&"あ".repeat(71), Ucs2, 71, 2);
        check(&"あ".repeat(134), Ucs2, 134, 2);
        check(&"あ".repeat(135), Ucs2, 135, 3);
    }

    #[test]
    fn one_foreign_character_changes_the_encoding_of_the_whole_text() {
        check("ça va", Ucs2, 5, 1);
        check("the code’s", Ucs2, 10, 1);
        check(&format!("{}’", "a".repeat(70)), Ucs2, 71, 2);
    }

    #[test]
    fn a_surrogate_pair_is_not_split() {
        check(&"😀".repeat(35), Ucs2, 70, 1);
        // 134 units would fill two parts exactly, but each has room for 33 whole pairs only.
        check(&"😀".repeat(67), Ucs2, 134, 3);
    }

    proptest! {
        #[test]
        fn a_text_has_at_least_as_many_units_as_characters_and_fits_its_parts(text in any::<String>()) {
            let Segments { encoding, units, parts } = segments(&text);
            let (alone, joined) = if encoding == Gsm7 { (160, 153) } else { (70, 67) };
            prop_assert!(units >= text.chars().count());
            let room = if parts == 1 { alone } else { parts * joined };
            prop_assert!(parts >= 1 && units <= room);
            // At most one unit of every part stays empty because a character of two did not fit.
            prop_assert!(parts == 1 || units > (parts - 1) * (joined - 1));
        }

        #[test]
        fn appending_never_makes_fewer_parts(text in "[a-z€あ😀]{0,400}", more in "[a-z€あ😀]{0,40}") {
            let before = segments(&text).parts;
            prop_assert!(before <= segments(&(text + &more)).parts);
        }

        #[test]
        fn plain_letters_fill_parts_exactly(length in 161_usize..2_000) {
            prop_assert_eq!(segments(&"a".repeat(length)).parts, length.div_ceil(153));
        }
    }
}
