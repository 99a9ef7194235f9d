//! Critical paths of the traces that services sent, judged part against reference.

use std::collections::{BTreeMap, BTreeSet};

use super::Question;
use super::load::Loaded;
use crate::analysis::{ClockFacts, SpanFacts, SpanRow, TailFacts};
use crate::formats::otlp::Signal;
use crate::run::reader::Recording;
use crate::spans::{Breakdown, DEFAULT_SPANS, Gather, Gathered, Row, Trace};
use crate::time::{MILLISECOND, RunTime, Window};

/// Rows that are told.
const MOST: usize = 15;
/// The slowest traces are looked at by themselves: this part of all ...
const SLOWEST: f64 = 0.05;
/// ... if at least so many are left.
const ENOUGH: usize = 100;
/// Clocks that are told.
const MOST_CLOCKS: usize = 4;

/// The critical paths; none if no whole trace began in the judged part.
pub(super) fn spans(run: &Loaded, question: &Question<'_>) -> Option<SpanFacts> {
    let gathered = run.spans.as_ref()?;
    let judged = breakdown(run, gathered, &[question.judged]);
    if judged.traces == 0 {
        return None;
    }
    let reference = question
        .reference
        .as_ref()
        .and_then(|(before, windows)| Some(breakdown(before, before.spans.as_ref()?, windows)));
    let reference = reference.filter(|r| r.traces > 0);
    let tail = Breakdown::of_slowest(gathered, inside(run, gathered, &[question.judged]), SLOWEST, ENOUGH);
    Some(SpanFacts {
        traces: judged.traces,
        reference_traces: reference.as_ref().map(|r| r.traces),
        left_out: judged.left_out.all() + reference.as_ref().map_or(0, |r| r.left_out.all()),
        shifted: judged.shifted,
        clocks: clocks(run),
        kept: gathered.coverage.share,
        mean: whole(judged.mean_nanos),
        root: root(gathered, inside(run, gathered, &[question.judged])),
        rows: rows(
            &judged,
            reference.as_ref(),
            tail.as_ref().map(|(slowest, _)| slowest),
            &calls(gathered, inside(run, gathered, &[question.judged])),
        ),
        tail: tail.map(|(slowest, least)| TailFacts {
            traces: slowest.traces,
            beyond: i64::try_from(least).unwrap_or(i64::MAX),
            mean: whole(slowest.mean_nanos),
        }),
    })
}

/// The service that most of the traces begin in.
fn root<'a>(gathered: &'a Gathered, traces: impl Iterator<Item = &'a Trace>) -> String {
    let mut begun: BTreeMap<&str, u64> = BTreeMap::new();
    let whole = traces.filter(|t| t.is_whole());
    whole.for_each(|t| *begun.entry(gathered.text(t.root().service)).or_default() += 1);
    let most = begun.into_iter().max_by_key(|(service, n)| (*n, std::cmp::Reverse(*service)));
    most.map(|(service, _)| service.to_owned()).unwrap_or_default()
}

/// What a row is told apart by.
type Key = (String, String, &'static str);

/// Other services that have children of the spans of a row.
fn calls<'a>(
    gathered: &Gathered,
    traces: impl Iterator<Item = &'a Trace>,
) -> BTreeMap<Key, BTreeSet<String>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for trace in traces.filter(|t| t.is_whole()) {
        let below = trace.spans.iter().filter_map(|s| Some((s, &trace.spans[s.parent?])));
        for (child, parent) in below.filter(|(child, parent)| child.service != parent.service) {
            all.entry((parent.service, parent.name, parent.kind)).or_default().insert(child.service);
        }
    }
    let text = |name| gathered.text(name).to_string();
    let named = all.into_iter().map(|((service, name, kind), called)| {
        ((text(service), text(name), kind.name()), called.into_iter().map(text).collect())
    });
    named.collect()
}

/// Clocks that are off by more than matters.
fn clocks(run: &Loaded) -> Vec<ClockFacts> {
    let off = run.clocks.offsets().into_iter().filter(|(_, by)| by.unsigned_abs() >= MILLISECOND);
    off.map(|(clock, behind)| ClockFacts { clock: clock.to_owned(), behind }).take(MOST_CLOCKS).collect()
}

/// The traces that services sent; none without any.
pub(super) fn gather(recording: &Recording) -> Option<Gathered> {
    let mut gather = Gather::new(DEFAULT_SPANS);
    let read = recording.read_otlp(Signal::Traces, |batch| {
        batch.into_spans().0.iter().for_each(|span| gather.add(span));
    });
    // What cannot be read gives no trace; the receiver has told what it lost.
    read.ok().filter(|lines| lines.requests > 0).map(|_| gather.finish())
}

fn breakdown(run: &Loaded, gathered: &Gathered, windows: &[Window]) -> Breakdown {
    Breakdown::of(gathered, inside(run, gathered, windows))
}

/// Traces whose root began in the windows.
fn inside<'a>(
    run: &Loaded,
    gathered: &'a Gathered,
    windows: &'a [Window],
) -> impl Iterator<Item = &'a Trace> {
    let start = run.recording.manifest.started_unix_nanos;
    let is_inside = move |unix: u64| {
        let at = unix.checked_sub(start).map(RunTime::from_nanos);
        at.is_some_and(|at| windows.iter().any(|w| w.contains(at)))
    };
    gathered.traces.iter().filter(move |t| is_inside(t.root().start))
}

/// What grew most comes first; without a reference, what takes most. What makes the slowest traces slow is among them.
fn rows(
    judged: &Breakdown,
    reference: Option<&Breakdown>,
    slowest: Option<&Breakdown>,
    calls: &BTreeMap<Key, BTreeSet<String>>,
) -> Vec<SpanRow> {
    let key = |r: &Row| -> Key { (r.service.to_string(), r.name.to_string(), r.kind.name()) };
    let of = |b: &Breakdown| -> BTreeMap<_, i64> {
        b.rows.iter().map(|r| (key(r), whole(r.mean_nanos))).collect()
    };
    let (before, tail) = (reference.map(of), slowest.map(of));
    let row = |r: &Row| {
        let (service, name, kind) = key(r);
        let known = before.as_ref().map(|b| b.get(&key(r)).copied().unwrap_or(0));
        let tail = tail.as_ref().map(|b| b.get(&key(r)).copied().unwrap_or(0));
        SpanRow {
            service,
            name,
            kind: kind.to_owned(),
            nanos: whole(r.mean_nanos),
            reference: known,
            tail,
            calls: calls.get(&key(r)).into_iter().flatten().cloned().collect(),
            per_trace: r.count as f64 / judged.traces.max(1) as f64,
            failed: r.failed,
        }
    };
    let mut all: Vec<SpanRow> = judged.rows.iter().map(row).collect();
    all.sort_by_key(|r| std::cmp::Reverse(r.growth()));
    let excess = |r: &SpanRow| r.tail.map_or(0, |tail| tail - r.nanos);
    let slowing = (0..all.len()).max_by_key(|&i| (excess(&all[i]), std::cmp::Reverse(i)));
    if let Some(i) = slowing.filter(|&i| i >= MOST) {
        all.swap(MOST - 1, i);
    }
    all.truncate(MOST);
    all
}

fn whole(nanos: f64) -> i64 {
    nanos.round() as i64
}
