//! Sums and differences of profiles.

use std::collections::HashMap;

use super::{Frame, PprofError, Profile, Sample};

/// Adds profiles up, as `go tool pprof a b` does: samples of equal stacks and labels become one, lengths
/// add up, the earliest start and the longest period stay, samples that are all zero go.
///
/// # Errors
/// [`PprofError::Empty`] without profiles, [`PprofError::Incompatible`] if they do not count the same.
pub fn merge<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Result<Profile, PprofError> {
    let mut profiles = profiles.into_iter();
    let first = profiles.next().ok_or(PprofError::Empty)?;
    let mut sum = Sum::new(first);
    sum.add(first, 1)?;
    let (mut start, mut length, mut period) = (first.time_nanos, first.duration_nanos, first.period);
    for profile in profiles {
        sum.add(profile, 1)?;
        // 0 stands for "not given".
        start = match (start, profile.time_nanos) {
            (0, t) | (t, 0) => t,
            (a, b) => a.min(b),
        };
        length = length.saturating_add(profile.duration_nanos);
        period = period.max(profile.period);
    }
    let mut merged = sum.finish();
    (merged.time_nanos, merged.duration_nanos, merged.period) = (start, length, period);
    Ok(merged)
}

/// What came on top of `earlier` until `later`, two snapshots of a cumulative profile (Go's mutex, block and
/// the `alloc_*` values of heap) of the *same* process: values of equal stacks and labels are subtracted.
///
/// The result starts at the earlier snapshot and is as long as the time between both. A negative value of a
/// cumulative type tells that the process started again in between; `inuse_*` values may well fall.
///
/// # Errors
/// [`PprofError::Incompatible`] if they do not count the same.
pub fn delta(later: &Profile, earlier: &Profile) -> Result<Profile, PprofError> {
    let mut sum = Sum::new(later);
    sum.add(later, 1)?;
    sum.add(earlier, -1)?;
    let mut delta = sum.finish();
    let both_timed = later.time_nanos > 0 && earlier.time_nanos > 0;
    delta.time_nanos = earlier.time_nanos;
    delta.duration_nanos =
        if both_timed { later.time_nanos.saturating_sub(earlier.time_nanos).max(0) } else { 0 };
    Ok(delta)
}

/// What makes samples of several profiles the same one.
type Key = (Vec<u32>, Vec<(String, String)>);

struct Sum {
    profile: Profile,
    frames: HashMap<Frame, u32>,
    samples: HashMap<Key, usize>,
}

impl Sum {
    /// An empty sum that counts what `like` counts.
    fn new(like: &Profile) -> Self {
        let profile = Profile {
            sample_types: like.sample_types.clone(),
            default_sample_type: like.default_sample_type.clone(),
            period_type: like.period_type.clone(),
            period: like.period,
            frames: Vec::new(),
            samples: Vec::new(),
            time_nanos: 0,
            duration_nanos: 0,
        };
        Self { profile, frames: HashMap::new(), samples: HashMap::new() }
    }

    fn add(&mut self, other: &Profile, factor: i64) -> Result<(), PprofError> {
        if other.sample_types != self.profile.sample_types || other.period_type != self.profile.period_type {
            let kinds = |p: &Profile| p.sample_types.iter().map(|t| t.kind.clone()).collect::<Vec<_>>();
            return Err(PprofError::Incompatible(kinds(&self.profile), kinds(other)));
        }
        let frames: Vec<u32> = other.frames.iter().map(|f| self.intern(f)).collect();
        for sample in &other.samples {
            let stack: Vec<u32> = sample.stack.iter().map(|&i| frames[i as usize]).collect();
            let mut labels = sample.labels.clone();
            labels.sort();
            let next = self.profile.samples.len();
            let i = *self.samples.entry((stack, labels)).or_insert_with_key(|(stack, _)| {
                let values = vec![0; sample.values.len()];
                let labels = sample.labels.clone();
                self.profile.samples.push(Sample { stack: stack.clone(), values, labels });
                next
            });
            let sums = &mut self.profile.samples[i].values;
            for (sum, value) in sums.iter_mut().zip(&sample.values) {
                *sum = sum.saturating_add(value.saturating_mul(factor));
            }
        }
        Ok(())
    }

    fn intern(&mut self, frame: &Frame) -> u32 {
        if let Some(&i) = self.frames.get(frame) {
            return i;
        }
        let i = u32::try_from(self.profile.frames.len()).expect("profiles in memory have fewer frames");
        self.frames.insert(frame.clone(), i);
        self.profile.frames.push(frame.clone());
        i
    }

    fn finish(mut self) -> Profile {
        self.profile.samples.retain(|s| s.values.iter().any(|&v| v != 0));
        self.profile
    }
}
