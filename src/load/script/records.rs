//! The records of a feeder file, read once at the start: the cells that texts use, one behind the other in
//! one text, found by their ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::scenario::FeederFormat;
use crate::scenario::text::{MAX_VALUE, is_plain_name};

/// Bytes of a feeder file at the most.
const MAX_FILE: u64 = 256 << 20;
/// Records of a feeder at the most.
const MAX_RECORDS: usize = 10_000_000;
/// Bytes of a line at the most; a quoted cell's line breaks count.
const MAX_LINE: usize = 1 << 20;
/// Set in the end of a cell that the record lacks. Ends stay below: a file is at most 2^28 bytes.
const ABSENT: u32 = 1 << 31;

/// Why a feeder file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("feeder file {}{}: {problem}", path.display(), line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct FeederError {
    path: PathBuf,
    line: Option<u64>,
    problem: FeederProblem,
}

/// What is wrong with a feeder file. No cell is shown: it may be a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeederProblem {
    #[error("cannot be opened ({0}): check the path")]
    Open(io::Error),
    #[error("cannot be read ({0})")]
    Read(io::Error),
    #[error("is larger than 256 MiB: split it, or leave out columns that no request uses")]
    TooLarge,
    #[error("more than 10 million records: split the file")]
    TooMany,
    #[error("is longer than 1 MiB: is a closing quote missing?")]
    LongLine,
    #[error("the value of column `{0}` is longer than 64 KiB")]
    LongValue(Arc<str>),
    #[error("is not UTF-8: save the file as UTF-8")]
    Encoding,
    #[error("there is no column `{wanted}`; {known}")]
    NoColumn { wanted: Arc<str>, known: String },
    #[error("the column `{0}` is named twice")]
    TwoColumns(Arc<str>),
    #[error("no record has a value for `{0}`: check its spelling")]
    NoKey(Arc<str>),
    #[error("has no record")]
    Empty,
    #[error("is not a JSON object: each line of a .jsonl file is one")]
    NoObject,
}

pub(crate) type At<T> = Result<T, (Option<u64>, FeederProblem)>;

/// The records of a feeder.
#[derive(Default)]
pub(crate) struct Records {
    text: String,
    /// End of each cell, record by record.
    ends: Vec<u32>,
    /// Line of each record in the file.
    lines: Vec<u32>,
    columns: usize,
}

impl Records {
    /// Reads the `columns` of a file.
    ///
    /// # Errors
    /// [`FeederError`] names the file, the line and the remedy.
    pub(crate) fn load(path: &Path, format: FeederFormat, columns: &[Arc<str>]) -> Result<Self, FeederError> {
        let records = read_bounded(path).and_then(|bytes| Self::parse(&bytes, format, columns));
        records.map_err(|(line, problem)| FeederError { path: path.to_owned(), line, problem })
    }

    /// Reads the `columns` of a file's bytes.
    pub(crate) fn parse(bytes: &[u8], format: FeederFormat, columns: &[Arc<str>]) -> At<Self> {
        let mut records = Self { columns: columns.len(), ..Self::default() };
        match format {
            FeederFormat::Csv => records.csv(bytes, columns)?,
            FeederFormat::JsonLines => records.json_lines(bytes, columns)?,
        }
        if records.lines.is_empty() {
            return Err((None, FeederProblem::Empty));
        }
        records.text.shrink_to_fit();
        records.ends.shrink_to_fit();
        records.lines.shrink_to_fit();
        Ok(records)
    }

