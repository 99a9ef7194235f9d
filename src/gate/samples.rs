//! Period values of one metric of one request: what a comparison of two runs counts.

use super::figures::{add_latency, added};
use crate::run::period::{LoadPeriod, new_latency};

/// Fewest values on each side for a comparison.
pub(super) const MIN_VALUES: usize = 8;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// A latency quantile (0 < q < 1), and the hits a value needs.
    Quantile(f64, u64),
    /// Mean latency.
    Mean,
    /// Failed share of the hits that ended.
    Errors,
    /// Answers per arrival asked for (open model, all requests).
    Achieved,
    /// Passed answers per second (closed model).
    Rate,
}

/// Period values, and for shares the number of events behind all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    pub(super) values: Vec<f64>,
    pub(super) events: u64,
}

/// Values of a metric. Periods with too few hits are pooled with their neighbours until there are enough; a
/// rest at the end that stays too small is left out.
pub(super) fn samples(periods: &[LoadPeriod], request: Option<usize>, what: What) -> Samples {
    match what {
        What::Quantile(q, need) => latencies(periods, request, need, |h| h.value_at_quantile(q) as f64),
        What::Mean => latencies(periods, request, 10, crate::run::period::Latency::mean),
        What::Errors => shares(periods, |p| {
            let sum = added(std::slice::from_ref(p), request);
            (sum.failed_total(), sum.done())
        }),
        What::Achieved => {
            shares(loaded(periods), |p| (added(std::slice::from_ref(p), None).done(), p.offered))
        }
        What::Rate => Samples {
            values: loaded(periods)
                .iter()
                .map(|p| added(std::slice::from_ref(p), request).passed as f64 / p.window.secs().max(1e-9))
                .collect(),
            events: 0,
        },
    }
}

/// The part of the run in which load was sent.
fn loaded(periods: &[LoadPeriod]) -> &[LoadPeriod] {
    let end = periods.iter().rposition(|p| p.offered > 0).map_or(0, |last| last + 1);
    &periods[..end]
}

fn latencies(
    periods: &[LoadPeriod],
    request: Option<usize>,
    need: u64,
    value: impl Fn(&crate::run::period::Latency) -> f64,
) -> Samples {
    let mut out = Samples::default();
    let mut pool = new_latency();
    for period in periods {
        let parts = match request {
            Some(i) => period.requests.get(i..=i).unwrap_or_default(),
            None => &period.requests[..],
        };
        for part in parts {
            add_latency(&mut pool, &part.response);
        }
        if pool.len() >= need.max(1) {
            out.values.push(value(&pool).max(1.0));
            out.events += pool.len();
            pool = new_latency();
        }
    }
    out
}

fn shares(periods: &[LoadPeriod], of: impl Fn(&LoadPeriod) -> (u64, u64)) -> Samples {
    let mut out = Samples::default();
    for (part, whole) in periods.iter().map(of).filter(|(_, whole)| *whole > 0) {
        out.values.push(part as f64 / whole as f64);
        out.events += whole;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::period;

    #[test]
    fn thin_periods_are_pooled() {
        let periods: Vec<_> = (0..10).map(|i| period(i, &[(30, 2_000_000, 0), (5, 9_000_000, 1)])).collect();
        let got = samples(&periods, Some(0), What::Quantile(0.95, 40));
        assert_eq!((got.values.len(), got.events), (5, 300));
        assert_eq!(samples(&periods, None, What::Quantile(0.5, 10)).values.len(), 10);
        assert!(samples(&periods, Some(7), What::Mean).values.is_empty());
        let errors = samples(&periods, Some(1), What::Errors);
        assert_eq!((errors.values[0], errors.events), (0.2, 50));
        assert_eq!(samples(&periods, None, What::Achieved).values, [1.0; 10]);
        assert_eq!(samples(&periods, None, What::Rate).values, [34.0; 10]);
    }
}
