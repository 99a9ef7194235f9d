//! Goroutine snapshots of one service in one side of the comparison: how many goroutines were seen in which
//! state, snapshot by snapshot.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::beside::Beside;
use super::lines::{self, Place};
use super::measure::{Measured, batch_mean};
use super::names;
use super::stack::{self, Role};
use super::stacks::{Stack, plain, shared};
use crate::analysis::{InFlight, State};
use crate::formats::pprof::{Profile, Sample};
use crate::run::in_flight::Look;
use crate::stats::median;
use crate::time::{RunTime, SECOND, Window};

/// What goroutines are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub role: RoleKey,
    pub state: State,
    /// Innermost function of the application.
    pub owner: Arc<str>,
    /// Outermost function of the application: the handler of a request, the entry of a worker.
    pub root: Arc<str>,
}

/// [`Role`] in an order, for maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RoleKey {
    Request,
    Background,
}

/// Snapshots of one service.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshots {
    /// When each was taken.
    pub times: Vec<RunTime>,
    /// Goroutines per key, one value per snapshot, at the place that `keys` gives.
    counts: Vec<Vec<f64>>,
    keys: BTreeMap<Key, usize>,
    /// All stacks seen, each with its place in `seen`.
    stacks: BTreeMap<Stack, usize>,
    seen: Vec<Seen>,
    /// How often a function of the application, by the places of its stack in `seen` and of its frame, stood at a line.
    lines: HashMap<(usize, usize, i64), f64>,
    /// Functions and files in it.
    texts: HashSet<Arc<str>>,
    /// Numbers of function names, and what is known of a stack by these: the same few stacks are met again and again, and
    /// numbers are found sooner than names.
    names: HashMap<Arc<str>, u32>,
    known: HashMap<Vec<u32>, Option<usize>>,
    /// How much of the time each stands for, once it is asked for.
    weights: OnceCell<Vec<f64>>,
    /// Requests in flight when each was asked for, and when it was taken, as far as that can be told.
    asked: Option<Beside>,
    taken: Option<Beside>,
}

/// A stack in all snapshots together.
#[derive(Clone, Debug)]
struct Seen {
    key: Key,
    /// Place of its key's counts.
    counts: usize,
    times: f64,
    frames: Vec<Own>,
}

/// A function of the application on a stack, at its innermost frame there.
#[derive(Clone, Debug)]
struct Own {
    at: usize,
    function: Arc<str>,
    file: Arc<str>,
}

impl Snapshots {
    /// Adds one snapshot.
    pub(super) fn add(&mut self, at: RunTime, profile: &Profile) {
        let index = self.times.len();
        self.times.push(at);
        self.weights.take();
        self.stand_alone();
        let (mut ids, mut lines) = (Vec::new(), Vec::new());
        for sample in &profile.samples {
            ids.clear();
            ids.extend(profile.functions(sample).map(|f| number(&mut self.names, f)));
            lines.clear();
            lines.extend(profile.lines(sample).map(|(_, line)| line));
            let known = self.known.get(&ids).copied();
            let Some(place) = known.unwrap_or_else(|| self.learn(profile, sample, &ids)) else { continue };
            let count = sample.values.first().copied().unwrap_or(0) as f64;
            let seen = &mut self.seen[place];
            seen.times += count;
            for (i, own) in seen.frames.iter().enumerate() {
                let key = (place, i, lines[own.at]);
                if self.lines.len() < lines::MOST || self.lines.contains_key(&key) {
                    *self.lines.entry(key).or_default() += count;
                }
            }
            let counts = &mut self.counts[seen.counts];
            counts.resize(index + 1, 0.0);
            counts[index] += count;
        }
    }

