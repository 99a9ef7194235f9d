//! Requests that had arrived and the service had not read yet: looks at the sockets of a target on this machine.

use super::beside::Beside;
use super::measure::{Measured, batch_mean};
use super::snapshots::weights;
use crate::run::in_flight::Look;
use crate::run::layout;
use crate::run::reader::Recording;
use crate::run::unread::{UnreadLook, looks};
use crate::time::{RunTime, Window};

const LOOKS: &str = "loadprof_socket_looks_total";
const SERVICE: &str = "loadprof_service_unread_sockets_total";

/// How many such requests the looks of some windows met; nothing where the target is on another machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread {
    counts: Vec<f64>,
    /// How much of the time each stands for.
    weights: Vec<f64>,
    beside: Option<Beside>,
}

impl Unread {
    /// Reads the looks in these windows; `ended` is the mean number of requests in flight by Little's law.
    pub(super) fn load(recording: &Recording, windows: &[Window], ended: f64) -> Self {
        let mut all = looks(recording);
        if all.is_empty() {
            let counts = by_period(recording, windows);
            return Self { weights: vec![1.0; counts.len()], counts, beside: None };
        }
        all.retain(|look| windows.iter().any(|w| w.contains(look.t)));
        Self::of(&all, windows, ended)
    }

    fn of(all: &[UnreadLook], windows: &[Window], ended: f64) -> Self {
        let times: Vec<RunTime> = all.iter().map(|look| look.t).collect();
        let in_flight: Vec<Look> = all.iter().filter_map(|look| look.beside()).collect();
        let weights = weights(&times);
        let beside = Beside::asked(&in_flight, windows, ended, &times, &weights);
        Self { counts: all.iter().map(|look| look.service as f64).collect(), weights, beside }
    }

    /// Their mean number.
    pub(super) fn mean(&self) -> Measured {
        match &self.beside {
            Some(beside) => beside.mean(&self.counts, &self.weights),
            None => {
                let weighed: Vec<f64> = self.counts.iter().zip(&self.weights).map(|(n, w)| n * w).collect();
                batch_mean(&weighed)
            }
        }
    }

    /// Both sides stand beside the requests in flight, or neither.
    pub(super) fn alike(&mut self, other: &mut Self) {
        if self.beside.is_none() || other.beside.is_none() {
            self.beside = None;
            other.beside = None;
        }
    }
}

/// The means of the periods, of recordings that have no single looks.
fn by_period(recording: &Recording, windows: &[Window]) -> Vec<f64> {
    let wanted = [LOOKS, SERVICE];
    let Ok(history) = recording.series(layout::GENERATOR, |_, s| wanted.contains(&&*s.name)) else {
        return Vec::new();
    };
    let points = |name: &str| history.named(name).next().map(|s| s.points.as_slice()).unwrap_or_default();
    let looks = points(LOOKS);
    looks
        .windows(2)
        .zip(points(SERVICE).windows(2))
        .filter(|(at, _)| windows.iter().any(|w| w.covers(Window::new(at[0].0, at[1].0))))
        .filter(|(at, _)| at[1].1 > at[0].1)
        .map(|(at, sum)| (sum[1].1 - sum[0].1) / (at[1].1 - at[0].1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    /// A look each 100 ms; half of the requests in flight have not been read.
    fn look(i: u64, mean: f64) -> UnreadLook {
        let t = i * 100 * MILLISECOND;
        let count = 2 * ((i * 37 + i * i) % 9);
        let area = Some((mean * t as f64) as u64);
        UnreadLook { t: RunTime::from_nanos(t), service: count / 2, generator: 0, count: Some(count), area }
    }

    #[test]
    fn what_looks_met_by_chance_is_taken_away() {
        let met: Vec<UnreadLook> = (0..100).map(|i| look(i, 0.0)).collect();
        let mean = met.iter().map(|l| l.service as f64).sum::<f64>() / 100.0;
        let truth = 0.95 * mean;
        let windows = [Window::new(RunTime::ZERO, RunTime::from_nanos(10_000 * MILLISECOND))];
        let all: Vec<UnreadLook> = (0..100).map(|i| look(i, 2.0 * truth)).collect();
        let mut unread = Unread::of(&all, &windows, 2.0 * truth);
        assert!(
            (unread.mean().value - truth).abs() < 1e-6 && unread.mean().error < 1e-6,
            "{:?}",
            unread.mean()
        );
        unread.alike(&mut Unread::default());
        assert!(
            (unread.mean().value - mean).abs() < 1e-9 && unread.mean().error > 0.1,
            "{:?}",
            unread.mean()
        );
    }
}
