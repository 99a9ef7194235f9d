//! Attribution: from a recording and a moment that went wrong to a latency breakdown and ranked causes.
//!
//! A snapshot of what the requests in flight are doing, taken N times, gives by Little's law the time a
//! request spends in each state: `x_c = N_c / X`. CPU profiles split the running part by function.
//! Waiting is then handed to whoever makes others wait. `docs/attribution.md` has the rules.

mod beside;
mod blame;
mod books;
mod client;
mod counters;
mod cpu_time;
mod databases;
mod flames;
mod functions;
mod inlined;
mod lines;
mod measure;
mod names;
mod noise;
mod processors;
mod rows;
mod served;
mod side;
mod snapshots;
mod stack;
mod stacks;
#[cfg(test)]
mod tests;
mod traces;
mod unread;
mod utilization;
mod verdict;

use crate::analysis::{
    Breakdown, Cause, Caveat, DatabaseFacts, Estimate, FunctionRow, Missing, Reading, RuledOut, SpanFacts,
    State, Utilization, Verdict,
};
use crate::run::period::LoadPeriod;
use crate::run::reader::Recording;
use crate::time::Window;

use blame::{Candidate, Case};
use books::Line;
use measure::Measured;
use side::Side;

pub use flames::Folded;
pub use traces::traces;

/// Healthy windows to compare with: of the same run, or of a baseline.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The run they are in.
    pub recording: &'a Recording,
    /// Its periods.
    pub periods: &'a [LoadPeriod],
    /// The windows in it, in order.
    pub windows: &'a [Window],
}

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The run.
    pub recording: &'a Recording,
    /// Its periods.
    pub periods: &'a [LoadPeriod],
    /// Services with evidence, in the order of the scenario; the first one serves the requests.
    pub services: &'a [String],
    /// Names of the requests of the scenario, in its order.
    pub requests: &'a [String],
    /// The window to explain.
    pub judged: Window,
    /// What to compare it with; none explains the level.
    pub reference: Option<Reference<'a>>,
    /// What the machines of the services say of both.
    pub readings: &'a [Reading],
    /// Critical paths of the traces that services sent.
    pub spans: Option<&'a SpanFacts>,
    /// Whether what went wrong is a growing number of goroutines.
    pub growth: bool,
}

/// What could be found out.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// How sure it is.
    pub verdict: Verdict,
    /// Causes the verdict names.
    pub causes: Vec<Cause>,
    /// Where the time goes.
    pub breakdown: Breakdown,
    /// Functions by CPU per request.
    pub functions: Vec<FunctionRow>,
    /// What can be excluded.
    pub ruled_out: Vec<RuledOut>,
    /// Evidence that was not there.
    pub missing: Vec<Missing>,
    /// What database servers say.
    pub databases: Vec<DatabaseFacts>,
    /// How full the resources are.
    pub utilization: Vec<Utilization>,
    /// Doubts.
    pub caveats: Vec<Caveat>,
    /// CPU stacks of both windows, for flame graphs.
    pub folded: Folded,
}

