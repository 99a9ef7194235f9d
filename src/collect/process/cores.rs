//! The cores that a process may run on, and how busy they are, whoever uses them.

use std::path::Path;

use procfs::process::Process;
use procfs::{CpuTime, CurrentSI, KernelStats};

use super::read;
use crate::collect::health::{HealthSample, modes, seconds};

/// Bytes of a list of cores.
const LIST: u64 = 4 << 10;

/// How many cores there are, and the time for which they were busy; nothing where that is not known.
pub(super) fn samples(process: &Process) -> Vec<HealthSample> {
    let (stats, allowed) =
        (KernelStats::current().ok(), process.status().ok().and_then(|s| s.cpus_allowed_list));
    let Some((stats, allowed)) = stats.zip(allowed) else { return Vec::new() };
    let online = read(Path::new("/sys/devices/system/cpu/online"), LIST).unwrap_or_default();
    if !is_whole(&online, stats.cpu_time.len()) {
        return Vec::new();
    }
    let mine = |core: usize| allowed.iter().any(|(from, to)| (*from as usize..=*to as usize).contains(&core));
    let times: Vec<_> = stats.cpu_time.iter().enumerate().filter(|(core, _)| mine(*core)).collect();
    let ticks: u64 = times.iter().map(|(_, time)| busy(time)).sum();
    vec![
        HealthSample::plain("process_cores", times.len() as f64),
        HealthSample::plain("process_cores_busy_seconds_total", seconds(ticks)),
    ]
}

/// Whether all cores are online: the kernel counts those that are, so places in its list are numbers of cores only then.
fn is_whole(online: &str, cores: usize) -> bool {
    match cores {
        0 => false,
        1 => online.trim() == "0",
        _ => online.trim() == format!("0-{}", cores - 1),
    }
}

/// Ticks. What a hypervisor gave to its other guests was not there to be used either.
fn busy(time: &CpuTime) -> u64 {
    modes(time).filter(|(mode, _)| !matches!(*mode, "idle" | "iowait")).map(|(_, ticks)| ticks).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_cores_shift_the_places() {
        for (online, cores, whole) in
            [("0-1\n", 2, true), ("0\n", 1, true), ("0,2-3\n", 3, false), ("", 0, false), ("0-3", 2, false)]
        {
            assert_eq!(is_whole(online, cores), whole, "{online:?}");
        }
    }
}
