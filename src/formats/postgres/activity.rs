//! What the samples of `pg_stat_activity` say: which statements are at work, what they wait for, who blocks
//! whom. The mean number of backends in a state divided by the throughput is time per request (Little's law).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::lines::{Activity, Backend};
use crate::time::{RunTime, Window};

/// Trace ids that are named of a statement, or of each side of a blocking.
const MAX_TRACES: usize = 8;
/// Longest chain of blockers that is followed.
const MAX_CHAIN: usize = 32;

/// A statement in the samples: by the server's id where there is one, else by the fingerprint of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementKey {
    /// The server's id.
    pub query_id: Option<i64>,
    /// Fingerprint of the text; 0 if there is an id.
    pub hash: u64,
}

impl StatementKey {
    fn of(backend: &Backend) -> Self {
        // An id of 0 stands for "none" in some versions.
        let query_id = backend.query_id.filter(|id| *id != 0);
        Self { query_id, hash: if query_id.is_some() { 0 } else { backend.hash } }
    }
}

/// How much of the samples a statement fills.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementWaits {
    /// Which.
    pub key: StatementKey,
    /// Normalised text.
    pub query: String,
    /// How often a backend was seen executing it.
    pub seen: u64,
    /// The same by what it waited for (`Lock/transactionid`, `IO/DataFileRead`); `CPU` if for nothing. The most
    /// first.
    pub waits: Vec<(String, u64)>,
    /// Traces that it was seen in, a few of them, those seen most often first; empty if its comments name none.
    pub traces: Vec<String>,
}

/// What a window's samples say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityShares {
    /// Samples.
    pub samples: u64,
    /// Active client backends in all samples together.
    pub active: u64,
    /// By statement, the most first.
    pub statements: Vec<StatementWaits>,
}

impl ActivityShares {
    /// Mean number of backends that execute a statement: its `seen` per sample.
    #[must_use]
    pub fn mean_active(&self, of: &StatementWaits) -> f64 {
        if self.samples == 0 { 0.0 } else { of.seen as f64 / self.samples as f64 }
    }
}

/// One statement that others wait for.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocking {
    /// Text of the statement that waits.
    pub waiter: String,
    /// Text of the statement at the root of the chain: its last one, if its transaction is idle.
    pub blocker: String,
    /// State of the root, e.g. `idle in transaction`.
    pub state: String,
    /// Name that the root's client gave itself.
    pub app: String,
    /// Sightings of one waiter behind one root.
    pub seen: u64,
    /// Greatest age of the root's transaction, nanoseconds.
    pub oldest_nanos: u64,
    /// Process ids of roots, a few.
    pub pids: Vec<i32>,
    /// Traces that waited, a few.
    pub waiting: Vec<String>,
    /// Traces that held what they waited for, a few: of each root's last statement.
    pub holding: Vec<String>,
}

/// A backend at work for a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Moment of the sample.
    pub at: RunTime,
    /// Its process id.
    pub pid: i32,
    /// `active`, `idle in transaction`, ..
    pub state: String,
    /// Normalised text.
    pub query: String,
    /// What it waits for, as in [`StatementWaits::waits`].
    pub wait: String,
}

/// Texts by statement: each is written once per file, so all lines of the file are needed.
fn texts(lines: &[Activity]) -> HashMap<u64, &str> {
    let backends = lines.iter().flat_map(|l| &l.backends);
    backends.filter_map(|b| Some((b.hash, b.query.as_deref()?))).collect()
}

fn within(lines: &[Activity], window: Window) -> impl Iterator<Item = &Activity> {
    lines.iter().filter(move |l| l.t >= window.from && l.t < window.to)
}

fn is_client(backend: &Backend) -> bool {
    backend.kind == "client backend"
}

