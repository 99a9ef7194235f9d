//! What services sent over OTLP, one request at a time: the files may be far larger than memory.

use std::fs::File;
use std::io::{BufReader, ErrorKind};

use crate::formats::otlp::{Batch, Encoding, MAX_BYTES, Signal};
use crate::run::files;
use crate::run::layout;
use crate::run::reader::Recording;
use crate::run::writer::RunError;

/// Lines of a file of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtlpLines {
    /// Requests that were read.
    pub requests: u64,
    /// Lines that are no request: cut off, or written by something else.
    pub skipped: u64,
}

impl Recording {
    /// Hands over the requests of one signal in the order of arrival; none if nothing was received.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn read_otlp(&self, signal: Signal, mut each: impl FnMut(Batch)) -> Result<OtlpLines, RunError> {
        let mut lines = OtlpLines::default();
        let path = self.dir.join(layout::otlp(signal.name()));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(lines),
            Err(e) => return Err(RunError::io(path)(e)),
        };
        files::lines(&mut BufReader::new(file), MAX_BYTES, |_, line| {
            match Batch::decode(signal, Encoding::Json, line) {
                Ok(batch) => {
                    lines.requests += 1;
                    each(batch);
                }
                Err(_) => lines.skipped += 1,
            }
        })
        .map_err(RunError::io(path))?;
        Ok(lines)
    }
}
