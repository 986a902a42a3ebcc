//! Whole numbers as JSON has them: `7` and `7.0` are the same there, and some languages write the second.

use pool_core::ByteSize;
use serde::{Deserialize, Deserializer, de};
use std::fmt;

struct WholeNumber;

impl de::Visitor<'_> for WholeNumber {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("u32")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u32, E> {
        u32::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u32, E> {
        u32::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u32, E> {
        let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        if whole { Ok(number as u32) } else { Err(E::invalid_type(de::Unexpected::Float(number), &self)) }
    }
}

/// For `deserialize_with`.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_u32(WholeNumber)
}

/// The same where there may be none.
pub(crate) fn optional_whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole_number")] u32);
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
}

struct Size;

impl de::Visitor<'_> for Size {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes or a size such as `512 MiB`")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_f64<E: de::Error>(self, bytes: f64) -> Result<ByteSize, E> {
        let whole = bytes.fract() == 0.0 && (0.0..=i64::MAX as f64).contains(&bytes);
        if whole {
            Ok(ByteSize(bytes as u64))
        } else {
            Err(E::invalid_type(de::Unexpected::Float(bytes), &self))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Bytes, or a text with a unit, for `deserialize_with`.
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    deserializer.deserialize_any(Size)
}

/// The same where there may be none.
pub(crate) fn optional_size<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ByteSize>, D::Error> {
    #[derive(Deserialize)]
    struct Bytes(#[serde(deserialize_with = "size")] ByteSize);
    Ok(Option::<Bytes>::deserialize(deserializer)?.map(|Bytes(size)| size))
}

/// Numbers and places as the queue and files have them: up to 2^63 - 1, for `deserialize_with`.
pub(crate) fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if i64::try_from(number).is_ok() {
        return Ok(number);
    }
    Err(de::Error::custom(format_args!("{number} is too large: at most {}", i64::MAX)))
}

/// The same where there may be none.
pub(crate) fn optional_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Place(#[serde(deserialize_with = "place")] u64);
    Ok(Option::<Place>::deserialize(deserializer)?.map(|Place(number)| number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Both {
        #[serde(deserialize_with = "whole_number")]
        a: u32,
        #[serde(default, deserialize_with = "optional_whole_number")]
        b: Option<u32>,
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Both>(text).map(|both| (both.a, both.b));
        assert_eq!(read(r#"{"a":7}"#).unwrap(), (7, None));
        assert_eq!(read(r#"{"a":7.0,"b":3.0}"#).unwrap(), (7, Some(3)));
        assert_eq!(read(r#"{"a":4294967295.0,"b":null}"#).unwrap(), (u32::MAX, None));
        for bad in [
            r#"{"a":7.5}"#,
            r#"{"a":-1}"#,
            r#"{"a":-1.0}"#,
            r#"{"a":4294967296}"#,
            r#"{"a":1e300}"#,
            r#"{"a":"7"}"#,
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("expected u32"), "{bad}: {error}");
        }
    }
}