    fn csv(&mut self, bytes: &[u8], columns: &[Arc<str>]) -> At<()> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let header = reader.byte_headers().map_err(of_csv)?;
        let wanted = columns.iter().map(|c| position(header, c)).collect::<Result<Vec<_>, _>>();
        let wanted = wanted.map_err(|problem| (Some(1), problem))?;
        let mut record = csv::ByteRecord::new();
        let mut lines = Lines { bytes, at: 0, line: 1 };
        while reader.read_byte_record(&mut record).map_err(of_csv)? {
            let line = lines.of(record.position().map_or(0, csv::Position::byte) as usize);
            if record.as_slice().len() > MAX_LINE {
                return Err((Some(line), FeederProblem::LongLine));
            }
            for (column, at) in columns.iter().zip(&wanted) {
                let cell = record.get(*at).map(str::from_utf8).transpose();
                let cell = cell.map_err(|_| (Some(line), FeederProblem::Encoding))?;
                self.push(column, cell).map_err(|problem| (Some(line), problem))?;
            }
            self.end_record(line).map_err(|problem| (Some(line), problem))?;
        }
        Ok(())
    }

    fn json_lines(&mut self, bytes: &[u8], columns: &[Arc<str>]) -> At<()> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (line, number) in bytes.split(|b| *b == b'\n').zip(1..) {
            let at = |problem| (Some(number), problem);
            if line.len() > MAX_LINE {
                return Err(at(FeederProblem::LongLine));
            }
            let text = str::from_utf8(line).map_err(|_| at(FeederProblem::Encoding))?;
            if !text.trim_ascii().is_empty() {
                self.json(text, columns).and_then(|()| self.end_record(number)).map_err(at)?;
            }
        }
        let absent = |column: &usize| (0..self.len()).all(|record| self.cell(record, *column).is_none());
        match (0..columns.len()).find(absent).filter(|_| self.len() > 0) {
            Some(column) => Err((None, FeederProblem::NoKey(columns[column].clone()))),
            None => Ok(()),
        }
    }

    fn json(&mut self, line: &str, columns: &[Arc<str>]) -> Result<(), FeederProblem> {
        use serde_json::{Map, Value};

        let object: Map<String, Value> = serde_json::from_str(line).map_err(|_| FeederProblem::NoObject)?;
        columns.iter().try_for_each(|column| match object.get(&**column) {
            None | Some(Value::Null) => self.push(column, None),
            Some(Value::String(text)) => self.push(column, Some(text)),
            Some(other) => self.push(column, Some(&other.to_string())),
        })
    }

    fn push(&mut self, column: &Arc<str>, cell: Option<&str>) -> Result<(), FeederProblem> {
        let text = cell.unwrap_or_default();
        if text.len() > MAX_VALUE {
            return Err(FeederProblem::LongValue(column.clone()));
        }
        // Numbers as JSON text can be longer than they were in the file.
        if (self.text.len() + text.len()) as u64 > MAX_FILE {
            return Err(FeederProblem::TooLarge);
        }
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32 | if cell.is_none() { ABSENT } else { 0 });
        Ok(())
    }

    fn end_record(&mut self, line: u64) -> Result<(), FeederProblem> {
        if self.lines.len() == MAX_RECORDS {
            return Err(FeederProblem::TooMany);
        }
        self.lines.push(line as u32);
        Ok(())
    }

    /// Number of records, at least one once a file was read.
    pub(crate) fn len(&self) -> u32 {
        self.lines.len() as u32
    }

    /// Line of a record in the file, from 1.
    pub(crate) fn line(&self, record: u32) -> u32 {
        self.lines[record as usize]
    }

    /// A cell, by the number of its column among those read; none if the record lacks it.
    pub(crate) fn cell(&self, record: u32, column: usize) -> Option<&str> {
        let at = record as usize * self.columns + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] & !ABSENT);
        let end = self.ends[at];
        (end & ABSENT == 0).then(|| &self.text[start as usize..end as usize])
    }
}

impl std::fmt::Debug for Records {
    /// Never the cells: they may be passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Numbers of lines. The csv crate's own are one too few after `\r\n` and do not count empty lines.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Line of the record that begins behind the line breaks at `start`; never goes back.
    fn of(&mut self, start: usize) -> u64 {
        let breaks = self.bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let passed = &self.bytes[self.at..start + breaks];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = start + breaks;
        self.line
    }
}

fn read_bounded(path: &Path) -> At<Vec<u8>> {
    let file = File::open(path).map_err(|e| (None, FeederProblem::Open(e)))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| (None, FeederProblem::Read(e)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err((None, FeederProblem::TooLarge));
    }
    Ok(bytes)
}

fn position(header: &csv::ByteRecord, wanted: &Arc<str>) -> Result<usize, FeederProblem> {
    let mut found = header.iter().enumerate().filter(|(_, name)| *name == wanted.as_bytes());
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(FeederProblem::TwoColumns(wanted.clone())),
        (None, _) => Err(FeederProblem::NoColumn { wanted: wanted.clone(), known: named(header) }),
    }
}

/// What the first line names, if it looks like names.
fn named(header: &csv::ByteRecord) -> String {
    let name = |cell| str::from_utf8(cell).ok().filter(|name| is_plain_name(name));
    match header.iter().map(name).collect::<Option<Vec<_>>>() {
        Some(names) => {
            let shown: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
            format!("the first line names {}", shown.join(", "))
        }
        None => format!(
            "the first line must name the columns, and not all of its {} cells look like names",
            header.len()
        ),
    }
}

