//! The types of a scenario that journeys' data is compiled from.

#[path = "../../src/scenario/script.rs"]
pub(crate) mod script;
#[path = "../../src/scenario/text.rs"]
pub(crate) mod text;
#[path = "../../src/scenario/transport.rs"]
mod transport;

pub(crate) use script::{
    AtEnd, Check, Condition, Extract, Feeder, FeederFormat, Order, Source as AnswerSource,
};
pub(crate) use transport::Coding;

/// As much of a request as journeys and draws look at.
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) weight: u32,
}

/// What makes an answer a success, as in `src/scenario/mod.rs`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectation {
    pub(crate) status: Vec<u16>,
    pub(crate) body_contains: Option<String>,
    pub(crate) body_matches: Option<regex::bytes::Regex>,
}
