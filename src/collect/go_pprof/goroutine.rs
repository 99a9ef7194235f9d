//! Goroutine snapshots: what every request in flight is doing, many times a second.
//!
//! `debug=0` (protobuf) pauses the process far shorter than the text forms do. On a saturated two-core
//! service 20 snapshots a second still took 2 to 6 % of its throughput, hence the adapting pace.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use url::Url;

use super::super::http::{Limits, below};
use super::super::pace::Pace;
use super::super::recorder::{Endpoint, Recorder};
use super::super::{Collector, Context};
use crate::run::layout;

/// Bounds of a fetch.
const LIMITS: Limits = Limits { bytes: 64 << 20, time: Duration::from_secs(5) };
/// Slowest pace: one snapshot in this time.
const SLOWEST: Duration = Duration::from_secs(2);

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

    async fn record(mut self: Box<Self>, context: Context) {
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        while !recorder.over() {
            let Some(snapshot) = recorder.fetch(&self.url, LIMITS).await else {
                recorder.sleep(Duration::ZERO).await;
                continue;
            };
            let (began, took) = (snapshot.began, snapshot.took());
            let path = layout::snapshot(self.service(), "goroutine", recorder.at(began));
            recorder.keep(path, snapshot.body).await;
            if let Some(change) = self.pace.observe(took) {
                recorder.tell_pace(change);
            }
            recorder.sleep_until(began + self.pace.gap().max(recorder.pause())).await;
        }
        recorder.finish();
    }
}

impl Collector for Goroutines {
    fn name(&self) -> String {
        "go-pprof/goroutine".into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}
