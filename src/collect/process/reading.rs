//! One look at the processes of a service.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use procfs::process::{LimitValue, Process};

use super::cgroup::Groups;
use super::{cores, read};
use crate::collect::health::threads::Threads;
use crate::collect::health::{HealthSample, seconds};
use crate::collect::sockets::Sockets;
use crate::formats::kernel::{listeners, net_counters, pressure};
use crate::formats::sock_diag::{FAMILIES, LISTEN, Socket};

/// Bytes of one file of counters.
const FILE: u64 = 256 << 10;
/// Bytes of a socket table that are read where there is no other way: listening sockets come first, some 400 of them fit, and
/// the kernel takes milliseconds for a long table.
const TABLE: u64 = 64 << 10;

/// Counters of `/proc/<pid>/net/snmp` and `netstat`: section, kernel's name, metric.
const NETWORK: [(&str, &str, &str); 9] = [
    ("Tcp", "RetransSegs", "tcp_retransmitted_segments_total"),
    ("Tcp", "OutSegs", "tcp_sent_segments_total"),
    ("Tcp", "EstabResets", "tcp_established_resets_total"),
    ("TcpExt", "ListenOverflows", "tcp_listen_overflows_total"),
    ("TcpExt", "ListenDrops", "tcp_listen_drops_total"),
    ("TcpExt", "TCPTimeouts", "tcp_timeouts_total"),
    ("TcpExt", "TCPSynRetrans", "tcp_syn_retransmissions_total"),
    ("TcpExt", "TCPReqQFullDrop", "tcp_request_queue_full_drops_total"),
    ("TcpExt", "TCPAbortOnMemory", "tcp_memory_aborts_total"),
];

/// The same processes, look after look.
#[derive(Debug)]
pub(super) struct Watch {
    processes: Vec<Process>,
    /// The first one's: the others of a service share them as a rule.
    groups: Groups,
    port: Option<u16>,
    threads: Threads,
    cpu: HashMap<i32, (u64, u64)>,
    used: (u64, u64),
}

impl Watch {
    pub(super) fn new(processes: Vec<Process>, port: Option<u16>) -> Self {
        let groups = processes.first().map(|p| Groups::of(p.pid())).unwrap_or_default();
        Self { processes, groups, port, threads: Threads::default(), cpu: HashMap::new(), used: (0, 0) }
    }

    pub(super) const fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(super) fn pids(&self) -> Vec<i32> {
        self.processes.iter().map(Process::pid).collect()
    }

    /// Everything as of now; none when the first of the processes is gone.
    pub(super) fn sample(&mut self) -> Option<Vec<HealthSample>> {
        let first = self.processes.first()?;
        if !first.is_alive() {
            return None;
        }
        let (pid, cores) = (first.pid(), cores::samples(first));
        let mut all = Vec::with_capacity(48);
        self.processes(&mut all);
        let waited = self.threads.waited(&self.processes);
        all.push(HealthSample::plain("process_run_queue_delay_seconds_total", waited as f64 / 1e9));
        self.groups.sample(&mut all);
        all.extend(cores);
        machine(&mut all);
        network(pid, self.port, &mut all);
        Some(all)
    }

    fn processes(&mut self, all: &mut Vec<HealthSample>) {
        let (mut memory, mut threads, mut fds, mut most) = (0, 0, 0, None);
        for process in &self.processes {
            let Ok(stat) = process.stat() else { continue };
            // A worker that has ended takes its figures with it: growth is added up.
            let now = (stat.utime, stat.stime);
            let (user, system) = self.cpu.insert(process.pid(), now).unwrap_or(now);
            self.used.0 += now.0.saturating_sub(user);
            self.used.1 += now.1.saturating_sub(system);
            memory += stat.rss.saturating_mul(procfs::page_size());
            threads += stat.num_threads;
            fds += process.fd_count().unwrap_or(0);
            most = most.or_else(|| max_fds(process));
        }
        let cpu = "process_mode_cpu_seconds_total";
        all.push(HealthSample::labelled(cpu, "mode", "user", seconds(self.used.0)));
        all.push(HealthSample::labelled(cpu, "mode", "system", seconds(self.used.1)));
        all.push(HealthSample::plain("process_resident_memory_bytes", memory as f64));
        all.push(HealthSample::plain("process_threads", threads as f64));
        all.push(HealthSample::plain("process_open_fds", fds as f64));
        all.push(HealthSample::plain("process_count", self.processes.len() as f64));
        if let Some(most) = most {
            all.push(HealthSample::plain("process_max_fds", most as f64));
        }
    }
}

fn max_fds(process: &Process) -> Option<u64> {
    match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(most) => Some(most),
        LimitValue::Unlimited => None,
    }
}

/// Pressure of the whole machine.
fn machine(all: &mut Vec<HealthSample>) {
    for resource in ["cpu", "memory", "io"] {
        let text = read(&PathBuf::from(format!("/proc/pressure/{resource}")), FILE).unwrap_or_default();
        if let Some(some) = pressure(&text).find(|p| p.share == "some") {
            let (name, seconds) = ("machine_stalled_seconds_total", some.micros as f64 / 1e6);
            all.push(HealthSample::labelled(name, "resource", resource, seconds));
        }
    }
}

/// Connections to a port that wait to be accepted, asked for without the text of the table; none for a process in another
/// network namespace than this one, or where the kernel is not to be asked.
fn accept_queue(pid: i32, port: u16) -> Option<u64> {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let ours = namespace("self")?;
    namespace(&pid.to_string()).filter(|its| *its == ours)?;
    let (mut sockets, mut waiting) = (Sockets::open().ok()?, 0);
    for family in FAMILIES {
        let count = |s: Socket| waiting += if s.local == port { u64::from(s.unread) } else { 0 };
        sockets.each(family, LISTEN, count).ok()?;
    }
    Some(waiting)
}

/// Counters of the process's network namespace, and its queue of connections that wait to be accepted.
fn network(pid: i32, port: Option<u16>, all: &mut Vec<HealthSample>) {
    let file = |name: &str, bytes| {
        read(&PathBuf::from(format!("/proc/{pid}/net/{name}")), bytes).unwrap_or_default()
    };
    for name in ["snmp", "netstat"] {
        for (section, name, value) in net_counters(&file(name, FILE)) {
            if let Some((_, _, metric)) = NETWORK.into_iter().find(|(s, n, _)| *s == section && *n == name) {
                all.push(HealthSample::plain(metric, value));
            }
        }
    }
    if let Some(port) = port {
        let waiting = accept_queue(pid, port).unwrap_or_else(|| {
            let tables = [file("tcp", TABLE), file("tcp6", TABLE)];
            let of_port = tables.iter().flat_map(|t| listeners(t)).filter(|l| l.port == port);
            of_port.map(|l| l.waiting).sum()
        });
        all.push(HealthSample::plain("tcp_accept_queue", waiting as f64));
    }
}