    /// Reads a stack that was not met before; gives its place if it counts.
    fn learn(&mut self, profile: &Profile, sample: &Sample, ids: &[u32]) -> Option<usize> {
        let stack: Stack = profile.functions(sample).map(|f| self.interned(f)).collect();
        let place = key_of(&stack).map(|key| {
            let counts = *self.keys.entry(key.clone()).or_insert(self.counts.len());
            if counts == self.counts.len() {
                self.counts.push(Vec::new());
            }
            let full = self.lines.len() >= lines::MOST;
            let frames = if full { Vec::new() } else { self.frames(profile, sample) };
            self.seen.push(Seen { key, counts, times: 0.0, frames });
            self.stacks.insert(stack, self.seen.len() - 1);
            self.seen.len() - 1
        });
        self.known.insert(ids.to_vec(), place);
        place
    }

    /// Functions of the application on a stack, in files that are known.
    fn frames(&mut self, profile: &Profile, sample: &Sample) -> Vec<Own> {
        let mut all: Vec<Own> = Vec::new();
        for (at, (name, (file, _))) in profile.functions(sample).zip(profile.lines(sample)).enumerate() {
            let function = names::enclosing(name);
            let known = (1..=lines::LONGEST).contains(&file.len()) && names::is_application(name);
            if known && all.len() < MOST_FRAMES && all.iter().all(|own| *own.function != *function) {
                let (function, file) = (shared(&mut self.texts, function), shared(&mut self.texts, file));
                all.push(Own { at, function, file });
            }
        }
        all
    }

    fn interned(&self, name: &str) -> Arc<str> {
        self.names.get_key_value(name).map_or_else(|| name.into(), |(known, _)| Arc::clone(known))
    }

    /// Number of snapshots.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Mean number of goroutines whose key is accepted, by time: where snapshots are few, each stands for more of it.
    pub(super) fn mean(&self, keep: impl Fn(&Key) -> bool) -> Measured {
        let mut counts = self.per_snapshot(keep);
        let weights = self.weights.get_or_init(|| weights(&self.times));
        if let Some(beside) = self.beside() {
            return beside.mean(&counts, weights);
        }
        counts.iter_mut().zip(weights).for_each(|(count, weight)| *count *= weight);
        batch_mean(&counts)
    }

    /// Takes note of how many requests were in flight at each of them and on average; `ended` says the second by Little's law.
    pub(super) fn stand_beside(&mut self, looks: &[Look], windows: &[Window], ended: f64) {
        let weights = self.weights.get_or_init(|| weights(&self.times));
        let shown = self.per_snapshot(|k| k.role == RoleKey::Request);
        self.asked = Beside::asked(looks, windows, ended, &self.times, weights);
        self.taken = Beside::taken(looks, windows, ended, &self.times, weights, &shown);
    }

    fn beside(&self) -> Option<&Beside> {
        self.taken.as_ref().or(self.asked.as_ref())
    }

    /// What that says, if anything.
    pub(super) fn in_flight(&self) -> Option<InFlight> {
        self.beside().map(Beside::in_flight)
    }

    /// Both stand beside the requests in flight of the same moment, or neither does.
    pub(super) fn alike(&mut self, other: &mut Self) {
        if self.taken.is_none() || other.taken.is_none() {
            (self.taken, other.taken) = (None, None);
        }
        if self.beside().is_none() || other.beside().is_none() {
            self.stand_alone();
            other.stand_alone();
        }
    }

    fn stand_alone(&mut self) {
        (self.asked, self.taken) = (None, None);
    }

    /// Number of goroutines whose key is accepted, snapshot by snapshot.
    pub(super) fn per_snapshot(&self, keep: impl Fn(&Key) -> bool) -> Vec<f64> {
        let mut sums = vec![0.0; self.times.len()];
        for (_, &counts) in self.keys.iter().filter(|(k, _)| keep(k)) {
            sums.iter_mut().zip(&self.counts[counts]).for_each(|(s, c)| *s += c);
        }
        sums
    }

