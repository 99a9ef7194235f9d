//! The crate's codecs, built alone, and what must hold for any input of theirs.

pub mod checks;
pub mod formats;
#[path = "../../src/time.rs"]
pub mod time;
