//! What all load threads share: prepared before any load is sent, never changed after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::LoadPlan;
use super::choice::Choice;
use super::connect::Connector;
use super::error::LoadError;
use super::expect;
use super::http1::request::Prepared;
use super::limits;
use crate::scenario::{Expectation, Request, Scenario};
use crate::time::{RunClock, nanos};

/// A stop asked for from outside; set once, never cleared by the load.
pub type StopFlag = Arc<AtomicBool>;

/// Everything a load thread reads.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) clock: RunClock,
    pub(crate) connector: Connector,
    pub(crate) templates: Vec<Template>,
    pub(crate) choice: Choice,
    /// First 16 hex digits of every trace id.
    pub(crate) run: u64,
    pub(crate) keep_alive: bool,
    pub(crate) threads: usize,
    /// Connections over all threads, within what descriptors allow.
    pub(crate) max_connections: usize,
    /// Whether load threads may sleep without listening: no step waits for another's answer.
    pub(crate) naps: bool,
    pub(crate) graceful_stop: u64,
    pub(crate) period: u64,
    /// Length of the executor's plan.
    pub(crate) length: u64,
    stop: StopFlag,
}

/// A request of the scenario, ready to be sent.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) prepared: Prepared,
    pub(crate) expect: Expectation,
    pub(crate) needs_body: bool,
    /// Nanoseconds from sending to the last byte.
    pub(crate) timeout: u64,
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
        let templates = templates(plan, run)?;
        let connector = Connector::prepare(&plan.base, &scenario.target.transport)?;
        connector.allowed(&plan.base, &scenario.target)?;
        let load = &scenario.load;
        let threads = load.threads.max(1);
        Ok(Self {
            clock: plan.clock,
            connector,
            templates,
            choice: Choice::new(load.seed, &scenario.requests, load.sampled),
            run,
            keep_alive: scenario.target.keep_alive,
            threads,
            max_connections: limits::connections(connections.max(threads), threads)?,
            naps: scenario.journeys.iter().all(|j| j.steps.len() < 2),
            graceful_stop: nanos(load.graceful_stop),
            period: nanos(scenario.detect.period).max(1_000_000),
            length: nanos(load.executor.duration()),
            stop,
        })
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

fn templates(plan: &LoadPlan<'_>, run: u64) -> Result<Vec<Template>, LoadError> {
    let Scenario { requests, target, .. } = plan.scenario;
    if requests.iter().all(|r| r.weight == 0) {
        return Err(LoadError::NoRequest);
    }
    let template = |request: &Request| {
        let prepared = Prepared::new(&plan.base, target, request, run)
            .map_err(|source| LoadError::Request { name: request.name.clone(), source })?;
        Ok(Template {
            prepared,
            expect: request.expect.clone(),
            needs_body: expect::needs_body(&request.expect),
            timeout: nanos(request.timeout.unwrap_or(target.timeout).max(Duration::from_millis(1))),
        })
    };
    requests.iter().map(template).collect()
}
