//! `[[evidence.process]]` and `[[evidence.logs]]`.

use super::super::scalar::{Checked, Span};
use super::super::{EvidenceKind, EvidenceSource, Location, TargetProcess, wire};
use super::Check;

/// Log files of one service at the most.
const MAX_FILES: usize = 20;

impl Check<'_, '_> {
    pub(super) fn process(&mut self, wire: wire::Process, span: &Span) -> Option<EvidenceSource> {
        let service = self.on_host(wire.service, span);
        let pid = self.count_in(wire.pid, 1, 1 << 22).map(|n| TargetProcess::Pid(n as u32));
        let port = self.count_in(wire.port, 1, 65_535).map(|n| TargetProcess::Port(n as u16));
        let unit = self.name(wire.unit).map(|(name, _)| TargetProcess::Unit(name));
        let mut named = [pid, port, unit].into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(process), None) => Some(on_host(service?, EvidenceKind::Process(process))),
            _ => {
                self.findings.place(
                    span,
                    "write one of `pid`, `port` and `unit` to say which process it is, e.g. port = 8080",
                );
                None
            }
        }
    }

    pub(super) fn logs(&mut self, wire: wire::Logs, span: &Span) -> Option<EvidenceSource> {
        let service = self.on_host(wire.service, span);
        let written = wire.files.map(|files| files.0).unwrap_or_default();
        if written.is_empty() || written.len() > MAX_FILES {
            let remedy = "write the paths of the service's log files (at most 20), e.g. files = [\"/var/log/shop.log\"]";
            self.findings.place(span, remedy);
            return None;
        }
        // They need not be there yet: a service may make them when it first writes.
        let files: Vec<_> = written.into_iter().filter_map(|path| self.findings.take(Some(path))).collect();
        let files = files.into_iter().map(|(path, _)| self.around.base_dir.join(path)).collect();
        Some(on_host(service?, EvidenceKind::Logs { files }))
    }

    fn on_host(&mut self, service: Option<Checked<String>>, span: &Span) -> Option<String> {
        if service.is_none() {
            self.no_service(span);
        }
        self.service(service)
    }
}

fn on_host(service: String, kind: EvidenceKind) -> EvidenceSource {
    EvidenceSource { service, kind, location: Location::OnHost, headers: Vec::new(), ca: None }
}
