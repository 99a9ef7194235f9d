//! The search itself, apart from any load: exponential bracket, bisection, repeats at the edge.
//!
//! A single pass near the edge is luck as often as not, so the answer is the highest rate that holds in most
//! of its repeats (`docs/capacity.md`).

/// How one run at a rate came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All thresholds hold.
    Pass,
    /// The target does not hold a threshold.
    Fail,
    /// The generator was the limit: says nothing about the target.
    Invalid,
}

/// One run of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Arrivals per second asked for.
    pub rate: f64,
    /// Outcome.
    pub outcome: Outcome,
}

/// Bounds of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// First rate to try.
    pub start: f64,
    /// Lowest rate worth trying.
    pub least: f64,
    /// Highest rate to try.
    pub most: f64,
    /// Stop when the bracket's ends are this close, as a share of the lower one.
    pub precision: f64,
    /// Runs at each end of the final bracket.
    pub repeats: usize,
}

/// Where a search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Highest rate that held in most of its repeats; none if not even the lowest did.
    pub capacity: Option<f64>,
    /// Lowest rate that failed in most of its repeats; none if the highest held.
    pub first_failed: Option<f64>,
    /// Whether the generator ended the search before the target did.
    pub generator_bound: bool,
    /// All runs in order.
    pub probes: Vec<Probe>,
}

/// Searches with `probe`, which runs at a rate and says how it came out.
///
/// # Errors
/// Those of `probe`.
pub(super) fn search<E>(plan: Plan, probe: impl FnMut(f64) -> Result<Outcome, E>) -> Result<Found, E> {
    let mut state = State { plan, probe, probes: Vec::new() };
    let (low, high) = state.bracket()?;
    let (low, high) = state.bisect(low, high)?;
    let (capacity, first_failed) = state.settle(low, high)?;
    let generator_bound = first_failed.is_some_and(|r| state.was_invalid(r));
    Ok(Found { capacity, first_failed, generator_bound, probes: state.probes })
}

struct State<P> {
    plan: Plan,
    probe: P,
    probes: Vec<Probe>,
}

impl<E, P: FnMut(f64) -> Result<Outcome, E>> State<P> {
    /// One run at a rate; an invalid one says nothing about the target and is tried once more.
    fn run(&mut self, rate: f64) -> Result<bool, E> {
        for _ in 0..2 {
            let outcome = (self.probe)(rate)?;
            self.probes.push(Probe { rate, outcome });
            if outcome != Outcome::Invalid {
                return Ok(outcome == Outcome::Pass);
            }
        }
        Ok(false)
    }

    fn count(&self, rate: f64, outcome: Outcome) -> usize {
        self.probes.iter().filter(|p| same(p.rate, rate) && p.outcome == outcome).count()
    }

    /// Whether the generator, not the target, failed at a rate: most of its runs were invalid.
    fn was_invalid(&self, rate: f64) -> bool {
        self.count(rate, Outcome::Invalid) > self.count(rate, Outcome::Fail)
    }

    /// Doubles until it fails, or halves until it passes: highest pass, lowest failure.
    fn bracket(&mut self) -> Result<(Option<f64>, Option<f64>), E> {
        let mut rate = self.plan.start.clamp(self.plan.least, self.plan.most);
        if self.run(rate)? {
            while rate < self.plan.most {
                let next = (rate * 2.0).min(self.plan.most);
                if !self.run(next)? {
                    return Ok((Some(rate), Some(next)));
                }
                rate = next;
            }
            return Ok((Some(rate), None));
        }
        while rate > self.plan.least {
            let next = (rate / 2.0).max(self.plan.least);
            if self.run(next)? {
                return Ok((Some(next), Some(rate)));
            }
            rate = next;
        }
        Ok((None, Some(rate)))
    }

    fn bisect(&mut self, low: Option<f64>, high: Option<f64>) -> Result<(Option<f64>, Option<f64>), E> {
        let (Some(mut low), Some(mut high)) = (low, high) else { return Ok((low, high)) };
        while high - low > self.plan.precision * low {
            let middle = (low + high) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            if self.run(middle)? { low = middle } else { high = middle }
        }
        Ok((Some(low), Some(high)))
    }

