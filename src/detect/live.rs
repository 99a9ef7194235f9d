//! The same rule while the run goes on: period by period, cheap, with a fixed width; now and then also whether the level
//! stepped up without standing out.

use std::collections::VecDeque;

use super::growth;
use super::plain::{PLAIN_WINDOW, beyond};
use super::rates::{Levels, same_rate};
use super::reference::{Reference, sides};
use super::series::{Class, Point, Series};
use super::shift::{self, Demands};
use super::tracker::{Tracker, Transition};
use crate::scenario::{Detect, Rule};
use crate::stats::{Ewma, std_dev};
use crate::time::{RunTime, Window};

/// Healthy periods a live reference remembers.
const MEMORY: usize = 240;
/// Deviations that make a violation, if the scenario does not ask for more: there is no time to calibrate,
/// and a capture taken for nothing costs the target.
const LIVE_SIGMA: f64 = 4.0;
/// Leaks and steps are looked for every so many periods.
const LOOK_EVERY: usize = 5;
/// Deviations that a step must be made of, if the scenario does not ask for more: it is asked for again and again.
const STEP_SIGMA: f64 = 3.6;

/// A period's value of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Value; none if there was nothing to measure.
    pub value: Option<f64>,
    /// Observations behind it; 1 for a gauge.
    pub count: u64,
}

/// Something began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveEvent {
    /// Name of the series.
    pub series: String,
    /// Slug of the request or name of the service.
    pub of: Option<String>,
    /// What a finding in this series means.
    pub class: Class,
    /// Onset or end.
    pub at: RunTime,
    /// Which of the two.
    pub change: LiveChange,
}

/// Beginning or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveChange {
    /// An anomaly began.
    Began,
    /// It ended.
    Ended,
}

/// Judges periods as they come.
#[derive(Debug)]
pub struct LiveDetector {
    settings: Detect,
    warm_up: RunTime,
    series: Vec<Live>,
    rates: VecDeque<(Window, f64)>,
    periods: usize,
}

#[derive(Debug)]
struct Live {
    series: Series,
    tracker: Tracker,
    /// Load level, scaled value and period.
    healthy: VecDeque<(f64, f64, usize)>,
    reference: Option<Reference>,
    average: Ewma,
    recent: VecDeque<f64>,
    threshold: Option<f64>,
    leaking: bool,
    stepped: bool,
}

impl LiveDetector {
    /// For these series (their points are dropped); nothing is judged before `warm_up`.
    #[must_use]
    pub fn new(series: Vec<Series>, settings: &Detect, warm_up: RunTime) -> Self {
        let live = |series: Series| Live {
            series: Series { points: Vec::new(), ..series },
            tracker: Tracker::new(settings.periods),
            healthy: VecDeque::new(),
            reference: None,
            average: Ewma::new(settings.alpha),
            recent: VecDeque::new(),
            threshold: None,
            leaking: false,
            stepped: false,
        };
        let series = series.into_iter().map(live).collect();
        Self { settings: *settings, warm_up, series, rates: VecDeque::new(), periods: 0 }
    }

    /// Takes one period: its load level (arrivals asked for per second, or virtual users) and a reading per
    /// series in the order given to [`Self::new`]; missing readings count as no value.
    pub fn push(&mut self, window: Window, level: f64, readings: &[Reading]) -> Vec<LiveEvent> {
        remember(&mut self.rates, (window, level));
        let warm = window.from >= self.warm_up;
        let period = self.periods;
        self.periods += 1;
        let mut demands = Demands::of(&self.settings, self.warm_up, self.series.iter().map(|l| &l.series));
        demands.sigma = demands.sigma.max(STEP_SIGMA);
        let mut events = Vec::new();
        for (i, live) in self.series.iter_mut().enumerate() {
            let reading = readings.get(i).copied().unwrap_or_default();
            let point = Point { window, value: reading.value, count: reading.count };
            live.average.push(point.value);
            if !warm {
                continue;
            }
            let change = match (live.series.class, self.settings.rule) {
                (Class::Growth, _) => live.grow(point, period, self.rates.make_contiguous()),
                (_, Rule::Frozen) => live
                    .frozen(point, period, level, &self.settings)
                    .or_else(|| live.step(period, level, demands)),
                (_, Rule::Plain) => live.plain(point, period, &self.settings),
            };
            if let Some((change, back)) = change {
                let at = self.rates.get(self.rates.len().saturating_sub(back + 1));
                events.push(live.event(change, at.map_or(window.from, |(w, _)| w.from)));
            }
        }
        events
    }

