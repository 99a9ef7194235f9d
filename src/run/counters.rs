//! The load's counters as OpenMetrics text, and back.
//!
//! Counters are cumulative since the start, so that a lost exposition loses resolution but no hit. Kinds of
//! failure and classes of status that were never seen are left out and read back as 0.

use std::borrow::Cow;

use super::load_log::ExtraSample;
use super::period::{Failure, LoadPeriod, RequestPeriod};
use crate::formats::openmetrics::{Exposition, Family, Kind, Labels, Sample, encode, parse};

/// Interval logs in the order of their line counters.
pub(super) const LOGS: [&str; 3] = ["latency", "phases", "lateness"];
/// Classes of status as labels.
const STATUS: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Most checks of a request that are read back; scenarios have fewer.
const MAX_CHECKS: usize = 1000;
/// Values up to here are exact as floating-point numbers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

const OFFERED: &str = "loadprof_requests_offered";
const SENT: &str = "loadprof_requests_sent";
const PASSED: &str = "loadprof_hits_passed";
const FAILED: &str = "loadprof_hits_failed";
const RESPONSES: &str = "loadprof_responses";
const RECEIVED: &str = "loadprof_received_bytes";
const TRANSMITTED: &str = "loadprof_transmitted_bytes";
const CONNECTS: &str = "loadprof_connects";
const REDIRECTS: &str = "loadprof_redirects";
const RESENT: &str = "loadprof_resent";
const UNASKED: &str = "loadprof_unasked";
const CHECKS: &str = "loadprof_checks_failed";
const LOG_LINES: &str = "loadprof_log_lines";
const BACKLOG: &str = "loadprof_backlog";
const IN_FLIGHT: &str = "loadprof_in_flight";
const CONNECTIONS: &str = "loadprof_connections";
const STREAMS: &str = "loadprof_streams";
const VUS: &str = "loadprof_vus";

/// Sums over all recorded periods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) offered: u64,
    pub(super) sent: u64,
    pub(super) requests: Vec<RequestTotals>,
    /// Lines written to each of [`LOGS`].
    pub(super) log_lines: [u64; LOGS.len()],
}

/// Sums of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestTotals {
    pub(super) slug: String,
    pub(super) passed: u64,
    pub(super) failed: [u64; Failure::ALL.len()],
    pub(super) status: [u64; 5],
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) connects: u64,
    pub(super) redirects: u64,
    pub(super) resent: u64,
    pub(super) unasked: u64,
    /// By the index of the check.
    pub(super) checks: Vec<u64>,
}

/// Values at the end of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    pub(super) backlog: u64,
    pub(super) in_flight: u64,
    pub(super) connections: u64,
    pub(super) streams: u64,
    pub(super) vus: u64,
}

impl Gauges {
    pub(super) fn of(period: &LoadPeriod) -> Self {
        let LoadPeriod { backlog, in_flight, connections, streams, vus, .. } = *period;
        Self { backlog, in_flight, connections, streams, vus }
    }
}

impl Totals {
    pub(super) fn new(slugs: &[String]) -> Self {
        let of = |slug: &String| RequestTotals { slug: slug.clone(), ..RequestTotals::default() };
        Self { requests: slugs.iter().map(of).collect(), ..Self::default() }
    }

    pub(super) fn add(&mut self, period: &LoadPeriod, lines: [u64; LOGS.len()]) {
        self.offered += period.offered;
        self.sent += period.sent;
        add_all(&mut self.log_lines, &lines);
        self.requests.iter_mut().zip(&period.requests).for_each(|(sum, r)| sum.add(r));
    }

    /// What came on top of `earlier`; none if something shrank or the requests are others.
    pub(super) fn since(&self, earlier: &Self) -> Option<Self> {
        if self.requests.len() != earlier.requests.len() {
            return None;
        }
        let requests = self.requests.iter().zip(&earlier.requests);
        Some(Self {
            offered: self.offered.checked_sub(earlier.offered)?,
            sent: self.sent.checked_sub(earlier.sent)?,
            log_lines: sub_all(&self.log_lines, &earlier.log_lines)?,
            requests: requests.map(|(later, earlier)| later.since(earlier)).collect::<Option<_>>()?,
        })
    }
}

