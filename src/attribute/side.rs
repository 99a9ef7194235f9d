//! One side of the comparison: everything recorded in the reference, or in the judged window.

use super::client::{Client, unread};
use super::counters::{Counter, counters};
use super::snapshots::Snapshots;
use super::stack::{self, Role};
use super::stacks::{StackTotals, plain};
use crate::formats::pprof::Profile;
use crate::run::period::LoadPeriod;
use crate::run::reader::{ProfileFile, Recording};
use crate::time::{RunTime, SECOND, Window};

/// Evidence of one side.
#[derive(Debug)]
pub(super) struct Side {
    pub windows: Vec<Window>,
    pub client: Client,
    /// Services in the order of the scenario; the first that has evidence serves the requests.
    pub services: Vec<ServiceSide>,
    /// What the services' runtimes count.
    pub counters: Vec<Counter>,
}

/// Evidence of one service.
#[derive(Debug)]
pub(super) struct ServiceSide {
    pub name: String,
    pub snapshots: Snapshots,
    pub cpu: Option<Sampled>,
    pub mutex: Option<Sampled>,
    pub heap: Option<Sampled>,
    /// Growth of the bytes in use.
    pub kept: Option<Sampled>,
}

/// Stacks with the seconds of the run they cover.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// CPU and delay in nanoseconds, allocations in bytes.
    pub totals: StackTotals,
    /// Seconds covered.
    pub secs: f64,
    /// Observations behind it, for the error of a share.
    pub samples: u64,
}

impl Side {
    /// Reads what was recorded in `windows`.
    pub(super) fn load(
        recording: &Recording,
        periods: &[LoadPeriod],
        services: &[String],
        windows: &[Window],
    ) -> Self {
        let mut client = Client::of(periods, windows);
        client.service_unread = unread(recording, windows);
        Self {
            windows: windows.to_vec(),
            client,
            services: services.iter().map(|s| ServiceSide::load(recording, s, windows)).collect(),
            counters: counters(recording, services, windows),
        }
    }

    /// The service that serves the requests: the first with evidence of what requests do.
    pub(super) fn entry(&self) -> Option<&ServiceSide> {
        self.services.iter().find(|s| s.has_evidence())
    }
}

impl ServiceSide {
    fn load(recording: &Recording, service: &str, windows: &[Window]) -> Self {
        Self {
            name: service.to_owned(),
            snapshots: snapshots(recording, service, windows),
            cpu: cpu(recording, service, windows),
            mutex: cumulative(recording, service, "mutex", "delay", windows),
            heap: cumulative(recording, service, "heap", "alloc_space", windows),
            kept: cumulative(recording, service, "heap", "inuse_space", windows),
        }
    }

    pub(super) fn has_evidence(&self) -> bool {
        self.snapshots.len() > 0 || self.cpu.is_some()
    }

    /// CPU nanoseconds per second of the stacks that `keep` accepts.
    pub(super) fn cpu_rate(&self, keep: impl Fn(&[&str]) -> bool) -> f64 {
        self.cpu.as_ref().map_or(0.0, |c| c.totals.sum(|s| keep(&plain(s))) as f64 / c.secs)
    }
}

/// Whether a CPU stack is work for a request. Services without Go's server roots do all their work for
/// requests, as far as a profile can tell.
pub(super) fn is_request_work(stack: &[&str]) -> bool {
    if stack.iter().any(|f| super::names::is_path_style(f)) {
        return !stack.iter().any(|f| f.contains("pprof"));
    }
    stack::read(stack).role == Role::Request
}

fn snapshots(recording: &Recording, service: &str, windows: &[Window]) -> Snapshots {
    let mut all = Snapshots::default();
    for file in recording.profiles(service, "goroutine") {
        if windows.iter().any(|w| w.contains(file.window.from))
            && let Ok(profile) = recording.read_profile(&file)
        {
            all.add(file.window.from, &profile);
        }
    }
    all
}

/// CPU profiles that lie in the windows for the most part: wholly if there is one, else three fifths; of a part
/// shorter than a profile two fifths.
fn cpu(recording: &Recording, service: &str, windows: &[Window]) -> Option<Sampled> {
    let files = recording.profiles(service, "cpu");
    let share = |f: &ProfileFile| {
        let inside: u64 = windows.iter().map(|w| w.overlap(f.window)).sum();
        inside as f64 / f.window.nanos().max(1) as f64
    };
    [0.999, 0.6, 0.4].iter().find_map(|&enough| {
        let chosen: Vec<_> = files.iter().filter(|f| share(f) >= enough).collect();
        merge(recording, &chosen)
    })
}

fn merge(recording: &Recording, files: &[&ProfileFile]) -> Option<Sampled> {
    let mut merged = Sampled::default();
    for file in files {
        let Ok(profile) = recording.read_profile(file) else { continue };
        let index = profile.value_index("cpu").unwrap_or(profile.default_index());
        merged.totals.add(&profile, index, 1);
        merged.samples += samples(&profile, index);
        merged.secs += match profile.duration_nanos {
            d if d > 0 => d as f64 / SECOND as f64,
            _ => file.window.secs(),
        };
    }
    (merged.secs > 0.0).then_some(merged)
}

/// Observations behind a profile: its own count, else what its period makes of the values.
fn samples(profile: &Profile, index: usize) -> u64 {
    let count = match profile.value_index("samples") {
        Some(counts) => profile.total(counts),
        None => profile.total(index) / profile.period.max(1),
    };
    u64::try_from(count).unwrap_or(0)
}

/// Differences of a profile that counts since the start of the process: in each window the last snapshot
/// less the first.
fn cumulative(
    recording: &Recording,
    service: &str,
    kind: &str,
    value: &str,
    windows: &[Window],
) -> Option<Sampled> {
    let files = recording.profiles(service, kind);
    let mut all = Sampled::default();
    for window in windows {
        let inside = |f: &&ProfileFile| window.from <= f.window.from && f.window.from <= slack(*window);
        let first = files.iter().find(inside);
        let last = files.iter().rev().find(inside);
        if let (Some(first), Some(last)) = (first, last) {
            add_difference(&mut all, recording, (first, last), value);
        }
    }
    (all.secs > 0.0).then_some(all)
}

/// The last snapshot of a run is taken when the load has just ended.
fn slack(window: Window) -> RunTime {
    window.to.plus(SECOND / 2)
}

fn add_difference(
    all: &mut Sampled,
    recording: &Recording,
    (first, last): (&ProfileFile, &ProfileFile),
    value: &str,
) {
    let secs = last.window.from.since(first.window.from) as f64 / SECOND as f64;
    let (Ok(a), Ok(b)) = (recording.read_profile(first), recording.read_profile(last)) else { return };
    let (Some(ia), Some(ib)) = (a.value_index(value), b.value_index(value)) else { return };
    if secs > 0.0 {
        all.totals.add(&a, ia, -1);
        all.totals.add(&b, ib, 1);
        all.samples += u64::try_from(b.total(0).saturating_sub(a.total(0))).unwrap_or(0);
        all.secs += secs;
    }
}
