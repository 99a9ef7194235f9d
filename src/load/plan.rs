//! What all load threads share: prepared before any load is sent, never changed after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use url::Url;

use super::LoadPlan;
use super::choice::Choice;
use super::connect::Connector;
use super::error::LoadError;
use super::limits;
use super::script::{Script, Step};
use super::template::{Common, Template};
use super::wire::Wire;
use crate::run::in_flight::InFlight;
use crate::scenario::{Executor, HttpVersion, Request};
use crate::time::{RunClock, nanos};

/// A stop asked for from outside; set once, never cleared by the load.
pub type StopFlag = Arc<AtomicBool>;

/// Everything a load thread reads.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clock: RunClock,
    pub(crate) connector: Connector,
    /// The scenario's requests, in order.
    pub(crate) templates: Vec<Template>,
    /// Requests before the load, and after it.
    pub(crate) setup: Vec<Template>,
    pub(crate) teardown: Vec<Template>,
    pub(crate) script: Script,
    /// Which journeys need a person to make them: they use data, or keep cookies.
    pub(crate) personal: Vec<bool>,
    pub(crate) choice: Choice,
    pub(crate) base: Url,
    pub(crate) wire: Wire,
    /// Streams of a connection at the most; 0 for HTTP/1.1.
    pub(crate) streams: usize,
    pub(crate) seed: u64,
    /// Whether users keep cookies.
    pub(crate) cookies: bool,
    /// Redirects that a hit follows.
    pub(crate) redirects: usize,
    /// First 16 hex digits of every trace id.
    pub(crate) run: u64,
    pub(crate) keep_alive: bool,
    pub(crate) threads: usize,
    /// Connections over all threads, within what descriptors allow.
    pub(crate) max_connections: usize,
    /// Whether load threads may sleep without listening: no step, and no redirect, waits for another's answer.
    pub(crate) naps: bool,
    pub(crate) graceful_stop: u64,
    pub(crate) period: u64,
    /// Length of the executor's plan.
    pub(crate) length: u64,
    stop: StopFlag,
    /// A feeder that ends the run has no record left: number of the first arrival that is none of the run;
    /// `u64::MAX` before that.
    data_end: AtomicU64,
    /// Where threads of the closed model count their arrivals together.
    numbers: Option<AtomicU64>,
    /// Where load threads count, if anybody wants to know.
    pub(crate) in_flight: Option<InFlight>,
}

impl Plan {
    /// Resolves, reads and builds everything that can fail before load is sent.
    pub(crate) fn prepare(
        plan: &LoadPlan<'_>,
        connections: usize,
        stop: StopFlag,
    ) -> Result<Self, LoadError> {
        let scenario = plan.scenario;
        let run = run_number(plan.run_id)?;
        if scenario.journeys.iter().all(|j| j.weight == 0) {
            return Err(LoadError::NoRequest);
        }
        let load = &scenario.load;
        let script = Script::compile(scenario, &plan.base)?;
        let users = matches!(load.executor, Executor::ConstantVus { .. } | Executor::RampingVus { .. });
        let keeps = |j| script.keeps_cookies(j, users);
        let cookies = (0..scenario.journeys.len()).any(keeps);
        let personal = |(i, j): (usize, &crate::scenario::Journey)| {
            keeps(i) || j.steps.clone().any(|step| !script.steps[step].is_plain())
        };
        let personal: Vec<bool> = scenario.journeys.iter().enumerate().map(personal).collect();
        let transport = &scenario.target.transport;
        let wire = Wire::of(&plan.base, scenario, run);
        let streams = match transport.http {
            HttpVersion::Http1 => 0,
            HttpVersion::Http2 { streams } => streams.max(1),
        };
        let redirects = transport.redirects;
        let common = Common { target: &scenario.target, wire: &wire, heads: cookies || redirects > 0 };
        let values = script.values();
        let compiled = |requests: &[Request], steps: &[Step]| -> Vec<Template> {
            requests.iter().zip(steps).map(|(r, s)| Template::new(r, s, &values, common)).collect()
        };
        let connector = Connector::prepare(&plan.base, transport)?;
        connector.allowed(&plan.base, &scenario.target)?;
        // A thread without a connection of its own would need one more than the scenario allows.
        let threads = if users { load.threads } else { load.threads.min(connections) }.max(1);
        let max_connections = limits::connections(connections.max(1), threads)?;
        if matches!(load.executor, Executor::ConstantConnections { .. }) && max_connections < connections {
            return Err(LoadError::TooManyUsers { users: connections, connections: max_connections });
        }
        let feeds = script.journeys.iter().any(|j| !j.feeders.is_empty());
        let closed = matches!(load.executor, Executor::ConstantConnections { .. });
        let numbers = (closed && feeds && threads > 1).then(AtomicU64::default);
        Ok(Self {
            clock: plan.clock,
            connector,
            templates: compiled(&scenario.requests, &script.steps),
            setup: compiled(&scenario.setup, &script.setup.0),
            teardown: compiled(&scenario.teardown, &script.teardown.0),
            script,
            personal,
            choice: Choice::new(load.seed, scenario.journeys.iter().map(|j| j.weight), load.sampled),
            base: plan.base.clone(),
            wire,
            streams,
            seed: load.seed,
            cookies,
            redirects,
            run,
            keep_alive: scenario.target.keep_alive,
            threads,
            max_connections,
            naps: redirects == 0 && scenario.journeys.iter().all(|j| j.steps.len() < 2),
            graceful_stop: nanos(load.graceful_stop),
            period: nanos(scenario.detect.period).max(1_000_000),
            length: nanos(load.executor.duration()),
            stop,
            data_end: AtomicU64::new(u64::MAX),
            numbers,
            in_flight: plan.in_flight.clone(),
        })
    }

    /// A feeder that ends the run has no record left: no journey begins any more, and arrivals from `first` on are
    /// none of the run.
    pub(crate) fn end_of_data(&self, first: u64) {
        self.data_end.fetch_min(first, Ordering::Relaxed);
    }

    /// Whether the data is at its end.
    pub(crate) fn out_of_data(&self) -> bool {
        self.data_end() != u64::MAX
    }

    /// The next arrival's number, where all threads must count together: a thread that is ahead would pass over the
    /// records of the others, and find the data at its end before it is.
    pub(crate) fn counted(&self) -> Option<u64> {
        self.numbers.as_ref().map(|numbers| numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// Number of the first arrival that is none of the run, because the data ended before it.
    pub(crate) fn data_end(&self) -> u64 {
        self.data_end.load(Ordering::Relaxed)
    }

    /// Whether the run was asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Connections that thread `k` may have open; shares differ by one at the most.
    pub(crate) fn connections_of(&self, thread: usize) -> usize {
        self.max_connections / self.threads + usize::from(thread < self.max_connections % self.threads)
    }
}

fn run_number(run_id: &str) -> Result<u64, LoadError> {
    let valid = run_id.len() == 16 && run_id.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u64::from_str_radix(run_id, 16).ok().filter(|n| valid && *n != 0);
    number.ok_or_else(|| LoadError::RunId(run_id.chars().take(40).collect()))
}