    /// Repeats both ends until each has its majority; an end that turns out otherwise moves by the precision.
    fn settle(&mut self, low: Option<f64>, high: Option<f64>) -> Result<(Option<f64>, Option<f64>), E> {
        let (mut low, mut high) = (low, high);
        while let Some(rate) = low {
            if self.majority(rate)? {
                break;
            }
            high = Some(rate);
            low = Some(rate * (1.0 - self.plan.precision)).filter(|r| *r >= self.plan.least);
        }
        while let Some(rate) = high {
            if !self.majority(rate)? {
                break;
            }
            low = Some(rate);
            high = Some(rate * (1.0 + self.plan.precision)).filter(|r| *r <= self.plan.most);
        }
        Ok((low, high))
    }

    /// Whether most of the repeats at a rate pass; those of the search so far count.
    fn majority(&mut self, rate: f64) -> Result<bool, E> {
        loop {
            let (passed, failed) = (self.count(rate, Outcome::Pass), self.count(rate, Outcome::Fail));
            let invalid = self.count(rate, Outcome::Invalid);
            // A generator that cannot keep up will not learn to.
            if passed + failed >= self.plan.repeats || invalid >= self.plan.repeats {
                return Ok(passed > failed && passed > self.plan.repeats / 2);
            }
            self.run(rate)?;
        }
    }
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const PLAN: Plan = Plan { start: 100.0, least: 1.0, most: 100_000.0, precision: 0.05, repeats: 3 };

    fn found(plan: Plan, mut passes: impl FnMut(f64) -> Outcome) -> Found {
        search(plan, |r| Ok::<_, Infallible>(passes(r))).expect("infallible")
    }

    fn limit(at: f64) -> impl FnMut(f64) -> Outcome {
        move |rate| if rate <= at { Outcome::Pass } else { Outcome::Fail }
    }

    #[test]
    fn finds_a_sharp_limit_within_its_precision() {
        for at in [3.0, 97.0, 100.0, 433.0, 12_345.0] {
            let f = found(PLAN, limit(at));
            let capacity = f.capacity.expect("something holds");
            assert!(capacity <= at && capacity >= at / 1.06, "{capacity} for {at}");
            assert!(f.first_failed.expect("something fails") > at);
            assert!(f.probes.len() < 40, "{} runs", f.probes.len());
        }
    }

    #[test]
    fn the_edge_is_repeated() {
        let f = found(PLAN, limit(433.0));
        let times = |rate: f64| f.probes.iter().filter(|p| same(p.rate, rate)).count();
        assert_eq!(times(f.capacity.expect("a rate")), 3);
        assert_eq!(times(f.first_failed.expect("a rate")), 3);
    }

    #[test]
    fn one_lucky_pass_does_not_count() {
        let mut tries = 0;
        let f = found(PLAN, |rate| {
            if (400.0..440.0).contains(&rate) {
                tries += 1;
                return if tries == 1 { Outcome::Pass } else { Outcome::Fail };
            }
            if rate < 400.0 { Outcome::Pass } else { Outcome::Fail }
        });
        assert!(f.capacity.expect("something holds") < 400.0);
    }

    #[test]
    fn the_ends_of_the_range_are_answers_too() {
        assert_eq!(found(PLAN, |_| Outcome::Fail).capacity, None);
        let all = found(Plan { most: 800.0, ..PLAN }, |_| Outcome::Pass);
        assert_eq!((all.capacity, all.first_failed), (Some(800.0), None));
    }

    #[test]
    fn a_limit_of_the_generator_is_said() {
        let f = found(PLAN, |r| if r < 1_000.0 { Outcome::Pass } else { Outcome::Invalid });
        assert!(f.generator_bound);
        assert!(!found(PLAN, limit(1_000.0)).generator_bound);
        let mut hiccups = 0;
        let f = found(PLAN, |rate| {
            hiccups += 1;
            if hiccups % 4 == 0 { Outcome::Invalid } else { limit(433.0)(rate) }
        });
        assert!(!f.generator_bound && f.capacity.is_some_and(|c| c > 400.0), "one hiccup in four: {f:?}");
    }
}
