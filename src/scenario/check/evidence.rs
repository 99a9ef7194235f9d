//! `[[evidence.*]]`: where evidence is recorded from.

use std::time::Duration;

use super::super::scalar::{Checked, Placed, Span};
use super::super::units::{Number, Time};
use super::super::{EvidenceKind, EvidenceSource, Location, wire};
use super::Check;

/// Snapshots per second unless the scenario says otherwise: 20 Hz already took 2 to 6 % of a saturated
/// service's throughput.
const SNAPSHOTS: f64 = 10.0;
/// Length of a CPU profile window unless the scenario says otherwise.
const CPU_WINDOW: Duration = Duration::from_secs(5);

/// What all kinds of evidence have.
pub(super) struct Common {
    pub(super) service: Option<Checked<String>>,
    pub(super) url: Option<Checked<String>>,
    pub(super) headers: Option<wire::Headers>,
    pub(super) ca: Option<Checked<String>>,
}

impl Check<'_, '_> {
    /// All sources, in the order of the file.
    pub(super) fn evidence(&mut self, wire: Option<wire::Evidence>) -> Vec<EvidenceSource> {
        let Some(wire) = wire else { return Vec::new() };
        let mut sources = Vec::new();
        for (wire, span) in wire.go_pprof.into_iter().flatten().map(Placed::into_parts) {
            let kind = EvidenceKind::GoPprof {
                snapshots_per_second: self.snapshots(wire.snapshots_per_second),
                cpu_window: self.cpu_window(wire.cpu_window),
                captures: self.findings.take_or(wire.captures, true),
                profiles: self.profiles(wire.profiles),
            };
            let common = Common { service: wire.service, url: wire.url, headers: wire.headers, ca: wire.ca };
            sources.push((self.source(common, kind, &span), span));
        }
        for (wire, span) in wire.pprof.into_iter().flatten().map(Placed::into_parts) {
            let kind = EvidenceKind::Pprof { cpu_window: self.cpu_window(wire.cpu_window) };
            let common = Common { service: wire.service, url: wire.url, headers: wire.headers, ca: wire.ca };
            sources.push((self.source(common, kind, &span), span));
        }
        for (wire, span) in wire.prometheus.into_iter().flatten().map(Placed::into_parts) {
            let common = Common { service: wire.service, url: wire.url, headers: wire.headers, ca: wire.ca };
            sources.push((self.source(common, EvidenceKind::Prometheus, &span), span));
        }
        sources.extend(self.metrics(wire.expvar, wire.promql));
        for (wire, span) in wire.process.into_iter().flatten().map(Placed::into_parts) {
            sources.push((self.process(wire, &span), span));
        }
        for (wire, span) in wire.logs.into_iter().flatten().map(Placed::into_parts) {
            sources.push((self.logs(wire, &span), span));
        }
        for (wire, span) in wire.otlp.into_iter().flatten().map(Placed::into_parts) {
            sources.push((self.otlp(wire), span));
        }
        sources.extend(self.databases(wire.postgres, wire.redis));
        sources.sort_by_key(|(_, span)| span.start);
        self.each_once(&sources);
        sources.into_iter().filter_map(|(source, _)| source).collect()
    }

    /// Two sources of one kind and service would write the same files.
    fn each_once(&mut self, sources: &[(Option<EvidenceSource>, Span)]) {
        let mut seen = std::collections::HashSet::new();
        for (source, span) in sources {
            let Some(source) = source else { continue };
            if seen.insert((source.kind.name(), source.service.clone())) {
                continue;
            }
            if matches!(source.kind, EvidenceKind::Otlp { .. }) {
                self.findings.place(span, "one receiver takes what all services send: remove the others");
            } else {
                self.findings.place(
                    span,
                    format_args!(
                        "{} of service {:?} is there already: give it another service name",
                        source.kind.name(),
                        source.service
                    ),
                );
            }
        }
    }

    pub(super) fn source(&mut self, wire: Common, kind: EvidenceKind, span: &Span) -> Option<EvidenceSource> {
        if wire.service.is_none() {
            self.no_service(span);
        }
        if wire.url.is_none() {
            self.findings.place(
                span,
                "`url` is missing: write an address, or a path on the target such as url = \"/metrics\"",
            );
        }
        let service = self.service(wire.service);
        let location = wire.url.and_then(|url| self.location(url));
        let headers = self.headers(wire.headers);
        let ca = self.file(wire.ca).map(|(path, _)| path);
        Some(EvidenceSource { service: service?, kind, location: location?, headers, ca })
    }

    pub(super) fn no_service(&mut self, span: &Span) {
        self.findings
            .place(span, "`service` is missing: write the name of the service, e.g. service = \"shop\"");
    }

    /// A name that is also a folder of the run: letters, digits, dots, dashes, underscores.
    pub(super) fn service(&mut self, service: Option<Checked<String>>) -> Option<String> {
        let (service, span) = self.name(service)?;
        let plain = super::metrics::is_folder(&service);
        let own = service == crate::scenario::GENERATOR_SERVICE;
        if plain && !own {
            return Some(service);
        }
        let why = if own { "is the generator's own name" } else { "is also a folder's name" };
        self.findings.value(&span, format_args!("{why}: use other letters, digits, dashes and underscores"));
        None
    }

    fn location(&mut self, url: Checked<String>) -> Option<Location> {
        match &url.value {
            Ok(path) if path.starts_with('/') && !path.starts_with("//") => {
                let path = path.trim_end_matches('/');
                Some(Location::OnTarget(if path.is_empty() { "/".into() } else { path.to_owned() }))
            }
            _ => self.url(url).map(|(url, _)| Location::Url(url)),
        }
    }

    pub(super) fn snapshots(&mut self, number: Option<Checked<Number>>) -> f64 {
        self.number_in(number, |v| (0.1..=100.0).contains(&v), "from 0.1 to 100 a second")
            .unwrap_or(SNAPSHOTS)
    }

    /// Profile endpoints take whole seconds; Go records 30 s when asked for half a one.
    fn cpu_window(&mut self, time: Option<Checked<Time>>) -> Duration {
        let Some((time, span)) = self.findings.take(time) else { return CPU_WINDOW };
        if time.0.subsec_nanos() == 0 && (1..=60).contains(&time.0.as_secs()) {
            return time.0;
        }
        self.findings
            .value(&span, "must be whole seconds from 1s to 60s: profile endpoints take no fractions");
        CPU_WINDOW
    }
}
