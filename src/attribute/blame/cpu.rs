//! Work on a CPU: which function of the application costs more per request, and what it calls.
//!
//! Whoever burns the CPU also makes others wait for it, so growth of the run queue is handed to the
//! functions in proportion to what they added.

use std::collections::BTreeMap;

use super::alloc::Garbage;
use super::{CPU_PROFILE, Candidate, Case, evidence, profiles};
use crate::analysis::quantity;
use crate::analysis::{CauseKind, Evidence, ReadingKind};
use crate::attribute::measure::Measured;
use crate::attribute::rows::{is_assist, sample_nanos};
use crate::attribute::side::{Sampled, ServiceSide};
use crate::attribute::stacks::plain;
use crate::attribute::{names, stack};

/// CPU of one function, nanoseconds per request.
#[derive(Clone, Debug, Default)]
pub(in crate::attribute) struct Function {
    pub flat: f64,
    pub cum: f64,
    /// Mean place on its stacks, counted from the root: callees are deeper than callers.
    depth: f64,
}

/// CPU of each function per request, over the stacks that `keep` accepts.
pub(in crate::attribute) fn functions(
    service: &ServiceSide,
    throughput: f64,
    keep: impl Fn(&[&str]) -> bool,
) -> BTreeMap<String, Function> {
    let mut all: BTreeMap<String, Function> = BTreeMap::new();
    let Some(cpu) = service.cpu.as_ref().filter(|_| throughput > 0.0) else { return all };
    let per_request = 1.0 / (cpu.stands_for() * throughput);
    for (stack, nanos) in cpu.totals.iter() {
        let names = plain(stack);
        if !keep(&names) {
            continue;
        }
        let cost = nanos as f64 * per_request;
        let mut seen: Vec<&str> = Vec::with_capacity(names.len());
        for (i, name) in names.iter().rev().enumerate() {
            let name = names::enclosing(name);
            if !seen.contains(&name) {
                seen.push(name);
                let f = all.entry(name.to_owned()).or_default();
                f.depth += cost * i as f64;
                f.cum += cost;
            }
        }
        if let Some(leaf) = names.first() {
            all.entry(names::enclosing(leaf).to_owned()).or_default().flat += cost;
        }
    }
    all.values_mut().filter(|f| f.cum > 0.0).for_each(|f| f.depth /= f.cum);
    all
}

/// Growth that a callee must have, as a share of the largest, to be named instead of its caller.
const MOST: f64 = 0.7;
/// Growth that each of two callees must have for both to be named instead of their common caller.
const EACH: f64 = 0.25;

/// CPU of functions per request on both sides.
struct Sides {
    now: BTreeMap<String, Function>,
    before: BTreeMap<String, Function>,
}

impl Sides {
    /// Over the stacks that `keep` accepts.
    fn of(case: &Case, keep: impl Fn(&[&str]) -> bool) -> Option<Self> {
        let of = |s: &ServiceSide, throughput: f64| functions(s, throughput, &keep);
        Some(Self {
            now: of(case.entry()?, case.throughput()),
            before: case.entry_before().map(|s| of(s, case.throughput_before())).unwrap_or_default(),
        })
    }

    fn growth(&self, name: &str) -> f64 {
        let cum = |of: &BTreeMap<String, Function>| of.get(name).map_or(0.0, |f| f.cum);
        cum(&self.now) - cum(&self.before)
    }

    /// The deepest function of the application that has most of the largest growth, among those that `keep` accepts.
    fn deepest(&self, keep: impl Fn(&str) -> bool) -> Option<String> {
        let mine: Vec<&String> =
            self.now.keys().filter(|name| names::is_application(name) && keep(name)).collect();
        let largest = mine.iter().map(|n| self.growth(n)).fold(0.0, f64::max);
        mine.into_iter()
            .filter(|n| self.growth(n) > 0.0 && self.growth(n) >= MOST * largest)
            .max_by(|a, b| self.now[*a].depth.total_cmp(&self.now[*b].depth))
            .cloned()
    }
}

/// The functions of the application that added most CPU per request: one, or two that only a dispatcher has in common.
/// `queue` is what waits for a CPU grew by, `garbage` that of the function that allocates most.
pub(super) fn candidates(case: &Case, queue: Measured, garbage: Option<&Garbage>) -> Vec<Candidate> {
    let Some(all) = Sides::of(case, is_work) else { return Vec::new() };
    let Some(first) = all.deepest(|_| true) else { return Vec::new() };
    let places = two_below(case, &all, &first).map_or_else(|| vec![first], Vec::from);
    places.into_iter().filter_map(|at| candidate(case, &all, at, queue, garbage)).collect()
}

