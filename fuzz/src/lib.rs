//! The crate's codecs, built alone, and what must hold for any input of theirs.

pub mod checks;
pub mod formats;
#[allow(dead_code)] // The parts that need a socket or a request are not taken in.
pub mod load;
#[path = "../../src/time.rs"]
pub mod time;
