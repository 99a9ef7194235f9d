//! What a sum of profiles says about itself.

use std::collections::HashSet;

use super::{PprofError, Profile};

/// A profile without samples and tables that says what the sum of `profiles` says: lengths add up, the
/// earliest start and the longest period stay, comments are kept once, the rest is from the first that has it.
///
/// # Errors
/// [`PprofError::Empty`] without profiles, [`PprofError::Incompatible`] if they do not count the same.
pub(super) fn combined(profiles: &[&Profile]) -> Result<Profile, PprofError> {
    let first = profiles.first().ok_or(PprofError::Empty)?;
    for other in profiles {
        check_compatible(first, other)?;
    }
    let text = |of: fn(&Profile) -> &String| {
        profiles.iter().map(|p| of(p)).find(|t| !t.is_empty()).cloned().unwrap_or_default()
    };
    let mut seen = HashSet::new();
    let comments = profiles.iter().flat_map(|p| &p.comments).filter(|c| seen.insert(c.as_str()));
    Ok(Profile {
        sample_types: first.sample_types.clone(),
        default_sample_type: text(|p| &p.default_sample_type),
        drop_frames: first.drop_frames.clone(),
        keep_frames: first.keep_frames.clone(),
        comments: comments.cloned().collect(),
        doc_url: text(|p| &p.doc_url),
        // 0 stands for "not given".
        time_nanos: profiles.iter().map(|p| p.time_nanos).filter(|&t| t != 0).min().unwrap_or(0),
        duration_nanos: profiles.iter().fold(0, |sum: i64, p| sum.saturating_add(p.duration_nanos)),
        period_type: first.period_type.clone(),
        period: profiles.iter().map(|p| p.period).max().unwrap_or(0),
        ..Profile::default()
    })
}

impl Profile {
    /// A copy without samples and tables.
    pub(super) fn headers(&self) -> Self {
        Self {
            sample_types: self.sample_types.clone(),
            default_sample_type: self.default_sample_type.clone(),
            drop_frames: self.drop_frames.clone(),
            keep_frames: self.keep_frames.clone(),
            comments: self.comments.clone(),
            doc_url: self.doc_url.clone(),
            period_type: self.period_type.clone(),
            time_nanos: self.time_nanos,
            duration_nanos: self.duration_nanos,
            period: self.period,
            ..Self::default()
        }
    }
}

/// Whether values of both may be added.
pub(super) fn check_compatible(a: &Profile, b: &Profile) -> Result<(), PprofError> {
    if a.sample_types == b.sample_types && a.period_type == b.period_type {
        return Ok(());
    }
    let kinds = |p: &Profile| p.sample_types.iter().map(|t| t.kind.clone()).collect::<Vec<_>>();
    Err(PprofError::Incompatible(kinds(a), kinds(b)))
}
