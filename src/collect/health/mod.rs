//! The generator's own health, read from `/proc`: a run whose generator was starved says nothing about the
//! target.
//!
//! Counters only grow, gauges are momentary; rates are taken by whoever reads them. What the kernel does
//! not tell (no scheduler statistics, another system than Linux) is left out, never guessed.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `loadprof_process_cpu_seconds_total` | `mode` user, system | CPU time of this process |
//! | `loadprof_thread_cpu_seconds_total` | `thread` | CPU time of a load thread |
//! | `loadprof_thread_run_queue_delay_seconds_total` | `thread` | time a load thread was ready but waited for a core |
//! | `loadprof_run_queue_delay_seconds_total` | | the same, summed over all threads |
//! | `loadprof_host_cpu_seconds_total` | `mode` user, nice, system, idle, iowait, irq, softirq, steal | CPU time of the whole machine |
//! | `loadprof_usable_cores` | | cores this process may use (affinity and quota) |
//! | `loadprof_process_open_fds`, `loadprof_process_max_fds` | | file descriptors |
//! | `loadprof_process_resident_memory_bytes` | | memory |
//! | `loadprof_tcp_sockets` | `state` | TCP sockets of the network namespace |
//! | `loadprof_ephemeral_ports_used`, `loadprof_ephemeral_ports` | | local ports of the ephemeral range in use, and its size |
//! | `loadprof_tcp_retransmitted_segments_total`, `loadprof_tcp_listen_overflows_total`, `loadprof_tcp_listen_drops_total`, `loadprof_tcp_timeouts_total`, `loadprof_tcp_syn_retransmissions_total` | | counters of the network namespace |

mod sockets;
pub(super) mod threads;

use procfs::process::{LimitValue, Process};
use procfs::{CpuTime, CurrentSI, KernelStats};

use sockets::Tables;
use threads::Threads;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSample {
    /// Name of the metric.
    pub name: &'static str,
    /// Labels, at most one.
    pub labels: Vec<(&'static str, String)>,
    /// The value, in the unit of the name.
    pub value: f64,
}

impl HealthSample {
    pub(super) fn plain(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value }
    }

    pub(super) fn labelled(
        name: &'static str,
        key: &'static str,
        label: impl Into<String>,
        value: f64,
    ) -> Self {
        Self { name, labels: vec![(key, label.into())], value }
    }
}

/// Reads the generator's own health; keep one for a whole run.
#[derive(Debug, Default)]
pub struct GeneratorHealth {
    threads: Threads,
    tables: Tables,
}

impl GeneratorHealth {
    /// A reader whose thread counters start at what the threads have used so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All values as of now. Blocks for the few milliseconds that the kernel needs to list the sockets of
    /// a machine under load.
    pub fn sample(&mut self) -> Vec<HealthSample> {
        let mut all = Vec::with_capacity(48);
        if let Ok(process) = Process::myself() {
            of_process(&process, &mut all);
            self.threads.sample(&process, &mut all);
        }
        of_host(&mut all);
        self.tables.sample(&mut all);
        all
    }
}

fn of_process(process: &Process, all: &mut Vec<HealthSample>) {
    if let Ok(stat) = process.stat() {
        let name = "loadprof_process_cpu_seconds_total";
        all.push(HealthSample::labelled(name, "mode", "user", seconds(stat.utime)));
        all.push(HealthSample::labelled(name, "mode", "system", seconds(stat.stime)));
        let resident = stat.rss.saturating_mul(procfs::page_size()) as f64;
        all.push(HealthSample::plain("loadprof_process_resident_memory_bytes", resident));
    }
    if let Ok(fds) = process.fd_count() {
        all.push(HealthSample::plain("loadprof_process_open_fds", fds as f64));
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        all.push(HealthSample::plain("loadprof_process_max_fds", most as f64));
    }
}

fn of_host(all: &mut Vec<HealthSample>) {
    if let Ok(cores) = std::thread::available_parallelism() {
        all.push(HealthSample::plain("loadprof_usable_cores", cores.get() as f64));
    }
    let Ok(stats) = KernelStats::current() else { return };
    for (mode, ticks) in modes(&stats.total) {
        all.push(HealthSample::labelled("loadprof_host_cpu_seconds_total", "mode", mode, seconds(ticks)));
    }
}

