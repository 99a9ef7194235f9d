//! The requests in flight that the generator counted beside each snapshot, against their exact mean: a control variate.
//!
//! A hundred snapshots meet more requests than there are on average, or fewer, by chance. How many there were at each is
//! known, and so is their mean over the window, by the same count. What is seen in a snapshot goes up and down with the requests
//! that are there, so that the part of its mean that is such a chance can be taken away (regression estimator: Cochran,
//! *Sampling Techniques*, chapter 7; Law & Kelton, 11.4). Rows are not made to fit the whole: a count that has nothing to do with
//! the requests in flight stays as it is, and so does time that no row explains.
//!
//! When a snapshot is taken is not known: some time after it was asked for, which a request of half a millisecond does not wait for.
//! The generator counts several times meanwhile; the count that goes up and down most like what the snapshots show is that of their
//! moment.

use std::collections::HashMap;

use super::measure::{Measured, batch_mean};
use crate::analysis::InFlight;
use crate::run::in_flight::{LATER, Look};
use crate::time::{RunTime, Window};

/// Snapshots from which on the slope is known well enough.
const LEAST: usize = 40;
/// Standard errors that the mean at the snapshots may be off: more is no chance. On a machine that generator, service and
/// collector share, the collector's turn comes at moments of its own, and what it never meets is not to be told from a slope.
const ALIKE: f64 = 3.0;
/// Part of the looks that must have gone on for as long as the moment that is taken for that of the snapshots.
const LASTED: f64 = 0.9;

/// Requests in flight at each snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Beside {
    /// Less their own mean.
    centred: Vec<f64>,
    /// How many of them there are on average.
    mean: f64,
    /// How many more than that the snapshots met.
    surplus: f64,
    /// Sum of the squares of `centred`.
    spread: f64,
    /// How far their mean is from the one that follows from the hits that ended: with a queue that grows or shrinks, and where
    /// answers wait for the generator, the two are not the same.
    doubt: f64,
}

impl Beside {
    /// For snapshots of these moments that stand for so much of the time and show so many requests; none where the looks say
    /// nothing of them. `ended` is the mean number of requests in flight by Little's law.
    pub(super) fn of(
        looks: &[Look],
        windows: &[Window],
        ended: f64,
        times: &[RunTime],
        weights: &[f64],
        shown: &[f64],
    ) -> Option<Self> {
        let mean = mean(looks, windows)?;
        let met = at_the_moment(looks, times, shown);
        let known: Vec<f64> = met.iter().flatten().copied().collect();
        if known.len() < LEAST {
            return None;
        }
        let usual = known.iter().sum::<f64>() / known.len() as f64;
        let centred = centred(&met, usual);
        let weighed: Vec<f64> = centred.iter().zip(weights).map(|(c, weight)| weight * (c + usual)).collect();
        let around = batch_mean(&weighed);
        let surplus = around.value - mean;
        let spread = centred.iter().map(|c| c * c).sum::<f64>();
        let alike = surplus.abs() <= ALIKE * around.error;
        (spread > 0.0 && alike).then_some(Self {
            centred,
            mean,
            surplus,
            spread,
            doubt: (mean - ended).abs(),
        })
    }

    pub(super) fn in_flight(&self) -> InFlight {
        InFlight { at_snapshots: self.mean + self.surplus, mean: self.mean }
    }

    /// The mean of what each snapshot showed, without what it showed by chance; each stands for `weights` of the time.
    pub(super) fn mean(&self, counts: &[f64], weights: &[f64]) -> Measured {
        let n = counts.len().max(1) as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let together: f64 = counts.iter().zip(&self.centred).map(|(n, c)| (n - mean) * c).sum();
        let slope = together / self.spread;
        let off: Vec<f64> = counts.iter().zip(&self.centred).map(|(n, c)| n - mean - slope * c).collect();
        let left: Vec<f64> = off.iter().zip(weights).map(|(off, weight)| weight * (mean + off)).collect();
        let whole = counts.iter().zip(weights).map(|(n, weight)| n * weight).sum::<f64>() / n;
        // How well the slope is known counts as well, and how well the mean.
        let residual = (off.iter().map(|o| o * o).sum::<f64>() / (n - 2.0).max(1.0)).sqrt();
        let of_slope = self.surplus.abs() * residual / self.spread.sqrt();
        let error = batch_mean(&left).error.hypot(of_slope).hypot(slope * self.doubt);
        Measured::new(whole - slope * self.surplus, error)
    }
}

