//! Where a body goes: nowhere, or into a bounded buffer when an expectation looks at it.

use super::KEEP_LIMIT;

/// A bounded buffer that is used again for every answer.
#[derive(Debug, Default)]
pub(crate) struct Body {
    keep: bool,
    bytes: Vec<u8>,
    seen: u64,
}

impl Body {
    /// Empties the buffer; `keep` says whether the next body is looked at.
    pub(crate) fn reset(&mut self, keep: bool) {
        self.keep = keep;
        self.bytes.clear();
        self.seen = 0;
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        if self.keep {
            let room = KEEP_LIMIT - self.bytes.len();
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// What was kept, at most [`KEEP_LIMIT`] bytes.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole body, kept or not.
    pub(crate) const fn len(&self) -> u64 {
        self.seen
    }
}
