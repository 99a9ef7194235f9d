//! What the machines of the services and their logs say.

use serde::Serialize;

use crate::analysis::{Analysis, LogPattern, Reading};
use crate::report::{quantity, words};

/// A reading.
#[derive(Serialize)]
pub(super) struct ReadingView {
    service: String,
    what: &'static str,
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
        crate::analysis::Unit::Count => format!("{v:.2}"),
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
