//! Frames that are not worth showing.

use std::collections::{HashMap, HashSet};

use regex::Regex;

use super::filter::pattern_within;
use super::names::without_arguments;
use super::{PprofError, Profile};

/// Largest compiled expression that a profile brings along, in bytes.
const MAX_PATTERN: usize = 1 << 18;
/// Most bytes of compiled expression times bytes of names. Both come from the file, and the time that an
/// expression takes may grow with the product.
const MAX_WORK: usize = 1 << 37;

/// What a match did to a location.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// No match.
    Keep,
    /// Some inlined calls are gone, and with them what they called.
    Below,
    /// All calls are gone.
    Whole,
}

impl Profile {
    /// The profile without the frames that match its `drop_frames`, and those they called, except where a
    /// function matches its `keep_frames`; `go tool pprof` shows no profile without it. Frames at the root
    /// that match stay until the first that does not: a stack never vanishes. For this rule a place that
    /// loses an inlined call matches.
    ///
    /// # Errors
    /// [`PprofError::Pattern`] if an expression cannot be used. The tool then leaves all frames.
    pub fn pruned(&self) -> Result<Self, PprofError> {
        if self.drop_frames.is_empty() {
            return Ok(self.clone());
        }
        let size = (MAX_WORK / self.name_bytes().max(1)).min(MAX_PATTERN);
        let whole = |option, text: &str| pattern_within(option, &format!("^({text})$"), size);
        let drop = whole("drop_frames", &self.drop_frames)?;
        let keep = Some(&self.keep_frames).filter(|t| !t.is_empty());
        let keep = keep.map(|text| whole("keep_frames", text)).transpose()?;
        let kept = |name: &str| keep.as_ref().is_some_and(|k| k.is_match(name));
        let dropped = self.matching(|name| drop.is_match(name) && !kept(name));
        let mut pruned = self.clone();
        let cuts: Vec<Cut> = pruned.locations.iter_mut().map(|l| cut_below(&mut l.lines, &dropped)).collect();
        for sample in &mut pruned.samples {
            let of_user = |i: &u32| cuts[*i as usize] == Cut::Keep;
            let Some(user) = sample.stack.iter().rposition(of_user) else { continue };
            match sample.stack[..user].iter().rposition(|i| !of_user(i)) {
                Some(at) if cuts[sample.stack[at] as usize] == Cut::Whole => {
                    drop_leaves(&mut sample.stack, at + 1)
                }
                Some(at) => drop_leaves(&mut sample.stack, at),
                None => {}
            }
        }
        Ok(pruned)
    }

    /// Drops what the lowest matching frame called, but not the frame itself.
    pub(super) fn prune_from(&mut self, from: &Regex) {
        let matches = self.matching(|name| from.is_match(name));
        let mut found = vec![false; self.locations.len()];
        for (location, found) in self.locations.iter_mut().zip(&mut found) {
            if let Some(at) = location.lines.iter().position(|l| matches[l.symbol as usize]) {
                location.lines.drain(..at);
                *found = true;
            }
        }
        for sample in &mut self.samples {
            if let Some(at) = sample.stack.iter().position(|&i| found[i as usize]) {
                drop_leaves(&mut sample.stack, at);
            }
        }
    }

    /// Which symbols have a name that matches without its arguments. Each name is looked at once.
    fn matching(&self, matches: impl Fn(&str) -> bool) -> Vec<bool> {
        let mut known: HashMap<&str, bool> = HashMap::new();
        let matched = |name| !str::is_empty(name) && matches(without_arguments(name));
        self.symbols.iter().map(|s| *known.entry(&s.name).or_insert_with_key(|name| matched(name))).collect()
    }

    /// Length of all different names.
    fn name_bytes(&self) -> usize {
        self.symbols.iter().map(|s| s.name.as_str()).collect::<HashSet<_>>().iter().map(|n| n.len()).sum()
    }
}

fn cut_below(lines: &mut Vec<super::Line>, dropped: &[bool]) -> Cut {
    let Some(at) = lines.iter().rposition(|l| dropped[l.symbol as usize]) else { return Cut::Keep };
    if at + 1 == lines.len() {
        return Cut::Whole;
    }
    lines.drain(..=at);
    Cut::Below
}

fn drop_leaves(stack: &mut Vec<u32>, count: usize) {
    stack.drain(..count);
}
