//! What one thread has measured since the period began: histograms and counters of its own, handed over
//! whole at each period's end. Memory does not grow with the number of hits.

use std::sync::mpsc::{Receiver, Sender};

use super::hit::{Hit, Problem};
use crate::run::period::{Failure, FailureExample, Latency, Phase, RequestPeriod, SLOWEST, new_latency};
use crate::time::RunTime;

/// Examples of failures that a thread keeps, per kind and run.
const EXAMPLES: u8 = 3;
/// Examples that a thread keeps on top of those, so that each named check that fails has one.
const CHECK_EXAMPLES: u8 = 100;
/// Characters of an example's text.
const DETAIL: usize = 200;

/// One period of one thread.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) requests: Vec<RequestPeriod>,
    pub(crate) lateness: Latency,
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    pub(crate) gauges: Gauges,
    /// Requests sent minus requests that ended, over the whole run: a user's request may be sent on one thread and
    /// end on another, so only the sum over all threads is how many are under way.
    pub(crate) streams: i64,
    pub(crate) slowest: Vec<Slow>,
    pub(crate) failures: Vec<FailureExample>,
}

/// What stands at the end of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) backlog: u64,
    pub(crate) in_flight: u64,
    pub(crate) connections: u64,
    pub(crate) vus: u64,
}

/// A slow hit, before its trace id becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slow {
    pub(crate) n: u64,
    pub(crate) request: usize,
    pub(crate) done: RunTime,
    pub(crate) response: u64,
    pub(crate) service: u64,
    pub(crate) status: u16,
}

impl Share {
    pub(crate) fn new(requests: usize) -> Self {
        Self {
            requests: (0..requests).map(|_| RequestPeriod::new()).collect(),
            lateness: new_latency(),
            offered: 0,
            sent: 0,
            gauges: Gauges::default(),
            streams: 0,
            slowest: Vec::with_capacity(SLOWEST),
            failures: Vec::new(),
        }
    }

    /// Makes it empty, keeping its memory.
    pub(crate) fn clear(&mut self) {
        for r in &mut self.requests {
            r.response.reset();
            r.service.reset();
            r.phases.iter_mut().for_each(Latency::reset);
            (r.passed, r.failed, r.status) = (0, [0; Failure::ALL.len()], [0; 5]);
            (r.bytes_in, r.bytes_out, r.connects, r.redirects) = (0, 0, 0, 0);
            (r.resent, r.unasked) = (0, 0);
            r.checks.fill(0);
        }
        self.lateness.reset();
        (self.offered, self.sent, self.gauges, self.streams) = (0, 0, Gauges::default(), 0);
        self.slowest.clear();
        self.failures.clear();
    }

    /// Counts a hit in its request's histograms.
    fn count(&mut self, hit: &Hit) {
        let r = &mut self.requests[hit.request];
        put(&mut r.response, hit.response());
        if let Some(service) = hit.service() {
            put(&mut r.service, service);
        }
        for phase in Phase::ALL {
            if let Some(nanos) = hit.phase(phase) {
                put(&mut r.phases[phase as usize], nanos);
            }
        }
        match hit.failure {
            None => r.passed += 1,
            Some(kind) => r.failed[kind as usize] += 1,
        }
        let class = usize::from(hit.progress.status / 100);
        if let Some(count) = class.checked_sub(1).and_then(|i| r.status.get_mut(i)) {
            *count += 1;
        }
        r.bytes_in += hit.progress.bytes_in;
        r.bytes_out += hit.progress.bytes_out;
        r.connects += u64::from(hit.open.opened);
        r.redirects += u64::from(hit.redirects);
        r.resent += u64::from(hit.resent);
        r.unasked += u64::from(hit.unasked);
        if hit.failed_checks != 0 {
            count_checks(&mut r.checks, hit.failed_checks);
        }
    }

    /// Keeps the hit if it is among the slowest of the period.
    fn slow(&mut self, hit: &Hit) {
        let response = hit.response();
        let place = self.slowest.iter().position(|s| s.response < response).unwrap_or(self.slowest.len());
        if place < SLOWEST {
            self.slowest.truncate(SLOWEST - 1);
            self.slowest.insert(
                place,
                Slow {
                    n: hit.n,
                    request: hit.request,
                    done: hit.done,
                    response,
                    service: hit.service().unwrap_or(0),
                    status: hit.progress.status,
                },
            );
        }
    }
}

