//! A header block as the head or the trailers of an answer: what frames the body, and the rest on demand.

use super::error::{AnswerError, HpackError};
use super::hpack::decode::{Block, Field, Name, Text};
use super::hpack::table::STATIC;
use super::limits::{BODY_LIMIT, HEAD_LIMIT, MAX_FIELDS};
use crate::load::http1::head::digits;

/// Indices of the static table that are looked at.
const FIRST_STATUS: u8 = 8;
const LAST_STATUS: u8 = 14;
const CONTENT_LENGTH: u8 = 28;
const TRANSFER_ENCODING: u8 = 57;
/// Names that concern one connection of HTTP/1 and are malformed here (RFC 9113, section 8.2.2).
const CONNECTION_NAMES: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// What a block says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// 0 in trailers.
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
}

/// Where the fault is: in the connection's coding, or in this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockError {
    Hpack(HpackError),
    Answer(AnswerError),
}

impl From<HpackError> for BlockError {
    fn from(e: HpackError) -> Self {
        Self::Hpack(e)
    }
}

impl From<AnswerError> for BlockError {
    fn from(e: AnswerError) -> Self {
        Self::Answer(e)
    }
}

/// Room for names and values that were coded; used again for every block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Reads the block of a head. With `keep`, every field but `:status` is appended to it as a line; values that
/// nobody asked for are skipped without decoding them.
pub(crate) fn head(
    block: &[u8],
    keep: Option<&mut Vec<u8>>,
    scratch: &mut Scratch,
) -> Result<Head, BlockError> {
    let head = read(block, false, keep, scratch)?;
    if head.status == 0 { Err(AnswerError::Pseudo.into()) } else { Ok(head) }
}

/// Reads the block of trailers, for its faults alone.
pub(crate) fn trailers(block: &[u8], scratch: &mut Scratch) -> Result<(), BlockError> {
    read(block, true, None, scratch).map(drop)
}

fn read(
    block: &[u8],
    trailers: bool,
    mut keep: Option<&mut Vec<u8>>,
    scratch: &mut Scratch,
) -> Result<Head, BlockError> {
    let (mut block, mut head, mut fields) = (Block::new(block), Head::default(), 0);
    while let Some(field) = block.next()? {
        fields += 1;
        if fields > MAX_FIELDS {
            return Err(AnswerError::TooManyFields.into());
        }
        let Field { name, value } = field;
        match kind(name, &mut scratch.name)? {
            Kind::Status if trailers || fields > 1 => return Err(AnswerError::Pseudo.into()),
            Kind::Status => head.status = status(value.decoded(&mut scratch.value)?)?,
            Kind::Length if !trailers => length(value.decoded(&mut scratch.value)?, &mut head.length)?,
            Kind::Length | Kind::Other => {}
        }
        if let Some(keep) = keep.as_deref_mut().filter(|_| fields > 1) {
            line(keep, name, value, scratch)?;
        }
    }
    Ok(head)
}

enum Kind {
    Status,
    Length,
    Other,
}

fn kind(name: Name<'_>, scratch: &mut Vec<u8>) -> Result<Kind, BlockError> {
    match name {
        Name::Index(FIRST_STATUS..=LAST_STATUS) => Ok(Kind::Status),
        Name::Index(..FIRST_STATUS) => Err(AnswerError::Pseudo.into()),
        Name::Index(CONTENT_LENGTH) => Ok(Kind::Length),
        Name::Index(TRANSFER_ENCODING) => Err(AnswerError::FieldName.into()),
        Name::Index(_) => Ok(Kind::Other),
        Name::Text(text) => match text.decoded(scratch)? {
            b":status" => Ok(Kind::Status),
            b"content-length" => Ok(Kind::Length),
            [b':', ..] => Err(AnswerError::Pseudo.into()),
            name if valid(name) => Ok(Kind::Other),
            _ => Err(AnswerError::FieldName.into()),
        },
    }
}

/// A token in lower case that does not belong to a connection of HTTP/1.
fn valid(name: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(b);
    !name.is_empty() && name.iter().all(token) && !CONNECTION_NAMES.contains(&name)
}

/// Three digits from 100 to 599.
fn status(value: &[u8]) -> Result<u16, AnswerError> {
    let number = digits(value).filter(|_| value.len() == 3).ok_or(AnswerError::Pseudo)?;
    match u16::try_from(number) {
        Ok(status @ 100..=599) => Ok(status),
        Ok(status) => Err(AnswerError::Status(status)),
        Err(_) => Err(AnswerError::Pseudo),
    }
}

/// `content-length`, also as a list of equal values (RFC 9110, section 8.6).
fn length(value: &[u8], known: &mut Option<u64>) -> Result<(), AnswerError> {
    for item in value.split(|b| *b == b',') {
        let length = digits(item.trim_ascii()).ok_or(AnswerError::ContentLength)?;
        if length > BODY_LIMIT {
            return Err(AnswerError::BodyTooLong);
        }
        if known.replace(length).is_some_and(|other| other != length) {
            return Err(AnswerError::ContentLength);
        }
    }
    Ok(())
}

/// Appends `name: value\r\n`, which a value must not be able to end.
fn line(
    keep: &mut Vec<u8>,
    name: Name<'_>,
    value: Text<'_>,
    scratch: &mut Scratch,
) -> Result<(), BlockError> {
    match name {
        Name::Index(index) => keep.extend_from_slice(STATIC[usize::from(index) - 1].0.as_bytes()),
        Name::Text(text) => keep.extend_from_slice(text.decoded(&mut scratch.name)?),
    }
    keep.extend_from_slice(b": ");
    let value = value.decoded(&mut scratch.value)?;
    if value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
        return Err(AnswerError::FieldValue.into());
    }
    keep.extend_from_slice(value);
    keep.extend_from_slice(b"\r\n");
    if keep.len() > HEAD_LIMIT { Err(AnswerError::HeadTooLong.into()) } else { Ok(()) }
}
