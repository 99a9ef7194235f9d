//! Ids of traces and spans.

use std::fmt;
use std::str::FromStr;

use super::json::hex;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is hex digits (32 of a trace, 16 of a span), not all zero")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// An id; none if it has another length or is all zero, which means "no id".
            #[must_use]
            pub fn new(bytes: &[u8]) -> Option<Self> {
                let bytes: [u8; $bytes] = bytes.try_into().ok()?;
                bytes.iter().any(|b| *b != 0).then_some(Self(bytes))
            }

            /// Its bytes.
            #[must_use]
            pub const fn bytes(self) -> [u8; $bytes] {
                self.0
            }
        }

        impl fmt::Display for $name {
            /// Lower-case hex digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::text(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                hex::bytes(text).and_then(|bytes| Self::new(&bytes)).ok_or(IdError)
            }
        }
    };
}

id! {
    /// Sixteen bytes that all spans of one trace share.
    TraceId, 16
}
id! {
    /// Eight bytes that name a span within its trace.
    SpanId, 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_in_either_case_and_never_zero() {
        let id: TraceId = "5B8EFFF798038103d269b633813fc60c".parse().expect("an id");
        assert_eq!(id.to_string(), "5b8efff798038103d269b633813fc60c");
        for wrong in ["", "5b", "5b8efff798038103d269b633813fc6zz", &"0".repeat(32), &"a".repeat(33)] {
            assert_eq!(wrong.parse::<TraceId>(), Err(IdError), "{wrong}");
        }
        assert_eq!(SpanId::new(&[0; 8]), None);
        assert_eq!(SpanId::new(&[7; 8]).map(SpanId::bytes), Some([7; 8]));
    }
}
