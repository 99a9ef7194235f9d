//! Pages of metrics, one per period: scrapes of Prometheus and OpenMetrics, and Go's `expvar`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::expvar;
use super::http::{Fetched, Limits};
use super::mask::masked;
use super::pace::next_multiple;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::formats::openmetrics::PROTOBUF;
use crate::run::layout;
use crate::time::nanos;

/// Largest page.
pub(super) const BYTES: usize = 16 << 20;
/// Time limit of a scrape.
const TIME: Duration = Duration::from_secs(5);
/// OpenMetrics first: it carries exemplars and creation times and is text that people read. Protobuf has both too,
/// but comes after plain text: it is for exporters that offer nothing else.
pub(super) const ACCEPT: &str = "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5, \
     application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; q=0.3, */*; q=0.1";

/// Which page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Prometheus text, OpenMetrics or protobuf, kept as it came.
    Scrape,
    /// Go's `expvar`, kept without what may be secret.
    Expvar,
}

/// Fetches a page of metrics.
#[derive(Debug)]
pub(super) struct Scrapes {
    /// The page.
    pub(super) endpoint: Endpoint,
    /// Time between two scrapes; they fall on its multiples of the run clock.
    pub(super) period: Duration,
    /// Which page it is.
    pub(super) page: Page,
}

impl Collector for Scrapes {
    fn name(&self) -> String {
        match self.page {
            Page::Scrape => "prometheus".into(),
            Page::Expvar => "expvar".into(),
        }
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
        let Some(scrape) = scrape else { return };
        let at = recorder.at(scrape.began);
        match self.page {
            Page::Scrape if is_packed(&scrape) => {
                recorder.keep(layout::packed_scrape(self.service(), at), scrape.body).await;
            }
            Page::Scrape => {
                recorder.keep(layout::scrape(self.service(), at), scrape.body).await;
            }
            Page::Expvar => match expvar::masked(&scrape.body) {
                Ok(body) => {
                    recorder.keep(layout::expvar(self.service(), at), body).await;
                }
                // What cannot be read cannot be freed of secrets either.
                Err(problem) => recorder.failed(&format!("{}: {problem}", masked(&self.endpoint.url))),
            },
        }
    }
}

/// Whether an answer is protobuf: its type says so.
pub(super) fn is_packed(scrape: &Fetched) -> bool {
    scrape.content_type.starts_with(PROTOBUF)
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
