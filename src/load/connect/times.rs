//! What opening the connections of a hit took.

use std::time::Instant;

use crate::time::nanos;

/// What opening connections took, in nanoseconds; a phase that did not take place is none. A hit may open several:
/// one to begin with, others after a redirect or where a server closes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenTimes {
    /// TCP, and the tunnel if there is a proxy.
    pub(crate) connect: Option<u64>,
    pub(crate) tls: Option<u64>,
    /// Connections that were opened, TLS or not: a phase that failed took its time, too.
    pub(crate) opened: u16,
    under_way: Option<(Part, Instant)>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Connect,
    Tls,
}

impl OpenTimes {
    pub(super) fn begin_connect(&mut self) {
        self.under_way = Some((Part::Connect, Instant::now()));
    }

    pub(super) fn begin_tls(&mut self) {
        self.under_way = Some((Part::Tls, Instant::now()));
    }

    /// What is under way ends here, one way or the other.
    pub(crate) fn end(&mut self) {
        let Some((part, begun)) = self.under_way.take() else { return };
        let phase = match part {
            Part::Connect => &mut self.connect,
            Part::Tls => &mut self.tls,
        };
        *phase = Some(phase.unwrap_or(0).saturating_add(nanos(begun.elapsed())));
    }

    /// Whether a connection is being opened.
    pub(crate) const fn under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// All phases together.
    pub(crate) fn total(&self) -> u64 {
        self.connect.unwrap_or(0).saturating_add(self.tls.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn several_openings_add_up_and_one_that_is_cut_off_counts_until_then() {
        let mut times = OpenTimes { connect: Some(5_000_000), ..OpenTimes::default() };
        times.end();
        assert_eq!((times.connect, times.under_way()), (Some(5_000_000), false));
        times.begin_connect();
        std::thread::sleep(Duration::from_millis(2));
        assert!(times.under_way());
        times.end();
        let connect = times.connect.expect("took place");
        assert!(connect >= 7_000_000 && times.tls.is_none(), "{connect}");
        times.begin_tls();
        std::thread::sleep(Duration::from_millis(2));
        times.end();
        assert_eq!((times.connect, times.opened), (Some(connect), 0));
        assert!(times.tls.is_some_and(|tls| tls >= 2_000_000));
        assert_eq!(times.total(), connect + times.tls.unwrap_or(0));
    }
}
