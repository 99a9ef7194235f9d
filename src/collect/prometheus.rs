//! Scrapes of a Prometheus or OpenMetrics page, one per period, as they come.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::http::{Fetched, Limits};
use super::pace::next_multiple;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::run::layout;
use crate::time::nanos;

/// Largest page.
pub(super) const BYTES: usize = 16 << 20;
/// Time limit of a scrape.
const TIME: Duration = Duration::from_secs(5);
/// OpenMetrics first: it alone carries exemplars and creation times.
pub(super) const ACCEPT: &str =
    "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5, */*; q=0.1";

/// Scrapes a page of metrics.
#[derive(Debug)]
pub(super) struct Scrapes {
    /// The page.
    pub(super) endpoint: Endpoint,
    /// Time between two scrapes; they fall on its multiples of the run clock.
    pub(super) period: Duration,
}

impl Collector for Scrapes {
    fn name(&self) -> String {
        "prometheus".into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Scrapes {
    async fn record(self: Box<Self>, context: Context) {
        let clock = context.out.clock();
        let mut recorder = Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name());
        let limits = Limits { bytes: BYTES, time: TIME };
        while !recorder.over() {
            let scrape = recorder.fetch(&self.endpoint.url, limits).await;
            self.keep(&mut recorder, scrape).await;
            let earliest = recorder.now().plus(nanos(recorder.pause()));
            recorder.sleep_until(clock.instant(next_multiple(earliest, self.period))).await;
        }
        // Counters of the last, unfinished period.
        let last = recorder.fetch_last(&self.endpoint.url, BYTES).await;
        self.keep(&mut recorder, last).await;
        recorder.finish();
    }

    async fn keep(&self, recorder: &mut Recorder, scrape: Option<Fetched>) {
        if let Some(scrape) = scrape {
            let at = recorder.at(scrape.began);
            recorder.keep(layout::scrape(self.service(), at), scrape.body).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MILLISECOND, RunTime};

    #[test]
    fn scrapes_fall_on_multiples_of_the_period() {
        let next = |ms: u64| {
            let at = next_multiple(RunTime::from_nanos(ms * MILLISECOND), Duration::from_millis(500));
            at.as_nanos() / MILLISECOND
        };
        assert_eq!([next(0), next(1), next(499), next(500), next(1700)], [500, 500, 500, 1000, 2000]);
    }
}
