//! From text to the wire types: syntax, overrides, environment, unknown keys.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::env::{self, EnvPolicy};
use super::error::ScenarioError;
use super::findings::Findings;
use super::scalar::Span;
use super::source::{Source, Tree};
use super::suggest::nearest;
use super::{Scenario, check, overrides, wire};

/// Largest scenario file.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// What checking needs besides the text.
pub(super) struct Surroundings<'a> {
    /// Folder that relative files are looked up in.
    pub(super) base_dir: &'a std::path::Path,
    /// What to do about missing variables and files.
    pub(super) policy: EnvPolicy,
    /// The environment.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Parses and checks; also returns the text for the run folder.
pub(super) fn parse(source: &Source, around: &Surroundings<'_>) -> Result<(Scenario, String), ScenarioError> {
    let mut findings = Findings::default();
    let mut tree = DeTable::parse(source.text()).map_err(|e| syntax_error(source, &e))?;
    overrides::apply(&mut tree, source, &mut findings);
    let copy = env::fill(&mut tree, source, around.policy, around.env, &mut findings);
    let scenario =
        read(&tree, &mut findings).map(|file| check::scenario(file, source, around, &mut findings));
    match scenario {
        Some(Some(scenario)) if findings.is_empty() => Ok((scenario, copy)),
        _ => Err(findings.into_error(source, &tree)),
    }
}

fn syntax_error(source: &Source, error: &toml::de::Error) -> ScenarioError {
    let mut findings = Findings::default();
    let span = error.span().unwrap_or(0..0);
    findings.place(&span, format!("this is not TOML: {}", error.message().replace('\n', ", ")));
    findings.into_error(source, &Spanned::new(0..0, DeTable::new()))
}

/// Reads the wire types. serde stops at the first key it does not know; such a key is noted, taken out of a
/// copy of the tree, and reading begins again, so that one pass names them all.
fn read(tree: &Tree<'_>, findings: &mut Findings) -> Option<wire::Scenario> {
    let mut tree = tree.clone();
    for _ in 0..=super::error::MAX_PROBLEMS {
        let error = match wire::Scenario::deserialize(Deserializer::from(tree.clone())) {
            Ok(file) => return Some(file),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let Some(unknown) = UnknownKey::of(error.message()) else {
            match humane(error.message()) {
                // The text of a table is only its header.
                message if message.starts_with("is a table") => findings.place(&span, message),
                message => findings.value(&span, message),
            }
            return None;
        };
        findings.place(&span, unknown.message());
        if !remove_key(tree.get_mut(), &span) {
            return None;
        }
    }
    None
}

/// What serde says about a key it does not know: "unknown field `x`, expected one of `a`, `b`".
struct UnknownKey<'m> {
    key: &'m str,
    known: Vec<&'m str>,
}

impl<'m> UnknownKey<'m> {
    fn of(message: &'m str) -> Option<Self> {
        let mut quoted = message.strip_prefix("unknown field `")?.split('`');
        let key = quoted.next()?;
        Some(Self { key, known: quoted.skip(1).step_by(2).collect() })
    }

    fn message(&self) -> String {
        let known = self.known.join(", ");
        match nearest(self.key, self.known.iter().copied()) {
            Some(meant) => format!("there is no such key: did you mean `{meant}`? Known here: {known}"),
            None => format!("there is no such key: known here are {known}"),
        }
    }
}

/// serde's words in those of the file's author.
fn humane(message: &str) -> String {
    let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return message.to_owned();
    };
    let found = match found.split(' ').next().unwrap_or_default() {
        "map" => "a table",
        "sequence" => "an array",
        "string" => "a string",
        "integer" => "an integer",
        "floating" => "a number",
        _ => found,
    };
    match expected {
        "a sequence" => format!("is {found}, not an array: put it in brackets, [..] (tables: [[..]])"),
        "a map" | "a table" => {
            format!("is {found}, not a table: write it as a [section] or as {{ key = value }}")
        }
        other => format!("is {found}: expected {other}"),
    }
}

fn remove_key(table: &mut DeTable<'_>, span: &Span) -> bool {
    let found = table.keys().find(|key| key.span() == *span).map(|key| key.get_ref().to_string());
    found.is_some_and(|key| table.remove(key.as_str()).is_some())
        || table.iter_mut().any(|(_, value)| remove_in_value(value, span))
}

fn remove_in_value(value: &mut Spanned<DeValue<'_>>, span: &Span) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => remove_key(table, span),
        DeValue::Array(items) => items.iter_mut().any(|item| remove_in_value(item, span)),
        _ => false,
    }
}
