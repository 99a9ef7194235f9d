//! The rule that holds up: a reference that stands still while it is violated.

use rand_pcg::Pcg64;

use super::calibrate::{Family, calibrate};
use super::rates::same_rate;
use super::reference::{Reference, sides};
use super::series::Series;
use super::span::{BandPoint, Judged, Span};
use super::tracker::{Tracker, Transition};
use crate::stats::Ewma;
use crate::time::RunTime;

/// Healthy periods at one rate that a reference takes at the most, the earliest ones: ten minutes of the
/// usual period tell the level, and a soak test is judged by its beginning.
const MAX_REFERENCE: usize = 600;

/// Deviation of the logarithm (or of the relative value) between two healthy runs of the same service, added
/// to the spread of a reference that comes from another run.
const BETWEEN_RUNS: f64 = 0.10;

/// Healthy values of a baseline run with their load level, on the series' scale.
pub(super) type Healthy = Vec<(Option<f64>, f64)>;

/// One series with all it takes to judge it.
pub(super) struct Task<'a> {
    pub(super) series: &'a Series,
    /// Load level of each point.
    pub(super) rates: Vec<Option<f64>>,
    /// The same series in a baseline run.
    pub(super) baseline: Healthy,
    pub(super) warm_up: RunTime,
    pub(super) alpha: f64,
    pub(super) family: Family,
}

struct State<'a> {
    task: &'a Task<'a>,
    tracker: Tracker,
    healthy: Vec<usize>,
    reference: Option<(Reference, bool)>,
    k: f64,
    spans: Vec<Span>,
    judged: usize,
}

/// Judges every point after the warm-up in order.
pub(super) fn judge(task: &Task<'_>, rng: &mut Pcg64) -> Judged {
    let mut state = State {
        task,
        tracker: Tracker::new(task.family.in_a_row),
        healthy: Vec::new(),
        reference: None,
        k: task.family.sigma,
        spans: Vec::new(),
        judged: 0,
    };
    let mut average = Ewma::new(task.alpha);
    let mut bands = Vec::with_capacity(task.series.points.len());
    for (i, point) in task.series.points.iter().enumerate() {
        let ewma = average.push(point.value);
        let threshold = state.take(i, rng);
        bands.push(BandPoint { window: point.window, ewma, threshold, anomalous: false });
    }
    let mut spans = std::mem::take(&mut state.spans);
    spans.retain(|span| state.confirmed(span, rng));
    Judged::new(task.series, bands, spans, state.judged)
}

impl State<'_> {
    /// Takes point `i`; returns the threshold it was held against.
    fn take(&mut self, i: usize, rng: &mut Pcg64) -> Option<f64> {
        let series = self.task.series;
        let point = &series.points[i];
        let value = (point.window.from >= self.task.warm_up).then(|| series.judged(point))??;
        if !self.tracker.frozen() {
            self.reference = self.reference_for(i);
        }
        let Some((reference, _)) = self.reference else {
            self.healthy.push(i);
            return None;
        };
        self.judged += 1;
        let threshold = reference.threshold(series, self.k, point.count, sides(series.direction)[0]);
        let violated = reference.violated(series, self.k, value, point.count);
        let row = self.tracker.row().to_vec();
        match self.tracker.step(i, violated) {
            Some(Transition::Began { onset }) => self.begin(onset, &row, i, rng),
            Some(Transition::Ended { end }) => self.end(end, i),
            None if violated.is_none() && !self.tracker.active() => self.healthy.push(i),
            None => {}
        }
        Some(threshold)
    }

    /// Enough violations in a row: calibrates the width on the reference, and either opens an anomaly or finds
    /// that the row is within what this series does when healthy.
    fn begin(&mut self, onset: usize, row: &[usize], last: usize, rng: &mut Pcg64) {
        let series = self.task.series;
        let Some((reference, by_baseline)) = self.reference else { return };
        let values = if by_baseline { self.baseline_at(onset) } else { self.healthy_at(onset) };
        self.k = calibrate(series, &values, &self.task.family, rng);
        let still = |i: &usize| {
            let p = &series.points[*i];
            p.value.is_some_and(|v| reference.violated(series, self.k, v, p.count).is_some())
        };
        let row: Vec<usize> = row.iter().copied().chain([last]).collect();
        if row.iter().all(still) {
            self.spans.push(Span { onset, end: series.points.len(), ongoing: true, reference, by_baseline });
            return;
        }
        self.healthy.extend(row.iter().filter(|i| !still(i)));
        self.tracker = Tracker::new(self.task.family.in_a_row);
    }

    fn end(&mut self, end: usize, last: usize) {
        if let Some(open) = self.spans.last_mut() {
            (open.end, open.ongoing) = (end, false);
        }
        let judged = |i: &usize| self.task.series.judged(&self.task.series.points[*i]).is_some();
        self.healthy.extend((end..=last).filter(judged));
    }

    /// Whether a stretch that ended still stands out against all healthy periods of its rate, those after it
    /// included: seen from a handful of early periods, ordinary noise can look like an anomaly. One that lasts
    /// has nothing after it and stays.
    fn confirmed(&self, span: &Span, rng: &mut Pcg64) -> bool {
        let series = self.task.series;
        let pool = self.healthy_at(span.onset);
        let hindsight = Reference::of(series, &pool).filter(|r| r.periods > span.reference.periods);
        let Some(reference) = hindsight.filter(|_| !span.ongoing && !span.by_baseline) else { return true };
        let k = calibrate(series, &pool, &self.task.family, rng);
        let mut row = 0;
        series.points[span.onset..span.end].iter().any(|p| {
            let Some(value) = series.judged(p) else { return false };
            row = if reference.violated(series, k, value, p.count).is_some() { row + 1 } else { 0 };
            row >= self.task.family.in_a_row
        })
    }

    /// The reference of point `i`: healthy periods so far at its rate, else the baseline's.
    fn reference_for(&self, i: usize) -> Option<(Reference, bool)> {
        let series = self.task.series;
        if let Some(own) = Reference::of(series, &self.healthy_at(i)) {
            return Some((own, false));
        }
        let other = Reference::of(series, &self.baseline_at(i))?;
        let doubt = match series.scale {
            super::Scale::Log => BETWEEN_RUNS,
            super::Scale::Linear => BETWEEN_RUNS * other.level.abs(),
        };
        Some((other.widened(doubt), true))
    }

    fn healthy_at(&self, i: usize) -> Vec<f64> {
        let (task, rate) = (self.task, self.task.rates[i]);
        let same = self.healthy.iter().filter(|&&h| same_rate(task.rates[h], rate)).take(MAX_REFERENCE);
        same.filter_map(|&h| task.series.points[h].value).map(|v| task.series.scaled(v)).collect()
    }

    fn baseline_at(&self, i: usize) -> Vec<f64> {
        let rate = self.task.rates[i];
        let same = self.task.baseline.iter().filter(|(r, _)| same_rate(*r, rate)).take(MAX_REFERENCE);
        same.map(|&(_, v)| v).collect()
    }
}
