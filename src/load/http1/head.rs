//! Heads of answers: status line and the headers that frame the body.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::error::ProtocolError;
use super::{BODY_LIMIT, HEAD_LIMIT};

/// Header lines of a head, at most.
const MAX_HEADERS: usize = 128;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// All bytes until the stream ends.
    UntilClose,
}

/// A parsed head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// Bytes of the head.
    pub(crate) len: usize,
}

/// Parses a head at the start of `input`; none if it is not whole yet.
///
/// `no_body` says that the request was a HEAD.
pub(crate) fn parse(input: &[u8], no_body: bool) -> Result<Option<Head>, ProtocolError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut headers);
    let len = match parsed.map_err(ProtocolError::Head)? {
        Status::Complete(len) if len <= HEAD_LIMIT => len,
        Status::Partial if input.len() < HEAD_LIMIT => return Ok(None),
        _ => return Err(ProtocolError::HeadTooLong),
    };
    let (status, http11) = (response.code.unwrap_or(0), response.version == Some(1));
    if !(100..=599).contains(&status) {
        return Err(ProtocolError::Status(status));
    }
    let fields = Fields::collect(response.headers)?;
    let bodiless = no_body || status < 200 || status == 204 || status == 304;
    let framing = if bodiless { Framing::Empty } else { fields.framing(http11)? };
    let keep_alive = !fields.close && (http11 || fields.keep_alive) && framing != Framing::UntilClose;
    Ok(Some(Head { status, framing, keep_alive, len }))
}

/// What the framing headers say.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    encoded: bool,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn collect(headers: &[Header<'_>]) -> Result<Self, ProtocolError> {
        let mut fields = Self::default();
        for header in headers {
            // Lengths first: most names are told apart without comparing letters.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => fields.length(header.value)?,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    fields.encoding(header.value)?;
                }
                10 if header.name.eq_ignore_ascii_case("connection") => fields.connection(header.value),
                _ => {}
            }
        }
        Ok(fields)
    }

    /// `content-length`, also as a list of equal values (RFC 9112, section 6.3).
    fn length(&mut self, value: &[u8]) -> Result<(), ProtocolError> {
        for item in value.split(|b| *b == b',') {
            let length = digits(item.trim_ascii()).ok_or(ProtocolError::ContentLength)?;
            if self.length.replace(length).is_some_and(|other| other != length) {
                return Err(ProtocolError::ContentLength);
            }
        }
        Ok(())
    }

    /// `transfer-encoding`: chunked must come last and once.
    fn encoding(&mut self, value: &[u8]) -> Result<(), ProtocolError> {
        for item in value.split(|b| *b == b',') {
            let coding = item.trim_ascii();
            if coding.is_empty() || self.chunked {
                return Err(ProtocolError::TransferEncoding);
            }
            self.encoded = true;
            self.chunked = coding.eq_ignore_ascii_case(b"chunked");
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for item in value.split(|b| *b == b',') {
            let token = item.trim_ascii();
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn framing(&self, http11: bool) -> Result<Framing, ProtocolError> {
        match self.length {
            Some(_) if self.encoded => Err(ProtocolError::LengthAndEncoding),
            None if self.encoded && !http11 => Err(ProtocolError::TransferEncoding),
            Some(length) if length > BODY_LIMIT => Err(ProtocolError::BodyTooLong),
            Some(length) => Ok(Framing::Length(length)),
            None if self.chunked => Ok(Framing::Chunked),
            None => Ok(Framing::UntilClose),
        }
    }
}

/// A number of digits only: no sign, no blank, no overflow.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |n, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}
