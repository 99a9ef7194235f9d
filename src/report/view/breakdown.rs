//! The table of where the time of a request goes, with its sum, what was measured, and what is unattributed.

use serde::Serialize;

use crate::analysis::{Breakdown, BreakdownRow, Estimate, WindowFacts};

use crate::report::{names, quantity, words};

/// Rows shown one by one; the smaller ones are added up in one row.
const MOST_ROWS: usize = 20;

/// The breakdown table.
#[derive(Serialize)]
pub(super) struct BreakdownView {
    has_reference: bool,
    reference: Option<Facts>,
    judged: Facts,
    rows: Vec<Row>,
    smaller: Option<Sums>,
    sum: Sums,
    unattributed: Row,
    measured: Sums,
    background: Vec<Row>,
}

/// A window in words.
#[derive(Serialize)]
struct Facts {
    from: String,
    to: String,
    throughput: String,
    mean: String,
    snapshots: String,
    cpu_samples: String,
    cpu_seen: Option<String>,
    in_flight: Option<InFlight>,
}

/// Requests in flight at the snapshots and on average.
#[derive(Serialize)]
struct InFlight {
    at_snapshots: String,
    mean: String,
}

/// One state, in milliseconds per request.
#[derive(Serialize)]
struct Row {
    state: &'static str,
    at: String,
    service: String,
    reference: String,
    judged: String,
    change: String,
}

/// Sums have no interval: those of the rows are not independent.
#[derive(Serialize)]
struct Sums {
    rows: usize,
    reference: String,
    judged: String,
    change: String,
}

/// Builds the table.
pub(super) fn breakdown(b: &Breakdown) -> BreakdownView {
    let has_reference = b.reference.is_some();
    let shown = b.rows.len().min(MOST_ROWS);
    let (large, small) = b.rows.split_at(shown);
    BreakdownView {
        has_reference,
        reference: b.reference.as_ref().map(facts),
        judged: facts(&b.judged),
        rows: large.iter().map(|r| row(r, has_reference)).collect(),
        smaller: (!small.is_empty()).then(|| sum(small)),
        sum: sum(&b.rows),
        unattributed: row(&b.unattributed, has_reference),
        measured: sums(b.rows.len(), b.reference.as_ref().map(|r| r.mean), b.judged.mean),
        background: b.background.iter().take(MOST_ROWS).map(|r| row(r, has_reference)).collect(),
    }
}

fn facts(w: &WindowFacts) -> Facts {
    Facts {
        from: quantity::run_time(w.window.from),
        to: quantity::run_time(w.window.to),
        throughput: quantity::rate(w.throughput),
        mean: quantity::duration(w.mean as f64),
        snapshots: quantity::count(w.snapshots),
        cpu_samples: quantity::count(w.cpu_samples),
        cpu_seen: w.cpu_seen.map(quantity::share),
        in_flight: w.in_flight.map(|of| InFlight {
            at_snapshots: quantity::plain(of.at_snapshots),
            mean: quantity::plain(of.mean),
        }),
    }
}

fn row(r: &BreakdownRow, has_reference: bool) -> Row {
    Row {
        state: words::state(r.state),
        at: names::short(&r.at),
        service: r.service.clone(),
        reference: r.reference.map_or_else(|| "0".into(), |e| quantity::millis(e.value as f64)),
        judged: if has_reference {
            quantity::millis(r.judged.value as f64)
        } else {
            quantity::millis_change(r.judged, false)
        },
        change: quantity::millis_change(r.change, true),
    }
}

fn sum(rows: &[BreakdownRow]) -> Sums {
    let total = |of: fn(&BreakdownRow) -> Option<Estimate>| -> i64 {
        rows.iter().filter_map(of).fold(0, |sum, e| sum.saturating_add(e.value))
    };
    sums(rows.len(), Some(total(|r| r.reference)), total(|r| Some(r.judged)))
}

fn sums(rows: usize, reference: Option<i64>, judged: i64) -> Sums {
    let before = reference.unwrap_or(0);
    Sums {
        rows,
        reference: quantity::millis(before as f64),
        judged: quantity::millis(judged as f64),
        change: quantity::signed_millis(judged.saturating_sub(before) as f64),
    }
}
