//! Rows that are added up, and never more of them than fit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::hash::Table;
use super::{CpuTotal, Edge, GoState, MAX_ROWS, MAX_WAITS, Name, Stack, StateTotal, Total, Wait};

impl Total {
    pub(super) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.nanos = self.nanos.saturating_add(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }

    pub(super) fn add_all(&mut self, other: Self) {
        self.count += other.count;
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.longest_nanos = self.longest_nanos.max(other.longest_nanos);
    }
}

/// What a row of states is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StateKey {
    pub(super) goroutine: u32,
    pub(super) state: GoState,
    pub(super) reason: Name,
    pub(super) stack: Stack,
}

#[derive(Clone, Copy, Debug, Default)]
struct StateRow {
    total: Total,
    profiled_count: u64,
    profiled_nanos: u64,
}

/// What an edge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EdgeKey {
    pub(super) waiter: Name,
    pub(super) waiter_stack: Stack,
    pub(super) reason: Name,
    pub(super) waker: Option<Name>,
    pub(super) waker_stack: Stack,
}

/// Orders waits by length; ties by number and begin, so that the choice does not depend on the heap.
type WaitOrder = Reverse<(u64, u64, u64)>;

/// All rows of a trace.
#[derive(Debug, Default)]
pub(super) struct Rows {
    states: Table<StateKey, StateRow>,
    edges: Table<EdgeKey, Total>,
    cpu: Table<(Option<u32>, Stack), u64>,
    waits: BinaryHeap<(WaitOrder, WaitRow)>,
    pub(super) omitted_nanos: u64,
}

/// A wait that the heap does not compare.
#[derive(Debug)]
struct WaitRow(Wait);

impl PartialEq for WaitRow {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for WaitRow {}
impl PartialOrd for WaitRow {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for WaitRow {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// The row of a key, or of the coarser one if there are too many already.
fn row<K: Copy + Eq + std::hash::Hash, V: Default>(
    rows: &mut Table<K, V>,
    key: K,
    coarser: K,
) -> Option<&mut V> {
    let room = rows.len() < MAX_ROWS;
    let key = if room || rows.contains_key(&key) { key } else { coarser };
    if room { Some(rows.entry(key).or_default()) } else { rows.get_mut(&key) }
}

impl Rows {
    /// Adds a stretch of a state; `profiled` is the part that profiles count.
    pub(super) fn state(&mut self, key: StateKey, nanos: u64, profiled: Option<u64>) {
        let coarser = StateKey { stack: Stack::default(), ..key };
        let Some(row) = row(&mut self.states, key, coarser) else {
            self.omitted_nanos = self.omitted_nanos.saturating_add(nanos);
            return;
        };
        row.total.add(nanos);
        if let Some(profiled) = profiled.filter(|&n| n > 0) {
            row.profiled_count += 1;
            row.profiled_nanos = row.profiled_nanos.saturating_add(profiled);
        }
    }

    pub(super) fn edge(&mut self, key: EdgeKey, nanos: u64) {
        let coarser = EdgeKey { waiter_stack: Stack::default(), waker_stack: Stack::default(), ..key };
        match row(&mut self.edges, key, coarser) {
            Some(total) => total.add(nanos),
            None => self.omitted_nanos = self.omitted_nanos.saturating_add(nanos),
        }
    }

    pub(super) fn cpu(&mut self, goroutine: Option<u32>, stack: Stack) {
        if let Some(samples) = row(&mut self.cpu, (goroutine, stack), (None, Stack::default())) {
            *samples += 1;
        }
    }

    /// Keeps the wait if it is among the longest.
    pub(super) fn wait(&mut self, wait: Wait) {
        let order = Reverse((wait.end_nanos - wait.begin_nanos, wait.waiter, wait.begin_nanos));
        if self.waits.len() < MAX_WAITS {
            self.waits.push((order, WaitRow(wait)));
        } else if let Some(mut shortest) = self.waits.peek_mut()
            && order < shortest.0
        {
            *shortest = (order, WaitRow(wait));
        }
    }

    pub(super) fn take_states(&mut self) -> Vec<StateTotal> {
        let mut rows: Vec<_> = std::mem::take(&mut self.states).into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let total = |(key, row): (StateKey, StateRow)| StateTotal {
            goroutine: key.goroutine,
            state: key.state,
            reason: key.reason,
            stack: key.stack,
            total: row.total,
            profiled_count: row.profiled_count,
            profiled_nanos: row.profiled_nanos,
        };
        rows.into_iter().map(total).collect()
    }

    pub(super) fn take_edges(&mut self) -> Vec<Edge> {
        let mut rows: Vec<_> = std::mem::take(&mut self.edges).into_iter().collect();
        rows.sort_unstable_by_key(|(key, total)| (Reverse(total.nanos), *key));
        let edge = |(key, total): (EdgeKey, Total)| Edge {
            waiter: key.waiter,
            waiter_stack: key.waiter_stack,
            reason: key.reason,
            waker: key.waker,
            waker_stack: key.waker_stack,
            total,
        };
        rows.into_iter().map(edge).collect()
    }

    pub(super) fn take_waits(&mut self) -> Vec<Wait> {
        std::mem::take(&mut self.waits).into_sorted_vec().into_iter().map(|(_, row)| row.0).collect()
    }

    pub(super) fn take_cpu(&mut self) -> Vec<CpuTotal> {
        let mut rows: Vec<_> = std::mem::take(&mut self.cpu)
            .into_iter()
            .map(|((goroutine, stack), samples)| CpuTotal { goroutine, stack, samples })
            .collect();
        rows.sort_unstable_by_key(|r| (Reverse(r.samples), r.goroutine, r.stack));
        rows
    }
}