impl RequestTotals {
    fn add(&mut self, r: &RequestPeriod) {
        self.passed += r.passed;
        add_all(&mut self.failed, &r.failed);
        add_all(&mut self.status, &r.status);
        self.bytes_in += r.bytes_in;
        self.bytes_out += r.bytes_out;
        self.connects += r.connects;
        self.redirects += r.redirects;
        self.resent += r.resent;
        self.unasked += r.unasked;
        if self.checks.len() < r.checks.len() {
            self.checks.resize(r.checks.len(), 0);
        }
        self.checks.iter_mut().zip(&r.checks).for_each(|(sum, n)| *sum += n);
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        if self.slug != earlier.slug {
            return None;
        }
        Some(Self {
            slug: self.slug.clone(),
            passed: self.passed.checked_sub(earlier.passed)?,
            failed: sub_all(&self.failed, &earlier.failed)?,
            status: sub_all(&self.status, &earlier.status)?,
            bytes_in: self.bytes_in.checked_sub(earlier.bytes_in)?,
            bytes_out: self.bytes_out.checked_sub(earlier.bytes_out)?,
            connects: self.connects.checked_sub(earlier.connects)?,
            redirects: self.redirects.checked_sub(earlier.redirects)?,
            resent: self.resent.checked_sub(earlier.resent)?,
            unasked: self.unasked.checked_sub(earlier.unasked)?,
            checks: self.checks_since(&earlier.checks)?,
        })
    }
}

impl RequestTotals {
    /// A check that was not there earlier had not failed then.
    fn checks_since(&self, earlier: &[u64]) -> Option<Vec<u64>> {
        let earlier = earlier.iter().copied().chain(std::iter::repeat(0));
        self.checks.iter().zip(earlier).map(|(later, earlier)| later.checked_sub(earlier)).collect()
    }
}

fn add_all<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    sums.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
}

fn sub_all<const N: usize>(later: &[u64; N], earlier: &[u64; N]) -> Option<[u64; N]> {
    let mut rest = *later;
    for (n, e) in rest.iter_mut().zip(earlier) {
        *n = n.checked_sub(*e)?;
    }
    Some(rest)
}

/// The exposition of a period's end; `extra` samples named like the load's own are left out.
pub(super) fn to_text(totals: &Totals, gauges: Gauges, extra: &[ExtraSample]) -> String {
    let mut families = own_families(totals, gauges);
    let own = families.len();
    for sample in extra {
        let (name, kind) = match sample.name.strip_suffix("_total") {
            Some(base) => (base, Kind::Counter),
            None => (sample.name.as_str(), Kind::Gauge),
        };
        let known = families.iter().position(|f| f.name == name);
        if known.is_some_and(|i| i < own) {
            continue;
        }
        let i = known.unwrap_or_else(|| {
            families.push(Family::new(name, kind, ""));
            families.len() - 1
        });
        let labels = sample.labels.iter().map(|(k, v)| (Cow::from(k), Cow::from(v))).collect();
        families[i].push(labels, sample.value);
    }
    encode(&families)
}

