//! Hand-made traces with a known critical path, and what must hold for any.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::formats::otlp::{Resource, Span, SpanId, SpanKind, Status, TraceId};

/// One second after 1970, so that clocks may run behind.
const T0: u64 = 1_000_000_000;

fn trace_id(n: u64) -> TraceId {
    TraceId::new(&[&[7; 8][..], &n.to_be_bytes()].concat()).expect("not zero")
}

fn span_id(n: u64) -> SpanId {
    SpanId::new(&(n + 1).to_be_bytes()).expect("not zero")
}

fn span(id: u64, parent: Option<u64>, service: &str, kind: SpanKind, from: u64, to: u64) -> Span {
    Span {
        trace: trace_id(1),
        id: span_id(id),
        parent: parent.map(span_id),
        kind,
        name: format!("s{id}"),
        start_unix_nanos: T0 + from,
        end_unix_nanos: T0 + to,
        status: Status::Unset,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(Resource { service: service.into(), attributes: Vec::new() }),
    }
}

fn own(id: u64, parent: u64, from: u64, to: u64) -> Span {
    span(id, Some(parent), "shop", SpanKind::Internal, from, to)
}

fn root(to: u64) -> Span {
    span(0, None, "shop", SpanKind::Server, 0, to)
}

fn gathered(spans: &[Span]) -> Gathered {
    let mut gather = Gather::new(DEFAULT_SPANS);
    spans.iter().for_each(|s| gather.add(s));
    gather.finish()
}

/// Self times on the critical path, by name.
fn path(spans: &[Span]) -> Vec<(String, u64)> {
    let all = gathered(spans);
    let trace = &all.traces[0];
    let step = |s: Step| (all.text(trace.spans[s.span].name).to_string(), s.self_nanos);
    let mut steps: Vec<_> = trace.critical_path().into_iter().map(step).collect();
    assert_eq!(steps.iter().map(|s| s.1).sum::<u64>(), trace.nanos());
    steps.sort();
    steps
}

