//! Load figures: both clocks side by side, errors by kind, client phases, traffic.

use serde::Serialize;

use crate::analysis::{Analysis, Quantiles, RequestSummary};

use super::first;
use super::journeys::{self, CheckView, JourneyView, LatenessView};
use crate::report::{quantity, words};

const MOST_REQUESTS: usize = 40;

/// Load figures of the judged part.
#[derive(Serialize)]
pub(super) struct LoadView {
    from: String,
    to: String,
    warm_up: Option<String>,
    open_model: bool,
    offered: String,
    sent: String,
    sent_share: String,
    requests: Vec<RequestView>,
    more: usize,
    failures: Vec<FailureView>,
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
    LoadView {
        from: quantity::run_time(l.window.from),
        to: quantity::run_time(l.window.to),
        warm_up: (l.warm_up_nanos > 0).then(|| quantity::duration(l.warm_up_nanos as f64)),
        open_model: l.open_model,
        offered: quantity::rate(l.offered_rate),
        sent: quantity::rate(l.sent_rate),
        sent_share: quantity::ratio(l.sent_rate / l.offered_rate),
        requests: shown.iter().map(|r| request(r)).collect(),
        more,
        // The total's failures are those of the requests: shown once.
        failures: shown
            .iter()
            .filter(|r| total.is_none_or(|t| !same(r, t)))
            .flat_map(|r| failures(r))
            .collect(),
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

fn same(a: &RequestSummary, b: &RequestSummary) -> bool {
    std::ptr::eq(a, b)
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

fn failures(r: &RequestSummary) -> Vec<FailureView> {
    let mut kinds: Vec<(&String, &u64)> = r.failed.iter().filter(|(_, n)| **n > 0).collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    kinds
        .into_iter()
        .map(|(kind, n)| FailureView {
            request: r.name.clone(),
            kind: kind.clone(),
            means: words::failure(kind).to_owned(),
            count: quantity::count(*n),
            share: quantity::ratio(*n as f64 / r.done.max(1) as f64),
        })
        .collect()
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
