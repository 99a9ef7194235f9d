//! Snapshots of cumulative profiles (contention, heap): one at once, one per interval, one at the end.
//! Any two of them give the difference of the time between.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use url::Url;

use super::http::{Fetched, Limits};
use super::lengths::Lengths;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::run::layout;

/// Largest profile.
const BYTES: usize = 64 << 20;
/// Time limit of a fetch.
const TIME: Duration = Duration::from_secs(5);

/// Records snapshots of one cumulative profile.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// Name for events, e.g. `go-pprof/mutex`.
    pub(super) name: String,
    /// The service.
    pub(super) endpoint: Endpoint,
    /// Kind of profile in the run folder, e.g. `mutex`.
    pub(super) kind: String,
    /// URL of the profile.
    pub(super) url: Url,
    /// Time between two snapshots, rounded to seconds.
    pub(super) every: Duration,
    /// Whether it grows while nothing is wrong.
    pub(super) grow: bool,
    /// How much later than planned all snapshots but the first are: several profiles at once, and the end of a CPU
    /// window with them, would keep the service busy for long in one go.
    pub(super) later: Duration,
}

impl Collector for Snapshots {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Snapshots {
    async fn record(self: Box<Self>, mut context: Context) {
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name.clone());
        let limits = Limits { bytes: BYTES, time: TIME };
        let mut lengths = Lengths::new(self.every, self.grow, None);
        let mut later = self.later;
        while !recorder.over() {
            let fetched = recorder.fetch(&self.url, limits).await;
            let succeeded = fetched.is_some();
            self.keep(&mut recorder, fetched).await;
            if !succeeded {
                recorder.sleep(Duration::ZERO).await;
                continue;
            }
            let now = Instant::now();
            let seconds = lengths.next(recorder.now(), now);
            tokio::select! {
                () = recorder.sleep(Duration::from_secs(seconds) + later) => {}
                () = lengths.early_end(&mut context.triggers, seconds, now) => {}
            }
            later = Duration::ZERO;
        }
        let last = recorder.fetch_last(&self.url, BYTES).await;
        self.keep(&mut recorder, last).await;
        recorder.finish();
    }

    async fn keep(&self, recorder: &mut Recorder, fetched: Option<Fetched>) {
        if let Some(fetched) = fetched {
            let at = recorder.at(fetched.began);
            recorder.keep(layout::snapshot(self.service(), &self.kind, at), fetched.body).await;
        }
    }
}
