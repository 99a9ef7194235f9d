//! CPU profiles in back-to-back windows: `<url>/profile?seconds=N`.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use url::Url;

use super::fetch_error::Problem;
use super::http::{Fetched, Limits, below};
use super::lengths::Lengths;
use super::mask::masked;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::run::layout;
use crate::time::{SECOND, Window};

/// Largest profile.
const BYTES: usize = 64 << 20;
/// Time for the answer beyond the window, while the load goes on.
const MARGIN: Duration = Duration::from_secs(5);
/// The same once the load has ended.
const LAST_MARGIN: Duration = Duration::from_secs(2);
/// A service that was told to end a window needs some time for it: Go looks ten times a second.
const ENDING: Duration = Duration::from_millis(300);
/// Time after which it should have.
const ENDED: Duration = Duration::from_secs(5);

/// Records CPU profiles, one window after the other.
#[derive(Debug)]
pub(super) struct CpuWindows {
    /// Name for events.
    pub(super) name: &'static str,
    /// Where `profile` lies below.
    pub(super) endpoint: Endpoint,
    /// Length of a window, rounded to seconds.
    pub(super) window: Duration,
    /// Whether windows grow while nothing is wrong. An open one is then ended by hanging up, which not every service
    /// takes for an end.
    pub(super) grow: bool,
    /// Planned end of the load on the run clock.
    pub(super) planned: Option<Duration>,
}

impl Collector for CpuWindows {
    fn name(&self) -> String {
        self.name.into()
    }

    fn service(&self) -> &str {
        &self.endpoint.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl CpuWindows {
    async fn record(self: Box<Self>, mut context: Context) {
        let mut recorder =
            Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name.to_owned());
        let mut lengths = Lengths::new(self.window, self.grow, self.planned);
        let mut ended_by = Instant::now();
        while !recorder.over() {
            let asked = Instant::now();
            let seconds = lengths.next(recorder.now(), asked);
            tokio::select! {
                fetched = self.take(&mut recorder, seconds, ended_by) => {
                    self.taken(&mut recorder, fetched, seconds, asked).await;
                }
                () = lengths.early_end(&mut context.triggers, seconds, asked) => {
                    ended_by = Instant::now() + ENDED;
                    recorder.sleep_until(Instant::now() + ENDING).await;
                }
            }
        }
        recorder.finish();
    }

    async fn taken(&self, recorder: &mut Recorder, fetched: Option<Fetched>, seconds: u64, asked: Instant) {
        match fetched {
            Some(fetched) if fetched.took() < Duration::from_secs(seconds) / 2 => {
                // Nothing was sampled that long. Without a pause this would ask in a tight loop.
                let took = fetched.took().as_secs_f64();
                recorder.fault(&too_soon(&self.endpoint.url, seconds, took));
                recorder.sleep_until(asked + Duration::from_secs(seconds)).await;
            }
            Some(fetched) => self.keep(recorder, fetched, seconds).await,
            None => recorder.sleep(Duration::ZERO).await,
        }
    }

    async fn keep(&self, recorder: &mut Recorder, fetched: Fetched, seconds: u64) {
        let exchange = Window::new(recorder.at(fetched.began), recorder.at(fetched.ended));
        let window = sampled(exchange, seconds);
        recorder.keep(layout::windowed(self.service(), "cpu", window), fetched.body).await;
    }

    /// One window. If the load ends meanwhile the window is finished, for it holds the end of the load, but
    /// not waited for longer than its length and a little more. Until `ended_by` one that was ended early may
    /// still be in the way.
    async fn take(&self, recorder: &mut Recorder, seconds: u64, ended_by: Instant) -> Option<Fetched> {
        let length = Duration::from_secs(seconds);
        let limits = Limits { bytes: BYTES, time: length + MARGIN };
        let url = profile_url(&self.endpoint.url, seconds);
        loop {
            let now = Instant::now();
            let outcome = recorder.ask_past_end(&url, limits, now + length + LAST_MARGIN).await?;
            let busy = matches!(&outcome, Err(e) if matches!(e.problem, Problem::Busy(_)));
            if !busy || now > ended_by {
                return recorder.judge(outcome);
            }
            recorder.sleep_until(now + ENDING).await;
            if recorder.over() {
                return None;
            }
        }
    }
}

fn too_soon(base: &Url, seconds: u64, took: f64) -> String {
    let url = masked(&profile_url(base, seconds));
    format!("{url}: answers after {took:.3} s, this is no profile of {seconds} s: see any cache between")
}

/// URL of a profile of `seconds`. Only whole seconds: Go takes an unusable number for its default of 30 s.
pub(super) fn profile_url(base: &Url, seconds: u64) -> Url {
    below(base, "profile", &[("seconds", &seconds.max(1).to_string())])
}

/// The part of the exchange that was sampled: profiling begins when the request arrives and takes N
/// seconds; what follows is the collection and transfer of the result.
fn sampled(exchange: Window, seconds: u64) -> Window {
    Window::new(exchange.from, exchange.to.min(exchange.from.plus(seconds * SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    #[test]
    fn the_window_leaves_out_the_transfer() {
        let at = |ms: u64| RunTime::from_nanos(ms * 1_000_000);
        assert_eq!(sampled(Window::new(at(100), at(5400)), 5), Window::new(at(100), at(5100)));
        assert_eq!(sampled(Window::new(at(100), at(900)), 5), Window::new(at(100), at(900)));
    }
}