    /// All keys seen.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// Lines at which a function of the application stood, on the stacks that are accepted; how often.
    pub(super) fn lines(&self, function: &str, keep: impl Fn(&Stack, &Key) -> bool) -> BTreeMap<Place, f64> {
        let stacks = self.stacks.iter().filter(|(stack, place)| keep(stack, &self.seen[**place].key));
        let accepted: HashSet<usize> = stacks.map(|(_, place)| *place).collect();
        let mut all: BTreeMap<Place, f64> = BTreeMap::new();
        for (&(place, frame, line), times) in
            self.lines.iter().filter(|((place, ..), _)| accepted.contains(place))
        {
            let own = &self.seen[place].frames[frame];
            if *own.function == *function && line > 0 {
                *all.entry((Arc::clone(&own.file), line)).or_default() += times;
            }
        }
        all
    }

    /// Stacks with their key and their mean number per snapshot.
    pub(super) fn stacks(&self) -> impl Iterator<Item = (&Stack, &Key, f64)> {
        let n = self.times.len().max(1) as f64;
        self.stacks.iter().map(move |(stack, &place)| {
            let seen = &self.seen[place];
            (stack, &seen.key, seen.times / n)
        })
    }
}

/// Snapshots on either side that tell how many are taken around one: their distances are drawn at random.
const AROUND: usize = 5;
/// How much the distances must differ from what is usual to be more than chance.
const CHANCE: f64 = 1.5;
/// Longest distance between two: what is longer lies between two windows.
const APART: f64 = 3.0 * SECOND as f64;

/// How much of the time each stands for, 1 on average.
pub(super) fn weights(times: &[RunTime]) -> Vec<f64> {
    let gaps: Vec<f64> = times.windows(2).map(|w| (w[1].since(w[0]) as f64).min(APART)).collect();
    if gaps.len() < 2 * AROUND {
        return vec![1.0; times.len()];
    }
    let local = |i: usize| {
        let around = &gaps[i.saturating_sub(AROUND)..(i + AROUND).min(gaps.len())];
        around.iter().sum::<f64>() / around.len() as f64
    };
    let mut all: Vec<f64> = (0..times.len()).map(local).collect();
    let usual = median(&all).unwrap_or(1.0).max(1.0);
    all.iter_mut().for_each(|gap| {
        *gap = if (1.0 / CHANCE..CHANCE).contains(&(*gap / usual)) { 1.0 } else { *gap / usual }
    });
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    all.iter_mut().for_each(|weight| *weight /= mean.max(f64::MIN_POSITIVE));
    all
}

/// The number of a name; numbers count up from 0.
fn number(names: &mut HashMap<Arc<str>, u32>, name: &str) -> u32 {
    if let Some(known) = names.get(name) {
        return *known;
    }
    let next = names.len() as u32;
    names.insert(name.into(), next);
    next
}

/// Functions of one stack whose lines are kept.
const MOST_FRAMES: usize = 32;

