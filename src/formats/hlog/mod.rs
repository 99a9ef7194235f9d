//! HdrHistogram interval logs (`.hlog`), format 1.3, as Java's `HistogramLogWriter` writes them.
//!
//! One line is one histogram of one interval:
//! `Tag=<tag>,<start s>,<length s>,<max ms>,<base64 of the V2 compressed histogram>`. Values are nanoseconds.
//! Two things differ from the files of the Java tools, and both stay readable there: times carry nine
//! decimals, so that they read back as whole nanoseconds, and the divisor of the maximum (Java's default of
//! 1e6: nanoseconds recorded, milliseconds shown) is stated in a comment. Start times are relative to the
//! `BaseTime` of the header.

mod decode;
mod encode;

use hdrhistogram::{Counter, Histogram};

use crate::time::{RunTime, Window};

pub use decode::{Line, Log, parse_line, read};
pub use encode::{Encoder, header};

/// Longest line accepted; a histogram of 3 significant digits needs at most about 700 KB.
pub const MAX_LINE: usize = 8 << 20;
/// Largest histogram accepted after decompression.
pub const MAX_HISTOGRAM: usize = 8 << 20;

/// The column legend that the Java tools write.
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";
/// Divisor of the printed maximum: nanoseconds to milliseconds.
const MAX_DIVISOR: f64 = 1e6;
/// First word of a V2 histogram and of a compressed V2 histogram.
const V2_COOKIE: u32 = 0x1c84_9313;
const V2_COMPRESSED_COOKIE: u32 = 0x1c84_9314;
/// Bytes before the counts of a V2 histogram.
const V2_HEADER: usize = 40;

/// Why a line of an interval log could not be read or written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HlogError {
    /// Longer than [`MAX_LINE`].
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NotText,
    /// A field is missing or is not what it must be.
    #[error("{0}")]
    Field(&'static str),
    /// The histogram at the line's end is broken.
    #[error("the histogram is broken: {0}")]
    Histogram(String),
    /// A tag that the format cannot hold.
    #[error("tag {0:?} is empty or has a comma, a blank or a line break")]
    Tag(String),
}

/// One line of a log: a histogram, still packed, and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval<'a> {
    /// The tag; none for an untagged line.
    pub tag: Option<&'a str>,
    /// Start, nanoseconds since the log's base time.
    pub start_nanos: u64,
    /// Length, nanoseconds.
    pub length_nanos: u64,
    payload: &'a str,
}

impl Interval<'_> {
    /// The interval as a window of the run whose start is the log's base time.
    #[must_use]
    pub fn window(&self) -> Window {
        let from = RunTime::from_nanos(self.start_nanos);
        Window::new(from, from.plus(self.length_nanos))
    }

    /// Unpacks the histogram; it grows with the values added to it.
    ///
    /// # Errors
    /// [`HlogError::Histogram`] if it is broken, too large, or its counts do not fit `C`.
    pub fn histogram<C: Counter>(&self) -> Result<Histogram<C>, HlogError> {
        decode::histogram(self.payload)
    }
}

#[cfg(test)]
mod tests;
