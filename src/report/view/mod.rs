//! What the templates show: strings and lists, sorted, cut and formatted. Strings are raw unless a field says
//! `Markdown`; the templates escape raw ones by themselves (see `markdown`).

mod breakdown;
mod causes;
mod closing;
mod confirmations;
mod databases;
mod gate;
mod journeys;
mod load;
mod surroundings;

use serde::Serialize;

use crate::analysis::{Analysis, Cause, Verdict};

use super::confirmation;
use super::headline::{self, Headline};
use super::{Pictures, quantity};

/// Everything `report.md` and the job summary show.
#[derive(Serialize)]
pub(crate) struct ReportView {
    head: Head,
    run: Run,
    pictures: Pictures,
    breakdown: Option<breakdown::BreakdownView>,
    no_breakdown: &'static str,
    causes: Vec<causes::CauseView>,
    tied: bool,
    share_of: &'static str,
    confirmations: Vec<confirmations::ConfirmationView>,
    functions: Vec<causes::FunctionView>,
    functions_have_reference: bool,
    more_functions: usize,
    anomalies: Vec<causes::AnomalyView>,
    more_anomalies: usize,
    spans: Option<surroundings::SpansView>,
    traces: Vec<surroundings::TraceView>,
    databases: Vec<databases::DatabaseView>,
    utilization: Vec<surroundings::UtilizationView>,
    readings: Vec<surroundings::ReadingView>,
    metrics: Vec<surroundings::MetricView>,
    logs: Vec<surroundings::LogView>,
    exhibits: Vec<closing::ExhibitView>,
    more_exhibits: usize,
    load: load::LoadView,
    gate: gate::GateView,
    doubts: closing::DoubtsView,
    definitions: Vec<closing::Definition>,
    commands: Vec<closing::Command>,
}

/// The first five lines, Markdown.
#[derive(Serialize)]
struct Head {
    verdict: String,
    cause: String,
    size: String,
    since: String,
    action: String,
}

/// Facts of the run.
#[derive(Serialize)]
struct Run {
    id: String,
    scenario: String,
    target: String,
    version: String,
    started: String,
    length: String,
    plan: String,
    host: String,
    partial: Option<String>,
}

/// Builds the view of an analysis.
pub(crate) fn view(a: &Analysis, pictures: Pictures) -> ReportView {
    let (functions, more_functions) = causes::functions(a);
    let (anomalies, more_anomalies) = causes::anomalies(a);
    let (exhibits, more_exhibits) = closing::exhibits(a);
    ReportView {
        head: head(a),
        run: run(a),
        pictures,
        breakdown: a.breakdown.as_ref().map(breakdown::breakdown),
        no_breakdown: no_breakdown(a),
        causes: causes::causes(a),
        tied: a.verdict == Verdict::Likely && headline::tied(&rivals(a)),
        share_of: share_of(a),
        confirmations: confirmations::confirmations(a),
        functions_have_reference: a.functions.iter().any(|f| f.cum_reference.is_some()),
        functions,
        more_functions,
        anomalies,
        more_anomalies,
        spans: surroundings::spans(a),
        traces: surroundings::traces(a),
        databases: databases::databases(a),
        utilization: surroundings::utilization(a),
        readings: surroundings::readings(a),
        metrics: surroundings::metrics(a),
        logs: surroundings::logs(a),
        exhibits,
        more_exhibits,
        load: load::load(a),
        gate: gate::gate(a),
        doubts: closing::doubts(a),
        definitions: closing::definitions(a, pictures),
        commands: closing::commands(a),
    }
}

/// Causes that no intervention refuted.
fn rivals(a: &Analysis) -> Vec<&Cause> {
    a.causes.iter().filter(|c| !confirmation::refuted(a, c)).collect()
}

fn head(a: &Analysis) -> Head {
    let Headline { verdict, cause, size, since, action } = headline::headline(a);
    Head { verdict, cause, size, since, action }
}

fn run(a: &Analysis) -> Run {
    Run {
        id: a.run.id.clone(),
        scenario: a.run.scenario.clone(),
        target: a.run.target.clone(),
        version: a.run.tool_version.clone(),
        started: quantity::wall_clock(a.run.started_unix_nanos),
        length: quantity::run_time(crate::time::RunTime::from_nanos(a.run.nanos)),
        plan: a.run.plan.clone(),
        host: a.run.host.clone(),
        partial: a.run.partial.clone(),
    }
}

/// What the shares of the causes are shares of.
fn share_of(a: &Analysis) -> &'static str {
    let referenced = a.breakdown.as_ref().is_some_and(|b| b.reference.is_some());
    if referenced { "the measured change of the mean response time" } else { "the mean response time" }
}

/// Why there is no breakdown.
fn no_breakdown(a: &Analysis) -> &'static str {
    match a.verdict {
        Verdict::Generator => "Not shown: the run is not a valid measurement of the target.",
        Verdict::Failing => "Not shown: requests failed, and how long they took is not what went wrong.",
        Verdict::Healthy => "Not shown: nothing went wrong that would have to be explained.",
        _ if !a.missing.is_empty() => {
            "Not possible: the evidence it needs was not recorded, see what was missing below."
        }
        _ => "Not possible: too little evidence was recorded in the judged part of the run.",
    }
}

/// The first `most` items and how many are left.
fn first<T>(mut items: Vec<T>, most: usize) -> (Vec<T>, usize) {
    let left = items.len().saturating_sub(most);
    items.truncate(most);
    (items, left)
}
