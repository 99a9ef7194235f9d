//! The shape of journeys, feeders, extractions and checks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Step;
use crate::scenario::scalar::{Checked, Placed, Raw, Scalar};
use crate::scenario::units::{Count, Number};

/// Steps that one user takes one after the other. A step that fails ends its journey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Journey {
    /// Name, unique among journeys and requests of their own.
    #[schemars(required)]
    pub(in crate::scenario) name: Option<Checked<String>>,
    /// Share of the arrivals, relative to the other journeys and requests.
    #[schemars(extend("default" = 1, "minimum" = 1))]
    pub(in crate::scenario) weight: Option<Checked<Count>>,
    /// The steps in order, at least one.
    #[schemars(required)]
    pub(in crate::scenario) step: Option<Vec<Placed<Step>>>,
}

/// A file of records.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Feeder {
    /// Name: lower case letters, digits, dashes, underscores; the first part of its variables.
    #[schemars(required, extend("examples" = ["user"]))]
    pub(in crate::scenario) name: Option<Checked<String>>,
    /// The file, relative to the scenario file: `.csv` (first line: names of the columns) or `.jsonl` (one
    /// object per line).
    #[schemars(required, extend("examples" = ["users.csv", "products.jsonl"]))]
    pub(in crate::scenario) file: Option<Checked<String>>,
    /// How the records are laid out. Default: as the ending of the file's name says.
    #[schemars(extend("enum" = ["csv", "jsonl"]))]
    pub(in crate::scenario) format: Option<Checked<String>>,
    /// Which record a journey gets. `sequential`: one after the other. `random`: any. `unique`: each virtual
    /// user one of its own for the whole run (open model: each arrival).
    #[schemars(extend("default" = "sequential", "enum" = ["sequential", "random", "unique"]))]
    pub(in crate::scenario) order: Option<Checked<String>>,
    /// What happens when all records were given: from the first one again, journeys fail, or the run stops.
    /// Default: `repeat` if sequential, `fail` if unique.
    #[schemars(extend("enum" = ["repeat", "fail", "stop"]))]
    pub(in crate::scenario) at_end: Option<Checked<String>>,
}

/// Variables with the places of their names.
pub(in crate::scenario) type Extracts = BTreeMap<Placed<String>, Placed<Extract>>;

/// Where in an answer a variable's value is: exactly one place, and what stands in if nothing is there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Extract {
    /// First match of a JSONPath (RFC 9535) in the body.
    #[schemars(extend("examples" = ["$.token", "$.items[0].id"]))]
    pub(in crate::scenario) json: Option<Checked<String>>,
    /// First group of the first match of a regular expression in the body, or the whole match.
    #[schemars(extend("examples" = ["id=(\\d+)"]))]
    pub(in crate::scenario) regex: Option<Checked<String>>,
    /// First header of that name.
    pub(in crate::scenario) header: Option<Checked<String>>,
    /// A cookie of that name that the answer sets.
    pub(in crate::scenario) cookie: Option<Checked<String>>,
    /// The status as a number.
    pub(in crate::scenario) status: Option<Checked<bool>>,
    /// Value where nothing is found. Default: the step fails.
    pub(in crate::scenario) default: Option<Checked<String>>,
}

/// A named condition on an answer: one place, and what must hold of the value there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct AnswerCheck {
    /// Name in reports, unique within the request.
    #[schemars(required)]
    pub(in crate::scenario) name: Option<Checked<String>>,
    /// First match of a JSONPath (RFC 9535) in the body.
    pub(in crate::scenario) json: Option<Checked<String>>,
    /// A regular expression that the body must match.
    pub(in crate::scenario) regex: Option<Checked<String>>,
    /// First header of that name.
    pub(in crate::scenario) header: Option<Checked<String>>,
    /// A cookie of that name that the answer sets.
    pub(in crate::scenario) cookie: Option<Checked<String>>,
    /// The status as a number.
    pub(in crate::scenario) status: Option<Checked<bool>>,
    /// The value is there, whatever it is; what is checked if nothing else is.
    #[schemars(extend("default" = true))]
    pub(in crate::scenario) exists: Option<Checked<bool>>,
    /// The value is exactly this; may hold variables.
    pub(in crate::scenario) equals: Option<Checked<Equal>>,
    /// The value holds this text; may hold variables.
    pub(in crate::scenario) contains: Option<Checked<String>>,
    /// The value matches this regular expression.
    pub(in crate::scenario) matches: Option<Checked<String>>,
    /// The value is a number of at least this.
    pub(in crate::scenario) at_least: Option<Checked<Number>>,
    /// The value is a number of at most this.
    pub(in crate::scenario) at_most: Option<Checked<Number>>,
}

/// A text, or a number or boolean by its JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scenario) struct Equal(pub(in crate::scenario) String);

impl Scalar for Equal {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Ok(Self(text)),
            Raw::Int(n) => Ok(Self(n.to_string())),
            Raw::Float(n) => Ok(Self(n.to_string())),
            Raw::Bool(v) => Ok(Self(v.to_string())),
            other => Err(format!("is {}: write a string, a number, true or false", other.kind())),
        }
    }
}

impl JsonSchema for Equal {
    fn schema_name() -> Cow<'static, str> {
        "Equal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, a number, true or false.",
            "type": ["string", "number", "boolean"],
        })
    }
}
