//! Sums and differences of profiles.

mod sum;

use super::headers::{check_compatible, combined};
use super::{PprofError, Profile};
pub(super) use sum::Sum;

/// Label by which the samples of a compared base are told.
pub(super) const BASE_LABEL: (&str, &str) = ("pprof::base", "true");

/// How a base is set against a profile; the values are the same, the total that percentages refer to is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// `-base`: for an earlier snapshot of the same process. The total is of what is left.
    Subtracted,
    /// `-diff_base`: for another run. The total is the base's, told by the label `pprof::base`.
    Compared,
}

/// Adds profiles up, as `go tool pprof a b` does: samples of equal stacks and labels become one, lengths
/// add up, the earliest start and the longest period stay, samples that are all zero go.
///
/// Stacks are equal if their places are, also when another run has the binary at another address. Unlike the
/// tool, which adds up the types that all profiles have, this asks for equal types.
///
/// # Errors
/// [`PprofError::Empty`] without profiles, [`PprofError::Incompatible`] if they do not count the same.
pub fn merge<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Result<Profile, PprofError> {
    let profiles: Vec<&Profile> = profiles.into_iter().collect();
    let mut sum = Sum::new(combined(&profiles)?);
    profiles.iter().for_each(|p| sum.add(p, 1));
    Ok(sum.finish())
}

/// What came on top of `earlier` until `later`, two snapshots of a cumulative profile (Go's mutex, block and
/// the `alloc_*` values of heap) of the *same* process: values of equal stacks and labels are subtracted.
///
/// The result starts at the earlier snapshot and is as long as the time between both. [`super::went_back`]
/// tells whether the process started again in between; `inuse_*` values may well fall.
///
/// # Errors
/// [`PprofError::Incompatible`] if they do not count the same.
pub fn delta(later: &Profile, earlier: &Profile) -> Result<Profile, PprofError> {
    let mut delta = diff(later, earlier, Base::Subtracted, false)?;
    let both_timed = later.time_nanos > 0 && earlier.time_nanos > 0;
    delta.time_nanos = earlier.time_nanos;
    delta.duration_nanos =
        if both_timed { later.time_nanos.saturating_sub(earlier.time_nanos).max(0) } else { 0 };
    Ok(delta)
}

/// `profile` less `base`, as `go tool pprof -base` and `-diff_base` do it. With `normalize` the profile is
/// first scaled so that each of its totals is the base's, and what is left is a change of shares.
///
/// Lengths add up, as the tool has it: the length of the result is no wall time.
///
/// # Errors
/// [`PprofError::Incompatible`] if they do not count the same.
pub fn diff(profile: &Profile, base: &Profile, how: Base, normalize: bool) -> Result<Profile, PprofError> {
    let mut sum = Sum::new(combined(&[profile, base])?);
    if normalize {
        sum.add(&normalized(profile, base)?, 1);
    } else {
        sum.add(profile, 1);
    }
    match how {
        Base::Subtracted => sum.add(base, -1),
        Base::Compared => sum.add(&labelled(base), -1),
    }
    Ok(sum.finish())
}

/// The samples of `profile` with each value scaled to the base's total of its type.
fn normalized(profile: &Profile, base: &Profile) -> Result<Profile, PprofError> {
    check_compatible(profile, base)?;
    let ratio = |i| match profile.total(i) {
        0 => 0.0,
        own => base.total(i) as f64 / own as f64,
    };
    let ratios: Vec<f64> = (0..profile.sample_types.len()).map(ratio).collect();
    let mut scaled = profile.clone();
    if ratios.iter().all(|&r| r == 1.0) {
        return Ok(scaled);
    }
    // The tool keeps a sample only for a value that it scaled, even if one that stays is not zero.
    scaled.samples.retain_mut(|sample| {
        let mut keep = false;
        for (value, &ratio) in sample.values.iter_mut().zip(&ratios).filter(|(_, r)| **r != 1.0) {
            *value = (*value as f64 * ratio).round() as i64;
            keep |= *value != 0;
        }
        keep
    });
    Ok(scaled)
}

/// A copy whose samples carry the label of a base.
fn labelled(base: &Profile) -> Profile {
    let mut base = base.clone();
    let (key, value) = BASE_LABEL;
    for sample in &mut base.samples {
        sample.labels.retain(|(k, _)| k != key);
        sample.labels.push((key.to_owned(), value.to_owned()));
    }
    base
}
