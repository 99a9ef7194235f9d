//! Values that may be written short or long: one string or a list, one duration or a range. serde's untagged
//! enums would lose the places of what is inside.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::scenario::scalar::{Checked, Raw, RawVisitor, Scalar, Span};
use crate::scenario::units::Time;

/// A string, or an array of strings.
#[derive(Debug)]
pub(in crate::scenario) struct OneOrMany(pub(in crate::scenario) Vec<Checked<String>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Written<NoTable, Vec<Checked<String>>>>::deserialize(deserializer)?;
        let span = written.span();
        Ok(Self(match written.into_inner() {
            Written::Scalar(raw) => vec![Checked { span, value: String::read(raw) }],
            Written::Table(NoTable {}) => {
                vec![Checked {
                    span,
                    value: Err("is a table: write a string, or an array of strings".into()),
                }]
            }
            Written::Array(items) => items,
        }))
    }
}

/// Stands for any table.
#[derive(Deserialize)]
struct NoTable {}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A string, or an array of strings.",
            "type": ["string", "array"],
            "items": { "type": "string" },
        })
    }
}

/// A pause: one duration, or a range that each pause is drawn from.
#[derive(Debug)]
pub(in crate::scenario) enum Pause {
    /// `"1s"`.
    Fixed(Checked<Time>),
    /// `{ from = "1s", to = "3s" }`.
    Range(PauseRange, Span),
}

/// A range of durations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a duration or a table")]
pub(in crate::scenario) struct PauseRange {
    /// Shortest.
    pub(in crate::scenario) from: Option<Checked<Time>>,
    /// Longest.
    pub(in crate::scenario) to: Option<Checked<Time>>,
}

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Written<PauseRange, Raw>>::deserialize(deserializer)?;
        let span = written.span();
        Ok(match written.into_inner() {
            Written::Table(range) => Self::Range(range, span),
            Written::Scalar(raw) | Written::Array(raw) => {
                Self::Fixed(Checked { span, value: Time::read(raw) })
            }
        })
    }
}

impl JsonSchema for Pause {
    fn schema_name() -> Cow<'static, str> {
        "Pause".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = Time::json_schema(generator);
        let end = |what: &str| {
            let mut end = duration.clone();
            end.insert("description".into(), what.into());
            end
        };
        let mut pause = json_schema!({
            "description": "A duration, or a range of durations that each pause is drawn from.",
            "type": ["string", "object"],
            "properties": { "from": end("Shortest pause."), "to": end("Longest pause.") },
            "additionalProperties": false,
            "required": ["from", "to"],
            "examples": ["1s", { "from": "1s", "to": "3s" }],
        });
        // A pattern says nothing about objects.
        if let Some(pattern) = duration.get("pattern") {
            pause.insert("pattern".into(), pattern.clone());
        }
        pause
    }
}

/// A value before its place is known: a scalar, a table or an array.
enum Written<T, A> {
    Scalar(Raw),
    Table(T),
    Array(A),
}

impl<'de, T: Deserialize<'de>, A: Deserialize<'de>> Deserialize<'de> for Written<T, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(std::marker::PhantomData))
    }
}

struct WrittenVisitor<T, A>(std::marker::PhantomData<(T, A)>);

impl<'de, T: Deserialize<'de>, A: Deserialize<'de>> Visitor<'de> for WrittenVisitor<T, A> {
    type Value = Written<T, A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Self::Value, E> {
        RawVisitor.visit_bool(v).map(Written::Scalar)
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Self::Value, E> {
        RawVisitor.visit_i64(v).map(Written::Scalar)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Self::Value, E> {
        RawVisitor.visit_u64(v).map(Written::Scalar)
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Self::Value, E> {
        RawVisitor.visit_f64(v).map(Written::Scalar)
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Self::Value, E> {
        RawVisitor.visit_str(v).map(Written::Scalar)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
        A::deserialize(SeqAccessDeserializer::new(seq)).map(Written::Array)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Written::Table)
    }
}
