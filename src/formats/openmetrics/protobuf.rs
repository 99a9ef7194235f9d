//! Prometheus' protobuf exposition: `MetricFamily` messages, each behind its length.
//!
//! Two bytes on the wire can be a metric of hundreds in memory, so families are taken apart field by field and a
//! metric at a time is decoded. Samples are those that the text of the same page has: a histogram gets the bucket
//! `+Inf` that protobuf leaves to its count, a counter keeps its name, and times of creation become `_created` as
//! in OpenMetrics.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::wire::{self, Counter, Histogram, LabelPair, Metric, Summary, Timestamp};
use super::{
    Exemplar, Exposition, Family, Kind, Labels, MAX_BYTES, MAX_FAMILIES, MAX_LABELS, MAX_LABELS_IN_ALL,
    MAX_SAMPLES, OpenMetricsError, Problem, Sample,
};

/// What `Content-Type` begins with.
pub const PROTOBUF: &str = "application/vnd.google.protobuf";
/// Largest metric that is decoded: a histogram of ten thousand buckets.
const MAX_METRIC: usize = 1 << 20;
/// Longest name of a family, and most text of a metric's labels: each of its samples has a copy.
const MAX_NAME: usize = 1 << 10;
const MAX_LABEL_TEXT: usize = 16 << 10;
/// Most bytes of names and labels over all samples of a page.
const MAX_COPIED: usize = 256 << 20;

/// A text could not say which of the two is meant.
const TWICE: &str = "a label is there twice";

/// Samples that a metric has besides buckets and quantiles: `+Inf`, sum, count, time of creation, at most.
const FEW_SAMPLES: usize = 4;

/// Decodes a page; numbers of problems are those of families, from 1.
///
/// # Errors
/// Only if it is larger than [`MAX_BYTES`]; what is broken is counted in [`Exposition::skipped`].
pub fn decode_protobuf(bytes: &[u8]) -> Result<Exposition<'static>, OpenMetricsError> {
    if bytes.len() > MAX_BYTES {
        return Err(OpenMetricsError::TooLarge(bytes.len()));
    }
    let mut page = Page::default();
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let Some(family) = delimited(&mut rest) else {
            page.skip(number, "a family without its end");
            break;
        };
        page.family(family, number);
    }
    // Whole if every length fitted: there is no other end.
    page.exposition.eof = rest.is_empty();
    Ok(page.exposition)
}

/// Bytes behind their length; none if they go on beyond the end.
fn delimited<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut behind = *rest;
    let length = usize::try_from(decode_varint(&mut behind).ok()?).ok()?;
    let (inner, tail) = behind.split_at_checked(length)?;
    *rest = tail;
    Some(inner)
}

#[derive(Default)]
struct Page {
    exposition: Exposition<'static>,
    names: HashSet<String>,
    samples: usize,
    labels: usize,
    copied: usize,
}

/// A family before its metrics are decoded.
#[derive(Default)]
struct Head<'b> {
    name: &'b str,
    help: &'b str,
    unit: &'b str,
    kind: u64,
    metrics: Vec<&'b [u8]>,
}

impl Page {
    fn skip(&mut self, number: usize, what: &'static str) {
        self.exposition.skipped += 1;
        self.exposition.first_problem.get_or_insert(Problem { line: number, what });
    }

    fn family(&mut self, bytes: &[u8], number: usize) {
        let Some(head) = head(bytes) else { return self.skip(number, "a broken family") };
        if head.name.is_empty() {
            return self.skip(number, "a family without a name");
        }
        if head.name.len() > MAX_NAME {
            return self.skip(number, "a name is too long");
        }
        let family = head.family();
        if self.exposition.families.len() == MAX_FAMILIES {
            return self.skip(number, "too many families");
        }
        if !self.names.insert(family.name.to_string()) {
            return self.skip(number, "a second family of the same name");
        }
        let at = self.exposition.families.len();
        self.exposition.families.push(family);
        for bytes in head.metrics {
            if let Err(what) = self.metric(at, head.name, bytes) {
                self.skip(number, what);
            }
        }
    }

