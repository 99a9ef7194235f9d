//! How long requests took by the service's own count: histograms and summaries of request durations on its pages of metrics, as
//! the conventions of Prometheus and OpenTelemetry name them. What they count was in the service's handlers: not in the
//! generator, not on the way, not waiting to be read.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};

use super::client::Client;
use super::measure::{Measured, batch_mean};
use crate::formats::openmetrics::Kind;
use crate::run::history::{MetricHistory, MetricSeries};
use crate::run::period::Phase;
use crate::run::reader::Recording;
use crate::time::{RunTime, Window};

/// How far requests that the service counted may be apart from those that were answered: else others ask it, too, or it counts
/// in several places.
const ALIKE: Range<f64> = 0.9..1.1;
/// How much longer than what the generator measured they may have taken: its clock stops at the same answers.
const LONGER: f64 = 1.05;
/// Words in the names of durations that are not of requests to the service itself.
const OTHERS: [&str; 8] =
    ["client", "outbound", "outgoing", "upstream", "external", "backend", "database", "sql"];
/// Labels that tell routes apart, as frameworks and conventions name them; those of procedures are a service and a method.
const ROUTES: [&str; 6] = ["http_route", "route", "uri", "handler", "path", "endpoint"];
const PROCEDURES: [[&str; 2]; 2] = [["rpc_service", "rpc_method"], ["grpc_service", "grpc_method"]];

/// Requests as a service counts them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Served {
    /// Metric.
    pub name: String,
    /// Mean time of a request in a handler, nanoseconds; no more of it than passed before the first byte of the answer.
    pub each: Measured,
    /// All of it.
    pub whole: f64,
    /// Routes, as far as labels tell them.
    pub routes: BTreeMap<String, Route>,
}

/// Requests of a route, over requests of all routes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Route {
    /// Its part of the mean, nanoseconds.
    pub nanos: f64,
    /// Its part of the requests.
    pub part: f64,
}

/// What a route's handlers take longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grown<'a> {
    pub route: &'a str,
    /// Nanoseconds over requests of all routes.
    pub nanos: f64,
    /// Nanoseconds of one of its own requests.
    pub own: f64,
}

impl Served {
    /// What each route that both sides have takes longer, the one whose own requests do most first.
    pub(super) fn grown<'a>(&'a self, before: &Self) -> Vec<Grown<'a>> {
        let own = |r: Route| r.nanos / r.part;
        let asked = |r: &Route| r.part > 0.0;
        let both = self.routes.iter().filter_map(|(route, now)| {
            let (now, was) = (Some(*now).filter(asked)?, before.routes.get(route).copied().filter(asked)?);
            Some(Grown { route, nanos: now.nanos - was.nanos, own: own(now) - own(was) })
        });
        let mut all: Vec<_> = both.collect();
        all.sort_by(|a, b| b.own.total_cmp(&a.own));
        all
    }
}

/// What the service says of the requests in the windows on its own page, by each metric that is of these.
pub(super) fn served(
    recording: &Recording,
    service: &str,
    windows: &[Window],
    client: &Client,
) -> Vec<Served> {
    let counts = |kind| matches!(kind, Kind::Histogram | Kind::Summary | Kind::Unknown);
    let base = |name: &str| name.strip_suffix("_sum").or(name.strip_suffix("_count")).map(str::to_owned);
    let wanted = |name: &str| base(name).is_some_and(|base| unit(&base).is_some());
    let read = recording.scraped_series(service, |f, s| counts(f.kind) && wanted(&s.name));
    let Ok(history) = read else { return Vec::new() };
    let mut names: Vec<&str> = history.series.iter().filter_map(|s| s.name.strip_suffix("_sum")).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| of_metric(&history, name, windows, client)).collect()
}

/// The outermost of them: the one with the longest mean, of two that are as long the one that knows more routes.
pub(super) fn outermost<'a>(all: impl Iterator<Item = &'a Served> + Clone) -> Option<&'a Served> {
    let longest = all.clone().map(|s| s.whole).fold(0.0, f64::max);
    all.filter(|s| s.whole * LONGER >= longest).max_by_key(|s| s.routes.len())
}

/// Nanoseconds in a unit of durations of served requests; none if the name is of something else.
fn unit(base: &str) -> Option<f64> {
    let server = base.contains("rpc_server")
        || (base.contains("http") && (base.contains("request") || base.contains("server")));
    match () {
        () if !server || OTHERS.iter().any(|word| base.contains(word)) => None,
        () if base.ends_with("_seconds") => Some(1e9),
        () if base.ends_with("_milliseconds") => Some(1e6),
        () => None,
    }
}

/// Time and number of requests.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    time: f64,
    count: f64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.count += other.count;
    }
}

