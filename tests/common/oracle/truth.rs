//! From a server's books to the quantiles that a generator must have seen.

use serde_json::Value;

use super::books::Books;

/// Keys of the quantiles in the analysis.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// Times that are known to lie between two values, each sorted.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    low: Vec<u64>,
    high: Vec<u64>,
}

impl Bounds {
    pub fn new(times: impl Iterator<Item = (u64, u64)>) -> Self {
        let (mut low, mut high): (Vec<u64>, Vec<u64>) = times.unzip();
        low.sort_unstable();
        high.sort_unstable();
        Self { low, high }
    }

    /// Nothing, so many times.
    pub fn none(times: usize) -> Self {
        Self { low: vec![0; times], high: vec![0; times] }
    }

    /// Request read to answer written. A request that came while the server did not look counts from its last
    /// look at the earliest.
    pub fn service(books: &Books) -> Self {
        let times = books.served.iter();
        Self::new(times.map(|s| (s.unwritten - s.read, s.written - s.unread)))
    }

    /// The same, and opening the connection where the request is the first one on it.
    pub fn turn(books: &Books) -> Self {
        let times = books.served.iter().map(|s| {
            let (unbegun, begun) = s.begun();
            (s.unwritten - begun, s.written - unbegun)
        });
        Self::new(times)
    }

    /// Due moment to answer written.
    pub fn response(books: &Books, due: impl Fn(u64) -> u64) -> Self {
        let times = books.served.iter();
        let since = |n, t: u64| t.saturating_sub(due(n));
        Self::new(times.map(|s| (since(s.n, s.unwritten), since(s.n, s.written))))
    }

    /// Lower and upper bound of a quantile: the smallest value that so large a share does not exceed.
    pub fn at(&self, q: f64) -> (u64, u64) {
        let rank = ((q * self.low.len() as f64).ceil() as usize).clamp(1, self.low.len());
        (self.low[rank - 1], self.high[rank - 1])
    }

    pub fn mean(&self) -> (u64, u64) {
        let mean = |values: &[u64]| values.iter().sum::<u64>() / values.len() as u64;
        (mean(&self.low), mean(&self.high))
    }

    pub fn len(&self) -> usize {
        self.low.len()
    }
}

/// Quantiles and mean of one clock, as an analysis gives them.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a>(pub &'a Value);

impl Figures<'_> {
    pub fn nanos(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("no {key} in {:#}", self.0))
    }
}

/// A figure that is not within 1 % or 100 us of the truth.
#[derive(Clone, Debug)]
pub struct Difference {
    pub row: String,
    /// Whether the machine's own noise is as large.
    pub noise: bool,
}

/// Holds figures against the truth: within 1 % or 100 us. Prints a row per figure; gives those that differ.
///
/// A machine that takes the generator's core away delays what it sends as much as what it reads; how much, is
/// how far `lateness` at the server lies above its own median. Nothing excuses a wrong median.
pub fn compare(what: &str, truth: &Bounds, seen: Figures<'_>, lateness: &Bounds) -> Vec<Difference> {
    let median = lateness.at(0.5).1;
    let all = QUANTILES.iter().map(|(key, q)| (*key, truth.at(*q), lateness.at(*q).1));
    let mean = ("mean", truth.mean(), lateness.mean().1);
    let compared = all.chain([mean]).filter_map(|(key, truth, late)| {
        let noise = late.saturating_sub(median);
        difference(&format!("{what:<9} {key:<5}"), truth, seen.nanos(key), noise)
    });
    compared.collect()
}

fn difference(name: &str, (low, high): (u64, u64), seen: u64, noise: u64) -> Option<Difference> {
    let slack = |of: u64| (of / 100).max(100_000);
    let holds = |more: u64| seen + slack(low) >= low && seen <= high + slack(high) + more;
    let us = |n: u64| n as f64 / 1e3;
    let row = format!(
        "{name} truth {:>11.1} to {:>11.1} us, seen {:>11.1} us ({:+.1}), noise {:.1}",
        us(low),
        us(high),
        us(seen),
        us(seen) - us(low),
        us(noise)
    );
    eprintln!("  {row}{}", if holds(0) { "" } else { "  <-- off" });
    (!holds(0)).then(|| Difference { row, noise: holds(noise) })
}
