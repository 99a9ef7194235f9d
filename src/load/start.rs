//! Starting and joining a load.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::LoadPlan;
use super::aggregate::Aggregator;
use super::error::LoadError;
use super::once;
use super::open::thread::{self, Go, ThreadOutcome};
use super::plan::{Plan, StopFlag};
use super::recorder::{Finished, Recorder, Share};
use super::schedule::Schedule;
use super::vus::attack;
use super::vus::drive::{self, Begun};
use super::vus::shape::Shape;
use super::vus::user::Users;
use crate::run::period::LoadPeriod;
use crate::scenario::Executor;
use crate::time::RunTime;

/// Time between the last thread's word that it is ready and the first arrival.
const LEAD: u64 = 1_000_000;

/// A load under way.
#[derive(Debug)]
pub struct LoadHandle {
    plan: Arc<Plan>,
    started: RunTime,
    threads: Vec<JoinHandle<Option<ThreadOutcome>>>,
    aggregator: JoinHandle<RunTime>,
}

/// What a load came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOutcome {
    /// Start of the schedule and of the first period.
    pub started: RunTime,
    /// End of the last hit's recording, and of the last period.
    pub ended: RunTime,
    /// When arrivals (or users) ended: as planned, or at the stop.
    pub schedule_ended: RunTime,
    /// Arrivals offered (open model) or hits begun (closed model).
    pub offered: u64,
    /// Requests sent.
    pub sent: u64,
    /// Whether the run was stopped before the end of its schedule.
    pub interrupted: bool,
    /// Teardown requests that failed: index in the scenario, and why.
    pub teardown_failures: Vec<(usize, String)>,
}

impl LoadHandle {
    /// Start of the schedule and of the first period.
    #[must_use]
    pub const fn started(&self) -> RunTime {
        self.started
    }

    /// How long the one name look-up before the run took; zero for an IP address.
    #[must_use]
    pub fn lookup(&self) -> Duration {
        self.plan.connector.lookup()
    }

    /// Connections that may be open at the same time, cut to what file descriptors allow.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.plan.max_connections
    }

    /// Whether the load has ended, so that [`LoadHandle::join`] does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.aggregator.is_finished()
    }

    /// Waits for the end of the load; the sink has had every period by then.
    ///
    /// # Panics
    /// If a load thread or the sink panicked: hits may be missing then.
    #[must_use]
    pub fn join(self) -> LoadOutcome {
        let outcomes: Vec<_> = self.threads.into_iter().filter_map(joined).collect();
        let ended = joined(self.aggregator);
        let stopped = outcomes.iter().filter_map(|o| o.stopped).max();
        let teardown_failures = once::tear_down(&self.plan);
        LoadOutcome {
            started: self.started,
            ended,
            schedule_ended: stopped.unwrap_or_else(|| self.started.plus(self.plan.length)),
            offered: outcomes.iter().map(|o| o.offered).sum(),
            sent: outcomes.iter().map(|o| o.sent).sum(),
            interrupted: stopped.is_some(),
            teardown_failures,
        }
    }
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Prepares a load, starts it and returns. `sink` gets one [`LoadPeriod`] after the other, on a thread of
/// its own; it may take its time, but what it has not taken yet is held in memory.
///
/// # Errors
/// [`LoadError`]; nothing was sent then.
pub fn start(
    plan: &LoadPlan<'_>,
    stop: StopFlag,
    sink: impl FnMut(LoadPeriod) + Send + 'static,
) -> Result<LoadHandle, LoadError> {
    let executor = &plan.scenario.load.executor;
    let schedule = Schedule::new(executor, plan.scenario.load.arrivals, plan.scenario.load.seed);
    let shape = Shape::new(executor);
    let empty = |schedule: &Schedule| schedule.total() == 0;
    if schedule.as_ref().is_some_and(empty) || shape.as_ref().is_some_and(|s| s.most() == 0) {
        return Err(LoadError::NoArrival);
    }
    let load = &plan.scenario.load;
    let connections = match executor {
        Executor::ConstantConnections { connections, .. } => *connections,
        _ => shape.as_ref().map_or(load.max_connections, Shape::most),
    };
    let mut prepared = Plan::prepare(plan, connections, Arc::clone(&stop))?;
    let names: Vec<String> = plan.scenario.setup.iter().map(|r| r.name.clone()).collect();
    if let Some(shape) = &shape {
        enough_records(&prepared, shape.most() as u64)?;
    }
    once::set_up(&mut prepared, &names)?;
    let shared = Arc::new(prepared);
    match (schedule, shape) {
        (None, Some(shape)) => start_closed(plan, shared, shape, &stop, sink),
        (schedule, _) => start_threads(shared, schedule.map(Arc::new), sink),
    }
}

