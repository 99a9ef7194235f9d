//! What became of everything that came in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::formats::otlp::Signal;

/// Counts of one signal. "Items" are spans, log records or data points.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests that were read to their end.
    pub(super) requests: AtomicU64,
    /// Of these over gRPC.
    pub(super) grpc: AtomicU64,
    /// Items in requests that were understood.
    pub(super) received: AtomicU64,
    /// Items in the file.
    pub(super) written: AtomicU64,
    /// Bytes in the file.
    pub(super) bytes: AtomicU64,
    /// Items refused for good, because the budget was spent or recording had stopped.
    pub(super) refused: AtomicU64,
    /// Items refused because they break the format's rules.
    pub(super) invalid: AtomicU64,
    /// Items accepted and then not written, because the file could not take them.
    pub(super) lost: AtomicU64,
    /// Requests that were no OTLP, or too large.
    pub(super) malformed: AtomicU64,
    /// Requests told to come again later.
    pub(super) busy: AtomicU64,
}

/// Counts of all signals.
#[derive(Debug, Default)]
pub(super) struct Counters {
    traces: Counts,
    logs: Counts,
    metrics: Counts,
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// `otlp/receiver.json`: the counts of one signal.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) requests_grpc: u64,
    pub(super) received: u64,
    pub(super) written: u64,
    pub(super) bytes: u64,
    pub(super) refused: u64,
    pub(super) invalid: u64,
    pub(super) lost: u64,
    pub(super) malformed_requests: u64,
    pub(super) busy_requests: u64,
}

impl Counters {
    pub(super) const fn of(&self, signal: Signal) -> &Counts {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        }
    }

    /// Whether anything arrived at all.
    pub(super) fn any(&self) -> bool {
        let arrived = |c: &Counts| [&c.requests, &c.malformed, &c.busy].iter().any(|n| load(n) > 0);
        Signal::ALL.iter().any(|s| arrived(self.of(*s)))
    }

    /// All counts by name of the signal.
    pub(super) fn tally(&self) -> BTreeMap<&'static str, Tally> {
        Signal::ALL.iter().map(|s| (s.name(), self.of(*s).tally())).collect()
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counts {
    pub(super) fn tally(&self) -> Tally {
        Tally {
            requests: load(&self.requests),
            requests_grpc: load(&self.grpc),
            received: load(&self.received),
            written: load(&self.written),
            bytes: load(&self.bytes),
            refused: load(&self.refused),
            invalid: load(&self.invalid),
            lost: load(&self.lost),
            malformed_requests: load(&self.malformed),
            busy_requests: load(&self.busy),
        }
    }
}

impl Tally {
    /// What was lost, in words; none if nothing was.
    pub(super) fn losses(&self, signal: Signal) -> Option<String> {
        let (things, all) = (signal.items(), self.received);
        let mut said = Vec::new();
        if self.refused > 0 {
            said.push(format!("{} of {all} {things} were refused and are not in the record", self.refused));
        }
        if self.lost > 0 {
            said.push(format!("{} of {all} {things} could not be written", self.lost));
        }
        if self.invalid > 0 {
            said.push(format!(
                "{} of {all} {things} broke the rules of OTLP and were left out",
                self.invalid
            ));
        }
        if self.malformed_requests > 0 {
            let n = self.malformed_requests;
            said.push(format!("{n} requests with {things} were no OTLP or too large"));
        }
        if self.busy_requests > 0 {
            let n = self.busy_requests;
            said.push(format!(
                "{n} requests with {things} were told to come again later; some may be missing"
            ));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}