/// Explains one window.
#[must_use]
pub fn attribute(inquiry: &Inquiry) -> Attribution {
    let mut judged = Side::load(inquiry.recording, inquiry.periods, inquiry.services, &[inquiry.judged]);
    let mut reference =
        inquiry.reference.map(|r| Side::load(r.recording, r.periods, inquiry.services, r.windows));
    reference.iter_mut().for_each(|before| judged.alike(before));
    let mut rows_now = rows::rows(&judged, &judged);
    let mut rows_before = reference.as_ref().map(|before| rows::rows(before, &judged));
    if let (Some(rows), Some(before)) = (&mut rows_before, &reference) {
        rows::add_unmet(rows, before, &rows_now);
        rows::add_unmet(&mut rows_now, &judged, rows);
    }
    let lines = books::lines(rows_before.as_ref(), &rows_now);
    let rest = books::unattributed(&lines, reference.as_ref(), &judged);
    let change =
        judged.client.response.minus(reference.as_ref().map(|r| r.client.response).unwrap_or_default());
    let least = noise::least(&judged, reference.as_ref());
    let floor = noise::floor(&judged, reference.as_ref());
    let databases = databases::facts(inquiry);
    let case = Case {
        reference: reference.as_ref(),
        judged: &judged,
        lines: &lines,
        databases: &databases,
        readings: inquiry.readings,
        spans: inquiry.spans,
        requests: inquiry.requests,
        load_change: reference.as_ref().map_or(0.0, |r| load_change(r, &judged)),
        one_run: inquiry
            .reference
            .is_some_and(|r| r.recording.manifest.run_id == inquiry.recording.manifest.run_id),
        saturated: is_growing(&judged.client.in_flight),
        floor,
    };
    let candidates = ordered(blame::candidates(&case), inquiry.growth);
    let (verdict, named) = verdict::judge(&verdict::Question {
        candidates: &candidates,
        change,
        rest: &books::unexplained(&rest, &lines),
        means: (reference.as_ref().map_or(0.0, |r| r.client.response.value), judged.client.response.value),
        floor,
        growth: inquiry.growth,
        saturated: case.saturated,
        queued: case.queued(),
        unowned: blame::unowned(&case, &candidates),
        load_change: case.load_change,
        mix: reference.as_ref().map_or(0.0, |r| mix_effect(r, &judged)),
    });
    let causes: Vec<Cause> = named.into_iter().map(|i| cause(&case, candidates[i].clone(), change)).collect();
    let mut caveats = caveats(&judged, reference.as_ref(), &rest);
    if case.saturated {
        let what = causes.first().map_or("the service", |c| c.at.as_str()).to_owned();
        caveats.push(Caveat::Saturated { what });
    }
    Attribution {
        verdict,
        ruled_out: ruled_out(&lines, &causes, least),
        missing: missing(inquiry, &judged),
        breakdown: books::breakdown(&lines, &rest, reference.as_ref(), &judged),
        functions: functions::rows(reference.as_ref(), &judged),
        folded: Folded::of(reference.as_ref(), &judged),
        utilization: utilization::utilization(&case),
        databases,
        causes,
        caveats,
    }
}

/// If goroutines grow, the function that starts them comes first.
fn ordered(mut candidates: Vec<Candidate>, growth: bool) -> Vec<Candidate> {
    if growth {
        candidates.sort_by_key(|c| c.kind != crate::analysis::CauseKind::GoroutineLeak);
    }
    candidates
}

/// Whether the last third holds more than twice the requests in flight of the first.
fn is_growing(in_flight: &[f64]) -> bool {
    let third = in_flight.len() / 3;
    if third == 0 {
        return false;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&in_flight[..third]), mean(&in_flight[in_flight.len() - third..]));
    last > 2.0 * first && last > 50.0
}

fn load_change(reference: &Side, judged: &Side) -> f64 {
    let rate = |s: &Side| if s.client.secs > 0.0 { s.client.offered as f64 / s.client.secs } else { 0.0 };
    let before = rate(reference);
    if before > 0.0 { rate(judged) / before - 1.0 } else { 0.0 }
}

/// Change of the mean response time that other shares of the requests alone would make, with each request
/// as fast as on the mean of both sides.
fn mix_effect(reference: &Side, judged: &Side) -> f64 {
    let share = |s: &Side, i: usize| {
        s.client.by_request.get(i).copied().unwrap_or(0) as f64 / s.client.done.max(1) as f64
    };
    let time = |s: &Side, i: usize| s.client.response_by_request.get(i).copied().unwrap_or(0.0);
    (0..judged.client.by_request.len())
        .map(|i| (share(judged, i) - share(reference, i)) * (time(judged, i) + time(reference, i)) / 2.0)
        .sum()
}

