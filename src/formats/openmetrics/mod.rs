//! Prometheus text 0.0.4, OpenMetrics 1.0 text and Prometheus' protobuf.
//!
//! One reader takes both texts: an exposition that ends in `# EOF` is OpenMetrics, whose timestamps are seconds;
//! otherwise it is Prometheus text, whose timestamps are milliseconds. Targets are not trusted and seldom
//! perfect, so a line that breaks the rules is counted and left out, and the rest stays. Names and values
//! are borrowed from the text unless they carry escapes.
//!
//! Specifications: OpenMetrics 1.0.0 (`specification/OpenMetrics.md`), Prometheus
//! `exposition_formats.md`, and the quoted UTF-8 names of Prometheus 3.

mod delta;
mod encode;
mod line;
mod parse;
mod protobuf;
mod wire;

use std::borrow::Cow;

pub use delta::{CounterDelta, counter_delta};
pub use encode::encode;
pub use parse::parse;
pub use protobuf::{PROTOBUF, decode_protobuf};

/// Largest exposition accepted.
pub const MAX_BYTES: usize = 64 << 20;
/// Most samples kept of one exposition; later ones are counted as skipped.
pub const MAX_SAMPLES: usize = 1_000_000;
/// Most families kept of one exposition.
pub const MAX_FAMILIES: usize = 100_000;
/// Most labels of one sample.
pub const MAX_LABELS: usize = 128;
/// Most labels of all samples together.
const MAX_LABELS_IN_ALL: usize = 4_000_000;

/// Why bytes are not an exposition at all.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenMetricsError {
    /// Larger than [`MAX_BYTES`].
    #[error("the metrics page has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
}

/// A parsed page of metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition<'a> {
    /// Families in the order of their first line.
    pub families: Vec<Family<'a>>,
    /// Whether `# EOF` ended it, as OpenMetrics demands.
    pub eof: bool,
    /// Lines left out because they break the format or a limit.
    pub skipped: usize,
    /// The first of them.
    pub first_problem: Option<Problem>,
}

impl<'a> Exposition<'a> {
    /// The family called `name` in its `TYPE` line; an untyped sample is a family of its own name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family<'a>> {
        self.families.iter().find(|f| f.name == name)
    }

    /// All samples with the family each belongs to.
    pub fn samples(&self) -> impl Iterator<Item = (&Family<'a>, &Sample<'a>)> {
        self.families.iter().flat_map(|f| f.samples.iter().map(move |s| (f, s)))
    }
}

/// A line that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Type of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Grows, or starts again at 0.
    Counter,
    /// Any value.
    Gauge,
    /// Cumulative buckets, `_count` and `_sum`.
    Histogram,
    /// Buckets that may shrink.
    GaugeHistogram,
    /// Quantiles, `_count` and `_sum`.
    Summary,
    /// Labels of constant facts.
    Info,
    /// One 0 or 1 per state.
    StateSet,
    /// Not stated.
    #[default]
    Unknown,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
        Self::Unknown,
    ];

    /// Name in OpenMetrics `TYPE` lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        // Prometheus text says `untyped` where OpenMetrics says `unknown`.
        if name == "untyped" {
            return Some(Self::Unknown);
        }
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// What a sample's name may have after the family's.
    const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total", "_created"],
            Self::Histogram => &["_bucket", "_count", "_sum", "_created"],
            Self::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
            Self::Summary => &["_count", "_sum", "_created"],
            Self::Info => &["_info"],
            Self::Gauge | Self::StateSet | Self::Unknown => &[],
        }
    }
}

/// Labels in the order of the text.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A metric family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family<'a> {
    /// Name, without the suffix of its samples.
    pub name: Cow<'a, str>,
    /// Type.
    pub kind: Kind,
    /// Unit, empty if not stated.
    pub unit: Cow<'a, str>,
    /// Text for people, empty if not stated.
    pub help: Cow<'a, str>,
    /// Samples in the order of the text.
    pub samples: Vec<Sample<'a>>,
}

impl<'a> Family<'a> {
    /// A family without samples.
    #[must_use]
    pub fn new(name: impl Into<Cow<'a, str>>, kind: Kind, help: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), kind, help: help.into(), ..Self::default() }
    }

    /// Adds a sample called by the family's name; that of a counter gets `_total` after it.
    pub fn push(&mut self, labels: Labels<'a>, value: f64) {
        let name = match self.kind {
            Kind::Counter => Cow::Owned(format!("{}_total", self.name)),
            _ => self.name.clone(),
        };
        self.samples.push(Sample { name, labels, value, timestamp: None, exemplar: None });
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Full name, with suffix.
    pub name: Cow<'a, str>,
    /// Labels.
    pub labels: Labels<'a>,
    /// Value; may be NaN or infinite.
    pub value: f64,
    /// Seconds since 1970 UTC, if the target states a time.
    pub timestamp: Option<f64>,
    /// A trace, usually, that stands for the value.
    pub exemplar: Option<Box<Exemplar<'a>>>,
}

impl Sample<'_> {
    /// Value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_ref())
    }
}

/// An example behind a sample (OpenMetrics only).
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// Labels, e.g. `trace_id`.
    pub labels: Labels<'a>,
    /// Value of the example.
    pub value: f64,
    /// Seconds since 1970 UTC.
    pub timestamp: Option<f64>,
}

/// Whether a name needs no quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| !c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests;
