//! Variables: which are known where, and what to say about one that is not.

use std::collections::BTreeSet;

use super::super::scalar::Span;
use super::super::suggest::nearest;
use super::super::text::{Builtin, Part, is_plain_name, parts};
use super::Check;

/// Most names that a message lists.
const MAX_LISTED: usize = 20;

/// A feeder's columns; unknown where its file is wrong.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) feeder: String,
    pub(super) columns: Option<Vec<String>>,
}

/// The variables that are known at a place.
#[derive(Clone, Debug)]
pub(super) struct Scope<'f> {
    /// None: records are given to journeys only.
    pub(super) feeders: Option<&'f [Columns]>,
    /// What was extracted before.
    pub(super) extracted: BTreeSet<String>,
}

/// A text with variables and its place.
pub(super) type Text = (String, Span);

impl Scope<'_> {
    /// What is wrong with a variable at this place, and what to do.
    fn problem(&self, name: &str) -> Option<String> {
        match name.split_once('.') {
            Some((feeder, column)) => self.feeder_problem(feeder, column),
            None => (!self.extracted.contains(name)).then(|| self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let builtins = Builtin::ALL.into_iter().map(|(builtin, _)| builtin);
        let known: Vec<&str> = self.extracted.iter().map(String::as_str).chain(builtins).collect();
        format!(
            "nothing gives ${{{name}}} here: {}known here are {}. Extract it in an earlier step or in \
             [[setup]], or write $${{{name}}} for the text itself",
            meant(name, &known),
            listed(&known)
        )
    }

    fn feeder_problem(&self, feeder: &str, column: &str) -> Option<String> {
        let itself = format!("or write $${{{feeder}.{column}}} for the text itself");
        let Some(feeders) = self.feeders else {
            return Some(format!(
                "${{{feeder}.{column}}} is a column of a feeder, and records are given to journeys only: use \
                 a value of [[setup]], {itself}"
            ));
        };
        let Some(known) = feeders.iter().find(|f| f.feeder == feeder) else {
            let names: Vec<&str> = feeders.iter().map(|f| f.feeder.as_str()).collect();
            return Some(format!(
                "there is no feeder `{feeder}`: {}write [[feeder]] with name = \"{feeder}\", {itself}",
                meant(feeder, &names)
            ));
        };
        let columns: Vec<&str> = known.columns.as_ref()?.iter().map(String::as_str).collect();
        if columns.contains(&column) {
            return None;
        }
        // Perhaps a record: nobody shall read a password in an error.
        if !columns.iter().copied().all(is_plain_name) {
            return Some(format!(
                "feeder `{feeder}` has no column `{column}`: the first line of its file must name the columns, \
                 and not all of its {} cells look like names",
                columns.len()
            ));
        }
        Some(format!(
            "feeder `{feeder}` has no column `{column}`: {}its columns are {}",
            meant(column, &columns),
            listed(&columns)
        ))
    }
}

fn meant(word: &str, known: &[&str]) -> String {
    nearest(word, known.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`? "))
}

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

impl Check<'_, '_> {
    /// Notes a text that is sent, or held against an answer, to be judged by [`Self::judge`].
    pub(super) fn note_text(&mut self, text: &str, span: &Span) {
        if super::super::text::has_variables(text) {
            self.texts.push((text.to_owned(), span.clone()));
        }
    }

    /// Notes each variable of the texts that is not known in `scope`; `whose` names the request that sends
    /// texts which are not its own. A finished run sends nothing any more, and earlier versions sent
    /// variables as they stood, so then nothing is wrong.
    pub(super) fn judge(&mut self, texts: &[Text], scope: &Scope<'_>, whose: Option<&str>) {
        if self.around.policy == super::super::env::EnvPolicy::Keep {
            return;
        }
        for (text, span) in texts {
            let names: BTreeSet<String> = parts(text)
                .into_iter()
                .filter_map(|part| if let Part::Variable(name) = part { Some(name) } else { None })
                .collect();
            for problem in names.iter().filter_map(|name| scope.problem(name)) {
                // The target's texts go with every request: once is enough.
                if whose.is_some() && self.findings.is_within(span) {
                    continue;
                }
                match whose {
                    Some(name) => {
                        self.findings.value(span, format_args!("{problem} (it goes with {name:?} too)"));
                    }
                    None => self.findings.value(span, problem),
                }
            }
        }
    }
}
