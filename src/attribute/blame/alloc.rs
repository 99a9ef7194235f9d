//! Allocation: zeroing, assisting and collecting, charged to the site that allocates.

use std::collections::BTreeMap;

use super::{CPU_PROFILE, Candidate, Case, HEAP_PROFILE, cpu, evidence, profiles};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, State};
use crate::attribute::measure::Measured;
use crate::attribute::names;
use crate::attribute::side::{Sampled, ServiceSide};
use crate::attribute::stacks::plain;

/// Share of the added CPU that memory management must be for allocation to be the cause.
pub(super) const DECISIVE: f64 = 0.5;

/// A candidate with the share of the added CPU that is memory management.
#[derive(Debug)]
pub(super) struct Allocation {
    pub candidate: Candidate,
    pub share: f64,
}

pub(super) fn candidate(case: &Case) -> Option<Allocation> {
    let service = case.entry()?;
    let managed = |s: &ServiceSide| s.cpu_rate(|stack| stack.iter().any(|f| names::is_memory_management(f)));
    let now = managed(service) / case.throughput();
    let before = case.entry_before().map_or(0.0, |s| managed(s) / case.throughput_before().max(1e-9));
    let added = now - before;
    let total = cpu::total_growth(case);
    if added <= case.floor || total <= 0.0 {
        return None;
    }
    let share = added / total;
    let (at, bytes, bytes_before) = site(case)?;
    let waits = case
        .change_of(State::GarbageCollection)
        .plus(case.change_of(State::RunQueue).plus(case.change_of(State::Unread)).times(share.min(1.0)));
    let says = format!(
        "{at} allocates {} per request, {} in the reference",
        quantity::bytes(bytes),
        quantity::bytes(bytes_before)
    );
    let candidate = Candidate {
        kind: CauseKind::Allocation,
        doing: String::new(),
        service: service.name.clone(),
        explains: Measured::new(added, added * 0.1).plus(waits),
        mechanism: format!(
            "{at} allocates {} per request; zeroing and collecting it takes {} of CPU per request (before: {})",
            quantity::bytes(bytes),
            quantity::duration(now),
            quantity::duration(before)
        ),
        remedy: format!("use the memory again in {at} (sync.Pool, a buffer per worker), or allocate less"),
        evidence: vec![
            evidence(HEAP_PROFILE, says, profiles(&service.name, "heap")),
            evidence(
                CPU_PROFILE,
                format!("memory management is {:.0} % of the added CPU", 100.0 * share.min(1.0)),
                profiles(&service.name, "cpu"),
            ),
        ],
        at,
        owned: true,
    };
    Some(Allocation { candidate, share })
}

/// Site with the largest growth of allocated bytes per request: name, bytes now, bytes before.
fn site(case: &Case) -> Option<(String, f64, f64)> {
    let now = by_site(case.entry()?.heap.as_ref()?, case.throughput());
    let before = case
        .entry_before()
        .and_then(|s| s.heap.as_ref())
        .map(|h| by_site(h, case.throughput_before()))
        .unwrap_or_default();
    now.into_iter()
        .map(|(at, bytes)| {
            let was = before.get(&at).copied().unwrap_or(0.0);
            (at, bytes, was)
        })
        .max_by(|a, b| (a.1 - a.2).total_cmp(&(b.1 - b.2)))
        .filter(|(_, bytes, was)| bytes > was)
}

/// Allocated bytes per request by innermost function of the application.
fn by_site(heap: &Sampled, throughput: f64) -> BTreeMap<String, f64> {
    let mut sites: BTreeMap<String, f64> = BTreeMap::new();
    for (stack, bytes) in heap.totals.iter().filter(|(_, b)| *b > 0) {
        let names = plain(stack);
        if let Some(owner) = names.iter().find(|f| names::is_application(f)) {
            *sites.entry(names::enclosing(owner).to_owned()).or_default() +=
                bytes as f64 / (heap.secs * throughput.max(1e-9));
        }
    }
    sites
}
