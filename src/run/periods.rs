//! Reads the load's periods back: an index at first, histograms only when a period is asked for, because a
//! long run's histograms do not fit into memory all at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::counters::{self, Gauges, LOGS, Totals, tag};
use super::event::{Event, EventKind};
use super::files;
use super::layout;
use super::period::{
    Failure, FailureExample, Latency, LoadPeriod, Phase, RequestPeriod, SlowHit, new_latency,
};
use super::writer::RunError;
use crate::formats::{hlog, openmetrics};
use crate::time::{RunTime, Window};

const PATHS: [&str; LOGS.len()] = [layout::LATENCY_LOG, layout::PHASE_LOG, layout::LATENESS_LOG];

/// Where the periods of a folder are.
#[derive(Clone, Debug)]
pub(super) struct Index {
    dir: PathBuf,
    pub(super) periods: Vec<Entry>,
    /// Periods whose lines or counters are missing or do not agree.
    pub(super) dropped: usize,
    /// The first reason for that.
    pub(super) problem: Option<String>,
}

/// One period: everything but its histograms and examples.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) window: Window,
    counts: Totals,
    gauges: Gauges,
    blocks: [Range<u64>; LOGS.len()],
    slowest: Vec<SlowHit>,
    failures: Vec<FailureExample>,
}

/// The lines of one window in one log; they were written at once, so they stand together.
#[derive(Clone, Debug)]
struct Block {
    window: Window,
    bytes: Range<u64>,
    lines: u64,
}

type Blocks = HashMap<RunTime, Block>;

impl Index {
    pub(super) fn read(dir: &Path, events: &[Event]) -> Result<Self, RunError> {
        let mut index = Self { dir: dir.to_owned(), periods: Vec::new(), dropped: 0, problem: None };
        let mut logs: [Blocks; LOGS.len()] = Default::default();
        for (blocks, path) in logs.iter_mut().zip(PATHS) {
            *blocks = index.read_log(&dir.join(path))?;
        }
        let mut before: Option<Totals> = None;
        let scrapes = files::timed(&dir.join("metrics").join(layout::GENERATOR), ".om");
        let ends: Vec<RunTime> = scrapes.iter().map(|s| s.window.to).collect();
        for scrape in scrapes {
            match index.entry(&scrape, &mut before, &logs) {
                Ok(entry) => index.periods.push(entry),
                Err(problem) => index.drop_period(&scrape.path, &problem),
            }
        }
        // Lines without counters: the run was killed between the two.
        let lost = logs[0].keys().filter(|end| ends.binary_search(end).is_err()).count();
        if lost > 0 {
            index.drop_period(&dir.join(layout::LATENCY_LOG), "the counters of its last lines are missing");
            index.dropped += lost - 1;
        }
        index.add_examples(events);
        Ok(index)
    }

    fn drop_period(&mut self, path: &Path, problem: &str) {
        self.dropped += 1;
        self.problem.get_or_insert_with(|| {
            let rel = path.strip_prefix(&self.dir).unwrap_or(path);
            format!("{}: {problem}", rel.display())
        });
    }

    /// Finds the lines of each window; a line that cannot be read is missed when lines are counted.
    fn read_log(&mut self, path: &Path) -> Result<Blocks, RunError> {
        let mut blocks = Blocks::new();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(blocks),
            Err(e) => return Err(RunError::io(path)(e)),
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        files::lines(&mut reader, hlog::MAX_LINE, |offset, line| {
            let Ok(hlog::Line::Interval(interval)) = hlog::parse_line(line) else { return };
            let (window, end) = (interval.window(), offset + line.len() as u64 + 1);
            let new = Block { window, bytes: offset..offset, lines: 0 };
            let block = blocks.entry(window.to).or_insert(new);
            if block.window == window && block.bytes.end == offset {
                block.bytes.end = end;
                block.lines += 1;
            }
        })
        .map_err(RunError::io(path))?;
        Ok(blocks)
    }

    fn entry(
        &self,
        scrape: &files::TimedFile,
        before: &mut Option<Totals>,
        logs: &[Blocks; LOGS.len()],
    ) -> Result<Entry, String> {
        let bytes = files::read(&scrape.path, openmetrics::MAX_BYTES as u64).map_err(|e| e.to_string())?;
        let (totals, gauges) = counters::from_text(&bytes)?;
        let slugs = || totals.requests.iter().map(|r| r.slug.clone()).collect::<Vec<_>>();
        let counts = match before.take() {
            Some(before) => totals.since(&before),
            None => totals.since(&Totals::new(&slugs())),
        };
        *before = Some(totals);
        let counts = counts.ok_or("its counters do not continue those of the period before")?;
        let end = scrape.window.to;
        let window = logs[0].get(&end).ok_or("its lines in the interval logs are missing")?.window;
        let mut blocks: [Range<u64>; LOGS.len()] = std::array::from_fn(|_| 0..0);
        for (i, block) in blocks.iter_mut().enumerate() {
            let found = logs[i].get(&end).filter(|b| b.window == window);
            if found.map_or(0, |b| b.lines) != counts.log_lines[i] {
                return Err(format!("its lines in the {} log are not whole", LOGS[i]));
            }
            *block = found.map_or(0..0, |b| b.bytes.clone());
        }
        Ok(Entry { window, counts, gauges, blocks, slowest: Vec::new(), failures: Vec::new() })
    }

