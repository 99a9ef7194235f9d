//! Bytes and varints, with their offset in the file.

/// Reads a part of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    file: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Bytes<'a> {
    /// Reads from `at` to `end`, which must lie in the file.
    pub(super) fn new(file: &'a [u8], at: usize, end: usize) -> Self {
        let end = end.min(file.len());
        Self { file, at: at.min(end), end }
    }

    /// Offset in the file of what is read next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.end
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        if self.at == self.end {
            return None;
        }
        let byte = self.file[self.at];
        self.at += 1;
        Some(byte)
    }

    /// An unsigned LEB128. Padding is allowed: the runtime reserves ten bytes for sizes that it fills in
    /// later.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&e| e <= self.end)?;
        let taken = &self.file[self.at..end];
        self.at = end;
        Some(taken)
    }
}
