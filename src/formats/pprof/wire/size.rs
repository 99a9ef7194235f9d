//! Bounds of a message, told before it is decoded.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::super::PprofError;

/// Most messages and strings directly in a profile.
const MAX_ENTRIES: usize = 2_000_000;
/// Most fields of samples and locations together: labels, inlined calls, ids that are not packed.
const MAX_FIELDS: usize = 16_000_000;

const SAMPLE: u32 = 2;
const LOCATION: u32 = 4;

/// Counts the fields of the outer message, and of those inside that hold lists. An empty message has two
/// bytes on the wire and up to a hundred in memory, so a small file could fill the memory if it were decoded
/// first and looked at later.
pub(in super::super) fn check_size(mut bytes: &[u8]) -> Result<(), PprofError> {
    let mut fields_left = MAX_FIELDS;
    for _ in 0..MAX_ENTRIES {
        if bytes.is_empty() {
            return Ok(());
        }
        let (tag, kind) = decode_key(&mut bytes).map_err(broken)?;
        if kind == WireType::LengthDelimited && matches!(tag, SAMPLE | LOCATION) {
            let length = decode_varint(&mut bytes).map_err(broken)?;
            let inside = usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n));
            let (inside, rest) = inside.ok_or_else(|| PprofError::Protobuf("it ends too early".into()))?;
            count_fields(inside, &mut fields_left)?;
            bytes = rest;
        } else {
            skip_field(kind, tag, &mut bytes, DecodeContext::default()).map_err(broken)?;
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(PprofError::Invalid("more than two million entries")) }
}

fn count_fields(mut bytes: &[u8], left: &mut usize) -> Result<(), PprofError> {
    while !bytes.is_empty() {
        let (tag, kind) = decode_key(&mut bytes).map_err(broken)?;
        skip_field(kind, tag, &mut bytes, DecodeContext::default()).map_err(broken)?;
        *left = left.checked_sub(1).ok_or(PprofError::Invalid("its samples have too many fields"))?;
    }
    Ok(())
}

fn broken(error: prost::DecodeError) -> PprofError {
    PprofError::Protobuf(error.to_string())
}