/// Guest time is part of user time already and would be counted twice.
pub(super) fn modes(cpu: &CpuTime) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("user", Some(cpu.user)),
        ("nice", Some(cpu.nice)),
        ("system", Some(cpu.system)),
        ("idle", Some(cpu.idle)),
        ("iowait", cpu.iowait),
        ("irq", cpu.irq),
        ("softirq", cpu.softirq),
        ("steal", cpu.steal),
    ]
    .into_iter()
    .filter_map(|(mode, ticks)| Some((mode, ticks?)))
}

pub(super) fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    /// CPU time that the calling thread has used.
    fn cpu_nanos() -> i64 {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        used.tv_sec * 1_000_000_000 + used.tv_nsec
    }

    fn value(samples: &[HealthSample], name: &str, label: Option<&str>) -> f64 {
        let matches =
            |s: &&HealthSample| s.name == name && s.labels.first().map(|(_, v)| v.as_str()) == label;
        samples.iter().find(matches).unwrap_or_else(|| panic!("{name} {label:?} in {samples:?}")).value
    }

    #[test]
    fn gauges_are_those_of_this_machine() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let used_ports = |samples: &[HealthSample]| value(samples, "loadprof_ephemeral_ports_used", None);
        // Other tests of this process open and close sockets meanwhile: some attempts.
        let attempt = || {
            let used_before = used_ports(&GeneratorHealth::new().sample());
            let open: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).expect("up")).collect();
            let samples = GeneratorHealth::new().sample();
            (used_ports(&samples) - used_before, open, samples)
        };
        let (grown, open, samples) =
            (0..5).map(|_| attempt()).find(|(grown, ..)| *grown >= 12.0).unwrap_or_else(attempt);
        assert!(value(&samples, "loadprof_usable_cores", None) >= 1.0);
        assert!(value(&samples, "loadprof_process_resident_memory_bytes", None) > 1e6);
        let fds = value(&samples, "loadprof_process_open_fds", None);
        assert!(fds >= open.len() as f64 && fds <= value(&samples, "loadprof_process_max_fds", None));
        assert!(grown >= 12.0, "20 connections more, and {grown} ports");
        assert!(used_ports(&samples) <= value(&samples, "loadprof_ephemeral_ports", None));
        assert!(value(&samples, "loadprof_tcp_sockets", Some("established")) >= 40.0);
        assert!(value(&samples, "loadprof_tcp_retransmitted_segments_total", None) >= 0.0);
        assert!(value(&samples, "loadprof_tcp_listen_overflows_total", None) >= 0.0);
    }

    #[test]
    fn work_shows_in_process_thread_and_host_counters() {
        let mut health = GeneratorHealth::new();
        let (done, finished) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let work = move || {
            // By its own CPU clock: other tests share the cores.
            while cpu_nanos() < 150_000_000 {
                std::hint::black_box(cpu_nanos());
            }
            done.send(()).expect("awaited");
            // Lives on until it was looked at.
            let _ = released.recv();
        };
        let before = health.sample();
        let thread = std::thread::Builder::new().name("load-7".into()).spawn(work).expect("a thread");
        finished.recv().expect("the work ends");
        let after = health.sample();
        drop(release);
        thread.join().expect("no panic");

        let grown = |name, label| value(&after, name, label) - value(&before, name, label);
        let process = "loadprof_process_cpu_seconds_total";
        assert!(grown(process, Some("user")) + grown(process, Some("system")) > 0.05);
        let thread = value(&after, "loadprof_thread_cpu_seconds_total", Some("load-7"));
        assert!((0.14..0.25).contains(&thread), "{thread}");
        let delay = grown("loadprof_run_queue_delay_seconds_total", None);
        assert!((0.0..60.0).contains(&delay), "{delay}");
        let host = |mode| grown("loadprof_host_cpu_seconds_total", Some(mode));
        assert!(host("user") + host("system") + host("nice") > 0.05);
    }
}
