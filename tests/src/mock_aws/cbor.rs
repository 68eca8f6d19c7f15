//! CBOR as JSON, which the mock thinks in.
//!
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::data::Type;
use minicbor::decode::{Decode, Decoder, Error};
use serde_json::{Value, json};

/// Reads one value. Times become seconds since 1970, bytes base64.
///
/// None if the bytes are not CBOR, or of a kind that JSON cannot hold.
pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut decoder = Decoder::new(bytes);
    let Json(value) = decoder.decode().ok()?;
    (decoder.position() == bytes.len()).then_some(value)
}

struct Json(Value);

impl<'b> Decode<'b, ()> for Json {
    fn decode(decoder: &mut Decoder<'b>, (): &mut ()) -> Result<Self, Error> {
        Ok(Self(match decoder.datatype()? {
            Type::Bool => json!(decoder.bool()?),
            Type::Null => {
                decoder.null()?;
                Value::Null
            }
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => json!(decoder.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => json!(decoder.i64()?),
            Type::F32 => json!(decoder.f32()?),
            Type::F64 => json!(decoder.f64()?),
            Type::Bytes => json!(STANDARD.encode(decoder.bytes()?)),
            Type::String => json!(decoder.str()?),
            Type::Array | Type::ArrayIndef => decoder
                .array_iter::<Self>()?
                .map(|element| element.map(|Self(value)| value))
                .collect::<Result<Value, _>>()?,
            Type::Map | Type::MapIndef => decoder
                .map_iter::<String, Self>()?
                .map(|member| member.map(|(name, Self(value))| (name, value)))
                .collect::<Result<Value, _>>()?,
            // Of the tags only times occur, and those stay numbers.
            Type::Tag => {
                decoder.tag()?;
                decoder.decode::<Self>()?.0
            }
            other => return Err(Error::type_mismatch(other)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_length_and_times_are_read_and_truncated_ones_are_not() {
        // RFC 8949, appendix A.
        assert_eq!(
            decode(b"\xbf\x61\x61\x01\x61\x62\x9f\x02\x03\xff\xff"),
            Some(json!({ "a": 1, "b": [2, 3] }))
        );
        assert_eq!(decode(b"\xc1\x1a\x51\x4b\x67\xb0"), Some(json!(1_363_896_240)));
        assert_eq!(decode(b"\xa1\x61"), None);
        assert_eq!(decode(b"\x01\x01"), None);
    }
}
