//! Names inside a run folder, in one place. `docs/run-folder.md` describes the files.

use crate::time::{RunTime, Window};

/// The manifest.
pub const MANIFEST: &str = "run.json";
/// The scenario as it was read.
pub const SCENARIO: &str = "scenario.toml";
/// Things that happened, JSON lines.
pub const EVENTS: &str = "events.jsonl";
/// Room for the end of the record on a full disk; gone once the record is sealed.
pub const RESERVE: &str = ".reserve";
/// Response and service times per request: tags `response/<slug>`, `service/<slug>`.
pub const LATENCY_LOG: &str = "load/latency.hlog";
/// Client phases per request: tags `<phase>/<slug>`.
pub const PHASE_LOG: &str = "load/phases.hlog";
/// Lateness of the generator: tag `lateness`.
pub const LATENESS_LOG: &str = "load/lateness.hlog";
/// What the OTLP receiver counted.
pub const OTLP_COUNTS: &str = "otlp/receiver.json";
/// Service name of the generator's own metrics.
pub const GENERATOR: &str = "loadprof";
/// Interventions that were tried after the run, JSON lines.
pub const CONFIRMATIONS: &str = "confirmations.jsonl";
/// Derived values; may be deleted and made again.
pub const ANALYSIS_DIR: &str = "analysis";
/// The report.
pub const REPORT: &str = "report.md";

/// `000012345678901`: a moment in nanoseconds, sortable by name.
#[must_use]
pub fn stamp(t: RunTime) -> String {
    format!("{:015}", t.as_nanos())
}

/// `metrics/<service>/<moment>.om`: one scrape, as text.
#[must_use]
pub fn scrape(service: &str, at: RunTime) -> String {
    format!("metrics/{service}/{}.om", stamp(at))
}

/// `metrics/<service>/<moment>.pb`: one scrape, as protobuf.
#[must_use]
pub fn packed_scrape(service: &str, at: RunTime) -> String {
    format!("metrics/{service}/{}.pb", stamp(at))
}

/// `expvar/<service>/<moment>.json`: one page of Go's `expvar`.
#[must_use]
pub fn expvar(service: &str, at: RunTime) -> String {
    format!("expvar/{service}/{}.json", stamp(at))
}

/// `promql/<service>/<query>/<from>-<to>.json`: a server's answer about a window.
#[must_use]
pub fn promql(service: &str, query: &str, window: Window) -> String {
    format!("promql/{service}/{query}/{}-{}.json", stamp(window.from), stamp(window.to))
}

/// `promql/<service>/asked.jsonl`: what each answer is to, and the server's clock.
#[must_use]
pub fn asked(service: &str) -> String {
    format!("promql/{service}/asked.jsonl")
}

/// `host/<service>/<moment>.om`: a look at the processes of a service on this machine.
#[must_use]
pub fn host(service: &str, at: RunTime) -> String {
    format!("host/{service}/{}.om", stamp(at))
}

/// `logs/<service>/<n>-<name>.jsonl`: lines of the service's log file number `n`.
#[must_use]
pub fn log(service: &str, n: usize, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(100).collect();
    format!("logs/{service}/{n}-{name}.jsonl")
}

/// `profiles/<service>/<kind>/<moment>.pb.gz`: a snapshot profile.
#[must_use]
pub fn snapshot(service: &str, kind: &str, at: RunTime) -> String {
    format!("profiles/{service}/{kind}/{}.pb.gz", stamp(at))
}

/// `profiles/<service>/in-flight.jsonl`: how many requests were in flight when each goroutine snapshot began.
#[must_use]
pub fn in_flight(service: &str) -> String {
    format!("profiles/{service}/in-flight.jsonl")
}

/// Looks at the sockets between generator and target on this machine, JSON lines.
pub const UNREAD: &str = "load/unread.jsonl";

/// `profiles/<service>/<kind>/<from>-<to>.pb.gz`: a profile of a window.
#[must_use]
pub fn windowed(service: &str, kind: &str, window: Window) -> String {
    format!("profiles/{service}/{kind}/{}-{}.pb.gz", stamp(window.from), stamp(window.to))
}

/// `captures/<service>/<what>-<moment>.<ext>`: evidence taken on a trigger.
#[must_use]
pub fn capture(service: &str, what: &str, at: RunTime, ext: &str) -> String {
    format!("captures/{service}/{what}-{}.{ext}", stamp(at))
}

/// `otlp/<signal>.jsonl`: what services sent, one `Export*ServiceRequest` a line in OTLP's JSON.
#[must_use]
pub fn otlp(signal: &str) -> String {
    format!("otlp/{signal}.jsonl")
}

/// Moment or window of a file name made by this module; none for other names.
#[must_use]
pub fn parse_stamp(file_name: &str) -> Option<Window> {
    let stem = file_name.split('.').next()?;
    let mut parts = stem.splitn(2, '-').map(|p| p.parse::<u64>().ok().map(RunTime::from_nanos));
    let from = parts.next()??;
    let to = match parts.next() {
        Some(to) => to?,
        None => from,
    };
    Some(Window::new(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_read_back_and_sort_by_time() {
        let window = Window::new(RunTime::from_nanos(5), RunTime::from_nanos(1_000_000_000_000));
        let path = windowed("shop", "cpu", window);
        assert_eq!(path, "profiles/shop/cpu/000000000000005-001000000000000.pb.gz");
        assert_eq!(parse_stamp(path.rsplit('/').next().expect("a name")), Some(window));
        assert_eq!(parse_stamp("000000000000007.om").map(|w| w.to.as_nanos()), Some(7));
        assert_eq!(parse_stamp("notes.txt"), None);
    }
}
