//! What is taken out of answers, and named conditions on them.

use std::collections::HashSet;

use super::super::scalar::{Checked, Placed, Span};
use super::super::script::{self, Condition, Extract, Source};
use super::super::text::{Builtin, is_variable};
use super::super::wire;
use super::Check;

/// Most extractions, and most checks, of one request.
const MAX_PER_REQUEST: usize = 100;
/// Longest JSONPath, in bytes: its parser descends once per bracket.
const MAX_JSON_PATH: usize = 500;
/// Deepest nesting of brackets in a JSONPath.
const MAX_NESTING: usize = 30;

/// Keys that say where in an answer a value is.
struct Places {
    json: Option<Checked<String>>,
    regex: Option<Checked<String>>,
    header: Option<Checked<String>>,
    cookie: Option<Checked<String>>,
    status: Option<Checked<bool>>,
}

impl Check<'_, '_> {
    /// Extractions, in the order written.
    pub(super) fn extracts(&mut self, wire: Option<wire::Extracts>) -> Vec<Extract> {
        let mut wire: Vec<_> = wire.into_iter().flatten().map(|(k, v)| (k.into_parts(), v)).collect();
        wire.sort_by_key(|((_, span), _)| span.start);
        if let Some(((_, span), _)) = wire.get(MAX_PER_REQUEST) {
            self.findings.place(span, format_args!("more than {MAX_PER_REQUEST} extractions: remove some"));
        }
        wire.into_iter().filter_map(|((name, at), wire)| self.extract(name, &at, wire)).collect()
    }

    fn extract(&mut self, variable: String, at: &Span, wire: Placed<wire::Extract>) -> Option<Extract> {
        if Builtin::ALL.iter().any(|(builtin, _)| *builtin == variable) {
            self.findings
                .place(at, format_args!("${{{variable}}} is made by loadprof itself: choose another name"));
        } else if variable.contains('.') || !is_variable(&variable) {
            self.findings.place(
                at,
                "is no name of a variable: use lower case letters, digits, dashes and underscores, a letter first",
            );
        }
        let (wire, span) = wire.into_parts();
        let default = self.findings.take(wire.default).map(|(text, _)| text);
        let wire::Extract { json, regex, header, cookie, status, .. } = wire;
        let from = self.place_of(Places { json, regex, header, cookie, status }, &span)?;
        Some(Extract { variable, from, default })
    }

    /// Checks, in the order written.
    pub(super) fn checks(&mut self, wire: Option<Vec<Placed<wire::AnswerCheck>>>) -> Vec<script::Check> {
        let wire = wire.unwrap_or_default();
        if let Some(beyond) = wire.get(MAX_PER_REQUEST) {
            self.findings
                .place(&beyond.span(), format_args!("more than {MAX_PER_REQUEST} checks: remove some"));
        }
        let mut names = HashSet::new();
        wire.into_iter().filter_map(|wire| self.check(wire, &mut names)).collect()
    }

    fn check(
        &mut self,
        wire: Placed<wire::AnswerCheck>,
        names: &mut HashSet<String>,
    ) -> Option<script::Check> {
        let (mut wire, span) = wire.into_parts();
        self.require(wire.name.is_some(), &span, "name", "name = \"has items\"");
        let name = self.name(wire.name.take());
        if let Some((name, at)) = &name
            && !names.insert(name.clone())
        {
            self.findings.value(at, "is the name of another check of this request: give each its own");
        }
        let places = Places {
            json: wire.json.take(),
            regex: wire.regex.take(),
            header: wire.header.take(),
            cookie: wire.cookie.take(),
            status: wire.status.take(),
        };
        let pattern_at = places.regex.as_ref().map(|regex| regex.span.clone());
        let of = self.place_of(places, &span);
        let is = self.condition(wire, &span);
        if let (Some(at), Some(is)) = (pattern_at, &is)
            && !matches!(is, Condition::Exists)
        {
            self.findings.value(
                &at,
                "only says whether the body matches: remove the condition, or take the value with `json`",
            );
        }
        Some(script::Check { name: name?.0, of: of?, is: is? })
    }

    /// Exactly one place.
    fn place_of(&mut self, places: Places, span: &Span) -> Option<Source> {
        let json = self.json_path(places.json.as_ref());
        let given: Vec<Span> = [
            places.json.as_ref().map(|p| p.span.clone()),
            places.regex.as_ref().map(|p| p.span.clone()),
            places.header.as_ref().map(|p| p.span.clone()),
            places.cookie.as_ref().map(|p| p.span.clone()),
            places.status.as_ref().map(|p| p.span.clone()),
        ]
        .into_iter()
        .flatten()
        .collect();
        match given.as_slice() {
            [] => {
                self.findings.place(
                    span,
                    "says not where the value is: write one of json, regex, header, cookie, status",
                );
                return None;
            }
            [_] => {}
            several => {
                let second = several.iter().max_by_key(|span| span.start).expect("there are several");
                self.findings.value(second, "a second place: a value has exactly one, remove the others");
                return None;
            }
        }
        let status = self.only_true(places.status).then_some(Source::Status);
        let header = self.token(places.header, "is no header name").map(Source::Header);
        let cookie = self.token(places.cookie, "is no name of a cookie").map(Source::Cookie);
        json.or_else(|| self.pattern(places.regex).map(Source::Regex)).or(header).or(cookie).or(status)
    }

