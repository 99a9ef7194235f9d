//! The open model's schedule: a pure function of time, without a clock inside.
//!
//! With `rate(t)` piecewise linear, `A(t)` its integral, arrival `n` (from 0) is due at the first whole
//! nanosecond at which `A(t) >= n`; so the first arrival is due at the start, and an arrival that falls on a
//! stretch of rate zero is due when that stretch ends. There are `ceil(A(end))` arrivals. Rates are held as
//! whole billionths of an arrival per second and compared in 192-bit integers: the answers do not depend on
//! rounding, whatever the length of a run. Jittered arrivals are due at `A(t) >= n` and a part of one arrival
//! that is drawn for each of them (see `jitter`).

use super::jitter;
pub(crate) use super::poisson::Cursor;
use super::poisson::Poisson;
use crate::scenario::{Arrivals, Executor, Rate, Stage};
use crate::time::{RunTime, SECOND, nanos};

/// Parts of one arrival per second that rates are counted in.
const PER_ARRIVAL: u128 = 1_000_000_000;
/// One arrival in the units of twice the integral: 2 x (1/s / 10^9) x ns.
const ARRIVAL2: u128 = 2 * PER_ARRIVAL * SECOND as u128;
/// Bound on rates (in billionths) and lengths (in ns) that keeps every product within its integer.
const LIMIT: u64 = (1 << 60) - 1;

/// When each arrival of an open-model executor is due, in nanoseconds from the start of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    segments: Vec<Segment>,
    end: u64,
    total: u64,
    /// Twice the integral at the end.
    whole2: u128,
    spacing: Spacing,
}

/// Where arrivals lie on the axis of the integral.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spacing {
    /// At its whole numbers.
    Even,
    /// Somewhat after these, drawn with this seed.
    Jittered(u64),
    /// At random.
    Poisson(Poisson),
}

/// A stretch of linear rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start: u64,
    len: u64,
    from: u64,
    to: u64,
    /// Twice the integral up to `start`.
    base2: u128,
}

impl Schedule {
    /// The schedule of an open-model executor; none for a closed one.
    #[must_use]
    pub fn new(executor: &Executor, arrivals: Arrivals, seed: u64) -> Option<Self> {
        let (start, stages) = match executor {
            Executor::ConstantArrivalRate { rate, duration } => {
                (*rate, vec![Stage { duration: *duration, to: *rate, hold: true }])
            }
            Executor::RampingArrivalRate { start, stages } => (*start, stages.clone()),
            Executor::ConstantConnections { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. } => return None,
        };
        let even = Self::of_stages(start, &stages);
        Some(match arrivals {
            Arrivals::Even => even,
            Arrivals::Jittered => Self { spacing: Spacing::Jittered(seed), ..even },
            Arrivals::Poisson => even.randomised(seed),
        })
    }

    fn of_stages(start: Rate, stages: &[Stage<Rate>]) -> Self {
        let (mut rate, mut at, mut base2) = (billionths(start), 0_u64, 0_u128);
        let mut segments = Vec::with_capacity(stages.len());
        for stage in stages {
            let to = billionths(stage.to);
            let from = if stage.hold { to } else { rate };
            let len = nanos(stage.duration).min(LIMIT - at);
            if len > 0 {
                segments.push(Segment { start: at, len, from, to, base2 });
            }
            base2 += u128::from(len) * (u128::from(from) + u128::from(to));
            (rate, at) = (to, at + len);
        }
        let total = u64::try_from(base2.div_ceil(ARRIVAL2)).unwrap_or(u64::MAX);
        Self { segments, end: at, total, whole2: base2, spacing: Spacing::Even }
    }

    /// The same rates with the gaps of a Poisson process: unit-rate arrivals, mapped through the integral of
    /// the rate (Cinlar 1975: inversion of the integrated rate).
    fn randomised(self, seed: u64) -> Self {
        // Twice the integral, in billionths of an arrival.
        let poisson = Poisson::new(seed, self.whole2 / u128::from(2 * SECOND));
        Self { total: poisson.total(), spacing: Spacing::Poisson(poisson), ..self }
    }

    /// Number of arrivals.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// When the schedule ends.
    #[must_use]
    pub const fn end(&self) -> RunTime {
        RunTime::from_nanos(self.end)
    }

    /// When arrival `n` (from 0) is due; none beyond the last. Never decreases with `n`.
    #[must_use]
    pub fn due(&self, n: u64) -> Option<RunTime> {
        self.due_from(&mut Cursor::default(), n)
    }

