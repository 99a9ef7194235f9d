//! The text of a scenario with its overrides, and the tree it parses to.
//!
//! Overrides are laid over the parsed tree, not over the text, so every line keeps its number. Their own
//! text follows the file's in one buffer: a span says by its position whether a value came from the file or
//! from an override, and which.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::scalar::Span;

/// The tree of a scenario.
pub(super) type Tree<'s> = Spanned<DeTable<'s>>;

/// File and overrides in one buffer.
#[derive(Debug)]
pub(super) struct Source {
    /// Name of the file for messages.
    pub(super) file: String,
    buffer: String,
    file_len: usize,
    /// Where each override begins in the buffer.
    starts: Vec<usize>,
}

/// Where a span lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// In the file.
    File {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// Text of the line.
        text: &'a str,
        /// Length in characters, within the line, at least 1.
        width: usize,
    },
    /// In an override.
    Override(&'a str),
}

impl Source {
    /// Joins a file's text and overrides.
    pub(super) fn new(file: &str, text: &str, overrides: &[String]) -> Self {
        let mut buffer = text.to_owned();
        let mut starts = Vec::with_capacity(overrides.len());
        for o in overrides {
            buffer.push('\n');
            starts.push(buffer.len());
            buffer.push_str(o);
        }
        Self { file: file.to_owned(), buffer, file_len: text.len(), starts }
    }

    /// The file's own text.
    pub(super) fn text(&self) -> &str {
        &self.buffer[..self.file_len]
    }

    /// Overrides with where each begins in the buffer.
    pub(super) fn overrides(&self) -> impl Iterator<Item = (usize, &str)> {
        let ends = self.starts.iter().skip(1).map(|s| s - 1).chain([self.buffer.len()]);
        self.starts.iter().zip(ends).map(|(&from, to)| (from, &self.buffer[from..to]))
    }

    /// The text at a span, as it was written.
    pub(super) fn slice(&self, span: &Span) -> &str {
        self.buffer.get(span.clone()).unwrap_or_default()
    }

    /// Whether a span lies in the file (and not in an override).
    pub(super) const fn in_file(&self, span: &Span) -> bool {
        span.start <= self.file_len
    }

    /// Line and column, or the override.
    pub(super) fn place(&self, span: &Span) -> Place<'_> {
        if !self.in_file(span)
            && let Some((_, text)) = self.overrides().take_while(|(from, _)| *from <= span.start).last()
        {
            return Place::Override(text);
        }
        let text = self.text();
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let end = floor_boundary(text, span.end.clamp(start, line_end));
        Place::File {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end_matches('\r'),
            width: text[start..end].chars().count().max(1),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

/// The path of keys that leads to a span, e.g. `request[0].get`; empty at the root.
pub(super) fn path_of(tree: &Tree<'_>, span: &Span) -> String {
    let mut best = (usize::MAX, String::new());
    search_table(tree.get_ref(), span, "", &mut best);
    best.1
}

/// Takes the narrowest node around the span: header tables (`[a.b]`) do not contain their parent's span,
/// so every node is looked at.
fn search_table(table: &DeTable<'_>, span: &Span, path: &str, best: &mut (usize, String)) {
    for (key, value) in table {
        let name =
            if bare(key.get_ref()) { key.get_ref().to_string() } else { format!("{:?}", key.get_ref()) };
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        offer(&key.span(), span, &path, best);
        search_value(value, span, &path, best);
    }
}

fn search_value(value: &Spanned<DeValue<'_>>, span: &Span, path: &str, best: &mut (usize, String)) {
    offer(&value.span(), span, path, best);
    match value.get_ref() {
        DeValue::Table(table) => search_table(table, span, path, best),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                search_value(item, span, &format!("{path}[{i}]"), best);
            }
        }
        _ => {}
    }
}

/// Equal widths go to the later, deeper node.
fn offer(node: &Span, span: &Span, path: &str, best: &mut (usize, String)) {
    if node.start <= span.start && span.end <= node.end && node.len() <= best.0 {
        *best = (node.len(), path.to_owned());
    }
}

/// Whether a key needs no quotes.
pub(super) fn bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Calls `edit` with the path and each string value of the tree.
pub(super) fn each_string<'s>(
    table: &mut DeTable<'s>,
    path: &mut Vec<String>,
    edit: &mut impl FnMut(&[String], &mut Spanned<DeValue<'s>>),
) {
    for (key, value) in table.iter_mut() {
        path.push(key.get_ref().to_string());
        each_string_in(value, path, edit);
        path.pop();
    }
}

/// Calls `edit` with the path and each string of a value parsed alone.
pub(super) fn each_string_of<'s>(
    value: &mut Spanned<DeValue<'s>>,
    edit: &mut impl FnMut(&[String], &mut Spanned<DeValue<'s>>),
) {
    each_string_in(value, &mut Vec::new(), edit);
}

fn each_string_in<'s>(
    value: &mut Spanned<DeValue<'s>>,
    path: &mut Vec<String>,
    edit: &mut impl FnMut(&[String], &mut Spanned<DeValue<'s>>),
) {
    match value.get_mut() {
        DeValue::Table(table) => each_string(table, path, edit),
        DeValue::Array(items) => items.iter_mut().for_each(|item| each_string_in(item, path, edit)),
        DeValue::String(_) => edit(path, value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lead_to_lines_paths_and_overrides() {
        let text = "a = 1\n[load.x]\nrate = \"\u{e9}\"\n[[request]]\nget = \"/\"\n";
        let source = Source::new("f.toml", text, &["load.rate=7".into(), "name=q".into()]);
        let tree = DeTable::parse(source.text()).expect("valid TOML");
        let at = |needle: &str| {
            let from = text.find(needle).expect("in the text");
            from..from + needle.len()
        };
        assert_eq!(path_of(&tree, &at("\"\u{e9}\"")), "load.x.rate");
        assert_eq!(path_of(&tree, &at("\"/\"")), "request[0].get");
        let Place::File { line, column, text: shown, width } = source.place(&at("\"\u{e9}\"")) else {
            panic!("not in the file")
        };
        assert_eq!((line, column, shown, width), (3, 8, "rate = \"\u{e9}\"", 3));
        let starts: Vec<_> = source.overrides().collect();
        assert_eq!(starts[1].1, "name=q");
        assert_eq!(source.place(&(starts[1].0 + 5..starts[1].0 + 6)), Place::Override("name=q"));
        assert_eq!(source.place(&(starts[0].0..starts[0].0 + 1)), Place::Override("load.rate=7"));
    }
}
