//! Functions as the rows of a view: all places of one name are one node.

use std::collections::HashMap;

use super::model::UNKNOWN;
use super::{Line, Location, Profile, Sample};

/// The nodes of a profile, and which of them each location stands for.
pub(super) struct Nodes<'a> {
    pub(super) names: Vec<&'a str>,
    /// By location, innermost call first.
    at: Vec<Box<[u32]>>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        let mut names = Names::default();
        // By symbol, and by line only through it: a hostile file names one long name from millions of lines.
        let of_symbol: Vec<Option<u32>> = profile
            .symbols
            .iter()
            .map(|s| Some(s.name.as_str()).filter(|name| !name.is_empty()).map(|name| names.node(name)))
            .collect();
        let of_binary: Vec<u32> = profile.mappings.iter().map(|m| names.node(m.shown())).collect();
        let unknown = names.node(UNKNOWN);
        let node = |l: &Location, line: Option<&Line>| {
            let unnamed = || l.mapping.map_or(unknown, |m| of_binary[m as usize]);
            line.and_then(|line| of_symbol[line.symbol as usize]).unwrap_or_else(unnamed)
        };
        let at = profile.locations.iter().map(|l| match l.lines.as_slice() {
            [] => Box::from([node(l, None)]),
            lines => lines.iter().map(|line| node(l, Some(line))).collect(),
        });
        Self { at: at.collect(), names: names.list }
    }

    /// Nodes of a sample's frames, leaf first, and whether each call was inlined into the next.
    pub(super) fn frames(&self, sample: &Sample) -> impl DoubleEndedIterator<Item = (u32, bool)> {
        sample.stack.iter().flat_map(|&i| {
            let at = &self.at[i as usize];
            let outermost = at.len() - 1;
            at.iter().enumerate().map(move |(depth, &node)| (node, depth != outermost))
        })
    }
}

/// Distinct names in the order of their first use.
#[derive(Default)]
struct Names<'a> {
    index: HashMap<&'a str, u32>,
    list: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn node(&mut self, name: &'a str) -> u32 {
        *self.index.entry(name).or_insert_with(|| {
            self.list.push(name);
            u32::try_from(self.list.len() - 1).expect("fewer names than functions and binaries")
        })
    }
}
