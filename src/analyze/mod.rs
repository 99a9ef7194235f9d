//! From a run folder to one [`Analysis`]: reads only, measures nothing, and gives the same value each time.

mod confirmation;
mod databases;
mod exhibits;
mod facts;
mod failing;
mod health;
mod host;
mod load;
mod logs;
mod metrics;
mod spans;

use std::path::Path;

use crate::analysis::{
    ANALYSIS_FORMAT, Analysis, BaselineComparison, Breakdown, CauseKind, Caveat, Expectation, Reading,
    RequestSummary, SpanFacts, ThresholdResult, Validity, Verdict,
};
use crate::attribute::{self, Attribution, Folded, Inquiry, Reference};
use crate::detect::{self, Detection, Input, Windows};
use crate::gate;
use crate::run::writer::RunError;
use crate::scenario::{Expect, ScenarioError};
use crate::time::Window;

use load::Loaded;

/// Why a run folder could not be analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The folder cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The scenario in it cannot be read.
    #[error("the run's own scenario.toml cannot be read: {0}")]
    Scenario(#[from] ScenarioError),
    /// Nothing was recorded.
    #[error("{0}: no period of the load was recorded, there is nothing to analyse")]
    Empty(std::path::PathBuf),
}

/// An analysis and what goes with it.
#[derive(Clone, Debug)]
pub struct Analyzed {
    /// The analysis.
    pub analysis: Analysis,
    /// CPU stacks for flame graphs.
    pub folded: Folded,
}

/// Analyses a run folder, compared with a baseline run if one is given.
///
/// # Errors
/// If a folder cannot be read or holds no load.
pub fn analyze(dir: &Path, baseline: Option<&Path>) -> Result<Analyzed, AnalyzeError> {
    let run = Loaded::open(dir)?;
    let before = baseline.map(Loaded::open).transpose()?;
    let detection = detect(&run, before.as_ref());
    let compared = before.as_ref().map(|b| facts::compare(&run, b, baseline.unwrap_or(dir)));
    let (comparison, unlike) = compared.map_or((None, None), |c| (Some(c.comparison), c.caveat));
    let thresholds = gate::evaluate(run.measured(), &run.scenario);
    let validity = gate::validity(run.measured(), &health::readings(&run), &run.scenario);
    let load = gate::summarize(&run.periods, &run.scenario, run.warm_up_end());
    let gate = Gate { comparison: comparison.as_ref(), thresholds: &thresholds, requests: &load.requests };
    let Explained { question, readings, spans, mut found } = Question::growth(&run, &detection)
        .map(|q| explain(&run, q))
        .filter(|e| e.found.causes.first().is_some_and(|c| c.kind == CauseKind::GoroutineLeak))
        .unwrap_or_else(|| explain(&run, Question::of(&run, before.as_ref(), &detection, &gate)));
    let mut verdict = verdict(&validity, &question, &found);
    if verdict == Verdict::Generator {
        // Its rows speak of the generator, too.
        (found.breakdown.rows, found.functions) = (Vec::new(), Vec::new());
    }
    if matches!(verdict, Verdict::Generator | Verdict::Healthy | Verdict::Failing) {
        // The time of requests is not what is explained.
        found.causes.clear();
        found.ruled_out.clear();
        found.caveats.retain(|c| *c != Caveat::NoReference);
    }
    let confirmations = confirmation::confirmations(&run.recording, &found.causes)?;
    verdict = confirmation::weigh(verdict, &mut found.causes, &confirmations);
    let mut caveats = facts::caveats(&run, &detection, &validity);
    caveats.extend(unlike);
    caveats.extend(found.caveats);
    let expectation = run.scenario.expect.as_ref().map(|e| expectation(e, &found.causes));
    let analysis = Analysis {
        format: ANALYSIS_FORMAT,
        run: facts::run(&run),
        verdict,
        causes: found.causes,
        confirmations,
        validity,
        load,
        timeline: facts::timeline(&run, &detection),
        anomalies: detection.anomalies(),
        breakdown: has_rows(&found.breakdown).then_some(found.breakdown),
        functions: found.functions,
        ruled_out: found.ruled_out,
        missing: found.missing,
        caveats: distinct(caveats),
        thresholds,
        baseline: comparison,
        expectation,
        spans,
        databases: found.databases,
        database_traces: databases::traces(&run, &question),
        traces: attribute::traces(&run.recording, &run.periods),
        readings,
        utilization: found.utilization,
        metrics: metrics::told(&run, &question),
        logs: logs::patterns(&run, &question),
        exhibits: exhibits::exhibits(&run),
    };
    Ok(Analyzed { analysis, folded: found.folded })
}

fn detect(run: &Loaded, before: Option<&Loaded>) -> Detection {
    let baseline_series = before.map(|b| (b.series(), b.levels()));
    let concurrency = detect::load_concurrency(run.scheduled());
    detect::detect(&Input {
        series: &run.series(),
        offered: &run.levels(),
        concurrency: &concurrency,
        settings: &run.scenario.detect,
        warm_up: run.warm_up_end(),
        baseline: before.zip(baseline_series.as_ref()).map(|(b, (series, offered))| detect::Baseline {
            series,
            offered,
            warm_up: b.warm_up_end(),
        }),
        seed: run.scenario.load.seed,
    })
}