/// Two functions of different packages below `top` that have most of its growth together.
fn two_below(case: &Case, all: &Sides, top: &str) -> Option<[String; 2]> {
    let whole = all.growth(top);
    let within = |stack: &[&str], name: &str| stack.iter().any(|f| names::enclosing(f) == name);
    let below = |sides: &Sides, name: &str| {
        let depth = |n: &str| sides.now.get(n).map_or(0.0, |f| f.depth);
        name != top && depth(name) > depth(top)
    };
    let inside = Sides::of(case, |stack| is_work(stack) && within(stack, top))?;
    let one = inside.deepest(|n| below(&inside, n))?;
    let beside = Sides::of(case, |stack| is_work(stack) && within(stack, top) && !within(stack, &one))?;
    let other = beside.deepest(|n| below(&beside, n))?;
    let grown = [inside.growth(&one), beside.growth(&other)];
    let apart = names::package(&one) != names::package(&other);
    let both = grown.iter().all(|g| *g >= EACH * whole) && grown.iter().sum::<f64>() >= MOST * whole;
    (apart && both).then_some([one, other])
}

fn candidate(
    case: &Case,
    all: &Sides,
    at: String,
    queue: Measured,
    garbage: Option<&Garbage>,
) -> Option<Candidate> {
    let service = case.entry()?;
    let added = all.growth(&at);
    if !is_more_work(case, added) {
        return None;
    }
    let (now, before) = (&all.now, &all.before);
    let before_cum = before.get(&at).map_or(0.0, |f| f.cum);
    let growth = Measured::new(added, error_of_growth(case, now[&at].cum, before_cum)?);
    if growth.low() <= 0.0 {
        return None;
    }
    let mine = garbage.filter(|g| g.at == at);
    // The collector works beside the requests: it costs them the CPU they then wait for.
    let explains = growth.plus(run_queue_share(case, queue, added + mine.map_or(0.0, |g| g.collector)));
    let explains = mine.map_or(explains, |g| explains.plus(beyond_work(case, g)));
    if explains.value <= case.floor {
        return None;
    }
    let doing = callee(case, &at).unwrap_or_default();
    Some(Candidate {
        kind: CauseKind::Cpu,
        mechanism: mechanism(case, queue, &at, &doing, (now[&at].cum, before_cum)),
        remedy: remedy(&at, &doing),
        evidence: proof(case, service, &at, now[&at].cum, before_cum),
        service: service.name.clone(),
        at,
        doing,
        explains,
        owned: true,
        unsure: is_unsure(case, added),
        more_calls: false,
    })
}

/// Growth of the CPU per request, as a part of all of it, below which healthy differs from healthy. On a full core even so
/// little may be to blame for a wait many times as long.
const MORE_WORK: f64 = 0.05;
/// Part of the cores beyond which a little more work makes a wait of any length.
const NEARLY_FULL: f64 = 0.7;

/// Whether added CPU is more than healthy seconds differ by.
pub(super) fn is_more_work(case: &Case, added: f64) -> bool {
    let before = per_request(case.entry_before(), case.throughput_before(), is_work);
    added > case.floor || added > MORE_WORK * before
}

/// Whether work that is little by itself is to blame only if the cores were nearly full, and nobody says that they were.
pub(super) fn is_unsure(case: &Case, added: f64) -> bool {
    added <= case.floor && !is_nearly_full(case)
}

/// Whether the machine's cores, or the quota, are known to be nearly full.
pub(super) fn is_nearly_full(case: &Case) -> bool {
    let service = case.service_name();
    let of = |what| case.reading(&service, what);
    let part = |used, all| Some(of(used)?.judged / of(all)?.judged.max(f64::MIN_POSITIVE));
    let full =
        [(ReadingKind::CoresBusy, ReadingKind::Cores), (ReadingKind::CoresUsed, ReadingKind::CpuQuota)];
    full.iter().any(|(used, all)| part(*used, *all).is_some_and(|p| p >= NEARLY_FULL))
}

/// What garbage costs requests beyond the CPU time below the function that makes it.
fn beyond_work(case: &Case, garbage: &Garbage) -> Measured {
    let below = |stack: &[&str]| stack.iter().any(|f| names::enclosing(f) == garbage.at);
    let helped = growth_of(case, |stack| is_assist(stack) && below(stack));
    let rest = garbage.waits.minus(Measured::new(helped, 0.0));
    if rest.value > 0.0 { rest } else { Measured::default() }
}

/// Part of the growth of the waits for a CPU that opening connections is to blame for, on goroutines of its own.
pub(super) fn opening(case: &Case, queue: Measured) -> Measured {
    // Connections that are accepted shake hands, too.
    let accepts = |f: &&str| f.starts_with("net/http.(*conn).serve") || f.ends_with(".serverHandshake");
    let other = |f: &&str| names::is_application(f) || accepts(f);
    let alone = |s: &[&str]| s.iter().any(|f| stack::is_dial(f)) && !s.iter().any(other);
    run_queue_share(case, queue, growth_of(case, alone).max(0.0))
}

/// Growth of the service's CPU per request on the stacks that `keep` accepts.
pub(super) fn growth_of(case: &Case, keep: impl Fn(&[&str]) -> bool) -> f64 {
    per_request(case.entry(), case.throughput(), &keep)
        - per_request(case.entry_before(), case.throughput_before(), &keep)
}

