//! Content codings of answers: gzip, brotli and zstd, several in a row if need be.
//!
//! Only answers whose body is looked at are decoded. Input and output of every stage are at most
//! [`KEEP_LIMIT`] bytes, stages and frames are counted: a bomb costs milliseconds and no memory to speak of.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::answer::Answer;
use crate::load::http1::KEEP_LIMIT;
use crate::scenario::Coding;

/// Codings of one answer at the most; more than two are never seen.
const MAX_CODINGS: usize = 4;
/// Frames of zstd or members of gzip in one body at the most: each may be empty and costs a reset.
const MAX_FRAMES: usize = 64;
/// RFC 9659: windows of zstd on the web are at most 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// First room for decoded bytes.
const FIRST_ROOM: usize = 16 * 1024;

/// Why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("the content coding `{0}` is not known; gzip, br, zstd and identity are")]
    Unknown(String),
    #[error("more than {MAX_CODINGS} content codings in a row")]
    TooMany,
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    #[error("the body ends in the middle of its {0} data")]
    Short(&'static str),
}

/// Decodes bodies into buffers that are used again; one for each load thread is enough.
#[derive(Default)]
pub(crate) struct Decoder {
    input: Room,
    output: Room,
    gzip: Option<Decompress>,
    zstd: Option<zstd::stream::raw::Decoder<'static>>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("room", &self.output.bytes.len()).finish_non_exhaustive()
    }
}

/// A buffer whose bytes are written once to make room and then only overwritten.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    len: usize,
}

impl Room {
    /// Room behind what is there; empty at [`KEEP_LIMIT`].
    fn free(&mut self) -> &mut [u8] {
        if self.len == self.bytes.len() && self.len < KEEP_LIMIT {
            self.bytes.resize((self.len * 2).clamp(FIRST_ROOM, KEEP_LIMIT), 0);
        }
        &mut self.bytes[self.len..]
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// How a stage ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its input.
    Whole,
    /// Because its output is full.
    Full,
    /// Because its input ended in the middle.
    Starved,
}

impl Decoder {
    /// The answer with its body as it was before `content-encoding`. Beyond [`KEEP_LIMIT`] it is cut.
    ///
    /// # Errors
    /// [`DecodeError`]; what was decoded until then is lost.
    pub(crate) fn decode<'a>(&'a mut self, answer: Answer<'a>) -> Result<Answer<'a>, DecodeError> {
        let (codings, count) = codings(&answer)?;
        // Answers to HEAD and 304 name the coding of a body that they do not have.
        if count == 0 || answer.body.is_empty() {
            return Ok(answer);
        }
        let mut cut = answer.cut;
        for (done, coding) in codings[..count].iter().rev().flatten().enumerate() {
            std::mem::swap(&mut self.input, &mut self.output);
            cut = self.stage(*coding, (done == 0).then_some(answer.body), cut)?;
        }
        Ok(Answer { body: self.output.filled(), cut, ..answer })
    }

    /// Undoes one coding of `first` or of what the last stage wrote; says whether the result is cut.
    fn stage(&mut self, coding: Coding, first: Option<&[u8]>, cut: bool) -> Result<bool, DecodeError> {
        let (input, out) = (first.unwrap_or(self.input.filled()), &mut self.output);
        out.len = 0;
        let end = match coding {
            Coding::Gzip => gzip(self.gzip.get_or_insert_with(|| Decompress::new(false)), input, out),
            Coding::Brotli => brotli(input, out),
            Coding::Zstd => zstd(&mut self.zstd, input, out),
        };
        match end.ok_or(DecodeError::Broken(coding.name()))? {
            End::Whole => Ok(cut),
            End::Full => Ok(true),
            End::Starved if cut => Ok(true),
            End::Starved => Err(DecodeError::Short(coding.name())),
        }
    }
}

/// The codings in the order in which they were applied.
fn codings(answer: &Answer<'_>) -> Result<([Option<Coding>; MAX_CODINGS], usize), DecodeError> {
    let (mut found, mut count) = ([None; MAX_CODINGS], 0);
    for name in answer.headers("content-encoding").flat_map(|value| value.split(|b| *b == b',')) {
        let name = name.trim_ascii();
        if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
            continue;
        }
        let plain = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        let known = Coding::ALL.into_iter().find(|c| plain.eq_ignore_ascii_case(c.name().as_bytes()));
        let coding = known.ok_or_else(|| DecodeError::Unknown(shown(name)))?;
        *found.get_mut(count).ok_or(DecodeError::TooMany)? = Some(coding);
        count += 1;
    }
    Ok((found, count))
}

/// A coding's name, of which a message holds no more than a word.
fn shown(name: &[u8]) -> String {
    name.iter().take(20).map(|b| if b.is_ascii_alphanumeric() { char::from(*b) } else { '?' }).collect()
}

