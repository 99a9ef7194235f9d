//! The course of a closed-model run: goose starts the users, this ends them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use goose::GooseAttack;
use tokio::runtime::{Builder, Runtime};

use super::user::{Users, use_shard};
use crate::load::error::LoadError;
use crate::load::open::thread::{STOP_GRACE, ThreadOutcome};
use crate::load::recorder::Recorder;
use crate::time::{RunTime, SECOND};

/// How often time limits, periods and the stop flag are looked at.
const TICK: Duration = Duration::from_millis(5);
/// How long goose may take to start the users.
const START_LIMIT: u64 = 60 * SECOND;
/// How long a user that was cut off may take to record its hit.
const CUT_LIMIT: u64 = 10 * SECOND;

/// What becomes known when the users are there: the start of the load, and its aggregator.
pub(crate) type Begun = Result<(RunTime, JoinHandle<RunTime>), LoadError>;

/// Makes the recorders and their aggregator, given the start of the load.
pub(crate) type Connect = Box<dyn FnOnce(RunTime) -> io::Result<(Vec<Recorder>, JoinHandle<RunTime>)> + Send>;

/// The body of the thread that runs goose and its users.
pub(crate) fn main(
    users: &Arc<Users>,
    attack: GooseAttack,
    connect: Connect,
    begun: &Sender<Begun>,
) -> Option<ThreadOutcome> {
    let runtime = match runtime(users.plan.threads) {
        Ok(runtime) => runtime,
        Err(e) => {
            let _ = begun.send(Err(LoadError::Thread(e)));
            return None;
        }
    };
    let outcome = runtime.block_on(async {
        let goose = Goose { attack: Box::pin(attack.execute()), ended: None };
        drive(users, goose, connect, begun).await
    });
    // Users that wait for a turn that never comes end here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// The workers `load-0` and on, each with a recorder of its own.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let (named, sharded) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name_fn(move || format!("load-{}", named.fetch_add(1, Ordering::Relaxed)))
        .on_thread_start(move || use_shard(sharded.fetch_add(1, Ordering::Relaxed) % threads))
        .enable_all()
        .build()
}

/// goose's own run, polled beside ours until it ends, which it should not.
struct Goose<F> {
    attack: Pin<Box<F>>,
    /// What it said, once it ended.
    ended: Option<String>,
}

impl<F: Future<Output = Result<goose::metrics::GooseMetrics, goose::GooseError>>> Goose<F> {
    /// Lets `time` pass while goose runs.
    async fn pass(&mut self, time: Duration) {
        if self.ended.is_some() {
            return tokio::time::sleep(time).await;
        }
        if let Ok(ended) = tokio::time::timeout(time, &mut self.attack).await {
            self.ended = Some(match ended {
                Ok(_) => "goose ended before its users worked".into(),
                Err(e) => e.to_string(),
            });
        }
    }
}

async fn drive<F: Future<Output = Result<goose::metrics::GooseMetrics, goose::GooseError>>>(
    users: &Users,
    mut goose: Goose<F>,
    connect: Connect,
    begun: &Sender<Begun>,
) -> Option<ThreadOutcome> {
    if let Err(problem) = wait_for_users(users, &mut goose).await {
        let _ = begun.send(Err(LoadError::Users(problem)));
        return None;
    }
    let started = users.plan.clock.now();
    match connect(started) {
        Ok((recorders, aggregator)) => {
            users.begin(started, recorders);
            begun.send(Ok((started, aggregator))).ok()?;
        }
        Err(e) => {
            let _ = begun.send(Err(LoadError::Thread(e)));
            return None;
        }
    }
    let stopped = run(users, &mut goose, started.plus(users.shape.end())).await;
    let (offered, sent) = users.finish(users.plan.clock.now());
    Some(ThreadOutcome { offered, sent, stopped })
}

async fn wait_for_users<F: Future<Output = Result<goose::metrics::GooseMetrics, goose::GooseError>>>(
    users: &Users,
    goose: &mut Goose<F>,
) -> Result<(), String> {
    let until = users.plan.clock.now().plus(START_LIMIT);
    while users.joined() < users.shape.most() {
        goose.pass(Duration::from_millis(1)).await;
        if let Some(why) = goose.ended.take() {
            return Err(why);
        }
        if users.plan.clock.now() > until {
            return Err(format!("only {} of {} started within 60 s", users.joined(), users.shape.most()));
        }
    }
    Ok(())
}

/// Runs to the end of the plan or the stop, and through the graceful stop; gives the moment of a stop.
async fn run<F: Future<Output = Result<goose::metrics::GooseMetrics, goose::GooseError>>>(
    users: &Users,
    goose: &mut Goose<F>,
    planned_end: RunTime,
) -> Option<RunTime> {
    let plan = &users.plan;
    let (mut end, mut grace, mut stopped) = (planned_end, plan.graceful_stop, None);
    loop {
        let left = Duration::from_nanos(end.since(plan.clock.now()));
        goose.pass(if left.is_zero() { TICK } else { TICK.min(left) }).await;
        let now = plan.clock.now();
        users.roll(now);
        if plan.out_of_data() {
            end = end.min(now);
        }
        let stop = plan.stopped() || goose.ended.is_some() || goose::is_killswitch_triggered();
        if stop && stopped.is_none() && now < end {
            (stopped, end, grace) = (Some(now), now, grace.min(STOP_GRACE));
        }
        if now < end {
            users.sweep(now, false);
            continue;
        }
        users.close();
        if !users.busy() || now >= end.plus(grace).plus(CUT_LIMIT) {
            return stopped;
        }
        users.sweep(now, now >= end.plus(grace));
    }
}
