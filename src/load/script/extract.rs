//! Places in answers, compiled, and what is found there.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use regex::bytes::Regex;
use serde_json::Value;

use super::answer::Answer;
use super::values::{TooLong, Values};
use crate::scenario::{self, AnswerSource};

/// A JSONPath that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a JSONPath (RFC 9535): {reason}")]
pub struct BadPath {
    path: String,
    reason: String,
}

/// A place in an answer, compiled.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Names and indices only, walked without any memory of its own.
    Plain(Vec<Step>),
    Query(Query),
    Regex(Regex),
    Header(String),
    Cookie(String),
    Status,
}

/// A step of a plain JSONPath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    /// From the end if negative.
    Index(i64),
}

impl Place {
    /// Compiles a place.
    ///
    /// # Errors
    /// [`BadPath`].
    pub(crate) fn compile(source: &AnswerSource) -> Result<Self, BadPath> {
        Ok(match source {
            AnswerSource::Json(path) => {
                let reason = |e: jsonpath_rust::parser::errors::JsonPathError| BadPath {
                    path: path.chars().take(200).collect(),
                    reason: e.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
                };
                let query = parse_json_path(path).map_err(reason)?;
                plain(&query).map_or_else(|| Self::Query(Query::new(path, query)), Self::Plain)
            }
            AnswerSource::Regex(regex) => Self::Regex(regex.clone()),
            AnswerSource::Header(name) => Self::Header(name.clone()),
            AnswerSource::Cookie(name) => Self::Cookie(name.clone()),
            AnswerSource::Status => Self::Status,
        })
    }

    /// Whether it lies in the body.
    pub(crate) const fn in_body(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Query(_) | Self::Regex(_))
    }

    /// Whether it lies in the head.
    pub(crate) const fn in_head(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Cookie(_))
    }
}

/// The steps of a query that names one place at the most and needs no unquoting.
fn plain(query: &JpQuery) -> Option<Vec<Step>> {
    let step = |segment: &Segment| match segment {
        Segment::Selector(Selector::Name(name)) if !name.contains(['\'', '"', '\\']) => {
            Some(Step::Name(name.clone()))
        }
        Segment::Selector(Selector::Index(index)) => Some(Step::Index(*index)),
        _ => None,
    };
    query.segments.iter().map(step).collect()
}

/// What a search through JSON may cost: the library writes the path of every place that it passes, so a body of
/// 1 MiB with one long name high up could take hundreds of GB.
const MAX_SEARCH: u64 = 256 << 20;

/// A JSONPath that searches: wildcards, slices, filters, descendants.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    query: JpQuery,
    /// Parts that may each pass every place below a place: `..` and filters.
    deep: u32,
    /// Parts that begin again at the root.
    whole: u32,
}

impl Query {
    fn new(path: &str, query: JpQuery) -> Self {
        // Those in quoted names count too: rather a limit too strict than none.
        let count = |part: &str| path.matches(part).count() as u32;
        Self { query, deep: count("..") + count("?"), whole: count("$").saturating_sub(1) }
    }

    fn first<'v>(&self, json: &'v Value) -> Result<Option<&'v Value>, Absent> {
        let mut size = Size::default();
        size.add(json, 1, 1);
        let below = size.depth.saturating_pow(self.deep.saturating_sub(1));
        let cost = size.paths.saturating_mul(below).saturating_mul(size.places.saturating_pow(self.whole));
        if cost > MAX_SEARCH {
            return Err(Absent::TooWide);
        }
        let found = js_path_process(&self.query, json).map_err(|_| Absent::Nothing)?;
        Ok(found.first().map(|first| first.val))
    }
}

/// How much there is to search.
#[derive(Default)]
struct Size {
    places: u64,
    depth: u64,
    /// Bytes of the paths of all places together.
    paths: u64,
}

impl Size {
    /// Recurses no deeper than what serde_json has read.
    fn add(&mut self, value: &Value, depth: u64, path: u64) {
        self.places += 1;
        self.depth = self.depth.max(depth);
        self.paths += path;
        match value {
            Value::Array(items) => items.iter().for_each(|v| self.add(v, depth + 1, path + 8)),
            Value::Object(members) => {
                members.iter().for_each(|(k, v)| self.add(v, depth + 1, path + k.len() as u64 + 4));
            }
            _ => {}
        }
    }
}

