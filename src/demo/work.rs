//! Sizes pieces of work so that they take about the same time on every machine and in every build.

use std::time::{Duration, Instant};

/// How many times `unit` has to be done to take about `wanted`, between 1 and 10,000,000.
///
/// The fastest of several tries counts: whatever else runs can only slow a try down. A machine that is slow
/// later makes the work take longer, as any real work would.
pub(super) fn repeats_for(wanted: Duration, mut unit: impl FnMut(u32)) -> u32 {
    const TRIES: u32 = 7;
    const MOST: u32 = 10_000_000;
    let mut repeats = 1;
    // Grows until a try is long enough to be measured.
    while repeats < MOST && fastest(1, &mut unit, repeats) < Duration::from_micros(200) {
        repeats *= 4;
    }
    let each = fastest(TRIES, &mut unit, repeats).as_secs_f64() / f64::from(repeats);
    // Saturating: a clock that stands still would give infinity.
    ((wanted.as_secs_f64() / each) as u32).clamp(1, MOST)
}

fn fastest(tries: u32, unit: &mut impl FnMut(u32), repeats: u32) -> Duration {
    let once = |_| {
        let start = Instant::now();
        unit(repeats);
        start.elapsed()
    };
    (0..tries).map(once).min().unwrap_or_default()
}
