//! A run against a baseline run, endpoint by endpoint.
//!
//! Two healthy runs of one service differ: by a few percent on one machine, by up to a quarter between jobs on
//! shared ones, and more in the tail. A bootstrap over the periods of *one* run cannot see that, so its
//! interval is widened by what runs are known to differ ([`Rule::between`]). A row is a regression only if the
//! change is beyond that doubt, corrected for the number of rows, *and* large enough to matter.

use crate::analysis::{BaselineComparison, BaselineOutcome, BaselineRow, Caveat, Estimate, Unit};
use crate::run::period::LoadPeriod;
use crate::scenario::Scenario;
use crate::stats::{bootstrap, holm, mean, median, normal_quantile, rng, std_dev, two_sided_p};

use super::samples::{MIN_VALUES, Samples, What, samples};
use super::unlike::{Unlike, unlike};

/// Chance of even one false finding among all rows of a comparison.
pub const ALPHA: f64 = 0.01;

const DRAWS: usize = 400;

/// How many times the baseline's own error a healthy run's error may be.
const CALMER: f64 = 2.0;

/// One of two runs: the judged part of its periods and its scenario.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Periods after the warm-up.
    pub periods: &'a [LoadPeriod],
    /// What was sent.
    pub scenario: &'a Scenario,
}

/// A comparison with its doubts.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The rows.
    pub comparison: BaselineComparison,
    /// [`Caveat::UnlikeRuns`] if a setting differs.
    pub caveat: Option<Caveat>,
}

/// How a metric is compared.
#[derive(Clone, Copy, Debug)]
struct Rule {
    name: &'static str,
    what: What,
    unit: Unit,
    /// 1 if more is worse, -1 if less is.
    worse: f64,
    /// Whether changes are ratios (compared on a logarithm) or differences.
    ratio: bool,
    /// Deviation of one run from the next, on the compared scale.
    between: f64,
    /// Smallest change that counts: relative to the baseline, absolute, and the cap of the absolute part
    /// relative to the baseline.
    least: (f64, f64, f64),
}

impl Rule {
    const fn latency(name: &'static str, what: What, between: f64, least: (f64, f64, f64)) -> Self {
        Self { name, what, unit: Unit::Nanoseconds, worse: 1.0, ratio: true, between, least }
    }

    /// Rows of a request or, with `total`, of the whole run. Tails differ more between runs than medians do,
    /// so more is asked of them. A quarter caps the absolute part for the median of a fast endpoint: that is
    /// what runs on shared machines have been seen to differ by, and half a millisecond on one is more.
    fn all(total: bool, open: bool) -> Vec<Self> {
        let mut rules = vec![
            Self::latency("p50", What::Quantile(0.5, 10), 0.05, (0.05, 2e6, 0.25)),
            Self::latency("p95", What::Quantile(0.95, 40), 0.15, (0.10, 4e6, 0.5)),
            Self::latency("p99", What::Quantile(0.99, 100), 0.25, (0.20, 8e6, 1.0)),
            Self::latency("mean", What::Mean, 0.15, (0.10, 4e6, 0.5)),
            Self {
                name: "error-rate",
                what: What::Errors,
                unit: Unit::Ratio,
                worse: 1.0,
                ratio: false,
                between: 0.001,
                least: (0.5, 0.005, f64::INFINITY),
            },
        ];
        let flow = Self { worse: -1.0, ..rules[0] };
        if total && open {
            rules.push(Self {
                name: "achieved",
                what: What::Achieved,
                unit: Unit::Ratio,
                ratio: false,
                between: 0.01,
                least: (0.0, 0.05, f64::INFINITY),
                ..flow
            });
        } else if total {
            let (what, least) = (What::Rate, (0.10, 0.0, 0.0));
            rules.push(Self { name: "rate", what, unit: Unit::PerSecond, least, ..flow });
        }
        rules
    }

