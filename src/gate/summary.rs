//! Load figures and the timeline.

use std::collections::BTreeMap;

use super::figures::{added, judged_part, lateness, per_second, quantiles, share};
use crate::analysis::{
    CheckSummary, ConnectionSummary, Example, JourneySummary, LoadSummary, RequestSummary, Spacing,
    TimelinePoint,
};
use crate::run::period::{Failure, FailureExample, LoadPeriod, Phase, RequestPeriod, new_latency};
use crate::scenario::{Arrivals, HttpVersion, Request, Scenario};
use crate::time::{RunTime, Window};

/// Figures of the part of the run after `warm_up`. `periods` are those of the whole run.
#[must_use]
pub fn summarize(periods: &[LoadPeriod], scenario: &Scenario, warm_up: RunTime) -> LoadSummary {
    let judged = judged_part(periods, warm_up);
    let window = match (judged.first(), judged.last()) {
        (Some(first), Some(last)) => Window::new(first.window.from, last.window.to),
        _ => Window::new(warm_up, warm_up),
    };
    let total = request(judged, None, "all requests", "");
    let each = scenario.requests.iter().enumerate();
    let count = |of: fn(&LoadPeriod) -> u64| judged.iter().map(of).sum::<u64>();
    let (offered, sent) = (count(|p| p.offered), count(|p| p.sent));
    LoadSummary {
        window,
        // The load begins a little after the run.
        warm_up_nanos: periods.first().map_or(0, |p| warm_up.since(p.window.from)),
        total,
        requests: each
            .map(|(i, r)| {
                let mut summary = request(judged, Some(i), &r.name, &r.slug);
                summary.checks = checks(judged, periods, i, r);
                summary.examples = examples(judged, periods, i, &summary.failed);
                summary
            })
            .collect(),
        offered_rate: per_second(offered, judged),
        sent_rate: per_second(sent, judged),
        offered,
        sent,
        lateness: quantiles(&lateness(judged)),
        connections: Some(connections(periods, scenario)),
        journeys: journeys(periods, scenario),
        arrivals: scenario.load.executor.is_open().then(|| spacing(scenario.load.arrivals)),
        open_model: scenario.load.executor.is_open(),
    }
}

const fn spacing(arrivals: Arrivals) -> Spacing {
    match arrivals {
        Arrivals::Even => Spacing::Even,
        Arrivals::Jittered => Spacing::Jittered,
        Arrivals::Poisson => Spacing::Poisson,
    }
}

fn request(judged: &[LoadPeriod], which: Option<usize>, name: &str, slug: &str) -> RequestSummary {
    let sum = added(judged, which);
    let failed = Failure::ALL.iter().zip(sum.failed).filter(|(_, n)| *n > 0);
    RequestSummary {
        name: name.into(),
        slug: slug.into(),
        done: sum.done(),
        passed: sum.passed,
        failed: failed.map(|(kind, n)| (kind.name().to_owned(), n)).collect(),
        examples: BTreeMap::new(),
        status: sum.status,
        rate: per_second(sum.passed, judged),
        error_rate: share(sum.failed_total(), sum.done()).unwrap_or(0.0),
        response: quantiles(&sum.response),
        service: quantiles(&sum.service),
        phases: phases(&sum),
        bytes_in: sum.bytes_in,
        bytes_out: sum.bytes_out,
        connects: sum.connects,
        redirects: sum.redirects,
        checks: Vec::new(),
    }
}

/// An example of each kind in which request `which` failed, of the judged part if one was kept there. Few are kept
/// in a run: one of the warm-up serves too.
fn examples(
    judged: &[LoadPeriod],
    all: &[LoadPeriod],
    which: usize,
    failed: &BTreeMap<String, u64>,
) -> BTreeMap<String, Example> {
    let mut found = BTreeMap::new();
    for f in kept(judged, all, which).filter(|f| failed.contains_key(f.kind.name())) {
        found.entry(f.kind.name().to_owned()).or_insert_with(|| example(f));
    }
    found
}