/// An answer under inspection: its body is parsed as JSON once, when something first asks for it.
#[derive(Debug)]
pub(crate) struct Looked<'a> {
    answer: Answer<'a>,
    json: OnceCell<Option<Value>>,
}

impl<'a> Looked<'a> {
    pub(crate) const fn new(answer: Answer<'a>) -> Self {
        Self { answer, json: OnceCell::new() }
    }

    /// What is found at a place.
    ///
    /// # Errors
    /// [`Absent`] says why there is nothing.
    pub(crate) fn find(&self, place: &Place) -> Result<Cow<'_, str>, Absent> {
        let answer = &self.answer;
        match place {
            Place::Plain(steps) => {
                let walked = steps.iter().try_fold(self.json()?, walk);
                walked.map(json_text).ok_or(Absent::Nothing)
            }
            Place::Query(query) => query.first(self.json()?)?.map(json_text).ok_or(Absent::Nothing),
            Place::Regex(regex) => {
                let found = first_group(regex, answer.body);
                let nothing = if answer.cut { Absent::NothingInPart } else { Absent::Nothing };
                found.map(String::from_utf8_lossy).ok_or(nothing)
            }
            Place::Header(name) => answer.header(name).map(String::from_utf8_lossy).ok_or(Absent::Nothing),
            Place::Cookie(name) => answer.cookie(name).map(String::from_utf8_lossy).ok_or(Absent::Nothing),
            Place::Status => Ok(answer.status.to_string().into()),
        }
    }

    fn json(&self) -> Result<&Value, Absent> {
        // serde_json stops at a depth of 128, so nothing here recurses deeper.
        let parse = || {
            let body = self.answer.body;
            serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
        };
        let no_json = if self.answer.cut { Absent::CutJson } else { Absent::NoJson };
        self.json.get_or_init(parse).as_ref().ok_or(no_json)
    }
}

fn walk<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match (value, step) {
        (Value::Object(members), Step::Name(name)) => members.get(name),
        (Value::Array(items), Step::Index(index)) => {
            let from_end = || items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
            items.get(usize::try_from(*index).ok().or_else(from_end)?)
        }
        _ => None,
    }
}

fn json_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// The first group of the first match, or the whole match of a pattern without groups.
fn first_group<'b>(regex: &Regex, body: &'b [u8]) -> Option<&'b [u8]> {
    let group = if regex.captures_len() > 1 { regex.captures(body)?.get(1)? } else { regex.find(body)? };
    Some(group.as_bytes())
}

/// Why nothing is found. No byte of the answer is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Absent {
    #[error("nothing is there")]
    Nothing,
    #[error("nothing is there; only the first 1048576 bytes of the body were looked at")]
    NothingInPart,
    #[error("the body is not JSON, or nested too deeply")]
    NoJson,
    #[error("the body is longer than 1048576 bytes, too long for JSON to be read from it")]
    CutJson,
    #[error("the JSON is too deep and wide to be searched; name the members on the way")]
    TooWide,
    #[error("the value is longer than 65536 bytes")]
    TooLong,
}

/// A value that could not be taken from an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("variable `{variable}` could not be extracted from {source_name}: {why}")]
pub(crate) struct NotExtracted {
    variable: Arc<str>,
    source_name: Arc<str>,
    why: Absent,
}

/// An extraction, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Extraction {
    number: usize,
    variable: Arc<str>,
    /// The place as a message names it.
    source_name: Arc<str>,
    pub(crate) place: Place,
    default: Option<String>,
}

impl Extraction {
    /// Compiles an extraction into variable `number`.
    ///
    /// # Errors
    /// [`BadPath`].
    pub(crate) fn compile(extract: &scenario::Extract, number: usize) -> Result<Self, BadPath> {
        Ok(Self {
            number,
            variable: extract.variable.as_str().into(),
            source_name: SourceName(&extract.from).to_string().into(),
            place: Place::compile(&extract.from)?,
            default: extract.default.clone(),
        })
    }

