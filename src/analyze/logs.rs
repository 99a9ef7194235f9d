//! Log lines that are new, that surged, or that tell of trouble, in the judged part against the reference.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Question;
use super::load::Loaded;
use crate::analysis::LogPattern;
use crate::formats::logline::{LogLine, pattern};
use crate::run::event::EventKind;
use crate::time::Window;

/// Patterns that are told of a service.
const MOST: usize = 8;
/// Services that are told of.
const MOST_SERVICES: usize = 20;
/// Patterns that are told apart in one run; lines of others are not looked at.
const MAX_PATTERNS: usize = 10_000;
/// Characters of an example.
const EXAMPLE: usize = 300;
/// How many times the rate of the reference is a surge.
const SURGE: f64 = 3.0;
/// Lines from which on a rate means something.
const LEAST: u64 = 5;

/// What is known of a pattern.
#[derive(Debug, Default)]
struct Seen {
    level: String,
    trouble: bool,
    judged: u64,
    reference: u64,
    of_slow: u64,
    example: String,
}

type Patterns = HashMap<String, Seen>;

/// Patterns by service: those that only send their lines have names that the scenario does not know.
#[derive(Debug, Default)]
struct Services {
    by_name: BTreeMap<String, Patterns>,
    patterns: usize,
}

/// The patterns worth a look, service by service in the scenario's order, others after them; those of trouble first.
pub(super) fn patterns(run: &Loaded, question: &Question<'_>) -> Vec<LogPattern> {
    let slow = slow_traces(run);
    let mut services = Services::default();
    count(run, &[question.judged], &mut services, |seen, line, read| {
        seen.judged += 1;
        seen.of_slow += u64::from(read.trace_id.as_ref().is_some_and(|t| slow.contains(t.as_str())));
        if seen.example.is_empty() {
            seen.example = line.chars().take(EXAMPLE).collect();
        }
    });
    if let Some((before, windows)) = &question.reference {
        count(before, windows, &mut services, |seen, _, _| seen.reference += 1);
    }
    let secs = question.reference.as_ref().map(|(_, w)| w.iter().map(|w| w.secs()).sum::<f64>());
    let secs = secs.filter(|s| *s > 0.0);
    let mut order: Vec<(String, Patterns)> = services.by_name.into_iter().collect();
    let place = |name: &String| run.services.iter().position(|s| s == name).unwrap_or(usize::MAX);
    order.sort_by_key(|(name, _)| place(name));
    let told = order.into_iter().map(|(name, seen)| worth(&name, seen, question.judged.secs(), secs));
    told.filter(|patterns| !patterns.is_empty()).take(MOST_SERVICES).flatten().collect()
}

/// Trace ids of the slowest requests of each period.
fn slow_traces(run: &Loaded) -> HashSet<&str> {
    let mut traces = HashSet::new();
    for event in &run.recording.events {
        if let EventKind::Slow { trace_id, .. } = &event.kind {
            traces.insert(trace_id.as_str());
        }
    }
    traces
}

fn count(
    run: &Loaded,
    windows: &[Window],
    services: &mut Services,
    mut found: impl FnMut(&mut Seen, &str, &LogLine),
) {
    // A file that cannot be read is told as missing evidence by its collector.
    let _ = run.recording.log_lines(&run.clocks, |line| {
        if !windows.iter().any(|w| w.contains(line.at)) {
            return;
        }
        let read = line.read();
        let Some(entry) = services.entry(line.service, pattern(&read.message)) else { return };
        if entry.level.is_empty() {
            entry.level.clone_from(&read.level);
        }
        entry.trouble |= read.is_trouble();
        found(entry, &line.text, &read);
    });
}

impl Services {
    /// What is known of a pattern; none if it is one too many.
    fn entry(&mut self, service: &str, pattern: String) -> Option<&mut Seen> {
        let room = self.patterns < MAX_PATTERNS;
        if !self.by_name.contains_key(service) {
            room.then(|| self.by_name.insert(service.to_owned(), Patterns::new()))?;
        }
        let patterns = self.by_name.get_mut(service)?;
        if !patterns.contains_key(&pattern) {
            room.then_some(())?;
            self.patterns += 1;
        }
        Some(patterns.entry(pattern).or_default())
    }
}

/// Of trouble, or at least [`SURGE`] times as frequent as in the reference; the most frequent first.
fn worth(service: &str, seen: Patterns, judged: f64, reference: Option<f64>) -> Vec<LogPattern> {
    let surged = |s: &Seen| {
        reference.is_some_and(|secs| {
            let (now, before) = (s.judged as f64 / judged, s.reference as f64 / secs);
            s.judged >= LEAST && now >= SURGE * before.max(1.0 / secs)
        })
    };
    let judged_at_all = seen.into_iter().filter(|(_, s)| s.judged > 0 && judged > 0.0);
    let mut all: Vec<(String, Seen)> = judged_at_all.filter(|(_, s)| s.trouble || surged(s)).collect();
    all.sort_by(|(a, x), (b, y)| (y.trouble, y.judged, a).cmp(&(x.trouble, x.judged, b)));
    let told = |(pattern, s): (String, Seen)| LogPattern {
        service: service.to_owned(),
        pattern,
        level: s.level,
        lines: s.judged,
        per_second: s.judged as f64 / judged,
        reference_per_second: reference.map(|secs| s.reference as f64 / secs),
        of_slow: s.of_slow,
        example: s.example,
    };
    all.into_iter().take(MOST).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_surges_or_tells_of_trouble_is_told() {
        let seen = |judged, reference, trouble| Seen { judged, reference, trouble, ..Seen::default() };
        let patterns: Patterns = [
            ("steady", seen(100, 100, false)),
            ("twice", seen(200, 100, false)),
            ("surged", seen(400, 100, false)),
            ("new", seen(50, 0, false)),
            ("once", seen(2, 0, false)),
            ("trouble as ever", seen(10, 10, true)),
            ("only before", seen(0, 50, true)),
        ]
        .into_iter()
        .map(|(name, seen)| (name.to_owned(), seen))
        .collect();
        let told = worth("shop", patterns, 10.0, Some(10.0));
        let names: Vec<_> = told.iter().map(|p| p.pattern.as_str()).collect();
        assert_eq!(names, ["trouble as ever", "surged", "new"]);
        assert_eq!((told[1].per_second, told[1].reference_per_second), (40.0, Some(10.0)));
    }
}