/// What active client backends did within a window. `lines` is the whole file.
#[must_use]
pub fn shares(lines: &[Activity], window: Window) -> ActivityShares {
    let texts = texts(lines);
    let mut found = ActivityShares::default();
    let mut by_key: BTreeMap<StatementKey, Seen> = BTreeMap::new();
    for line in within(lines, window) {
        found.samples += 1;
        for backend in line.backends.iter().filter(|b| is_client(b) && b.state == "active") {
            found.active += 1;
            let entry = by_key.entry(StatementKey::of(backend)).or_default();
            entry.times += 1;
            entry.hash = backend.hash;
            *entry.waits.entry(wait_of(backend)).or_default() += 1;
            if let Some(trace) = &backend.trace_id {
                *entry.traces.entry(trace.clone()).or_default() += 1;
            }
        }
    }
    let statement = |(key, seen): (_, Seen)| {
        let query = texts.get(&seen.hash).copied().unwrap_or_default().to_owned();
        let traces = most_first(seen.traces).into_iter().map(|(trace, _)| trace).take(MAX_TRACES).collect();
        StatementWaits { key, query, seen: seen.times, waits: most_first(seen.waits), traces }
    };
    found.statements = by_key.into_iter().map(statement).collect();
    found.statements.sort_by(|a, b| b.seen.cmp(&a.seen).then(a.key.cmp(&b.key)));
    found
}

/// What was seen of a statement.
#[derive(Default)]
struct Seen {
    times: u64,
    hash: u64,
    waits: BTreeMap<String, u64>,
    traces: BTreeMap<String, u64>,
}

