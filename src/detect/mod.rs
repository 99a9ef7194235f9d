//! Finds the moments of a run that went wrong: series of period values to [`Anomaly`] windows.
//!
//! A period violates when it lies more than k robust deviations *and* more than a minimum effect beyond the
//! median of the healthy periods so far at the same load level. That reference stands still while it is
//! violated, so a sustained step is not learnt as the new normal; k is calibrated on the reference so that a
//! healthy run alarms with at most [`FALSE_ALARM`] over all its series. Three violations in a row begin an
//! anomaly, three calm periods end it. Leaks have a rule of their own. `docs/detection.md` gives the reasons
//! and the measured error rates.
//!
//! [`detect`] judges a whole recording, and in hindsight looks for a step that never stood out; [`LiveDetector`] does
//! the same period by period.

mod calibrate;
mod frozen;
mod growth;
mod live;
mod load;
mod moments;
mod plain;
mod rates;
mod reference;
mod series;
mod shift;
#[cfg(test)]
mod simulation;
mod span;
mod tracker;
mod windows;

pub use calibrate::FALSE_ALARM;
pub use live::{LiveChange, LiveDetector, LiveEvent, Reading};
pub use load::{load_concurrency, load_level, load_levels, load_readings, load_series, load_templates};
pub use plain::PLAIN_WINDOW;
pub use rates::{SAME_RATE, same_rate};
pub use reference::MIN_REFERENCE;
pub use series::{Class, Direction, Floor, MinimumEffect, Percentile, Point, Sampling, Scale, Series};
pub use span::BandPoint;
pub use tracker::CALM;
pub use windows::{GUARD, Windows, windows};

use crate::analysis::{Anomaly, Caveat};
use crate::scenario::{Detect, Rule};
use crate::stats::rng;
use crate::time::{RunTime, Window, nanos};

use calibrate::Family;
use frozen::{Healthy, Task};
use rates::Levels;
use span::Judged;

/// Reference periods below which an anomaly's size is in doubt.
const SHORT_REFERENCE: usize = 10;

/// Everything a recording offers for judging.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What is judged.
    pub series: &'a [Series],
    /// Load level per period: arrivals asked for per second, or virtual users; empty if it never changes.
    pub offered: &'a [(Window, f64)],
    /// Requests under way or connections per period (see [`load_concurrency`]); may be empty.
    pub concurrency: &'a [(Window, f64)],
    /// Settings of the scenario.
    pub settings: &'a Detect,
    /// End of the warm-up.
    pub warm_up: RunTime,
    /// A healthy run to judge by where this one has no healthy periods of its own.
    pub baseline: Option<Baseline<'a>>,
    /// Seed of the calibration.
    pub seed: u64,
}

/// A healthy run of the same service.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// Its series; matched by name and `of`.
    pub series: &'a [Series],
    /// Its load level per period.
    pub offered: &'a [(Window, f64)],
    /// End of its warm-up.
    pub warm_up: RunTime,
}

/// What went wrong and when.
#[derive(Clone, Debug, Default)]
pub struct Detection {
    /// Moments with a symptom: overlapping anomalies of latency, errors and throughput are one.
    pub moments: Vec<Anomaly>,
    /// Series that grow without end.
    pub leaks: Vec<Anomaly>,
    /// Changes of the target's inside: evidence, not anomalies.
    pub changes: Vec<Anomaly>,
    /// Every judged series with its lines and its own anomalies, in the order of the input.
    pub bands: Vec<SeriesBand>,
    /// Doubts about references.
    pub notes: Vec<Caveat>,
    /// Load level per period, as given.
    pub offered: Vec<(Window, f64)>,
    /// Length of a period in nanoseconds.
    pub period: u64,
    /// End of the warm-up.
    pub warm_up: RunTime,
}

impl Detection {
    /// Moments and leaks in order of time: what a report lists.
    #[must_use]
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut all: Vec<Anomaly> = self.moments.iter().chain(&self.leaks).cloned().collect();
        all.sort_by_key(|a| a.window.from);
        all
    }

    /// Nanoseconds around an onset that may be of either side: more where a symptom's periods are taken together.
    #[must_use]
    pub fn guard(&self) -> u64 {
        let bad = self.bands.iter().filter(|b| b.class == Class::Symptom && !b.anomalies.is_empty());
        let longest = bad.filter_map(|b| Some(b.points.first()?.window.nanos())).max().unwrap_or(0);
        (GUARD * self.period).max(longest + self.period)
    }

    /// The judged series of this name.
    #[must_use]
    pub fn band(&self, name: &str, of: Option<&str>) -> Option<&SeriesBand> {
        self.bands.iter().find(|b| b.series == name && b.of.as_deref() == of)
    }
}

/// A judged series.
#[derive(Clone, Debug)]
pub struct SeriesBand {
    /// Name.
    pub series: String,
    /// Slug of the request or name of the service.
    pub of: Option<String>,
    /// What a finding in it means.
    pub class: Class,
    /// One entry per point of the series.
    pub points: Vec<BandPoint>,
    /// Its own anomalies, before they are merged into moments.
    pub anomalies: Vec<Anomaly>,
}

