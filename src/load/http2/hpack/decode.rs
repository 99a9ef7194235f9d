//! Header blocks as fields, without a dynamic table: we announce a size of 0, so nothing fits in it.

use super::huffman;
use super::table::STATIC;
use crate::load::http2::error::HpackError;

/// A string as it stands in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    huffman: bool,
    coded: &'a [u8],
}

impl<'a> Text<'a> {
    const fn plain(coded: &'a [u8]) -> Self {
        Self { huffman: false, coded }
    }

    /// What it stands for; `scratch` holds it if it was coded.
    pub(crate) fn decoded<'b>(self, scratch: &'b mut Vec<u8>) -> Result<&'b [u8], HpackError>
    where
        'a: 'b,
    {
        if !self.huffman {
            return Ok(self.coded);
        }
        scratch.clear();
        huffman::decode(self.coded, scratch)?;
        Ok(scratch)
    }
}

/// A field's name: an index of the static table, or a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// Counting from 1.
    Index(u8),
    Text(Text<'a>),
}

/// One field of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) value: Text<'a>,
}

/// Reads a block field by field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    rest: &'a [u8],
    /// Whether a field was read: size updates come before all of them.
    begun: bool,
}

impl<'a> Block<'a> {
    pub(crate) const fn new(block: &'a [u8]) -> Self {
        Self { rest: block, begun: false }
    }

    /// The next field; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, HpackError> {
        loop {
            let Some(&first) = self.rest.first() else { return Ok(None) };
            let field = match first {
                0x80.. => self.indexed()?,
                // With incremental indexing: the entry is larger than the table, which stays empty.
                0x40..0x80 => self.literal(6)?,
                0x20..0x40 => {
                    if self.begun || self.integer(5)? != 0 {
                        return Err(HpackError::TableSize);
                    }
                    continue;
                }
                // Without indexing, or never.
                _ => self.literal(4)?,
            };
            self.begun = true;
            return Ok(Some(field));
        }
    }

    fn indexed(&mut self) -> Result<Field<'a>, HpackError> {
        let index = self.integer(7)?;
        let entry = index.checked_sub(1).and_then(|i| STATIC.get(i)).ok_or(HpackError::Index)?;
        Ok(Field { name: Name::Index(index as u8), value: Text::plain(entry.1.as_bytes()) })
    }

    fn literal(&mut self, bits: u32) -> Result<Field<'a>, HpackError> {
        let name = match self.integer(bits)? {
            0 => Name::Text(self.string()?),
            index if index <= STATIC.len() => Name::Index(index as u8),
            _ => return Err(HpackError::Index),
        };
        Ok(Field { name, value: self.string()? })
    }

    fn string(&mut self) -> Result<Text<'a>, HpackError> {
        let huffman = self.rest.first().ok_or(HpackError::Truncated)? & 0x80 != 0;
        let len = self.integer(7)?;
        let (coded, rest) = self.rest.split_at_checked(len).ok_or(HpackError::Truncated)?;
        self.rest = rest;
        Ok(Text { huffman, coded })
    }

    fn integer(&mut self, bits: u32) -> Result<usize, HpackError> {
        let (&first, mut rest) = self.rest.split_first().ok_or(HpackError::Truncated)?;
        let most = (1_usize << bits) - 1;
        let mut value = usize::from(first) & most;
        if value == most {
            // Blocks are at most 64 KiB long: four bytes are more than any length in them needs.
            for shift in [0, 7, 14, 21] {
                let (&byte, after) = rest.split_first().ok_or(HpackError::Truncated)?;
                rest = after;
                value += usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    self.rest = rest;
                    return Ok(value);
                }
            }
            return Err(HpackError::Integer);
        }
        self.rest = rest;
        Ok(value)
    }
}