fn most_first(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

/// Where a trace was met, in order of time. `lines` is the whole file.
#[must_use]
pub fn sightings(lines: &[Activity], trace_id: &str) -> Vec<Sighting> {
    let texts = texts(lines);
    let mut found = Vec::new();
    for line in lines {
        for backend in line.backends.iter().filter(|b| b.trace_id.as_deref() == Some(trace_id)) {
            found.push(Sighting {
                at: line.t,
                pid: backend.pid,
                state: backend.state.clone(),
                query: texts.get(&backend.hash).copied().unwrap_or_default().to_owned(),
                wait: wait_of(backend),
            });
        }
    }
    found
}

fn wait_of(backend: &Backend) -> String {
    match (&backend.wait_type, &backend.wait) {
        (Some(kind), Some(wait)) => format!("{kind}/{wait}"),
        (Some(kind), None) => kind.clone(),
        (None, _) => "CPU".into(),
    }
}

/// Who kept whom waiting within a window, the most sightings first. Blockers are told by the root of their
/// chain: those who only stand ahead in the queue wait themselves. `lines` is the whole file.
#[must_use]
pub fn blocking(lines: &[Activity], window: Window) -> Vec<Blocking> {
    let texts = texts(lines);
    let text = |b: &Backend| texts.get(&b.hash).copied().unwrap_or_default().to_owned();
    let mut pairs: BTreeMap<(String, String, String, String), Blocking> = BTreeMap::new();
    for line in within(lines, window) {
        let by_pid: HashMap<i32, &Backend> = line.backends.iter().map(|b| (b.pid, b)).collect();
        for waiter in line.backends.iter().filter(|b| b.blocked_by.as_ref().is_some_and(|p| !p.is_empty())) {
            for root in roots(waiter, &by_pid) {
                let seen = by_pid.get(&root);
                // Gone meanwhile, or a prepared transaction (0).
                let unseen = if root == 0 { "prepared transaction" } else { "not seen" };
                let state = seen.map_or(unseen.to_owned(), |b| b.state.clone());
                let app = seen.map_or(String::new(), |b| b.app.clone());
                let blocker = seen.map_or(String::new(), |b| text(b));
                let key = (text(waiter), blocker.clone(), state.clone(), app.clone());
                let pair = pairs.entry(key).or_insert_with(|| Blocking {
                    waiter: text(waiter),
                    blocker,
                    state,
                    app,
                    seen: 0,
                    oldest_nanos: 0,
                    pids: Vec::new(),
                    waiting: Vec::new(),
                    holding: Vec::new(),
                });
                pair.seen += 1;
                let age = seen.and_then(|b| b.xact_nanos).and_then(|n| u64::try_from(n).ok());
                pair.oldest_nanos = pair.oldest_nanos.max(age.unwrap_or(0));
                if !pair.pids.contains(&root) && pair.pids.len() < 8 {
                    pair.pids.push(root);
                }
                note(&mut pair.waiting, waiter.trace_id.as_ref());
                note(&mut pair.holding, seen.and_then(|b| b.trace_id.as_ref()));
            }
        }
    }
    let mut found: Vec<Blocking> = pairs.into_values().collect();
    found.sort_by_key(|pair| std::cmp::Reverse(pair.seen));
    found
}

fn note(traces: &mut Vec<String>, trace: Option<&String>) {
    let new = trace.filter(|trace| traces.len() < MAX_TRACES && !traces.contains(trace));
    traces.extend(new.cloned());
}

/// Ends of the chains that begin at a waiter; a circle (a deadlock not noticed yet) has none.
fn roots(waiter: &Backend, by_pid: &HashMap<i32, &Backend>) -> Vec<i32> {
    let (mut roots, mut met) = (Vec::new(), HashSet::from([waiter.pid]));
    let mut open: Vec<i32> = waiter.blocked_by.clone().unwrap_or_default();
    while let Some(pid) = open.pop() {
        if !met.insert(pid) || met.len() > MAX_CHAIN {
            continue;
        }
        match by_pid.get(&pid).and_then(|b| b.blocked_by.as_ref()).filter(|p| !p.is_empty()) {
            Some(further) => open.extend(further),
            None => roots.push(pid),
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    fn backend(pid: i32, hash: u64, state: &str, wait: Option<(&str, &str)>) -> Backend {
        Backend {
            pid,
            hash,
            state: state.into(),
            wait_type: wait.map(|w| w.0.into()),
            wait: wait.map(|w| w.1.into()),
            kind: "client backend".into(),
            query: Some(format!("SELECT a{hash}")),
            xact_nanos: Some(pid.into()),
            ..Backend::default()
        }
    }

    #[test]
    fn samples_become_shares_and_chains_end_at_their_root() {
        let lock = Some(("Lock", "transactionid"));
        let mut first = backend(2, 20, "active", lock);
        first.blocked_by = Some(vec![1]);
        let mut second = backend(3, 20, "active", lock);
        second.blocked_by = Some(vec![2, 1]);
        let holder = backend(1, 10, "idle in transaction", Some(("Client", "ClientRead")));
        let busy = backend(4, 30, "active", None);
        let backends = vec![first, second, holder, busy];
        let lines = [
            Activity { t: RunTime::from_nanos(5), backends, ..Activity::default() },
            Activity { t: RunTime::from_nanos(50), ..Activity::default() },
        ];
        let window = Window::new(RunTime::ZERO, RunTime::from_nanos(50));
        let found = shares(&lines, window);
        assert_eq!((found.samples, found.active, found.statements[0].seen), (1, 3, 2));
        assert_eq!(found.statements[0].waits, [("Lock/transactionid".to_owned(), 2)]);
        assert_eq!(found.statements[1].waits, [("CPU".to_owned(), 1)]);
        assert!((found.mean_active(&found.statements[0]) - 2.0).abs() < 1e-9);
        let pairs = blocking(&lines, window);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        assert_eq!((pairs[0].seen, pairs[0].blocker.as_str()), (2, "SELECT a10"));
        assert_eq!((pairs[0].state.as_str(), pairs[0].oldest_nanos), ("idle in transaction", 1));
    }

    #[test]
    fn statements_waiters_and_blockers_are_named_by_their_traces() {
        let traced = |pid, hash, state, trace: &str| Backend {
            trace_id: Some(trace.into()),
            ..backend(pid, hash, state, None)
        };
        let waits = |pid, trace| Backend { blocked_by: Some(vec![1]), ..traced(pid, 20, "active", trace) };
        let at =
            |nanos, backends| Activity { t: RunTime::from_nanos(nanos), backends, ..Activity::default() };
        let holder = || traced(1, 10, "idle in transaction", "aa");
        let lines = [
            at(5, vec![holder(), waits(2, "bb")]),
            at(6, vec![holder(), waits(2, "bb"), waits(3, "cc"), backend(4, 20, "active", None)]),
        ];
        let window = Window::new(RunTime::ZERO, RunTime::from_nanos(50));
        assert_eq!(shares(&lines, window).statements[0].traces, ["bb", "cc"]);
        let pairs = blocking(&lines, window);
        assert_eq!((pairs.len(), pairs[0].seen), (1, 3));
        assert_eq!(
            (&*pairs[0].waiting, &*pairs[0].holding),
            (&["bb".into(), "cc".into()][..], &["aa".into()][..])
        );
        let met = sightings(&lines, "bb");
        let places: Vec<_> = met.iter().map(|s| (s.at.as_nanos(), s.pid, s.query.as_str())).collect();
        assert_eq!(places, [(5, 2, "SELECT a20"), (6, 2, "SELECT a20")]);
        assert_eq!(sightings(&lines, "dd"), []);
        let many: Vec<_> = (0..20).map(|n| traced(n, 30, "active", &format!("{n:02}"))).collect();
        assert_eq!(shares(&[at(7, many)], window).statements[0].traces.len(), MAX_TRACES);
    }
}
