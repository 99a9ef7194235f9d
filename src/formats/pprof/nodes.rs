//! Functions as the rows of a view: all places of one name are one node.

use std::collections::HashMap;

use super::{Profile, Sample};

/// The nodes of a profile, and which of them each location stands for.
pub(super) struct Nodes<'a> {
    pub(super) names: Vec<&'a str>,
    /// By location, innermost call first.
    at: Vec<Box<[u32]>>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of(profile: &'a Profile) -> Self {
        let mut index: HashMap<&str, u32> = HashMap::new();
        let mut names = Vec::new();
        let mut node = |name| {
            *index.entry(name).or_insert_with(|| {
                names.push(name);
                u32::try_from(names.len() - 1).expect("fewer names than places")
            })
        };
        let at = profile.locations.iter().map(|l| profile.names_at(l).map(&mut node).collect()).collect();
        Self { names, at }
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
