//! What the generator's own clocks say of one side: mean response time and its client phases.

use super::measure::{Measured, batch_mean};
use super::unread::Unread;
use crate::run::period::{Latency, LoadPeriod, Phase};
use crate::time::Window;

/// The generator's view of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// Seconds of the whole periods inside the windows.
    pub secs: f64,
    /// Hits that ended.
    pub done: u64,
    /// Hits that ended, by request of the scenario.
    pub by_request: Vec<u64>,
    /// Arrivals the schedule asked for.
    pub offered: u64,
    /// Mean response time, nanoseconds.
    pub response: Measured,
    /// The longest.
    pub longest: f64,
    /// Sum of the response times in nanoseconds, and hits that ended, of each period.
    pub by_period: Vec<(f64, u64)>,
    /// Mean response time by request of the scenario.
    pub response_by_request: Vec<f64>,
    /// Mean over all hits of each phase, nanoseconds, in the order of [`Phase::ALL`].
    pub phases: Vec<Measured>,
    /// Requests in flight at the ends of the periods.
    pub in_flight: Vec<f64>,
    /// Requests that had arrived and the service had not read yet.
    pub unread: Unread,
}

impl Client {
    /// Adds up the periods that lie wholly inside the windows.
    pub(super) fn of(periods: &[LoadPeriod], windows: &[Window]) -> Self {
        let inside: Vec<_> = periods.iter().filter(|p| windows.iter().any(|w| w.covers(p.window))).collect();
        let requests = inside.first().map_or(0, |p| p.requests.len());
        let by_request = (0..requests).map(|i| inside.iter().map(|p| p.requests[i].done()).sum()).collect();
        Self {
            secs: inside.iter().map(|p| p.window.secs()).sum(),
            done: inside.iter().map(|p| done(p)).sum(),
            by_request,
            offered: inside.iter().map(|p| p.offered).sum(),
            response: per_hit(&inside, response),
            longest: inside
                .iter()
                .flat_map(|p| &p.requests)
                .map(|r| r.response.max() as f64)
                .fold(0.0, f64::max),
            by_period: inside.iter().map(|p| (response(p), done(p))).collect(),
            response_by_request: (0..requests).map(|i| mean_response(&inside, i)).collect(),
            phases: Phase::ALL
                .iter()
                .map(|&phase| {
                    per_hit(&inside, |p| p.requests.iter().map(|r| total(&r.phases[phase as usize])).sum())
                })
                .collect(),
            unread: Unread::default(),
            in_flight: inside.iter().map(|p| (p.in_flight + p.backlog) as f64).collect(),
        }
    }

    /// Hits that ended per second.
    pub(super) fn throughput(&self) -> f64 {
        if self.secs > 0.0 { self.done as f64 / self.secs } else { 0.0 }
    }

    /// Mean number of requests that a load thread had in hand, by Little's law from those that ended.
    pub(super) fn in_flight_of_ended(&self) -> f64 {
        (self.response.value - self.phase(Phase::Queue).value).max(0.0) / 1e9 * self.throughput()
    }

    /// Mean of a phase over all hits.
    pub(super) fn phase(&self, phase: Phase) -> Measured {
        self.phases.get(phase as usize).copied().unwrap_or_default()
    }
}

/// Sum of all response times.
fn response(period: &LoadPeriod) -> f64 {
    period.requests.iter().map(|r| total(&r.response)).sum()
}

fn done(period: &LoadPeriod) -> u64 {
    period.requests.iter().map(|r| r.done()).sum()
}

/// Sum of all values; the histogram's mean is exact to its three digits.
fn total(latency: &Latency) -> f64 {
    if latency.is_empty() { 0.0 } else { latency.mean() * latency.len() as f64 }
}

fn mean_response(periods: &[&LoadPeriod], request: usize) -> f64 {
    let sum: f64 = periods.iter().map(|p| total(&p.requests[request].response)).sum();
    let n: u64 = periods.iter().map(|p| p.requests[request].response.len()).sum();
    if n == 0 { 0.0 } else { sum / n as f64 }
}

/// Mean per hit of a sum per period, its error from the spread between periods.
fn per_hit(periods: &[&LoadPeriod], sum: impl Fn(&LoadPeriod) -> f64) -> Measured {
    let hits: u64 = periods.iter().map(|p| done(p)).sum();
    if hits == 0 {
        return Measured::default();
    }
    let means: Vec<f64> = periods.iter().filter(|p| done(p) > 0).map(|p| sum(p) / done(p) as f64).collect();
    let all: f64 = periods.iter().map(|p| sum(p)).sum();
    Measured::new(all / hits as f64, batch_mean(&means).error)
}
