//! Filters by frame. They work place by place, as the tool's do: a hidden call is gone from every stack.

use regex::Regex;

use super::super::{Line, Location, Profile};
use super::Filter;

/// What an expression matches in the tables of a profile.
struct Matches {
    symbols: Vec<bool>,
    mappings: Vec<bool>,
}

impl Matches {
    fn of(profile: &Profile, pattern: &Regex) -> Self {
        let symbol = |s: &super::super::Symbol| pattern.is_match(&s.name) || pattern.is_match(&s.file);
        Self {
            symbols: profile.symbols.iter().map(symbol).collect(),
            mappings: profile.mappings.iter().map(|m| pattern.is_match(&m.file)).collect(),
        }
    }

    fn line(&self, line: &Line) -> bool {
        self.symbols[line.symbol as usize]
    }

    fn binary(&self, location: &Location) -> bool {
        location.mapping.is_some_and(|m| self.mappings[m as usize])
    }

    fn location(&self, location: &Location) -> bool {
        self.binary(location) || location.lines.iter().any(|l| self.line(l))
    }
}

impl Profile {
    /// `focus`, `ignore`, `hide` and `show`. Samples that have no frame left go, and so do those that never
    /// had one as soon as one of the four is set.
    pub(super) fn filter_frames(&mut self, filter: &Filter) {
        let matches = |pattern: &Option<Regex>| pattern.as_ref().map(|p| Matches::of(self, p));
        let (focus, ignore) = (matches(&filter.focus), matches(&filter.ignore));
        let (hide, show) = (matches(&filter.hide), matches(&filter.show));
        if focus.is_none() && ignore.is_none() && hide.is_none() && show.is_none() {
            return;
        }
        let all = |m: &Option<Matches>, unset| -> Vec<bool> {
            self.locations.iter().map(|l| m.as_ref().map_or(unset, |m| m.location(l))).collect()
        };
        let (focused, ignored) = (all(&focus, true), all(&ignore, false));
        let hidden: Vec<bool> = self.locations.iter_mut().map(|l| hide_lines(l, &hide, &show)).collect();
        self.samples.retain_mut(|sample| {
            let any = |set: &[bool]| sample.stack.iter().any(|&i| set[i as usize]);
            if !any(&focused) || any(&ignored) {
                return false;
            }
            sample.stack.retain(|&i| !hidden[i as usize]);
            !sample.stack.is_empty()
        });
    }

    /// Drops the frames above the first match, seen from the root, and samples without one.
    pub(super) fn show_from(&mut self, from: &Regex) {
        let matches = Matches::of(self, from);
        let found: Vec<bool> = self.locations.iter_mut().map(|l| cut_above(l, &matches)).collect();
        self.samples.retain_mut(|sample| {
            let at = sample.stack.iter().rposition(|&i| found[i as usize]);
            sample.stack.truncate(at.map_or(0, |at| at + 1));
            at.is_some()
        });
    }
}

/// Drops the calls that are hidden or not shown; whether the place is gone with them.
fn hide_lines(location: &mut Location, hide: &Option<Matches>, show: &Option<Matches>) -> bool {
    let mut hidden = false;
    if let Some(hide) = hide.as_ref().filter(|hide| hide.location(location)) {
        let all = hide.binary(location);
        location.lines.retain(|l| !all && !hide.line(l));
        hidden = location.lines.is_empty();
    }
    if let Some(show) = show {
        let all = show.binary(location);
        location.lines.retain(|l| all || show.line(l));
        hidden |= location.lines.is_empty();
    }
    hidden
}

/// Drops the calls that the outermost match at a place was inlined into; whether there is a match.
fn cut_above(location: &mut Location, matches: &Matches) -> bool {
    if matches.binary(location) {
        return true;
    }
    let Some(last) = location.lines.iter().rposition(|l| matches.line(l)) else { return false };
    location.lines.truncate(last + 1);
    true
}