fn own_families(totals: &Totals, gauges: Gauges) -> Vec<Family<'_>> {
    let counter = |name, help| Family::new(name, Kind::Counter, help);
    let mut offered = counter(OFFERED, "Arrivals that the schedule asked for, or hits begun by users.");
    let mut sent = counter(SENT, "Requests sent.");
    let mut passed = counter(PASSED, "Hits that ended as expected.");
    let mut failed = counter(FAILED, "Hits that failed, by kind.");
    let mut responses = counter(RESPONSES, "Answers by class of status.");
    let mut received = counter(RECEIVED, "Bytes received, heads and bodies.");
    let mut transmitted = counter(TRANSMITTED, "Bytes sent, heads and bodies.");
    let mut connects = counter(CONNECTS, "Connections that were opened.");
    let mut redirects = counter(REDIRECTS, "Redirects that were followed.");
    let mut resent = counter(RESENT, "Requests sent again because the server had not looked at them.");
    let mut unasked = counter(UNASKED, "Idle connections given up for bytes that no request asked for.");
    let mut checks = counter(CHECKS, "Answers that failed a named check, by the check's index.");
    let mut lines = counter(LOG_LINES, "Lines written to the interval logs.");
    (received.unit, transmitted.unit) = ("bytes".into(), "bytes".into());
    offered.push(Labels::new(), totals.offered as f64);
    sent.push(Labels::new(), totals.sent as f64);
    for r in &totals.requests {
        let label = |more: Option<(&'static str, &'static str)>| -> Labels<'_> {
            let request = (Cow::from("request"), Cow::from(&r.slug));
            std::iter::once(request).chain(more.map(|(k, v)| (k.into(), v.into()))).collect()
        };
        passed.push(label(None), r.passed as f64);
        for (kind, n) in Failure::ALL.iter().zip(r.failed).filter(|(_, n)| *n > 0) {
            failed.push(label(Some(("kind", kind.name()))), n as f64);
        }
        for (class, n) in STATUS.iter().zip(r.status).filter(|(_, n)| *n > 0) {
            responses.push(label(Some(("status", class))), n as f64);
        }
        received.push(label(None), r.bytes_in as f64);
        transmitted.push(label(None), r.bytes_out as f64);
        connects.push(label(None), r.connects as f64);
        if r.redirects > 0 {
            redirects.push(label(None), r.redirects as f64);
        }
        if r.resent > 0 {
            resent.push(label(None), r.resent as f64);
        }
        if r.unasked > 0 {
            unasked.push(label(None), r.unasked as f64);
        }
        // Zeros too: a page says which checks there are.
        for (i, n) in r.checks.iter().enumerate() {
            let mut labels = label(None);
            labels.push(("check".into(), i.to_string().into()));
            checks.push(labels, *n as f64);
        }
    }
    for (log, n) in LOGS.iter().zip(totals.log_lines) {
        lines.push(vec![("log".into(), (*log).into())], n as f64);
    }
    let mut all = vec![
        offered,
        sent,
        passed,
        failed,
        responses,
        received,
        transmitted,
        connects,
        redirects,
        resent,
        unasked,
        checks,
        lines,
    ];
    for (name, value, help) in [
        (BACKLOG, gauges.backlog, "Arrivals that wait for a connection."),
        (IN_FLIGHT, gauges.in_flight, "Requests under way."),
        (CONNECTIONS, gauges.connections, "Connections open."),
        (STREAMS, gauges.streams, "Requests sent whose answers are not whole; over HTTP/2, open streams."),
        (VUS, gauges.vus, "Virtual users active."),
    ] {
        let mut gauge = Family::new(name, Kind::Gauge, help);
        gauge.push(Labels::new(), value as f64);
        all.push(gauge);
    }
    all
}