    /// As [`Schedule::due`]; a cursor that was asked for the arrivals before makes it cheap.
    pub(crate) fn due_from(&self, cursor: &mut Cursor, n: u64) -> Option<RunTime> {
        if n >= self.total {
            return None;
        }
        let target2 = match &self.spacing {
            Spacing::Even => u128::from(n) * ARRIVAL2,
            Spacing::Jittered(seed) => self.jittered(*seed, n)?,
            Spacing::Poisson(poisson) => poisson.units(cursor, n) * u128::from(2 * SECOND),
        };
        let segment = self.segment_reaching(target2)?;
        Some(RunTime::from_nanos(segment.start + segment.first_reaching(target2 - segment.base2)))
    }

    /// The last segment that begins with twice the integral at or below `x2`.
    fn segment_reaching(&self, x2: u128) -> Option<&Segment> {
        let after = self.segments.partition_point(|s| s.base2 <= x2);
        after.checked_sub(1).map(|i| &self.segments[i])
    }

    /// Twice the integral at which arrival `n` is due: within its own slot, and before the schedule's end.
    fn jittered(&self, seed: u64, n: u64) -> Option<u128> {
        let even2 = u128::from(n) * ARRIVAL2;
        let segment = self.segment_reaching(even2)?;
        // Twice the integral that the longest jitter is worth there.
        let longest2 =
            u128::from(2 * jitter::LONGEST) * u128::from(segment.rate_reaching(even2 - segment.base2));
        let slot2 = ARRIVAL2.min(self.whole2 - even2).min(longest2);
        Some(even2 + jitter::draw(seed, n, slot2))
    }

    /// Number of arrivals due at or before `t`: `due(n) <= t` exactly for `n < arrivals(t)`.
    #[must_use]
    pub fn arrivals(&self, t: RunTime) -> u64 {
        let mut cursor = Cursor::default();
        let mut is_due = |n: u64| self.due_from(&mut cursor, n).is_some_and(|due| due <= t);
        let mut n = self.estimate(t).min(self.total);
        while is_due(n) {
            n += 1;
        }
        while n > 0 && !is_due(n - 1) {
            n -= 1;
        }
        n
    }

    /// Arrivals per second asked for at `t`; 0 after the end.
    #[must_use]
    pub fn rate_at(&self, t: RunTime) -> f64 {
        self.segment_at(t.as_nanos()).map_or(0.0, |s| s.rate(t.as_nanos() - s.start) / PER_ARRIVAL as f64)
    }

    fn segment_at(&self, t: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|s| s.start <= t);
        after.checked_sub(1).map(|i| &self.segments[i]).filter(|s| t < s.start + s.len)
    }

    /// The integral at `t` in floating point, good to far less than one arrival for any real run.
    fn estimate(&self, t: RunTime) -> u64 {
        let t = t.as_nanos();
        let Some(s) = self.segment_at(t) else { return self.total };
        let inside = (t - s.start) as f64 * (s.from as f64 + s.rate(t - s.start)) / ARRIVAL2 as f64;
        (s.base2 as f64 / ARRIVAL2 as f64 + inside) as u64
    }
}

impl Segment {
    /// Rate in billionths of an arrival per second, `t` ns after the segment's start.
    fn rate(&self, t: u64) -> f64 {
        let share = t as f64 / self.len as f64;
        self.from as f64 + (self.to as f64 - self.from as f64) * share
    }

    /// Rate in billionths where twice the integral since the segment's start is `x2`: `v^2 = from^2 + slope * x2`.
    fn rate_reaching(&self, x2: u128) -> u64 {
        if self.from == self.to {
            return self.from;
        }
        let (from, slope) = (self.from as f64, (self.to as f64 - self.from as f64) / self.len as f64);
        (from * from + slope * x2 as f64).max(0.0).sqrt() as u64
    }

    /// The first whole `t` at which twice the integral since the segment's start reaches `x2`.
    fn first_reaching(&self, x2: u128) -> u64 {
        if self.from == self.to {
            let t = x2.div_ceil(2 * u128::from(self.from).max(1));
            return u64::try_from(t).unwrap_or(u64::MAX).min(self.len);
        }
        self.refine(self.root(x2 as f64), x2)
    }

    /// The root of `from * t + (to - from) / (2 len) * t^2 = x2 / 2`, in the form that does not cancel.
    fn root(&self, x2: f64) -> u64 {
        let (from, slope) = (self.from as f64, (self.to as f64 - self.from as f64) / self.len as f64);
        let divisor = from + (from * from + slope * x2).max(0.0).sqrt();
        let t = if divisor > 0.0 { x2 / divisor } else { 0.0 };
        (t as u64).min(self.len)
    }