fn steps(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

#[test]
fn calls_one_after_the_other_are_all_on_the_path() {
    let spans = [root(100), own(1, 0, 10, 30), own(2, 0, 40, 90), own(3, 2, 50, 60)];
    assert_eq!(path(&spans), steps(&[("s0", 30), ("s1", 20), ("s2", 40), ("s3", 10)]));
}

#[test]
fn of_calls_side_by_side_the_last_to_end_counts() {
    let spans = [root(100), own(1, 0, 10, 80), own(2, 0, 10, 90), own(3, 0, 12, 50)];
    assert_eq!(path(&spans), steps(&[("s0", 20), ("s2", 80)]));
    // One ended before the next began, beside a third.
    let spans = [root(100), own(1, 0, 0, 40), own(2, 0, 50, 100), own(3, 0, 5, 45)];
    assert_eq!(path(&spans), steps(&[("s0", 10), ("s2", 50), ("s3", 40)]));
}

#[test]
fn nobody_waits_for_what_ends_after_its_parent() {
    let spans = [root(100), own(1, 0, 10, 150), own(2, 0, 20, 60)];
    assert_eq!(path(&spans), steps(&[("s0", 60), ("s2", 40)]));
    let message = span(1, Some(0), "mail", SpanKind::Consumer, 10, 90);
    assert_eq!(path(&[root(100), message]), steps(&[("s0", 100)]));
    // A child that ends a little late was waited for.
    let spans = [root(100), own(1, 0, 10, 102), own(2, 1, 20, 102)];
    assert_eq!(path(&spans), steps(&[("s0", 10), ("s1", 10), ("s2", 80)]));
}

#[test]
fn a_slow_clock_is_set_right_and_told() {
    let call = span(1, Some(0), "shop", SpanKind::Client, 10, 90);
    let away = |kind, id, parent, from, to| span(id, Some(parent), "stock", kind, from, to);
    let spans = [
        root(100),
        call,
        away(SpanKind::Server, 2, 1, 1010, 1070),
        away(SpanKind::Internal, 3, 2, 1020, 1040),
    ];
    let all = gathered(&spans);
    let trace = &all.traces[0];
    assert_eq!(trace.shifts.len(), 1);
    assert_eq!((trace.shifts[0].by, all.text(trace.shifts[0].service).as_ref()), (-990, "stock"));
    let times: Vec<_> = trace.spans.iter().map(|s| (s.start - T0, s.end - T0)).collect();
    assert_eq!(times, [(0, 100), (10, 90), (20, 80), (30, 50)]);
    assert_eq!(path(&spans), steps(&[("s0", 20), ("s1", 20), ("s2", 40), ("s3", 20)]));
    let breakdown = Breakdown::of(&all, &all.traces);
    assert_eq!((breakdown.shifted, breakdown.largest_shift), (1, 990));
}

/// Traces of a shop that calls a stock whose clock is `ahead`; in some the stock is the one that calls.
fn calls(traces: u64, ahead: u64, kind: SpanKind) -> Vec<Span> {
    let of = |n: u64| {
        let call = span(1, Some(0), "shop", SpanKind::Client, 10, 90);
        let there = span(2, Some(1), "stock", kind, 20 + ahead, 80 + ahead);
        [root(100), call, there].map(|s| Span { trace: trace_id(n), ..s })
    };
    (0..traces).flat_map(of).collect()
}

#[test]
fn a_clock_is_known_by_the_middle_of_its_calls() {
    let mut spans = calls(5, 1000, SpanKind::Server);
    // One was late for a reason of its own.
    spans[2].start_unix_nanos += 500;
    spans[2].end_unix_nanos += 500;
    assert_eq!(gathered(&spans).clocks().offsets(), [("stock", -1000)]);
    assert!(gathered(&calls(2, 1000, SpanKind::Server)).clocks().offsets().is_empty(), "too few");
    assert!(
        gathered(&calls(5, 1000, SpanKind::Consumer)).clocks().offsets().is_empty(),
        "a message may be late"
    );
    // Most calls fit: what single ones were moved by is no matter of clocks.
    let mut spans = calls(5, 0, SpanKind::Server);
    spans[2].start_unix_nanos += 500;
    spans[2].end_unix_nanos += 500;
    assert!(gathered(&spans).clocks().offsets().is_empty());
    // Traces that begin on the other clock say nothing of it.
    let mut spans = calls(5, 1000, SpanKind::Server);
    spans.extend(
        (10..14).map(|n| Span { trace: trace_id(n), ..span(0, None, "stock", SpanKind::Server, 0, 9) }),
    );
    assert_eq!(gathered(&spans).clocks().offsets(), [("stock", -1000)]);
}

#[test]
fn clocks_are_left_alone_where_nothing_is_wrong() {
    let inside = [root(100), span(1, Some(0), "stock", SpanKind::Server, 10, 30)];
    assert!(gathered(&inside).traces[0].shifts.is_empty());
    let same_clock = [root(100), own(1, 0, 200, 250)];
    assert!(gathered(&same_clock).traces[0].shifts.is_empty(), "not waited for");
    let a_little_late = [root(100), span(1, Some(0), "stock", SpanKind::Server, 20, 103)];
    assert!(gathered(&a_little_late).traces[0].shifts.is_empty(), "the answer had arrived");
    let longer = [root(100), span(1, Some(0), "stock", SpanKind::Server, 20, 500)];
    assert!(gathered(&longer).traces[0].shifts.is_empty(), "given up");
    let early = [root(100), span(1, Some(0), "mail", SpanKind::Consumer, 20, 500)];
    assert!(gathered(&early).traces[0].shifts.is_empty());
}

#[test]
fn spans_without_a_recorded_parent_are_counted() {
    // The load generator's span is nowhere: its child is the root.
    let hit = span(1, Some(99), "shop", SpanKind::Server, 0, 50);
    let all = gathered(&[hit.clone(), own(2, 1, 10, 20)]);
    let trace = &all.traces[0];
    assert!(trace.is_whole());
    assert_eq!((trace.remote_parent, trace.root().id), (Some(span_id(99)), span_id(1)));
    // A second one is not.
    let all = gathered(&[hit, own(2, 1, 10, 20), own(3, 50, 10, 20), own(4, 3, 10, 20)]);
    let trace = &all.traces[0];
    assert_eq!((trace.defects.orphans, trace.spans.len()), (2, 2));
    let breakdown = Breakdown::of(&all, &all.traces);
    assert_eq!((breakdown.traces, breakdown.left_out.orphans, breakdown.rows.len()), (0, 1, 0));
}

#[test]
fn cycles_and_repeated_spans_do_no_harm() {
    let spans =
        [root(100), own(1, 0, 10, 30), own(1, 0, 10, 30), own(5, 6, 0, 9), own(6, 5, 0, 9), own(7, 7, 0, 1)];
    let trace = &gathered(&spans).traces[0];
    assert_eq!((trace.defects.duplicates, trace.defects.cyclic), (1, 3));
    assert!(!trace.is_whole());
    let only_cycle = gathered(&[own(5, 6, 0, 9), own(6, 5, 0, 9)]);
    assert_eq!((only_cycle.traces.len(), only_cycle.coverage.rootless), (0, 1));
}

#[test]
fn rows_are_milliseconds_per_request() {
    let mut spans = Vec::new();
    for n in 0..10u64 {
        let mut one = vec![root(100), own(1, 0, 10, 30), own(2, 0, 40, 60)];
        one[1].name = "query".into();
        one[2].name = "query".into();
        one.iter_mut().for_each(|s| s.trace = trace_id(n));
        spans.extend(one);
    }
    let all = gathered(&spans);
    let breakdown = Breakdown::of(&all, &all.traces);
    assert_eq!((breakdown.traces, breakdown.mean_nanos), (10, 100.0));
    let rows: Vec<_> = breakdown.rows.iter().map(|r| (r.name.as_ref(), r.count, r.mean_nanos)).collect();
    assert_eq!(rows, [("s0", 10, 60.0), ("query", 20, 40.0)]);
}

#[test]
fn too_many_spans_leave_a_fair_sample_of_whole_traces() {
    let mut gather = Gather::new(3000);
    // Interleaved, so that no trace is complete before the end.
    for id in 0..3 {
        for n in 0..8000u64 {
            let mut s = if id == 0 { root(100) } else { own(id, 0, 10, 20) };
            s.trace = trace_id(n);
            gather.add(&s);
        }
    }
    let all = gather.finish();
    assert_eq!(all.coverage.seen_spans, 24_000);
    assert_eq!(all.coverage.share, 0.125);
    assert!((800..1200).contains(&all.traces.len()), "{}", all.traces.len());
    assert!(all.traces.iter().all(|t| t.spans.len() == 3));
    assert_eq!(all.coverage.kept_spans, all.traces.len() as u64 * 3);
}

#[test]
fn one_endless_trace_is_cut() {
    let mut gather = Gather::new(10);
    for n in 0..MOST_SPANS_OF_A_TRACE as u64 + 5 {
        // A chain, as deep as it is long.
        let parent = n.checked_sub(1);
        gather.add(&span(n, parent, "shop", SpanKind::Internal, 0, 1000));
    }
    let all = gather.finish();
    assert_eq!(all.traces[0].defects.cut, 5);
    assert_eq!(all.traces[0].critical_path().len(), MOST_SPANS_OF_A_TRACE);
    assert_eq!(Breakdown::of(&all, &all.traces).left_out, LeftOut { cut: 1, ..LeftOut::default() });
}

/// Spans as they come: parent, service, kind, start, length.
type Raw = (usize, u8, u8, u64, u64);

fn spans(raw: &[Raw]) -> Vec<Span> {
    let kinds =
        [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];
    let one = |(index, (parent, service, kind, start, length)): (usize, &Raw)| {
        let parent = (index > 0).then(|| (parent % index.max(1)) as u64);
        let kind = kinds[usize::from(*kind) % kinds.len()];
        span(
            index as u64,
            parent,
            &format!("svc{}", service % 3),
            kind,
            *start,
            start.saturating_add(*length),
        )
    };
    raw.iter().enumerate().map(one).collect()
}

/// `farthest`: a moment that some spans are at.
fn raw(farthest: u64) -> impl Strategy<Value = Vec<Raw>> {
    let time = prop_oneof![0..200u64, 0..2_000_000_000u64, Just(farthest)];
    prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>(), time.clone(), time), 1..40)
}