    /// Gives slow hits and failures to the period they ended in; those after the last end, to the last.
    fn add_examples(&mut self, events: &[Event]) {
        for event in events {
            let next = self.periods.partition_point(|p| p.window.to <= event.at);
            let Some(last) = self.periods.len().checked_sub(1) else { return };
            let entry = &mut self.periods[next.min(last)];
            if event.at >= entry.window.from {
                entry.add_example(event);
            }
        }
        for entry in &mut self.periods {
            entry.slowest.sort_by_key(|hit| std::cmp::Reverse(hit.response_nanos));
        }
    }

    /// Opens the logs and hands out one period after the other.
    pub(super) fn iter(&self) -> Periods<'_> {
        Periods { index: self, logs: std::array::from_fn(|_| None), next: 0 }
    }
}

impl Entry {
    fn add_example(&mut self, event: &Event) {
        let slug_index = |slug: &str| self.counts.requests.iter().position(|r| r.slug == slug);
        match &event.kind {
            EventKind::Slow { request, trace_id, response_nanos, service_nanos, status } => {
                let Some(request) = slug_index(request) else { return };
                self.slowest.push(SlowHit {
                    request,
                    done: event.at,
                    trace_id: trace_id.clone(),
                    response_nanos: *response_nanos,
                    service_nanos: *service_nanos,
                    status: *status,
                });
            }
            EventKind::Failure { request, kind, detail, checks } => {
                let Some(request) = slug_index(request) else { return };
                let Some(kind) = Failure::ALL.into_iter().find(|k| k.name() == kind) else { return };
                let (detail, checks) = (detail.clone(), checks.clone());
                self.failures.push(FailureExample { request, at: event.at, kind, detail, checks });
            }
            _ => {}
        }
    }

    /// The period without its histograms.
    fn bare(&self) -> LoadPeriod {
        let requests = self.counts.requests.iter().map(|r| RequestPeriod {
            passed: r.passed,
            failed: r.failed,
            status: r.status,
            bytes_in: r.bytes_in,
            bytes_out: r.bytes_out,
            connects: r.connects,
            redirects: r.redirects,
            resent: r.resent,
            unasked: r.unasked,
            checks: r.checks.clone(),
            ..RequestPeriod::new()
        });
        LoadPeriod {
            window: self.window,
            requests: requests.collect(),
            lateness: new_latency(),
            offered: self.counts.offered,
            sent: self.counts.sent,
            backlog: self.gauges.backlog,
            in_flight: self.gauges.in_flight,
            connections: self.gauges.connections,
            streams: self.gauges.streams,
            vus: self.gauges.vus,
            slowest: self.slowest.clone(),
            failures: self.failures.clone(),
        }
    }
}

/// Periods in order of time, read one at a time.
#[derive(Debug)]
pub struct Periods<'a> {
    index: &'a Index,
    logs: [Option<File>; LOGS.len()],
    next: usize,
}

impl Iterator for Periods<'_> {
    type Item = Result<LoadPeriod, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.index.periods.get(self.next)?;
        self.next += 1;
        Some(self.load(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.index.periods.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Periods<'_> {}

impl Periods<'_> {
    fn load(&mut self, entry: &Entry) -> Result<LoadPeriod, RunError> {
        let mut period = entry.bare();
        for (log, path) in PATHS.iter().enumerate() {
            let path = self.index.dir.join(path);
            let text = self.read(log, &path, &entry.blocks[log]).map_err(RunError::io(&path))?;
            let broken = |problem: String| RunError::Broken { path: path.clone(), problem };
            for line in text.split_inclusive(|&b| b == b'\n') {
                place(&mut period, &entry.counts, line)
                    .map_err(|e| broken(format!("period up to {}: {e}", entry.window.to)))?;
            }
        }
        Ok(period)
    }

    fn read(&mut self, log: usize, path: &Path, bytes: &Range<u64>) -> std::io::Result<Vec<u8>> {
        let length = bytes.end - bytes.start;
        let mut text = Vec::new();
        if length > 0 {
            let file = match &mut self.logs[log] {
                Some(file) => file,
                closed => closed.insert(File::open(path)?),
            };
            file.seek(SeekFrom::Start(bytes.start))?;
            file.take(length).read_to_end(&mut text)?;
        }
        Ok(text)
    }
}

/// Puts the histogram of a line where its tag says; tags of later versions are passed over.
fn place(period: &mut LoadPeriod, counts: &Totals, line: &[u8]) -> Result<(), hlog::HlogError> {
    let hlog::Line::Interval(interval) = hlog::parse_line(line)? else { return Ok(()) };
    let Some(slot) = interval.tag.and_then(|t| slot(period, counts, t)) else { return Ok(()) };
    let histogram: Latency = interval.histogram()?;
    // Writers may choose 2 or 3 digits: enough for a quantile, and for a mean.
    if !(2..=3).contains(&histogram.sigfig()) || histogram.low() != slot.low() {
        return Err(hlog::HlogError::Histogram("not of the precision that this format has".to_owned()));
    }
    *slot = histogram;
    Ok(())
}

fn slot<'a>(period: &'a mut LoadPeriod, counts: &Totals, tag: &str) -> Option<&'a mut Latency> {
    if tag == tag::LATENESS {
        return Some(&mut period.lateness);
    }
    let (what, slug) = tag.split_once('/')?;
    let i = counts.requests.iter().position(|r| r.slug == slug)?;
    let request = &mut period.requests[i];
    match what {
        tag::RESPONSE => Some(&mut request.response),
        tag::SERVICE => Some(&mut request.service),
        _ => {
            let phase = Phase::ALL.iter().position(|p| p.name() == what)?;
            Some(&mut request.phases[phase])
        }
    }
}