/// Reads an exposition of [`to_text`].
///
/// # Errors
/// What is missing or not a count.
pub(super) fn from_text(bytes: &[u8]) -> Result<(Totals, Gauges), String> {
    let page = parse(bytes).map_err(|e| e.to_string())?;
    if !page.eof || page.skipped > 0 {
        return Err("the counters are cut or damaged".to_owned());
    }
    let family = |name: &str| page.family(name).ok_or_else(|| format!("{name} is missing"));
    let single = |name: &str| {
        let sample = family(name)?.samples.first().ok_or_else(|| format!("{name} has no value"))?;
        count(sample.value).ok_or_else(|| format!("{name} is no count: {}", sample.value))
    };
    let slugs: Vec<String> = label_values(family(PASSED)?, "request");
    let mut totals = Totals::new(&slugs);
    totals.offered = single(OFFERED)?;
    totals.sent = single(SENT)?;
    let lines = plain(family(LOG_LINES)?, "log", &LOGS.map(str::to_owned))?;
    totals.log_lines.copy_from_slice(&lines);
    let requests = &mut totals.requests;
    let passed = plain(family(PASSED)?, "request", &slugs)?;
    let received = plain(family(RECEIVED)?, "request", &slugs)?;
    let transmitted = plain(family(TRANSMITTED)?, "request", &slugs)?;
    let connects = plain(family(CONNECTS)?, "request", &slugs)?;
    for (i, r) in requests.iter_mut().enumerate() {
        (r.passed, r.bytes_in, r.bytes_out, r.connects) =
            (passed[i], received[i], transmitted[i], connects[i]);
    }
    each(family(FAILED)?, "request", &slugs, |i, sample, n| {
        let kind = Failure::ALL.iter().position(|k| Some(k.name()) == sample.label("kind"))?;
        requests[i].failed[kind] = n;
        Some(())
    })?;
    each(family(RESPONSES)?, "request", &slugs, |i, sample, n| {
        let class = STATUS.iter().position(|class| Some(*class) == sample.label("status"))?;
        requests[i].status[class] = n;
        Some(())
    })?;
    read_news(&page, &slugs, &mut totals.requests)?;
    let gauges = Gauges {
        backlog: single(BACKLOG)?,
        in_flight: single(IN_FLIGHT)?,
        connections: single(CONNECTIONS)?,
        // Pages of the first versions lack it.
        streams: page.family(STREAMS).map_or(Ok(0), |_| single(STREAMS))?,
        vus: single(VUS)?,
    };
    Ok((totals, gauges))
}

/// What the first pages of format 1.0 did not have.
fn read_news(page: &Exposition<'_>, slugs: &[String], requests: &mut [RequestTotals]) -> Result<(), String> {
    type Count = fn(&mut RequestTotals) -> &mut u64;
    let news: [(&str, Count); 3] =
        [(REDIRECTS, |r| &mut r.redirects), (RESENT, |r| &mut r.resent), (UNASKED, |r| &mut r.unasked)];
    for (name, count) in news {
        if let Some(family) = page.family(name) {
            let counts = plain(family, "request", slugs)?;
            requests.iter_mut().zip(counts).for_each(|(r, n)| *count(r) = n);
        }
    }
    let Some(family) = page.family(CHECKS) else { return Ok(()) };
    each(family, "request", slugs, |i, sample, n| {
        let check = sample.label("check")?.parse::<usize>().ok().filter(|check| *check < MAX_CHECKS)?;
        let checks = &mut requests[i].checks;
        if checks.len() <= check {
            checks.resize(check + 1, 0);
        }
        checks[check] = n;
        Some(())
    })
}

fn label_values(family: &Family<'_>, label: &str) -> Vec<String> {
    family.samples.iter().filter_map(|s| s.label(label)).map(str::to_owned).collect()
}

/// One value per key; 0 for a key without a sample.
fn plain(family: &Family<'_>, label: &str, keys: &[String]) -> Result<Vec<u64>, String> {
    let mut values = vec![0; keys.len()];
    each(family, label, keys, |i, _, n| {
        values[i] = n;
        Some(())
    })?;
    Ok(values)
}

/// Hands each sample to `set` with the index of its label's value among `keys`.
fn each(
    family: &Family<'_>,
    label: &str,
    keys: &[String],
    mut set: impl FnMut(usize, &Sample<'_>, u64) -> Option<()>,
) -> Result<(), String> {
    for sample in &family.samples {
        sample
            .label(label)
            .and_then(|value| keys.iter().position(|k| k == value))
            .zip(count(sample.value))
            .and_then(|(i, n)| set(i, sample, n))
            .ok_or_else(|| format!("{} has a sample that is not understood", family.name))?;
    }
    Ok(())
}

fn count(value: f64) -> Option<u64> {
    ((0.0..=MAX_EXACT).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

/// Tags of the interval logs: these, or `<what>/<slug>` with one of these or a phase's name.
pub(super) mod tag {
    /// Lateness of the generator.
    pub(in crate::run) const LATENESS: &str = "lateness";
    /// Response times of a request.
    pub(in crate::run) const RESPONSE: &str = "response";
    /// Service times of a request.
    pub(in crate::run) const SERVICE: &str = "service";
}
