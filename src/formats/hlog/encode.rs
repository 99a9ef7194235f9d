//! Writes interval logs.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};
use jiff::Timestamp;

use super::{HlogError, LEGEND, MAX_DIVISOR};
use crate::time::{SECOND, Window};

/// The lines before the first histogram; `base_unix_nanos` is the wall clock that start times count from.
#[must_use]
pub fn header(base_unix_nanos: u64, about: &str) -> String {
    let base = seconds(base_unix_nanos);
    let date = Timestamp::from_nanosecond(i128::from(base_unix_nanos))
        .map_or_else(|_| "no date".to_owned(), |t| t.to_string());
    let mut text = String::new();
    about.lines().for_each(|line| text.extend(["#[", line, "]\n"]));
    text.extend([
        "#[Histogram log format version 1.3]\n",
        &format!("#[StartTime: {base} (seconds since epoch), {date}]\n"),
        &format!("#[BaseTime: {base} (seconds since epoch)]\n"),
        &format!("#[MaxValueDivisor: {MAX_DIVISOR:.1}]\n"),
        LEGEND,
        "\n",
    ]);
    text
}

/// Packs histograms into lines; keeps its buffers.
#[derive(Default)]
pub struct Encoder {
    serializer: V2DeflateSerializer,
    packed: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// Appends one line to `out`.
    ///
    /// # Errors
    /// If the tag does not fit the format, or a count is beyond `i64::MAX`.
    pub fn line<C: Counter>(
        &mut self,
        out: &mut String,
        tag: &str,
        window: Window,
        histogram: &Histogram<C>,
    ) -> Result<(), HlogError> {
        if tag.is_empty() || tag.contains([',', ' ', '\r', '\n']) {
            return Err(HlogError::Tag(tag.to_owned()));
        }
        self.packed.clear();
        self.serializer
            .serialize(histogram, &mut self.packed)
            .map_err(|e| HlogError::Histogram(e.to_string()))?;
        let (start, length) = (seconds(window.from.as_nanos()), seconds(window.nanos()));
        let max = histogram.max() as f64 / MAX_DIVISOR;
        // Writing to a String cannot fail.
        let _ = write!(out, "Tag={tag},{start},{length},{max:.3},");
        STANDARD.encode_string(&self.packed, out);
        out.push('\n');
        Ok(())
    }
}

/// Nanoseconds as seconds with all nine decimals.
fn seconds(nanos: u64) -> String {
    format!("{}.{:09}", nanos / SECOND, nanos % SECOND)
}