    fn metric(&mut self, family: usize, name: &str, bytes: &[u8]) -> Result<(), &'static str> {
        if bytes.len() > MAX_METRIC {
            return Err("a metric is too large");
        }
        let metric = Metric::decode(bytes).map_err(|_| "a broken metric")?;
        if metric.label.len() >= MAX_LABELS {
            return Err("too many labels");
        }
        // Before any sample is made: a bucket of two bytes becomes one with all of the labels.
        let text: usize = metric.label.iter().map(|l| l.name.len() + l.value.len()).sum();
        let most = metric.histogram.as_ref().map_or(0, |h| h.bucket.len())
            + metric.summary.as_ref().map_or(0, |s| s.quantile.len())
            + FEW_SAMPLES;
        let copied = self.copied.saturating_add(most.saturating_mul(text + name.len()));
        if text > MAX_LABEL_TEXT || copied > MAX_COPIED {
            return Err("labels are too long");
        }
        self.copied = copied;
        let labels = labels(&metric.label)?;
        let bounds = [("quantile", metric.summary.is_some()), ("le", metric.histogram.is_some())];
        if bounds.iter().any(|(bound, taken)| *taken && labels.iter().any(|(name, _)| name == bound)) {
            return Err(TWICE);
        }
        let family = &mut self.exposition.families[family];
        let before = family.samples.len();
        let mut into = Into { name, labels, samples: &mut family.samples };
        into.metric(&metric, family.kind);
        let timestamp = metric.timestamp_ms.map(|t| t as f64 / 1e3);
        let added = &mut family.samples[before..];
        added.iter_mut().for_each(|s| s.timestamp = timestamp);
        let (samples, labels) = (added.len(), added.iter().map(|s| s.labels.len()).sum::<usize>());
        if self.samples + samples > MAX_SAMPLES || self.labels + labels > MAX_LABELS_IN_ALL {
            family.samples.truncate(before);
            return Err("too many samples");
        }
        (self.samples, self.labels) = (self.samples + samples, self.labels + labels);
        Ok(())
    }
}

/// Fields of a family; its metrics stay bytes.
fn head(mut rest: &[u8]) -> Option<Head<'_>> {
    let mut head = Head::default();
    while !rest.is_empty() {
        let (field, kind) = decode_key(&mut rest).ok()?;
        match (field, kind) {
            (3, WireType::Varint) => head.kind = decode_varint(&mut rest).ok()?,
            (_, WireType::LengthDelimited) => {
                let inner = delimited(&mut rest)?;
                match field {
                    1 => head.name = std::str::from_utf8(inner).ok()?,
                    2 => head.help = std::str::from_utf8(inner).ok()?,
                    4 => head.metrics.push(inner),
                    5 => head.unit = std::str::from_utf8(inner).ok()?,
                    _ => {}
                }
            }
            _ => skip_field(kind, field, &mut rest, DecodeContext::default()).ok()?,
        }
    }
    Some(head)
}

impl Head<'_> {
    fn family(&self) -> Family<'static> {
        let kind = match self.kind {
            0 => Kind::Counter,
            1 => Kind::Gauge,
            2 => Kind::Summary,
            4 => Kind::Histogram,
            5 => Kind::GaugeHistogram,
            _ => Kind::Unknown,
        };
        let plain = self.unit.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        Family {
            name: Cow::Owned(self.name.to_owned()),
            kind,
            unit: Cow::Owned(if plain { self.unit.to_owned() } else { String::new() }),
            help: Cow::Owned(self.help.to_owned()),
            samples: Vec::new(),
        }
    }
}

/// Takes the samples of one metric.
struct Into<'p> {
    name: &'p str,
    labels: Labels<'static>,
    samples: &'p mut Vec<Sample<'static>>,
}

