//! Exhibits, what was ruled out, what was missing, doubts, definitions, and how to look for oneself.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::analysis::{Analysis, BreakdownRow, Exhibit, Spacing, State};

use super::first;
use crate::report::{Pictures, escape, quantity, words};

const MOST_EXHIBITS: usize = 40;

/// Something worth opening.
#[derive(Serialize)]
pub(super) struct ExhibitView {
    at: String,
    what: String,
    path: Option<String>,
    command: Option<String>,
}

/// What limits the conclusions.
#[derive(Serialize)]
pub(super) struct DoubtsView {
    ruled_out: Vec<RuledOutView>,
    missing: Vec<MissingView>,
    caveats: Vec<String>,
}

#[derive(Serialize)]
struct RuledOutView {
    what: String,
    change: String,
}

#[derive(Serialize)]
struct MissingView {
    what: String,
    remedy: String,
}

/// A term and what it means.
#[derive(Serialize)]
pub(super) struct Definition {
    term: &'static str,
    means: &'static str,
}

/// A command to type inside the run folder.
#[derive(Serialize)]
pub(super) struct Command {
    command: String,
    what: &'static str,
}

/// Exhibits in the order they were taken.
pub(super) fn exhibits(a: &Analysis) -> (Vec<ExhibitView>, usize) {
    let mut sorted: Vec<&Exhibit> = a.exhibits.iter().collect();
    sorted.sort_by(|x, y| (x.at, &x.what).cmp(&(y.at, &y.what)));
    first(sorted.into_iter().map(exhibit).collect(), MOST_EXHIBITS)
}

fn exhibit(e: &Exhibit) -> ExhibitView {
    let command = e.open_with.as_ref().map(|open| match &e.path {
        Some(path) if !open.contains(path.as_str()) => format!("{open} {}", escape::shell(path)),
        _ => open.clone(),
    });
    ExhibitView { at: quantity::run_time(e.at), what: e.what.clone(), path: e.path.clone(), command }
}

/// Ruled out, missing and doubted.
pub(super) fn doubts(a: &Analysis) -> DoubtsView {
    let ruled = a.ruled_out.iter();
    let missing = a.missing.iter();
    DoubtsView {
        ruled_out: ruled
            .map(|r| RuledOutView { what: r.what.clone(), change: quantity::change(r.change) })
            .collect(),
        missing: missing.map(|m| MissingView { what: m.what.clone(), remedy: m.remedy.clone() }).collect(),
        caveats: a.caveats.iter().map(words::caveat).collect(),
    }
}

/// Commands that rebuild the report and open what it rests on.
pub(super) fn commands(a: &Analysis) -> Vec<Command> {
    let mut list = vec![Command {
        command: "loadprof analyze .".into(),
        what: match a.baseline {
            Some(_) => {
                "makes this report and everything below analysis/ again, byte for byte, while the folder of the \
                 baseline is still where it was (else name it with --baseline)"
            }
            None => "makes this report and everything below analysis/ again, byte for byte",
        },
    }];
    for path in profile_paths(a) {
        let files = if path.ends_with(".pb.gz") || path.ends_with(".pb") {
            escape::shell(&path)
        } else {
            format!("{}/*.pb.gz", escape::shell(path.trim_end_matches('/')))
        };
        list.push(Command {
            command: format!("go tool pprof -top -cum {files}"),
            what: "the profiles behind the evidence, in the tool their makers use",
        });
    }
    list
}

fn profile_paths(a: &Analysis) -> BTreeSet<String> {
    let evidence = a.causes.iter().flat_map(|c| &c.evidence);
    let paths = evidence.filter_map(|e| e.path.clone());
    paths.filter(|p| p.starts_with("profiles/")).take(12).collect()
}