/// RFC 1952; several members in a row are one text. None: broken.
fn gzip(inflate: &mut Decompress, mut input: &[u8], out: &mut Room) -> Option<End> {
    for _ in 0..MAX_FRAMES {
        let Some(header) = gzip_header(input)? else { return Some(End::Starved) };
        input = &input[header..];
        inflate.reset(false);
        let mut crc = Crc::new();
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let room = out.free();
            let full = room.is_empty();
            let status = inflate.decompress(input, room, FlushDecompress::None).ok()?;
            let read = (inflate.total_in() - read) as usize;
            let written = (inflate.total_out() - written) as usize;
            crc.update(&out.bytes[out.len..out.len + written]);
            out.len += written;
            input = &input[read..];
            match status {
                Status::StreamEnd => break,
                _ if read + written > 0 => {}
                _ if full => return Some(End::Full),
                _ => return Some(End::Starved),
            }
        }
        let Some((trailer, rest)) = input.split_first_chunk::<8>() else { return Some(End::Starved) };
        let sums = u64::from(crc.sum()) | u64::from(crc.amount()) << 32;
        if u64::from_le_bytes(*trailer) != sums {
            return None;
        }
        input = rest;
        // What follows the last member is padding, as every gzip reads it.
        if !input.starts_with(&[0x1f, 0x8b]) {
            return Some(End::Whole);
        }
    }
    None
}

/// Length of a member's header; `Some(None)`: it is not whole.
fn gzip_header(input: &[u8]) -> Option<Option<usize>> {
    let Some(fixed) = input.first_chunk::<10>() else { return Some(None) };
    let flags = fixed[3];
    if fixed[..3] != [0x1f, 0x8b, 8] || flags & 0xe0 != 0 {
        return None;
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(length) = input[at..].first_chunk() else { return Some(None) };
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    // Name and comment, each ended by a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = input.get(at..).and_then(|rest| memchr::memchr(0, rest)) else {
                return Some(None);
            };
            at += end + 1;
        }
    }
    at += usize::from(flags & 2);
    Some((at <= input.len()).then_some(at))
}

/// RFC 7932, without large windows.
fn brotli(input: &[u8], out: &mut Room) -> Option<End> {
    let heap = StandardAlloc::default;
    let mut state = BrotliState::new_strict(heap(), heap(), heap());
    let (mut left, mut at, mut total) = (input.len(), 0, 0);
    loop {
        let room = out.free();
        let (mut space, mut written) = (room.len(), 0);
        let full = space == 0;
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            input,
            &mut space,
            &mut written,
            room,
            &mut total,
            &mut state,
        );
        out.len += written;
        match result {
            BrotliResult::ResultSuccess => return Some(End::Whole),
            BrotliResult::ResultFailure => return None,
            BrotliResult::NeedsMoreOutput if full => return Some(End::Full),
            // Asks for input although decoded bytes still wait for room.
            BrotliResult::NeedsMoreInput if space > 0 || full => return Some(End::Starved),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
    }
}

