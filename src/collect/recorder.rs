//! What all collectors over HTTP share while they record: fetching until the run ends.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use url::Url;

use super::fetch_error::FetchError;
use super::http::{Fetched, Fetcher, Limits};
use super::mask::masked;
use super::session::Session;
use crate::run::writer::RunWriter;

/// Time limit of the last fetch after the load has ended.
const LAST: Duration = Duration::from_millis(900);

/// A place that evidence comes from, ready to be asked.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Service it speaks of.
    pub(super) service: String,
    /// Base URL.
    pub(super) url: Url,
    /// Asks it.
    pub(super) fetcher: Fetcher,
}

impl fmt::Debug for Endpoint {
    /// With the secrets of the URL masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = masked(&self.url);
        f.debug_struct("Endpoint").field("service", &self.service).field("url", &url).finish_non_exhaustive()
    }
}

/// One collector over HTTP at work.
pub(super) struct Recorder {
    session: Session,
    endpoint: Endpoint,
}

impl Deref for Recorder {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Recorder {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Recorder {
    /// `collector` is the name used in events.
    pub(super) fn new(
        out: RunWriter,
        stop: watch::Receiver<bool>,
        endpoint: Endpoint,
        collector: String,
    ) -> Self {
        let session = Session::new(out, stop, endpoint.service.clone(), collector);
        Self { session, endpoint }
    }

    /// Fetches data. None: it failed (told as an event, see [`Self::pause`]) or the load ended meanwhile.
    pub(super) async fn fetch(&mut self, url: &Url, limits: Limits) -> Option<Fetched> {
        self.fetch_past_end(url, limits, Instant::now()).await
    }

    /// Like [`Self::fetch`]; if the load ends meanwhile, the answer is waited for until `finish_by`.
    pub(super) async fn fetch_past_end(
        &mut self,
        url: &Url,
        limits: Limits,
        finish_by: Instant,
    ) -> Option<Fetched> {
        let outcome = self.ask_past_end(url, limits, finish_by).await?;
        self.judge(outcome)
    }

    /// The same without a judgement, see [`Self::judge`]. None: the load ended meanwhile.
    pub(super) async fn ask_past_end(
        &self,
        url: &Url,
        limits: Limits,
        finish_by: Instant,
    ) -> Option<Result<Fetched, FetchError>> {
        let mut fetch = std::pin::pin!(self.endpoint.fetcher.fetch_data(url, limits));
        tokio::select! {
            outcome = &mut fetch => Some(outcome),
            () = self.stopped() => tokio::time::timeout_at(finish_by.into(), fetch).await.ok(),
        }
    }

    /// The last fetch, when the load has ended: short, and not given up because of that.
    pub(super) async fn fetch_last(&mut self, url: &Url, bytes: usize) -> Option<Fetched> {
        let fetcher = self.endpoint.fetcher.clone();
        let outcome = fetcher.fetch_data(url, Limits { bytes, time: LAST }).await;
        self.judge(outcome)
    }

    /// Takes note of a success or a failure, which is told as an event.
    pub(super) fn judge(&mut self, outcome: Result<Fetched, FetchError>) -> Option<Fetched> {
        match outcome {
            Ok(fetched) => {
                self.succeeded();
                Some(fetched)
            }
            Err(error) => {
                self.failed(&error.to_string());
                None
            }
        }
    }

    /// Ends recording: faults that were held back are told with their number.
    pub(super) fn finish(self) {
        self.session.finish();
    }
}
