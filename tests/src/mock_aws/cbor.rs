//! CBOR as the AWS SDKs write it, and the parts that an answer is written with.
//!
//! <https://www.rfc-editor.org/rfc/rfc8949>, <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use serde_json::{Map, Value, json};

/// Ends what has no length.
const BREAK: u8 = 0xff;

/// Reads one value. Times become seconds since 1970, bytes base64.
///
/// None when the bytes are not CBOR, or of a kind that JSON cannot hold.
pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = value(&mut rest)?;
    rest.is_empty().then_some(value)
}

/// The start of a map of that many members.
pub(super) fn map(members: usize, bytes: &mut Vec<u8>) {
    head(5, members, bytes);
}

/// The start of an array of that many elements.
pub(super) fn array(elements: usize, bytes: &mut Vec<u8>) {
    head(4, elements, bytes);
}

/// A text.
pub(super) fn text(text: &str, bytes: &mut Vec<u8>) {
    head(3, text.len(), bytes);
    bytes.extend(text.as_bytes());
}

/// A truth value.
pub(super) fn boolean(value: bool, bytes: &mut Vec<u8>) {
    bytes.push(if value { 0xf5 } else { 0xf4 });
}

/// A whole number.
pub(super) fn integer(number: i64, bytes: &mut Vec<u8>) {
    let negative = number < 0;
    let size = if negative { -1 - number } else { number };
    head(u8::from(negative), usize::try_from(size).expect("64 bits"), bytes);
}

/// A floating-point number.
pub(super) fn float(number: f64, bytes: &mut Vec<u8>) {
    bytes.push(0xfb);
    bytes.extend(number.to_be_bytes());
}

/// A time, in seconds since 1970.
pub(super) fn time(seconds: f64, bytes: &mut Vec<u8>) {
    bytes.push(0xc1);
    float(seconds, bytes);
}

fn head(major: u8, number: usize, bytes: &mut Vec<u8>) {
    let major = major << 5;
    match (u8::try_from(number), u16::try_from(number)) {
        (Ok(small @ ..24), _) => bytes.push(major | small),
        (Ok(byte), _) => bytes.extend([major | 0x18, byte]),
        (_, Ok(short)) => {
            bytes.push(major | 0x19);
            bytes.extend(short.to_be_bytes());
        }
        _ => {
            bytes.push(major | 0x1b);
            bytes.extend((number as u64).to_be_bytes());
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// Whether the next byte ends something without a length; it is taken then.
fn ends(rest: &mut &[u8]) -> bool {
    let ends = rest.first() == Some(&BREAK);
    if ends {
        *rest = rest.get(1..).unwrap_or_default();
    }
    ends
}

fn number(info: u8, rest: &mut &[u8]) -> Option<u64> {
    let length = match info {
        0..24 => return Some(info.into()),
        24..28 => 1 << (info - 24),
        _ => return None,
    };
    Some(take(rest, length)?.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
}

fn value(rest: &mut &[u8]) -> Option<Value> {
    let first = *take(rest, 1)?.first()?;
    let (major, info) = (first >> 5, first & 0x1f);
    // No length: the elements go on until there is a break.
    if info == 31 && (major == 4 || major == 5) {
        let mut elements = Vec::new();
        while !ends(rest) {
            elements.push(value(rest)?);
        }
        return if major == 4 { Some(Value::Array(elements)) } else { members(elements) };
    }
    if major == 7 {
        return simple(info, rest);
    }
    let number = number(info, rest)?;
    let length = usize::try_from(number).ok()?;
    match major {
        0 => Some(json!(number)),
        1 => Some(json!(-1 - i64::try_from(number).ok()?)),
        2 => {
            use base64::Engine as _;
            Some(json!(base64::engine::general_purpose::STANDARD.encode(take(rest, length)?)))
        }
        3 => Some(json!(std::str::from_utf8(take(rest, length)?).ok()?)),
        4 => Some(Value::Array((0..length).map(|_| value(rest)).collect::<Option<_>>()?)),
        5 => members((0..length.checked_mul(2)?).map(|_| value(rest)).collect::<Option<_>>()?),
        // A tag: of them only times occur, and those stay numbers.
        _ => value(rest),
    }
}

fn simple(info: u8, rest: &mut &[u8]) -> Option<Value> {
    Some(match info {
        20 | 21 => json!(info == 21),
        22 | 23 => Value::Null,
        26 => json!(f32::from_be_bytes(take(rest, 4)?.try_into().ok()?)),
        27 => json!(f64::from_be_bytes(take(rest, 8)?.try_into().ok()?)),
        _ => return None,
    })
}

/// A map, from its keys and values in turn.
fn members(elements: Vec<Value>) -> Option<Value> {
    let mut elements = elements.into_iter();
    let mut members = Map::new();
    while let Some(key) = elements.next() {
        let Value::String(key) = key else { return None };
        members.insert(key, elements.next()?);
    }
    Some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        map(3, &mut bytes);
        text("a name of more than 23 letters", &mut bytes);
        array(5, &mut bytes);
        for number in [0, 23, 24, 70_000, -500] {
            integer(number, &mut bytes);
        }
        text("b", &mut bytes);
        float(0.5, &mut bytes);
        text("c", &mut bytes);
        time(1.0, &mut bytes);
        let expected =
            json!({ "a name of more than 23 letters": [0, 23, 24, 70_000, -500], "b": 0.5, "c": 1.0 });
        assert_eq!(decode(&bytes), Some(expected));
        // RFC 8949, appendix A.
        assert_eq!(
            decode(b"\xbf\x61\x61\x01\x61\x62\x9f\x02\x03\xff\xff"),
            Some(json!({ "a": 1, "b": [2, 3] }))
        );
        assert_eq!(decode(b"\xc1\x1a\x51\x4b\x67\xb0"), Some(json!(1_363_896_240)));
        assert_eq!(decode(b"\xa1\x61"), None);
    }
}
