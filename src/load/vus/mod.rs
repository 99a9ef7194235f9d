//! The closed model: virtual users that wait for each answer before they ask again.
//!
//! goose starts the users and runs them turn after turn; its transaction is a closure over the same `Session` as in
//! the open model, so both have the same times, failures and phases. goose's own client, metrics, prints,
//! controllers, weights, pauses and end of run are not used:
//!
//! - Its plans know whole seconds, and it looks at them twice a second. Here all users are started at once
//!   and each of them works while the plan of the executor, a pure function of time, says so.
//! - It stops users between transactions. Here answers are waited for as long as the graceful stop allows,
//!   then everything is cut off and goose is dropped with its runtime.
//! - Its weights are a list of at most some hundred entries that every user goes through in one order, from the same
//!   place: rare requests come together and in step. Here each turn is a draw by weight, from seed, user and turn.
//! - Its pauses count whole milliseconds and are looked at twice a second.

pub(crate) mod attack;
pub(crate) mod drive;
pub(crate) mod shape;
#[cfg(test)]
pub(in crate::load) mod tests;
pub(crate) mod user;
