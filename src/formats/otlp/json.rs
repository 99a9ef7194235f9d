//! The rules by which OTLP's JSON differs from plain serde: hex ids, 64-bit integers as decimal strings,
//! numbers that JSON has no word for. Used by the wire messages through `#[serde(with = ...)]`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Visitor};

/// Whether a field may be left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a whole number written as a number or as a decimal string.
pub(super) fn whole<'de, D: Deserializer<'de>, T: TryFrom<i128>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<i128>> Whole<T> {
    fn fit<E: Error>(value: i128) -> Result<T, E> {
        T::try_from(value).map_err(|_| E::custom(format_args!("{value} is out of range")))
    }
}

impl<T: TryFrom<i128>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a string that holds one")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Self::fit(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Self::fit(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Self::fit(text.parse().map_err(E::custom)?)
    }
}

/// Integers of 64 bits: strings when written.
pub(super) mod whole64 {
    use super::{Deserializer, fmt};

    pub(in super::super) fn serialize<S: serde::Serializer>(
        value: &impl fmt::Display,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<i128>>(
        from: D,
    ) -> Result<T, D::Error> {
        super::whole(from)
    }
}

/// Optional integers of 64 bits.
pub(super) mod whole64_option {
    use serde::Deserialize;
    use serde::de::Deserializer;

    #[derive(Deserialize)]
    struct Inner(#[serde(deserialize_with = "super::whole")] i64);

    pub(in super::super) fn serialize<S: serde::Serializer>(
        value: &Option<i64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Inner>::deserialize(from)?.map(|inner| inner.0))
    }
}

/// Lists of unsigned integers of 64 bits.
pub(super) mod whole64_list {
    use serde::Deserialize;
    use serde::de::Deserializer;

    #[derive(Deserialize)]
    struct Inner(#[serde(deserialize_with = "super::whole")] u64);

    pub(in super::super) fn serialize<S: serde::Serializer>(
        values: &[u64],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(u64::to_string))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
        Ok(Vec::<Inner>::deserialize(from)?.into_iter().map(|inner| inner.0).collect())
    }
}

/// Trace and span ids: hex, in either case when read.
pub(super) mod hex {
    use std::borrow::Cow;
    use std::fmt::Write as _;

    use serde::Deserialize;
    use serde::de::{Deserializer, Error};

    pub(in super::super) fn serialize<S: serde::Serializer>(id: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(id))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = Option::<Cow<'de, str>>::deserialize(from)?.unwrap_or_default();
        bytes(&text).ok_or_else(|| D::Error::custom("an id is not written in pairs of hex digits"))
    }

    /// Bytes as lower-case hex digits.
    pub(in super::super) fn text(bytes: &[u8]) -> String {
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Bytes of hex digits; none if the text holds anything else.
    pub(in super::super) fn bytes(text: &str) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pair = |pair: &[u8]| match *pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        };
        text.as_bytes().chunks(2).map(pair).collect()
    }
}

/// Byte strings: base64 when written; either alphabet, padded or not, when read.
pub(super) mod base64_option {
    use base64::Engine as _;
    use base64::alphabet::{STANDARD, URL_SAFE};
    use base64::engine::DecodePaddingMode;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as WRITTEN};
    use serde::Deserialize;
    use serde::de::{Deserializer, Error};

    pub(in super::super) fn serialize<S: serde::Serializer>(
        value: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => to.serialize_str(&WRITTEN.encode(bytes)),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let lax = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, lax).decode(text).map(Some).map_err(D::Error::custom)
    }
}

/// Floating point numbers; those that JSON lacks are `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub(super) mod real {
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};

    pub(in super::super) fn serialize<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        match *value {
            v if v.is_nan() => to.serialize_str("NaN"),
            f64::INFINITY => to.serialize_str("Infinity"),
            f64::NEG_INFINITY => to.serialize_str("-Infinity"),
            v => to.serialize_f64(v),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        from.deserialize_any(Real)
    }

    struct Real;

    impl Visitor<'_> for Real {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or a string that holds one")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            text.parse().map_err(E::custom)
        }
    }
}

/// Optional floating point numbers.
pub(super) mod real_option {
    use serde::de::Deserializer;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, Serialize)]
    struct Inner(#[serde(with = "super::real")] f64);

    pub(in super::super) fn serialize<S: serde::Serializer>(
        value: &Option<f64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Inner).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Inner>::deserialize(from)?.map(|inner| inner.0))
    }
}

/// Lists of floating point numbers.
pub(super) mod real_list {
    use serde::de::Deserializer;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, Serialize)]
    struct Inner(#[serde(with = "super::real")] f64);

    pub(in super::super) fn serialize<S: serde::Serializer>(
        values: &[f64],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().copied().map(Inner))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Inner>::deserialize(from)?.into_iter().map(|inner| inner.0).collect())
    }
}
