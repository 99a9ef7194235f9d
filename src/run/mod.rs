//! The run folder: the one seam between recording and analysis.

pub mod event;
pub mod layout;
pub mod manifest;
mod parts;
pub mod period;
pub mod writer;
