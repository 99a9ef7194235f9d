//! Fields as literals, without Huffman codes and without touching the server's dynamic table: a block then
//! holds whatever connection it is sent on, and parts of it can be patched in place.

use super::table;

/// Whether a field's value may be a secret, which no one on the way may put in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    Open,
    Secret,
}

/// Appends a field; `name` is in lower case.
pub(crate) fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8], secrecy: Secrecy) {
    if let Some(index) = table::whole(name, value) {
        return integer(out, 0x80, 7, index);
    }
    let first = if secrecy == Secrecy::Secret { 0x10 } else { 0 };
    match table::name(name) {
        Some(index) => integer(out, first, 4, index),
        None => {
            out.push(first);
            string(out, name);
        }
    }
    string(out, value);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// Section 5.1: `value` with a prefix of `bits` bits in a byte that begins as `first`.
pub(crate) fn integer(out: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}
