//! Where an answer goes: nowhere, or into bounded buffers when somebody looks at it.

use super::KEEP_LIMIT;

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Status line and header lines.
    pub(crate) head: bool,
    /// The first [`KEEP_LIMIT`] bytes of the body.
    pub(crate) body: bool,
}

/// Bounded buffers that are used again for every answer.
#[derive(Debug, Default)]
pub(crate) struct Body {
    keep: Keep,
    head: Vec<u8>,
    bytes: Vec<u8>,
    seen: u64,
}

impl Body {
    /// Empties the buffers; `keep` says what of the next answer is looked at.
    pub(crate) fn reset(&mut self, keep: Keep) {
        self.keep = keep;
        self.head.clear();
        self.bytes.clear();
        self.seen = 0;
    }

    /// Takes the final head.
    pub(crate) fn push_head(&mut self, bytes: &[u8]) {
        if self.keep.head {
            self.head.extend_from_slice(bytes);
        }
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        if self.keep.body {
            let room = KEEP_LIMIT - self.bytes.len();
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// The head's buffer, for a codec that writes the lines itself; none if nobody looks at them.
    pub(crate) fn lines(&mut self) -> Option<&mut Vec<u8>> {
        self.keep.head.then_some(&mut self.head)
    }

    /// The head, if it was to be kept.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What was kept of the body, at most [`KEEP_LIMIT`] bytes.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole body, kept or not.
    pub(crate) const fn len(&self) -> u64 {
        self.seen
    }

    /// Whether the body was longer than what is kept of one.
    pub(crate) const fn cut(&self) -> bool {
        self.seen > KEEP_LIMIT as u64
    }
}
