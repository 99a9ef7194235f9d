//! Parts of a profile by label: one per endpoint, tenant or trace.

use std::collections::BTreeMap;

use super::combine::Sum;
use super::{Profile, Sample};

impl Profile {
    /// Samples by their value of the string label `key`; those without it under `None`. Values of their sums
    /// are what `go tool pprof -tags` prints, and a part made with [`Profile::part`] is what `-tagfocus` of
    /// that value shows. A sample with several values of the label is in the part of each.
    #[must_use]
    pub fn by_label(&self, key: &str) -> BTreeMap<Option<&str>, Vec<&Sample>> {
        let mut parts: BTreeMap<Option<&str>, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let values = sample.labels.iter().filter(|(k, _)| k == key).map(|(_, v)| Some(v.as_str()));
            let mut any = false;
            for value in values {
                parts.entry(value).or_default().push(sample);
                any = true;
            }
            if !any {
                parts.entry(None).or_default().push(sample);
            }
        }
        parts
    }

    /// A profile of some of the samples of this one, with only the places that they name: as large as they
    /// are, so that many parts together are not much larger than the whole.
    ///
    /// # Panics
    /// If a sample is of a profile with more places than this one.
    #[must_use]
    pub fn part(&self, samples: &[&Sample]) -> Self {
        let mut sum = Sum::new(self.headers());
        sum.add_samples(self, samples.iter().copied(), 1);
        sum.finish()
    }
}