fn cause(case: &Case, c: Candidate, change: Measured) -> Cause {
    Cause {
        lines: blame::lines(case, &c),
        kind: c.kind,
        share: if change.value > 0.0 { c.explains.value / change.value } else { 0.0 },
        explains: c.explains.estimate(),
        at: c.at,
        doing: c.doing,
        service: c.service,
        mechanism: c.mechanism,
        remedy: c.remedy,
        evidence: c.evidence,
    }
}

/// States whose change is certainly small.
fn ruled_out(lines: &[Line], causes: &[Cause], floor: f64) -> Vec<RuledOut> {
    const STATES: [(State, &str); 7] = [
        (State::Cpu, "CPU demand"),
        (State::RunQueue, "waiting for a CPU"),
        (State::Lock, "waiting for locks"),
        (State::Downstream, "waiting for other services"),
        (State::Database, "waiting for the database"),
        (State::GarbageCollection, "helping the garbage collector"),
        (State::ClientConnect, "opening connections"),
    ];
    let top = causes.first().map_or(0.0, |c| c.explains.value as f64);
    let limit = floor.max(0.1 * top);
    STATES
        .iter()
        .filter_map(|(state, what)| {
            let of_state: Vec<_> = lines.iter().filter(|l| l.state == *state).collect();
            let sum = of_state.iter().fold(Measured::default(), |sum, l| sum.plus(l.change()));
            let small = !of_state.is_empty() && sum.high() < limit;
            small.then(|| RuledOut { what: (*what).to_owned(), change: sum.estimate() })
        })
        .collect()
}

fn missing(inquiry: &Inquiry, judged: &Side) -> Vec<Missing> {
    let mut all = Vec::new();
    for (key, facts) in &inquiry.recording.manifest.sources {
        all.extend(
            facts
                .off
                .iter()
                .map(|off| Missing { what: format!("{} of {key}", off.what), remedy: off.remedy.clone() }),
        );
        if let Some(problem) = &facts.problem {
            all.push(Missing { what: key.clone(), remedy: problem.clone() });
        }
    }
    if judged.entry().is_none() {
        let what = if judged.serving().is_some() {
            "any evidence of what handlers do"
        } else {
            "any evidence of what the service does"
        };
        all.push(Missing {
            what: what.to_owned(),
            remedy: "name an evidence source in the scenario, e.g. [[evidence.go-pprof]]; \
                     `loadprof check` says what is reachable"
                .to_owned(),
        });
    }
    all
}

/// Fewer snapshots than this give rows with wide intervals.
const FEW_SNAPSHOTS: u64 = 30;

fn caveats(judged: &Side, reference: Option<&Side>, rest: &Line) -> Vec<Caveat> {
    let mut all = Vec::new();
    if reference.is_none() {
        all.push(Caveat::NoReference);
    }
    let measured = judged.client.response.value;
    if judged.serving().is_some() && rest.judged.value.abs() > 0.1 * measured {
        let explained = (measured - rest.judged.value).round() as i64;
        all.push(Caveat::BooksOpen { explained, measured: measured.round() as i64 });
    }
    for side in reference.into_iter().chain([judged]) {
        let found = side.entry().map_or(0, |s| s.snapshots.len() as u64);
        if found > 0 && found < FEW_SNAPSHOTS {
            let what = "goroutine snapshots in a window".to_owned();
            all.push(Caveat::TooFewSamples { what, found, needed: FEW_SNAPSHOTS });
        }
    }
    all
}

/// Sum of a breakdown's rows: what the books explain.
#[must_use]
pub fn explained(breakdown: &Breakdown) -> Estimate {
    let sum = |of: fn(&Estimate) -> i64| breakdown.rows.iter().map(|r| of(&r.judged)).sum();
    Estimate { value: sum(|e| e.value), low: sum(|e| e.low), high: sum(|e| e.high) }
}
