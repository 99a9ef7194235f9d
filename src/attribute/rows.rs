//! Rows of the breakdown: exclusive states that add up to the response time.
//!
//! Waiting comes from the snapshots by Little's law, `x_c = N_c / X`. A snapshot cannot tell running from
//! runnable, and its own turn on a CPU makes it miss goroutines that run meanwhile; so time on a CPU comes
//! from the CPU profile, and what the snapshots show beyond it, or would without their turn, is waiting for a CPU.

use std::collections::BTreeMap;

use super::measure::Measured;
use super::processors::displaced;
use super::side::{ServiceSide, Side, is_request_work};
use super::snapshots::RoleKey;
use super::stack;
use super::stacks::plain;
use crate::analysis::State;
use crate::run::period::Phase;

/// What a row is told apart by: state and function of the application.
pub(super) type RowKey = (State, String);

/// Rows of one side, nanoseconds per request.
pub(super) type Rows = BTreeMap<RowKey, Measured>;

/// All rows of a side: the client's phases and the states seen in the service that serves the requests of `judged`.
pub(super) fn rows(side: &Side, judged: &Side) -> Rows {
    let mut rows = client_rows(side);
    if let Some(service) = judged.serving().and_then(|s| side.named(&s.name)) {
        rows.extend(service_rows(service, side.client.throughput()));
    }
    rows
}

/// Adds the waits of `other` that no snapshot of this side met: they may have been there for less than a snapshot's share, and
/// their absence is no more certain than that.
pub(super) fn add_unmet(rows: &mut Rows, side: &Side, other: &Rows) {
    let Some(service) = side.entry().filter(|s| s.snapshots.len() > 0) else { return };
    let once = 1e9 / (service.snapshots.len() as f64 * side.client.throughput().max(1e-9));
    for key in other.keys().filter(|(state, _)| is_wait(*state)) {
        rows.entry(key.clone()).or_insert(Measured::new(0.0, once));
    }
}

/// What only snapshots tell.
const fn is_wait(state: State) -> bool {
    use State::{
        ClientConnect, ClientQueue, ClientTransfer, Cpu, GarbageCollection, Handler, RunQueue, Unread,
    };
    !matches!(
        state,
        ClientConnect | ClientQueue | ClientTransfer | Cpu | GarbageCollection | Handler | RunQueue | Unread
    )
}

fn client_rows(side: &Side) -> Rows {
    let sum =
        |phases: &[Phase]| phases.iter().fold(Measured::default(), |sum, &p| sum.plus(side.client.phase(p)));
    // Little's law once more: sockets with unread bytes.
    let each = 1e9 / side.client.throughput().max(1e-9);
    let client = [
        (State::ClientQueue, sum(&[Phase::Queue])),
        (State::ClientConnect, sum(&[Phase::Dns, Phase::Connect, Phase::Tls])),
        (State::ClientTransfer, sum(&[Phase::Send, Phase::Receive])),
        (State::Unread, side.client.unread.mean().times(each)),
    ];
    client.into_iter().map(|(state, m)| ((state, String::new()), m)).collect()
}

/// States of the requests in one service; `throughput` is that of the whole target.
pub(super) fn service_rows(service: &ServiceSide, throughput: f64) -> Rows {
    if throughput <= 0.0 {
        return Rows::new();
    }
    let mut rows = waiting_rows(service, throughput);
    let cpu = cpu_rows(service, throughput, is_request_work);
    if service.snapshots.len() == 0 {
        rows.extend(contention_rows(service, throughput));
        rows.extend(in_handlers(service, &rows, &cpu));
    } else if !cpu.is_empty() {
        // Seen running or runnable, less what truly ran.
        let ran = cpu.values().fold(Measured::default(), |sum, m| sum.plus(*m));
        let seen = take_cpu(&mut rows).plus(displaced(service, ran, throughput));
        let in_calls = take_computing(&mut rows, service, throughput);
        let waited = seen.minus(ran.minus(in_calls));
        if waited.value > 0.0 {
            rows.insert((State::RunQueue, String::new()), waited);
        }
    }
    for (key, m) in cpu {
        let row = rows.entry(key).or_default();
        *row = row.plus(m);
    }
    rows
}

