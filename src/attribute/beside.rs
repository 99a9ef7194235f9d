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
//! moment. Of the snapshots whose count is taken it may not be told: among moments that are as good, that is chosen which by chance
//! has the fewest requests that no snapshot shows, and rows would come out too long. One half tells it for the other (cross-fitting).

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
/// Part of the looks that must have gone on until the moment that is taken for that of the snapshots.
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
    /// For snapshots of these moments that stand for so much of the time, by the requests in flight when they were asked for; none
    /// where the looks say nothing of them. `ended` is the mean number of requests in flight by Little's law.
    pub(super) fn asked(
        looks: &[Look],
        windows: &[Window],
        ended: f64,
        times: &[RunTime],
        weights: &[f64],
    ) -> Option<Self> {
        let asked = beside(looks, times).iter().map(|look| look.map(|l| l.count as f64)).collect();
        Self::of(mean(looks, windows)?, ended, asked, weights)
    }

    /// The same by those in flight when the snapshots, which show so many requests, were taken; none where that cannot be told.
    pub(super) fn taken(
        looks: &[Look],
        windows: &[Window],
        ended: f64,
        times: &[RunTime],
        weights: &[f64],
        shown: &[f64],
    ) -> Option<Self> {
        let taken = at_the_moment(&beside(looks, times), shown)?;
        Self::of(mean(looks, windows)?, ended, taken, weights)
    }

    fn of(mean: f64, ended: f64, met: Vec<Option<f64>>, weights: &[f64]) -> Option<Self> {
        let known: Vec<f64> = met.iter().flatten().copied().collect();
        if known.len() < LEAST {
            return None;
        }
        let usual = known.iter().sum::<f64>() / known.len() as f64;
        // A snapshot without a look says nothing.
        let centred: Vec<f64> = met.iter().map(|met| met.map_or(0.0, |met| met - usual)).collect();
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

/// The look beside each snapshot.
fn beside<'a>(looks: &'a [Look], times: &[RunTime]) -> Vec<Option<&'a Look>> {
    let by_time: HashMap<RunTime, &Look> = looks.iter().map(|look| (look.t, look)).collect();
    times.iter().map(|t| by_time.get(t).copied()).collect()
}

/// Requests in flight when each snapshot was taken, as far as somebody looked; none if nobody counted after asking.
fn at_the_moment(beside: &[Option<&Look>], shown: &[f64]) -> Option<Vec<Option<f64>>> {
    let enough = beside.iter().flatten().count() as f64 * LASTED;
    let lasted = |place: &usize| beside.iter().flatten().filter(|l| l.later.len() > *place).count() as f64;
    let moments = (0..LATER.len()).take_while(|place| lasted(place) >= enough.max(1.0)).count();
    if moments == 0 {
        return None;
    }
    // The 0th is when it was asked for; of a look that was over sooner it is its end.
    let count = |look: &Look, moment: usize| {
        let last = look.later.len().min(moment);
        last.checked_sub(1).map_or(look.count, |place| look.later[place]) as f64
    };
    let best_of = |half: usize| {
        let at = |moment| {
            let met = beside.iter().map(move |look| look.map(|look| count(look, moment)));
            likeness(met.zip(shown.iter().copied()).skip(half).step_by(2))
        };
        (0..=moments)
            .map(|moment| (at(moment), moment))
            .fold((f64::MIN, 0), |best, other| if other.0 > best.0 { other } else { best })
    };
    let best = [best_of(1).1, best_of(0).1];
    Some(beside.iter().enumerate().map(|(i, look)| look.map(|look| count(look, best[i % 2]))).collect())
}

/// How well one tells the other: their correlation where both are known, 0 if there is none.
fn likeness(pairs: impl Iterator<Item = (Option<f64>, f64)>) -> f64 {
    let known: Vec<(f64, f64)> = pairs.filter_map(|(met, shown)| Some((met?, shown))).collect();
    let n = known.len().max(1) as f64;
    let total = known.iter().fold((0.0, 0.0), |sum, (m, s)| (sum.0 + m, sum.1 + s));
    let (of_met, of_shown) = (total.0 / n, total.1 / n);
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| known.iter().map(|(m, s)| of(m - of_met, s - of_shown)).sum::<f64>();
    let both = (sum(&|m, _| m * m) * sum(&|_, s| s * s)).sqrt();
    if both > 0.0 { sum(&|m, s| m * s) / both } else { 0.0 }
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
        Beside::asked(&looks(n, mean), &whole(), mean, &times(n), weights)
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
            Beside::asked(&even, &whole(), 4.0, &times(100), &[1.0; 100]),
            None,
            "no more is known than before"
        );
        assert_eq!(Beside::asked(&[], &whole(), 4.0, &times(100), &[1.0; 100]), None);
        // A snapshot whose look is missing counts as any other.
        let some = &looks(100, truth)[..90];
        assert!(Beside::asked(some, &whole(), truth, &times(100), &[1.0; 100]).is_some());
    }

    fn asked(i: usize) -> u64 {
        (i * 53 % 17) as u64
    }

    /// Looks of which each goes on as `later` says, and what is found of snapshots that show so many.
    fn found(later: impl Fn(usize) -> Vec<u64>, shown: &[f64]) -> Option<Vec<u64>> {
        let all = looks(100, 7.0).into_iter().enumerate();
        let all: Vec<Look> = all.map(|(i, look)| Look { count: asked(i), later: later(i), ..look }).collect();
        let found = at_the_moment(&super::beside(&all, &times(100)), shown)?;
        Some(found.into_iter().map(|n| n.expect("each has a look") as u64).collect())
    }

    fn each(of: impl Fn(usize) -> u64) -> Option<Vec<u64>> {
        Some((0..100).map(of).collect())
    }

    #[test]
    fn the_moment_of_the_snapshots_is_found() {
        let seen = met(100);
        let own = |i: usize| seen[i] as u64 + 3;
        assert_eq!(found(|i| vec![asked(i), own(i), asked(i) / 2], &seen), each(own));
        let over = |i: usize| if i.is_multiple_of(20) { vec![own(i)] } else { vec![asked(i), own(i)] };
        assert_eq!(
            found(over, &seen),
            each(own),
            "a twentieth had come by then: their last count is their moment's"
        );
        let short = |i: usize| if i.is_multiple_of(5) { vec![asked(i)] } else { vec![asked(i), own(i)] };
        assert_eq!(found(short, &seen), each(asked), "so had a fifth");
        assert_eq!(found(|i| vec![own(i)], &[2.0; 100]), each(asked), "nothing to tell by");
        assert_eq!(found(|_| vec![], &seen), None, "nobody counted");
    }

    #[test]
    fn no_snapshot_tells_its_own_moment() {
        let seen = met(100);
        // At 50 us the counts of one half are what that half shows, at 75 those of the other.
        let halves = |i: usize| {
            let (own, other) = (seen[i] as u64, 16 - seen[i] as u64);
            if i.is_multiple_of(2) { vec![own, other] } else { vec![other, own] }
        };
        assert_eq!(found(halves, &seen), each(|i| 16 - seen[i] as u64));
    }
}