/// Key of a goroutine; none for idle connections and our own observation.
fn key_of(stack: &Stack) -> Option<Key> {
    let names = plain(stack);
    let reading = stack::read(&names);
    let role = match reading.role {
        Role::Request => RoleKey::Request,
        Role::Background => RoleKey::Background,
        Role::Idle | Role::Observer => return None,
    };
    let root = names.iter().rev().find(|f| names::is_application(f)).or(names.last()).copied().unwrap_or("");
    Some(Key { role, state: reading.state, owner: reading.owner.into(), root: names::enclosing(root).into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pprof::{Frame, ProfileBuilder};

    fn snapshot(stacks: &[(&[&str], i64)]) -> Profile {
        let mut p = ProfileBuilder::new(&[("goroutine", "count")], 1);
        for (stack, count) in stacks {
            let frames = stack.iter().map(|f| Frame { function: (*f).into(), file: String::new(), line: 1 });
            p.add(frames, &[*count]);
        }
        p.finish(0, 0)
    }

    #[test]
    fn a_wait_has_the_lines_of_the_functions_on_its_stack() {
        let frame =
            |function: &str, line| Frame { function: function.into(), file: "/src/shop.go".into(), line };
        let at = |line: i64, count: i64| {
            let mut p = ProfileBuilder::new(&[("goroutine", "count")], 1);
            let stack = [
                frame("runtime.gopark", 9),
                frame("time.Sleep", 9),
                frame("shop.(*Pool).Submit.func1", line),
                frame("shop.(*Shop).order", 9),
                frame("net/http.serverHandler.ServeHTTP", 9),
            ];
            p.add(stack, &[count]);
            p.finish(0, 0)
        };
        let mut s = Snapshots::default();
        for (i, (line, count)) in (0..).zip([(41, 2), (44, 1), (41, 3), (0, 5)]) {
            s.add(RunTime::from_nanos(i), &at(line, count));
        }
        let of = |owner: &str| -> Vec<_> {
            let lines = s.lines(owner, |_, k| k.role == RoleKey::Request && k.state == State::Sleep);
            lines.into_iter().map(|((file, line), n)| (file.to_string(), line, n)).collect()
        };
        let file = || "/src/shop.go".to_owned();
        assert_eq!(of("shop.(*Pool).Submit"), [(file(), 41, 5.0), (file(), 44, 1.0)], "0 is no line");
        assert_eq!(of("shop.(*Shop).order"), [(file(), 9, 11.0)], "the one that calls it, too");
        assert!(of("net/http.serverHandler.ServeHTTP").is_empty());
    }

    #[test]
    fn each_snapshot_stands_for_its_part_of_the_time() {
        // Ten seconds with ten a second that wait, then thirty with three a second that do not.
        let early = (0..100_u64).map(|i| i * 100_000_000 + (i % 3) * 20_000_000);
        let late = (0..90_u64).map(|i| 10_000_000_000 + i * 333_000_000 + (i % 2) * 60_000_000);
        let times: Vec<RunTime> = early.chain(late).map(RunTime::from_nanos).collect();
        let weights = weights(&times);
        let part = weights[..100].iter().sum::<f64>() / weights.iter().sum::<f64>();
        assert!((part - 0.25).abs() < 0.02, "{part}");
        let even = super::weights(&times[..100]);
        assert!(even.iter().all(|w| (w - 1.0).abs() < 1e-9), "distances at random are no pace: {even:?}");
    }

    #[test]
    fn a_key_that_is_not_seen_counts_as_zero() {
        let send: &[&str] = &[
            "runtime.gopark",
            "runtime.chansend",
            "shop.(*Pool).Submit",
            "shop.(*Shop).order",
            "net/http.serverHandler.ServeHTTP",
            "net/http.(*conn).serve",
        ];
        let worker: &[&str] =
            &["runtime.gopark", "time.Sleep", "shop.(*Pool).work", "shop.(*Pool).run.func1"];
        let mut s = Snapshots::default();
        s.add(RunTime::from_nanos(1), &snapshot(&[(worker, 3)]));
        s.add(RunTime::from_nanos(2), &snapshot(&[(send, 8), (worker, 3)]));
        s.add(RunTime::from_nanos(3), &snapshot(&[(worker, 1)]));
        let waiting = |k: &Key| k.role == RoleKey::Request && k.state == State::ChannelSend;
        assert_eq!(s.per_snapshot(waiting), [0.0, 8.0, 0.0]);
        let roots: Vec<_> = s.keys().map(|k| (&*k.root, &*k.owner)).collect();
        assert_eq!(roots[0], ("shop.(*Shop).order", "shop.(*Pool).Submit"));
        assert_eq!(roots[1], ("shop.(*Pool).run", "shop.(*Pool).work"));
        assert!((s.mean(|k| k.role == RoleKey::Background).value - 7.0 / 3.0).abs() < 1e-9);
    }
}
