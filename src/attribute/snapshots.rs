//! Goroutine snapshots of one service in one side of the comparison: how many goroutines were seen in which
//! state, snapshot by snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::measure::{Measured, batch_mean};
use super::names;
use super::stack::{self, Role};
use super::stacks::{Stack, plain};
use crate::analysis::State;
use crate::formats::pprof::Profile;
use crate::time::RunTime;

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
    /// Goroutines per key, one value per snapshot.
    counts: BTreeMap<Key, Vec<f64>>,
    /// All stacks seen, with how often in all snapshots together.
    stacks: BTreeMap<Stack, (Key, f64)>,
}

impl Snapshots {
    /// Adds one snapshot.
    pub(super) fn add(&mut self, at: RunTime, profile: &Profile) {
        let index = self.times.len();
        self.times.push(at);
        for sample in &profile.samples {
            let stack: Stack = profile.functions(sample).map(Arc::from).collect();
            let count = sample.values.first().copied().unwrap_or(0) as f64;
            let Some(key) = key_of(&stack) else { continue };
            let counts = self.counts.entry(key.clone()).or_default();
            counts.resize(index + 1, 0.0);
            counts[index] += count;
            self.stacks.entry(stack).or_insert((key, 0.0)).1 += count;
        }
    }

    /// Number of snapshots.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Mean number of goroutines whose key is accepted.
    pub(super) fn mean(&self, keep: impl Fn(&Key) -> bool) -> Measured {
        batch_mean(&self.per_snapshot(keep))
    }

    /// Number of goroutines whose key is accepted, snapshot by snapshot.
    pub(super) fn per_snapshot(&self, keep: impl Fn(&Key) -> bool) -> Vec<f64> {
        let mut sums = vec![0.0; self.times.len()];
        for (_, counts) in self.counts.iter().filter(|(k, _)| keep(k)) {
            sums.iter_mut().zip(counts).for_each(|(s, c)| *s += c);
        }
        sums
    }

    /// All keys seen.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.counts.keys()
    }

    /// Stacks with their key and their mean number per snapshot.
    pub(super) fn stacks(&self) -> impl Iterator<Item = (&Stack, &Key, f64)> {
        let n = self.times.len().max(1) as f64;
        self.stacks.iter().map(move |(s, (k, count))| (s, k, count / n))
    }
}

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
