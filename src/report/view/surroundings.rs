//! What execution traces, the machines of the services and their logs say.

use serde::Serialize;

use crate::analysis::{
    Analysis, Handoff, LogPattern, MetricReading, Reading, SpanFacts, SpanRow, StateTime, TraceFacts, Unit,
    Utilization,
};
use crate::report::{quantity, words};

/// A reading.
#[derive(Serialize)]
pub(super) struct ReadingView {
    service: String,
    what: &'static str,
    reference: Option<String>,
    judged: String,
}

/// How full a resource is.
#[derive(Serialize)]
pub(super) struct UtilizationView {
    service: String,
    resource: String,
    reference: Option<String>,
    judged: String,
    full: bool,
}

pub(super) fn utilization(a: &Analysis) -> Vec<UtilizationView> {
    let view = |u: &Utilization| UtilizationView {
        service: u.service.clone(),
        resource: u.resource.clone(),
        reference: u.reference.map(|v| quantity::value(v, Unit::Ratio)),
        judged: quantity::value(u.judged, Unit::Ratio),
        full: u.is_full(),
    };
    a.utilization.iter().map(view).collect()
}

/// A value that was asked for, or that moved.
#[derive(Serialize)]
pub(super) struct MetricView {
    service: String,
    name: String,
    labels: String,
    reference: Option<String>,
    judged: String,
}

/// A pattern of log lines.
#[derive(Serialize)]
pub(super) struct LogView {
    service: String,
    level: String,
    pattern: String,
    reference: Option<String>,
    judged: String,
    of_slow: String,
    example: String,
}

pub(super) fn readings(a: &Analysis) -> Vec<ReadingView> {
    let value = |r: &Reading, v: f64| match r.unit {
        // Cores and tasks come in parts.
        Unit::Count => format!("{v:.2}"),
        unit => quantity::value(v, unit),
    };
    let view = |r: &Reading| ReadingView {
        service: r.service.clone(),
        what: words::reading(r.what),
        reference: r.reference.map(|v| value(r, v)),
        judged: value(r, r.judged),
    };
    a.readings.iter().map(view).collect()
}

pub(super) fn metrics(a: &Analysis) -> Vec<MetricView> {
    // A number without a unit may be a thousandth or a billion.
    let value =
        |m: &MetricReading, v: f64| m.unit.map_or_else(|| quantity::plain(v), |u| quantity::value(v, u));
    let labels = |m: &MetricReading| {
        let pairs: Vec<String> = m.labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        pairs.join(", ")
    };
    let view = |m: &MetricReading| MetricView {
        service: m.service.clone(),
        name: m.name.clone(),
        labels: labels(m),
        reference: m.reference.map(|v| value(m, v)),
        judged: value(m, m.judged),
    };
    a.metrics.iter().map(view).collect()
}

pub(super) fn logs(a: &Analysis) -> Vec<LogView> {
    let view = |p: &LogPattern| LogView {
        service: p.service.clone(),
        level: p.level.clone(),
        pattern: p.pattern.clone(),
        reference: p.reference_per_second.map(quantity::rate),
        judged: quantity::rate(p.per_second),
        of_slow: quantity::count(p.of_slow),
        example: p.example.clone(),
    };
    a.logs.iter().map(view).collect()
}