/// What may have gone wrong besides an anomaly.
#[derive(Debug)]
struct Gate<'a> {
    comparison: Option<&'a BaselineComparison>,
    thresholds: &'a [ThresholdResult],
    requests: &'a [RequestSummary],
}

/// What is to be explained, and against what.
#[derive(Debug)]
struct Question<'a> {
    judged: Window,
    reference: Option<(&'a Loaded, Vec<Window>)>,
    /// Whether something went wrong at all.
    trouble: bool,
    /// Whether what went wrong is a growth.
    growth: bool,
    /// Whether what went wrong is that requests fail, and not how long they take.
    errors: bool,
}

impl<'a> Question<'a> {
    /// A growth that began before anything else went wrong: what follows from it would hide it.
    fn growth(run: &'a Loaded, detection: &Detection) -> Option<Self> {
        let leak = detection.leaks.iter().min_by_key(|l| l.window.from)?;
        if detection.moments.iter().any(|m| m.window.from < leak.window.from) {
            return None;
        }
        let healthy = Window::new(run.warm_up_end(), leak.window.from.minus(detection.period));
        let reference = (healthy.nanos() > 0).then(|| (run, vec![healthy]));
        Some(Self { judged: leak.window, reference, trouble: true, growth: true, errors: false })
    }

    /// A regression against the baseline; else an anomaly against the healthy part of the run; else a
    /// threshold that does not hold, as a level; else requests that fail all the time; else nothing.
    fn of(run: &'a Loaded, before: Option<&'a Loaded>, detection: &Detection, gate: &Gate<'_>) -> Self {
        let whole = run.steady();
        let baseline = || before.map(|b| (b, vec![b.steady()]));
        if let Some(worse) = gate.comparison.filter(|c| c.regressed) {
            // Whatever else happened within the run, it is the baseline that this one is worse than.
            let errors = failing::regression(worse);
            return Self { judged: whole, reference: baseline(), trouble: true, growth: false, errors };
        }
        match detect::windows(detection, whole) {
            Some(w) => {
                let growth = detection.moments.is_empty();
                let own = (!w.reference.is_empty()).then(|| (run, w.reference.clone()));
                let errors = failing::moment(detection, w.anomaly.window);
                let (judged, reference) = (judged(&w, growth), own.or_else(baseline));
                Self { judged, reference, trouble: true, growth, errors }
            }
            None => {
                let failed = gate.thresholds.iter().any(|t| !t.passed);
                let errors = match failed {
                    true => failing::thresholds(gate.requests, gate.thresholds),
                    false => failing::steadily(gate.requests, gate.thresholds),
                };
                Self { judged: whole, reference: None, trouble: failed || errors, growth: false, errors }
            }
        }
    }
}

/// A leak is seen best over its whole growth; other anomalies without their guard band.
fn judged(windows: &Windows, growth: bool) -> Window {
    if growth { windows.anomaly.window } else { windows.judged }
}

/// A question, what was read to answer it, and the answer.
#[derive(Debug)]
struct Explained<'a> {
    question: Question<'a>,
    readings: Vec<Reading>,
    spans: Option<SpanFacts>,
    found: Attribution,
}

fn explain<'a>(run: &Loaded, question: Question<'a>) -> Explained<'a> {
    let (readings, spans) = (host::readings(run, &question), spans::spans(run, &question));
    let requests: Vec<String> = run.scenario.requests.iter().map(|r| r.name.clone()).collect();
    let found = attribute::attribute(&Inquiry {
        recording: &run.recording,
        periods: &run.periods,
        services: &run.services,
        requests: &requests,
        judged: question.judged,
        reference: question.reference.as_ref().map(|(loaded, windows)| Reference {
            recording: &loaded.recording,
            periods: &loaded.periods,
            windows,
        }),
        readings: &readings,
        spans: spans.as_ref(),
        growth: question.growth,
    });
    Explained { question, readings, spans, found }
}

/// Whether the run was fit to measure comes before every other verdict.
fn verdict(validity: &Validity, question: &Question, found: &Attribution) -> Verdict {
    match (validity.valid, question.trouble) {
        (false, _) => Verdict::Generator,
        (true, false) => Verdict::Healthy,
        (true, true) if question.errors => Verdict::Failing,
        (true, true) => found.verdict,
    }
}

fn expectation(expect: &Expect, causes: &[crate::analysis::Cause]) -> Expectation {
    let met = causes.first().is_some_and(|c| {
        c.kind.word() == expect.cause
            && expect.at.as_ref().is_none_or(|at| c.at.contains(at) || c.doing.contains(at))
    });
    Expectation { cause: expect.cause.clone(), at: expect.at.clone(), met }
}

fn has_rows(breakdown: &Breakdown) -> bool {
    !breakdown.rows.is_empty()
}

fn distinct(caveats: Vec<Caveat>) -> Vec<Caveat> {
    let mut all: Vec<Caveat> = Vec::new();
    for caveat in caveats {
        if !all.contains(&caveat) {
            all.push(caveat);
        }
    }
    all
}