fn of_metric(history: &MetricHistory, name: &str, windows: &[Window], client: &Client) -> Option<Served> {
    let unit = unit(name)?;
    let counts: BTreeMap<_, _> = history.named(&format!("{name}_count")).map(|s| (&s.labels, s)).collect();
    let (mut steps, mut routes) = (BTreeMap::<_, Sum>::new(), BTreeMap::<String, Sum>::new());
    for sums in history.named(&format!("{name}_sum")) {
        let Some(counts) = counts.get(&sums.labels) else { continue };
        let route = route(sums);
        if route.as_deref().is_some_and(is_observed) {
            continue;
        }
        let both = growth(history, sums, windows).zip(growth(history, counts, windows));
        for (((from, to), time), ((same, _), count)) in both {
            let sum = Sum { time: time * unit, count };
            // Half of a page, a counter that began anew, or answers that somebody else waits for.
            let others = sum.time > LONGER * client.longest * count;
            if from != same || !grew(time) || !grew(count) || others {
                continue;
            }
            *steps.entry((from, to)).or_default() += sum;
            if let Some(route) = &route {
                *routes.entry(route.clone()).or_default() += sum;
            }
        }
    }
    let mut all = Sum::default();
    steps.values().for_each(|step| all += *step);
    let secs: f64 = steps.keys().map(|(from, to)| to.since(*from) as f64 / 1e9).sum();
    if all.count <= 0.0 || !ALIKE.contains(&(all.count / secs / client.throughput())) {
        return None;
    }
    let means: Vec<f64> =
        steps.values().filter(|step| step.count > 0.0).map(|step| step.time / step.count).collect();
    let each = Measured::new(all.time / all.count, batch_mean(&means).error);
    let measured = client.response.minus(client.phase(Phase::Queue));
    // Answers that somebody else waits for, or nobody any more.
    if each.low() > LONGER * measured.high() {
        return None;
    }
    let routes = routes
        .into_iter()
        .map(|(route, of)| (route, Route { nanos: of.time / all.count, part: of.count / all.count }));
    // The rest of an answer is read while its handler still writes: that row has it.
    let until = client.phase(Phase::Wait).value;
    Some(Served {
        name: name.to_owned(),
        each: Measured::new(each.value.min(until), each.error),
        whole: each.value,
        routes: routes.collect(),
    })
}

/// Whether only those ask there who look at the service: this program does.
fn is_observed(route: &str) -> bool {
    route.starts_with("/debug/pprof") || route == "/metrics"
}

fn grew(step: f64) -> bool {
    step.is_finite() && step >= 0.0
}

/// Growth from each page to the next inside the windows. A series that is on no page before counts from nothing.
fn growth<'a>(
    history: &'a MetricHistory,
    series: &'a MetricSeries,
    windows: &'a [Window],
) -> impl Iterator<Item = ((RunTime, RunTime), f64)> + use<'a> {
    let first = series.points.first().and_then(|(at, value)| {
        let place = history.scrapes.partition_point(|scrape| scrape < at);
        Some(((*history.scrapes.get(place.checked_sub(1)?)?, *at), *value))
    });
    let pairs = series.points.windows(2).map(|p| ((p[0].0, p[1].0), p[1].1 - p[0].1));
    let inside = |(from, to): (RunTime, RunTime)| windows.iter().any(|w| w.covers(Window::new(from, to)));
    first.into_iter().chain(pairs).filter(move |(step, _)| inside(*step))
}

/// What tells the routes apart, if anything does.
fn route(series: &MetricSeries) -> Option<String> {
    let known = |label: &&str| series.label(label).filter(|value| !value.is_empty());
    let procedure = |[service, method]: &[&str; 2]| Some(format!("{}/{}", known(service)?, known(method)?));
    ROUTES.iter().find_map(|l| known(l).map(str::to_owned)).or_else(|| PROCEDURES.iter().find_map(procedure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_conventions() {
        for (name, nanos) in [
            ("http_request_duration_seconds", 1e9),
            ("http_server_request_duration_seconds", 1e9),
            ("http_server_requests_seconds", 1e9),
            ("axum_http_requests_duration_seconds", 1e9),
            ("http_server_duration_milliseconds", 1e6),
            ("grpc_server_handling_seconds", 1e9),
            ("rpc_server_duration_milliseconds", 1e6),
        ] {
            assert_eq!(unit(name), Some(nanos), "{name}");
        }
        for name in [
            "http_client_request_duration_seconds",
            "external_http_request_duration_seconds",
            "http_server_request_body_size_bytes",
            "http_requests",
            "go_gc_duration_seconds",
            "promhttp_metric_handler_requests",
        ] {
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
