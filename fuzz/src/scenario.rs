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
