//! A service's processes as the kernel sees them, for a service on the machine of the generator: CPU time, memory,
//! threads, time spent ready but waiting for a core, control group, pressure and network counters.
//!
//! One exposition per period in `host/<service>/`. Counters start at the first look (CPU time, run-queue delay) or are
//! the kernel's own; what a kernel does not tell is left out.

mod cgroup;
mod cores;
mod find;
mod page;
mod reading;

use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use super::pace::next_multiple;
use super::session::Session;
use super::{Collector, Context};
use crate::run::layout;
use crate::scenario::TargetProcess;
use reading::Watch;

/// Reads a service's processes.
#[derive(Debug)]
pub(super) struct ProcessLooks {
    /// Name of the service.
    pub(super) service: String,
    /// Which processes.
    pub(super) which: TargetProcess,
    /// Time between two looks; they fall on its multiples of the run clock.
    pub(super) period: Duration,
}

impl Collector for ProcessLooks {
    fn name(&self) -> String {
        "process".into()
    }

    fn service(&self) -> &str {
        &self.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl ProcessLooks {
    async fn record(self: Box<Self>, context: Context) {
        let clock = context.out.clock();
        let mut session = Session::new(context.out, context.stop, self.service.clone(), self.name());
        let mut watch = None;
        while !session.over() {
            watch = self.look(&mut session, watch).await;
            session.sleep_until(clock.instant(next_multiple(session.now(), self.period))).await;
        }
        // Counters of the last, unfinished period.
        self.look(&mut session, watch).await;
        session.finish();
    }

    /// One look, with the processes found anew if there are none or they have ended.
    async fn look(&self, session: &mut Session, watch: Option<Watch>) -> Option<Watch> {
        let at = session.now();
        let which = self.which.clone();
        // A machine with many processes or sockets takes its time: not on a thread that serves other collectors.
        let looked = tokio::task::spawn_blocking(move || look(&which, watch)).await;
        match looked.ok()? {
            Ok((watch, samples)) => {
                session.keep(layout::host(&self.service, at), page::page(&samples).into()).await;
                Some(watch)
            }
            Err(problem) => {
                session.fault(&problem);
                None
            }
        }
    }
}

type Looked = (Watch, Vec<super::health::HealthSample>);

fn look(which: &TargetProcess, watch: Option<Watch>) -> Result<Looked, String> {
    if let Some(mut watch) = watch
        && let Some(samples) = watch.sample()
    {
        return Ok((watch, samples));
    }
    let mut watch = watch_of(which)?;
    match watch.sample() {
        Some(samples) => Ok((watch, samples)),
        None => Err("the process ended while it was looked at".into()),
    }
}

fn watch_of(which: &TargetProcess) -> Result<Watch, String> {
    let port = match which {
        TargetProcess::Port(port) => Some(*port),
        TargetProcess::Pid(_) | TargetProcess::Unit(_) => None,
    };
    Ok(Watch::new(find::find(which)?, port))
}

/// What preflight tells of a service's processes.
pub(super) struct Survey {
    /// Their ids.
    pub(super) pids: Vec<i32>,
    /// What one look gives: names of metrics.
    pub(super) names: Vec<&'static str>,
    /// Cores that the tightest control group allows.
    pub(super) quota: Option<f64>,
}

/// Looks once.
///
/// # Errors
/// What was looked for, and the remedy.
pub(super) fn survey(which: &TargetProcess) -> Result<Survey, String> {
    let (watch, samples) = look(which, None)?;
    let mut names: Vec<_> = samples.iter().map(|s| s.name).collect();
    names.dedup();
    Ok(Survey { pids: watch.pids(), names, quota: watch.groups().quota() })
}

/// A text of the kernel, or what is within `bytes` of it.
fn read(path: &Path, bytes: u64) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(bytes).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests;
