//! One side of the comparison: everything recorded in the reference, or in the judged window.

use std::panic::resume_unwind;

use super::client::Client;
use super::counters::{Busy, Counter, PoolUse, busy_workers, counters, pool_uses, processors};
use super::cpu_time;
use super::inlined;
use super::lines::{Lines, Whose};
use super::served::{Served, outermost, served};
use super::snapshots::Snapshots;
use super::stack::{self, Role};
use super::stacks::{StackTotals, plain};
use super::unread::Unread;
use crate::formats::pprof::Profile;
use crate::run::in_flight;
use crate::run::period::LoadPeriod;
use crate::run::reader::{ProfileFile, Recording};
use crate::time::{SECOND, Window};

/// Evidence of one side.
#[derive(Debug)]
pub(super) struct Side {
    pub windows: Vec<Window>,
    pub client: Client,
    /// Services in the order of the scenario; the first that has evidence serves the requests.
    pub services: Vec<ServiceSide>,
    /// What the services' runtimes count.
    pub counters: Vec<Counter>,
    /// How busy the workers of asynchronous runtimes are.
    pub workers: Vec<Busy>,
    /// How full the pools are that services count themselves.
    pub pools: Vec<PoolUse>,
}

/// Evidence of one service.
#[derive(Debug)]
pub(super) struct ServiceSide {
    pub name: String,
    pub snapshots: Snapshots,
    pub cpu: Option<Sampled>,
    /// Threads of its runtime that may run at the same time.
    pub processors: Option<f64>,
    pub mutex: Option<Sampled>,
    pub heap: Option<Sampled>,
    /// Growth of the bytes in use.
    pub kept: Option<Sampled>,
    /// Its own count of the requests by one metric, and by all; not looked for where snapshots show them.
    pub served: Option<Served>,
    pub counted: Vec<Served>,
}

/// Stacks with the seconds of the run they cover.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// CPU and delay in nanoseconds, allocations in bytes.
    pub totals: StackTotals,
    /// The same by lines of code: of every function on a stack for CPU, of the innermost for delay and allocations.
    pub lines: Lines,
    /// Seconds covered.
    pub secs: f64,
    /// Observations behind it, for the error of a share.
    pub samples: u64,
    /// The part of the CPU time that the kernel counted meanwhile, if it did.
    pub seen: Option<f64>,
}

impl Sampled {
    /// Seconds of the run that the values stand for: those covered, as far as they were seen.
    pub(super) fn stands_for(&self) -> f64 {
        self.secs * self.seen.unwrap_or(1.0)
    }
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
        client.unread = Unread::load(recording, windows, client.in_flight_of_ended());
        Self {
            windows: windows.to_vec(),
            services: services.iter().map(|s| ServiceSide::load(recording, s, windows, &client)).collect(),
            client,
            counters: counters(recording, services, windows),
            workers: busy_workers(recording, services, windows),
            pools: pool_uses(recording, services, windows),
        }
    }

    /// Snapshots of both sides stand beside the requests in flight, or those of neither, and CPU profiles beside what the kernel
    /// counted: an error that both have is none of the change. What services count of their requests is the same metric.
    pub(super) fn alike(&mut self, other: &mut Self) {
        self.client.unread.alike(&mut other.client.unread);
        for mine in &mut self.services {
            let Some(theirs) = other.services.iter_mut().find(|s| s.name == mine.name) else { continue };
            mine.snapshots.alike(&mut theirs.snapshots);
            let named = |name: &str| theirs.counted.iter().find(|s| s.name == name);
            mine.served = outermost(mine.counted.iter().filter(|s| named(&s.name).is_some())).cloned();
            theirs.served = mine.served.as_ref().and_then(|s| named(&s.name)).cloned();
            if mine.processors != theirs.processors || mine.cpu.is_none() || theirs.cpu.is_none() {
                (mine.processors, theirs.processors) = (None, None);
            }
            let (Some(cpu), Some(other)) = (&mut mine.cpu, &mut theirs.cpu) else { continue };
            if cpu.seen.is_none() || other.seen.is_none() {
                (cpu.seen, other.seen) = (None, None);
            }
        }
    }

    /// The service that serves the requests: the first with evidence of what requests do.
    pub(super) fn entry(&self) -> Option<&ServiceSide> {
        self.services.iter().find(|s| s.has_evidence())
    }

    /// The same where nobody looks into one, but one counts them.
    pub(super) fn serving(&self) -> Option<&ServiceSide> {
        self.entry().or_else(|| self.services.iter().find(|s| s.served.is_some()))
    }

    /// The service of that name.
    pub(super) fn named(&self, name: &str) -> Option<&ServiceSide> {
        self.services.iter().find(|s| s.name == name)
    }
}

impl ServiceSide {
    fn load(recording: &Recording, service: &str, windows: &[Window], client: &Client) -> Self {
        let mut snapshots = snapshots(recording, service, windows);
        snapshots.stand_beside(&in_flight::looks(recording, service), windows, client.in_flight_of_ended());
        let blind = snapshots.len() == 0;
        let counted = if blind { served(recording, service, windows, client) } else { Vec::new() };
        Self {
            name: service.to_owned(),
            snapshots,
            cpu: cpu(recording, service, windows),
            processors: processors(recording, service, windows),
            mutex: cumulative(recording, service, "mutex", "delay", windows),
            heap: cumulative(recording, service, "heap", "alloc_space", windows),
            kept: cumulative(recording, service, "heap", "inuse_space", windows),
            served: outermost(counted.iter()).cloned(),
            counted,
        }
    }

    pub(super) fn has_evidence(&self) -> bool {
        self.snapshots.len() > 0 || self.cpu.is_some()
    }

