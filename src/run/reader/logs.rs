//! Log lines of all services, from their files and as they sent them over OTLP.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;

use serde::Deserialize;

use crate::formats::logline::LogLine;
use crate::formats::otlp::{Clocks, LogRecord, Signal};
use crate::run::files;
use crate::run::reader::Recording;
use crate::run::writer::RunError;
use crate::time::RunTime;

/// Bytes of an entry of a service's log.
const MAX_LOG_LINE: usize = 1 << 20;

/// A line that a service logged.
#[derive(Clone, Debug)]
pub struct KeptLine<'a> {
    /// Name of the service: of OTLP, its `service.name`.
    pub service: &'a str,
    /// When it was logged; of a line of a file, when it was found, at most a quarter of a second later.
    pub at: RunTime,
    /// The line as written; of OTLP, the record's body with its exception.
    pub text: Cow<'a, str>,
    sent: Option<&'a LogRecord>,
}

/// What could not be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadLines {
    /// Entries of files, and requests of OTLP, that are none.
    pub broken: u64,
    /// Records of OTLP without a time.
    pub undated: u64,
}

impl KeptLine<'_> {
    /// Message, level and trace. What a record says of itself stands above what its text says.
    #[must_use]
    pub fn read(&self) -> LogLine {
        let mut read = LogLine::read(&self.text);
        let Some(record) = self.sent else { return read };
        if !record.level().is_empty() {
            record.level().clone_into(&mut read.level);
        }
        if let Some(trace) = record.trace {
            read.trace_id = Some(trace.to_string());
        }
        read
    }
}

/// An entry of a service's log.
#[derive(Deserialize)]
struct LogEntry {
    t: RunTime,
    line: String,
}

impl Recording {
    /// Calls `each` with every log line of the run: those of files service by service and file by file, then those that
    /// services sent, in order of arrival, their times set right by `clocks`. Records from before the run are left out.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn log_lines(
        &self,
        clocks: &Clocks,
        mut each: impl FnMut(&KeptLine<'_>),
    ) -> Result<UnreadLines, RunError> {
        let mut unread = UnreadLines::default();
        for service in files::folders(&self.dir.join("logs")) {
            unread.broken += self.lines_of_files(&service, &mut each)?;
        }
        let start = self.manifest.started_unix_nanos;
        let lines = self.read_otlp(Signal::Logs, |batch| {
            for record in batch.into_records() {
                match clocks.right(&record.resource, record.at_unix_nanos).checked_sub(start) {
                    _ if record.at_unix_nanos == 0 => unread.undated += 1,
                    None => {}
                    Some(nanos) => each(&KeptLine {
                        service: &record.resource.service,
                        at: RunTime::from_nanos(nanos),
                        text: record.line(),
                        sent: Some(&record),
                    }),
                }
            }
        })?;
        unread.broken += lines.skipped;
        Ok(unread)
    }

    fn lines_of_files(&self, service: &str, each: &mut impl FnMut(&KeptLine<'_>)) -> Result<u64, RunError> {
        let Some(dir) = self.below("logs", &[service]) else { return Ok(0) };
        let mut broken = 0;
        for path in files::with_suffix(&dir, ".jsonl") {
            let file = File::open(&path).map_err(RunError::io(&path))?;
            let read =
                files::lines(
                    &mut BufReader::new(file),
                    MAX_LOG_LINE,
                    |_, line| match serde_json::from_slice::<LogEntry>(line) {
                        Ok(LogEntry { t: at, line }) => {
                            each(&KeptLine { service, at, text: line.into(), sent: None });
                        }
                        Err(_) => broken += 1,
                    },
                );
            read.map_err(RunError::io(&path))?;
        }
        Ok(broken)
    }
}