    /// Walks from an estimate to the exact first `t`, in doubling steps and then by bisection.
    fn refine(&self, estimate: u64, x2: u128) -> u64 {
        let (mut step, mut low, mut high) = (1_u64, estimate, estimate);
        while low > 0 && self.reaches(low, x2) {
            high = low;
            low = low.saturating_sub(step);
            step *= 2;
        }
        if low == 0 && self.reaches(0, x2) {
            return 0;
        }
        step = 1;
        while high < self.len && !self.reaches(high, x2) {
            low = high;
            high = high.saturating_add(step).min(self.len);
            step *= 2;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.reaches(middle, x2) { high = middle } else { low = middle }
        }
        high
    }

    /// Whether `t * (2 len from + (to - from) t) >= len * x2`, exactly.
    fn reaches(&self, t: u64, x2: u128) -> bool {
        let (from, to) = (i128::from(self.from), i128::from(self.to));
        let slope = 2 * i128::from(self.len) * from + (to - from) * i128::from(t);
        wide_product(t, slope.unsigned_abs()) >= wide_product(self.len, x2)
    }
}

/// `a * b` as (upper 128 bits, lower 64 bits).
fn wide_product(a: u64, b: u128) -> (u128, u64) {
    let a = u128::from(a);
    let low = a * (b & u128::from(u64::MAX));
    (a * (b >> 64) + (low >> 64), low as u64)
}

