//! Merges the threads' shares into one [`LoadPeriod`] after the other, on a thread of its own.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender};

use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::recorder::{Finished, Gauges, Share, Slow};
use crate::run::period::{Latency, LoadPeriod, RequestPeriod, SLOWEST, SlowHit, new_latency, new_phase};
use crate::time::{RunTime, Window};

/// Nice value of the thread: a tenth of a core is left to it even if the load takes all it can.
const BEHIND: i32 = 10;

/// Collects shares until every thread has ended.
pub(crate) struct Aggregator<F> {
    run: u64,
    started: RunTime,
    period: u64,
    /// Periods given to the sink so far.
    index: u64,
    threads: Vec<Thread>,
    sink: F,
}

/// What one thread has sent.
struct Thread {
    waiting: VecDeque<Box<Share>>,
    ended: Option<RunTime>,
    /// Emptied shares go back this way.
    back: Sender<Box<Share>>,
}

impl<F: FnMut(LoadPeriod)> Aggregator<F> {
    /// For a run whose trace ids begin with `run` and whose periods begin at `started`.
    pub(crate) fn new(
        run: u64,
        (started, period): (RunTime, u64),
        back: Vec<Sender<Box<Share>>>,
        sink: F,
    ) -> Self {
        let thread = |back| Thread { waiting: VecDeque::new(), ended: None, back };
        Self { run, started, period, index: 0, threads: back.into_iter().map(thread).collect(), sink }
    }

    /// Takes shares until the last thread has gone; gives the moment the last one ended.
    pub(crate) fn run(mut self, inbox: &Receiver<Finished>) -> RunTime {
        step_back();
        while let Ok(finished) = inbox.recv() {
            let thread = &mut self.threads[finished.thread];
            thread.waiting.push_back(finished.share);
            thread.ended = finished.ended;
            self.emit();
        }
        self.threads.iter().filter_map(|t| t.ended).max().unwrap_or(self.started)
    }

    /// Gives the sink every period that is complete.
    fn emit(&mut self) {
        while self.threads.iter().any(|t| !t.waiting.is_empty())
            && self.threads.iter().all(|t| !t.waiting.is_empty() || t.ended.is_some())
        {
            let last = self.threads.iter().all(|t| t.ended.is_some() && t.waiting.len() <= 1);
            let from = self.started.plus(self.index.saturating_mul(self.period));
            let ended = self.threads.iter().filter_map(|t| t.ended).max();
            let to = ended.filter(|_| last).unwrap_or_else(|| from.plus(self.period));
            let period = self.merge(Window::new(from, to));
            self.index += 1;
            if period.window.nanos() > 0 || period.requests.iter().any(|r| r.done() > 0) {
                (self.sink)(period);
            }
        }
    }

    fn merge(&mut self, window: Window) -> LoadPeriod {
        let mut shares: Vec<_> = self.threads.iter_mut().map(|t| t.waiting.pop_front()).collect();
        let present: Vec<&Share> = shares.iter().flatten().map(|share| &**share).collect();
        let gauges = present.iter().fold(Gauges::default(), |sum, s| sum.plus(s.gauges));
        let count = present.iter().map(|s| s.requests.len()).max().unwrap_or(0);
        let period = LoadPeriod {
            window,
            requests: (0..count).map(|i| merged_request(present.iter().map(|s| &s.requests[i]))).collect(),
            lateness: merged(new_latency(), present.iter().map(|s| &s.lateness)),
            offered: present.iter().map(|s| s.offered).sum(),
            sent: present.iter().map(|s| s.sent).sum(),
            backlog: gauges.backlog,
            in_flight: gauges.in_flight,
            connections: gauges.connections,
            streams: u64::try_from(present.iter().map(|s| s.streams).sum::<i64>()).unwrap_or(0),
            vus: gauges.vus,
            slowest: self.slowest(&present),
            failures: present.iter().flat_map(|s| s.failures.iter().cloned()).collect(),
        };
        for (thread, share) in self.threads.iter().zip(&mut shares) {
            if let Some(mut share) = share.take() {
                share.clear();
                // A thread that has ended needs no share any more.
                let _ = thread.back.send(share);
            }
        }
        period
    }

