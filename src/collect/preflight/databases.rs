//! Preflight of PostgreSQL and Redis.

mod postgres;
mod redis;

use super::{BUDGET, SourceCheck};
use crate::collect::sources::key;
use crate::run::manifest::SourceFacts;
use crate::scenario::{Address, EvidenceKind, EvidenceSource};

/// Asks one database what it gives, within the time of every check.
pub(super) async fn check(source: &EvidenceSource, address: &Address) -> SourceCheck {
    let mut check = SourceCheck {
        service: source.service.clone(),
        kind: source.kind.name(),
        url: key(source),
        facts: SourceFacts::default(),
        notes: Vec::new(),
    };
    let asked = tokio::time::timeout(BUDGET, ask(source, address, &mut check)).await;
    match asked {
        Ok(Ok(())) => check.facts.reachable = true,
        Ok(Err(problem)) => check.facts.problem = Some(problem),
        Err(_) => {
            check.facts.problem = Some(format!(
                "no whole answer within {:.0} s: see whether the server is overloaded",
                BUDGET.as_secs_f64()
            ))
        }
    }
    check
}

async fn ask(source: &EvidenceSource, address: &Address, check: &mut SourceCheck) -> Result<(), String> {
    match source.kind {
        EvidenceKind::Postgres { snapshots_per_second, plans } => {
            postgres::ask(source, address, (snapshots_per_second, plans), check).await
        }
        EvidenceKind::Redis { snapshots } => redis::ask(source, address, snapshots, check).await,
        _ => Ok(()),
    }
}
