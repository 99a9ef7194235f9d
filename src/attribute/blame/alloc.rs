//! Allocation: zeroing, assisting and collecting, charged to the site that allocates.

use std::collections::BTreeMap;

use super::{CPU_PROFILE, Candidate, Case, HEAP_PROFILE, cpu, evidence, profiles};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, State};
use crate::attribute::measure::Measured;
use crate::attribute::side::{Sampled, ServiceSide, is_request_work};
use crate::attribute::stacks::plain;
use crate::attribute::{names, rows};

/// Share of the added CPU that memory management must be for allocation to be the cause.
pub(super) const DECISIVE: f64 = 0.5;

/// A candidate with the share of the added CPU that is memory management.
#[derive(Debug)]
pub(super) struct Allocation {
    pub candidate: Candidate,
    pub share: f64,
    /// Whether the application allocates there itself; else a library that it calls does, and calling it is
    /// the better name for the cause.
    pub direct: bool,
    pub garbage: Garbage,
}

/// What the garbage of a site costs beyond the CPU of who makes it.
#[derive(Clone, Debug)]
pub(super) struct Garbage {
    pub at: String,
    /// Added CPU of the collector's own goroutines, nanoseconds per request.
    pub collector: f64,
    /// What requests wait longer for the collector, or help it, for the site's part of the added bytes.
    pub waits: Measured,
}

pub(super) fn candidate(case: &Case, queue: Measured) -> Option<Allocation> {
    let service = case.entry()?;
    let managed = |s: &ServiceSide| s.cpu_rate(|stack| stack.iter().any(|f| names::is_memory_management(f)));
    let now = managed(service) / case.throughput();
    let before = case.entry_before().map_or(0.0, |s| managed(s) / case.throughput_before().max(1e-9));
    let growth = Measured::new(now - before, cpu::error_of_growth(case, now, before)?);
    let added = growth.value;
    let total = cpu::total_growth(case);
    if !cpu::is_more_work(case, added) || growth.low() <= 0.0 || total <= 0.0 {
        return None;
    }
    let share = added / total;
    let (at, site, bytes_before, part) = site(case)?;
    let bytes = site.bytes;
    let collector =
        cpu::growth_of(case, |stack| stack.last().is_some_and(|f| names::is_memory_management(f)));
    let collected = case.change_of(State::GarbageCollection);
    // Requests that help the collector are on a CPU meanwhile: that is in both.
    let helped = cpu::growth_of(case, |stack| rows::is_assist(stack) && is_request_work(stack));
    let waits = collected.minus(Measured::new(helped, 0.0)).plus(queue.times(share.min(1.0)));
    let says = format!(
        "{at} allocates {} per request, {} in the reference",
        quantity::bytes(bytes),
        bytes_before.map_or("not known".into(), quantity::bytes)
    );
    let mut candidate = Candidate {
        kind: CauseKind::Allocation,
        doing: String::new(),
        service: service.name.clone(),
        // The collector works beside the requests: it costs them the CPU they then wait for.
        explains: growth.minus(Measured::new(collector, 0.0)).plus(waits),
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
        unsure: cpu::is_unsure(case, added),
        more_calls: false,
    };
    if let Some(kept) = kept(case, service, &candidate.at, bytes) {
        leaks(&mut candidate, service, kept);
    }
    if candidate.explains.value <= case.floor {
        return None;
    }
    let waits = collected.times(part);
    let garbage = Garbage { at: candidate.at.clone(), collector: collector.max(0.0), waits };
    Some(Allocation { candidate, share, direct: site.direct >= 0.5 * bytes, garbage })
}

/// Part of what a site allocates that must still be in use at the end for it to be kept on purpose or by mistake.
const KEPT: f64 = 0.5;
/// Growth over the window that is worth a word.
const LEAST_KEPT: f64 = 16.0 * 1024.0 * 1024.0;

