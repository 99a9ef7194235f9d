//! Goroutine snapshots: what every request in flight is doing, many times a second.
//!
//! `debug=0` (protobuf) pauses the process far shorter than the text forms do. On a saturated two-core
//! service 20 snapshots a second still took 2 to 6 % of its throughput, hence the adapting pace; and they are fewer while
//! nothing is wrong. Where less than half a request is in flight most snapshots meet none, so they are more: whoever has so little
//! to do has the time for them.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use url::Url;

use super::super::http::{Limits, below};
use super::super::lengths::SHORT;
use super::super::pace::Pace;
use super::super::recorder::{Endpoint, Recorder};
use super::super::{Collector, Context, Trigger};
use crate::run::in_flight::Look;
use crate::run::layout;
use crate::time::RunTime;

/// Bounds of a fetch.
const LIMITS: Limits = Limits { bytes: 64 << 20, time: Duration::from_secs(5) };
/// Slowest pace: one snapshot in this time.
const SLOWEST: Duration = Duration::from_secs(2);
/// Snapshots are as many as asked for in the first seconds, so that a short run has enough of its healthy part ...
const FIRST: Duration = Duration::from_secs(10);
/// ... and after an anomaly was seen, for as long as CPU windows are short; else one in so many is taken.
const CALM: u32 = 3;
/// Mean number of requests in flight above which snapshots are not more than asked for: a core may be half used ...
const SPARSE: f64 = 0.5;
/// ... and how many there are for one while hardly a request is in flight, at most.
const MOST: f64 = 8.0;
/// How long the mean number of requests in flight is remembered, in nanoseconds.
const MEMORY: f64 = 5e9;

/// Records goroutine snapshots.
#[derive(Debug)]
pub(super) struct Goroutines {
    endpoint: Endpoint,
    url: Url,
    pace: Pace,
}

impl Goroutines {
    /// `per_second` is the mean rate while fetches are cheap.
    pub(super) fn new(endpoint: &Endpoint, per_second: f64, seed: u64) -> Self {
        let interval = Duration::from_secs_f64((1.0 / per_second).clamp(0.001, 3600.0));
        let url = below(&endpoint.url, "goroutine", &[("debug", "0")]);
        Self { endpoint: endpoint.clone(), url, pace: Pace::new(interval, SLOWEST, seed) }
    }

    async fn record(mut self: Box<Self>, mut context: Context) {
        let mut alert = Alert { until: Instant::now() + FIRST };
        let mut busy = Busy::default();
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        while !recorder.over() {
            let look = context.in_flight.look(recorder.now());
            let Some(snapshot) = recorder.fetch(&self.url, LIMITS).await else {
                recorder.sleep(Duration::ZERO).await;
                continue;
            };
            let (began, ended) = (snapshot.began, snapshot.ended);
            // At once: what changes while the snapshot is written is remembered instead.
            let later = look.as_ref().map(|look| context.in_flight.later(look.t, recorder.at(ended)));
            let path = layout::snapshot(self.service(), "goroutine", recorder.at(began));
            recorder.keep(path, snapshot.body).await;
            if let Some((look, later)) = look.zip(later) {
                busy.look(&look);
                let look = Look { t: recorder.at(began), later, ..look };
                recorder.append(layout::in_flight(self.service()), look.line().into()).await;
            }
            if let Some(change) = self.pace.observe(ended - began) {
                recorder.tell_pace(change);
            }
            alert.look(&mut context.triggers, Instant::now());
            // Where there are more, it is the same pace healthy or not: our own work must be no change of the service's.
            let (more, alert) = (busy.more(), alert.lasts(Instant::now()));
            let gap = self.pace.gap_of(more) * if alert || more > 1.0 { 1 } else { CALM };
            recorder.sleep_until(began + gap.max(recorder.pause())).await;
        }
        recorder.finish();
    }
}

/// Whether many snapshots are wanted.
#[derive(Debug)]
struct Alert {
    until: Instant,
}

impl Alert {
    /// Takes note of anomalies that were seen since the last look.
    fn look(&mut self, triggers: &mut Receiver<Trigger>, now: Instant) {
        loop {
            match triggers.try_recv() {
                Ok(Trigger::Anomaly) => self.until = now + SHORT,
                // Triggers that were lost do not matter: those that follow say the same.
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn lasts(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// How many requests are in flight.
#[derive(Debug, Default)]
struct Busy {
    /// When one was asked last, and the area then.
    last: Option<(RunTime, u64)>,
    mean: Option<f64>,
}

impl Busy {
    fn look(&mut self, look: &Look) {
        if let Some((t, area)) = self.last.replace((look.t, look.area)) {
            let passed = look.t.since(t).max(1) as f64;
            let now = look.area.saturating_sub(area) as f64 / passed;
            let keep = (-passed / MEMORY).exp();
            self.mean = Some(self.mean.map_or(now, |mean| keep * mean + (1.0 - keep) * now));
        }
    }

    /// Snapshots for one: as many as make it meet about a request. A power of two: means weigh snapshots by the time that each
    /// stands for, and tell paces apart that differ by half.
    fn more(&self) -> f64 {
        let sparse = self.mean.filter(|mean| *mean <= SPARSE);
        sparse.map_or(1.0, |mean| (1.0 / mean.max(1.0 / MOST)).log2().round().exp2())
    }
}

impl Collector for Goroutines {
    fn name(&self) -> String {
        "go-pprof/goroutine".into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn looks_in_flight(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_requests_in_flight_ask_for_more() {
        let mut busy = Busy::default();
        assert_eq!(busy.more(), 1.0, "nobody counts");
        let mut now = Look { t: RunTime::ZERO, count: 0, area: 0, later: Vec::new() };
        let mut pass = |busy: &mut Busy, seconds: u64, tenths: u64| {
            for _ in 0..10 * seconds {
                now.t = now.t.plus(100_000_000);
                now.area += 10_000_000 * tenths;
                busy.look(&now);
            }
            busy.more()
        };
        assert_eq!(pass(&mut busy, 1, 3), 4.0, "0.3 in flight");
        assert_eq!(pass(&mut busy, 60, 6), 1.0, "0.6: a core may be half used");
        assert_eq!(pass(&mut busy, 60, 0), 8.0, "none");
        assert_eq!(pass(&mut busy, 1, 20), 2.0, "two, since a second: a fifth of the memory");
        assert_eq!(pass(&mut busy, 60, 20), 1.0);
    }

    #[test]
    fn an_anomaly_asks_for_more_for_a_minute() {
        let (send, mut triggers) = tokio::sync::broadcast::channel(2);
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut alert = Alert { until: at(10) };
        alert.look(&mut triggers, at(5));
        assert!(alert.lasts(at(9)) && !alert.lasts(at(10)));
        for _ in 0..4 {
            send.send(Trigger::Anomaly).expect("somebody listens");
        }
        alert.look(&mut triggers, at(30));
        assert!(alert.lasts(at(89)) && !alert.lasts(at(90)));
    }
}