    fn minimum(&self, baseline: f64) -> f64 {
        let (relative, absolute, cap) = self.least;
        (relative * baseline.abs()).max(absolute.min(cap * baseline.abs()))
    }
}

/// Compares a run with a baseline run of the same scenario. `path` and `run_id` name the baseline.
///
/// If the load differs (executor, rate, users, mix, requests) every row is inconclusive: a difference would
/// say nothing about the service.
#[must_use]
pub fn compare(path: &str, run_id: &str, current: Side<'_>, baseline: Side<'_>, seed: u64) -> Compared {
    let differences = unlike(current.scenario, baseline.scenario);
    let open = current.scenario.load.executor.is_open();
    let mut rows: Vec<(BaselineRow, f64, f64)> = Vec::new();
    for Pair { name, now, was } in pairs(current.scenario, baseline.scenario) {
        for rule in Rule::all(now.is_none(), open) {
            let stream = seed ^ ((rows.len() as u64 + 1) << 32);
            let sides = (samples(current.periods, now, rule.what), samples(baseline.periods, was, rule.what));
            rows.push(row(name.as_deref(), &rule, &sides.0, &sides.1, stream));
        }
    }
    let known: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].1.is_finite()).collect();
    let adjusted = holm(&known.iter().map(|&i| rows[i].1).collect::<Vec<_>>());
    if !differences.other_load {
        for (&i, p) in known.iter().zip(adjusted) {
            let (row, _, worse) = &mut rows[i];
            row.outcome = outcome(row, p, *worse);
        }
    }
    let rows: Vec<BaselineRow> = rows.into_iter().map(|(row, ..)| row).collect();
    let regressed = rows.iter().any(|r| r.outcome == BaselineOutcome::Regressed);
    let caveat =
        (!differences.what.is_empty()).then(|| Caveat::UnlikeRuns { what: differences.what.join("; ") });
    let incomparable = rows
        .iter()
        .all(|r| r.outcome == BaselineOutcome::Inconclusive) // also if there is no row
        .then(|| why_not(&differences));
    let comparison =
        BaselineComparison { path: path.into(), run_id: run_id.into(), rows, regressed, incomparable };
    Compared { comparison, caveat }
}

/// Why no row could be compared.
fn why_not(differences: &Unlike) -> String {
    match differences.other_load {
        true => format!("the load differs: {}", differences.what.join("; ")),
        false => {
            format!("too few samples: a metric needs values of at least {MIN_VALUES} periods on each side")
        }
    }
}

/// A request that both runs have: its name and its index in each; none of them for the whole run.
#[derive(Default)]
struct Pair {
    name: Option<String>,
    now: Option<usize>,
    was: Option<usize>,
}

/// The whole run, then each request that both have. A single request is the whole run.
fn pairs(current: &Scenario, baseline: &Scenario) -> Vec<Pair> {
    let mut out = vec![Pair::default()];
    let each = current.requests.iter().enumerate().filter(|_| current.requests.len() > 1);
    out.extend(each.filter_map(|(i, request)| {
        let was = baseline.requests.iter().position(|r| r.slug == request.slug)?;
        Some(Pair { name: Some(request.name.clone()), now: Some(i), was: Some(was) })
    }));
    out
}

fn outcome(row: &BaselineRow, p: f64, worse: f64) -> BaselineOutcome {
    let change = (row.current - row.baseline) * worse;
    if p > ALPHA || change.abs() < row.minimum_effect {
        BaselineOutcome::Same
    } else if change > 0.0 {
        BaselineOutcome::Regressed
    } else {
        BaselineOutcome::Improved
    }
}

