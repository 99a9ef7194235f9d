//! A log of JSON lines that a collector appends to, within bounds.

use bytes::Bytes;
use serde::Serialize;

use super::session::Session;
use crate::formats::postgres::lines::{MAX_LINE, encode};

/// Appends lines to one file of the run folder. Lines beyond its bounds are dropped and counted.
#[derive(Debug)]
pub(super) struct Journal {
    path: String,
    room: usize,
    limit: usize,
    dropped: u64,
}

impl Journal {
    /// A log at `path` that grows to `limit` bytes at the most.
    pub(super) const fn new(path: String, limit: usize) -> Self {
        Self { path, room: limit, limit, dropped: 0 }
    }

    /// Appends a line.
    pub(super) async fn write(&mut self, session: &mut Session, line: &impl Serialize) {
        let bytes = encode(line);
        if bytes.len() > self.room.min(MAX_LINE) {
            self.dropped += 1;
            return;
        }
        self.room -= bytes.len();
        session.append(self.path.clone(), Bytes::from(bytes)).await;
    }

    /// Tells what was dropped.
    pub(super) fn finish(self, session: &mut Session) {
        if self.dropped > 0 {
            let (dropped, path, limit) = (self.dropped, &self.path, self.limit >> 20);
            session.fault(&format!("{dropped} lines of {path} were dropped: it may have {limit} MiB"));
        }
    }
}
