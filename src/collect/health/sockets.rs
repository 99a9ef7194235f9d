//! TCP sockets, ephemeral ports and network counters of the generator's network namespace.

use std::fs::{self, File};
use std::io::{self, Read};

use super::HealthSample;
use crate::collect::sockets::Sockets;
use crate::formats::kernel::net_counters;
use crate::formats::sock_diag::{ALL, FAMILIES};

/// At most this much of a socket table is read: about 400,000 sockets.
const TABLE_BYTES: u64 = 64 << 20;

/// Kernel names of the states, by number (`include/net/tcp_states.h`).
const STATES: [&str; 13] = [
    "",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "new-syn-recv",
];
const LISTEN: usize = 10;

/// Counters of `/proc/net/snmp` and `/proc/net/netstat`: section, kernel's name, metric.
const COUNTERS: [(&str, &str, &str); 5] = [
    ("Tcp", "RetransSegs", "loadprof_tcp_retransmitted_segments_total"),
    ("TcpExt", "ListenOverflows", "loadprof_tcp_listen_overflows_total"),
    ("TcpExt", "ListenDrops", "loadprof_tcp_listen_drops_total"),
    ("TcpExt", "TCPTimeouts", "loadprof_tcp_timeouts_total"),
    ("TcpExt", "TCPSynRetrans", "loadprof_tcp_syn_retransmissions_total"),
];

/// The kernel takes milliseconds to list its sockets, on the core of whoever asks: it is asked at every tenth
/// sample, and its last answer holds in between.
const EVERY: u32 = 10;

/// Remembers the last listing.
#[derive(Debug, Default)]
pub(super) struct Tables {
    samples: u32,
    last: Vec<HealthSample>,
}

impl Tables {
    pub(super) fn sample(&mut self, all: &mut Vec<HealthSample>) {
        if self.samples.is_multiple_of(EVERY) {
            self.last.clear();
            of_tables(&mut self.last);
        }
        self.samples = self.samples.wrapping_add(1);
        all.extend(self.last.iter().cloned());
        of_counters(all);
    }
}

fn of_counters(all: &mut Vec<HealthSample>) {
    for path in ["/proc/self/net/snmp", "/proc/self/net/netstat"] {
        if let Ok(text) = fs::read_to_string(path) {
            counters(&text, all);
        }
    }
}

fn of_tables(all: &mut Vec<HealthSample>) {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let Some(range) = range.as_deref().and_then(port_range) else { return };
    let mut table = Table::new(range);
    if table.ask().is_err() {
        table = Table::new(range);
        table.read();
    }
    for (name, count) in STATES.into_iter().zip(table.states).skip(1).filter(|(_, n)| *n > 0) {
        all.push(HealthSample::labelled("loadprof_tcp_sockets", "state", name, count as f64));
    }
    all.push(HealthSample::plain("loadprof_ephemeral_ports_used", table.used_ports() as f64));
    let size = u32::from(range.1 - range.0) + 1;
    all.push(HealthSample::plain("loadprof_ephemeral_ports", f64::from(size)));
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (low, high) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (low <= high).then_some((low, high))
}

/// Counts of the kernel's socket tables.
struct Table {
    range: (u16, u16),
    states: [u64; STATES.len()],
    used: Vec<u64>,
}

impl Table {
    fn new(range: (u16, u16)) -> Self {
        Self { range, states: [0; STATES.len()], used: vec![0; 1024] }
    }

    /// Adds what the kernel answers.
    fn ask(&mut self) -> io::Result<()> {
        let mut sockets = Sockets::open()?;
        FAMILIES.into_iter().try_for_each(|family| {
            sockets.each(family, ALL, |socket| self.note(socket.local, usize::from(socket.state)))
        })
    }

    /// Adds the kernel's text, which takes it five times as long.
    fn read(&mut self) {
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            let mut text = Vec::new();
            let read = File::open(path).and_then(|f| f.take(TABLE_BYTES).read_to_end(&mut text));
            if read.is_ok() {
                self.add(&text);
            }
        }
    }

    /// Adds a table: a heading, then a line per socket whose second field is the local address with the
    /// port and whose fourth is the state, all hexadecimal.
    fn add(&mut self, text: &[u8]) {
        for line in text.split(|&b| b == b'\n').skip(1) {
            if let Some((port, state)) = socket(line) {
                self.note(port, state);
            }
        }
    }

    fn note(&mut self, port: u16, state: usize) {
        let Some(count) = self.states.get_mut(state) else { return };
        *count += 1;
        if state != LISTEN && (self.range.0..=self.range.1).contains(&port) {
            self.used[usize::from(port) / 64] |= 1 << (port % 64);
        }
    }

    /// A port counts once, however many sockets share it: it is the number of ports that runs out.
    fn used_ports(&self) -> u32 {
        self.used.iter().map(|word| word.count_ones()).sum()
    }
}

fn socket(line: &[u8]) -> Option<(u16, usize)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    let state = usize::from_str_radix(fields.nth(1)?, 16).ok()?;
    (1..STATES.len()).contains(&state).then_some((u16::from_str_radix(port, 16).ok()?, state))
}

fn counters(text: &str, all: &mut Vec<HealthSample>) {
    for (section, name, value) in net_counters(text) {
        if let Some((_, _, metric)) = COUNTERS.into_iter().find(|(s, n, _)| *s == section && *n == name) {
            all.push(HealthSample::plain(metric, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_state_and_ports_once() {
        let text = b"  sl  local_address rem_address   st tx_queue\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:0\n\
            1: 0100007F:8001 0100007F:1F90 01 00000000:00000000 00:0\n\
            2: 0100007F:8001 0200007F:1F90 01 00000000:00000000 00:0\n\
            3: 0100007F:8002 0100007F:1F90 06 00000000:00000000 00:0\n\
            4: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:0\n\
            5: 0100007F:8003 0100007F:1F90 FF garbage\n\xff\xfe\n6: cut";
        let mut table = Table::new((32768, 60999));
        table.add(text);
        assert_eq!((table.states[1], table.states[6], table.states[LISTEN]), (2, 1, 2));
        assert_eq!(table.used_ports(), 2, "a listening port and a shared one do not add");
    }

    #[test]
    fn both_ways_to_ask_see_our_own_sockets() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let port = client.local_addr().expect("bound").port();
        let seen = |fill: &dyn Fn(&mut Table)| {
            let mut table = Table::new((1, u16::MAX));
            fill(&mut table);
            let used = table.used[usize::from(port) / 64] & (1 << (port % 64)) != 0;
            used && table.states[1] >= 2 && table.states[LISTEN] >= 1
        };
        assert!(seen(&Table::read));
        if Sockets::open().is_ok() {
            assert!(seen(&|table| table.ask().expect("the kernel answers")));
        }
    }

    #[test]
    fn counters_are_found_by_name() {
        let text =
            "TcpExt: A ListenOverflows TCPTimeouts\nTcpExt: 1 22 333\nIpExt: ListenOverflows\nIpExt: 9\n";
        let mut all = Vec::new();
        counters(text, &mut all);
        let got: Vec<_> = all.iter().map(|s| (s.name, s.value)).collect();
        assert_eq!(
            got,
            [("loadprof_tcp_listen_overflows_total", 22.0), ("loadprof_tcp_timeouts_total", 333.0)]
        );
    }

    #[test]
    fn port_ranges_that_make_no_sense_are_left_out() {
        assert_eq!(port_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(port_range("60999 32768"), None);
        assert_eq!(port_range("x"), None);
    }
}