/// The failures of request `which` that were kept, those of the judged part first.
fn kept<'p>(
    judged: &'p [LoadPeriod],
    all: &'p [LoadPeriod],
    which: usize,
) -> impl Iterator<Item = &'p FailureExample> {
    judged.iter().chain(all).flat_map(|p| &p.failures).filter(move |f| f.request == which)
}

fn example(failure: &FailureExample) -> Example {
    Example { at: failure.at, detail: failure.detail.clone() }
}

/// The named checks of request `which`. Few examples are kept in a run: one of the warm-up serves too.
fn checks(judged: &[LoadPeriod], all: &[LoadPeriod], which: usize, request: &Request) -> Vec<CheckSummary> {
    let counts = counts(judged, which).checks;
    let of_check = |check| kept(judged, all, which).find(|f| f.checks.contains(&check)).map(example);
    let named = request.checks.iter().enumerate();
    named
        .map(|(i, check)| {
            let failed = counts.get(i).copied().unwrap_or(0);
            let example = if failed > 0 { of_check(i) } else { None };
            CheckSummary { name: check.name.clone(), failed, example }
        })
        .collect()
}

/// One request's counts over some periods, without its histograms.
fn counts(periods: &[LoadPeriod], request: usize) -> RequestPeriod {
    let mut sum = RequestPeriod::new();
    periods.iter().filter_map(|p| p.requests.get(request)).for_each(|r| sum.add_counts(r));
    sum
}

/// Over the whole run: a connection that was opened in the warm-up serves the judged part too.
fn connections(periods: &[LoadPeriod], scenario: &Scenario) -> ConnectionSummary {
    let requests = || periods.iter().flat_map(|p| &p.requests);
    let redirects: u64 = requests().map(|r| r.redirects).sum();
    let most = |of: fn(&LoadPeriod) -> u64| periods.iter().map(of).max().unwrap_or(0);
    ConnectionSummary {
        protocol: match scenario.target.transport.http {
            HttpVersion::Http1 => "HTTP/1.1".to_owned(),
            HttpVersion::Http2 { .. } => "HTTP/2".to_owned(),
        },
        opened: requests().map(|r| r.connects).sum(),
        most_open: most(|p| p.connections),
        most_streams: most(|p| p.streams),
        requests: periods.iter().map(|p| p.sent).sum::<u64>() + redirects,
        resent: requests().map(|r| r.resent).sum(),
        unasked: requests().map(|r| r.unasked).sum(),
    }
}

/// Over the whole run, so that no journey ends that did not begin. A step that fails ends its journey: whoever
/// passed the last step passed them all.
fn journeys(periods: &[LoadPeriod], scenario: &Scenario) -> Vec<JourneySummary> {
    let several = scenario.journeys.iter().filter(|j| j.steps.len() > 1);
    several
        .map(|j| {
            let first = counts(periods, j.steps.start);
            JourneySummary {
                name: j.name.clone(),
                // An arrival that was never sent began nothing.
                begun: first.done() - first.failed[Failure::Unsent as usize],
                finished: counts(periods, j.steps.end - 1).passed,
            }
        })
        .collect()
}

/// Mean of each phase over all hits: one that few hits pass through (connect) counts as 0 for the others, so
/// the phases add up to the mean response time.
fn phases(sum: &RequestPeriod) -> BTreeMap<String, u64> {
    let hits = sum.done().max(1) as f64;
    let mean = |i: usize| {
        let phase = &sum.phases[i];
        if phase.is_empty() { 0 } else { (phase.mean() * phase.len() as f64 / hits).round() as u64 }
    };
    Phase::ALL.iter().enumerate().map(|(i, p)| (p.name().to_owned(), mean(i))).collect()
}

