//! CPU profiles in back-to-back windows: `<url>/profile?seconds=N`.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use url::Url;

use super::http::{Fetched, Limits, below};
use super::mask::masked;
use super::recorder::{Endpoint, Recorder};
use super::{Collector, Context};
use crate::run::layout;
use crate::time::{RunTime, SECOND, Window};

/// Largest profile.
const BYTES: usize = 64 << 20;
/// Time for the answer beyond the window, while the load goes on.
const MARGIN: Duration = Duration::from_secs(5);
/// The same once the load has ended.
const LAST_MARGIN: Duration = Duration::from_secs(2);

/// Records CPU profiles, one window after the other.
#[derive(Debug)]
pub(super) struct CpuWindows {
    /// Name for events.
    pub(super) name: &'static str,
    /// Where `profile` lies below.
    pub(super) endpoint: Endpoint,
    /// Length of a window, rounded to seconds.
    pub(super) window: Duration,
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
    async fn record(self: Box<Self>, context: Context) {
        let mut recorder =
            Recorder::new(context.out, context.stop, self.endpoint.clone(), self.name.to_owned());
        while !recorder.over() {
            let seconds = window_seconds(self.window, recorder.now(), self.planned);
            let asked = Instant::now();
            let fetched = self.take(&mut recorder, seconds).await;
            match fetched {
                Some(fetched) if fetched.took() < Duration::from_secs(seconds) / 2 => {
                    // Nothing was sampled that long. Without a pause this would ask in a tight loop.
                    let took = fetched.took().as_secs_f64();
                    recorder.fault(&too_soon(&self.endpoint.url, seconds, took));
                    recorder.sleep_until(asked + Duration::from_secs(seconds)).await;
                }
                Some(fetched) => self.keep(&mut recorder, fetched, seconds).await,
                None => recorder.sleep(Duration::ZERO).await,
            }
        }
        recorder.finish();
    }

    async fn keep(&self, recorder: &mut Recorder, fetched: Fetched, seconds: u64) {
        let exchange = Window::new(recorder.at(fetched.began), recorder.at(fetched.ended));
        let window = sampled(exchange, seconds);
        recorder.keep(layout::windowed(self.service(), "cpu", window), fetched.body).await;
    }

    /// One window. If the load ends meanwhile the window is finished, for it holds the end of the load, but
    /// not waited for longer than its length and a little more.
    async fn take(&self, recorder: &mut Recorder, seconds: u64) -> Option<Fetched> {
        let length = Duration::from_secs(seconds);
        let limits = Limits { bytes: BYTES, time: length + MARGIN };
        let finish_by = Instant::now() + length + LAST_MARGIN;
        recorder.fetch_past_end(&profile_url(&self.endpoint.url, seconds), limits, finish_by).await
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

/// Length of the next window: as asked for, but the last ones are shortened to end near the planned end.
/// Past it (requests still under way) windows are as short as can be, so that stopping is quick.
fn window_seconds(asked: Duration, now: RunTime, planned: Option<Duration>) -> u64 {
    let full = (asked.as_secs_f64().round() as u64).max(1);
    match planned {
        None => full,
        Some(end) => {
            let left = Window::new(now, end.into());
            (left.secs().round() as u64).clamp(1, full)
        }
    }
}

/// The part of the exchange that was sampled: profiling begins when the request arrives and takes N
/// seconds; what follows is the collection and transfer of the result.
fn sampled(exchange: Window, seconds: u64) -> Window {
    Window::new(exchange.from, exchange.to.min(exchange.from.plus(seconds * SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_ends_near_the_planned_end() {
        let secs = Duration::from_secs_f64;
        let next = |now, end| window_seconds(secs(10.0), secs(now).into(), Some(secs(end)));
        assert_eq!(next(0.0, 60.0), 10);
        assert_eq!(next(50.3, 60.0), 10);
        assert_eq!(next(53.4, 60.0), 7);
        assert_eq!(next(59.9, 60.0), 1);
        assert_eq!(next(75.0, 60.0), 1, "requests still under way");
        assert_eq!(window_seconds(secs(0.4), RunTime::ZERO, None), 1, "never 0: Go would take 30 s");
        assert_eq!(window_seconds(secs(9.6), RunTime::ZERO, None), 10);
    }

    #[test]
    fn the_window_leaves_out_the_transfer() {
        let at = |ms: u64| RunTime::from_nanos(ms * 1_000_000);
        assert_eq!(sampled(Window::new(at(100), at(5400)), 5), Window::new(at(100), at(5100)));
        assert_eq!(sampled(Window::new(at(100), at(900)), 5), Window::new(at(100), at(900)));
    }
}
