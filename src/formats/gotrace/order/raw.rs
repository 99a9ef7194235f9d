//! A timed event as the file has it, with its references resolved.

use super::super::spec::Version;
use super::super::tables::Generation;
use super::super::wire::Bytes;
use super::{StackIndex, TextIndex};

/// A timed event. Arguments that name a stack or a string hold its index plus one, 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Raw {
    pub(in super::super) kind: u8,
    pub(super) args: [u64; 4],
    /// Offset in the file.
    pub(in super::super) at: usize,
}

impl Raw {
    /// Reads an event, and the ticks since the one before.
    #[inline]
    pub(in super::super) fn read(
        bytes: &mut Bytes<'_>,
        version: Version,
        tables: &Generation<'_>,
    ) -> Result<(Self, u64), &'static str> {
        const CUT: &str = "an event is cut off by the end of its batch";
        let at = bytes.at();
        let kind = bytes.byte().ok_or(CUT)?;
        let spec = version.timed(kind).ok_or("not an event of this version")?;
        let delta = bytes.varint().ok_or(CUT)?;
        let mut args = [0; 4];
        for (i, arg) in args.iter_mut().take(spec.args).enumerate() {
            let value = bytes.varint().ok_or(CUT)?;
            *arg = if spec.stacks >> i & 1 == 1 {
                let stack = tables.stack_index(value).ok_or("a stack that the generation does not have")?;
                stack.map_or(0, |s| u64::from(s.0) + 1)
            } else if spec.texts >> i & 1 == 1 {
                let text = tables.text_index(value).ok_or("a string that the generation does not have")?;
                text.0.map_or(0, |t| u64::from(t.get()))
            } else {
                value
            };
        }
        Ok((Self { kind, args, at }, delta))
    }

    /// Argument `i`, which is a stack.
    pub(super) fn stack(&self, i: usize) -> Option<StackIndex> {
        self.args[i].checked_sub(1).map(|index| StackIndex(index as u32))
    }

    /// Argument `i`, which is a string.
    pub(super) fn text(&self, i: usize) -> TextIndex {
        self.args[i].checked_sub(1).map_or(TextIndex::default(), |index| TextIndex::new(index as u32))
    }
}
