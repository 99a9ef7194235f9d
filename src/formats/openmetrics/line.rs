//! One line of an exposition.

use std::borrow::Cow;

use super::{Exemplar, Kind, Labels, MAX_LABELS, Sample, is_plain_name};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing, or a comment.
    Ignored,
    /// `# EOF`.
    Eof,
    /// `# HELP name text`.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// `# TYPE name type`.
    Type(Cow<'a, str>, Kind),
    /// `# UNIT name unit`.
    Unit(Cow<'a, str>, Cow<'a, str>),
    /// A value. Its timestamp is in the unit of the text's format, which only the last line tells.
    Sample(Sample<'a>),
}

type Parsed<T> = Result<T, &'static str>;

/// Parses a line without its line break.
pub(super) fn parse(line: &str) -> Parsed<Line<'_>> {
    let mut rest = Rest(line.trim_end_matches('\r'));
    rest.skip_blanks();
    if rest.0.is_empty() {
        return Ok(Line::Ignored);
    }
    match rest.0.strip_prefix('#') {
        Some(comment) => parse_comment(Rest(comment)),
        None => parse_sample(rest).map(Line::Sample),
    }
}

fn parse_comment(mut rest: Rest<'_>) -> Parsed<Line<'_>> {
    if !rest.0.starts_with([' ', '\t']) {
        return Ok(Line::Ignored);
    }
    rest.skip_blanks();
    let keyword = rest.token();
    match keyword {
        "EOF" if rest.0.trim().is_empty() => return Ok(Line::Eof),
        "HELP" | "TYPE" | "UNIT" => {}
        _ => return Ok(Line::Ignored),
    }
    rest.skip_blanks();
    let name = rest.name()?;
    let text = rest.0.trim_start_matches([' ', '\t']);
    Ok(match keyword {
        "HELP" => Line::Help(name, unescape(text)),
        "TYPE" => Line::Type(name, Kind::parse(text.trim_end()).ok_or("an unknown type")?),
        _ => Line::Unit(name, text.trim_end().into()),
    })
}

fn parse_sample(mut rest: Rest<'_>) -> Parsed<Sample<'_>> {
    let mut name = None;
    if !rest.0.starts_with('{') {
        name = Some(rest.name()?);
        rest.skip_blanks();
    }
    let mut labels = Labels::new();
    if rest.take('{') {
        labels = rest.labels(&mut name)?;
    }
    let name = name.ok_or("the sample has no name")?;
    let (value, timestamp) = rest.value()?;
    let exemplar = if rest.take('#') { Some(Box::new(parse_exemplar(&mut rest)?)) } else { None };
    if !rest.0.is_empty() {
        return Err("something follows the sample");
    }
    Ok(Sample { name, labels, value, timestamp, exemplar })
}

fn parse_exemplar<'a>(rest: &mut Rest<'a>) -> Parsed<Exemplar<'a>> {
    rest.skip_blanks();
    if !rest.take('{') {
        return Err("an exemplar without labels");
    }
    let labels = rest.labels(&mut Some(Cow::Borrowed("exemplar")))?;
    let (value, timestamp) = rest.value()?;
    Ok(Exemplar { labels, value, timestamp })
}

/// What of the line is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn cut(&mut self, at: usize) -> &'a str {
        let (head, tail) = self.0.split_at(at);
        self.0 = tail;
        head
    }

    /// Up to the next blank.
    fn token(&mut self) -> &'a str {
        self.cut(self.0.find([' ', '\t']).unwrap_or(self.0.len()))
    }

    /// A plain or quoted name.
    fn name(&mut self) -> Parsed<Cow<'a, str>> {
        if self.0.starts_with('"') {
            return match self.quoted()? {
                name if name.is_empty() => Err("an empty name"),
                name => Ok(name),
            };
        }
        let end = self.0.find([' ', '\t', '{', '=', ',', '}']).unwrap_or(self.0.len());
        let name = self.cut(end);
        if is_plain_name(name) { Ok(name.into()) } else { Err("not a metric or label name") }
    }

    /// A text in quotes with `\\`, `\"` and `\n` in it.
    fn quoted(&mut self) -> Parsed<Cow<'a, str>> {
        if !self.take('"') {
            return Err("a value without quotes");
        }
        let mut escaped = false;
        let end = self.0.bytes().position(|b| match b {
            b'"' => !std::mem::take(&mut escaped),
            b'\\' => {
                escaped = !escaped;
                false
            }
            _ => {
                escaped = false;
                false
            }
        });
        let text = self.cut(end.ok_or("a text is not closed")?);
        self.take('"');
        Ok(unescape(text))
    }

    /// Labels after the brace; a quoted text without `=` is the metric's name (Prometheus 3).
    fn labels(&mut self, metric: &mut Option<Cow<'a, str>>) -> Parsed<Labels<'a>> {
        let mut labels = Labels::new();
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(labels);
            }
            let quoted = self.0.starts_with('"');
            let name = self.name()?;
            self.skip_blanks();
            if self.take('=') {
                self.skip_blanks();
                let value = self.quoted()?;
                if labels.iter().any(|(k, _)| *k == name) {
                    return Err("a label is there twice");
                }
                labels.push((name, value));
            } else if quoted && metric.is_none() && labels.is_empty() {
                *metric = Some(name);
            } else {
                return Err("a label without a value");
            }
            if labels.len() > MAX_LABELS {
                return Err("too many labels");
            }
            self.skip_blanks();
            if !self.take(',') && !self.0.starts_with('}') {
                return Err("labels are not closed");
            }
        }
    }

    /// A value and perhaps a timestamp, up to the line's end or an exemplar.
    fn value(&mut self) -> Parsed<(f64, Option<f64>)> {
        self.skip_blanks();
        let value = self.token().parse().map_err(|_| "the value is not a number")?;
        self.skip_blanks();
        if self.0.is_empty() || self.0.starts_with('#') {
            return Ok((value, None));
        }
        let time: f64 = self.token().parse().map_err(|_| "the timestamp is not a number")?;
        self.skip_blanks();
        if time.is_finite() { Ok((value, Some(time))) } else { Err("the timestamp is not a number") }
    }
}

/// Resolves `\\`, `\"` and `\n`; a backslash before anything else stays.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(escaped @ ('\\' | '"' | 'n'))) => {
                plain.push(if escaped == 'n' { '\n' } else { escaped });
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain.into()
}