    /// Takes the value, or else the default, into the user's variables.
    pub(crate) fn extract(&self, looked: &Looked<'_>, values: &mut Values) -> Result<(), NotExtracted> {
        let found = looked
            .find(&self.place)
            .or_else(|absent| self.default.as_deref().map(Cow::Borrowed).ok_or(absent));
        let kept = found.and_then(|value| values.set(self.number, &value).map_err(|TooLong| Absent::TooLong));
        kept.map_err(|why| NotExtracted {
            variable: self.variable.clone(),
            source_name: self.source_name.clone(),
            why,
        })
    }
}

/// A place as the scenario names it.
pub(crate) struct SourceName<'a>(pub(crate) &'a AnswerSource);

impl fmt::Display for SourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AnswerSource::Json(path) => write!(f, "JSONPath `{path:.100}`"),
            AnswerSource::Regex(regex) => write!(f, "pattern `{:.100}`", regex.as_str()),
            AnswerSource::Header(name) => write!(f, "header `{name:.100}`"),
            AnswerSource::Cookie(name) => write!(f, "cookie `{name:.100}`"),
            AnswerSource::Status => f.write_str("the status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::{Names, Shared, Slot};
    use super::*;
    use crate::scenario::text::MAX_VALUE;

    fn json(path: &str) -> Place {
        Place::compile(&AnswerSource::Json(path.into())).expect(path)
    }

    fn looked(body: &str) -> Looked<'_> {
        Looked::new(Answer {
            status: 201,
            head: b"x-id: 5\r\nset-cookie: s=1; Path=/\r\n",
            body: body.as_bytes(),
            cut: false,
        })
    }

    #[test]
    fn json_paths_find_the_first_match() {
        let body = r#"{"items":[{"id":1,"sku":"a","price":2.50},{"id":18446744073709551615,"sku":"b","price":9}],
            "a.b":{"it's":"quoted"},"none":null,"yes":true,"é":"x"}"#;
        let looked = looked(body);
        for (path, expected) in [
            ("$.items[0].sku", Some("a")),
            ("$.items[-1].id", Some("18446744073709551615")),
            ("$['items'][0]['price']", Some("2.5")),
            ("$.items[?@.price > 5].sku", Some("b")),
            ("$.items[?(@.sku == 'b')].id", Some("18446744073709551615")),
            ("$..sku", Some("a")),
            ("$.items[*].id", Some("1")),
            ("$.items[1:].sku", Some("b")),
            ("$['a.b'][\"it's\"]", Some("quoted")),
            ("$.é", Some("x")),
            ("$.none", Some("null")),
            ("$.yes", Some("true")),
            ("$.items[?@.price > 50].sku", None),
            ("$.items[2]", None),
            ("$.items[-3]", None),
            ("$.items.sku", None),
            ("$.yes[0]", None),
            ("$.nothing", None),
        ] {
            assert_eq!(looked.find(&json(path)).ok().as_deref(), expected, "{path}");
        }
        assert_eq!(looked.find(&json("$.items[0]")).as_deref(), Ok(r#"{"id":1,"price":2.5,"sku":"a"}"#));
        assert!(matches!(json("$.a[0]['b']"), Place::Plain(_)) && matches!(json("$..a"), Place::Query(_)));
        let bad = Place::compile(&AnswerSource::Json("$.[".into())).expect_err("no path");
        assert!(bad.to_string().starts_with("`$.[` is not a JSONPath (RFC 9535): "), "{bad}");
    }

    /// The walk of our own against the library.
    #[test]
    fn plain_paths_agree_with_the_library() {
        let value: Value =
            serde_json::from_str(r#"{"a":[{"b":[1,2]},{"b":[3]}],"b":{"a":{"c":"x"}}, "":{"":4}}"#)
                .expect("JSON");
        for path in [
            "$",
            "$.a",
            "$.a[0].b[1]",
            "$.a[-1].b[0]",
            "$.a[-2].b",
            "$.a[-3]",
            "$.b.a.c",
            "$['b']['a'][\"c\"]",
            "$.b[0]",
            "$.a.b",
            "$['']['']",
        ] {
            let query = parse_json_path(path).expect(path);
            let theirs = js_path_process(&query, &value).expect(path).first().map(|r| r.val);
            let ours = match json(path) {
                Place::Plain(steps) => steps.iter().try_fold(&value, walk),
                _ => theirs,
            };
            assert_eq!(ours, theirs, "{path}");
        }
    }

    #[test]
    fn other_places_are_looked_at_too() {
        let looked = looked("<a href='/next?page=2'> token=abc");
        let regex = |p: &str| Place::Regex(Regex::new(p).expect("valid"));
        assert_eq!(looked.find(&regex("page=(\\d+)")).as_deref(), Ok("2"));
        assert_eq!(looked.find(&regex("tok\\w+")).as_deref(), Ok("token"));
        assert_eq!(looked.find(&regex("(x)?href")), Err(Absent::Nothing));
        assert_eq!(looked.find(&Place::Header("X-ID".into())).as_deref(), Ok("5"));
        assert_eq!(looked.find(&Place::Cookie("s".into())).as_deref(), Ok("1"));
        assert_eq!(looked.find(&Place::Cookie("t".into())), Err(Absent::Nothing));
        assert_eq!(looked.find(&Place::Status).as_deref(), Ok("201"));
        assert_eq!(looked.find(&json("$.a")), Err(Absent::NoJson));
    }

    #[test]
    fn hostile_bodies_are_no_json() {
        assert_eq!(looked(&"[".repeat(1 << 20)).find(&json("$..a")), Err(Absent::NoJson));
        assert_eq!(looked("").find(&json("$")), Err(Absent::NoJson));
        assert_eq!(looked("\u{feff}{\"a\":1}").find(&json("$.a")).as_deref(), Ok("1"));
        let cut = Looked::new(Answer { cut: true, body: b"{\"a\":", ..Answer::default() });
        assert_eq!(cut.find(&json("$.a")), Err(Absent::CutJson));
        assert_eq!(cut.find(&Place::Regex(Regex::new("b").expect("valid"))), Err(Absent::NothingInPart));
    }

    #[test]
    fn searches_are_bounded() {
        let long = "k".repeat(400_000);
        let wide = format!("{{\"{long}\":[{}1]}}", "1,".repeat(200_000));
        for path in ["$..id", "$.*[*]", "$[*][?@ > 1]"] {
            assert_eq!(looked(&wide).find(&json(path)), Err(Absent::TooWide), "{path}");
        }
        let deep = format!("{}{}1{}", "[".repeat(120), "1,".repeat(100_000), "]".repeat(120));
        assert_eq!(looked(&deep).find(&json("$..*..id")), Err(Absent::TooWide));
        let many = format!("[{}]", vec![r#"{"id":7,"name":"a","tags":["x","y"]}"#; 25_000].join(","));
        for path in ["$..id", "$[*].id", "$[?@.name == 'a'].id", "$[?@.tags[?@ == 'y']].id"] {
            assert_eq!(looked(&many).find(&json(path)).as_deref(), Ok("7"), "{path}");
        }
        let looked = looked(&many);
        let crossed = looked.find(&json("$[?@.id == $[0].id].id"));
        assert_eq!(crossed, Err(Absent::TooWide), "each record against the whole body");
    }

    #[test]
    fn a_value_is_kept_or_its_default_or_the_failure_names_variable_and_place() {
        let mut names = Names::default();
        let number = names.define("token");
        let mut values = Values::new(Arc::new(Shared { names, feeders: Vec::new() }), Arc::default());
        let extraction = |default: Option<&str>| {
            let from = AnswerSource::Json("$.token".into());
            let extract =
                scenario::Extract { variable: "token".into(), from, default: default.map(Into::into) };
            Extraction::compile(&extract, number).expect("valid")
        };
        let body = r#"{"token":"s3cret"}"#;
        extraction(None).extract(&looked(body), &mut values).expect("there");
        assert_eq!(values.get(Slot::Extracted(number)), Ok("s3cret"));
        extraction(Some("none")).extract(&looked("{}"), &mut values).expect("a default");
        assert_eq!(values.get(Slot::Extracted(number)), Ok("none"));
        let error = extraction(None).extract(&looked("{\"hidden\":1}"), &mut values).expect_err("absent");
        assert_eq!(
            error.to_string(),
            "variable `token` could not be extracted from JSONPath `$.token`: nothing is there"
        );
        let long = format!("{{\"token\":\"{}\"}}", "x".repeat(MAX_VALUE + 1));
        let error = extraction(Some("none")).extract(&looked(&long), &mut values).expect_err("too long");
        assert!(error.to_string().ends_with("longer than 65536 bytes"), "{error}");
    }
}
