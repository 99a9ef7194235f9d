//! From the evidence sources of a scenario to the collectors that record them.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::http::{Fetcher, SetupError};
use super::recorder::Endpoint;
use super::{Collector, go_pprof, logs, otlp, postgres, pprof, process, prometheus, promql, redis};
use crate::run::manifest::SourceFacts;
use crate::scenario::{Address, EvidenceKind, EvidenceSource, Location, Scenario};

/// Why an evidence source cannot be recorded at all.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The path does not fit on the target's address.
    #[error("evidence {name}: `{path}` cannot be joined to the target's address: {problem}")]
    Url {
        /// `service/kind`.
        name: String,
        /// The path as written.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing is fetched for it.
    #[error("evidence {name}: has no URL, it is looked at on this machine")]
    NoUrl {
        /// `service/kind`.
        name: String,
    },
    /// Only HTTP is spoken here.
    #[error("evidence {name}: the URL begins with `{scheme}:`, but only http and https are spoken")]
    Scheme {
        /// `service/kind`.
        name: String,
        /// The scheme.
        scheme: String,
    },
    /// Headers or certificate authority.
    #[error("evidence {name}: {problem}")]
    Setup {
        /// `service/kind`.
        name: String,
        /// What is wrong, and the remedy.
        problem: SetupError,
    },
}

/// Key of a source in the manifest: `service/kind`.
#[must_use]
pub(super) fn key(source: &EvidenceSource) -> String {
    format!("{}/{}", source.service, source.kind.name())
}

/// URL of a source; `base` is the target's address.
///
/// # Errors
/// If the path does not join, or the scheme is neither http nor https.
pub fn resolve(source: &EvidenceSource, base: &Url) -> Result<Url, CollectError> {
    let url = match &source.location {
        Location::Database(_) => {
            return Err(CollectError::Scheme { name: key(source), scheme: source.kind.name().into() });
        }
        Location::Url(url) => url.clone(),
        Location::OnTarget(path) => base.join(path).map_err(|e| CollectError::Url {
            name: key(source),
            path: path.clone(),
            problem: e.to_string(),
        })?,
        Location::OnHost => return Err(CollectError::NoUrl { name: key(source) }),
    };
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(CollectError::Scheme { name: key(source), scheme: other.into() }),
    }
}

/// A source made ready to be asked.
pub(super) fn endpoint(source: &EvidenceSource, base: &Url) -> Result<Endpoint, CollectError> {
    let url = resolve(source, base)?;
    let mut headers = source.headers.clone();
    let asks = |(name, _): &(String, String)| name.eq_ignore_ascii_case("accept");
    if matches!(source.kind, EvidenceKind::Prometheus) && !headers.iter().any(asks) {
        headers.push(("accept".into(), prometheus::ACCEPT.into()));
    }
    let fetcher = Fetcher::new(&url, &headers, source.ca.as_deref())
        .map_err(|problem| CollectError::Setup { name: key(source), problem })?;
    Ok(Endpoint { service: source.service.clone(), url, fetcher })
}