/// Requests in flight when each snapshot was taken, as far as somebody looked.
fn at_the_moment(looks: &[Look], times: &[RunTime], shown: &[f64]) -> Vec<Option<f64>> {
    let by_time: HashMap<RunTime, &Look> = looks.iter().map(|look| (look.t, look)).collect();
    let beside: Vec<Option<&Look>> = times.iter().map(|t| by_time.get(t).copied()).collect();
    let asked: Vec<Option<f64>> = beside.iter().map(|look| look.map(|l| l.count as f64)).collect();
    let enough = asked.iter().flatten().count() as f64 * LASTED;
    let later = |place: usize| beside.iter().map(move |look| Some(*look.as_ref()?.later.get(place)? as f64));
    let moments = (0..LATER.len()).map(|place| later(place).collect::<Vec<_>>());
    let moments = moments.take_while(|met| met.iter().flatten().count() as f64 >= enough.max(1.0));
    let first = (likeness(&asked, shown), asked);
    moments
        .map(|met| (likeness(&met, shown), met))
        .fold(first, |best, other| if other.0 > best.0 { other } else { best })
        .1
}

/// How well one tells the other: their correlation where both are known, 0 if there is none.
fn likeness(met: &[Option<f64>], shown: &[f64]) -> f64 {
    let n = met.iter().flatten().count().max(1) as f64;
    let known = || met.iter().zip(shown).filter_map(|(met, shown)| Some(((*met)?, *shown)));
    let total = known().fold((0.0, 0.0), |sum, (m, s)| (sum.0 + m, sum.1 + s));
    let (of_met, of_shown) = (total.0 / n, total.1 / n);
    let sum = |of: &dyn Fn(f64, f64) -> f64| known().map(|(m, s)| of(m - of_met, s - of_shown)).sum::<f64>();
    let both = (sum(&|m, _| m * m) * sum(&|_, s| s * s)).sqrt();
    if both > 0.0 { sum(&|m, s| m * s) / both } else { 0.0 }
}

/// Counts less what is usual; a snapshot without a look says nothing.
fn centred(met: &[Option<f64>], usual: f64) -> Vec<f64> {
    met.iter().map(|met| met.map_or(0.0, |met| met - usual)).collect()
}

