//! The closed model: virtual users that wait for each answer before they ask again.
//!
//! goose starts the users and gives them their turns; its one transaction, a turn, is a
//! closure over the same `Session` as in the open model, so both have the same times, failures and phases.
//! goose's own client, weights, pauses, metrics, prints, controllers and end of run are not used:
//!
//! - Its plans know whole seconds, and it looks at them twice a second. Here all users are started at once
//!   and each of them works while the plan of the executor, a pure function of time, says so.
//! - It stops users between transactions. Here answers are waited for as long as the graceful stop allows,
//!   then everything is cut off and goose is dropped with its runtime.

pub(crate) mod attack;
pub(crate) mod drive;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod user;
