//! Thresholds, baseline comparison, the expected cause, and the checks of the generator.

use serde::Serialize;

use crate::analysis::{Analysis, BaselineComparison, BaselineRow, ThresholdResult, ValidityCheck};

use crate::report::{quantity, words};

/// What passes and what does not.
#[derive(Serialize)]
pub(super) struct GateView {
    thresholds: Vec<ThresholdView>,
    baseline: Option<BaselineView>,
    expectation: Option<ExpectationView>,
    valid: bool,
    checks: Vec<CheckView>,
}

#[derive(Serialize)]
struct ThresholdView {
    metric: String,
    request: String,
    limit: String,
    value: String,
    passed: bool,
}

#[derive(Serialize)]
struct BaselineView {
    path: String,
    run_id: String,
    regressed: bool,
    incomparable: Option<String>,
    rows: Vec<BaselineRowView>,
}

#[derive(Serialize)]
struct BaselineRowView {
    request: String,
    metric: String,
    baseline: String,
    current: String,
    change: String,
    minimum: String,
    outcome: &'static str,
}

#[derive(Serialize)]
struct ExpectationView {
    cause: String,
    at: Option<String>,
    met: bool,
}

#[derive(Serialize)]
struct CheckView {
    name: String,
    value: String,
    limit: String,
    outcome: &'static str,
    remedy: Option<String>,
}

/// Builds the tables of the gate.
pub(super) fn gate(a: &Analysis) -> GateView {
    GateView {
        thresholds: a.thresholds.iter().map(threshold).collect(),
        baseline: a.baseline.as_ref().map(baseline),
        expectation: a.expectation.as_ref().map(|e| ExpectationView {
            cause: e.cause.clone(),
            at: e.at.clone(),
            met: e.met,
        }),
        valid: a.validity.valid,
        checks: a.validity.checks.iter().map(check).collect(),
    }
}

fn of(request: Option<&String>) -> String {
    request.cloned().unwrap_or_else(|| "all requests".into())
}

fn threshold(t: &ThresholdResult) -> ThresholdView {
    // A rate must be reached, everything else must not be exceeded.
    let side = if t.metric == "rate" { "at least" } else { "at most" };
    ThresholdView {
        metric: t.metric.clone(),
        request: of(t.request.as_ref()),
        limit: format!("{side} {}", quantity::value(t.limit, t.unit)),
        value: t.value.map_or_else(|| "no samples".into(), |v| quantity::value(v, t.unit)),
        passed: t.passed,
    }
}

fn baseline(b: &BaselineComparison) -> BaselineView {
    BaselineView {
        path: b.path.clone(),
        run_id: b.run_id.clone(),
        regressed: b.regressed,
        incomparable: b.incomparable.clone(),
        rows: b.rows.iter().map(|r| baseline_row(r, b.incomparable.is_some())).collect(),
    }
}

fn baseline_row(r: &BaselineRow, incomparable: bool) -> BaselineRowView {
    BaselineRowView {
        request: of(r.request.as_ref()),
        metric: r.metric.clone(),
        baseline: quantity::value(r.baseline, r.unit),
        current: quantity::value(r.current, r.unit),
        change: quantity::change_in(r.change, r.unit),
        minimum: quantity::value(r.minimum_effect, r.unit),
        outcome: if incomparable { "not compared" } else { words::baseline(r.outcome) },
    }
}

fn check(c: &ValidityCheck) -> CheckView {
    use crate::analysis::CheckOutcome::{Failed, Strained};
    let side = if c.at_least { "at least" } else { "at most" };
    CheckView {
        name: c.name.clone(),
        value: c.value.map_or_else(|| "n/a".into(), |v| quantity::value(v, c.unit)),
        limit: format!("{side} {}", quantity::value(c.limit, c.unit)),
        outcome: words::check(c.outcome),
        remedy: matches!(c.outcome, Failed | Strained).then(|| c.remedy.clone()).filter(|r| !r.is_empty()),
    }
}
