//! Requests sent once: before the load and after it.

use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::connections::Own;
use super::error::LoadError;
use super::plan::Plan;
use super::script::{Begin, Taker};
use super::session::{Due, Session};
use super::template::Template;

/// A request that failed: its index, and why. Nothing of the answer is in the words.
pub(crate) type Failed = (usize, String);

/// Sends the setup requests; what they extract is known to every journey from then on.
///
/// # Errors
/// [`LoadError::Setup`] with the first that failed.
pub(crate) fn set_up(plan: &mut Plan, names: &[String]) -> Result<(), LoadError> {
    if plan.setup.is_empty() {
        return Ok(());
    }
    let mut session = Session::new(Own::default());
    let feeders = plan.script.setup.1.feeders.clone();
    let failed = run(plan, &plan.setup, &feeders, &mut session, None)?;
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
    let until = Some(Instant::now() + Duration::from_nanos(longest));
    run(plan, &plan.teardown, &feeders, &mut Session::new(Own::default()), until)
        .unwrap_or_else(|e| vec![(0, e.to_string())])
}

/// `until`: all of them are sent until then, whatever becomes of each; without it the first that fails is the last.
fn run(
    plan: &Plan,
    templates: &[Template],
    feeders: &[usize],
    session: &mut Session<Own>,
    until: Option<Instant>,
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
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            failed.push((index, "not sent: those before it took the time limit of all".to_owned()));
            continue;
        }
        runtime.block_on(hit(plan, template, session, index, left));
        if let Some(problem) = session.problem() {
            failed.push((index, problem.to_string()));
            if until.is_none() {
                break;
            }
        }
    }
    Ok(failed)
}

async fn hit(
    plan: &Plan,
    template: &Template,
    session: &mut Session<Own>,
    index: usize,
    left: Option<Duration>,
) {
    let now = plan.clock.now();
    let due = Due { n: index as u64, request: index, intended: now };
    let Some(limit) = session.begin(plan, template, due, now) else { return };
    let work = async {
        if let Some(sent) = session.open(plan).await {
            session.exchange(plan, template, sent).await;
        }
    };
    let limit = Duration::from_nanos(limit);
    if tokio::time::timeout(left.map_or(limit, |left| left.min(limit)), work).await.is_err() {
        session.cut("not done within the time limit", plan.clock.now());
    }
}
