//! JSON objects and logfmt: fields of a line.

use serde_json::Value;

use super::LogLine;

/// Fields of a logfmt line that are looked at.
const MAX_FIELDS: usize = 64;

/// A line that is a JSON object with a message; none for others.
pub(super) fn json(line: &str) -> Option<LogLine> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let Value::Object(fields) = serde_json::from_str(line).ok()? else { return None };
    let mut read = LogLine::default();
    for (key, value) in fields {
        match value {
            Value::String(text) => read.take(&key, text),
            Value::Number(number) => read.take(&key, number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    (!read.message.is_empty()).then_some(read)
}

/// A line of `key=value` fields with a message; none for others.
pub(super) fn logfmt(line: &str) -> Option<LogLine> {
    let (mut read, mut rest) = (LogLine::default(), line);
    for _ in 0..MAX_FIELDS {
        let Some((key, value, after)) = field(rest) else { break };
        read.take(key, value);
        rest = after;
    }
    (!read.message.is_empty()).then_some(read)
}

/// The next field of a text, its value, and what follows; words that are no field are passed over.
fn field(text: &str) -> Option<(&str, String, &str)> {
    let equals = text.find('=')?;
    let key = text[..equals].rsplit([' ', '\t']).next().unwrap_or_default();
    let rest = &text[equals + 1..];
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        return Some((key, rest[..end].to_owned(), &rest[end..]));
    };
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, value, &quoted[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    Some((key, value, ""))
}