/// RFC 8878; several frames in a row are one text.
fn zstd(
    decoder: &mut Option<zstd::stream::raw::Decoder<'static>>,
    input: &[u8],
    out: &mut Room,
) -> Option<End> {
    if decoder.is_none() {
        let mut new = zstd::stream::raw::Decoder::new().ok()?;
        new.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).ok()?;
        *decoder = Some(new);
    }
    let decoder = decoder.as_mut()?;
    let mut source = InBuffer::around(input);
    for _ in 0..MAX_FRAMES {
        decoder.reinit().ok()?;
        loop {
            let before = source.pos();
            let room = out.free();
            let full = room.is_empty();
            let mut sink = OutBuffer::around(room);
            let hint = decoder.run(&mut source, &mut sink).ok()?;
            let written = sink.pos();
            out.len += written;
            match hint {
                0 => break,
                _ if source.pos() - before + written > 0 => {}
                _ if full => return Some(End::Full),
                _ => return Some(End::Starved),
            }
        }
        if source.pos() == input.len() {
            return Some(End::Whole);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use proptest::prelude::*;

    use super::*;

    fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => {
                let mut gz = flate2::GzBuilder::new()
                    .filename("a")
                    .comment("b")
                    .extra("c")
                    .write(&mut out, flate2::Compression::new(6));
                gz.write_all(text).expect("memory");
                gz.finish().expect("memory");
            }
            Coding::Brotli => {
                brotli::CompressorReader::new(text, 4096, 5, 22)
                    .read_to_end(&mut out)
                    .map(drop)
                    .expect("memory");
            }
            Coding::Zstd => out = zstd::encode_all(text, 3).expect("memory"),
        }
        out
    }

    fn decoded(head: &str, body: &[u8], cut: bool) -> Result<(Vec<u8>, bool), DecodeError> {
        let mut decoder = Decoder::default();
        let answer = Answer { status: 200, head: head.as_bytes(), body, cut };
        decoder.decode(answer).map(|a| (a.body.to_vec(), a.cut))
    }

    fn head(coding: Coding) -> String {
        format!("Content-Encoding: {}\r\n", coding.name())
    }

    #[test]
    fn every_coding_is_undone_and_the_buffers_are_used_again() {
        let mut decoder = Decoder::default();
        let long: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).take(700_000).collect();
        for text in [&long[..], b"", b"x", &long[..5000]] {
            for coding in Coding::ALL.into_iter().chain(Coding::ALL) {
                let (head, body) = (head(coding), coded(coding, text));
                let answer = Answer { head: head.as_bytes(), body: &body, ..Answer::default() };
                let plain = decoder.decode(answer).expect("valid");
                assert!(plain.body == text && !plain.cut, "{coding:?} {}", text.len());
            }
        }
    }

    #[test]
    fn plain_bodies_are_not_copied() {
        for head in ["", "content-encoding: identity\r\n", "content-encoding:\r\n"] {
            let body = b"plain".as_slice();
            let mut decoder = Decoder::default();
            let answer = Answer { head: head.as_bytes(), body, ..Answer::default() };
            assert_eq!(decoder.decode(answer).expect("plain").body.as_ptr(), body.as_ptr());
        }
        assert_eq!(decoded("content-encoding: gzip\r\n", b"", false), Ok((Vec::new(), false)));
    }

    #[test]
    fn codings_in_a_row_are_undone_from_the_last() {
        let body = coded(Coding::Zstd, &coded(Coding::Gzip, &coded(Coding::Brotli, b"text")));
        let heads = [
            "content-encoding: br, X-GZIP ,zstd\r\n",
            "content-encoding: br\r\nContent-Encoding: gzip,,zstd",
        ];
        for head in heads {
            assert_eq!(decoded(head, &body, false), Ok((b"text".to_vec(), false)));
        }
        assert_eq!(
            decoded("content-encoding: gzip,gzip,gzip,gzip,gzip", &body, false),
            Err(DecodeError::TooMany)
        );
        let unknown = decoded("content-encoding: gzip, de\"flate", &body, false).expect_err("unknown");
        assert_eq!(
            unknown.to_string(),
            "the content coding `de?flate` is not known; gzip, br, zstd and identity are"
        );
    }

    #[test]
    fn broken_and_short_bodies_are_told_apart_from_cut_ones() {
        for coding in Coding::ALL {
            let text: Vec<u8> =
                (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
            let body = coded(coding, &text);
            let half = &body[..body.len() / 2];
            assert_eq!(decoded(&head(coding), half, false), Err(DecodeError::Short(coding.name())));
            let (part, cut) = decoded(&head(coding), half, true).expect("what is there");
            assert!(
                cut && text.starts_with(&part) && part.len() > text.len() / 4,
                "{coding:?} {}",
                part.len()
            );
            let broken = decoded(&head(coding), b"{\"plain\": \"json\", \"not\": \"coded\"}", false);
            assert_eq!(broken, Err(DecodeError::Broken(coding.name())));
        }
        let mut gz = coded(Coding::Gzip, b"checked");
        let sum = gz.len() - 8;
        gz[sum] ^= 1;
        assert_eq!(decoded(&head(Coding::Gzip), &gz, false), Err(DecodeError::Broken("gzip")));
    }

    #[test]
    fn members_and_frames_are_joined_and_counted() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let two = [coded(coding, b"one "), coded(coding, b"two")].concat();
            assert_eq!(decoded(&head(coding), &two, false), Ok((b"one two".to_vec(), false)));
            let many = coded(coding, b"").repeat(MAX_FRAMES + 1);
            assert_eq!(decoded(&head(coding), &many, false), Err(DecodeError::Broken(coding.name())));
        }
    }

    #[test]
    fn a_bomb_is_undone_no_further_than_the_limit() {
        let zeros = vec![0; 200 << 20];
        for coding in Coding::ALL {
            let bomb = coded(coding, &zeros);
            assert!(bomb.len() < KEEP_LIMIT, "{coding:?}");
            let (body, cut) = decoded(&head(coding), &bomb, false).expect("valid as far as it was read");
            assert_eq!((body.len(), cut), (KEEP_LIMIT, true));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_any_bytes_are_survived(
            text in prop::collection::vec(any::<u8>(), 0..2000),
            which in 0..3_usize,
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let coding = Coding::ALL[which];
            let mut body = coded(coding, &text);
            prop_assert_eq!(decoded(&head(coding), &body, false), Ok((text, false)));
            let at = at.index(body.len());
            body[at] = byte;
            let _ = decoded(&head(coding), &body, false);
        }
    }
}