/// A service's CPU per request on the stacks that `keep` accepts.
fn per_request(service: Option<&ServiceSide>, throughput: f64, keep: impl Fn(&[&str]) -> bool) -> f64 {
    service.filter(|_| throughput > 0.0).map_or(0.0, |s| s.cpu_rate(keep) / throughput)
}

/// Requests and background alike burn the CPU; our own observation does not count.
pub(super) fn is_work(stack: &[&str]) -> bool {
    !stack.iter().any(|f| f.starts_with("net/http/pprof.") || f.starts_with("runtime/pprof."))
}

/// Standard error of the growth of a cost that was counted in samples on both sides.
pub(super) fn error_of_growth(case: &Case, now: f64, before: f64) -> Option<f64> {
    let now = sampling_error(case.entry()?, case.throughput(), now);
    let before = case.entry_before().map_or(0.0, |s| sampling_error(s, case.throughput_before(), before));
    Some(now.hypot(before))
}

/// Standard error of a cost that was counted in samples.
fn sampling_error(service: &ServiceSide, throughput: f64, cost: f64) -> f64 {
    let secs = service.cpu.as_ref().map_or(1.0, Sampled::stands_for);
    (cost.max(0.0) * sample_nanos(service) / (secs * throughput.max(1e-9))).sqrt()
}

/// Part of the growth of the run queue that `added` CPU is to blame for: its part of what the cores have more to do, more
/// requests included. A wait that depends on the whole demand is shared in proportion by Shapley's value, to second order
/// (`docs/decisions.md`).
fn run_queue_share(case: &Case, queue: Measured, added: f64) -> Measured {
    let total = total_growth(case).max(demand_growth(case));
    if queue.value <= 0.0 || total <= 0.0 {
        return Measured::default();
    }
    queue.times((added / total).clamp(0.0, 1.0))
}

/// Growth of the service's CPU per request, requests and background together.
pub(super) fn total_growth(case: &Case) -> f64 {
    growth_of(case, is_work)
}

/// Growth of the cores in use, for each of the requests of now.
fn demand_growth(case: &Case) -> f64 {
    let rate = |s: Option<&ServiceSide>| s.map_or(0.0, |s| s.cpu_rate(is_work));
    (rate(case.entry()) - rate(case.entry_before())) / case.throughput().max(1e-9)
}

/// The function that `at` calls for most of the added time; none if it spends it itself.
pub(super) fn callee(case: &Case, at: &str) -> Option<String> {
    let mut growth: BTreeMap<String, f64> = BTreeMap::new();
    let sides =
        [(case.entry(), case.throughput(), 1.0), (case.entry_before(), case.throughput_before(), -1.0)];
    let mut total = 0.0;
    for (service, throughput, sign) in sides {
        let Some(cpu) = service.and_then(|s| s.cpu.as_ref()).filter(|_| throughput > 0.0) else { continue };
        for (stack, nanos) in cpu.totals.iter() {
            let cost = sign * nanos as f64 / (cpu.stands_for() * throughput);
            let Some(place) = stack.iter().position(|f| names::enclosing(f) == at) else { continue };
            total += cost;
            if place > 0 {
                *growth.entry(names::enclosing(&stack[place - 1]).to_owned()).or_default() += cost;
            }
        }
    }
    let (name, most) = growth.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (most >= 0.4 * total && !name.starts_with("runtime.")).then_some(name)
}

fn mechanism(case: &Case, queue: Measured, at: &str, doing: &str, (now, before): (f64, f64)) -> String {
    let calls = if doing.is_empty() { String::new() } else { format!(", most of it in {doing}") };
    let was = if case.reference.is_some() {
        format!(" (before: {})", quantity::duration(before))
    } else {
        String::new()
    };
    let queue = run_queue_share(case, queue, now - before).value;
    let wait = if queue > case.floor {
        format!("; requests wait {} longer for a CPU because of it", quantity::duration(queue))
    } else {
        String::new()
    };
    format!("{at} takes {} of CPU per request{was}{calls}{wait}", quantity::duration(now))
}

fn remedy(at: &str, doing: &str) -> String {
    if doing.is_empty() {
        format!("make {at} cheaper, or call it less often")
    } else {
        format!("do not call {doing} on every request in {at}: keep its result, or make it cheaper")
    }
}

fn proof(case: &Case, service: &ServiceSide, at: &str, now: f64, before: f64) -> Vec<Evidence> {
    let mut all = vec![evidence(
        CPU_PROFILE,
        format!(
            "{at} is on {} of CPU per request, {} in the reference",
            quantity::duration(now),
            if case.reference.is_some() { quantity::duration(before) } else { "not known".into() }
        ),
        profiles(&service.name, "cpu"),
    )];
    let response = case.response_growth().value;
    if response > case.floor && now - before <= 1.5 * response {
        all.push(case.clock());
    }
    all
}