/// A rate in billionths of an arrival per second; what is no positive number is 0.
fn billionths(rate: Rate) -> u64 {
    ((rate.0 * PER_ARRIVAL as f64).round() as u64).min(LIMIT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn constant(rate: f64, secs: f64) -> Schedule {
        let duration = Duration::from_secs_f64(secs);
        let executor = Executor::ConstantArrivalRate { rate: Rate(rate), duration };
        Schedule::new(&executor, Arrivals::Even, 1).expect("open")
    }

    fn stage(secs: f64, to: f64, hold: bool) -> Stage<Rate> {
        Stage { duration: Duration::from_secs_f64(secs), to: Rate(to), hold }
    }

    fn ramping(start: f64, stages: Vec<Stage<Rate>>) -> Schedule {
        let executor = Executor::RampingArrivalRate { start: Rate(start), stages };
        Schedule::new(&executor, Arrivals::Even, 1).expect("open")
    }

    fn due_ns(s: &Schedule, n: u64) -> u64 {
        s.due(n).expect("in the schedule").as_nanos()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_from_the_start() {
        let s = constant(200.0, 10.0);
        assert_eq!(s.total(), 2000);
        assert_eq!((due_ns(&s, 0), due_ns(&s, 1), due_ns(&s, 1999)), (0, 5_000_000, 9_995_000_000));
        assert_eq!(s.due(2000), None);
        assert_eq!(s.arrivals(RunTime::from_nanos(4_999_999)), 1);
        assert_eq!(s.arrivals(RunTime::from_nanos(5_000_000)), 2);
        assert_eq!(s.rate_at(RunTime::from_nanos(9_999_999_999)), 200.0);
        assert_eq!(s.rate_at(s.end()), 0.0);
    }

    #[test]
    fn a_linear_ramp_follows_the_square_root() {
        // A(t) = 50 t^2 over 10 s: arrival n is due at sqrt(n / 50) s.
        let s = ramping(0.0, vec![stage(10.0, 1000.0, false)]);
        assert_eq!(s.total(), 5000);
        for n in [0_u64, 1, 50, 200, 4050, 4999] {
            let exact = (n as f64 / 50.0).sqrt() * 1e9;
            assert!((due_ns(&s, n) as f64 - exact).abs() <= 1.0, "arrival {n}");
        }
        assert!((s.rate_at(RunTime::from_nanos(5 * SECOND)) - 500.0).abs() < 1e-9);
    }

    #[test]
    fn arrivals_on_a_rest_are_due_when_it_ends() {
        let s = ramping(0.0, vec![stage(2.0, 0.0, true), stage(1.0, 10.0, true), stage(3.0, 0.0, true)]);
        assert_eq!((s.total(), due_ns(&s, 0), due_ns(&s, 9)), (10, 2 * SECOND, 2_900_000_000));
        assert_eq!(s.end().as_nanos(), 6 * SECOND);
        let s = ramping(10.0, vec![stage(1.0, 10.0, true), stage(1.0, 0.0, true), stage(1.0, 10.0, true)]);
        assert_eq!((s.total(), due_ns(&s, 9), due_ns(&s, 10)), (20, 900_000_000, 2 * SECOND));
    }

    #[test]
    fn a_ramp_down_to_zero_places_its_last_arrival_before_the_end() {
        let s = ramping(100.0, vec![stage(2.0, 0.0, false)]);
        assert_eq!(s.total(), 100);
        // 100 t - 25 t^2 = 99 at t = 2 - sqrt(1 / 25).
        assert!((due_ns(&s, 99) as f64 - 1.8e9).abs() <= 1.0);
    }

    #[test]
    fn a_stage_without_length_is_a_jump() {
        let s = ramping(10.0, vec![stage(0.0, 100.0, true), stage(1.0, 300.0, false)]);
        assert_eq!(s.total(), 200);
        assert!((s.rate_at(RunTime::ZERO) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_overflows() {
        let s = constant(1e300, 1e9);
        assert!(s.total() > 0 && s.due(s.total() - 1).is_some());
        assert!(s.due(s.total() / 2) <= s.due(s.total() / 2 + 1));
        assert_eq!(constant(f64::NAN, 10.0).total(), 0);
        assert_eq!(constant(-5.0, 10.0).total(), 0);
        assert_eq!(ramping(1.0, vec![]).total(), 0);
        assert_eq!(ramping(1.0, vec![]).arrivals(RunTime::from_nanos(u64::MAX)), 0);
        let slow = ramping(0.0, vec![stage(1e9, 1e-9, false)]);
        assert_eq!((slow.total(), due_ns(&slow, 0)), (1, 0));
    }

    #[test]
    fn a_week_at_a_high_rate_stays_exact() {
        let s = ramping(1.0, vec![stage(604_800.0, 200_000.0, false)]);
        let n = s.total() - 7;
        assert_eq!(s.arrivals(s.due(n).expect("in range").minus(1)), n);
        assert_eq!(s.arrivals(s.due(n).expect("in range")), n + 1);
    }

    #[test]
    fn random_arrivals_of_a_week_are_ready_at_once_and_keep_to_the_rates() {
        let begun = std::time::Instant::now();
        let stages = vec![stage(604_800.0, 200_000.0, false)];
        let executor = Executor::RampingArrivalRate { start: Rate(1.0), stages };
        let s = Schedule::new(&executor, Arrivals::Poisson, 1).expect("open");
        let even = Schedule::new(&executor, Arrivals::Even, 1).expect("open");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        for share in [0.1, 0.5, 0.999] {
            let t = RunTime::from_nanos((s.end().as_nanos() as f64 * share) as u64);
            let (random, expected) = (s.arrivals(t), even.arrivals(t) as f64);
            assert!((random as f64 - expected).abs() < 4.0 * expected.sqrt(), "{share}: {random}");
            assert!(s.due(random - 1).expect("in range") <= t && s.due(random).expect("in range") > t);
        }
        assert!(s.due(s.total() - 1).expect("in range") <= s.end() && s.due(s.total()).is_none());
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let one = (0.0..20.0_f64, prop_oneof![Just(0.0), 0.0..3000.0_f64], any::<bool>());
        (0.0..500.0_f64, prop::collection::vec(one, 1..6)).prop_map(|(start, stages)| {
            ramping(start, stages.into_iter().map(|(d, to, hold)| stage(d, to, hold)).collect())
        })
    }

    proptest! {
        #[test]
        fn due_is_monotone_and_inverse_to_arrivals(s in any_schedule(), share in 0.0..1.0_f64) {
            prop_assume!(s.total() > 1);
            let n = ((s.total() - 1) as f64 * share) as u64;
            let due = s.due(n).expect("in range");
            prop_assert!(due <= s.end());
            prop_assert!(n == 0 || s.due(n - 1).expect("in range") <= due);
            prop_assert!(s.arrivals(due) > n);
            prop_assert!(due == RunTime::ZERO || s.arrivals(due.minus(1)) <= n);
        }

        #[test]
        fn the_count_is_the_integral(s in any_schedule(), share in 0.0..1.0_f64) {
            // Trapezoids over a fine grid, exact for piecewise linear rates but at jumps.
            let end = s.end().as_nanos();
            prop_assume!(end > 1000);
            let t = (end as f64 * share) as u64;
            let steps = 20_000_u64;
            let rate = |i: u64| s.rate_at(RunTime::from_nanos((t as f64 * i as f64 / steps as f64) as u64));
            let sum: f64 = (0..steps).map(|i| (rate(i) + rate(i + 1)) / 2.0).sum();
            let integral = sum * t as f64 / steps as f64 / 1e9;
            let got = s.arrivals(RunTime::from_nanos(t)) as f64;
            let jumps = 5.0 * 3000.0 * (t as f64 / steps as f64 / 1e9);
            prop_assert!((got - integral).abs() <= 1.5 + jumps, "got {} for {}", got, integral);
        }
    }
}