/// Judges a whole recording.
#[must_use]
pub fn detect(input: &Input<'_>) -> Detection {
    let period = nanos(input.settings.period).max(1);
    let mut out =
        Detection { offered: input.offered.to_vec(), period, warm_up: input.warm_up, ..Detection::default() };
    let (mut symptoms, mut judged_points) = (Vec::new(), 0);
    for (i, series) in input.series.iter().enumerate() {
        if series.class == Class::Growth {
            let (rates, concurrency) = (Levels(input.offered), Levels(input.concurrency));
            out.leaks.extend(growth::leak(series, input.warm_up, rates, concurrency));
            continue;
        }
        let judged = judge(input, series, i);
        judged_points += judged.judged;
        out.notes.extend(doubts(&judged, length(series, period)));
        match series.class {
            Class::Symptom => symptoms.extend(judged.anomalies.iter().cloned()),
            _ => out.changes.extend(judged.anomalies.iter().cloned()),
        }
        out.bands.push(SeriesBand {
            series: series.name.clone(),
            of: series.of.clone(),
            class: series.class,
            points: judged.bands,
            anomalies: judged.anomalies,
        });
    }
    if judged_points == 0 {
        out.notes.push(Caveat::NoReference);
    }
    if symptoms.is_empty() && out.leaks.is_empty() && input.settings.rule != Rule::Plain {
        symptoms = shifts(input, &mut out);
    }
    out.notes = distinct(out.notes);
    out.moments = moments::moments(&symptoms, out.guard());
    out
}

fn judge(input: &Input<'_>, series: &Series, index: usize) -> Judged {
    if input.settings.rule == Rule::Plain {
        return plain::judge(series, input.settings, input.warm_up);
    }
    let levels = Levels(input.offered);
    let same_class = input.series.iter().filter(|s| s.class == series.class).count();
    let family = Family {
        series: same_class,
        periods: series.points.iter().filter(|p| p.window.from >= input.warm_up).count(),
        in_a_row: input.settings.periods.max(1),
        sigma: input.settings.sigma,
    };
    let task = Task {
        series,
        rates: series.points.iter().map(|p| levels.at(p.window)).collect(),
        baseline: input.baseline.map_or_else(Vec::new, |b| healthy(&b, series)),
        warm_up: input.warm_up,
        alpha: input.settings.alpha,
        family,
    };
    // Each series draws from its own stream: adding one does not change the others.
    frozen::judge(&task, &mut rng(input.seed ^ ((index as u64 + 1) << 32)))
}

/// Symptoms that rose for good without standing out, also marked in the bands.
fn shifts(input: &Input<'_>, out: &mut Detection) -> Vec<Anomaly> {
    let levels = Levels(input.offered);
    let demands = shift::Demands::of(input.settings, input.warm_up, input.series.iter());
    let banded = input.series.iter().filter(|s| s.class != Class::Growth).zip(&mut out.bands);
    let mut all = Vec::new();
    for (series, band) in banded.filter(|(s, _)| s.class == Class::Symptom) {
        let rates: Vec<_> = series.points.iter().map(|p| levels.at(p.window)).collect();
        let Some(span) = shift::shift(series, &rates, demands) else { continue };
        out.notes.extend(short(span.reference.periods, length(series, out.period)));
        band.points[span.onset..span.end].iter_mut().for_each(|p| p.anomalous = true);
        band.anomalies = vec![Anomaly { hindsight: true, ..span::anomaly(series, &span) }];
        all.extend(band.anomalies.iter().cloned());
    }
    all
}

fn healthy(baseline: &Baseline<'_>, series: &Series) -> Healthy {
    let same = baseline.series.iter().find(|s| s.name == series.name && s.of == series.of);
    let levels = Levels(baseline.offered);
    let points = same.map_or(&[][..], |s| &s.points);
    points
        .iter()
        .filter(|p| p.window.from >= baseline.warm_up)
        .filter_map(|p| Some((levels.at(p.window), series.scaled(series.judged(p)?))))
        .collect()
}

fn doubts(judged: &Judged, period: u64) -> Vec<Caveat> {
    let own = judged.references.iter().filter(|(_, baseline)| !baseline);
    own.filter_map(|(n, _)| short(*n, period)).collect()
}

/// Length of a point: a period, or several that are taken together.
fn length(series: &Series, period: u64) -> u64 {
    series.points.first().map_or(period, |p| p.window.nanos().max(period))
}

fn short(periods: usize, period: u64) -> Option<Caveat> {
    (periods < SHORT_REFERENCE).then_some(Caveat::ShortReference { nanos: periods as u64 * period })
}

/// One of each kind; of short references the shortest.
fn distinct(notes: Vec<Caveat>) -> Vec<Caveat> {
    let shortest = notes.iter().filter_map(|n| match n {
        Caveat::ShortReference { nanos } => Some(*nanos),
        _ => None,
    });
    let mut out: Vec<Caveat> =
        shortest.min().map(|nanos| Caveat::ShortReference { nanos }).into_iter().collect();
    if notes.contains(&Caveat::NoReference) {
        out.push(Caveat::NoReference);
    }
    out
}

#[cfg(test)]
mod tests;