    /// Exactly one condition, or that the value is there.
    fn condition(&mut self, wire: wire::AnswerCheck, span: &Span) -> Option<Condition> {
        let exists = wire.exists.is_some();
        let mut given = Vec::new();
        let exists_at = wire.exists.as_ref().map(|e| e.span.clone());
        if self.only_true(wire.exists) {
            given.extend(exists_at.map(|at| (at, Condition::Exists)));
        }
        if let Some((equal, at)) = self.findings.take(wire.equals) {
            self.note_text(&equal.0, &at);
            given.push((at, Condition::Equals(equal.0)));
        }
        if let Some((text, at)) = self.findings.take(wire.contains) {
            self.note_text(&text, &at);
            given.push((at, Condition::Contains(text)));
        }
        let at = wire.matches.as_ref().map(|m| m.span.clone());
        let pattern = self.pattern(wire.matches);
        given.extend(pattern.zip(at).map(|(pattern, at)| (at, Condition::Matches(pattern))));
        let least = self.findings.take(wire.at_least);
        given.extend(least.map(|(n, at)| (at, Condition::AtLeast(n.0))));
        let most = self.findings.take(wire.at_most);
        given.extend(most.map(|(n, at)| (at, Condition::AtMost(n.0))));
        given.sort_by_key(|(at, _)| at.start);
        if let Some((second, _)) = given.get(1) {
            self.findings.value(second, "a second condition: a check has one, write two [[..check]] tables");
            return None;
        }
        match given.pop() {
            Some((_, condition)) => Some(condition),
            // A condition that is wrong is no condition that is missing.
            None if exists || self.findings.is_within(span) => None,
            None => Some(Condition::Exists),
        }
    }

    /// A switch that is there to be on.
    fn only_true(&mut self, switch: Option<Checked<bool>>) -> bool {
        match self.findings.take(switch) {
            Some((true, _)) => true,
            Some((false, span)) => {
                self.findings.value(&span, "can only be true: write true, or remove it");
                false
            }
            None => false,
        }
    }

    /// A JSONPath that the engine can follow.
    fn json_path(&mut self, path: Option<&Checked<String>>) -> Option<Source> {
        let (path, span) = self.findings.take(path.cloned())?;
        if self.is_unfilled(&path) {
            return Some(Source::Json("$".into()));
        }
        let problem = if path.len() > MAX_JSON_PATH || nesting(&path) > MAX_NESTING {
            format!("is too long: at most {MAX_JSON_PATH} bytes and {MAX_NESTING} brackets in each other")
        } else {
            match jsonpath_rust::parser::parse_json_path(&path) {
                Ok(_) => return Some(Source::Json(path)),
                Err(_) => "is no JSONPath (RFC 9535): write e.g. \"$.items[0].id\"".into(),
            }
        };
        self.findings.value(&span, problem);
        None
    }

    /// The name of a header or cookie.
    fn token(&mut self, name: Option<Checked<String>>, problem: &str) -> Option<String> {
        let (name, span) = self.findings.take(name)?;
        if self.is_unfilled(&name) || http::HeaderName::from_bytes(name.as_bytes()).is_ok() {
            return Some(name);
        }
        self.findings.value(&span, format_args!("{problem}: use letters, digits and dashes"));
        None
    }

    /// A regular expression on bodies.
    pub(super) fn pattern(&mut self, pattern: Option<Checked<String>>) -> Option<regex::bytes::Regex> {
        let (pattern, span) = self.findings.take(pattern)?;
        let pattern = if self.is_unfilled(&pattern) { String::new() } else { pattern };
        match regex::bytes::Regex::new(&pattern) {
            Ok(regex) => Some(regex),
            Err(e) => {
                self.findings
                    .value(&span, format_args!("is no regular expression: {}", last_line(&e.to_string())));
                None
            }
        }
    }
}

/// The reason; the lines above it draw the pattern, which our own message shows already.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// The most brackets that are open at the same time; brackets in strings count too, which does no harm.
fn nesting(path: &str) -> usize {
    let depth = path.bytes().scan(0usize, |open, b| {
        match b {
            b'(' | b'[' | b'!' => *open += 1,
            b')' | b']' => *open = open.saturating_sub(1),
            _ => {}
        }
        Some(*open)
    });
    depth.max().unwrap_or(0)
}