/// Requests in flight on average, from the first look in each window to the last.
fn mean(looks: &[Look], windows: &[Window]) -> Option<f64> {
    let (mut area, mut nanos) = (0.0, 0.0);
    for window in windows {
        let mut inside = looks.iter().filter(|l| window.contains(l.t));
        let Some((first, last)) = inside.next().and_then(|first| Some((first, inside.next_back()?))) else {
            continue;
        };
        area += last.area.saturating_sub(first.area) as f64;
        nanos += last.t.since(first.t) as f64;
    }
    (nanos > 0.0).then_some(area / nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    const EVERY: u64 = 100 * MILLISECOND;

    fn times(n: u64) -> Vec<RunTime> {
        (0..n).map(|i| RunTime::from_nanos(i * EVERY)).collect()
    }

    /// Requests in flight go up and down at the looks; on average there are `mean`.
    fn looks(n: u64, mean: f64) -> Vec<Look> {
        let count = |i: u64| (i * 37 + i * i) % 17;
        let area = |i: u64| (mean * (i * EVERY) as f64) as u64;
        (0..n)
            .zip(times(n))
            .map(|(i, t)| Look { t, count: count(i), area: area(i), later: Vec::new() })
            .collect()
    }

    fn whole() -> [Window; 1] {
        [Window::new(RunTime::ZERO, RunTime::from_nanos(1_000 * EVERY))]
    }

    fn beside(n: u64, mean: f64, weights: &[f64]) -> Option<Beside> {
        Beside::of(&looks(n, mean), &whole(), mean, &times(n), weights, &met(n))
    }

    fn met(n: u64) -> Vec<f64> {
        looks(n, 0.0).iter().map(|l| l.count as f64).collect()
    }

    #[test]
    fn chance_is_taken_away_in_proportion() {
        let (ones, seen) = ([1.0; 100], met(100));
        let truth = seen.iter().sum::<f64>() / 100.0 * 0.95;
        let beside = beside(100, truth, &ones).expect("alike");
        let waiting: Vec<f64> = seen.iter().map(|m| m * 2.0 / 3.0).collect();
        let of_waiting = beside.mean(&waiting, &ones);
        assert!((of_waiting.value - truth * 2.0 / 3.0).abs() < 1e-6, "{of_waiting:?}");
        assert!(of_waiting.error < 1e-6, "nothing is left to chance: {of_waiting:?}");
        assert!(
            (beside.mean(&[3.0; 100], &ones).value - 3.0).abs() < 1e-9,
            "three workers, whoever is there"
        );
        let doubtful = Beside { doubt: 0.3, ..beside.clone() }.mean(&waiting, &ones);
        assert!((doubtful.error - 0.2).abs() < 1e-6, "two thirds of what the mean may be off: {doubtful:?}");
        // Rows add up to the row of all of them, whatever each has of the requests.
        let other: Vec<f64> = seen.iter().enumerate().map(|(i, m)| m / 3.0 + (i % 3) as f64).collect();
        let all: Vec<f64> = waiting.iter().zip(&other).map(|(a, b)| a + b).collect();
        let sum = beside.mean(&waiting, &ones).value + beside.mean(&other, &ones).value;
        assert!((sum - beside.mean(&all, &ones).value).abs() < 1e-9);
        assert!(beside.mean(&other, &ones).error > 0.0);
    }

    #[test]
    fn each_stands_for_its_part_of_the_time() {
        let weights: Vec<f64> = (0..100).map(|i| if i < 50 { 0.5 } else { 1.5 }).collect();
        let seen = met(100);
        let truth = seen.iter().zip(&weights).map(|(m, w)| m * w).sum::<f64>() / 100.0 * 0.97;
        let beside = beside(100, truth, &weights).expect("alike");
        let found = beside.mean(&seen, &weights);
        assert!((found.value - truth).abs() < 1e-6, "{found:?} is not {truth}");
    }

    #[test]
    fn what_is_of_another_kind_is_left_alone() {
        let seen = met(100);
        let truth = seen.iter().sum::<f64>() / 100.0;
        assert_eq!(beside(100, truth * 3.0, &[1.0; 100]), None, "more than chance");
        assert_eq!(beside(30, truth, &[1.0; 30]), None, "too few");
        let even: Vec<Look> = looks(100, 4.0).into_iter().map(|l| Look { count: 4, ..l }).collect();
        assert_eq!(
            Beside::of(&even, &whole(), 4.0, &times(100), &[1.0; 100], &seen),
            None,
            "no more is known than before"
        );
        assert_eq!(Beside::of(&[], &whole(), 4.0, &times(100), &[1.0; 100], &seen), None);
        // A snapshot whose look is missing counts as any other.
        let some = &looks(100, truth)[..90];
        assert!(Beside::of(some, &whole(), truth, &times(100), &[1.0; 100], &seen).is_some());
    }

    #[test]
    fn the_moment_of_the_snapshots_is_found() {
        let seen = met(100);
        let asked = |i: usize| (i * 53 % 17) as u64;
        let with = |later: &dyn Fn(usize) -> Vec<u64>| {
            let all = looks(100, 7.0).into_iter().enumerate();
            all.map(|(i, look)| Look { count: asked(i), later: later(i), ..look }).collect::<Vec<_>>()
        };
        let found = |looks: &[Look]| at_the_moment(looks, &times(100), &seen);
        let own = |i: usize| seen[i] as u64 + 3;
        let then = found(&with(&|i| vec![asked(i), own(i), asked(i) / 2]));
        assert_eq!(then, (0..100).map(|i| Some(own(i) as f64)).collect::<Vec<_>>());
        let short = found(&with(&|i| if i % 5 == 0 { vec![] } else { vec![asked(i), own(i)] }));
        let first = (0..100).map(|i| Some(asked(i) as f64)).collect::<Vec<_>>();
        assert_eq!(short, first, "a fifth of the snapshots had come by then");
        assert_eq!(
            at_the_moment(&with(&|i| vec![own(i)]), &times(100), &[2.0; 100]),
            first,
            "nothing to tell by"
        );
    }
}