fn of_csv(error: csv::Error) -> (Option<u64>, FeederProblem) {
    let line = error.position().map(csv::Position::line);
    let problem = match error.into_kind() {
        csv::ErrorKind::Io(e) => FeederProblem::Read(e),
        // Rows may have any length and nothing is deserialised: no other kind is left.
        _ => FeederProblem::Encoding,
    };
    (line, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>, format: FeederFormat, columns: &[&str]) -> Result<Records, String> {
        let columns: Vec<Arc<str>> = columns.iter().map(|c| Arc::from(*c)).collect();
        Records::parse(text.as_ref(), format, &columns)
            .map_err(|(line, problem)| FeederError { path: "memory".into(), line, problem }.to_string())
    }

    fn csv(text: impl AsRef<[u8]>, columns: &[&str]) -> Result<Records, String> {
        read(text, FeederFormat::Csv, columns)
    }

    fn cells(records: &Records) -> Vec<Vec<Option<&str>>> {
        let row = |r| (0..records.columns).map(|c| records.cell(r, c)).collect();
        (0..records.len()).map(row).collect()
    }

    #[test]
    fn csv_is_read_with_mark_quotes_line_ends_and_ragged_rows() {
        let text = "\u{feff}id,name,note\r\n1,\"O\"\"Neil, J\",\"two\r\nlines\"\r\n\r\n2,é\r\n3,,x,more\r\n";
        let records = csv(text, &["note", "id", "name"]).expect("valid");
        assert_eq!(
            cells(&records),
            [
                [Some("two\r\nlines"), Some("1"), Some("O\"Neil, J")],
                [None, Some("2"), Some("é")],
                [Some("x"), Some("3"), Some("")],
            ]
        );
        assert_eq!([0, 1, 2].map(|r| records.line(r)), [2, 5, 6]);
        assert_eq!(cells(&csv("a\n1\n2", &[]).expect("valid")), [[], []] as [[Option<&str>; 0]; 2]);
    }

    #[test]
    fn json_lines_are_read_with_their_types_and_gaps() {
        let text = "\u{feff}{\"id\": 7, \"name\": \"\\u00e9\\n\", \"x\": [1, {\"y\": null}]}\r\n\n{\"name\": null, \"id\": 1.50}\n{\"x\":true}";
        let records = read(text, FeederFormat::JsonLines, &["id", "name", "x"]).expect("valid");
        assert_eq!(
            cells(&records),
            [
                [Some("7"), Some("é\n"), Some("[1,{\"y\":null}]")],
                [Some("1.5"), None, None],
                [None, None, Some("true")],
            ]
        );
        assert_eq!([0, 1, 2].map(|r| records.line(r)), [1, 3, 4]);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line_and_remedy() {
        let json = |text: &str| read(text, FeederFormat::JsonLines, &["id"]).expect_err("bad");
        for (error, words) in [
            (csv("", &[]).expect_err("bad"), "memory: has no record"),
            (csv("id\n", &["id"]).expect_err("bad"), "memory: has no record"),
            (
                csv("id,na_me\n1,2", &["name"]).expect_err("bad"),
                "line 1: there is no column `name`; the first line names `id`, `na_me`",
            ),
            (
                csv("id,na\tme\n1,2", &["name"]).expect_err("bad"),
                "line 1: there is no column `name`; the first line must name the columns, and not all of its 2 cells look like names",
            ),
            (csv("a,a\n1,2", &["a"]).expect_err("bad"), "line 1: the column `a` is named twice"),
            (csv(b"a\nok\n\xff\n", &["a"]).expect_err("bad"), "line 3: is not UTF-8"),
            (
                csv(format!("a\n{}\n", "x".repeat(MAX_VALUE + 1)), &["a"]).expect_err("bad"),
                "line 2: the value of column `a` is longer than 64 KiB",
            ),
            (
                csv(format!("a\n1\n\"{}", "x\n".repeat(MAX_LINE)), &["a"]).expect_err("bad"),
                "line 3: is longer than 1 MiB: is a closing quote",
            ),
            (json("{\"id\": 1}\n[1]\n"), "line 2: is not a JSON object"),
            (json("{\"id\": 1"), "line 1: is not a JSON object"),
            (json(&format!("{{\"id\": {}", "[".repeat(100_000))), "line 1: is not a JSON object"),
            (json("{\"ID\": 1}\n{}"), "no record has a value for `id`"),
            (json(&format!("{{\"id\": \"{}\"}}", "x".repeat(MAX_LINE))), "line 1: is longer than 1 MiB"),
            (json("\n\n"), "memory: has no record"),
        ] {
            assert!(error.contains(words), "{error}");
        }
        let error = Records::load(Path::new("/nowhere/users.csv"), FeederFormat::Csv, &[]).expect_err("bad");
        assert!(error.to_string().starts_with("feeder file /nowhere/users.csv: cannot be opened"), "{error}");
    }

    #[test]
    fn a_first_line_that_is_a_record_is_not_shown() {
        for record in ["ann,hunter2", "ann,s3cr3t!", "ann@example.com,hunter", "ann,", "ann,Gr\u{fc}n"] {
            let error = csv(format!("{record}\nbob,secret\n"), &["name"]).expect_err("no such column");
            assert!(
                error.contains(
                    "the first line must name the columns, and not all of its 2 cells look like names"
                ),
                "{error}"
            );
            assert!(!error.contains("ann") && !error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn an_endless_file_ends_at_the_limit() {
        let error = Records::load(Path::new("/dev/zero"), FeederFormat::Csv, &[]).expect_err("too large");
        assert!(error.to_string().contains("is larger than 256 MiB"), "{error}");
    }
}
