//! Attribute values, and the process that recorded.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::wire_common as wire;

/// Stands for the name of a service that did not say it.
pub const NO_SERVICE: &str = "unknown_service";

/// Attributes in the order they were sent; a key may be there twice.
pub type Attributes = Vec<(String, Value)>;

/// A value of an attribute, or the body of a log record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Attributes),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a text: a text itself, bytes as hex, others as JSON (numbers that it has no word for are null).
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => Cow::Owned(hex(bytes)),
            other => Cow::Owned(Json(other).to_string()),
        }
    }

    pub(super) fn of(wire: Option<wire::AnyValue>) -> Self {
        let Some(v) = wire else { return Self::Empty };
        let text = v.string_value.map(Self::Text);
        text.or(v.bool_value.map(Self::Bool))
            .or(v.int_value.map(Self::Int))
            .or(v.double_value.map(Self::Double))
            .or(v.array_value.map(|l| Self::List(l.values.into_iter().map(|v| Self::of(Some(v))).collect())))
            .or(v.kvlist_value.map(|m| Self::Map(attributes(m.values))))
            .or(v.bytes_value.map(Self::Bytes))
            .unwrap_or(Self::Empty)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A string takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a value as JSON. Depth is bounded by the decoder.
struct Json<'a>(&'a Value);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text);
        match self.0 {
            Value::Empty => f.write_str("null"),
            Value::Text(text) => quoted(text).fmt(f),
            Value::Bool(yes) => yes.fmt(f),
            Value::Int(n) => n.fmt(f),
            Value::Double(d) => serde_json::Value::from(*d).fmt(f),
            Value::Bytes(bytes) => quoted(&hex(bytes)).fmt(f),
            Value::List(list) => {
                f.write_str("[")?;
                for (i, value) in list.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    Json(value).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    write!(f, "{}:", quoted(key))?;
                    Json(value).fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

pub(super) fn attributes(wire: Vec<wire::KeyValue>) -> Attributes {
    wire.into_iter().map(|pair| (pair.key, Value::of(pair.value))).collect()
}

/// The value of a key; the first one if it is there twice.
#[must_use]
pub fn find<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a Value> {
    attributes.iter().find(|(k, _)| k == key).map(|(_, value)| value)
}

/// The process that recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// `service.name`; [`NO_SERVICE`] if it is not given.
    pub service: String,
    /// All attributes.
    pub attributes: Attributes,
}

impl Resource {
    pub(super) fn of(wire: Option<wire::Resource>) -> Arc<Self> {
        let attributes = attributes(wire.map(|r| r.attributes).unwrap_or_default());
        let named = find(&attributes, "service.name").and_then(Value::text).filter(|name| !name.is_empty());
        Arc::new(Self { service: named.unwrap_or(NO_SERVICE).to_owned(), attributes })
    }
}