proptest! {
    #[test]
    fn self_times_add_up_and_order_of_arrival_does_not_matter(raw in raw(u64::MAX / 4), seed in any::<u64>()) {
        let mut all = spans(&raw);
        let first = gathered(&all);
        let trace = &first.traces[0];
        prop_assert!(trace.is_whole());
        prop_assert_eq!(trace.spans.len(), raw.len());
        let path = trace.critical_path();
        prop_assert_eq!(path.iter().map(|s| s.self_nanos).sum::<u64>(), trace.nanos());
        let mut on_path: Vec<_> = path.iter().map(|s| s.span).collect();
        on_path.sort_unstable();
        on_path.dedup();
        prop_assert_eq!(on_path.len(), path.len(), "each span once");
        all.sort_by_key(|s| (u64::from_be_bytes(s.id.bytes()) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let second = gathered(&all);
        let by_text = |g: &Gathered| {
            let rows = Breakdown::of(g, &g.traces).rows;
            rows.into_iter().map(|r| (r.service, r.name, r.self_nanos)).collect::<Vec<_>>()
        };
        prop_assert_eq!(by_text(&first), by_text(&second));
        prop_assert_eq!(trace.shifts.len(), second.traces[0].shifts.len());
    }

    #[test]
    fn calls_that_fit_end_up_inside_their_callers(raw in raw(1 << 50)) {
        let all = gathered(&spans(&raw));
        let trace = &all.traces[0];
        for span in &trace.spans[1..] {
            let parent = &trace.spans[span.parent.expect("below the root")];
            let fits = span.end - span.start <= parent.end - parent.start;
            if span.service != parent.service && fits && span.kind != SpanKind::Consumer {
                prop_assert!(parent.start <= span.start && path::ends_in_time(parent, span), "{span:?} in {parent:?}");
            }
        }
    }
}

#[test]
fn the_slowest_traces_have_rows_of_their_own() {
    // One in twenty waits 900 longer in a lock.
    let of = |n: u64| {
        let slow = if n.is_multiple_of(20) { 900 } else { n % 7 };
        let all = [root(100 + slow), own(1, 0, 10, 40), own(2, 0, 50, 90 + slow)];
        all.map(|s| Span { trace: trace_id(n), ..s })
    };
    let all = gathered(&(1..=400).flat_map(of).collect::<Vec<_>>());
    let (slowest, least) = Breakdown::of_slowest(&all, &all.traces, 0.05, 20).expect("enough");
    let time = |b: &Breakdown, name: &str| {
        b.rows.iter().find(|r| &*r.name == name).map(|r| r.mean_nanos.round()).expect("a row")
    };
    assert_eq!((slowest.traces, least), (20, 1000));
    assert_eq!((time(&slowest, "s1"), time(&slowest, "s2")), (30.0, 940.0));
    let whole = Breakdown::of(&all, &all.traces);
    assert!((87.0..90.0).contains(&time(&whole, "s2")), "{}", time(&whole, "s2"));
    assert!(Breakdown::of_slowest(&all, &all.traces, 0.05, 21).is_none(), "too few");
}
