//! Looks at the sockets between generator and target: how many requests the service had not read yet.

use serde::{Deserialize, Serialize};

use super::in_flight::Look;
use super::reader::Recording;
use super::{files, layout};
use crate::time::RunTime;

/// A look at the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadLook {
    /// When it began.
    pub t: RunTime,
    /// Sockets of the service with bytes that it had not read.
    pub service: u64,
    /// Sockets of the generator with bytes that it had not read.
    pub generator: u64,
    /// Requests in flight then, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Sum of the times that requests were in flight until then, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<u64>,
}

impl UnreadLook {
    /// As a line of the file.
    #[must_use]
    pub fn line(self) -> Vec<u8> {
        files::look_line(&self)
    }

    /// The requests in flight, if they were counted.
    #[must_use]
    pub fn beside(self) -> Option<Look> {
        Some(Look { t: self.t, count: self.count?, area: self.area?, later: Vec::new() })
    }
}

/// The looks of a run in the order they were written; a line that is none is left out.
#[must_use]
pub fn looks(recording: &Recording) -> Vec<UnreadLook> {
    files::looks(&recording.dir, layout::UNREAD)
}
