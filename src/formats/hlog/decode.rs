//! Reads interval logs line by line.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::{Counter, Histogram};

use super::{
    HlogError, Interval, LEGEND, MAX_HISTOGRAM, MAX_LINE, V2_COMPRESSED_COOKIE, V2_COOKIE, V2_HEADER,
};
use crate::time::SECOND;

/// One line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A comment, the legend or an empty line.
    Ignored,
    /// Wall clock that the start times after it count from, nanoseconds since 1970 UTC.
    BaseTime(u64),
    /// A histogram.
    Interval(Interval<'a>),
}

/// A whole log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// Wall clock that start times count from, nanoseconds since 1970 UTC; none: times are absolute.
    pub base_unix_nanos: Option<u64>,
    /// Histograms in the order of the file, still packed.
    pub intervals: Vec<Interval<'a>>,
    /// Whether the last line was cut off (a killed run) and left out.
    pub cut: bool,
}

/// Reads a whole log. A last line without a line break is left out: its writer was killed.
///
/// # Errors
/// The number of the first line (from 1) that is not of the format, and why.
pub fn read(bytes: &[u8]) -> Result<Log<'_>, (usize, HlogError)> {
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let mut log = Log { base_unix_nanos: None, intervals: Vec::new(), cut: end < bytes.len() };
    for (line, number) in bytes[..end].split_inclusive(|&b| b == b'\n').zip(1..) {
        match parse_line(line).map_err(|e| (number, e))? {
            Line::Ignored => {}
            Line::BaseTime(nanos) => log.base_unix_nanos = Some(nanos),
            Line::Interval(interval) => log.intervals.push(interval),
        }
    }
    Ok(log)
}

/// Reads one line, with or without its line break.
///
/// # Errors
/// What is wrong with the line. The histogram itself is looked at by [`Interval::histogram`] only.
pub fn parse_line(line: &[u8]) -> Result<Line<'_>, HlogError> {
    if line.len() > MAX_LINE {
        return Err(HlogError::TooLong);
    }
    let line = std::str::from_utf8(line).map_err(|_| HlogError::NotText)?.trim_end_matches(['\r', '\n']);
    if let Some(base) = line.strip_prefix("#[BaseTime:") {
        let base = base.trim_start().split([' ', ',', ']']).next().unwrap_or_default();
        return nanos(base).map(Line::BaseTime).ok_or(HlogError::Field("the base time is not in seconds"));
    }
    if line.is_empty() || line.starts_with('#') || line.starts_with(&LEGEND[..16]) {
        return Ok(Line::Ignored);
    }
    parse_interval(line).map(Line::Interval)
}

fn parse_interval(line: &str) -> Result<Interval<'_>, HlogError> {
    let (tag, rest) = match line.strip_prefix("Tag=") {
        Some(tagged) => {
            let (tag, rest) =
                tagged.split_once(',').ok_or(HlogError::Field("nothing follows the line's tag"))?;
            (Some(tag), rest)
        }
        None => (None, line),
    };
    let mut fields = rest.splitn(4, ',');
    let mut next = |what| fields.next().ok_or(HlogError::Field(what));
    let start = next("the start time is missing")?;
    let length = next("the interval's length is missing")?;
    let max = next("the maximum is missing")?;
    let payload = next("the histogram is missing")?;
    // The maximum is for people; it is in the histogram again. Checked so that a foreign line is noticed.
    max.trim().parse::<f64>().map_err(|_| HlogError::Field("the maximum is not a number"))?;
    Ok(Interval {
        tag,
        start_nanos: nanos(start).ok_or(HlogError::Field("the start time is not in seconds"))?,
        length_nanos: nanos(length).ok_or(HlogError::Field("the interval's length is not in seconds"))?,
        payload: payload.trim(),
    })
}

/// Decimal seconds to whole nanoseconds, without a detour through floats; decimals after the ninth are cut.
fn nanos(seconds: &str) -> Option<u64> {
    let (whole, decimals) = seconds.trim().split_once('.').unwrap_or((seconds.trim(), ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let fraction =
        (0..9).fold(0, |n, i| n * 10 + decimals.as_bytes().get(i).map_or(0, |b| u64::from(b - b'0')));
    whole.parse::<u64>().ok()?.checked_mul(SECOND)?.checked_add(fraction)
}

/// Unpacks a histogram. The checks come first because the crate's own reader believes the lengths it is
/// told, and negates the one count that has no opposite.
pub(super) fn histogram<C: Counter>(payload: &str) -> Result<Histogram<C>, HlogError> {
    let broken = |problem: &str| HlogError::Histogram(problem.to_owned());
    let packed = STANDARD.decode(payload).map_err(|e| HlogError::Histogram(format!("base64: {e}")))?;
    let plain = inflate(&packed)?;
    if word(&plain, 0) != Some(V2_COOKIE) {
        return Err(broken("not the V2 format"));
    }
    let counts = plain.get(V2_HEADER..).ok_or_else(|| broken("the header is cut"))?;
    if word(&plain, 4).map(|n| n as usize) != Some(counts.len()) {
        return Err(broken("its length is not the one it states"));
    }
    check_counts(counts)?;
    let mut histogram: Histogram<C> = Deserializer::new()
        .deserialize(&mut plain.as_slice())
        .map_err(|e| HlogError::Histogram(e.to_string()))?;
    histogram.auto(true);
    Ok(histogram)
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, HlogError> {
    if word(packed, 0) != Some(V2_COMPRESSED_COOKIE) {
        return Err(HlogError::Histogram("not the compressed V2 format".to_owned()));
    }
    let body = packed.get(8..).unwrap_or_default();
    if word(packed, 4).map(|n| n as usize) != Some(body.len()) {
        return Err(HlogError::Histogram("its packed length is not the one it states".to_owned()));
    }
    let mut plain = Vec::new();
    ZlibDecoder::new(body)
        .take(MAX_HISTOGRAM as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|e| HlogError::Histogram(format!("zlib: {e}")))?;
    if plain.len() > MAX_HISTOGRAM {
        return Err(HlogError::Histogram(format!("larger than {MAX_HISTOGRAM} bytes")));
    }
    Ok(plain)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

/// Walks the counts (LEB128, at most nine bytes each, zigzag) and refuses a run of 2^63 zeros.
fn check_counts(counts: &[u8]) -> Result<(), HlogError> {
    let mut rest = counts.iter();
    while let Some(&first) = rest.next() {
        let (mut byte, mut length, mut all_ones) = (first, 1, first == 0xff);
        while byte & 0x80 != 0 && length < 9 {
            byte = *rest.next().ok_or_else(|| HlogError::Histogram("its counts are cut".to_owned()))?;
            length += 1;
            all_ones &= byte == 0xff;
        }
        if length == 9 && all_ones {
            return Err(HlogError::Histogram("a run of zeros is longer than any histogram".to_owned()));
        }
    }
    Ok(())
}
