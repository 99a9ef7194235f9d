//! pprof profiles (`profile.proto`, gzip or plain), and what `go tool pprof` computes from them.
//!
//! [`Profile`] is the checked domain value. It keeps the places of the file (binaries, addresses, inlined
//! calls), because the tool tells stacks apart by them: a file that was read and written shows the same there.
//! The wire messages stay private to this module.
//!
//! | of the tool | here |
//! |---|---|
//! | several files | [`merge`] |
//! | `-base`, `-diff_base`, `-normalize` | [`diff`] |
//! | two snapshots of one process | [`delta`], [`went_back`] |
//! | `drop_frames`, `keep_frames` of the file | [`Profile::pruned`] |
//! | `-focus`, `-ignore`, `-hide`, `-show`, `-tagfocus` ... | [`Filter`], [`Profile::filtered`] |
//! | `-sample_index` | [`Profile::sample_index`] |
//! | `-top`, `-traces`, `-peek`, `-tags` | [`Profile::table`], [`Profile::traces`], [`Profile::peek`], [`Profile::by_label`] |
//!
//! The tool prunes first, takes the total, filters and then counts; so does who calls these in that order.
//! Views are by function, its default granularity.
//!
//! What it does beyond: it adds up the types that files have in common where [`merge`] asks for equal ones,
//! reads symbols from binaries, undoes and shortens mangled names (`-symbolize=none` leaves them), and joins
//! mappings that lie side by side.

mod combine;
mod filter;
mod from_samples;
mod headers;
mod model;
mod names;
mod nature;
mod nodes;
mod peek;
mod prune;
mod split;
mod table;
mod tags;
mod traces;
mod units;
mod view;
mod wire;

use std::io::Read;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message;

pub use combine::{Base, delta, diff, merge};
pub use filter::Filter;
pub use from_samples::ProfileBuilder;
pub use model::{Frame, Line, Location, Mapping, Number, Profile, Sample, Symbol, ValueType};
pub use names::short_name;
pub use nature::{CUMULATIVE_PROFILES, Nature, went_back};
pub use peek::{Call, Peek};
pub use table::{Layout, Order, Table, Top};
pub use traces::{Trace, TraceFrame};
pub use units::{label, percentage};

/// Largest profile accepted after decompression. Real ones have a few MB; a profile in memory may take ten
/// times its bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// Why bytes are not a profile, or not the one that was asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PprofError {
    /// Nothing there.
    #[error("the profile is empty")]
    Empty,
    /// Looks like a page for people.
    #[error("this is a web page, not a profile")]
    Html,
    /// Broken or foreign compression.
    #[error("the gzip stream is broken: {0}")]
    Gzip(String),
    /// Larger than [`MAX_BYTES`].
    #[error("the profile is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not the protobuf message.
    #[error("not a pprof message: {0}")]
    Protobuf(String),
    /// A message that breaks the format's rules.
    #[error("invalid pprof message: {0}")]
    Invalid(&'static str),
    /// Profiles that cannot be added or subtracted.
    #[error("profiles of different values cannot be combined: {0:?} and {1:?}")]
    Incompatible(Vec<String>, Vec<String>),
    /// A filter that `go tool pprof` does not have.
    #[error(
        "{0:?} is no filter: use focus, ignore, hide, show, show_from, prune_from, tagfocus, tagignore, tagshow or taghide"
    )]
    UnknownFilter(String),
    /// A filter's text that is no regular expression, or too large a one.
    #[error("{option} = {text:?}: {problem}")]
    Pattern {
        /// Name of the filter, or of the profile's own list.
        option: String,
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Profile {
    /// Decodes a profile, gzip or plain.
    ///
    /// # Errors
    /// [`PprofError`] says what the bytes were instead.
    pub fn decode(bytes: &[u8]) -> Result<Self, PprofError> {
        let plain = unzip(bytes)?;
        wire::check_size(&plain)?;
        wire::Profile::decode(plain.as_slice()).map_err(|e| PprofError::Protobuf(e.to_string()))?.try_into()
    }

    /// Encodes as a gzip protobuf that `go tool pprof` reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let message = wire::Profile::from(self).encode_to_vec();
        let mut gz = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
        // Writing to a Vec cannot fail.
        std::io::Write::write_all(&mut gz, &message).expect("memory accepts bytes");
        gz.finish().expect("memory accepts bytes")
    }
}

fn unzip(bytes: &[u8]) -> Result<Vec<u8>, PprofError> {
    let start = bytes.trim_ascii_start();
    if start.is_empty() {
        return Err(PprofError::Empty);
    }
    if start[0] == b'<' {
        return Err(PprofError::Html);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return if bytes.len() as u64 > MAX_BYTES { Err(PprofError::TooLarge) } else { Ok(bytes.to_vec()) };
    }
    let mut plain = Vec::new();
    GzDecoder::new(bytes)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut plain)
        .map_err(|e| PprofError::Gzip(e.to_string()))?;
    if plain.len() as u64 > MAX_BYTES {
        return Err(PprofError::TooLarge);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
