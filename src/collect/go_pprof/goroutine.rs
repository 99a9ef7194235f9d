//! Goroutine snapshots: what every request in flight is doing, many times a second.
//!
//! `debug=0` (protobuf) pauses the process far shorter than the text forms do. On a saturated two-core
//! service 20 snapshots a second still took 2 to 6 % of its throughput, hence the adapting pace; and they are fewer while
//! nothing is wrong.

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

/// Bounds of a fetch.
const LIMITS: Limits = Limits { bytes: 64 << 20, time: Duration::from_secs(5) };
/// Slowest pace: one snapshot in this time.
const SLOWEST: Duration = Duration::from_secs(2);
/// Snapshots are as many as asked for in the first seconds, so that a short run has enough of its healthy part ...
const FIRST: Duration = Duration::from_secs(10);
/// ... and after an anomaly was seen, for as long as CPU windows are short; else one in so many is taken.
const CALM: u32 = 3;

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
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        while !recorder.over() {
            // What comes after the fetch has waited for it: only what was there before is a random moment's.
            let look = context.in_flight.look(recorder.now());
            let Some(snapshot) = recorder.fetch(&self.url, LIMITS).await else {
                recorder.sleep(Duration::ZERO).await;
                continue;
            };
            let (began, took) = (snapshot.began, snapshot.took());
            let path = layout::snapshot(self.service(), "goroutine", recorder.at(began));
            recorder.keep(path, snapshot.body).await;
            if let Some(look) = look {
                let look = Look { t: recorder.at(began), ..look };
                recorder.append(layout::in_flight(self.service()), look.line().into()).await;
            }
            if let Some(change) = self.pace.observe(took) {
                recorder.tell_pace(change);
            }
            alert.look(&mut context.triggers, Instant::now());
            let gap = self.pace.gap() * if alert.lasts(Instant::now()) { 1 } else { CALM };
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