    /// Whether a symptom or a leak lasts.
    #[must_use]
    pub fn anomalous(&self) -> bool {
        self.series.iter().any(Live::lasts)
    }

    /// Moving average and threshold of a series after the last period, for the live view.
    #[must_use]
    pub fn band(&self, name: &str, of: Option<&str>) -> (Option<f64>, Option<f64>) {
        let found = self.series.iter().find(|l| l.series.name == name && l.series.of.as_deref() == of);
        found.map_or((None, None), |l| (l.average.value(), l.threshold))
    }
}

/// A change and how many periods ago it took place.
type Change = Option<(LiveChange, usize)>;

fn change(transition: Option<Transition>, period: usize) -> Change {
    match transition? {
        Transition::Began { onset } => Some((LiveChange::Began, period - onset)),
        Transition::Ended { end } => Some((LiveChange::Ended, period - end)),
    }
}

fn remember<T>(memory: &mut VecDeque<T>, item: T) {
    if memory.len() == MEMORY {
        memory.pop_front();
    }
    memory.push_back(item);
}

impl Live {
    fn event(&self, change: LiveChange, at: RunTime) -> LiveEvent {
        LiveEvent {
            series: self.series.name.clone(),
            of: self.series.of.clone(),
            class: self.series.class,
            at,
            change,
        }
    }

    /// Whether a symptom or a leak lasts in it.
    fn lasts(&self) -> bool {
        let worse = self.tracker.active() || self.stepped;
        self.leaking || (self.series.class == Class::Symptom && worse)
    }

    fn healthy_at(&self, level: f64) -> Vec<f64> {
        let same = self.healthy.iter().filter(|(rate, ..)| same_rate(Some(*rate), Some(level)));
        same.map(|(_, v, _)| *v).collect()
    }

    /// Among values none of which stood out, as long as the load is what it was.
    fn step(&mut self, period: usize, level: f64, demands: Demands) -> Change {
        let values = self.healthy_at(level);
        let steady = values.len() == self.healthy.len();
        if self.tracker.active() || !steady || !period.is_multiple_of(LOOK_EVERY) {
            return None;
        }
        let found = shift::step(&self.series, &values, demands);
        match (std::mem::replace(&mut self.stepped, found.is_some()), found) {
            (false, Some(split)) => {
                let onset = self.healthy.get(split).map_or(period, |h| h.2);
                Some((LiveChange::Began, period - onset))
            }
            (true, None) => Some((LiveChange::Ended, 0)),
            _ => None,
        }
    }

    fn learn(&mut self, level: f64, value: f64, period: usize) {
        if self.stepped && self.healthy.len() == MEMORY {
            // What was before the step must not be forgotten while it lasts.
            self.healthy.remove(MEMORY / 2);
        }
        remember(&mut self.healthy, (level, self.series.scaled(value), period));
    }

    fn frozen(&mut self, point: Point, period: usize, level: f64, settings: &Detect) -> Change {
        let value = self.series.judged(&point)?;
        if !self.tracker.frozen() {
            self.reference = Reference::of(&self.series, &self.healthy_at(level));
        }
        let k = settings.sigma.max(LIVE_SIGMA);
        let side = sides(self.series.direction)[0];
        self.threshold = self.reference.map(|r| r.threshold(&self.series, k, point.count, side));
        let violated = self.reference.and_then(|r| r.violated(&self.series, k, value, point.count));
        let transition = self.tracker.step(period, violated);
        if violated.is_none() && !self.tracker.active() {
            self.learn(level, value, period);
        }
        // The end of what was worse is not that of the step that lasts.
        change(transition, period).filter(|(what, _)| *what == LiveChange::Began || !self.stepped)
    }

    fn plain(&mut self, point: Point, period: usize, settings: &Detect) -> Change {
        let value = self.series.judged(&point)?;
        if self.recent.len() == PLAIN_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
        let centre = self.average.value()?;
        let full = self.recent.len() == PLAIN_WINDOW;
        let reach = settings.sigma * full.then(|| std_dev(self.recent.make_contiguous()))??;
        self.threshold = Some(centre + sides(self.series.direction)[0] * reach);
        change(self.tracker.step(period, beyond(&self.series, value, centre, reach)), period)
    }

