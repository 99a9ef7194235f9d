//! Samples of several profiles over common tables.

use std::collections::HashMap;

use super::super::{Line, Location, Mapping, Number, Profile, Sample, Symbol};

/// What makes samples of several profiles the same one.
type SampleKey = (Vec<u32>, Vec<(String, String)>, Vec<Number>);

/// What makes mappings of several processes the same binary: its size in pages, its place in the file, and
/// the build, or the file if the build is not known.
type MappingKey = (u64, u64, String);

/// A location with its address relative to its mapping, which lies elsewhere in another process.
type LocationKey = Location;

pub(in super::super) struct Sum {
    profile: Profile,
    mappings: HashMap<MappingKey, u32>,
    symbols: HashMap<Symbol, u32>,
    locations: HashMap<LocationKey, u32>,
    samples: HashMap<SampleKey, usize>,
}

/// Where the tables of a profile went.
struct Moved {
    symbols: Vec<Option<u32>>,
    locations: Vec<Option<u32>>,
}

impl Sum {
    /// An empty sum under these headers.
    pub(in super::super) fn new(headers: Profile) -> Self {
        let (mappings, symbols) = (HashMap::new(), HashMap::new());
        Self { profile: headers, mappings, symbols, locations: HashMap::new(), samples: HashMap::new() }
    }

    /// Adds the samples of `other`, times `factor`. Tables hold what samples use, and nothing else.
    pub(in super::super) fn add(&mut self, other: &Profile, factor: i64) {
        self.add_samples(other, other.samples.iter(), factor);
    }

    /// Adds some samples of `other`, times `factor`.
    pub(in super::super) fn add_samples<'a>(
        &mut self,
        other: &Profile,
        samples: impl Iterator<Item = &'a Sample>,
        factor: i64,
    ) {
        // The first mapping stands for the main binary, whichever sample comes first.
        if let (true, Some(main)) = (self.profile.mappings.is_empty(), other.mappings.first()) {
            self.mapping(main);
        }
        let mut moved =
            Moved { symbols: vec![None; other.symbols.len()], locations: vec![None; other.locations.len()] };
        for sample in samples.filter(|s| !s.is_zero()) {
            let stack = sample.stack.iter().map(|&i| self.location(other, i, &mut moved)).collect();
            self.add_sample(stack, sample, factor);
        }
    }

    /// The sum without samples that are all zero, and without what only they used.
    pub(in super::super) fn finish(self) -> Profile {
        if !self.profile.samples.iter().any(Sample::is_zero) {
            return self.profile;
        }
        let mut compact = Self::new(self.profile.headers());
        compact.add(&self.profile, 1);
        compact.profile
    }

    fn add_sample(&mut self, stack: Vec<u32>, sample: &Sample, factor: i64) {
        // Labels of one key keep their order, as it is theirs; keys have none.
        let mut labels = sample.labels.clone();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        let mut numbers = sample.numbers.clone();
        numbers.sort_by(|a, b| a.key.cmp(&b.key));
        let next = self.profile.samples.len();
        let i = *self.samples.entry((stack, labels, numbers)).or_insert_with_key(|(stack, ..)| {
            let (labels, numbers) = (sample.labels.clone(), sample.numbers.clone());
            let values = vec![0; sample.values.len()];
            self.profile.samples.push(Sample { stack: stack.clone(), values, labels, numbers });
            next
        });
        for (sum, value) in self.profile.samples[i].values.iter_mut().zip(&sample.values) {
            *sum = sum.saturating_add(value.saturating_mul(factor));
        }
    }

    fn location(&mut self, other: &Profile, index: u32, moved: &mut Moved) -> u32 {
        if let Some(i) = moved.locations[index as usize] {
            return i;
        }
        let from = &other.locations[index as usize];
        let source = from.mapping.map(|m| &other.mappings[m as usize]);
        let mapping = source.map(|m| self.mapping(m));
        let start = |i: u32| self.profile.mappings[i as usize].start;
        let inside = from.address.wrapping_sub(source.map_or(0, |m| m.start));
        let address = inside.wrapping_add(mapping.map_or(0, start));
        let line = |l: &Line| Line { symbol: self.symbol(other, l.symbol, moved), ..*l };
        let lines = from.lines.iter().map(line).collect();
        let key = Location { mapping, address: inside, lines, folded: from.folded };
        let next = u32::try_from(self.profile.locations.len()).expect("fewer than samples name");
        let i = *self.locations.entry(key).or_insert_with_key(|key| {
            self.profile.locations.push(Location { address, ..key.clone() });
            next
        });
        moved.locations[index as usize] = Some(i);
        i
    }

    fn symbol(&mut self, other: &Profile, index: u32, moved: &mut Moved) -> u32 {
        if let Some(i) = moved.symbols[index as usize] {
            return i;
        }
        let symbol = &other.symbols[index as usize];
        let next = u32::try_from(self.profile.symbols.len()).expect("fewer than locations name");
        let i = *self.symbols.entry(symbol.clone()).or_insert_with(|| {
            self.profile.symbols.push(symbol.clone());
            next
        });
        moved.symbols[index as usize] = Some(i);
        i
    }

    fn mapping(&mut self, mapping: &Mapping) -> u32 {
        const PAGE: u64 = 0x1000;
        let pages = mapping.limit.wrapping_sub(mapping.start).div_ceil(PAGE);
        let build = if mapping.build_id.is_empty() { &mapping.file } else { &mapping.build_id };
        let next = u32::try_from(self.profile.mappings.len()).expect("fewer than locations name");
        *self.mappings.entry((pages, mapping.offset, build.clone())).or_insert_with(|| {
            self.profile.mappings.push(mapping.clone());
            next
        })
    }
}
