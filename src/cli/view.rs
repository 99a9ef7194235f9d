//! A run's progress as the live view shows it.

use std::io::{IsTerminal, stdout};
use std::sync::{Arc, Mutex, PoisonError};

use super::live::{LiveAnomaly, LiveCheck, LiveCollector, LiveHealth, LiveState, LiveView, Mode};
use crate::record::{Alarm, Progress};
use crate::run::layout;
use crate::run::writer::Tally;
use crate::time::{MILLISECOND, RunTime};

/// The live view of one run; clones share it.
#[derive(Clone)]
pub(super) struct View(Arc<Mutex<Shown>>);

struct Shown {
    view: Option<LiveView>,
    state: LiveState,
}

impl View {
    /// A screen on a terminal, a line per period elsewhere, nothing if `quiet`.
    pub(super) fn new(quiet: bool, scenario: &str) -> Self {
        let mode = match (quiet, stdout().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Tty,
            (false, false) => Mode::Plain,
        };
        let view = LiveView::new(mode, Box::new(stdout()));
        let state = LiveState { scenario: scenario.to_owned(), ..LiveState::default() };
        Self(Arc::new(Mutex::new(Shown { view: Some(view), state })))
    }

    /// Shows a period.
    pub(super) fn update(&self, progress: &Progress<'_>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { view, state } = &mut *shown;
        advance(state, progress);
        if let Some(view) = view {
            view.update(state);
        }
    }

    /// Shows a period of a load that is planned by its windows and not by its scenario.
    pub(super) fn update_at(&self, progress: &Progress<'_>, stage: &str, planned: std::time::Duration) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { view, state } = &mut *shown;
        advance(state, progress);
        stage.clone_into(&mut state.stage);
        state.planned = planned.into();
        if let Some(view) = view {
            view.update(state);
        }
    }

    /// Leaves the last state on screen.
    pub(super) fn finish(&self) {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner).view.take();
        if let Some(view) = view {
            view.finish();
        }
    }
}

fn advance(state: &mut LiveState, progress: &Progress<'_>) {
    let period = progress.period;
    let secs = period.window.secs().max(1e-9);
    let response = period.response();
    let quantile = |q: f64| (!response.is_empty()).then(|| response.value_at_quantile(q));
    let failed: u64 = period.requests.iter().map(|r| r.failed_total()).sum();
    state.elapsed = RunTime::from_nanos(progress.elapsed_nanos);
    state.planned = RunTime::from_nanos(progress.planned_nanos);
    progress.stage.clone_into(&mut state.stage);
    state.asked = progress.open.then_some(period.offered as f64 / secs);
    state.sent = period.sent as f64 / secs;
    state.passed += period.requests.iter().map(|r| r.passed).sum::<u64>();
    state.failed += failed;
    state.failed_in_period = failed;
    add_checks(&mut state.checks, progress);
    (state.p50, state.p95, state.p99) = (quantile(0.5), quantile(0.95), quantile(0.99));
    state.backlog = period.backlog;
    state.in_flight = period.in_flight;
    state.connections = period.connections;
    state.vus = period.vus;
    state.p95_history.push(state.p95);
    state.anomalies = progress.alarms.iter().map(anomaly).collect();
    let own = format!("metrics/{}", layout::GENERATOR);
    let others = progress.tally.iter().filter(|t| t.folder != own);
    state.collectors = others.map(|t| collector(t, period.window.to)).collect();
}

/// Counts the named checks that failed in a period.
fn add_checks(checks: &mut Vec<LiveCheck>, progress: &Progress<'_>) {
    for (request, counted) in progress.requests.iter().zip(&progress.period.requests) {
        for (check, n) in request.checks.iter().zip(&counted.checks).filter(|(_, n)| **n > 0) {
            let name = format!("{}: {}", request.name, check.name);
            match checks.iter_mut().find(|known| known.name == name) {
                Some(known) => known.failed += n,
                None => checks.push(LiveCheck { name, failed: *n }),
            }
        }
    }
    checks.sort_by_key(|check| std::cmp::Reverse(check.failed));
}

fn anomaly(alarm: &Alarm) -> LiveAnomaly {
    LiveAnomaly {
        series: alarm.series.clone(),
        since: RunTime::from_nanos(alarm.since_nanos),
        until: alarm.until_nanos.map(RunTime::from_nanos),
        detail: String::new(),
    }
}

/// A folder that has had no file for so long is worth a look; CPU profile windows may be a minute long.
const SILENT: u64 = 75_000 * MILLISECOND;

fn collector(tally: &Tally, now: RunTime) -> LiveCollector {
    let mut parts = tally.folder.splitn(3, '/');
    let (top, service) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let name = parts.next().unwrap_or(top);
    let quiet = now.since(tally.last);
    LiveCollector {
        service: service.to_owned(),
        name: name.to_owned(),
        doing: crate::analysis::quantity::bytes(tally.bytes as f64),
        files: tally.files,
        last_fetch: None,
        health: if quiet > SILENT && top != "captures" { LiveHealth::Failed } else { LiveHealth::Good },
    }
}