/// A finished share on its way to the aggregator.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) thread: usize,
    pub(crate) share: Box<Share>,
    /// Set with the last share of a thread: when it ended.
    pub(crate) ended: Option<RunTime>,
}

/// Records the hits of one thread and hands over each period when it is past.
#[derive(Debug)]
pub(crate) struct Recorder {
    thread: usize,
    share: Box<Share>,
    period: u64,
    period_end: RunTime,
    examples: [u8; Failure::ALL.len()],
    shown: Shown,
    streams: i64,
    totals: Totals,
    out: Sender<Finished>,
    back: Receiver<Box<Share>>,
}

/// Counts over the whole run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) offered: u64,
    pub(crate) sent: u64,
}

impl Recorder {
    /// Periods begin at `started`; finished ones go `out`, emptied ones come `back`.
    pub(crate) fn new(
        thread: usize,
        requests: usize,
        (started, period): (RunTime, u64),
        out: Sender<Finished>,
        back: Receiver<Box<Share>>,
    ) -> Self {
        Self {
            thread,
            share: Box::new(Share::new(requests)),
            period,
            period_end: started.plus(period),
            examples: [0; Failure::ALL.len()],
            shown: Shown::default(),
            streams: 0,
            totals: Totals::default(),
            out,
            back,
        }
    }

    /// First moment after the period under way.
    pub(crate) const fn period_end(&self) -> RunTime {
        self.period_end
    }

    /// What was counted over the whole run.
    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    /// An arrival of the schedule was handed on, `late` nanoseconds after it was due.
    pub(crate) fn offered(&mut self, late: u64) {
        put(&mut self.share.lateness, late);
        self.begun();
    }

    /// A hit of the closed model began.
    pub(crate) fn begun(&mut self) {
        self.share.offered += 1;
        self.totals.offered += 1;
    }

    /// An arrival that turned out not to be one: the data was at its end.
    pub(crate) fn withdrawn(&mut self) {
        self.share.offered = self.share.offered.saturating_sub(1);
        self.totals.offered = self.totals.offered.saturating_sub(1);
    }

    /// A request is being written.
    pub(crate) fn sent(&mut self) {
        self.share.sent += 1;
        self.totals.sent += 1;
        self.streams += 1;
    }

    /// A hit ended.
    pub(crate) fn record(&mut self, hit: &Hit, problem: Option<&Problem>) {
        self.share.count(hit);
        self.streams -= i64::from(hit.sent.is_some());
        if hit.start.is_some() {
            self.share.slow(hit);
        }
        if let Some(kind) = hit.failure {
            self.example(kind, hit, problem);
        }
    }

    fn example(&mut self, kind: Failure, hit: &Hit, problem: Option<&Problem>) {
        let first = hit.failed_checks != 0 && self.shown.is_new(hit);
        let kept = &mut self.examples[kind as usize];
        if *kept < EXAMPLES || first {
            *kept = kept.saturating_add(1);
            let checks = (0..128).filter(|check| hit.failed_checks >> check & 1 == 1).collect();
            let text = problem.map_or_else(|| "the run ended before it could be sent".into(), cut_text);
            let example = FailureExample { request: hit.request, at: hit.done, kind, detail: text, checks };
            self.share.failures.push(example);
        }
    }

    /// Hands over the period under way and begins the next.
    pub(crate) fn roll(&mut self, gauges: Gauges) {
        self.period_end = self.period_end.plus(self.period);
        self.hand_over(gauges, None);
    }

    /// Hands over the last period.
    pub(crate) fn finish(&mut self, gauges: Gauges, ended: RunTime) {
        self.hand_over(gauges, Some(ended));
    }

    fn hand_over(&mut self, gauges: Gauges, ended: Option<RunTime>) {
        (self.share.gauges, self.share.streams) = (gauges, self.streams);
        let requests = self.share.requests.len();
        let empty = self.back.try_recv().unwrap_or_else(|_| Box::new(Share::new(requests)));
        let share = std::mem::replace(&mut self.share, empty);
        // Fails only if the aggregator is gone, which the join of its thread reports.
        let _ = self.out.send(Finished { thread: self.thread, share, ended });
    }
}

/// Named checks that have an example.
#[derive(Debug, Default)]
struct Shown {
    /// By request, a bit for each check.
    checks: Vec<u128>,
    kept: u8,
}

