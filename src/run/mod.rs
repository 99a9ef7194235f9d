//! The run folder: the one seam between recording and analysis.

mod counters;
pub mod databases;
pub mod event;
mod files;
pub mod history;
pub mod in_flight;
pub mod layout;
pub mod load_log;
pub mod manifest;
mod parts;
pub mod period;
pub mod periods;
pub mod promql;
pub mod reader;
pub mod trials;
pub mod unread;
pub mod writer;
