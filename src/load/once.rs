//! Requests sent once: before the load and after it.

use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::connections::Own;
use super::error::LoadError;
use super::plan::Plan;
use super::script::{Begin, Taker};
use super::session::{Due, Session};
use super::template::Template;

/// How often a look is taken whether the run was stopped.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// What ends requests sent once before the last of them.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The first that fails, or a stop.
    Early,
    /// The time of all of them, whatever becomes of each.
    At(Instant),
}

/// A request that failed: its index, and why. Nothing of the answer is in the words.
pub(crate) type Failed = (usize, String);

/// Sends the setup requests; what they extract is known to every journey from then on.
///
/// # Errors
/// [`LoadError::Setup`] with the first that failed; [`LoadError::Interrupted`] if the run was stopped.
pub(crate) fn set_up(plan: &mut Plan, names: &[String]) -> Result<(), LoadError> {
    if plan.setup.is_empty() {
        return Ok(());
    }
    let mut session = Session::new(Own::default());
    let feeders = plan.script.setup.1.feeders.clone();
    let failed = run(plan, &plan.setup, &feeders, &mut session, Ends::Early)?;
    if plan.stopped() {
        return Err(LoadError::Interrupted);
    }
    if let Some((index, problem)) = failed.into_iter().next() {
        return Err(LoadError::Setup { name: names[index].clone(), problem });
    }
    if let Some(values) = session.values() {
        plan.script.keep_globals(values);
    }
    Ok(())
}

/// Sends the teardown requests, each whatever became of the one before; gives those that failed. All together have
/// the longest time limit among them: a target that hangs must not hold up the end of the run once for each.
pub(crate) fn tear_down(plan: &Plan) -> Vec<Failed> {
    let feeders = plan.script.teardown.1.feeders.clone();
    let longest = plan.teardown.iter().map(|t| t.timeout).max().unwrap_or(0);
    let ends = Ends::At(Instant::now() + Duration::from_nanos(longest));
    run(plan, &plan.teardown, &feeders, &mut Session::new(Own::default()), ends)
        .unwrap_or_else(|e| vec![(0, e.to_string())])
}

fn run(
    plan: &Plan,
    templates: &[Template],
    feeders: &[usize],
    session: &mut Session<Own>,
    ends: Ends,
) -> Result<Vec<Failed>, LoadError> {
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(LoadError::Thread)?;
    let mut failed = Vec::new();
    // Without its data not even the first of them can be what it should be. A feeder that would end the run ends
    // nothing here: the load has not begun, or is over.
    let problem = match session.person(plan).begin(feeders, 0, Taker::User(0)) {
        Begin::Ready => None,
        Begin::Fail(missing) => Some(missing.to_string()),
        Begin::Stop => Some("a feeder whose columns it uses has no record left".to_owned()),
    };
    if let Some(problem) = problem {
        return Ok(vec![(0, problem)]);
    }
    for (index, template) in templates.iter().enumerate() {
        if ends.left().is_zero() {
            failed.push((index, "not sent: those before it took the time limit of all".to_owned()));
            continue;
        }
        runtime.block_on(hit(plan, template, session, index, ends));
        if let Some(problem) = session.problem() {
            failed.push((index, problem.to_string()));
            if matches!(ends, Ends::Early) {
                break;
            }
        }
    }
    Ok(failed)
}

async fn hit(plan: &Plan, template: &Template, session: &mut Session<Own>, index: usize, ends: Ends) {
    let now = plan.clock.now();
    let due = Due { n: index as u64, request: index, intended: now };
    let Some(limit) = session.begin(plan, template, due, now) else { return };
    let work = async {
        if let Some(sent) = session.open(plan).await {
            session.exchange(plan, template, sent).await;
        }
    };
    let limit = Duration::from_nanos(limit).min(ends.left());
    let cut = tokio::select! {
        done = timeout(limit, work) => done.is_err().then_some("not done within the time limit"),
        () = stopped(plan, ends) => Some("the run was stopped"),
    };
    if let Some(why) = cut {
        session.cut(why, plan.clock.now());
    }
}

/// Waits for a stop; for ever where it changes nothing.
async fn stopped(plan: &Plan, ends: Ends) {
    while matches!(ends, Ends::At(_)) || !plan.stopped() {
        sleep(STOP_LOOK).await;
    }
}

impl Ends {
    /// The time that is left.
    fn left(self) -> Duration {
        match self {
            Self::Early => Duration::MAX,
            Self::At(end) => end.saturating_duration_since(Instant::now()),
        }
    }
}
