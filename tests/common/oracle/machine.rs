//! The machine's clock and cores.

use std::sync::OnceLock;

use rustix::process::{Pid, setpriority_process};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// The clock that the generator's times are taken from, in nanoseconds.
pub fn monotonic() -> u64 {
    nanos(ClockId::Monotonic)
}

/// Wall clock less monotonic clock, in nanoseconds; the best of a few looks.
pub fn wall_offset() -> i64 {
    let look = || {
        let before = monotonic();
        let wall = nanos(ClockId::Realtime);
        let after = monotonic();
        (after - before, wall as i64 - (before + (after - before) / 2) as i64)
    };
    (0..20).map(|_| look()).min().expect("twenty looks").1
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The cores of this process: one for the generator and one for the server, if there are two.
pub fn apart() -> Option<(usize, usize)> {
    // Threads are bound later: the first look counts.
    static CORES: OnceLock<Option<(usize, usize)>> = OnceLock::new();
    *CORES.get_or_init(|| {
        let all = sched_getaffinity(None).ok()?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        Some((cores.next()?, cores.next_back()?))
    })
}

/// Binds this thread to a core.
pub fn bind(core: usize) {
    sched_setaffinity(None, &only(core)).expect("a core of this thread's own");
}

/// Binds another thread to a core; it may have ended.
pub fn send_to(core: usize, thread: Pid) {
    let _ = sched_setaffinity(Some(thread), &only(core));
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

/// Gives this thread, and the processes that it starts from now on, a core and the first claim to it. Only root
/// may go before others; without that right a measurement is noisier, not wrong.
pub fn claim(core: usize) {
    bind(core);
    let _ = setpriority_process(Some(gettid()), -20);
}
