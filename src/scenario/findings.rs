//! Collects what is wrong while a scenario is checked.

use std::fmt::Display;

use super::error::{MAX_PROBLEMS, Origin, Problem, ScenarioError};
use super::scalar::{Checked, Span};
use super::secret::{is_secret, looks_secret, mask_override, mask_within};
use super::source::{Place, Source, Tree, path_of};

/// Characters of a found value that a message shows.
const MAX_FOUND: usize = 60;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    span: Span,
    message: String,
    about: About,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The file as a whole.
    File,
    /// A key or a table.
    Place,
    /// A value, to be shown.
    Value,
}

impl Findings {
    /// Something is wrong with the file as a whole.
    pub(super) fn file(&mut self, message: impl Display) {
        self.push(0..0, message, About::File);
    }

    /// Something is wrong with the value at `span`.
    pub(super) fn value(&mut self, span: &Span, message: impl Display) {
        self.push(span.clone(), message, About::Value);
    }

    /// Something is wrong with the key or table at `span`.
    pub(super) fn place(&mut self, span: &Span, message: impl Display) {
        self.push(span.clone(), message, About::Place);
    }

    fn push(&mut self, span: Span, message: impl Display, about: About) {
        self.0.push(Finding { span, message: message.to_string(), about });
    }

    /// The value and its place; nothing if it is absent or was found wrong.
    pub(super) fn take<T>(&mut self, checked: Option<Checked<T>>) -> Option<(T, Span)> {
        let checked = checked?;
        match checked.value {
            Ok(value) => Some((value, checked.span)),
            Err(message) => {
                self.value(&checked.span, message);
                None
            }
        }
    }

    /// The value, or `default` where it is absent; a wrong value is noted and `default` stands in for it.
    pub(super) fn take_or<T>(&mut self, checked: Option<Checked<T>>, default: T) -> T {
        self.take(checked).map_or(default, |(value, _)| value)
    }

    /// Whether nothing was found.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was found inside `span` already, so that what follows from it need not be told.
    pub(super) fn is_within(&self, span: &Span) -> bool {
        self.0.iter().any(|f| f.about != About::File && span.start <= f.span.start && f.span.end <= span.end)
    }

    /// Makes the error that is shown, in the order of the file.
    pub(super) fn into_error(mut self, source: &Source, tree: &Tree<'_>) -> ScenarioError {
        self.0.sort_by_key(|f| f.span.start);
        let more = self.0.len().saturating_sub(MAX_PROBLEMS);
        let problems = self.0.into_iter().take(MAX_PROBLEMS).map(|f| f.into_problem(source, tree)).collect();
        ScenarioError { problems, more }
    }
}

impl Finding {
    fn into_problem(self, source: &Source, tree: &Tree<'_>) -> Problem {
        if self.about == About::File {
            let origin = Origin::File { file: source.file.clone() };
            return Problem { origin, key: String::new(), found: String::new(), message: self.message };
        }
        let key = path_of(tree, &self.span);
        let secret = is_secret(key.split('.').map(|key| key.trim_matches('"'))) || is_address(&key);
        let origin = match source.place(&self.span) {
            Place::Override(text) => Origin::Override(mask_override(text)),
            Place::File { line, column, text, width } => {
                // A line without a path (it is not TOML) or with several keys may hold a secret as well.
                let hidden = secret || looks_secret(text) || mask_within(text) != text;
                let text = if hidden { String::new() } else { text.to_owned() };
                Origin::Line { file: source.file.clone(), line, column, width, text }
            }
        };
        // An override shows its value itself.
        let shows_value = self.about == About::Value && !secret && matches!(origin, Origin::Line { .. });
        let found = if shows_value { shorten(&mask_within(source.slice(&self.span))) } else { String::new() };
        Problem { origin, key, found, message: self.message }
    }
}

/// Addresses of proxies and databases: one that is not understood may hold credentials anywhere.
fn is_address(key: &str) -> bool {
    key == "target.proxy"
        || key.ends_with(".dsn")
        || (key.starts_with("evidence.redis") && key.ends_with(".url"))
}

fn shorten(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    if line.len() == value.len() && line.chars().count() <= MAX_FOUND {
        return line.to_owned();
    }
    line.chars().take(MAX_FOUND).chain("...".chars()).collect()
}
