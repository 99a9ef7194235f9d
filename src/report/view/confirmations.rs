//! Interventions with their windows.

use serde::Serialize;

use crate::analysis::{Analysis, Confirmation, ConfirmationWindow, Estimate, Unit};
use crate::report::{confirmation, escape, names, quantity, words};

/// One intervention.
#[derive(Serialize)]
pub(super) struct ConfirmationView {
    outcome: &'static str,
    /// Markdown.
    name: String,
    says: String,
    named: bool,
    apply: String,
    revert: String,
    predicted: String,
    effect: String,
    effect_p95: String,
    error_change: String,
    run_id: String,
    started: String,
    rate: String,
    path: String,
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
struct WindowView {
    pair: u64,
    applied: bool,
    from: String,
    to: String,
    requests: String,
    failed: String,
    mean: String,
    p95: String,
    left_out: Option<String>,
}

/// All interventions in the order they were tried.
pub(super) fn confirmations(a: &Analysis) -> Vec<ConfirmationView> {
    a.confirmations.iter().map(view).collect()
}

fn view(c: &Confirmation) -> ConfirmationView {
    let of = if c.service.is_empty() { String::new() } else { format!(" of {}", escape::code(&c.service)) };
    let known = |e: Option<Estimate>, shown: &dyn Fn(Estimate) -> String| {
        e.map_or_else(|| "too few windows to say".into(), shown)
    };
    ConfirmationView {
        outcome: words::confirmation(c.outcome),
        name: format!("{}{of} ({})", escape::code(&names::short(&c.at)), words::cause(c.kind)),
        says: confirmation::says(c),
        named: c.named,
        apply: c.apply.clone(),
        revert: c.revert.clone(),
        predicted: quantity::estimate(c.predicted),
        effect: known(c.effect, &quantity::estimate),
        effect_p95: known(c.effect_p95, &quantity::estimate),
        error_change: known(c.error_change, &|e| quantity::change_in(e, Unit::Ratio)),
        run_id: c.run_id.clone(),
        started: quantity::wall_clock(c.started_unix_nanos),
        rate: quantity::rate(c.rate),
        path: c.path.clone(),
        windows: c.windows.iter().map(window).collect(),
    }
}

fn window(w: &ConfirmationWindow) -> WindowView {
    WindowView {
        pair: w.pair,
        applied: w.applied,
        from: quantity::run_time(w.window.from),
        to: quantity::run_time(w.window.to),
        requests: quantity::count(w.requests),
        failed: quantity::ratio(w.error_rate),
        mean: quantity::millis(w.mean as f64),
        p95: quantity::millis(w.p95 as f64),
        left_out: w.left_out.clone(),
    }
}