/// What a site keeps of what it allocates in the judged window, in bytes per second.
fn kept(case: &Case, service: &ServiceSide, at: &str, allocated: f64) -> Option<f64> {
    let heap = service.kept.as_ref()?;
    let of_site = by_site(heap, case.throughput()).get(at)?.bytes;
    let all = of_site * case.throughput() * heap.secs;
    let before = case.entry_before().and_then(|s| s.kept.as_ref());
    let before =
        before.and_then(|h| Some(by_site(h, case.throughput_before()).get(at)?.bytes)).unwrap_or(0.0);
    let grown = of_site >= MORE_BYTES * before.max(0.0);
    (grown && of_site >= KEPT * allocated && all >= LEAST_KEPT).then_some(all / heap.secs)
}

/// Caches fill up and end; what grows in proportion to the requests does not.
fn leaks(candidate: &mut Candidate, service: &ServiceSide, per_second: f64) {
    let says = format!(
        "what {} allocates stays in use: {} more each second",
        candidate.at,
        quantity::bytes(per_second)
    );
    candidate.kind = CauseKind::MemoryLeak;
    candidate.mechanism.push_str(&format!("; {says}, so that each collection has more to look at"));
    candidate.remedy = format!("let go of what {} keeps, or bound it; see who refers to it", candidate.at);
    candidate.evidence.push(evidence("heap in use", says, profiles(&service.name, "heap")));
}

/// Bytes that a site allocates per request.
#[derive(Clone, Copy, Debug, Default)]
struct Site {
    bytes: f64,
    /// Those that no library stands between.
    direct: f64,
}

/// How many times as much a site must allocate: collecting may cost more for other reasons.
const MORE_BYTES: f64 = 1.25;

/// Site with the largest growth of allocated bytes per request: name, bytes now, bytes before if they are known, and its part
/// of what all sites together grew by.
fn site(case: &Case) -> Option<(String, Site, Option<f64>, f64)> {
    let now = by_site(case.entry()?.heap.as_ref()?, case.throughput());
    let before =
        case.entry_before().and_then(|s| s.heap.as_ref()).map(|h| by_site(h, case.throughput_before()));
    let was = |at: &str| before.as_ref().map(|b| b.get(at).map_or(0.0, |s| s.bytes));
    let grown = |site: &(String, Site, Option<f64>)| site.1.bytes - site.2.unwrap_or(0.0);
    let bytes = |of: &BTreeMap<String, Site>| of.values().map(|s| s.bytes).sum::<f64>();
    let all = bytes(&now) - before.as_ref().map_or(0.0, bytes);
    now.into_iter()
        .map(|(at, site)| {
            let was = was(&at);
            (at, site, was)
        })
        .max_by(|a, b| grown(a).total_cmp(&grown(b)))
        .filter(|(_, site, was)| site.bytes > MORE_BYTES * was.unwrap_or(0.0))
        .map(|site| {
            // Others may allocate less than before.
            let part = grown(&site) / all.max(grown(&site)).max(1.0);
            (site.0, site.1, site.2, part)
        })
}

/// Allocated bytes per request by innermost function of the application.
fn by_site(heap: &Sampled, throughput: f64) -> BTreeMap<String, Site> {
    let mut sites: BTreeMap<String, Site> = BTreeMap::new();
    for (stack, bytes) in heap.totals.iter().filter(|(_, b)| *b > 0) {
        let names = plain(stack);
        // The allocator itself may be on the stack.
        let place = names.iter().position(|f| !f.starts_with("runtime.")).unwrap_or(0);
        if let Some(owner) = names.iter().find(|f| names::is_application(f)) {
            let site = sites.entry(names::enclosing(owner).to_owned()).or_default();
            let bytes = bytes as f64 / (heap.secs * throughput.max(1e-9));
            site.bytes += bytes;
            site.direct += if names::is_application(names[place]) { bytes } else { 0.0 };
        }
    }
    sites
}
