//! What is judged: a series of period values with everything the rule needs to know about it.

use crate::analysis::{FAILING_SHARE, Unit};
use crate::time::Window;

/// A value per period, and how to judge it.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name, e.g. `p95`, `error-rate`, `go_goroutines`.
    pub name: String,
    /// Slug of the request or name of the service; none for the whole run.
    pub of: Option<String>,
    /// Unit of the values.
    pub unit: Unit,
    /// Which way is worse.
    pub direction: Direction,
    /// What a finding in it means.
    pub class: Class,
    /// Scale on which deviations are measured.
    pub scale: Scale,
    /// Smallest spread that is believed.
    pub floor: Floor,
    /// Smallest change that matters.
    pub minimum: MinimumEffect,
    /// Periods with fewer observations are not judged.
    pub min_count: u64,
    /// Values in order of time.
    pub points: Vec<Point>,
}

/// One period of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The period.
    pub window: Window,
    /// Value; none if there was nothing to measure.
    pub value: Option<f64>,
    /// Observations behind the value (hits of the period); 1 for a gauge.
    pub count: u64,
}

/// Which way is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Latency, errors, CPU.
    HigherIsWorse,
    /// Achieved share of the load asked for.
    LowerIsWorse,
    /// Either way is worth a note.
    Both,
}

/// What a finding in a series means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Users feel it: latency, errors, throughput. Alone makes an anomaly.
    Symptom,
    /// The target's inside: moves along with a symptom, is no fault by itself.
    Resource,
    /// Judged for unbounded growth only: goroutines, memory, descriptors.
    Growth,
}

/// Scale on which deviations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Logarithm: for positive values whose noise is proportional to them.
    Log,
    /// As it is: shares, counts near zero.
    Linear,
}

/// Smallest spread that is believed: a calm reference must not make every ripple an anomaly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Relative to the level.
    pub relative: f64,
    /// In the series' unit ([`Scale::Linear`] only).
    pub absolute: f64,
    /// Sampling noise of the value, from the number of observations.
    pub sampling: Sampling,
}

/// Where sampling noise comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// A reading, not an estimate.
    Exact,
    /// A quantile of latencies (0 < q < 1).
    Quantile(f64),
    /// A share of the observations.
    Share,
    /// A ratio of two counts of one period, of which a hit more or less lies on the period's edge.
    Edge,
}

/// Smallest change that matters: `max(relative * level, min(absolute, at_most * level))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinimumEffect {
    /// Share of the level.
    pub relative: f64,
    /// In the series' unit.
    pub absolute: f64,
    /// Cap on the absolute part as a share of the level, so that fast endpoints are judged too.
    pub at_most: f64,
}

impl MinimumEffect {
    /// 5 %, and 2 ms or half the level, whichever is smaller.
    pub const LATENCY: Self = Self { relative: 0.05, absolute: 2e6, at_most: 0.5 };
    /// One request in a hundred.
    pub const SHARE: Self = Self { relative: 0.05, absolute: FAILING_SHARE, at_most: f64::INFINITY };

    /// The change at `level` that just counts, in the series' unit.
    #[must_use]
    pub fn at(&self, level: f64) -> f64 {
        (self.relative * level.abs()).max(self.absolute.min(self.at_most * level.abs()))
    }
}

/// The latency quantiles that are judged, each with its own tolerance for noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// Median.
    P50,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
}

impl Percentile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// Name of the series.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// As a share of 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }

    /// Relative floor of the spread and fewest observations in a period.
    const fn tolerance(self) -> (f64, u64) {
        match self {
            Self::P50 => (0.05, 10),
            Self::P95 => (0.10, 40),
            Self::P99 => (0.15, 100),
        }
    }
}

impl Series {
    /// A latency quantile per period in nanoseconds.
    #[must_use]
    pub fn latency(percentile: Percentile, of: Option<String>, points: Vec<Point>) -> Self {
        let (relative, min_count) = percentile.tolerance();
        Self {
            name: percentile.name().into(),
            of,
            unit: Unit::Nanoseconds,
            direction: Direction::HigherIsWorse,
            class: Class::Symptom,
            scale: Scale::Log,
            floor: Floor { relative, absolute: 0.0, sampling: Sampling::Quantile(percentile.share()) },
            minimum: MinimumEffect::LATENCY,
            min_count,
            points,
        }
    }

    /// Failed share of the hits of a period; `count` is the number of hits that ended.
    #[must_use]
    pub fn error_rate(of: Option<String>, points: Vec<Point>) -> Self {
        Self {
            name: "error-rate".into(),
            of,
            unit: Unit::Ratio,
            direction: Direction::HigherIsWorse,
            class: Class::Symptom,
            scale: Scale::Linear,
            floor: Floor { relative: 0.1, absolute: 0.001, sampling: Sampling::Share },
            minimum: MinimumEffect::SHARE,
            min_count: 1,
            points,
        }
    }

    /// Answers per arrival asked for (open model): below 1 while a backlog grows.
    #[must_use]
    pub fn achieved(points: Vec<Point>) -> Self {
        Self {
            name: "achieved".into(),
            of: None,
            unit: Unit::Ratio,
            direction: Direction::LowerIsWorse,
            class: Class::Symptom,
            scale: Scale::Linear,
            floor: Floor { relative: 0.02, absolute: 0.01, sampling: Sampling::Edge },
            minimum: MinimumEffect { relative: 0.05, absolute: 0.05, at_most: f64::INFINITY },
            min_count: 1,
            points,
        }
    }

    /// A reading of the target: CPU, GC time, pool waits. Found changes are evidence, not anomalies.
    #[must_use]
    pub fn resource(
        name: impl Into<String>,
        service: impl Into<String>,
        unit: Unit,
        direction: Direction,
        points: Vec<Point>,
    ) -> Self {
        Self {
            name: name.into(),
            of: Some(service.into()),
            unit,
            direction,
            class: Class::Resource,
            scale: Scale::Linear,
            floor: Floor { relative: 0.10, absolute: 0.0, sampling: Sampling::Exact },
            minimum: MinimumEffect { relative: 0.2, absolute: 0.0, at_most: 0.0 },
            min_count: 1,
            points,
        }
    }

    /// A reading that must not grow without end: goroutines, resident memory, open descriptors.
    #[must_use]
    pub fn growth(
        name: impl Into<String>,
        service: impl Into<String>,
        unit: Unit,
        points: Vec<Point>,
    ) -> Self {
        Self { class: Class::Growth, ..Self::resource(name, service, unit, Direction::HigherIsWorse, points) }
    }

    /// Value of a point if it has enough observations to be judged.
    pub(super) fn judged(&self, point: &Point) -> Option<f64> {
        point.value.filter(|v| v.is_finite() && point.count >= self.min_count)
    }

    /// A value on the series' scale.
    pub(super) fn scaled(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Log => value.max(1e-9).ln(),
            Scale::Linear => value,
        }
    }

    /// Back from the series' scale.
    pub(super) fn unscaled(&self, scaled: f64) -> f64 {
        match self.scale {
            Scale::Log => scaled.exp(),
            Scale::Linear => scaled,
        }
    }
}
