//! What a PostgreSQL server says of itself: statements and their times, what its backends wait for, plans.
//!
//! The types of the JSON lines under `db/<service>/` in a run folder, and what can be read from them. Texts of
//! statements are normalised before they get there: no literal is ever written.

pub mod activity;
pub mod lines;
pub mod plan;
pub mod statement;
pub mod statements;