/// An execution trace.
#[derive(Serialize)]
pub(super) struct TraceView {
    title: String,
    path: String,
    facts: String,
    states: Vec<StateView>,
    handoffs: Vec<HandoffView>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct StateView {
    state: &'static str,
    time: String,
}

#[derive(Serialize)]
struct HandoffView {
    state: &'static str,
    waiter: String,
    waker: String,
    time: String,
    count: String,
}

pub(super) fn traces(a: &Analysis) -> Vec<TraceView> {
    a.traces.iter().map(trace).collect()
}

fn trace(t: &TraceFacts) -> TraceView {
    let time = |nanos: i64| quantity::duration(nanos as f64);
    let state = |s: &StateTime| StateView { state: words::state(s.state), time: time(s.nanos) };
    let handoff = |h: &Handoff| HandoffView {
        state: words::state(h.state),
        waiter: h.waiter.clone(),
        waker: h.waker.clone(),
        time: time(h.nanos),
        count: quantity::count(h.count),
    };
    TraceView {
        title: format!("{}, {}, at {}", t.service, t.why, quantity::run_time(t.at)),
        path: t.path.clone(),
        facts: format!(
            "{} long, {} requests ended meanwhile; a collection was marking in {} of the time, the program was stopped \
             in {}.",
            quantity::duration(t.nanos as f64),
            quantity::count(t.requests),
            quantity::share(t.marking),
            quantity::share(t.stopped)
        ),
        states: t.states.iter().map(state).collect(),
        handoffs: t.handoffs.iter().map(handoff).collect(),
        problem: t.problem.clone(),
    }
}

/// Critical paths.
#[derive(Serialize)]
pub(super) struct SpansView {
    facts: String,
    slowest: String,
    referenced: bool,
    tailed: bool,
    rows: Vec<SpanView>,
}

#[derive(Serialize)]
struct SpanView {
    service: String,
    name: String,
    kind: String,
    reference: String,
    time: String,
    tail: String,
    per_trace: String,
    failed: String,
}

pub(super) fn spans(a: &Analysis) -> Option<SpansView> {
    let facts = a.spans.as_ref()?;
    let referenced = facts.reference_traces.is_some();
    let tailed = facts.tail.is_some();
    let rows = facts.rows.iter().map(span).collect();
    Some(SpansView { facts: span_facts(facts), slowest: slowest(facts), referenced, tailed, rows })
}

fn span_facts(s: &SpanFacts) -> String {
    let mut words = format!(
        "{} traces of the judged part, {} long on average.",
        quantity::count(s.traces),
        quantity::duration(s.mean as f64)
    );
    if let Some(n) = s.reference_traces {
        words += &format!(" {} traces of the reference.", quantity::count(n));
    }
    if s.left_out > 0 {
        words += &format!(" {} traces are not whole and left out.", quantity::count(s.left_out));
    }
    if s.shifted > 0 {
        words += &format!(
            " In {} the clock of a service was set right by its caller's.",
            quantity::count(s.shifted)
        );
    }
    for c in &s.clocks {
        let way = if c.behind < 0 { "ahead" } else { "behind" };
        let by = quantity::duration(c.behind.unsigned_abs() as f64);
        words += &format!(
            " The clock of {} was {by} {way}; its log records and metrics were set right by that.",
            c.clock
        );
    }
    if s.kept < 1.0 {
        words += &format!(" There were too many: {} of all traces were kept.", quantity::share(s.kept));
    }
    words
}

/// Longest name in a sentence.
const SPAN_NAME: usize = 80;

/// What the slowest traces wait for beyond what all wait for.
fn slowest(s: &SpanFacts) -> String {
    let Some(tail) = &s.tail else { return String::new() };
    let time = |nanos: i64| quantity::duration(nanos as f64);
    let mut words = format!(
        "The slowest 5 % ({}) take {} or longer, {} on average.",
        quantity::count(tail.traces),
        time(tail.beyond),
        time(tail.mean)
    );
    let excess = |r: &&SpanRow| r.tail.unwrap_or(0) - r.nanos;
    if let Some(top) = s.rows.iter().max_by_key(excess).filter(|r| excess(r) > 0) {
        words += &format!(
            " Of the {} that they take longer than all, {} are in {} of {}.",
            time(tail.mean - s.mean),
            time(excess(&top)),
            quantity::cut(&top.name, SPAN_NAME),
            quantity::cut(&top.service, SPAN_NAME)
        );
    }
    words
}

fn span(r: &SpanRow) -> SpanView {
    let time = |nanos: i64| quantity::duration(nanos as f64);
    SpanView {
        service: r.service.clone(),
        name: r.name.clone(),
        kind: r.kind.clone(),
        reference: r.reference.map(time).unwrap_or_default(),
        time: time(r.nanos),
        tail: r.tail.map(time).unwrap_or_default(),
        per_trace: format!("{:.2}", r.per_trace),
        failed: quantity::count(r.failed),
    }
}
