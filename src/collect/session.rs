//! What all collectors share while they record: knowing when the run ends, keeping bytes, telling faults.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::pace::{Backoff, Change};
use crate::run::event::EventKind;
use crate::run::writer::{RunError, RunWriter};
use crate::time::{RunTime, nanos};

/// Time between two fault events of one collector.
const FAULTS_APART: Duration = Duration::from_secs(10);

/// One collector at work.
pub(super) struct Session {
    out: RunWriter,
    stop: watch::Receiver<bool>,
    service: String,
    backoff: Backoff,
    faults: Faults,
}

impl Session {
    /// `collector` is the name used in events.
    pub(super) fn new(
        out: RunWriter,
        stop: watch::Receiver<bool>,
        service: String,
        collector: String,
    ) -> Self {
        Self { out, stop, service, backoff: Backoff::default(), faults: Faults::new(collector) }
    }

    /// The run folder.
    pub(super) const fn out(&self) -> &RunWriter {
        &self.out
    }

    /// Whether recording is over: the load ended, or the disk is full.
    pub(super) fn over(&self) -> bool {
        self.stopping() || self.out.stopped().is_some()
    }

    /// Whether the load has ended. A sender that is gone counts: nobody could say it any more.
    fn stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Resolves when the load has ended.
    pub(super) async fn stopped(&self) {
        // An error means that the sender is gone: see `stopping`.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// The present moment of the run.
    pub(super) fn now(&self) -> RunTime {
        self.out.clock().now()
    }

    /// A moment of the run.
    pub(super) fn at(&self, moment: Instant) -> RunTime {
        self.out.clock().at(moment)
    }

    /// Waits for a moment, or for the end of the load.
    pub(super) async fn sleep_until(&self, moment: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(moment.into()) => {}
            () = self.stopped() => {}
        }
    }

    /// Waits for the next attempt: `gap` after a success, longer after failures.
    pub(super) async fn sleep(&self, gap: Duration) {
        self.sleep_until(Instant::now() + gap.max(self.backoff.pause())).await;
    }

    /// Pause that failures in a row ask for; zero after a success.
    pub(super) fn pause(&self) -> Duration {
        self.backoff.pause()
    }

    /// The source answered.
    pub(super) fn succeeded(&mut self) {
        self.backoff.succeeded();
    }

    /// The source failed: longer pauses from now on, and a fault is told.
    pub(super) fn failed(&mut self, problem: &str) {
        self.backoff.failed();
        self.fault(problem);
    }

    /// Writes a file of the run folder; false if it was refused. A full disk ends all recording and is told
    /// once, by whoever ran the run; other refusals become events.
    pub(super) async fn keep(&mut self, rel: String, body: Bytes) -> bool {
        let out = self.out.clone();
        self.write(move || out.put(&rel, &body)).await
    }

    /// Appends to a log of the run folder; as [`Self::keep`] for the rest.
    pub(super) async fn append(&mut self, rel: String, body: Bytes) -> bool {
        let out = self.out.clone();
        self.write(move || out.append(&rel, &body)).await
    }

    async fn write(&mut self, write: impl FnOnce() -> Result<(), RunError> + Send + 'static) -> bool {
        // Writing may wait for the disk: not on a thread that serves other collectors.
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                if self.out.stopped().is_none() {
                    self.failed(&error.to_string());
                }
                false
            }
            // The runtime is being shut down.
            Err(_) => false,
        }
    }

    /// Tells a change of pace.
    pub(super) fn tell_pace(&self, change: Change) {
        self.out.event(EventKind::CollectorSlowed {
            service: self.service.clone(),
            collector: self.faults.collector.clone(),
            interval_nanos: nanos(change.interval),
            why: change.why,
        });
    }

    /// Tells an event of another kind.
    pub(super) fn tell(&self, event: EventKind) {
        self.out.event(event);
    }

    /// Tells a fault, at most one in ten seconds.
    pub(super) fn fault(&mut self, problem: &str) {
        if let Some(words) = self.faults.admit(problem, Instant::now()) {
            self.tell_fault(words);
        }
    }

    /// Ends recording: faults that were held back are told with their number.
    pub(super) fn finish(mut self) {
        if let Some(words) = self.faults.held_back() {
            self.tell_fault(words);
        }
    }

    fn tell_fault(&self, problem: String) {
        self.out.event(EventKind::CollectorFault {
            service: self.service.clone(),
            collector: self.faults.collector.clone(),
            problem,
        });
    }
}

/// Keeps a source that fails ten times a second from flooding the events.
struct Faults {
    collector: String,
    told: Option<Instant>,
    held: u64,
    latest: String,
}

impl Faults {
    fn new(collector: String) -> Self {
        Self { collector, told: None, held: 0, latest: String::new() }
    }

    /// The words to tell now; none if it is too soon.
    fn admit(&mut self, problem: &str, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < FAULTS_APART) {
            self.held += 1;
            problem.clone_into(&mut self.latest);
            return None;
        }
        self.told = Some(now);
        let held = std::mem::take(&mut self.held);
        Some(if held == 0 { problem.to_owned() } else { format!("{problem} (and {held} faults before)") })
    }

    fn held_back(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        (held > 0).then(|| format!("{} (the last of {held} faults not told)", self.latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_first_then_one_in_ten_seconds_with_their_number() {
        let mut faults = Faults::new("x".into());
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(faults.admit("a", at(0)).as_deref(), Some("a"));
        assert_eq!(faults.admit("b", at(1)), None);
        assert_eq!(faults.admit("c", at(9)), None);
        assert_eq!(faults.admit("d", at(11)).as_deref(), Some("d (and 2 faults before)"));
        assert_eq!(faults.held_back(), None);
        assert_eq!(faults.admit("e", at(12)), None);
        assert_eq!(faults.held_back().as_deref(), Some("e (the last of 1 faults not told)"));
    }
}