/// One point per period of the whole run; the detector's lines and marks are filled in later.
#[must_use]
pub fn timeline(periods: &[LoadPeriod], warm_up: RunTime) -> Vec<TimelinePoint> {
    periods.iter().map(|p| point(p, warm_up)).collect()
}

fn point(period: &LoadPeriod, warm_up: RunTime) -> TimelinePoint {
    let mut response = new_latency();
    let (mut passed, mut done) = (0, 0);
    for request in &period.requests {
        super::figures::add_latency(&mut response, &request.response);
        passed += request.passed;
        done += request.done();
    }
    let seconds = period.window.secs().max(1e-9);
    let quantile = |q: f64| (!response.is_empty()).then(|| response.value_at_quantile(q));
    TimelinePoint {
        at: period.window.from,
        offered: period.offered as f64 / seconds,
        sent: period.sent as f64 / seconds,
        passed: passed as f64 / seconds,
        error_rate: share(done - passed, done).unwrap_or(0.0),
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        ewma: None,
        threshold: None,
        anomalous: false,
        warm_up: period.window.from < warm_up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{period, scenario};
    use crate::scenario::{AnswerSource, Check, Condition, Journey};

    #[test]
    fn warm_up_is_left_out_and_the_drain_does_not_dilute_rates() {
        let mut periods: Vec<LoadPeriod> =
            (0..6).map(|i| period(i, &[(90, 2_000_000, 0), (10, 50_000_000, 5)])).collect();
        let mut drain = period(6, &[(0, 0, 0), (0, 0, 0)]);
        (drain.offered, drain.sent) = (0, 0);
        periods.push(drain);
        let got = summarize(&periods, &scenario(&["list", "buy"]), RunTime::from_nanos(2_000_000_000));
        assert_eq!((got.total.done, got.total.passed), (400, 380));
        assert_eq!((got.total.rate, got.offered_rate, got.window.secs()), (95.0, 100.0, 5.0));
        assert_eq!(got.total.failed, BTreeMap::from([("status".to_owned(), 20)]));
        assert_eq!((got.requests[1].error_rate, got.requests[0].error_rate), (0.5, 0.0));
        let close = |a: u64, b: f64| (a as f64 / b - 1.0).abs() < 2e-3;
        assert!(close(got.total.response.p50, 2e6) && close(got.total.response.p95, 50e6));
        assert!(close(got.total.response.mean, 0.9 * 2e6 + 0.1 * 50e6));
        assert!(close(got.total.phases["wait"], 0.9 * 2e6 + 0.1 * 50e6) && got.total.phases["connect"] == 0);
        let line = timeline(&periods, RunTime::from_nanos(2_000_000_000));
        assert_eq!(line.iter().filter(|p| p.warm_up).count(), 2);
        assert_eq!((line[6].p50, line[3].passed, line[3].error_rate), (None, 95.0, 0.05));
    }

    #[test]
    fn checks_are_named_and_have_an_example() {
        let mut scenario = scenario(&["list", "buy"]);
        let check = |name: &str| Check { name: name.into(), of: AnswerSource::Status, is: Condition::Exists };
        scenario.requests[1].checks = vec![check("has a price"), check("in stock")];
        let mut periods: Vec<LoadPeriod> = (0..4).map(|i| period(i, &[(90, 1, 0), (10, 1, 5)])).collect();
        periods.iter_mut().for_each(|p| p.requests[1].checks = vec![0, 5]);
        let kept = |request, checks: &[usize], detail: &str| FailureExample {
            request,
            at: RunTime::from_nanos(7),
            kind: Failure::Check,
            detail: detail.into(),
            checks: checks.to_vec(),
        };
        periods[0].failures =
            vec![kept(0, &[1], "another's"), kept(1, &[0], "price"), kept(1, &[1], "stock")];
        let got = summarize(&periods, &scenario, RunTime::from_nanos(2_000_000_000));
        assert!(got.requests[0].checks.is_empty() && got.total.checks.is_empty());
        let [price, stock] = &got.requests[1].checks[..] else { panic!("two checks") };
        assert_eq!((price.name.as_str(), price.failed, &price.example), ("has a price", 0, &None));
        let example = Example { at: RunTime::from_nanos(7), detail: "stock".into() };
        assert_eq!((stock.name.as_str(), stock.failed, &stock.example), ("in stock", 10, &Some(example)));
    }

    #[test]
    fn failures_have_an_example_and_answers_a_status() {
        let mut periods: Vec<LoadPeriod> = (0..4).map(|i| period(i, &[(90, 1, 3), (10, 1, 5)])).collect();
        let kept = |request, at, kind, detail: &str| FailureExample {
            request,
            at: RunTime::from_nanos(at),
            kind,
            detail: detail.into(),
            checks: Vec::new(),
        };
        periods[0].failures = vec![
            kept(1, 1, Failure::Status, "status 404"),
            kept(0, 2, Failure::Dns, "none of its kind judged"),
        ];
        periods[3].failures =
            vec![kept(1, 3, Failure::Status, "status 503"), kept(1, 4, Failure::Status, "status 500")];
        periods.iter_mut().for_each(|p| p.requests[1].status = [0, 5, 0, 2, 3]);
        let got = summarize(&periods, &scenario(&["list", "buy"]), RunTime::from_nanos(2_000_000_000));
        let example = Example { at: RunTime::from_nanos(3), detail: "status 503".into() };
        assert_eq!(got.requests[1].examples, BTreeMap::from([("status".to_owned(), example)]));
        assert!(got.requests[0].examples.is_empty() && got.total.examples.is_empty());
        assert_eq!((got.requests[1].status, got.total.status), ([0, 10, 0, 4, 6], [0, 10, 0, 4, 6]));
    }

    #[test]
    fn journeys_and_connections_are_those_of_the_whole_run() {
        let mut scenario = scenario(&["alone", "list", "buy"]);
        let steps = |steps| Journey { name: "shop".into(), steps, weight: 1 };
        scenario.journeys = vec![steps(0..1), steps(1..3)];
        let mut periods: Vec<LoadPeriod> =
            (0..4).map(|i| period(i, &[(50, 1, 0), (30, 1, 4), (20, 1, 2)])).collect();
        periods[3].requests[1].failed[Failure::Unsent as usize] = 6;
        (periods[0].requests[0].connects, periods[0].requests[2].connects) = (5, 3);
        (periods[0].requests[1].resent, periods[3].requests[0].resent) = (2, 9);
        (periods[1].requests[0].unasked, periods[2].requests[2].unasked) = (1, 4);
        (periods[1].connections, periods[2].streams, periods[3].requests[2].redirects) = (9, 40, 7);
        let got = summarize(&periods, &scenario, RunTime::from_nanos(3_000_000_000));
        let shop = JourneySummary { name: "shop".into(), begun: 120, finished: 72 };
        assert_eq!(got.journeys, [shop]);
        let connections = ConnectionSummary {
            protocol: "HTTP/1.1".into(),
            opened: 8,
            most_open: 9,
            most_streams: 40,
            requests: 407,
            resent: 11,
            unasked: 5,
        };
        assert_eq!(got.connections, Some(connections));
        assert_eq!((got.offered, got.sent, got.requests[2].redirects), (100, 100, 7));
    }

    #[test]
    fn a_run_without_periods_is_all_zero() {
        let begun = period(7, &[(1, 1, 0)]);
        let at_once = summarize(std::slice::from_ref(&begun), &scenario(&["list"]), begun.window.from);
        assert_eq!((at_once.warm_up_nanos, at_once.total.done), (0, 1));
        let got = summarize(&[], &scenario(&["list"]), RunTime::ZERO);
        assert_eq!((got.total.done, got.total.rate, got.window.nanos()), (0, 0.0, 0));
    }
}
