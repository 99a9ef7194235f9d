//! `[[evidence.postgres]]` and `[[evidence.redis]]`.

use super::super::scalar::{Checked, Placed, Span};
use super::super::{Address, EvidenceKind, EvidenceSource, Location, wire};
use super::Check;

/// A source, or none where it is wrong, and its place.
type Found = (Option<EvidenceSource>, Span);

/// What both kinds have.
struct Common {
    service: Option<Checked<String>>,
    address: Option<Checked<String>>,
    ca: Option<Checked<String>>,
}

impl Check<'_, '_> {
    /// All databases.
    pub(super) fn databases(
        &mut self,
        postgres: Option<Vec<Placed<wire::Postgres>>>,
        redis: Option<Vec<Placed<wire::Redis>>>,
    ) -> Vec<Found> {
        let mut sources = Vec::new();
        for (wire, span) in postgres.into_iter().flatten().map(Placed::into_parts) {
            let kind = EvidenceKind::Postgres {
                snapshots_per_second: self.snapshots(wire.snapshots_per_second),
                plans: self.findings.take_or(wire.plans, true),
            };
            let common = Common { service: wire.service, address: wire.dsn, ca: wire.ca };
            sources.push((self.database(common, kind, &span), span));
        }
        for (wire, span) in redis.into_iter().flatten().map(Placed::into_parts) {
            let kind = EvidenceKind::Redis { snapshots: self.findings.take_or(wire.snapshots, false) };
            let common = Common { service: wire.service, address: wire.url, ca: wire.ca };
            sources.push((self.database(common, kind, &span), span));
        }
        sources
    }

    fn database(&mut self, wire: Common, kind: EvidenceKind, span: &Span) -> Option<EvidenceSource> {
        let postgres = matches!(kind, EvidenceKind::Postgres { .. });
        let (key, example) = if postgres {
            ("dsn", "dsn = \"${PG_DSN}\"")
        } else {
            ("url", "url = \"redis://127.0.0.1:6379\"")
        };
        self.require(wire.service.is_some(), span, "service", "service = \"orders-db\"");
        self.require(wire.address.is_some(), span, key, example);
        let service = self.service(wire.service);
        let address = wire.address.and_then(|address| self.address(address, postgres));
        let ca = self.file(wire.ca).map(|(path, _)| path);
        let location = Location::Database(address?);
        Some(EvidenceSource { service: service?, kind, location, headers: Vec::new(), ca })
    }

    /// The rest of an address is understood by those who connect.
    fn address(&mut self, address: Checked<String>, postgres: bool) -> Option<Address> {
        let (text, span) = self.findings.take(Some(address))?;
        let begins = |schemes: &[&str]| schemes.iter().any(|s| text.starts_with(s));
        let problem = if self.is_unfilled(&text) || self.is_masked(&text) {
            None
        } else if postgres && !begins(&["postgres://", "postgresql://"]) && !text.contains("host=") {
            Some(
                "is no address of PostgreSQL: write postgres://user:${PASSWORD}@host:5432/database, or host=.. \
                 user=.. dbname=..",
            )
        } else if !postgres && !begins(&["redis://", "rediss://"]) {
            Some("is no address of Redis: write redis://host:6379, or rediss://host:6379 for TLS")
        } else {
            None
        };
        match problem {
            Some(problem) => self.findings.value(&span, problem),
            None => return Some(Address::new(text)),
        }
        None
    }
}
