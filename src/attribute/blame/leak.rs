//! Goroutines that are started and never end.

use std::collections::BTreeMap;

use super::{Candidate, Case, SNAPSHOTS, evidence, profiles};
use crate::analysis::CauseKind;
use crate::attribute::measure::Measured;
use crate::attribute::names;
use crate::attribute::side::ServiceSide;
use crate::attribute::snapshots::{Key, RoleKey};
use crate::time::{RunTime, SECOND};

/// Growth over the window that is worth a word.
const LEAST_GROWTH: f64 = 100.0;

/// The function of the application whose goroutines grow most through the judged window; they belong to no
/// request and still grow in its last third.
pub(super) fn candidate(case: &Case) -> Option<Candidate> {
    let service = case.entry()?;
    let (at, growth) = growing(service)?;
    let secs = span(service);
    let per_second = growth / secs;
    let answers = case.throughput();
    let says = format!(
        "goroutines in {at} grow by {per_second:.0} a second ({growth:.0} in {secs:.0} s) and none of them ends"
    );
    Some(Candidate {
        kind: CauseKind::GoroutineLeak,
        doing: String::new(),
        service: service.name.clone(),
        // A leak costs memory first; what it costs a request is in the rows of others.
        explains: Measured::default(),
        mechanism: format!("{says}: {:.2} for each request", per_second / answers.max(1e-9)),
        remedy: format!("end the goroutines that wait in {at}: close their channel or give them a context"),
        evidence: vec![evidence(SNAPSHOTS, says.clone(), profiles(&service.name, "goroutine"))],
        at,
        owned: true,
        unsure: false,
        more_calls: false,
    })
}

fn span(service: &ServiceSide) -> f64 {
    let times = &service.snapshots.times;
    let nanos = times.last().zip(times.first()).map_or(0, |(last, first)| last.since(*first));
    (nanos as f64 / SECOND as f64).max(1e-9)
}

fn growing(service: &ServiceSide) -> Option<(String, f64)> {
    let mut owners: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let background = |k: &&Key| k.role == RoleKey::Background && names::is_application(&k.owner);
    for owner in service.snapshots.keys().filter(background).map(|k| &*k.owner) {
        owners.entry(owner.to_owned()).or_insert_with(|| {
            service.snapshots.per_snapshot(|k| k.role == RoleKey::Background && *k.owner == *owner)
        });
    }
    owners
        .into_iter()
        .filter_map(|(owner, counts)| steady_growth(&service.snapshots.times, &counts).map(|g| (owner, g)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Snapshots that tell a growth.
const LEAST_SNAPSHOTS: usize = 12;

/// Growth from the first to the last sixth of the time, if it goes on through most of it. By time and not by number: a snapshot
/// of many goroutines is dear, so that there are fewer of them the longer it goes on.
fn steady_growth(times: &[RunTime], counts: &[f64]) -> Option<f64> {
    let (first, last) = times.first().zip(times.last())?;
    let sixth = last.since(*first).div_ceil(6).max(1);
    let (mut sums, mut seen) = ([0.0; 6], [0_usize; 6]);
    for (t, count) in times.iter().zip(counts) {
        let place = usize::try_from(t.since(*first) / sixth).unwrap_or(5).min(5);
        sums[place] += count;
        seen[place] += 1;
    }
    if counts.len() < LEAST_SNAPSHOTS || seen.contains(&0) {
        return None;
    }
    let means: Vec<f64> = sums.iter().zip(seen).map(|(sum, n)| sum / n as f64).collect();
    let growth = means[5] - means[0];
    let steady = means.windows(2).filter(|w| w[1] > w[0]).count() >= 4 && means[5] > means[4];
    (growth >= LEAST_GROWTH && steady && growth >= 0.3 * means[0]).then_some(growth)
}

#[cfg(test)]
mod tests {
    use super::steady_growth;
    use crate::time::{RunTime, SECOND};

    fn grown(counts: &[f64]) -> Option<f64> {
        let times: Vec<RunTime> = (0..).map(|i| RunTime::from_nanos(i * SECOND)).take(counts.len()).collect();
        steady_growth(&times, counts)
    }

    #[test]
    fn a_leak_grows_to_the_end_and_a_plateau_does_not() {
        let leak: Vec<f64> = (0..60).map(|i| 64.0 + 30.0 * f64::from(i)).collect();
        assert!(grown(&leak).is_some_and(|g| g > 1_000.0));
        let plateau: Vec<f64> = (0..60).map(|i| if i < 12 { 64.0 } else { 900.0 }).collect();
        assert_eq!(grown(&plateau), None);
        let wobble: Vec<f64> = (0..60).map(|i| 500.0 + 200.0 * f64::from(i % 7)).collect();
        assert_eq!(grown(&wobble), None);
        assert_eq!((grown(&leak[..8]), grown(&[])), (None, None), "too few");
    }

    #[test]
    fn snapshots_that_become_rare_as_it_grows_still_tell_a_leak() {
        // Ten a second for three seconds, then one in two and a half.
        let often = (0..30).map(|i| (i as f64 * 0.1, 200.0));
        let rarely = (0..8).map(|i| (4.5 + 2.5 * i as f64, 300.0 + 2_000.0 * i as f64));
        let (times, counts): (Vec<RunTime>, Vec<f64>) = often
            .chain(rarely)
            .map(|(secs, n)| (RunTime::from_nanos((secs * SECOND as f64) as u64), n))
            .unzip();
        assert!(steady_growth(&times, &counts).is_some_and(|g| g > 10_000.0));
    }
}
