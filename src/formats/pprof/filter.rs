//! The filters of `go tool pprof`, under its names.

mod frames;

use regex::{Regex, RegexBuilder};

use super::tags::TagFilter;
use super::{PprofError, Profile};

/// Largest compiled expression, in bytes: expressions come from scenarios and from files.
const MAX_PATTERN: usize = 1 << 20;
/// Longest expression as text.
const MAX_TEXT: usize = 1 << 16;

/// Which samples, frames and labels of a profile stay. An unset filter lets everything pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    focus: Option<Regex>,
    ignore: Option<Regex>,
    hide: Option<Regex>,
    show: Option<Regex>,
    show_from: Option<Regex>,
    prune_from: Option<Regex>,
    tag_focus: Option<TagFilter>,
    tag_ignore: Option<TagFilter>,
    tag_show: Option<Regex>,
    tag_hide: Option<Regex>,
}

impl Filter {
    /// A filter of options as `go tool pprof` has them, e.g. `[("focus", "json"), ("tagfocus", "bytes=1kb:")]`.
    ///
    /// | option | keeps |
    /// |---|---|
    /// | `focus` | samples with a frame that matches |
    /// | `ignore` | samples without one |
    /// | `hide` | frames that do not match |
    /// | `show` | frames that match |
    /// | `show_from` | frames from the first one, seen from the root, that matches |
    /// | `prune_from` | frames down to the last one, seen from the root, that matches |
    /// | `tagfocus`, `tagignore` | samples with, without such a label: `regex`, `key=regex`, or `key=range` of numbers: `32kb`, `:64kb`, `4mb:`, `12kb:64mb` |
    /// | `tagshow`, `taghide` | labels whose keys match, do not match |
    ///
    /// Frames match by function name, source file or binary. Empty texts are unset. Expressions are those of
    /// the `regex` crate, which has `\d`, `\w`, `\s` and `\b` for all of Unicode and no `\Q`.
    ///
    /// # Errors
    /// [`PprofError::UnknownFilter`], or [`PprofError::Pattern`] if a text is no expression or too large a one.
    pub fn of<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PprofError> {
        let mut filter = Self::default();
        for (option, text) in options {
            filter.set(option, text)?;
        }
        Ok(filter)
    }

    fn set(&mut self, option: &str, text: &str) -> Result<(), PprofError> {
        let tags = match option {
            "tagfocus" => Some(&mut self.tag_focus),
            "tagignore" => Some(&mut self.tag_ignore),
            _ => None,
        };
        if let Some(tags) = tags {
            *tags = if text.is_empty() { None } else { Some(TagFilter::parse(option, text)?) };
            return Ok(());
        }
        let frames = match option {
            "focus" => &mut self.focus,
            "ignore" => &mut self.ignore,
            "hide" => &mut self.hide,
            "show" => &mut self.show,
            "show_from" => &mut self.show_from,
            "prune_from" => &mut self.prune_from,
            "tagshow" => &mut self.tag_show,
            "taghide" => &mut self.tag_hide,
            _ => return Err(PprofError::UnknownFilter(option.to_owned())),
        };
        *frames = if text.is_empty() { None } else { Some(pattern(option, text)?) };
        Ok(())
    }
}

impl Profile {
    /// What the filter leaves, applied in the order of `go tool pprof`: frames, `show_from`, labels of
    /// samples, shown labels, `prune_from`.
    #[must_use]
    pub fn filtered(&self, filter: &Filter) -> Self {
        let units = self.number_units();
        let mut left = self.clone();
        left.filter_frames(filter);
        if let Some(show_from) = &filter.show_from {
            left.show_from(show_from);
        }
        left.samples.retain(|sample| {
            let focused = filter.tag_focus.as_ref().is_none_or(|tags| tags.matches(sample, &units));
            focused && !filter.tag_ignore.as_ref().is_some_and(|tags| tags.matches(sample, &units))
        });
        left.filter_labels(filter);
        if let Some(prune_from) = &filter.prune_from {
            left.prune_from(prune_from);
        }
        left
    }

    fn filter_labels(&mut self, filter: &Filter) {
        let stays = |key: &str| {
            let shown = filter.tag_show.as_ref().is_none_or(|show| show.is_match(key));
            shown && !filter.tag_hide.as_ref().is_some_and(|hide| hide.is_match(key))
        };
        for sample in &mut self.samples {
            sample.labels.retain(|(key, _)| stays(key));
            sample.numbers.retain(|n| stays(&n.key));
        }
    }
}

/// Compiles an expression of bounded size.
pub(super) fn pattern(option: &str, text: &str) -> Result<Regex, PprofError> {
    pattern_within(option, text, MAX_PATTERN)
}

/// Compiles an expression that takes at most `size` bytes.
pub(super) fn pattern_within(option: &str, text: &str, size: usize) -> Result<Regex, PprofError> {
    // Even to read it takes a hundred times its length.
    let compiled = if text.len() > MAX_TEXT {
        Err(format!("it is longer than {MAX_TEXT} bytes"))
    } else {
        RegexBuilder::new(text).size_limit(size).dfa_size_limit(size).build().map_err(|e| e.to_string())
    };
    compiled.map_err(|problem| PprofError::Pattern {
        option: option.to_owned(),
        text: text.chars().take(100).collect(),
        problem,
    })
}