    fn grow(&mut self, point: Point, period: usize, rates: &[(Window, f64)]) -> Change {
        if self.series.points.len() == MEMORY {
            self.series.points.remove(0);
        }
        self.series.points.push(point);
        if !period.is_multiple_of(LOOK_EVERY) {
            return None;
        }
        let leak = growth::leak(&self.series, RunTime::ZERO, Levels(rates), Levels(&[]));
        let was = std::mem::replace(&mut self.leaking, leak.is_some());
        match (was, leak) {
            (false, Some(a)) => {
                let since = self.series.points.iter().filter(|p| p.window.from >= a.window.from).count();
                Some((LiveChange::Began, since.saturating_sub(1)))
            }
            (true, None) => Some((LiveChange::Ended, 0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Unit;
    use crate::detect::Percentile;
    use crate::time::SECOND;

    fn window(i: u64) -> Window {
        Window::new(RunTime::from_nanos(i * SECOND), RunTime::from_nanos((i + 1) * SECOND))
    }

    fn run(detector: &mut LiveDetector, values: impl Iterator<Item = f64>) -> Vec<(u64, LiveEvent)> {
        let feed = values.enumerate().flat_map(|(i, v)| {
            let events = detector.push(window(i as u64), 500.0, &[Reading { value: Some(v), count: 500 }]);
            events.into_iter().map(move |e| (i as u64, e))
        });
        feed.collect()
    }

    #[test]
    fn a_step_begins_three_periods_later_and_ends() {
        let spec = vec![Series::latency(Percentile::P95, None, Vec::new())];
        let mut detector = LiveDetector::new(spec, &Detect::default(), RunTime::from_nanos(2 * SECOND));
        let noise = |i: u64| 1.0 + 0.03 * ((i * 7 % 5) as f64 - 2.0);
        let level = |i: u64| match i {
            0 => 500e6, // warm-up
            11 | 12 => 90e6,
            20..30 => 70e6,
            _ => 30e6,
        };
        let events = run(&mut detector, (0..40).map(|i| level(i) * noise(i)));
        let seen: Vec<_> = events.iter().map(|(i, e)| (*i, e.change, e.at.as_secs_f64())).collect();
        assert_eq!(seen, [(22, LiveChange::Began, 20.0), (32, LiveChange::Ended, 30.0)]);
        assert!(!detector.anomalous());
        let (average, threshold) = detector.band("p95", None);
        assert!(average.is_some_and(|a| a > 25e6) && threshold.is_some_and(|t| t > 40e6));
    }

    #[test]
    fn the_plain_rule_runs_live_too_and_misses_the_step() {
        let spec = vec![Series::latency(Percentile::P95, None, Vec::new())];
        let settings = Detect { rule: Rule::Plain, sigma: 2.0, ..Detect::default() };
        let mut detector = LiveDetector::new(spec, &settings, RunTime::ZERO);
        let noise = |i: u64| 1.0 + 0.03 * ((i * 7 % 5) as f64 - 2.0);
        let level = |i: u64| if i < 20 { 30e6 } else { 150e6 };
        let events = run(&mut detector, (0..40).map(|i| level(i) * noise(i)));
        assert!(events.is_empty(), "{events:?}");
    }

    #[test]
    fn a_step_that_never_stands_out_is_seen_too() {
        let spec = vec![Series::latency(Percentile::P95, None, Vec::new())];
        let mut detector = LiveDetector::new(spec, &Detect::default(), RunTime::ZERO);
        let noise = |i: u64| 1.0 + 0.1 * ((i * 7 % 5) as f64 - 2.0);
        let level = |i: u64| if (15..45).contains(&i) { 52e6 } else { 30e6 };
        let events = run(&mut detector, (0..80).map(|i| level(i) * noise(i)));
        let seen: Vec<_> = events.iter().map(|(_, e)| e.change).collect();
        assert_eq!(seen, [LiveChange::Began, LiveChange::Ended], "{events:?}");
        let (when, first) = &events[0];
        assert!((20..=45).contains(when) && (first.at.as_secs_f64() - 15.0).abs() <= 2.0, "{events:?}");
        assert!(!detector.anomalous());
    }

    #[test]
    fn a_leak_is_seen_while_it_grows() {
        let spec = vec![Series::growth("go_goroutines", "shop", Unit::Count, Vec::new())];
        let mut detector = LiveDetector::new(spec, &Detect::default(), RunTime::ZERO);
        let values = (0..40).map(|i| 40.0 + (i % 3) as f64 + 80.0 * (i as f64 - 15.0).max(0.0));
        let events = run(&mut detector, values);
        let (when, first) = &events[0];
        assert!(*when <= 26 && first.change == LiveChange::Began, "{events:?}");
        assert!((first.at.as_secs_f64() - 15.0).abs() <= 2.0 && detector.anomalous());
    }
}