impl Shown {
    /// Whether a check failed for the first time, as long as there is room for its example.
    fn is_new(&mut self, hit: &Hit) -> bool {
        if self.checks.len() <= hit.request {
            self.checks.resize(hit.request + 1, 0);
        }
        let shown = &mut self.checks[hit.request];
        if hit.failed_checks & !*shown == 0 || self.kept == CHECK_EXAMPLES {
            return false;
        }
        *shown |= hit.failed_checks;
        self.kept += 1;
        true
    }
}

/// Counts the checks whose bits are set.
fn count_checks(counts: &mut Vec<u64>, failed: u128) {
    let used = (u128::BITS - failed.leading_zeros()) as usize;
    if counts.len() < used {
        counts.resize(used, 0);
    }
    for (check, count) in counts.iter_mut().enumerate() {
        *count += u64::from(failed >> check & 1 == 1);
    }
}

/// Adds a value; the histogram grows to hold it, up to the largest `u64`.
fn put(histogram: &mut Latency, nanos: u64) {
    // Refused only where a `usize` cannot count the buckets: not on 64 bits.
    let _ = histogram.record(nanos);
}

fn cut_text(problem: &Problem) -> String {
    let text = problem.to_string();
    match text.char_indices().nth(DETAIL) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc;

    use super::*;
    use crate::load::connect::OpenTimes;
    use crate::load::http1::conn::Progress;

    fn at(nanos: u64) -> RunTime {
        RunTime::from_nanos(nanos)
    }

    fn hit(n: u64, response: u64) -> Hit {
        let progress = Progress {
            written: Some(at(1_000 + n)),
            first_byte: Some(at(1_500 + n)),
            status: 200,
            bytes_in: 10,
            bytes_out: 20,
            ..Progress::default()
        };
        let (intended, start) = (at(500 + n), Some(at(800 + n)));
        Hit { n, intended, start, sent: start, progress, done: intended.plus(response), ..Hit::default() }
    }

    fn recorder() -> (Recorder, Receiver<Finished>, Sender<Box<Share>>) {
        let ((out, outbox), (back, inbox)) = (mpsc::channel(), mpsc::channel());
        (Recorder::new(0, 1, (at(0), 1_000_000), out, inbox), outbox, back)
    }

    #[test]
    fn phases_and_queue_make_up_the_response_time() {
        let hit = hit(0, 2_000);
        let sum: u64 = Phase::ALL.iter().filter_map(|p| hit.phase(*p)).sum();
        assert_eq!((sum, hit.response(), hit.service()), (2_000, 2_000, Some(1_700)));
    }

    #[test]
    fn what_is_waited_and_opened_between_exchanges_is_in_phases_of_its_own() {
        // 100 of connecting before the request was sent, and 200 of 250 between two exchanges.
        let mut opened = Hit { open_before: 100, between: 250, ..hit(0, 2_000) };
        (opened.sent, opened.progress.first_byte) = (Some(at(950)), Some(at(1_400)));
        (opened.open.connect, opened.open.tls) = (Some(240), Some(60));
        let of = |phase| opened.phase(phase).unwrap_or(0);
        let sum: u64 = Phase::ALL.iter().map(|p| of(*p)).sum();
        assert_eq!((of(Phase::Connect), of(Phase::Tls), of(Phase::Wait)), (240, 60, 150));
        assert_eq!((of(Phase::Queue), sum, opened.response()), (450 - 100 + 50, 2_000, 2_000));
        assert_eq!(opened.service(), Some(1_550 - 50), "opening counts, waiting for a stream does not");
        // Never sent: what was not opening was waiting.
        let never = Hit { sent: None, progress: Progress::default(), between: 0, ..opened };
        assert_eq!((never.phase(Phase::Queue), never.service()), (Some(1_700), None));
    }

    #[test]
    fn only_connections_that_were_opened_count_as_such() {
        let (mut recorder, outbox, _back) = recorder();
        for opened in [0, 1, 0] {
            let mut open = OpenTimes::default();
            (open.connect, open.opened) = (Some(100), opened);
            recorder.record(&Hit { open, ..hit(1, 1_000) }, None);
        }
        recorder.finish(Gauges::default(), at(900));
        let share = outbox.recv().expect("handed over").share;
        let r = &share.requests[0];
        assert_eq!((r.connects, r.phases[Phase::Connect as usize].len()), (1, 3), "all took their time");
    }

    #[test]
    fn an_unsent_hit_has_a_response_time_and_no_service_time() {
        let (mut recorder, outbox, _back) = recorder();
        recorder.record(&Hit::unsent(3, 0, at(100), at(900)), None);
        recorder.finish(Gauges::default(), at(900));
        let share = outbox.recv().expect("handed over").share;
        let r = &share.requests[0];
        assert_eq!((r.response.max(), r.response.len(), r.service.len()), (800, 1, 0));
        assert_eq!(r.failed[Failure::Unsent as usize], 1);
        assert_eq!(share.failures[0].detail, "the run ended before it could be sent");
        assert!(share.slowest.is_empty());
    }

    #[test]
    fn the_slowest_are_kept_in_order() {
        let (mut recorder, outbox, _back) = recorder();
        [5_000, 9_000, 3_000, 7_000, 9_500, 100].iter().enumerate().for_each(|(n, response)| {
            recorder.record(&hit(n as u64, *response), None);
        });
        recorder.roll(Gauges::default());
        let kept: Vec<_> = outbox.recv().expect("sent").share.slowest.iter().map(|s| s.response).collect();
        assert_eq!(kept, [9_500, 9_000, 7_000]);
    }

    #[test]
    fn examples_are_few_and_short() {
        let (mut recorder, outbox, _back) = recorder();
        let long: &'static str = "é".repeat(500).leak();
        for n in 0..10 {
            let failed = Hit { failure: Some(Failure::Timeout), ..hit(n, 1_000) };
            recorder.record(&failed, Some(&Problem::Cut(long)));
        }
        recorder.roll(Gauges::default());
        let failures = outbox.recv().expect("sent").share.failures;
        assert_eq!(failures.len(), 3);
        assert_eq!(failures[0].detail.chars().count(), 200);
    }

    #[test]
    fn every_named_check_has_an_example() {
        let (mut recorder, outbox, _back) = recorder();
        let fails = |failed_checks| Hit { failure: Some(Failure::Check), failed_checks, ..hit(1, 1_000) };
        (0..20).for_each(|_| recorder.record(&fails(0b1), Some(&Problem::Cut("one"))));
        (0..20).for_each(|_| recorder.record(&fails(1 << 127 | 0b1), Some(&Problem::Cut("two"))));
        recorder.roll(Gauges::default());
        let failures = outbox.recv().expect("sent").share.failures;
        let seen: Vec<_> = failures.iter().map(|f| f.checks.clone()).collect();
        assert_eq!(seen, [vec![0], vec![0], vec![0], vec![0, 127]]);
    }

    #[test]
    fn what_is_sent_is_under_way_until_it_ends_on_whatever_thread() {
        let ((mut one, out_one, _b1), (mut other, out_other, _b2)) = (recorder(), recorder());
        (0..3).for_each(|_| one.sent());
        other.record(&hit(0, 1_000), None);
        other.record(&Hit::unsent(1, 0, at(0), at(9)), None);
        one.roll(Gauges::default());
        other.roll(Gauges::default());
        let streams = |out: &Receiver<Finished>| out.recv().expect("sent").share.streams;
        assert_eq!((streams(&out_one), streams(&out_other)), (3, -1));
    }

    #[test]
    fn a_million_hits_take_no_more_memory_than_a_thousand() {
        let (mut recorder, outbox, back) = recorder();
        let (mut sizes, mut shares) = (Vec::new(), HashSet::new());
        for (round, hits) in [1_000_u64, 200_000, 1_000, 10, 10, 10].iter().enumerate() {
            (0..*hits).for_each(|n| recorder.record(&hit(n, 2_000 + n % 1_000 * 1_000_000), None));
            recorder.roll(Gauges::default());
            let mut share = outbox.recv().expect("handed over").share;
            assert_eq!(share.requests[0].done(), *hits, "round {round}");
            sizes.push(share.requests[0].response.distinct_values());
            shares.insert(&raw const *share);
            share.clear();
            assert_eq!((share.requests[0].done(), share.requests[0].response.len()), (0, 0));
            back.send(share).expect("recorder lives");
        }
        assert_eq!(sizes[0], sizes[1]);
        assert_eq!(shares.len(), 2, "two shares take turns");
    }
}
