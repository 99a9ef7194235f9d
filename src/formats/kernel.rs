//! Texts of the Linux kernel about control groups, pressure and the network (`/proc`, cgroup v1 and v2).
//!
//! Kernels differ in which lines they have, so everything is found by name; what is not there is left out.

/// `name value` lines, as in `cpu.stat` and `memory.events`; lines that are none are passed over.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once([' ', '\t'])?;
        Some((name, value.trim().parse().ok()?))
    })
}

/// A quota of CPU time in cores, from `cpu.max` (`quota period` or `max period`); none if there is no quota.
#[must_use]
pub fn cpu_max(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace().map(str::parse::<f64>);
    let (quota, period) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(quota / period).filter(|cores| quota > 0.0 && period > 0.0 && cores.is_finite())
}

/// Stalled time of `some` or `full` tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure<'a> {
    /// `some`: at least one task was stalled; `full`: all of them were.
    pub share: &'a str,
    /// Stalled time since boot, or since the control group was made, microseconds.
    pub micros: u64,
}

/// Lines of a pressure file (PSI): only their totals, since the averages are too slow for short stages.
pub fn pressure(text: &str) -> impl Iterator<Item = Pressure<'_>> {
    text.lines().filter_map(|line| {
        let (share, rest) = line.split_once(' ')?;
        let total = rest.split(' ').find_map(|field| field.strip_prefix("total="))?;
        matches!(share, "some" | "full").then_some(Pressure { share, micros: total.trim().parse().ok()? })
    })
}

/// Counters of `/proc/net/snmp` and `/proc/net/netstat`, which are pairs of lines with the same prefix: names, then
/// values. Gives section, name and value.
pub fn net_counters(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?))).flat_map(|(names, values)| {
        let parts = names.split_once(':').zip(values.split_once(':'));
        let parts = parts.filter(|((section, _), (same, _))| section == same);
        parts.into_iter().flat_map(|((section, names), (_, values))| {
            let named = names.split_whitespace().zip(values.split_whitespace());
            let number = |value: &str| value.parse().ok().filter(|n: &f64| n.is_finite());
            named.filter_map(move |(name, value)| Some((section, name, number(value)?)))
        })
    })
}

/// A listening socket of `/proc/net/tcp` or `tcp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Local port.
    pub port: u16,
    /// Inode, by which a descriptor of a process names it.
    pub inode: u64,
    /// Connections that wait to be accepted.
    pub waiting: u64,
}

/// Listening sockets of a socket table; its heading and lines that are none are passed over.
pub fn listeners(text: &str) -> impl Iterator<Item = Listener> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let (_, waiting) = fields.next()?.split_once(':')?;
        let inode = fields.nth(4)?.parse().ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == "0A").then_some(Listener { port, inode, waiting: u64::from_str_radix(waiting, 16).ok()? })
    })
}

/// A control group of `/proc/<pid>/cgroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership<'a> {
    /// Controllers of a v1 hierarchy, separated by commas; empty for v2.
    pub controllers: &'a str,
    /// Path below the hierarchy's root.
    pub path: &'a str,
}

/// Lines of `/proc/<pid>/cgroup`.
pub fn memberships(text: &str) -> impl Iterator<Item = Membership<'_>> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some(Membership { controllers: parts.next()?, path: parts.next()? })
            .filter(|m| m.path.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_values_are_found_whatever_else_a_kernel_says() {
        let text = "usage_usec 2500\nnr_periods 10\n\nnr_throttled x\nthrottled_usec 77\nnew_thing 1 2\n";
        let all: Vec<_> = pairs(text).collect();
        assert_eq!(all, [("usage_usec", 2500), ("nr_periods", 10), ("throttled_usec", 77)]);
        assert_eq!(
            (cpu_max("150000 100000\n"), cpu_max("max 100000"), cpu_max("-1 100000")),
            (Some(1.5), None, None)
        );
        assert_eq!((cpu_max("5 0"), cpu_max("")), (None, None));
    }

    #[test]
    fn pressure_is_its_totals() {
        let text = "some avg10=0.12 avg60=0.00 avg300=0.00 total=123456\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=9\nodd total=1\n";
        let all: Vec<_> = pressure(text).map(|p| (p.share, p.micros)).collect();
        assert_eq!(all, [("some", 123_456), ("full", 9)]);
    }

    #[test]
    fn network_counters_are_pairs_of_lines() {
        let text =
            "TcpExt: A ListenOverflows\nTcpExt: 1 22\nIpExt: B\nUdp: 9\nTcp: RtoMin MaxConn\nTcp: 200 -1\n";
        let all: Vec<_> = net_counters(text).collect();
        let expected = [
            ("TcpExt", "A", 1.0),
            ("TcpExt", "ListenOverflows", 22.0),
            ("Tcp", "RtoMin", 200.0),
            ("Tcp", "MaxConn", -1.0),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn listeners_and_memberships_are_read() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 x 100\n\
            1: 0100007F:8001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 x 20\n\
            2: cut";
        let all: Vec<_> = listeners(text).collect();
        assert_eq!(all, [Listener { port: 8080, inode: 4711, waiting: 3 }]);
        let groups = "4:cpu,cpuacct:/docker/abc\n0::/system.slice/shop.service\nbroken\n1:x:relative\n";
        let all: Vec<_> = memberships(groups).map(|m| (m.controllers, m.path)).collect();
        assert_eq!(all, [("cpu,cpuacct", "/docker/abc"), ("", "/system.slice/shop.service")]);
    }
}
