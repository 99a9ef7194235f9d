//! pprof profiles (`profile.proto`, gzip or plain).
//!
//! [`Profile`] is the checked domain value: stacks as indices into interned frames, leaf first, inlined
//! calls unfolded. The wire messages stay private to this module.

mod combine;
mod from_samples;
mod view;
mod wire;

use std::io::Read;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message;

pub use combine::{delta, merge};
pub use from_samples::ProfileBuilder;
pub use view::Top;

/// Largest profile accepted after decompression. Real ones have a few MB; a profile in memory may take ten
/// times its bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// Why bytes are not a profile.
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
}

/// What a value of a sample counts, e.g. `cpu`/`nanoseconds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// What is counted.
    pub kind: String,
    /// In which unit.
    pub unit: String,
}

/// A function as named in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Full name.
    pub function: String,
    /// Source file; may be empty.
    pub file: String,
    /// Line that was being executed; 0 if not known.
    pub line: i64,
}

/// One stack with its values and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Indices into [`Profile::frames`], leaf first.
    pub stack: Vec<u32>,
    /// One value per [`Profile::sample_types`].
    pub values: Vec<i64>,
    /// String labels (`pprof.Do`), in the order of the file.
    pub labels: Vec<(String, String)>,
}

/// A decoded, checked profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What the values of each sample count.
    pub sample_types: Vec<ValueType>,
    /// The type shown when none is asked for; empty means the last.
    pub default_sample_type: String,
    /// Interned frames.
    pub frames: Vec<Frame>,
    /// Stacks.
    pub samples: Vec<Sample>,
    /// Wall clock of the collection, nanoseconds since 1970 UTC; 0 if not given.
    pub time_nanos: i64,
    /// Length of the collection; 0 if not given.
    pub duration_nanos: i64,
    /// What the period counts.
    pub period_type: ValueType,
    /// Events between two samples.
    pub period: i64,
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

    /// Index of the value of type `kind`; none if there is none.
    #[must_use]
    pub fn value_index(&self, kind: &str) -> Option<usize> {
        self.sample_types.iter().position(|t| t.kind == kind)
    }

    /// Index of the value shown by default, as `go tool pprof` chooses it.
    #[must_use]
    pub fn default_index(&self) -> usize {
        self.value_index(&self.default_sample_type).unwrap_or(self.sample_types.len().saturating_sub(1))
    }

    /// Function names of a sample, leaf first.
    pub fn functions<'a>(&'a self, sample: &'a Sample) -> impl DoubleEndedIterator<Item = &'a str> {
        sample.stack.iter().map(|&i| self.frames[i as usize].function.as_str())
    }

    /// Sum of the values at `index` over all samples.
    #[must_use]
    pub fn total(&self, index: usize) -> i64 {
        self.samples.iter().fold(0, |sum: i64, s| sum.saturating_add(s.values[index]))
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
