//! Captures on a trigger: a full goroutine dump and an execution trace, while the trouble lasts.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use url::Url;

use super::super::http::{Fetched, Limits, below};
use super::super::recorder::{Endpoint, Recorder};
use super::super::{Collector, Context, Trigger};
use crate::run::event::EventKind;
use crate::run::layout;
use crate::time::Window;

/// Length of an execution trace in seconds.
const TRACE_SECONDS: u64 = 2;
/// Bounds of a trace.
const TRACE: Limits = Limits { bytes: 256 << 20, time: Duration::from_secs(TRACE_SECONDS + 5) };
/// Bounds of a dump; Go itself cuts it at 64 MiB.
const DUMP: Limits = Limits { bytes: 65 << 20, time: Duration::from_secs(5) };
/// Captures of anomalies in a run at the most: each stops the world for its dump.
const ANOMALIES: u32 = 3;
/// Time between two of them.
const APART: Duration = Duration::from_secs(15);

/// Takes captures.
#[derive(Debug)]
pub(super) struct Captures {
    endpoint: Endpoint,
    quota: Quota,
}

/// One kind of evidence of a capture.
struct Part {
    what: &'static str,
    ext: &'static str,
    url: Url,
    limits: Limits,
}

impl Captures {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone(), quota: Quota::default() }
    }

    async fn record(mut self: Box<Self>, context: Context) {
        let mut triggers = context.triggers;
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        while !recorder.over() {
            let Some(trigger) = next(&recorder, &mut triggers).await else { break };
            if self.quota.grant(trigger, Instant::now()) {
                // The dump first: it shows the moment of the trigger, and must not disturb the trace.
                for part in self.parts() {
                    self.take(&mut recorder, trigger, part).await;
                }
            }
        }
        recorder.finish();
    }

    fn parts(&self) -> [Part; 2] {
        let seconds = TRACE_SECONDS.to_string();
        let dump = below(&self.endpoint.url, "goroutine", &[("debug", "2")]);
        let trace = below(&self.endpoint.url, "trace", &[("seconds", &seconds)]);
        [
            Part { what: "goroutines", ext: "txt", url: dump, limits: DUMP },
            Part { what: "trace", ext: "trace", url: trace, limits: TRACE },
        ]
    }

    async fn take(&self, recorder: &mut Recorder, trigger: Trigger, part: Part) {
        let asked = Instant::now();
        let fetched = tokio::select! {
            fetched = self.endpoint.fetcher.fetch_data(&part.url, part.limits) => {
                fetched.map_err(|e| e.to_string())
            }
            () = recorder.stopped() => Err("the load ended before the capture was complete".into()),
        };
        let window = Window::new(recorder.at(asked), recorder.now());
        let kept = match fetched {
            Ok(Fetched { body, .. }) => self.keep(recorder, &part, window, body).await,
            Err(problem) => Err(problem),
        };
        recorder.tell(EventKind::Capture {
            service: self.endpoint.service.clone(),
            what: part.what.into(),
            why: reason(trigger).into(),
            window,
            path: kept.as_ref().ok().cloned(),
            problem: kept.err(),
        });
    }

    async fn keep(
        &self,
        recorder: &mut Recorder,
        part: &Part,
        window: Window,
        body: Bytes,
    ) -> Result<String, String> {
        let path = layout::capture(&self.endpoint.service, part.what, window.from, part.ext);
        if recorder.keep(path.clone(), body).await { Ok(path) } else { Err("it could not be written".into()) }
    }
}

impl Collector for Captures {
    fn name(&self) -> String {
        "go-pprof/captures".into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

/// The next trigger; none when the load has ended. Triggers lost while a capture was taken do not matter:
/// the ones that follow say the same.
async fn next(recorder: &Recorder, triggers: &mut Receiver<Trigger>) -> Option<Trigger> {
    loop {
        let received = tokio::select! {
            received = triggers.recv() => received,
            () = recorder.stopped() => return None,
        };
        match received {
            Ok(trigger) => return Some(trigger),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => {
                recorder.stopped().await;
                return None;
            }
        }
    }
}

const fn reason(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Healthy => "healthy",
        Trigger::Anomaly => "anomaly",
    }
}

/// How many captures a run may have.
#[derive(Debug, Default)]
struct Quota {
    healthy: bool,
    anomalies: u32,
    last: Option<Instant>,
}

impl Quota {
    /// Whether this trigger is obeyed. Anomalies are kept apart from each other, not from the healthy
    /// capture: an anomaly right after it must not go unseen.
    fn grant(&mut self, trigger: Trigger, now: Instant) -> bool {
        match trigger {
            Trigger::Healthy => !std::mem::replace(&mut self.healthy, true),
            Trigger::Anomaly => {
                let soon = self.last.is_some_and(|t| now.saturating_duration_since(t) < APART);
                if soon || self.anomalies == ANOMALIES {
                    return false;
                }
                self.anomalies += 1;
                self.last = Some(now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_healthy_and_three_anomalies_fifteen_seconds_apart() {
        let mut quota = Quota::default();
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert!(quota.grant(Trigger::Healthy, at(0)));
        assert!(!quota.grant(Trigger::Healthy, at(100)));
        let granted: Vec<u64> = (3..120).filter(|&s| quota.grant(Trigger::Anomaly, at(s))).collect();
        assert_eq!(granted, [3, 18, 33]);
    }
}