/// Whether every user can have a record of its own where it is to.
fn enough_records(plan: &Plan, users: u64) -> Result<(), LoadError> {
    match plan.script.few_records(users) {
        None => Ok(()),
        Some((feeder, records)) => Err(LoadError::FewRecords { feeder: feeder.to_owned(), records, users }),
    }
}

/// The channels between recorders and the aggregator.
pub(crate) struct Wiring {
    out: Sender<Finished>,
    inbox: Receiver<Finished>,
    backs: Vec<Sender<Box<Share>>>,
    returns: Vec<Receiver<Box<Share>>>,
}

impl Wiring {
    pub(crate) fn new(recorders: usize) -> Self {
        let (out, inbox) = mpsc::channel();
        let (backs, returns) = (0..recorders).map(|_| mpsc::channel()).unzip();
        Self { out, inbox, backs, returns }
    }

    /// The recorders, and the running aggregator that they report to.
    pub(crate) fn connect(
        self,
        plan: &Plan,
        started: RunTime,
        sink: impl FnMut(LoadPeriod) + Send + 'static,
    ) -> io::Result<(Vec<Recorder>, JoinHandle<RunTime>)> {
        let Self { out, inbox, backs, returns } = self;
        let periods = (started, plan.period);
        let aggregator = Aggregator::new(plan.run, periods, backs, sink);
        let aggregator =
            std::thread::Builder::new().name("load-periods".into()).spawn(move || aggregator.run(&inbox))?;
        let recorder = |(k, back)| Recorder::new(k, plan.templates.len(), periods, out.clone(), back);
        Ok((returns.into_iter().enumerate().map(recorder).collect(), aggregator))
    }
}

/// Load threads of our own: the open model, or connections that send as fast as they get answers.
fn start_threads(
    plan: Arc<Plan>,
    schedule: Option<Arc<Schedule>>,
    sink: impl FnMut(LoadPeriod) + Send + 'static,
) -> Result<LoadHandle, LoadError> {
    let (ready, readiness) = mpsc::channel();
    let mut threads = Vec::with_capacity(plan.threads);
    let mut starters = Vec::with_capacity(plan.threads);
    for k in 0..plan.threads {
        let (go, gate) = mpsc::channel::<Go>();
        let (plan, schedule, ready) = (Arc::clone(&plan), schedule.clone(), ready.clone());
        let body = move || thread::main(plan, schedule, k, &ready, &gate);
        let spawned = std::thread::Builder::new().name(format!("load-{k}")).spawn(body);
        threads.push(spawned.map_err(LoadError::Thread)?);
        starters.push(go);
    }
    // A thread that has not reported leaves its starter behind; those that wait end when it is dropped.
    for _ in 0..plan.threads {
        let report = readiness.recv().unwrap_or_else(|_| Err(io::Error::other("it ended early")));
        report.map_err(LoadError::Thread)?;
    }
    let started = plan.clock.now().plus(LEAD);
    let wiring = Wiring::new(plan.threads);
    let (recorders, aggregator) = wiring.connect(&plan, started, sink).map_err(LoadError::Thread)?;
    for (starter, recorder) in starters.iter().zip(recorders) {
        // A thread that has ended meanwhile shows in its join.
        let _ = starter.send(Go { started, recorder });
    }
    Ok(LoadHandle { plan, started, threads, aggregator })
}

fn start_closed(
    load: &LoadPlan<'_>,
    plan: Arc<Plan>,
    shape: Shape,
    stop: &StopFlag,
    sink: impl FnMut(LoadPeriod) + Send + 'static,
) -> Result<LoadHandle, LoadError> {
    let think_time = match &load.scenario.load.executor {
        Executor::ConstantVus { think_time, .. } | Executor::RampingVus { think_time, .. } => *think_time,
        Executor::ConstantConnections { .. }
        | Executor::ConstantArrivalRate { .. }
        | Executor::RampingArrivalRate { .. } => Duration::ZERO,
    };
    if plan.max_connections < shape.most() {
        return Err(LoadError::TooManyUsers { users: shape.most(), connections: plan.max_connections });
    }
    let users = Arc::new(Users::new(Arc::clone(&plan), shape, think_time));
    let attack = attack::attack(&users, &load.base, stop).map_err(|e| LoadError::Users(e.to_string()))?;
    let (wiring, wired) = (Wiring::new(plan.threads), Arc::clone(&plan));
    let connect = Box::new(move |started| wiring.connect(&wired, started, sink));
    let (begun, beginning) = mpsc::channel::<Begun>();
    let body = move || drive::main(&users, attack, connect, &begun);
    let thread = std::thread::Builder::new().name("load-users".into()).spawn(body);
    let thread = thread.map_err(LoadError::Thread)?;
    let ended = || LoadError::Users("the thread of the users ended early".into());
    let (started, aggregator) = beginning.recv().map_err(|_| ended())??;
    Ok(LoadHandle { plan, started, threads: vec![thread], aggregator })
}
