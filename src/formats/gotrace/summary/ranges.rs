//! Ranges, tasks, regions and the log.

use std::collections::HashMap;

use super::super::{Event, Id, Range};
use super::{Goroutine, Interval, LogLine, MAX_INTERVALS, MAX_LOG, MAX_ROWS, Name, Region, Total};

/// A range that has begun.
#[derive(Clone, Copy, Debug)]
struct Open {
    begin_nanos: u64,
    kind: Name,
}

/// What is open, and what has ended.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    gc_open: Option<u64>,
    stw_open: HashMap<Option<Id>, Open>,
    sweep_open: HashMap<Option<Id>, u64>,
    assist_open: HashMap<Id, u64>,
    tasks_open: HashMap<Id, Open>,
    regions_open: HashMap<Id, Vec<Open>>,
    open_regions: usize,
    pub(super) gc: Vec<Interval>,
    pub(super) gc_total: Total,
    pub(super) stw: Vec<Interval>,
    stw_totals: HashMap<Name, Total>,
    pub(super) sweep: Total,
    tasks: HashMap<(Name, Name), Total>,
    regions: HashMap<(Name, Name), Total>,
    pub(super) log: Vec<LogLine>,
}

impl Ranges {
    /// A range begins, or began at `nanos` before it was seen. One that is open already goes on: every
    /// generation says which are.
    pub(super) fn begin(&mut self, range: Range, owner: Option<Id>, kind: Name, nanos: u64) {
        match range {
            Range::Gc => _ = self.gc_open.get_or_insert(nanos),
            Range::Sweep => open(&mut self.sweep_open, owner, nanos),
            Range::StopTheWorld => open(&mut self.stw_open, owner, Open { begin_nanos: nanos, kind }),
            Range::MarkAssist => {
                if let Some(id) = owner {
                    open(&mut self.assist_open, id, nanos);
                }
            }
        }
    }

    /// A range ends; of a mark assist the goroutine is told how long it was.
    pub(super) fn end(&mut self, range: Range, owner: Option<Id>, nanos: u64) -> Option<u64> {
        match range {
            Range::Gc => self.end_gc(nanos),
            Range::Sweep => {
                let begin = self.sweep_open.remove(&owner)?;
                self.sweep.add(nanos.saturating_sub(begin));
            }
            Range::StopTheWorld => {
                let open = self.stw_open.remove(&owner)?;
                self.end_stw(open, owner, nanos);
            }
            Range::MarkAssist => {
                return self.assist_open.remove(&owner?).map(|begin| nanos.saturating_sub(begin));
            }
        }
        None
    }

    fn end_gc(&mut self, nanos: u64) {
        let Some(begin_nanos) = self.gc_open.take() else { return };
        self.gc_total.add(nanos.saturating_sub(begin_nanos));
        if self.gc.len() < MAX_INTERVALS {
            self.gc.push(Interval { begin_nanos, end_nanos: nanos, kind: Name::default(), goroutine: None });
        }
    }

    fn end_stw(&mut self, open: Open, goroutine: Option<Id>, nanos: u64) {
        let Open { begin_nanos, kind } = open;
        self.stw_totals.entry(kind).or_default().add(nanos.saturating_sub(begin_nanos));
        if self.stw.len() < MAX_INTERVALS {
            self.stw.push(Interval { begin_nanos, end_nanos: nanos, kind, goroutine });
        }
    }

    pub(super) fn begin_task(&mut self, id: Id, name: Name, nanos: u64) {
        open(&mut self.tasks_open, id, Open { begin_nanos: nanos, kind: name });
    }

    /// Ends may come twice or lack a begin: those say nothing.
    pub(super) fn end_task(&mut self, id: Id, nanos: u64) {
        if let Some(open) = self.tasks_open.remove(&id) {
            let length = nanos.saturating_sub(open.begin_nanos);
            add(&mut self.tasks, (Name::default(), open.kind), length);
        }
    }

    pub(super) fn begin_region(&mut self, goroutine: Option<Id>, name: Name, nanos: u64) {
        let Some(id) = goroutine.filter(|_| self.open_regions < MAX_ROWS) else { return };
        self.open_regions += 1;
        self.regions_open.entry(id).or_default().push(Open { begin_nanos: nanos, kind: name });
    }

    /// Ends the innermost region of the goroutine, if it has this name.
    pub(super) fn end_region(&mut self, goroutine: Option<Id>, function: Name, name: Name, nanos: u64) {
        let Some(open) = goroutine.and_then(|id| self.regions_open.get_mut(&id)) else { return };
        let Some(region) = open.pop_if(|o| o.kind == name) else { return };
        self.open_regions -= 1;
        add(&mut self.regions, (function, name), nanos.saturating_sub(region.begin_nanos));
    }

    pub(super) fn log(&mut self, event: &Event, task: Id, key: Name, value: Name) {
        if self.log.len() < MAX_LOG {
            self.log.push(LogLine { nanos: event.nanos, goroutine: event.goroutine, task, key, value });
        }
    }

    /// A goroutine is gone, and with it what it left open.
    pub(super) fn forget(&mut self, goroutine: Id) {
        self.assist_open.remove(&goroutine);
        if let Some(open) = self.regions_open.remove(&goroutine) {
            self.open_regions -= open.len();
        }
    }

    /// Ends at the trace's end what matters to others: the collector, the stopped world, mark assists.
    pub(super) fn finish(
        &mut self,
        nanos: u64,
        goroutines: &mut [Goroutine],
        owner: impl Fn(Id) -> Option<u32>,
    ) {
        self.end_gc(nanos);
        for (goroutine, open) in std::mem::take(&mut self.stw_open) {
            self.end_stw(open, goroutine, nanos);
        }
        for (id, begin) in std::mem::take(&mut self.assist_open) {
            if let Some(goroutine) = owner(id).and_then(|index| goroutines.get_mut(index as usize)) {
                goroutine.mark_assist.add(nanos.saturating_sub(begin));
            }
        }
        self.stw.sort_unstable_by_key(|i| (i.begin_nanos, i.goroutine));
    }

    pub(super) fn take_stw_totals(&mut self) -> Vec<(Name, Total)> {
        let mut totals: Vec<_> = std::mem::take(&mut self.stw_totals).into_iter().collect();
        totals.sort_unstable_by_key(|(kind, _)| *kind);
        totals
    }

    pub(super) fn take_tasks(&mut self) -> Vec<Region> {
        sorted(std::mem::take(&mut self.tasks))
    }

    pub(super) fn take_regions(&mut self) -> Vec<Region> {
        sorted(std::mem::take(&mut self.regions))
    }
}

/// Opens something that is not open yet, if there is room.
fn open<K: Eq + std::hash::Hash, V>(table: &mut HashMap<K, V>, key: K, value: V) {
    if table.len() < MAX_ROWS {
        table.entry(key).or_insert(value);
    }
}

fn add(table: &mut HashMap<(Name, Name), Total>, key: (Name, Name), nanos: u64) {
    if table.len() < MAX_ROWS || table.contains_key(&key) {
        table.entry(key).or_default().add(nanos);
    }
}

fn sorted(table: HashMap<(Name, Name), Total>) -> Vec<Region> {
    let mut regions: Vec<_> =
        table.into_iter().map(|((function, name), total)| Region { function, name, total }).collect();
    regions.sort_unstable_by_key(|r| (r.function, r.name));
    regions
}