impl Into<'_> {
    fn metric(&mut self, metric: &Metric, kind: Kind) {
        if let Some(counter) = &metric.counter {
            self.counter(counter);
        }
        for value in [metric.gauge, metric.untyped].into_iter().flatten() {
            self.push("", None, value.value, None);
        }
        if let Some(summary) = &metric.summary {
            self.summary(summary);
        }
        if let Some(histogram) = &metric.histogram {
            self.histogram(histogram, kind == Kind::GaugeHistogram);
        }
    }

    fn counter(&mut self, counter: &Counter) {
        self.push("", None, counter.value, counter.exemplar.as_ref());
        // OpenMetrics calls it after the family, whose name has no `_total`.
        let base = self.name.strip_suffix("_total").unwrap_or(self.name).to_owned();
        self.created(&base, counter.created);
    }

    fn summary(&mut self, summary: &Summary) {
        for q in &summary.quantile {
            self.push("", Some(("quantile", q.quantile)), q.value, None);
        }
        self.push("_sum", None, summary.sum, None);
        self.push("_count", None, summary.count as f64, None);
        self.created(self.name, summary.created);
    }

    fn histogram(&mut self, histogram: &Histogram, gauge: bool) {
        let count = if histogram.count_float > 0.0 { histogram.count_float } else { histogram.count as f64 };
        for bucket in &histogram.bucket {
            let within = if bucket.count_float > 0.0 { bucket.count_float } else { bucket.count as f64 };
            self.push("_bucket", Some(("le", bucket.upper_bound)), within, bucket.exemplar.as_ref());
        }
        if histogram.bucket.iter().all(|b| b.upper_bound != f64::INFINITY) {
            self.push("_bucket", Some(("le", f64::INFINITY)), count, None);
        }
        let (sum, whole) = if gauge { ("_gsum", "_gcount") } else { ("_sum", "_count") };
        self.push(sum, None, histogram.sum, None);
        self.push(whole, None, count, None);
        self.created(self.name, histogram.created);
    }

    fn push(
        &mut self,
        suffix: &str,
        bound: Option<(&'static str, f64)>,
        value: f64,
        e: Option<&wire::Exemplar>,
    ) {
        let mut labels = self.labels.clone();
        labels.extend(bound.map(|(name, v)| (Cow::Borrowed(name), Cow::Owned(number(v)))));
        let name = Cow::Owned(format!("{}{suffix}", self.name));
        let exemplar = e.and_then(exemplar).map(Box::new);
        self.samples.push(Sample { name, labels, value, timestamp: None, exemplar });
    }

    fn created(&mut self, base: &str, created: Option<Timestamp>) {
        let Some(created) = created else { return };
        let (name, labels) = (Cow::Owned(format!("{base}_created")), self.labels.clone());
        self.samples.push(Sample { name, labels, value: seconds(created), timestamp: None, exemplar: None });
    }
}

/// A bound as texts write it: the shortest that reads back as the same number.
fn number(v: f64) -> String {
    match v {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        v if v != 0.0 && !(1e-4..1e6).contains(&v.abs()) => exponent(v),
        v => format!("{v}"),
    }
}

/// `1e+06`, as Go writes it: two digits and a sign.
fn exponent(v: f64) -> String {
    let text = format!("{v:e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = power.strip_prefix('-').map_or(('+', power), |p| ('-', p));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

fn seconds(t: Timestamp) -> f64 {
    t.seconds as f64 + f64::from(t.nanos) / 1e9
}

/// An example with too many labels is left out, as in the text.
fn exemplar(e: &wire::Exemplar) -> Option<Exemplar<'static>> {
    let labels = if e.label.len() > MAX_LABELS { return None } else { labels(&e.label).ok()? };
    Some(Exemplar { labels, value: e.value, timestamp: e.timestamp.map(seconds) })
}

fn labels(pairs: &[LabelPair]) -> Result<Labels<'static>, &'static str> {
    let mut labels = Labels::new();
    for pair in pairs {
        if pair.name.is_empty() {
            return Err("a label without a name");
        }
        if labels.iter().any(|(name, _)| *name == pair.name) {
            return Err(TWICE);
        }
        labels.push((pair.name.clone().into(), pair.value.clone().into()));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests;
