//! Load figures: both clocks side by side, errors by kind, client phases, traffic.

use serde::Serialize;

use crate::analysis::{Analysis, FAILING_SHARE, LoadSummary, Quantiles, RequestSummary};

use super::first;
use super::journeys::{self, CheckView, ExampleView, JourneyView, LatenessView};
use crate::report::{quantity, words};

const MOST_REQUESTS: usize = 40;
const MOST_FAILURES: usize = 40;
const MOST_STATUSES: usize = 20;

/// Load figures of the judged part.
#[derive(Serialize)]
pub(super) struct LoadView {
    from: String,
    to: String,
    warm_up: Option<String>,
    open_model: bool,
    /// Arrivals of the schedule per second (open model).
    arrivals: String,
    /// Steps after the first of a journey per second (open model); none without such journeys.
    steps: Option<String>,
    sent: String,
    sent_share: String,
    requests: Vec<RequestView>,
    more: usize,
    /// Share of failed hits, if it is large enough to make percentiles misleading.
    failing: Option<String>,
    failures: Vec<FailureView>,
    more_failures: usize,
    /// Answers by class of status of the whole run; none if there was no answer.
    statuses: Option<String>,
    /// The same for each request with answers of 4xx or 5xx, if there are several requests.
    bad_statuses: Vec<StatusView>,
    checks: Vec<CheckView>,
    more_checks: usize,
    journeys: Vec<JourneyView>,
    /// Whether any redirect was followed.
    redirects: bool,
    connections: Option<String>,
    lateness: Option<LatenessView>,
    phase_names: Vec<String>,
    phases: Vec<PhasesView>,
}

#[derive(Serialize)]
struct RequestView {
    name: String,
    done: String,
    rate: String,
    error_rate: String,
    bytes_in: String,
    bytes_out: String,
    connects: String,
    redirects: String,
    clocks: Vec<ClockView>,
}

#[derive(Serialize)]
struct ClockView {
    clock: &'static str,
    mean: String,
    p50: String,
    p90: String,
    p95: String,
    p99: String,
    p999: String,
    max: String,
}

#[derive(Serialize)]
struct FailureView {
    request: String,
    kind: String,
    means: String,
    count: String,
    share: String,
    example: Option<ExampleView>,
}

#[derive(Serialize)]
struct StatusView {
    request: String,
    classes: String,
}

#[derive(Serialize)]
struct PhasesView {
    request: String,
    means: Vec<String>,
}

/// Builds the load figures. The line of all requests is left out when there is only one.
pub(super) fn load(a: &Analysis) -> LoadView {
    let l = &a.load;
    let total = (l.requests.len() != 1).then_some(&l.total);
    let all: Vec<&RequestSummary> = total.into_iter().chain(&l.requests).collect();
    let (shown, more) = first(all, MOST_REQUESTS);
    let phase_names = phase_names(&shown);
    let (checks, more_checks) = journeys::failed_checks(l);
    let (failures, more_failures) = failures(l);
    let (arrivals, steps) = arrivals(l);
    let errors = l.total.error_rate;
    LoadView {
        from: quantity::run_time(l.window.from),
        to: quantity::run_time(l.window.to),
        warm_up: (l.warm_up_nanos > 0).then(|| quantity::duration(l.warm_up_nanos as f64)),
        open_model: l.open_model,
        arrivals,
        steps,
        sent: quantity::rate(l.sent_rate),
        sent_share: quantity::ratio(l.sent_rate / l.offered_rate),
        requests: shown.iter().map(|r| request(r)).collect(),
        more,
        failing: (errors >= FAILING_SHARE).then(|| quantity::ratio(errors)),
        failures,
        more_failures,
        statuses: classes(&l.total.status),
        bad_statuses: bad_statuses(l),
        checks,
        more_checks,
        journeys: journeys::journeys(&l.journeys),
        redirects: l.total.redirects > 0,
        connections: l.connections.as_ref().and_then(journeys::connections),
        lateness: journeys::lateness(&l.lateness),
        phases: shown.iter().map(|r| phases(r, &phase_names)).collect(),
        phase_names: phase_names.iter().map(|p| words::phase(p).1.to_owned()).collect(),
    }
}

/// What the schedule asked for, and what its journeys added to it: only arrivals have a lateness.
fn arrivals(l: &LoadSummary) -> (String, Option<String>) {
    let later = l.offered.saturating_sub(l.lateness.count);
    if later == 0 || l.lateness.count == 0 {
        return (quantity::rate(l.offered_rate), None);
    }
    let rate = |n: u64| quantity::rate(l.offered_rate * n as f64 / l.offered as f64);
    (rate(l.lateness.count), Some(rate(later)))
}

fn request(r: &RequestSummary) -> RequestView {
    RequestView {
        name: r.name.clone(),
        done: quantity::count(r.done),
        rate: quantity::rate(r.rate),
        error_rate: quantity::ratio(r.error_rate),
        bytes_in: quantity::bytes(r.bytes_in as f64),
        bytes_out: quantity::bytes(r.bytes_out as f64),
        connects: quantity::count(r.connects),
        redirects: quantity::count(r.redirects),
        clocks: vec![clock("response time", &r.response), clock("service time", &r.service)],
    }
}

