//! What the milliseconds of a request are made of, by service and span.

use std::collections::HashMap;
use std::sync::Arc;

use super::gather::Gathered;
use super::names::Name;
use super::trace::Trace;
use crate::formats::otlp::SpanKind;

/// Self time of spans of one kind on the critical paths of many traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Service.
    pub service: Arc<str>,
    /// Name of the spans.
    pub name: Arc<str>,
    /// Part in a call.
    pub kind: SpanKind,
    /// Spans on critical paths.
    pub count: u64,
    /// Of these in error.
    pub failed: u64,
    /// Self time in all, nanoseconds.
    pub self_nanos: u64,
    /// Self time per trace, nanoseconds; rows of a breakdown add up to [`Breakdown::mean_nanos`].
    pub mean_nanos: f64,
}

/// Traces that are not in the rows, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Some spans have no recorded parent.
    pub orphans: u64,
    /// Some spans are their own ancestors.
    pub cyclic: u64,
    /// More spans than are kept of one trace.
    pub cut: u64,
}

/// Critical paths of many traces, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Breakdown {
    /// Rows, largest self time first.
    pub rows: Vec<Row>,
    /// Traces in them.
    pub traces: u64,
    /// Mean duration of these, nanoseconds.
    pub mean_nanos: f64,
    /// Traces not in them.
    pub left_out: LeftOut,
    /// Traces in them of which a clock was set right.
    pub shifted: u64,
    /// Largest correction of a clock among these, nanoseconds.
    pub largest_shift: u64,
}

#[derive(Default)]
struct Sum {
    count: u64,
    failed: u64,
    self_nanos: u64,
}

impl Breakdown {
    /// Adds up traces of a [`Gathered`]; those that are not whole are counted apart.
    #[must_use]
    pub fn of<'a>(gathered: &Gathered, traces: impl IntoIterator<Item = &'a Trace>) -> Self {
        let mut sums: HashMap<(Name, Name, SpanKind), Sum> = HashMap::new();
        let (mut all, mut total) = (Self::default(), 0u64);
        for trace in traces {
            if !trace.is_whole() {
                all.left_out.add(trace);
                continue;
            }
            all.traces += 1;
            total = total.saturating_add(trace.nanos());
            all.note_shifts(trace);
            for step in trace.critical_path() {
                let span = &trace.spans[step.span];
                let sum = sums.entry((span.service, span.name, span.kind)).or_default();
                sum.count += 1;
                sum.failed += u64::from(span.failed);
                sum.self_nanos = sum.self_nanos.saturating_add(step.self_nanos);
            }
        }
        let traces = all.traces.max(1) as f64;
        all.mean_nanos = total as f64 / traces;
        all.rows = sums.into_iter().map(|(key, sum)| row(gathered, key, &sum, traces)).collect();
        let key =
            |r: &Row| (std::cmp::Reverse(r.self_nanos), Arc::clone(&r.service), Arc::clone(&r.name), r.kind);
        all.rows.sort_by_cached_key(key);
        all
    }

    /// The slowest of these traces: those of which only `part` are as long. Gives the least length, too; none if fewer
    /// than `enough` are left.
    #[must_use]
    pub fn of_slowest<'a>(
        gathered: &Gathered,
        traces: impl IntoIterator<Item = &'a Trace>,
        part: f64,
        enough: usize,
    ) -> Option<(Self, u64)> {
        let mut whole: Vec<&Trace> = traces.into_iter().filter(|t| t.is_whole()).collect();
        whole.sort_by_key(|t| (std::cmp::Reverse(t.nanos()), t.id));
        whole.truncate((part * whole.len() as f64).floor() as usize);
        let least = whole.last().filter(|_| whole.len() >= enough)?.nanos();
        Some((Self::of(gathered, whole), least))
    }

    fn note_shifts(&mut self, trace: &Trace) {
        self.shifted += u64::from(!trace.shifts.is_empty());
        let largest = trace.shifts.iter().map(|s| s.by.unsigned_abs()).max();
        self.largest_shift = self.largest_shift.max(largest.unwrap_or(0));
    }
}

impl LeftOut {
    /// Under its first reason.
    fn add(&mut self, trace: &Trace) {
        let reason = match trace.defects {
            d if d.cut > 0 => &mut self.cut,
            d if d.cyclic > 0 => &mut self.cyclic,
            _ => &mut self.orphans,
        };
        *reason += 1;
    }

    /// All of them.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.orphans + self.cyclic + self.cut
    }
}

fn row(gathered: &Gathered, key: (Name, Name, SpanKind), sum: &Sum, traces: f64) -> Row {
    let (service, name, kind) = key;
    Row {
        service: Arc::clone(gathered.text(service)),
        name: Arc::clone(gathered.text(name)),
        kind,
        count: sum.count,
        failed: sum.failed,
        self_nanos: sum.self_nanos,
        mean_nanos: sum.self_nanos as f64 / traces,
    }
}
