//! What judging a series gives: bands for the charts and stretches that went wrong.

use super::reference::Reference;
use super::series::Series;
use crate::analysis::Anomaly;
use crate::stats::median;
use crate::time::Window;

/// Calm periods between two stretches of one series that do not make them two anomalies.
const MERGE_GAP: usize = 5;

/// One period of a series with the lines a chart draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandPoint {
    /// The period.
    pub window: Window,
    /// Moving average of the values.
    pub ewma: Option<f64>,
    /// Dynamic threshold on the worse side; none where there was no reference.
    pub threshold: Option<f64>,
    /// Whether an anomaly of this series lasts.
    pub anomalous: bool,
}

/// A stretch of points that went wrong; `end` is the first one after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) onset: usize,
    pub(super) end: usize,
    pub(super) ongoing: bool,
    pub(super) reference: Reference,
    pub(super) by_baseline: bool,
}

/// A judged series.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) bands: Vec<BandPoint>,
    pub(super) anomalies: Vec<Anomaly>,
    /// Periods behind the reference of each anomaly, and whether they are a baseline's.
    pub(super) references: Vec<(usize, bool)>,
    /// Points that were held against a reference.
    pub(super) judged: usize,
}

impl Judged {
    pub(super) fn new(series: &Series, mut bands: Vec<BandPoint>, spans: Vec<Span>, judged: usize) -> Self {
        let spans = joined(spans);
        for span in &spans {
            for band in &mut bands[span.onset..span.end] {
                band.anomalous = true;
            }
        }
        Self {
            anomalies: spans.iter().map(|s| anomaly(series, s)).collect(),
            references: spans.iter().map(|s| (s.reference.periods, s.by_baseline)).collect(),
            bands,
            judged,
        }
    }
}

/// Stretches that a few calm periods part are one.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.onset <= last.end + MERGE_GAP => {
                (last.end, last.ongoing) = (span.end, span.ongoing);
            }
            _ => out.push(span),
        }
    }
    out
}

/// A stretch as it is told.
pub(super) fn anomaly(series: &Series, span: &Span) -> Anomaly {
    let points = &series.points[span.onset..span.end];
    let scaled: Vec<f64> = points.iter().filter_map(|p| p.value).map(|v| series.scaled(v)).collect();
    let typical = median(&scaled).unwrap_or(span.reference.level);
    let window = match (points.first(), points.last()) {
        (Some(first), Some(last)) => Window::new(first.window.from, last.window.to),
        _ => Window::new(crate::time::RunTime::ZERO, crate::time::RunTime::ZERO),
    };
    Anomaly {
        series: series.name.clone(),
        of: series.of.clone(),
        window,
        ongoing: span.ongoing,
        reference: series.unscaled(span.reference.level),
        observed: series.unscaled(typical),
        unit: series.unit,
        score: (typical - span.reference.level).abs() / span.reference.spread,
        hindsight: false,
    }
}
