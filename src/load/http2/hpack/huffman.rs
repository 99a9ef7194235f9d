//! The Huffman code of RFC 7541, appendix B. It is canonical, so the lengths of the codes give the codes.

use crate::load::http2::error::HpackError;

/// Bits of each symbol's code; 256 is the end of the string, which may only pad.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const LONGEST: usize = 30;
const END: u16 = 256;

/// Per length of a code: the first code beyond it, aligned to 32 bits, and where its symbols are.
struct Canonical {
    /// Codes of this length or less are below.
    limit: [u64; LONGEST + 1],
    /// Index into `symbols` of the code 0 of this length, were it one; wraps below 0.
    base: [u32; LONGEST + 1],
    symbols: [u16; 257],
}

static CODE: Canonical = canonical();

const fn canonical() -> Canonical {
    let mut code = Canonical { limit: [0; LONGEST + 1], base: [0; LONGEST + 1], symbols: [0; 257] };
    let (mut next, mut at, mut len) = (0_u64, 0, 1);
    while len <= LONGEST {
        next <<= 1;
        code.base[len] = (at as u32).wrapping_sub(next as u32);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == len {
                code.symbols[at] = symbol as u16;
                at += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.limit[len] = next << (32 - len);
        len += 1;
    }
    code
}

/// Appends what `coded` stands for.
pub(crate) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let (mut bits, mut held, mut rest) = (0_u64, 0_usize, coded);
    loop {
        while held <= 32 {
            let Some((&byte, after)) = rest.split_first() else { break };
            bits = bits << 8 | u64::from(byte);
            held += 8;
            rest = after;
        }
        // What lies behind the end reads as ones, as the padding does.
        let window = if held >= 32 { bits >> (held - 32) } else { !(!bits << (32 - held)) } & 0xffff_ffff;
        let len = (5..=LONGEST).find(|len| window < CODE.limit[*len]).unwrap_or(LONGEST);
        if len > held {
            // The padding: less than a byte of ones.
            return if held < 8 && window == 0xffff_ffff { Ok(()) } else { Err(HpackError::Huffman) };
        }
        let index = CODE.base[len].wrapping_add((window >> (32 - len)) as u32);
        match CODE.symbols.get(index as usize) {
            Some(&symbol) if symbol != END => out.push(symbol as u8),
            _ => return Err(HpackError::Huffman),
        }
        held -= len;
        bits &= (1 << held) - 1;
    }
}
