//! Causes with their evidence, top functions, and the timeline of anomalies.

use serde::Serialize;

use crate::analysis::{Analysis, Anomaly, Cause, FunctionRow};

use super::first;
use crate::report::{code, confirmation, headline, names, quantity, trial, words};

const MOST_FUNCTIONS: usize = 15;
const MOST_ANOMALIES: usize = 30;
const MOST_EVIDENCE: usize = 12;
const MOST_LINES: usize = 8;

/// One named cause.
#[derive(Serialize)]
pub(super) struct CauseView {
    number: usize,
    /// Markdown.
    name: String,
    /// Full name where the shown one is shortened.
    full_name: Option<String>,
    doing: String,
    explains: String,
    share: String,
    over_explained: bool,
    /// What an intervention said, in a word.
    tried: Option<&'static str>,
    mechanism: String,
    remedy: String,
    /// Markdown.
    lines: Vec<String>,
    trial: Option<trial::Trial>,
    evidence: Vec<EvidenceView>,
}

#[derive(Serialize)]
struct EvidenceView {
    tier: String,
    says: String,
    path: Option<String>,
}

/// One function's CPU per request.
#[derive(Serialize)]
pub(super) struct FunctionView {
    function: String,
    service: String,
    flat_reference: String,
    flat: String,
    cum_reference: String,
    cum: String,
    change: String,
}

/// One anomaly.
#[derive(Serialize)]
pub(super) struct AnomalyView {
    series: String,
    of: Option<String>,
    from: String,
    wall: String,
    to: String,
    reference: String,
    observed: String,
    score: String,
}

/// All causes, strongest first.
pub(super) fn causes(a: &Analysis) -> Vec<CauseView> {
    let reference = a.breakdown.as_ref().is_some_and(|b| b.reference.is_some());
    a.causes.iter().enumerate().map(|(i, c)| cause(a, i + 1, c, reference)).collect()
}

fn cause(a: &Analysis, number: usize, c: &Cause, reference: bool) -> CauseView {
    let evidence = c.evidence.iter().take(MOST_EVIDENCE);
    CauseView {
        number,
        name: headline::cause_name(c),
        full_name: (names::short(&c.at) != c.at).then(|| c.at.clone()),
        doing: c.doing.clone(),
        explains: if reference { quantity::change(c.explains) } else { quantity::estimate(c.explains) },
        share: quantity::share(c.share),
        over_explained: c.share > 1.1 && c.explains.low as f64 * c.share > c.explains.value as f64,
        tried: confirmation::of(a, c).map(|t| words::confirmation(t.outcome)),
        mechanism: c.mechanism.clone(),
        remedy: c.remedy.clone(),
        lines: c.lines.iter().take(MOST_LINES).map(code::says).collect(),
        trial: trial::of(a, number, c),
        evidence: evidence
            .map(|e| EvidenceView { tier: e.tier.clone(), says: e.says.clone(), path: e.path.clone() })
            .collect(),
    }
}

/// The functions that an analysis ranked first.
pub(super) fn functions(a: &Analysis) -> (Vec<FunctionView>, usize) {
    first(a.functions.iter().map(function).collect(), MOST_FUNCTIONS)
}

fn function(f: &FunctionRow) -> FunctionView {
    let time = |nanos: Option<i64>| nanos.map_or_else(|| "n/a".into(), |n| quantity::duration(n as f64));
    let change = f.cum_reference.map_or_else(
        || "new".into(),
        |before| {
            let sign = if f.cum > before { "+" } else { "" };
            format!("{sign}{}", quantity::duration(f.cum.saturating_sub(before) as f64))
        },
    );
    FunctionView {
        function: names::short(&f.function),
        service: f.service.clone(),
        flat_reference: time(f.flat_reference),
        flat: time(Some(f.flat)),
        cum_reference: time(f.cum_reference),
        cum: time(Some(f.cum)),
        change,
    }
}

/// Anomalies in the order of their onset.
pub(super) fn anomalies(a: &Analysis) -> (Vec<AnomalyView>, usize) {
    let mut sorted: Vec<&Anomaly> = a.anomalies.iter().collect();
    sorted.sort_by(|x, y| (x.window.from, &x.series, &x.of).cmp(&(y.window.from, &y.series, &y.of)));
    first(sorted.into_iter().map(|x| anomaly(a, x)).collect(), MOST_ANOMALIES)
}

fn anomaly(a: &Analysis, x: &Anomaly) -> AnomalyView {
    let wall = a.run.started_unix_nanos.saturating_add(x.window.from.as_nanos());
    AnomalyView {
        series: x.series.clone(),
        of: x.of.clone(),
        from: quantity::run_time(x.window.from),
        wall: quantity::wall_clock(wall),
        to: if x.ongoing { "end of the record".into() } else { quantity::run_time(x.window.to) },
        reference: quantity::value(x.reference, x.unit),
        observed: quantity::value(x.observed, x.unit),
        score: match x.score.is_finite() {
            true if x.hindsight => format!("{:.1} (in hindsight)", x.score),
            true => format!("{:.1}", x.score),
            false => "n/a".into(),
        },
    }
}
