//! The breakdown beside the service's own clocks.

use serde_json::Value;

use crate::cases::Case;
use crate::run::Outcome;
use crate::stage::Part;

/// Rows of these states together are what one of the clocks counts.
const CLOCKS: [(&str, &[&str], &[&str]); 4] = [
    ("lock", &["lock"], &["lock_wait_ns"]),
    ("pool wait", &["channel-send"], &["pool_wait_ns"]),
    ("pool work", &["channel-receive"], &["pool_work_ns"]),
    ("downstream", &["downstream", "dial"], &["downstream_ns"]),
];

/// A row beside a clock: nothing, or by how much they disagree beyond the breakdown's own doubt.
pub type Comparison = Option<String>;

/// Everything of at least a millisecond that the clocks count.
pub fn check(case: &Case, outcome: &Outcome) -> Vec<Comparison> {
    // A queue that grows without bound has no mean, and a full service is seen late.
    let caveats = outcome.analysis["caveats"].to_string();
    if caveats.contains("saturated") {
        return Vec::new();
    }
    let mut all = Vec::new();
    // Other calls and stores are dialled, too; that of the supplier has a clock that counts waiting for a stream, which is
    // another row.
    let calls = [Part::Downstream, Part::SecureDownstream].iter().any(|p| case.parts.contains(p));
    // The lock of the log has no clock.
    let log = case.parts.contains(&Part::Log);
    let has_clock = |what: &str| (calls || what != "downstream") && !(log && what == "lock");
    for (what, states, fields) in CLOCKS.into_iter().filter(|(what, ..)| has_clock(what)) {
        let Some(true_ms) = counted(outcome, fields) else { continue };
        let (seen, doubt) = rows(&outcome.analysis, states);
        if true_ms.max(seen) < 1.0 {
            continue;
        }
        eprintln!("  {what}: seen {seen:.3} ms (+-{doubt:.3}), the service's clocks say {true_ms:.3} ms");
        // Within 10 % or half a millisecond; in a window of bursts, within the interval that the report states.
        let agree = (seen - true_ms).abs() <= (0.1 * true_ms).max(0.5).max(1.5 * doubt);
        all.push(
            (!agree)
                .then(|| format!("{}: {what} is {seen:.3} ms, the clocks say {true_ms:.3} ms", case.name)),
        );
    }
    all
}

/// Milliseconds per request that the clocks counted between the ends of the judged window.
fn counted(outcome: &Outcome, fields: &[&str]) -> Option<f64> {
    let a = &outcome.analysis;
    let window = &a["breakdown"]["judged"]["window"];
    let start = a["run"]["started_unix_nanos"].as_u64()?;
    let at = |end: &str| {
        let wanted = start + window[end].as_u64()?;
        outcome.readings.iter().min_by_key(|(t, _)| t.abs_diff(wanted)).map(|(_, clocks)| clocks)
    };
    let sum = |clocks: &Value, field: &str| -> Option<f64> {
        Some(clocks["routes"].as_object()?.values().map(|r| r[field].as_f64().unwrap_or(0.0)).sum())
    };
    let (first, last) = (at("from")?, at("to")?);
    let grown = |field: &str| Some(sum(last, field)? - sum(first, field)?);
    let requests = grown("requests")?;
    let nanos = fields.iter().map(|f| grown(f)).sum::<Option<f64>>()?;
    (requests > 0.0).then_some(nanos / requests / 1e6)
}

/// Milliseconds per request of the rows in the given states, and half the width of their intervals.
fn rows(a: &Value, states: &[&str]) -> (f64, f64) {
    let rows = a["breakdown"]["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter(|r| states.contains(&r["state"].as_str().unwrap_or_default()))
        .map(|r| {
            let ms = |key: &str| r["judged"][key].as_f64().unwrap_or(0.0) / 1e6;
            (ms("value"), (ms("high") - ms("low")) / 2.0)
        })
        .fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
}
