//! The laws: how long after a request its answer is due, drawn from the request's own number.

use std::time::Duration;

/// How a server answers.
#[derive(Clone, Copy, Debug)]
pub enum Law {
    /// Always after the same time.
    Fixed(Duration),
    /// `short`, but `long` for the given share of the requests.
    TwoPoint { short: Duration, long: Duration, share: f64, seed: u64 },
    /// Exponentially distributed with this mean.
    Exponential { mean: Duration, seed: u64 },
    /// Request `n` after `first + step * (n mod count)`.
    Sequence { first: Duration, step: Duration, count: u64 },
    /// At once, except that what comes between `from` and `to` (since the first request) is answered at `to`.
    Stall { from: Duration, to: Duration },
    /// The head and the first part of the body after `first`, the rest part by part until `last`.
    Drip { first: Duration, last: Duration, parts: u32 },
    /// At once, but no connection is accepted for this long after the first one was served.
    SlowAccept(Duration),
    /// No answer.
    Never,
}

/// When an answer leaves, counted from the moment its request was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Head and first part of the body.
    pub first: u64,
    /// Time between two further parts.
    pub gap: u64,
    /// Parts of the body.
    pub parts: u32,
}

impl Law {
    /// When request `n`, read `since` nanoseconds after the first one, is answered; none if never.
    pub fn due(&self, n: u64, since: u64) -> Option<Due> {
        let at = |first: u64| Some(Due { first, gap: 0, parts: 1 });
        match *self {
            Self::Fixed(time) => at(nanos(time)),
            Self::TwoPoint { short, long, share, seed } => {
                at(nanos(if uniform(seed, n) < share { long } else { short }))
            }
            Self::Exponential { mean, seed } => {
                at((-(nanos(mean) as f64) * (1.0 - uniform(seed, n)).ln()) as u64)
            }
            Self::Sequence { first, step, count } => at(nanos(first) + nanos(step) * (n % count)),
            Self::Stall { from, to } => {
                let stalls = since >= nanos(from) && since < nanos(to);
                at(if stalls { nanos(to) - since } else { 0 })
            }
            Self::Drip { first, last, parts } => {
                let gap = nanos(last - first) / u64::from(parts - 1);
                Some(Due { first: nanos(first), gap, parts })
            }
            Self::SlowAccept(_) => at(0),
            Self::Never => None,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("short")
}

/// Draw `n` of a stream, from 0 to below 1 (splitmix64, so that the draws never change).
fn uniform(seed: u64, n: u64) -> f64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
