//! What simpler methods say of the same recording. They are given the same windows; a method that can only name a
//! metric or a function answers with it.

use std::path::Path;

use loadprof::formats::openmetrics::Kind;
use loadprof::run::reader::Recording;
use loadprof::time::{RunTime, Window};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cases::Case;
use crate::run::Outcome;

/// Methods, in the order of the table.
pub const METHODS: [&str; 5] =
    ["random row", "z-score", "median/IQR", "flame difference", "largest added ms"];

/// How far each method came: kind of cause right, and function, statement or limit right too.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Answer {
    pub kind: f64,
    pub whole: f64,
}

pub fn answers(case: &Case, outcome: &Outcome) -> [Answer; METHODS.len()] {
    let a = &outcome.analysis;
    [
        random(case, a),
        by_metric(case, outcome, z_score),
        by_metric(case, outcome, robust_score),
        flame(case, a),
        largest(case, a),
    ]
}

fn certain(kind: bool, whole: bool) -> Answer {
    let one = |b: bool| f64::from(u8::from(b));
    Answer { kind: one(kind), whole: one(kind && whole) }
}

/// Rows of the breakdown with the kind of cause that their state stands for.
fn rows(a: &Value) -> Vec<(&str, &str, f64)> {
    let rows = a["breakdown"]["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|r| {
            let kind = kind_of(r["state"].as_str().unwrap_or_default());
            (kind, r["at"].as_str().unwrap_or_default(), r["change"]["value"].as_f64().unwrap_or(0.0))
        })
        .collect()
}

fn kind_of(state: &str) -> &'static str {
    match state {
        "cpu" => "cpu",
        "lock" => "lock",
        "channel-send" | "channel-receive" | "connection-pool" => "pool",
        "downstream" => "downstream",
        "database" => "database",
        "cache" => "cache",
        "garbage-collection" => "allocation",
        // The state says as much as the kind: who else would be to blame.
        "run-queue" => "noisy-neighbour",
        "syscall" => "disk",
        "sleep" => "retry",
        "dial" | "client-connect" => "connect",
        _ => "wait",
    }
}

fn right(case: &Case, kind: &str, at: &str) -> Answer {
    certain(case.kinds.contains(&kind), case.names.iter().all(|n| at.contains(n)))
}

/// Expected score of a blind choice among the rows.
fn random(case: &Case, a: &Value) -> Answer {
    let rows = rows(a);
    let n = rows.len().max(1) as f64;
    rows.iter().map(|(kind, at, _)| right(case, kind, at)).fold(Answer::default(), |sum, one| Answer {
        kind: sum.kind + one.kind / n,
        whole: sum.whole + one.whole / n,
    })
}

fn largest(case: &Case, a: &Value) -> Answer {
    let rows = rows(a);
    let top = rows.iter().max_by(|x, y| x.2.total_cmp(&y.2));
    top.map_or(Answer::default(), |(kind, at, _)| right(case, kind, at))
}

/// The function whose own CPU time grew most.
fn flame(case: &Case, a: &Value) -> Answer {
    let functions = a["functions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let grown = |f: &Value| f["flat"].as_f64().unwrap_or(0.0) - f["flat_reference"].as_f64().unwrap_or(0.0);
    let top = functions.iter().max_by(|x, y| grown(x).total_cmp(&grown(y)));
    top.map_or(Answer::default(), |f| right(case, "cpu", f["function"].as_str().unwrap_or_default()))
}

/// The metric that moved most by a score of its values before and now. What it can say is its kind.
fn by_metric(case: &Case, outcome: &Outcome, score: fn(&[f64], &[f64]) -> f64) -> Answer {
    let top = series(&outcome.folder, &outcome.analysis)
        .into_iter()
        .map(|(name, before, now)| (score(&before, &now), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    top.map_or(Answer::default(), |(_, name)| certain(case.kinds.contains(&metric_kind(&name)), false))
}

/// What somebody would read from a metric's name.
fn metric_kind(name: &str) -> &'static str {
    let has = |part: &str| name.contains(part);
    match () {
        () if has("mutex") => "lock",
        () if has("throttled") || has("quota") => "cpu-limit",
        () if has("goroutines") => "goroutine-leak",
        () if has("_gc_") || has("heap") || has("memstats") || has("alloc") => "allocation",
        () if has("cpu_seconds") => "cpu",
        () if has("run_queue") => "noisy-neighbour",
        () => "wait",
    }
}

type Moved = (String, Vec<f64>, Vec<f64>);

/// All series of the shop: gauges as they are, counters as growth; values in the reference and in the judged window.
fn series(folder: &Path, a: &Value) -> Vec<Moved> {
    let window = |of: &str| {
        let w = &a["breakdown"][of]["window"];
        let at = |end: &str| w[end].as_u64().map(RunTime::from_nanos);
        Some(Window::new(at("from")?, at("to")?))
    };
    let (Some(before), Some(now)) = (window("reference"), window("judged")) else { return Vec::new() };
    let Ok(recording) = Recording::open(folder) else { return Vec::new() };
    let pages = recording.series("shop", |_, _| true).into_iter().chain(recording.host_series("shop"));
    let all = pages.flat_map(|history| history.series.iter().map(values).collect::<Vec<_>>());
    all.map(|(name, points)| {
        let within = |w: Window| points.iter().filter(|p| w.contains(p.0)).map(|p| p.1).collect();
        (name, within(before), within(now))
    })
    .collect()
}

fn values(series: &loadprof::run::history::MetricSeries) -> (String, Vec<(RunTime, f64)>) {
    let counts = !matches!(series.kind, Kind::Gauge | Kind::Unknown) || series.name.ends_with("_total");
    let points = match counts {
        true => series.points.windows(2).map(|p| (p[1].0, p[1].1 - p[0].1)).collect(),
        false => series.points.clone(),
    };
    (series.name.to_string(), points)
}

fn z_score(before: &[f64], now: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    if before.len() < 3 || now.is_empty() {
        return 0.0;
    }
    let m = mean(before);
    let spread = (before.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (before.len() - 1) as f64).sqrt();
    now.iter().map(|x| (x - m).abs() / (spread + 1e-9)).fold(0.0, f64::max)
}

/// As BARO scores (FSE 2024): median and interquartile range of the reference.
fn robust_score(before: &[f64], now: &[f64]) -> f64 {
    let mut sorted = before.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize];
    if sorted.len() < 3 || now.is_empty() {
        return 0.0;
    }
    now.iter().map(|x| (x - at(0.5)).abs() / (at(0.75) - at(0.25) + 1e-9)).fold(0.0, f64::max)
}
