//! What a scenario's requests do with each other: journeys, data, values taken from answers, named checks.

use std::path::PathBuf;
use std::time::Duration;

use regex::bytes::Regex;

use super::Request;

/// Requests that one user sends one after the other. Each `[[request]]` of its own is a journey of one step.
///
/// A step that fails ends its journey: what follows builds upon it. The first step is due when the arrival
/// is; a later one is due when the step before it has ended and its pause is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// Name, unique among journeys.
    pub name: String,
    /// Indices of its steps in [`super::Scenario::requests`].
    pub steps: std::ops::Range<usize>,
    /// Share of the arrivals (or of a user's turns) relative to the other journeys.
    pub weight: u32,
}

impl Journey {
    /// Journeys of one step, one for each request.
    #[must_use]
    pub fn single(requests: &[Request]) -> Vec<Self> {
        let journey =
            |(i, r): (usize, &Request)| Self { name: r.name.clone(), steps: i..i + 1, weight: r.weight };
        requests.iter().enumerate().map(journey).collect()
    }
}

/// A pause of a user after a step: drawn evenly from `from` to `to`, which may be equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// Shortest.
    pub from: Duration,
    /// Longest.
    pub to: Duration,
}

/// A file of records; `${name.column}` stands for a column of the record that the journey was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feeder {
    /// Name, unique.
    pub name: String,
    /// The file, `.csv` (first line: names of the columns) or `.jsonl` (one object per line).
    pub path: PathBuf,
    /// How the records are laid out in the file.
    pub format: FeederFormat,
    /// Which record a journey gets.
    pub order: Order,
    /// What happens when all records were given.
    pub at_end: AtEnd,
}

/// Formats of feeder files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeederFormat {
    /// Comma-separated values (RFC 4180) with a line of names.
    Csv,
    /// One JSON object per line; strings are used as they are, other values as JSON text.
    JsonLines,
}

/// Which record a journey gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Record `n` for journey `n` of the run.
    Sequential,
    /// A random one, repeatable by the seed.
    Random,
    /// Each virtual user has a record of its own for the whole run (open model: each arrival).
    Unique,
}

/// What happens when all records were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The first record again.
    Repeat,
    /// Journeys fail from then on, counted as failures of kind `data`.
    Fail,
    /// The run ends as if its time were over.
    Stop,
}

/// A value taken from an answer into a variable.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Name of the variable.
    pub variable: String,
    /// Where it is found; the step fails with kind `extract` where nothing is, unless there is a default.
    pub from: Source,
    /// Value where nothing is found.
    pub default: Option<String>,
}

/// A place in an answer.
#[derive(Clone, Debug)]
pub enum Source {
    /// First match of a JSONPath (RFC 9535) in the body; strings as they are, other values as JSON text.
    Json(String),
    /// First group of the first match in the body, or the whole match.
    Regex(Regex),
    /// First header of that name.
    Header(String),
    /// A cookie of that name that the answer sets.
    Cookie(String),
    /// The status as a number.
    Status,
}

/// A named condition on an answer. All are looked at; each that does not hold counts under its name, and
/// the hit fails with kind `check`.
#[derive(Clone, Debug)]
pub struct Check {
    /// Name, unique within its request.
    pub name: String,
    /// What is looked at; nothing there is a failed check.
    pub of: Source,
    /// What it must be.
    pub is: Condition,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Present, whatever it is.
    Exists,
    /// Exactly this text; may hold variables.
    Equals(String),
    /// A text with this in it; may hold variables.
    Contains(String),
    /// A text that matches.
    Matches(Regex),
    /// A number of at least this.
    AtLeast(f64),
    /// A number of at most this.
    AtMost(f64),
}

/// How a request proves who sends it. Texts may hold variables.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// RFC 7617.
    Basic {
        /// User name, without a colon.
        user: String,
        /// Password.
        password: String,
    },
    /// RFC 6750.
    Bearer(String),
}

impl std::fmt::Debug for Auth {
    /// Never the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}