    /// CPU nanoseconds per second of the stacks that `keep` accepts.
    pub(super) fn cpu_rate(&self, keep: impl Fn(&[&str]) -> bool) -> f64 {
        self.cpu.as_ref().map_or(0.0, |c| c.totals.sum(|s| keep(&plain(s))) as f64 / c.stands_for())
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
    let inside = |f: &ProfileFile| windows.iter().any(|w| w.contains(f.window.from));
    let files: Vec<ProfileFile> =
        recording.profiles(service, "goroutine").into_iter().filter(inside).collect();
    let mut all = Snapshots::default();
    for some in files.chunks(AT_ONCE) {
        let decoded = in_parallel(some, |file| recording.read_profile(file).ok());
        for (file, profile) in some.iter().zip(decoded) {
            profile.iter().for_each(|profile| all.add(file.window.from, profile));
        }
    }
    all
}

/// A profile that may be of a service in Rust (goroutine snapshots are Go's, and many); none if it is damaged.
fn read(recording: &Recording, file: &ProfileFile) -> Option<Profile> {
    let mut profile = recording.read_profile(file).ok()?;
    inlined::qualify(&mut profile);
    Some(profile)
}

/// Snapshots that are held in memory at once.
const AT_ONCE: usize = 32;

/// What `work` makes of each, in their order, on all cores.
fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = all.chunks(all.len().div_ceil(cores).max(1));
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<_>>())).collect();
        running
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Parts of a profile that must lie in the windows: all of it if there is such a one, else three fifths; of windows
/// shorter than a profile two fifths.
const INSIDE: [f64; 3] = [0.999, 0.6, 0.4];

fn share_inside(covered: Window, windows: &[Window]) -> f64 {
    let inside: u64 = windows.iter().map(|w| w.overlap(covered)).sum();
    inside as f64 / covered.nanos().max(1) as f64
}

fn cpu(recording: &Recording, service: &str, windows: &[Window]) -> Option<Sampled> {
    let files = recording.profiles(service, "cpu");
    INSIDE.iter().find_map(|&enough| {
        let chosen: Vec<_> = files.iter().filter(|f| share_inside(f.window, windows) >= enough).collect();
        let (mut merged, windows) = merge(recording, &chosen)?;
        let nanos = merged.totals.sum(|_| true);
        let part = cpu_time::seen(recording, service, &windows, nanos, merged.samples);
        merged.seen = part.map(|part| part.max(cpu_time::least(&merged.totals, nanos, merged.samples)));
        Some(merged)
    })
}

/// All that can be read, and when it was recorded.
fn merge(recording: &Recording, files: &[&ProfileFile]) -> Option<(Sampled, Vec<Window>)> {
    let (mut merged, mut windows) = (Sampled::default(), Vec::new());
    for file in files {
        let Some(profile) = read(recording, file) else { continue };
        let index = profile.value_index("cpu").unwrap_or(profile.default_index());
        merged.totals.add(&profile, index, 1);
        merged.lines.add(&profile, index, 1, Whose::Each);
        windows.push(file.window);
        merged.samples += samples(&profile, index);
        merged.secs += match profile.duration_nanos {
            d if d > 0 => d as f64 / SECOND as f64,
            _ => file.window.secs(),
        };
    }
    (merged.secs > 0.0).then_some((merged, windows))
}

/// Observations behind a profile: its own count, else what its period makes of the values.
fn samples(profile: &Profile, index: usize) -> u64 {
    let count = match profile.value_index("samples") {
        Some(counts) => profile.total(counts),
        None => profile.total(index) / profile.period.max(1),
    };
    u64::try_from(count).unwrap_or(0)
}

/// Differences of a profile that counts since the start of the process: of the time between snapshots that lies in
/// a window, the last snapshot less the first.
fn cumulative(
    recording: &Recording,
    service: &str,
    kind: &str,
    value: &str,
    windows: &[Window],
) -> Option<Sampled> {
    let files = recording.profiles(service, kind);
    // Of less than half, the rest would be of the other side.
    INSIDE[..2].iter().find_map(|&enough| {
        let mut all = Sampled::default();
        for window in windows {
            let inside = |pair: &&[ProfileFile]| {
                let covered = Window::new(pair[0].window.from, pair[1].window.from);
                share_inside(covered, &[with_slack(*window)]) >= enough
            };
            let mut pairs = files.windows(2).filter(inside);
            if let Some(first) = pairs.next() {
                let last = pairs.next_back().unwrap_or(first);
                add_difference(&mut all, recording, (&first[0], &last[1]), value);
            }
        }
        (all.secs > 0.0).then_some(all)
    })
}

/// The last snapshot of a run is taken when the load has just ended.
fn with_slack(window: Window) -> Window {
    Window::new(window.from, window.to.plus(SECOND / 2))
}

fn add_difference(
    all: &mut Sampled,
    recording: &Recording,
    (first, last): (&ProfileFile, &ProfileFile),
    value: &str,
) {
    let secs = last.window.from.since(first.window.from) as f64 / SECOND as f64;
    let (Some(a), Some(b)) = (read(recording, first), read(recording, last)) else { return };
    let (Some(ia), Some(ib)) = (a.value_index(value), b.value_index(value)) else { return };
    if secs > 0.0 {
        for (profile, index, factor) in [(&a, ia, -1), (&b, ib, 1)] {
            all.totals.add(profile, index, factor);
            all.lines.add(profile, index, factor, Whose::Innermost);
        }
        all.samples += u64::try_from(b.total(0).saturating_sub(a.total(0))).unwrap_or(0);
        all.secs += secs;
    }
}