fn clock(clock: &'static str, q: &Quantiles) -> ClockView {
    let time = |nanos: u64| if q.count == 0 { "n/a".into() } else { quantity::duration(nanos as f64) };
    ClockView {
        clock,
        mean: time(q.mean),
        p50: time(q.p50),
        p90: time(q.p90),
        p95: time(q.p95),
        p99: time(q.p99),
        p999: time(q.p999),
        max: time(q.max),
    }
}

/// Kinds of failure of all requests, those that occurred most often first, and how many are left out.
fn failures(l: &LoadSummary) -> (Vec<FailureView>, usize) {
    let all = l.requests.iter().flat_map(|r| r.failed.iter().map(move |(kind, n)| (r, kind, *n)));
    let mut all: Vec<_> = all.filter(|(.., n)| *n > 0).collect();
    all.sort_by_key(|(.., n)| std::cmp::Reverse(*n));
    first(all.into_iter().map(|(r, kind, n)| failure(r, kind, n)).collect(), MOST_FAILURES)
}

fn failure(r: &RequestSummary, kind: &str, n: u64) -> FailureView {
    FailureView {
        request: r.name.clone(),
        kind: kind.to_owned(),
        means: words::failure(kind).to_owned(),
        count: quantity::count(n),
        share: quantity::ratio(n as f64 / r.done.max(1) as f64),
        example: r.examples.get(kind).map(journeys::example),
    }
}

/// Answers by class of status, `2xx 1,200; 5xx 3`; none without an answer.
fn classes(status: &[u64; 5]) -> Option<String> {
    let there = status.iter().enumerate().filter(|(_, n)| **n > 0);
    let listed: Vec<String> = there.map(|(i, n)| format!("{}xx {}", i + 1, quantity::count(*n))).collect();
    (!listed.is_empty()).then(|| listed.join("; "))
}

/// Requests with answers of 4xx or 5xx, those with most of them first.
fn bad_statuses(l: &LoadSummary) -> Vec<StatusView> {
    if l.requests.len() < 2 {
        return Vec::new();
    }
    let bad = |r: &RequestSummary| r.status[3] + r.status[4];
    let mut with: Vec<&RequestSummary> = l.requests.iter().filter(|r| bad(r) > 0).collect();
    with.sort_by_key(|r| std::cmp::Reverse(bad(r)));
    let view =
        |r: &RequestSummary| Some(StatusView { request: r.name.clone(), classes: classes(&r.status)? });
    with.into_iter().take(MOST_STATUSES).filter_map(view).collect()
}

/// Phases that took any time, in the order they happen.
fn phase_names(requests: &[&RequestSummary]) -> Vec<String> {
    let took = requests.iter().flat_map(|r| r.phases.iter()).filter(|(_, mean)| **mean > 0);
    let mut all: Vec<String> = took.map(|(name, _)| name.clone()).collect();
    all.sort_by(|x, y| (words::phase(x).0, x).cmp(&(words::phase(y).0, y)));
    all.dedup();
    all
}

fn phases(r: &RequestSummary, names: &[String]) -> PhasesView {
    let mean = |name| r.phases.get(name).map_or_else(|| "n/a".into(), |n| quantity::duration(*n as f64));
    PhasesView { request: r.name.clone(), means: names.iter().map(mean).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::golden;

    #[test]
    fn failures_of_requests_that_are_not_shown_are_counted() {
        let (mut a, _) = golden::load("healthy");
        let (one, total) = (a.load.requests[0].clone(), a.load.total.clone());
        a.load.requests = (0..60).map(|i| RequestSummary { name: format!("r{i}"), ..one.clone() }).collect();
        a.load.requests[55].failed.insert("status".into(), 7);
        a.load.requests[3].failed.insert("closed".into(), 2);
        let got = load(&a);
        assert_eq!((got.requests.len(), got.more), (40, 21));
        let listed: Vec<_> = got.failures.iter().map(|f| (f.request.as_str(), f.count.as_str())).collect();
        assert_eq!(listed, [("r55", "7"), ("r3", "2")]);
        for r in &mut a.load.requests {
            r.failed.insert("timeout".into(), 1);
        }
        let got = load(&a);
        assert_eq!((got.failures.len(), got.more_failures), (40, 22));
        assert_eq!(total.failed.len(), 0);
    }

    #[test]
    fn a_404_and_a_503_are_told_apart() {
        let (mut a, _) = golden::load("healthy");
        let mut other = a.load.requests[0].clone();
        (other.name, other.status) = ("missing".into(), [0, 0, 0, 12, 3_400]);
        a.load.requests.push(other);
        a.load.total.status = [0, 27_500, 0, 12, 3_400];
        let got = load(&a);
        assert_eq!(got.statuses.as_deref(), Some("2xx 27,500; 4xx 12; 5xx 3,400"));
        let listed: Vec<_> =
            got.bad_statuses.iter().map(|s| (s.request.as_str(), s.classes.as_str())).collect();
        assert_eq!(listed, [("missing", "4xx 12; 5xx 3,400")]);
        assert_eq!(classes(&[0; 5]), None);
    }

    #[test]
    fn later_steps_of_journeys_are_no_arrivals() {
        let (a, _) = golden::load("journey");
        let got = load(&a);
        assert_eq!((got.arrivals.as_str(), got.steps.as_deref()), ("300/s", Some("98.5/s")));
        assert_eq!(load(&golden::load("healthy").0).steps, None);
    }
}
