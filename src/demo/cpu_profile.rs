//! CPU profiles of this process, by the `pprof` crate.
//!
//! The crate unwinds inside the signal handler, which is not safe in every place (tikv/pprof-rs#36, #203):
//! samples that hit libc, libgcc, the thread library or the vdso are left out. System calls are made from
//! there, so their time is missing from the stacks; what the process used in all is known from `/proc`, and
//! the difference is one sample of its own, so that the profile's total is right. The timer behind the samples
//! is only looked at in the kernel's ticks, so work that begins in step with them is met too often; a sample
//! then stands for less, for the same reason.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::block_in_place;

use crate::formats::pprof::{Frame, Profile, ProfileBuilder};

use super::{metrics, symbols};

/// Samples per second of CPU time.
const FREQUENCY: i32 = 100;
/// Nanoseconds of CPU time that a sample stands for.
const PERIOD: i64 = 1_000_000_000 / FREQUENCY as i64;
/// Code that must not be unwound from.
const BLOCKLIST: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];
/// Frame of the CPU time that no sample was taken of: in such code, or between two samples.
const NOT_SAMPLED: &str = "[CPU time without a stack]";

/// Why no profile was taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum CpuProfileError {
    /// Only one can run in a process.
    #[error("Could not enable CPU profiling: cpu profiling already in use")]
    InUse,
    /// The crate refused.
    #[error("Could not enable CPU profiling: {0}")]
    Failed(#[from] pprof::Error),
}

/// Profiles the process for a while. Dropping the future ends the profile.
pub(super) async fn record(length: Duration) -> Result<Profile, CpuProfileError> {
    let _only = OnlyOne::take().ok_or(CpuProfileError::InUse)?;
    // The crate makes its tables of tens of megabytes when sampling begins and anew when it ends: some 50 ms.
    let begin = || pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&BLOCKLIST).build();
    let guard = block_in_place(begin)?;
    let (started, start) = (SystemTime::now(), Instant::now());
    let cpu_before = metrics::cpu_time();
    tokio::time::sleep(length).await;
    let used = metrics::cpu_time().saturating_sub(cpu_before);
    Ok(block_in_place(|| {
        let report = guard.report().build_unresolved()?;
        let took = start.elapsed();
        // Ends sampling before names are looked up, which takes CPU time of its own.
        drop(guard);
        build(&report, used, started, took)
    })?)
}

fn build(
    report: &pprof::UnresolvedReport,
    used: Duration,
    started: SystemTime,
    took: Duration,
) -> Result<Profile, pprof::Error> {
    let mut builder = ProfileBuilder::new(&[("samples", "count"), ("cpu", "nanoseconds")], PERIOD);
    let used = i64::try_from(used.as_nanos()).unwrap_or(i64::MAX);
    let counts = report.data.values().map(|&count| i64::try_from(count).unwrap_or(0));
    let sampled: i64 = counts.sum();
    let each = if sampled > 0 { PERIOD.min(used / sampled) } else { PERIOD };
    for (stack, count) in &report.data {
        let count = i64::try_from(*count).unwrap_or(0);
        let addresses: Vec<usize> = stack.frames.iter().map(|frame| frame.ip() as usize).collect();
        let mut frames = interrupted(symbols::stack(&addresses));
        if frames.is_empty() {
            frames.push(not_sampled());
        }
        builder.add(frames, &[count, count * each]);
    }
    let rest = used / PERIOD - sampled;
    if rest > 0 {
        builder.add([not_sampled()], &[rest, rest * PERIOD]);
    }
    let nanos = |d: Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
    let time = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(builder.finish(nanos(time), nanos(took)))
}

fn not_sampled() -> Frame {
    Frame { function: NOT_SAMPLED.into(), file: String::new(), line: 0 }
}

/// Cuts off the leaf side that belongs to the signal handler and the trampoline that called it.
fn interrupted(frames: Vec<Frame>) -> Vec<Frame> {
    // The last one: closures of the handler, which are called deeper inside, bear its name too.
    let handler = frames.iter().rposition(|f| f.function.contains("perf_signal_handler"));
    frames.into_iter().skip(handler.map_or(0, |at| at + 2)).collect()
}

/// The right to profile, given back when dropped.
struct OnlyOne;

static IN_USE: AtomicBool = AtomicBool::new(false);

impl OnlyOne {
    fn take() -> Option<Self> {
        IN_USE.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).ok().map(|_| Self)
    }
}

impl Drop for OnlyOne {
    fn drop(&mut self) {
        IN_USE.store(false, Ordering::Release);
    }
}