/// The collectors of a scenario.
///
/// `base` is the target's address, `facts` what preflight found (keyed `service/kind`; what it did not look
/// at is recorded), `planned` the planned end of the load on the run clock.
///
/// # Errors
/// If a source's URL, headers or certificate authority cannot be used.
pub fn collectors_for(
    scenario: &Scenario,
    base: &Url,
    facts: &BTreeMap<String, SourceFacts>,
    planned: Duration,
) -> Result<Vec<Box<dyn Collector>>, CollectError> {
    let mut all: Vec<Box<dyn Collector>> = Vec::new();
    for (index, source) in scenario.evidence.iter().enumerate() {
        if let Some(collector) = not_fetched(source, scenario.detect.period) {
            all.push(collector);
            continue;
        }
        if let Location::Database(address) = &source.location {
            all.extend(databases(source, address, scenario, index)?);
            continue;
        }
        let endpoint = endpoint(source, base)?;
        let known = facts.get(&key(source)).filter(|f| f.reachable);
        let on = |kind: &str| known.is_none_or(|f| f.gives.iter().any(|g| g == kind));
        match &source.kind {
            EvidenceKind::GoPprof { snapshots_per_second, cpu_window, captures, profiles } => {
                let settings = go_pprof::Settings {
                    snapshots_per_second: *snapshots_per_second,
                    cpu_window: *cpu_window,
                    captures: *captures,
                    planned,
                    // Two sources must not be asked in step with each other either.
                    seed: scenario.load.seed.wrapping_add(index as u64),
                };
                all.extend(go_pprof::collectors(&endpoint, settings, profiles, on));
            }
            EvidenceKind::Pprof { cpu_window } => {
                // Few services have it: only if it was seen.
                let mutex = known.is_some() && on("mutex");
                all.extend(pprof::collectors(&endpoint, *cpu_window, mutex, planned));
            }
            EvidenceKind::Prometheus => {
                let (period, page) = (scenario.detect.period, prometheus::Page::Scrape);
                all.push(Box::new(prometheus::Scrapes { endpoint, period, page }));
            }
            EvidenceKind::Expvar => {
                let (period, page) = (scenario.detect.period, prometheus::Page::Expvar);
                all.push(Box::new(prometheus::Scrapes { endpoint, period, page }));
            }
            EvidenceKind::Promql { queries, settle } => {
                let (queries, period) = (queries.clone(), scenario.detect.period);
                all.push(Box::new(promql::RangeQueries { endpoint, queries, period, settle: *settle }));
            }
            EvidenceKind::Process(_)
            | EvidenceKind::Logs { .. }
            | EvidenceKind::Otlp { .. }
            | EvidenceKind::Postgres { .. }
            | EvidenceKind::Redis { .. } => {}
        }
    }
    Ok(all)
}

/// The collector of a source that is not fetched: it is looked at on this machine, or sends by itself.
fn not_fetched(source: &EvidenceSource, period: Duration) -> Option<Box<dyn Collector>> {
    let service = source.service.clone();
    match &source.kind {
        EvidenceKind::Process(which) => {
            Some(Box::new(process::ProcessLooks { service, which: which.clone(), period }))
        }
        EvidenceKind::Otlp { grpc, http, budget, linger } => {
            Some(Box::new(otlp::Receiver { grpc: *grpc, http: *http, budget: *budget, linger: *linger }))
        }
        EvidenceKind::Logs { files } => Some(Box::new(logs::LogFiles { service, files: files.clone() })),
        EvidenceKind::GoPprof { .. }
        | EvidenceKind::Pprof { .. }
        | EvidenceKind::Prometheus
        | EvidenceKind::Expvar
        | EvidenceKind::Promql { .. }
        | EvidenceKind::Postgres { .. }
        | EvidenceKind::Redis { .. } => None,
    }
}

/// The collectors of one source that is no HTTP.
fn databases(
    source: &EvidenceSource,
    address: &Address,
    scenario: &Scenario,
    index: usize,
) -> Result<Vec<Box<dyn Collector>>, CollectError> {
    let (service, address, ca) = (&source.service, address.expose(), source.ca.as_deref());
    let period = scenario.detect.period;
    let made = match source.kind {
        EvidenceKind::Postgres { snapshots_per_second, plans } => {
            let seed = scenario.load.seed.wrapping_add(index as u64);
            let settings = postgres::Settings { snapshots_per_second, plans, period, seed };
            postgres::collectors(service, address, ca, settings)
        }
        EvidenceKind::Redis { snapshots } => {
            redis::collectors(service, address, ca, redis::Settings { period, snapshots })
        }
        _ => Ok(Vec::new()),
    };
    made.map_err(|problem| CollectError::Setup { name: key(source), problem })
}
