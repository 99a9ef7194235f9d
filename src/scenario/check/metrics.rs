//! `[[evidence.expvar]]`, `[[evidence.promql]]`, and the profiles of `[[evidence.go-pprof]]`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::scalar::{Checked, Placed, Span};
use super::super::{EvidenceKind, EvidenceSource, ProfileName, PromqlQuery, QueryUnit, wire};
use super::Check;
use super::evidence::Common;

/// Queries of one server at the most: each is an evaluation every ten seconds.
const MAX_QUERIES: usize = 50;
/// Profiles of one service at the most.
const MAX_PROFILES: usize = 20;
/// Longest expression in bytes.
const MAX_QUERY: usize = 4096;
/// Longest name of a query.
const MAX_NAME: usize = 100;
/// Three scrapes at the shortest interval that is common.
const SETTLE: Duration = Duration::from_secs(5);
/// Collectors that have not ended ten seconds after the load are given up.
const LONGEST_SETTLE: Duration = Duration::from_secs(8);

/// A source, or none where it is wrong, and its place.
type Found = (Option<EvidenceSource>, Span);

/// Metrics of the usual exporters. Named as they are, so that the analysis knows them; counters as they come, since
/// a rate over a range would smear what the load did.
const USUAL: [(&str, QueryUnit); 4] = [
    ("process_cpu_seconds_total", QueryUnit::Seconds),
    ("process_resident_memory_bytes", QueryUnit::Bytes),
    ("process_open_fds", QueryUnit::Count),
    ("go_goroutines", QueryUnit::Count),
];

/// Whether a name can be a folder of the run.
pub(super) fn is_folder(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl Check<'_, '_> {
    pub(super) fn metrics(
        &mut self,
        expvar: Option<Vec<Placed<wire::Expvar>>>,
        promql: Option<Vec<Placed<wire::Promql>>>,
    ) -> Vec<Found> {
        let mut sources = Vec::new();
        for (wire, span) in expvar.into_iter().flatten().map(Placed::into_parts) {
            let common = Common { service: wire.service, url: wire.url, headers: wire.headers, ca: wire.ca };
            sources.push((self.source(common, EvidenceKind::Expvar, &span), span));
        }
        for (wire, span) in promql.into_iter().flatten().map(Placed::into_parts) {
            sources.push((self.promql(wire, &span), span));
        }
        sources
    }

    fn promql(&mut self, wire: wire::Promql, span: &Span) -> Option<EvidenceSource> {
        let settle = self.time_in(wire.settle, Duration::ZERO..=LONGEST_SETTLE).unwrap_or(SETTLE);
        let written = wire.queries.map(|queries| self.queries(queries, span));
        let common = Common { service: wire.service, url: wire.url, headers: wire.headers, ca: wire.ca };
        let kind = EvidenceKind::Promql { queries: Vec::new(), settle };
        let mut source = self.source(common, kind, span)?;
        let queries = written.unwrap_or_else(|| usual(&source.service));
        source.kind = EvidenceKind::Promql { queries, settle };
        Some(source)
    }

    fn queries(&mut self, written: Vec<Placed<wire::Query>>, span: &Span) -> Vec<PromqlQuery> {
        if written.is_empty() || written.len() > MAX_QUERIES {
            let remedy = "write 1 to 50 `queries`, e.g. queries = [{ name = \"up\", query = \"up\" }], or remove the \
                          key for the usual ones";
            self.findings.place(span, remedy);
            return Vec::new();
        }
        let mut names = BTreeSet::new();
        written.into_iter().filter_map(|query| self.query(query, &mut names)).collect()
    }

    fn query(&mut self, query: Placed<wire::Query>, names: &mut BTreeSet<String>) -> Option<PromqlQuery> {
        let (wire, span) = query.into_parts();
        self.require(wire.name.is_some(), &span, "name", "name = \"cpu\"");
        self.require(
            wire.query.is_some(),
            &span,
            "query",
            "query = \"sum(rate(process_cpu_seconds_total[30s]))\"",
        );
        let unit = self.one_of(wire.unit, &QueryUnit::ALL);
        let name = self.query_name(wire.name, names);
        let (query, at) = self.findings.take(wire.query)?;
        let query = query.trim().to_owned();
        if query.is_empty() || query.len() > MAX_QUERY {
            self.findings.value(&at, "must be an expression of PromQL of at most 4096 bytes, e.g. \"up\"");
            return None;
        }
        Some(PromqlQuery { name: name?, query, unit })
    }

    /// A name that is also a folder of the run.
    fn query_name(&mut self, name: Option<Checked<String>>, names: &mut BTreeSet<String>) -> Option<String> {
        let (name, span) = self.findings.take(name)?;
        if name.is_empty() || name.len() > MAX_NAME || !is_folder(&name) {
            self.findings
                .value(&span, "is also a folder's name: use letters, digits, dashes, dots and underscores");
            return None;
        }
        if !names.insert(name.clone()) {
            self.findings.value(&span, "is the name of another query too: give each its own");
            return None;
        }
        Some(name)
    }

    /// Profiles besides CPU and goroutines.
    pub(super) fn profiles(&mut self, written: Option<Vec<Checked<String>>>) -> Vec<ProfileName> {
        let Some(written) = written else { return ProfileName::usual() };
        let mut folders = BTreeSet::new();
        let mut names = Vec::new();
        for name in written {
            let Some((name, span)) = self.findings.take(Some(name)) else { continue };
            match ProfileName::new(&name) {
                None if ProfileName::TAKEN.contains(&name.as_str()) => self.findings.value(
                    &span,
                    "is no profile for this list: cpu and goroutine are recorded anyway, the others are none",
                ),
                None => self.findings.value(
                    &span,
                    "is no name of a profile: write it as the index at /debug/pprof/ shows it, with letters, digits, \
                     dots, dashes, underscores and slashes between them",
                ),
                Some(profile) if !folders.insert(profile.folder()) => self.findings.value(
                    &span,
                    "is there already, or has the folder of another (slashes become dashes): remove one",
                ),
                Some(_) if names.len() == MAX_PROFILES => {
                    self.findings.value(&span, "is one too many: at most 20 profiles are recorded");
                }
                Some(profile) => names.push(profile),
            }
        }
        names
    }
}

/// Queries of the job that is called like the service.
fn usual(service: &str) -> Vec<PromqlQuery> {
    let query = |(name, unit): (&str, QueryUnit)| PromqlQuery {
        name: name.to_owned(),
        query: format!("{name}{{job=\"{service}\"}}"),
        unit: Some(unit),
    };
    USUAL.map(query).to_vec()
}