fn waiting_rows(service: &ServiceSide, throughput: f64) -> Rows {
    let mut rows = Rows::new();
    let keys: std::collections::BTreeSet<RowKey> = service
        .snapshots
        .keys()
        .filter(|k| k.role == RoleKey::Request)
        .map(|k| (k.state, k.owner.to_string()))
        .collect();
    for key in keys {
        let count =
            service.snapshots.mean(|k| k.role == RoleKey::Request && k.state == key.0 && *k.owner == *key.1);
        rows.insert(key, count.times(1e9 / throughput));
    }
    rows
}

fn take_cpu(rows: &mut Rows) -> Measured {
    let mut sum = Measured::default();
    rows.retain(|(state, _), m| {
        let on_cpu = *state == State::Cpu;
        if on_cpu {
            sum = sum.plus(*m);
        }
        !on_cpu
    });
    sum
}

/// Takes what system calls compute from the rows of those that wait in them: a snapshot cannot tell one from the other.
fn take_computing(rows: &mut Rows, service: &ServiceSide, throughput: f64) -> Measured {
    let inside = |stack: &[&str]| is_request_work(stack) && stack::read(stack).state == State::Syscall;
    let mut sum = Measured::default();
    for ((_, owner), ran) in cpu_rows(service, throughput, inside) {
        if let Some(row) = rows.get_mut(&(State::Syscall, owner)) {
            sum = sum.plus(Measured::new(ran.value.min(row.value), ran.error));
            let waited = row.minus(ran);
            *row = Measured::new(waited.value.max(0.0), waited.error);
        }
    }
    sum
}

/// CPU per request of the stacks that `keep` accepts, by function of the application. The error is that of
/// a Poisson count.
pub(super) fn cpu_rows(service: &ServiceSide, throughput: f64, keep: impl Fn(&[&str]) -> bool) -> Rows {
    let mut nanos: BTreeMap<RowKey, f64> = BTreeMap::new();
    let Some(cpu) = &service.cpu else { return Rows::new() };
    for (stack, value) in cpu.totals.iter() {
        let names = plain(stack);
        if keep(&names) {
            let state = if is_assist(&names) { State::GarbageCollection } else { State::Cpu };
            *nanos.entry((state, stack::read(&names).owner.to_owned())).or_default() += value as f64;
        }
    }
    let per_request = 1.0 / (cpu.stands_for() * throughput);
    let tick = sample_nanos(service);
    nanos
        .into_iter()
        .map(|(key, ns)| (key, Measured::new(ns, (ns * tick).sqrt()).times(per_request)))
        .collect()
}

/// CPU nanoseconds that one sample stands for.
pub(super) fn sample_nanos(service: &ServiceSide) -> f64 {
    service.cpu.as_ref().map_or(0.0, |c| c.totals.sum(|_| true) as f64 / c.samples.max(1) as f64)
}

/// Whether a request helps the collector.
pub(super) fn is_assist(stack: &[&str]) -> bool {
    stack.iter().any(|f| f.starts_with("runtime.gcAssistAlloc"))
}

/// What the service counts of its requests beyond their waits for locks and its CPU time, though some of that was in no handler.
fn in_handlers(service: &ServiceSide, locks: &Rows, cpu: &Rows) -> Option<(RowKey, Measured)> {
    let served = service.served.as_ref()?;
    let known = locks.values().chain(cpu.values()).fold(Measured::default(), |sum, m| sum.plus(*m));
    let rest = served.each.minus(known);
    Some(((State::Handler, served.name.clone()), Measured::new(rest.value.max(0.0), rest.error)))
}

/// Lock waits from the contention profile, for services without snapshots. They are charged to the holder,
/// whose stack the profile gives; every wait counts, in a request or not.
fn contention_rows(service: &ServiceSide, throughput: f64) -> Rows {
    let mut rows = Rows::new();
    let Some(mutex) = &service.mutex else { return rows };
    let per_request = 1.0 / (mutex.secs * throughput);
    let mean = mutex.totals.sum(|_| true) as f64 / mutex.samples.max(1) as f64;
    for (stack, delay) in mutex.totals.iter().filter(|(_, d)| *d > 0) {
        let names = plain(stack);
        let delay = delay as f64;
        let row = rows.entry((State::Lock, stack::read(&names).owner.to_owned())).or_default();
        *row = row.plus(Measured::new(delay, (delay * mean).sqrt()).times(per_request));
    }
    rows
}