/// A row, still without its outcome, its p-value (not finite if it cannot be told) and its worse side.
fn row(name: Option<&str>, rule: &Rule, now: &Samples, was: &Samples, seed: u64) -> (BaselineRow, f64, f64) {
    let enough = now.values.len().min(was.values.len()) >= MIN_VALUES;
    let (a, b) = (Centre::of(rule, now, seed), Centre::of(rule, was, seed.rotate_left(17)));
    let between = rule.doubt_between(b.shown);
    let doubt_with = |error: f64| (error.powi(2) + b.error.powi(2) + 2.0 * between.powi(2)).sqrt();
    let (doubt, difference) = (doubt_with(a.error), a.at - b.at);
    // The hypothesis is "the same service", which wavers as the baseline does. A run that wavers far more,
    // because a part of it went wrong, must not excuse itself by that.
    let null = doubt_with(a.error.min(CALMER * b.error).max(a.counted));
    let p = if enough && null > 0.0 { two_sided_p(difference / null) } else { f64::NAN };
    let row = BaselineRow {
        request: name.map(str::to_owned),
        metric: rule.name.into(),
        unit: rule.unit,
        baseline: b.shown,
        current: a.shown,
        change: rule.estimate(b.shown, difference, doubt),
        minimum_effect: rule.minimum(b.shown),
        outcome: BaselineOutcome::Inconclusive,
    };
    (row, p, rule.worse)
}

impl Rule {
    /// What two runs differ by; a share that is not near 0 varies with its size.
    fn doubt_between(&self, baseline: f64) -> f64 {
        if self.what == What::Errors { self.between + 0.25 * baseline } else { self.between }
    }

    /// The change with its 90 % interval: nanoseconds, per second, or parts per million of a ratio.
    fn estimate(&self, baseline: f64, difference: f64, doubt: f64) -> Estimate {
        let reach = normal_quantile(0.95) * doubt;
        let change = |d: f64| {
            let plain = if self.ratio { baseline * (d.exp() - 1.0) } else { d };
            let scaled = if self.unit == Unit::Ratio { plain * 1e6 } else { plain };
            if scaled.is_finite() { scaled.round() as i64 } else { 0 }
        };
        let (value, low, high) = (change(difference), change(difference - reach), change(difference + reach));
        Estimate { value, low, high }
    }
}

/// Typical value of one side on the compared scale, its error within the run, and the value to show.
struct Centre {
    at: f64,
    error: f64,
    /// The part of the error that the number of events alone explains.
    counted: f64,
    shown: f64,
}

impl Centre {
    /// Median of the period values for quantiles and rates, which spikes of a period or two do not move;
    /// mean for the mean and for shares, which must see a part of the run that went wrong.
    fn of(rule: &Rule, side: &Samples, seed: u64) -> Self {
        let values: Vec<f64> =
            side.values.iter().map(|v| if rule.ratio { v.max(1e-9).ln() } else { *v }).collect();
        let middle = |v: &[f64]| match rule.what {
            What::Quantile(..) | What::Rate => median(v),
            What::Mean | What::Errors | What::Achieved => mean(v),
        };
        let mut picked = Vec::with_capacity(values.len());
        let draws = bootstrap(&values, if values.is_empty() { 0 } else { DRAWS }, &mut rng(seed), |at| {
            picked.clear();
            picked.extend(at.iter().map(|&i| values[i]));
            middle(&picked).unwrap_or(0.0)
        });
        let at = middle(&values).unwrap_or(0.0);
        let shown = if values.is_empty() {
            0.0
        } else if rule.ratio {
            at.exp()
        } else {
            at
        };
        let counted = if rule.unit == Unit::Ratio { binomial_error(at, side.events) } else { 0.0 };
        Self { at, error: std_dev(&draws).unwrap_or(0.0).max(counted), counted, shown }
    }
}

/// Error of a share that its number of events alone explains.
fn binomial_error(share: f64, events: u64) -> f64 {
    let n = events.max(1) as f64;
    let p = ((share * n + 1.0) / (n + 2.0)).clamp(0.0, 1.0);
    (p * (1.0 - p) / n).sqrt()
}

#[cfg(test)]
mod tests;
