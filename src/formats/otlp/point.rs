//! Metrics as points: sums, gauges and histograms, exponential ones with explicit buckets in place of theirs.
//! Summaries stay in the files and are counted as skipped.

use std::sync::Arc;

use super::exponential;
use super::value::attributes;
use super::wire_metrics as wire;
use super::{Attributes, Resource};

/// Flag of a point that says "no value recorded".
pub(super) const NO_VALUE: u32 = 1;

/// Whether the points of a sum or histogram count since the start or since the last point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// Not said.
    Unspecified,
    /// Since the last point.
    Delta,
    /// Since the start.
    Cumulative,
}

impl Temporality {
    const fn of(number: i32) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// What a point measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// A value that is set.
    Gauge(f64),
    /// A value that is added to.
    Sum {
        /// The value.
        value: f64,
        /// Since when it counts.
        temporality: Temporality,
        /// Whether it never falls.
        monotonic: bool,
    },
    /// Counts by bucket.
    Histogram {
        /// Number of measurements.
        count: u64,
        /// Their sum, if known.
        sum: Option<f64>,
        /// Upper ends of the buckets, rising; the last bucket has none.
        bounds: Vec<f64>,
        /// Measurements per bucket: one more than `bounds`, or none at all.
        buckets: Vec<u64>,
        /// Since when it counts.
        temporality: Temporality,
    },
}

/// One point of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the metric.
    pub name: Arc<str>,
    /// Unit in UCUM, e.g. `s`, `By`; may be empty.
    pub unit: Arc<str>,
    /// Wall clock, nanoseconds since 1970 UTC.
    pub at_unix_nanos: u64,
    /// Start of what is counted; 0 if not given.
    pub start_unix_nanos: u64,
    /// What was measured.
    pub measure: Measure,
    /// The series within the metric.
    pub attributes: Attributes,
    /// The process that measured.
    pub resource: Arc<Resource>,
}

/// The points of a request, and the number of those that are not told here: summaries, points without a value,
/// histograms whose buckets do not fit their bounds.
pub(super) fn points(request: wire::MetricsRequest) -> (Vec<Point>, u64) {
    let mut points = Points::default();
    for process in request.resource_metrics {
        let resource = Resource::of(process.resource);
        for metric in process.scope_metrics.into_iter().flat_map(|library| library.metrics) {
            points.add(metric, &resource);
        }
    }
    (points.all, points.skipped)
}

#[derive(Default)]
struct Points {
    all: Vec<Point>,
    skipped: u64,
}

impl Points {
    fn add(&mut self, metric: wire::Metric, resource: &Arc<Resource>) {
        self.skipped += metric.summaries();
        let (name, unit): (Arc<str>, Arc<str>) = (metric.name.into(), metric.unit.into());
        let place = |at, start, measure, attributes| Point {
            name: Arc::clone(&name),
            unit: Arc::clone(&unit),
            at_unix_nanos: at,
            start_unix_nanos: start,
            measure,
            attributes,
            resource: Arc::clone(resource),
        };
        for p in metric.gauge.into_iter().flat_map(|g| g.data_points) {
            let measure = p.value().map(Measure::Gauge);
            self.keep(
                measure.map(|m| place(p.time_unix_nano, p.start_time_unix_nano, m, attributes(p.attributes))),
            );
        }
        if let Some(sum) = metric.sum {
            let (temporality, monotonic) = (Temporality::of(sum.aggregation_temporality), sum.is_monotonic);
            for p in sum.data_points {
                let measure = p.value().map(|value| Measure::Sum { value, temporality, monotonic });
                self.keep(
                    measure.map(|m| {
                        place(p.time_unix_nano, p.start_time_unix_nano, m, attributes(p.attributes))
                    }),
                );
            }
        }
        if let Some(histogram) = metric.histogram {
            let temporality = Temporality::of(histogram.aggregation_temporality);
            for mut p in histogram.data_points {
                let (at, start) = (p.time_unix_nano, p.start_time_unix_nano);
                let series = std::mem::take(&mut p.attributes);
                self.keep(buckets(p, temporality).map(|m| place(at, start, m, attributes(series))));
            }
        }
        if let Some(histogram) = metric.exponential_histogram {
            let temporality = Temporality::of(histogram.aggregation_temporality);
            for mut p in histogram.data_points {
                let (at, start) = (p.time_unix_nano, p.start_time_unix_nano);
                let series = std::mem::take(&mut p.attributes);
                let measure = exponential::explicit(p, temporality);
                self.keep(measure.map(|m| place(at, start, m, attributes(series))));
            }
        }
    }

    fn keep(&mut self, point: Option<Point>) {
        match point {
            Some(point) => self.all.push(point),
            None => self.skipped += 1,
        }
    }
}

impl wire::Metric {
    /// Number of points, of whatever kind.
    pub(super) fn points(&self) -> u64 {
        let told = self.gauge.as_ref().map_or(0, |g| g.data_points.len())
            + self.sum.as_ref().map_or(0, |s| s.data_points.len())
            + self.histogram.as_ref().map_or(0, |h| h.data_points.len())
            + self.exponential_histogram.as_ref().map_or(0, |h| h.data_points.len());
        told as u64 + self.summaries()
    }

    fn summaries(&self) -> u64 {
        self.summary.as_ref().map_or(0, |s| s.data_points.len()) as u64
    }
}

impl wire::NumberPoint {
    fn value(&self) -> Option<f64> {
        let value = self.as_double.or(self.as_int.map(|v| v as f64));
        value.filter(|_| self.flags & NO_VALUE == 0)
    }
}

fn buckets(p: wire::HistogramPoint, temporality: Temporality) -> Option<Measure> {
    let (bounds, buckets) = (p.explicit_bounds, p.bucket_counts);
    let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.iter().all(|b| b.is_finite());
    let fits = buckets.is_empty() || buckets.len() == bounds.len() + 1;
    let whole = rising && fits && p.flags & NO_VALUE == 0;
    whole.then_some(Measure::Histogram { count: p.count, sum: p.sum, bounds, buckets, temporality })
}