/// Definitions of the terms this report uses, and only of those.
pub(super) fn definitions(a: &Analysis, pictures: Pictures) -> Vec<Definition> {
    let mut list: Vec<Definition> = Vec::new();
    let mut define = |when: bool, term, means| {
        if when {
            list.push(Definition { term, means });
        }
    };
    let referenced = a.breakdown.as_ref().is_some_and(|b| b.reference.is_some());
    define(
        true,
        "Response time",
        "from the moment a request was due to the last byte of its answer. A request that could not be sent in \
         time counts with the time it waited; failures and timeouts count too",
    );
    define(
        true,
        "Service time",
        "from the moment a request was sent to the last byte of its answer. It hides waiting before the sending",
    );
    define(
        a.load.arrivals == Some(Spacing::Jittered),
        "Jittered arrivals",
        "each came at random within its own slot of one distance (the first 20 ms of it at low rates), so that none \
         kept step with the samples of CPU profiles. Every time is measured from that moment",
    );
    define(
        a.load.arrivals == Some(Spacing::Poisson),
        "Random arrivals",
        "they came as those of independent users do (Poisson), in bunches and with gaps",
    );
    define(true, "p50, p95, p99", "half, 95 % or 99 % of the requests were at least this fast");
    define(true, "Mean", "the arithmetic mean over all requests of a window");
    define(
        a.load.warm_up_nanos > 0,
        "Warm-up",
        "the first part of the run: recorded, but neither judged nor compared with",
    );
    define(
        a.breakdown.is_some(),
        "Judged window",
        "the part of the run that is explained: while the anomaly lasted, or the whole run after the warm-up",
    );
    define(
        referenced,
        "Reference window",
        "the healthy part that the judged window is compared with: earlier in this run, or a baseline run",
    );
    define(
        a.breakdown.is_some() || a.baseline.is_some(),
        "90 % interval",
        "the range in brackets: with repeated runs like this one, nine of ten such ranges would hold the true \
         value",
    );
    define(
        !a.confirmations.is_empty(),
        "Intervention",
        "a change of the target that takes a cause away, applied and taken back while the same load goes on. The \
         differences within pairs of neighbouring windows tell what it does; a cause is CONFIRMED if 50 to 150 % of \
         the time it predicts go away, and not nothing beyond doubt",
    );
    define(
        a.breakdown.as_ref().is_some_and(|b| b.judged.snapshots > 0),
        "Snapshot",
        "a picture of what every request in flight is doing at one moment. The mean number of requests found in \
         a state, divided by the requests per second, is the time a request spends there (Little's law)",
    );
    define(
        !a.anomalies.is_empty(),
        "Anomaly",
        "a series that stayed out of its normal range for several periods in a row; its distance counts robust \
         deviations (spreads of the normal range that outliers do not move)",
    );
    define(
        a.anomalies.iter().any(|x| x.hindsight),
        "In hindsight",
        "no period stood out, but the whole record has a moment that parts the series into two levels, by more \
         than chance",
    );
    define(
        pictures.latency && a.timeline.iter().any(|p| p.ewma.is_some()),
        "EWMA",
        "exponentially weighted moving average: a smoothed line in which recent periods weigh more",
    );
    define(
        pictures.latency && a.timeline.iter().any(|p| p.threshold.is_some()),
        "Dynamic threshold",
        "the value that the p95 of single periods may not cross several times in a row, made from the healthy \
         periods so far; the smoothed line is only drawn",
    );
    define(
        !a.functions.is_empty(),
        "Own time, with callees",
        "CPU time in a function itself (pprof: flat), and with everything it calls (pprof: cum)",
    );
    list.extend(
        states(a).into_iter().map(|s| Definition { term: words::state(s), means: words::state_means(s) }),
    );
    list
}

/// States that occur in the breakdown.
fn states(a: &Analysis) -> BTreeSet<State> {
    let rows = a.breakdown.iter().flat_map(|b| b.rows.iter().chain(&b.background));
    let mut states: BTreeSet<State> = rows.map(|r: &BreakdownRow| r.state).collect();
    if a.breakdown.is_some() {
        states.insert(State::Unattributed);
    }
    states
}