    fn slowest(&self, shares: &[&Share]) -> Vec<SlowHit> {
        let mut all: Vec<Slow> = shares.iter().flat_map(|s| s.slowest.iter().copied()).collect();
        all.sort_by_key(|s| (std::cmp::Reverse(s.response), s.n));
        all.truncate(SLOWEST);
        let named = |s: Slow| SlowHit {
            request: s.request,
            done: s.done,
            trace_id: format!("{:016x}{:016x}", self.run, s.n),
            response_nanos: s.response,
            service_nanos: s.service,
            status: s.status,
        };
        all.into_iter().map(named).collect()
    }
}

impl Gauges {
    const fn plus(self, other: Self) -> Self {
        Self {
            backlog: self.backlog + other.backlog,
            in_flight: self.in_flight + other.in_flight,
            connections: self.connections + other.connections,
            vus: self.vus + other.vus,
        }
    }
}

fn merged<'a>(mut sum: Latency, parts: impl Iterator<Item = &'a Latency>) -> Latency {
    for part in parts.filter(|p| !p.is_empty()) {
        // Cannot fail: the sum resizes itself.
        let _ = sum.add(part);
    }
    sum
}

fn merged_request<'a>(parts: impl Iterator<Item = &'a RequestPeriod> + Clone) -> RequestPeriod {
    let mut sum = RequestPeriod {
        response: merged(new_latency(), parts.clone().map(|p| &p.response)),
        service: merged(new_latency(), parts.clone().map(|p| &p.service)),
        phases: std::array::from_fn(|i| merged(new_phase(), parts.clone().map(|p| &p.phases[i]))),
        ..RequestPeriod::new()
    };
    parts.for_each(|part| sum.add_counts(part));
    sum
}

/// Puts this thread behind the load threads. Where they share a core, writing a period would otherwise hold up
/// every hit for milliseconds once a period, and the run would show them as the target's.
fn step_back() {
    // Without the right to it (seccomp), periods are written as before.
    let _ = setpriority_process(Some(gettid()), BEHIND);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn share(passed: u64, response: u64, backlog: u64) -> Box<Share> {
        let mut share = Share::new(1);
        share.requests[0].passed = passed;
        for _ in 0..passed {
            share.requests[0].response.record(response).expect("resizes");
        }
        share.offered = passed;
        share.gauges.backlog = backlog;
        share.slowest.push(Slow {
            n: passed,
            request: 0,
            done: RunTime::ZERO,
            response,
            service: 1,
            status: 200,
        });
        Box::new(share)
    }

    #[test]
    fn shares_are_merged_in_order_whatever_order_they_come_in() {
        let (out, inbox) = mpsc::channel();
        let (backs, returned): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let (started, at) = (RunTime::from_nanos(50), RunTime::from_nanos);
        let send = |thread, share, ended| out.send(Finished { thread, share, ended }).expect("open");
        send(0, share(1, 1_000, 2), None);
        send(0, share(2, 2_000, 0), None);
        send(1, share(3, 3_000, 5), Some(at(120)));
        send(0, share(4, 4_000, 0), Some(at(290)));
        drop(out);
        let mut got = Vec::new();
        let ended = Aggregator::new(0xab, (started, 100), backs, |p| got.push(p)).run(&inbox);
        assert_eq!(ended, at(290));
        let windows: Vec<_> =
            got.iter().map(|p| (p.window.from.as_nanos(), p.window.to.as_nanos())).collect();
        assert_eq!(windows, [(50, 150), (150, 250), (250, 290)]);
        let counts: Vec<_> = got.iter().map(|p| (p.requests[0].passed, p.offered, p.backlog)).collect();
        assert_eq!(counts, [(4, 4, 7), (2, 2, 0), (4, 4, 0)]);
        assert_eq!(got[0].slowest[0].trace_id, "00000000000000ab0000000000000003");
        assert_eq!(got[0].slowest[1].response_nanos, 1_000);
        assert_eq!(returned.iter().map(|r| r.try_iter().count()).collect::<Vec<_>>(), [3, 1]);
    }
}
