//! The first lines of feeder files: which columns there are.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::FeederFormat;
use super::text::is_plain_name;

/// Largest feeder file.
const MAX_FILE: u64 = 256 << 20;
/// Longest record.
const MAX_RECORD: u64 = 1 << 20;
/// Most columns.
const MAX_COLUMNS: usize = 1000;

/// Names of the columns of a feeder file.
///
/// # Errors
/// Why it cannot feed, and what to do.
pub(super) fn columns(path: &Path, format: FeederFormat) -> Result<Vec<String>, String> {
    let file = File::open(path).map_err(|e| format!("cannot be opened ({e}): correct the path"))?;
    let size = file.metadata().map_or(0, |m| m.len());
    if size > MAX_FILE {
        return Err("is larger than 256 MiB: use a part of it".into());
    }
    let mut reader = BufReader::new(file);
    let columns = match format {
        FeederFormat::Csv => csv_columns(&mut reader),
        FeederFormat::JsonLines => json_columns(&mut reader),
    }?;
    if columns.len() > MAX_COLUMNS {
        return Err(format!("has more than {MAX_COLUMNS} columns: leave out those that are not used"));
    }
    let mut seen = std::collections::HashSet::new();
    match columns.iter().find(|column| !seen.insert(column.as_str())) {
        Some(twice) if is_plain_name(twice) => {
            Err(format!("has two columns named {twice:?}: give each its own name"))
        }
        // Perhaps a record: nobody shall read a password in an error.
        Some(_) => {
            Err("has two columns of one name: the first line names the columns, each its own way".into())
        }
        None => Ok(columns),
    }
}

/// The first record names the columns, the second must have as many fields.
fn csv_columns(reader: &mut impl BufRead) -> Result<Vec<String>, String> {
    let names = csv_record(reader).map_err(|e| format!("its first line {e}"))?;
    let names = names.ok_or("is empty: write a line of column names and a line per record")?;
    if let Some(at) = names.iter().position(|name| name.trim().is_empty()) {
        return Err(format!("has no name for column {}: the first line names the columns", at + 1));
    }
    let first = csv_record(reader).map_err(|e| format!("its first record {e}"))?;
    match first.map(|fields| fields.len()) {
        None => Err("has no records: write one line per record below the column names".into()),
        Some(fields) if fields != names.len() => Err(format!(
            "has {} columns, but its first record has {fields} fields: correct the record",
            names.len()
        )),
        Some(_) => Ok(names),
    }
}

/// The next record of RFC 4180; none at the end of the file.
fn csv_record(reader: &mut impl BufRead) -> Result<Option<Vec<String>>, String> {
    let (mut text, mut quotes) = (String::new(), 0);
    // A quoted field goes on over line breaks: read lines until every quote is closed.
    loop {
        let line = line(reader)?;
        quotes += line.matches('"').count();
        text.push_str(&line);
        if line.is_empty() || quotes.is_multiple_of(2) {
            break;
        }
        if text.len() as u64 > MAX_RECORD {
            return Err("is longer than 1 MiB, or a quote is not closed: correct it".into());
        }
    }
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    csv_fields(text.strip_prefix('\u{feff}').unwrap_or(text)).map(Some)
}

fn csv_fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err(
                        "has a quote inside a field: put the whole field in quotes and double it".into()
                    );
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None if tail.is_empty() => return Ok(fields),
            None => return Err("has text behind a closing quote: write a comma there".into()),
        }
    }
}

/// The field whose opening quote was taken off, and what follows its closing one.
fn quoted_field(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let (part, tail) = rest.split_once('"').ok_or("has a quote that is not closed: close it")?;
        field.push_str(part);
        match tail.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, tail)),
        }
    }
}

/// The keys of the first object.
fn json_columns(reader: &mut impl BufRead) -> Result<Vec<String>, String> {
    let line = line(reader).map_err(|e| format!("its first line {e}"))?;
    if line.is_empty() {
        return Err("is empty: write one JSON object per line".into());
    }
    let text = line.strip_prefix('\u{feff}').unwrap_or(&line);
    let keys: Keys = serde_json::from_str(text)
        // The error itself may quote what stands there.
        .map_err(|e| {
            format!("its first line is no JSON object (byte {}): write one object per line", e.column())
        })?;
    if keys.0.is_empty() {
        return Err("its first object has no keys: write e.g. {\"id\": 7}".into());
    }
    Ok(keys.0)
}

/// The keys of an object, in order and with those that come twice.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

/// The next line with its line break; empty at the end of the file.
fn line(reader: &mut impl BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    reader
        .take(MAX_RECORD + 1)
        .read_until(b'\n', &mut line)
        .map_err(|e| format!("cannot be read ({e}): check the file"))?;
    if line.len() as u64 > MAX_RECORD {
        return Err("is longer than 1 MiB: a record must be shorter".into());
    }
    String::from_utf8(line).map_err(|_| "is not UTF-8: convert the file".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8], format: FeederFormat) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let path = dir.path().join("f");
        std::fs::write(&path, text).expect("writes");
        columns(&path, format)
    }

    #[test]
    fn columns_of_csv_files_are_their_first_line() {
        for (text, names) in [
            ("id,name\n1,a\n", &["id", "name"][..]),
            ("\u{feff}id,name\r\n1,a\r\n2", &["id", "name"]),
            ("\"a \"\"b\"\", c\",d\n\"x\ny\",2\n", &["a \"b\", c", "d"]),
            ("id\n7", &["id"]),
            ("id,x\n,\n", &["id", "x"]),
        ] {
            assert_eq!(of(text.as_bytes(), FeederFormat::Csv).expect(text), names, "{text:?}");
        }
        let long = [b"a,b\n".as_slice(), &vec![b'x'; 2 << 20]].concat();
        for (text, part) in [
            (b"".as_slice(), "is empty"),
            (b"id,name\n", "has no records"),
            (b"id,\n1,2\n", "no name for column 2"),
            (b"id,id\n1,2\n", "two columns named \"id\""),
            (b"hunter2,hunter2\n1,2\n", "two columns of one name"),
            (b"id,name\n1\n", "has 2 columns, but its first record has 1 fields"),
            (b"id,na\"me\n1,2\n", "a quote inside a field"),
            (b"id,\"name\"x\n1,2\n", "text behind a closing quote"),
            (b"id,\"name\n1,2\n", "not closed"),
            (b"id,\xff\n1,2\n", "not UTF-8"),
            (&long, "longer than 1 MiB"),
        ] {
            let message = of(text, FeederFormat::Csv).expect_err(part);
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn columns_of_json_lines_are_the_keys_of_the_first_object() {
        let text = b"{\"id\": 7, \"at\": {\"x\": [1]}}\n{}\n";
        assert_eq!(of(text, FeederFormat::JsonLines).expect("columns"), ["id", "at"]);
        for (text, part) in [
            ("", "is empty"),
            ("[1]\n", "no JSON object"),
            ("{\"a\": 1\n", "no JSON object"),
            ("{}\n", "has no keys"),
            ("{\"a\": 1, \"a\": 2}\n", "two columns named \"a\""),
        ] {
            let message = of(text.as_bytes(), FeederFormat::JsonLines).expect_err(text);
            assert!(message.contains(part), "{message}");
        }
        let message = of(b"\"hunter2\"\n", FeederFormat::JsonLines).expect_err("a text");
        assert!(message.contains("no JSON object (byte") && !message.contains("hunter2"), "{message}");
    }
}
