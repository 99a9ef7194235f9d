//! A connection's state without a socket, and frames to feed it.

use std::task::{Context, Poll, Waker};

use crate::load::http1::body::{Body, Keep};
use crate::load::http1::conn::{Outgoing, Progress};
use crate::load::http2::error::{Broken, ConnectionError, ExchangeError};
use crate::load::http2::frame::{self, FrameHeader, HEADER, flag, kind, setting};
use crate::load::http2::hpack::encode::{Secrecy, field};
use crate::load::http2::mux::{Answer, Mux};
use crate::time::RunTime;

/// `GET` on `http`.
pub(super) const GET: Outgoing<'static> = Outgoing { head: b"\x82\x86\x84", body: b"", no_body: false };

/// What the owner of a stream has.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub(super) id: u32,
    pub(super) progress: Progress,
    pub(super) body: Body,
}

impl Owner {
    pub(super) fn answer(&mut self) -> Answer<'_> {
        Answer { progress: &mut self.progress, body: &mut self.body }
    }
}

pub(super) fn at(millis: u64) -> RunTime {
    RunTime::from_nanos(millis * 1_000_000)
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::header(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

pub(super) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::settings(&mut out, values);
    out
}

pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(n, v)| field(&mut out, n.as_bytes(), v.as_bytes(), Secrecy::Open));
    out
}

pub(super) fn head(stream: u32, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    let flags = flag::END_HEADERS | if end { flag::END_STREAM } else { 0 };
    frame(kind::HEADERS, flags, stream, &block(fields))
}

pub(super) fn data(stream: u32, payload: &[u8], end: bool) -> Vec<u8> {
    frame(kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, payload)
}

/// A connection whose server has sent SETTINGS.
pub(super) struct Rig {
    pub(super) mux: Mux,
}

impl Rig {
    pub(super) fn new() -> Self {
        let mut rig = Self { mux: Mux::new() };
        rig.feed(&settings(&[]));
        rig.sent();
        rig
    }

    /// Opens a stream; none if it has to wait.
    pub(super) fn open(&mut self, request: Outgoing<'_>) -> Option<Owner> {
        let mut owner = Owner::default();
        owner.body.reset(Keep { head: true, body: true });
        let cx = Context::from_waker(Waker::noop());
        let mut ticket = None;
        match self.mux.poll_open(&cx, &mut ticket, &request, &mut owner.answer()) {
            Poll::Ready(opened) => owner.id = opened.expect("takes requests"),
            Poll::Pending => {
                self.mux.leave(0, ticket, &mut owner.answer());
                return None;
            }
        }
        Some(owner)
    }

    pub(super) fn get(&mut self) -> Owner {
        self.open(GET).expect("has room")
    }

    /// Feeds whole frames at 1 ms.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let used = self.mux.feed(bytes, at(1));
        assert!(used == bytes.len() || self.mux.broken.is_some(), "{used} of {} bytes used", bytes.len());
    }

    /// Whether the answer is over, and how.
    pub(super) fn over(&mut self, owner: &Owner) -> Option<Result<(), ExchangeError>> {
        match self.mux.poll_over(owner.id, &Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Takes the answer: status, body, lines of the head.
    pub(super) fn take(&mut self, owner: &mut Owner) -> Result<(u16, Vec<u8>, String), ExchangeError> {
        let result = self.over(owner).expect("over");
        self.mux.leave(owner.id, None, &mut owner.answer());
        let head = String::from_utf8_lossy(owner.body.head()).into_owned();
        result.map(|()| (owner.progress.status, owner.body.kept().to_vec(), head))
    }

    /// Takes the frames that wait to be written: kind, flags, stream, payload.
    pub(super) fn sent(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let mut rest = self.mux.pending().to_vec();
        self.mux.wrote(rest.len(), at(2));
        if rest.starts_with(frame::PREFACE) {
            rest.drain(..frame::PREFACE.len());
        }
        let mut frames = Vec::new();
        while let Some(header) = FrameHeader::parse(&rest) {
            let payload = rest[HEADER..HEADER + header.len].to_vec();
            frames.push((header.kind, header.flags, header.stream, payload));
            rest.drain(..HEADER + header.len);
        }
        assert!(rest.is_empty());
        frames
    }

    pub(super) fn broken(&self) -> Option<ConnectionError> {
        match &self.mux.broken {
            Some(Broken::Protocol(e)) => Some(*e),
            None => None,
            other => panic!("{other:?}"),
        }
    }
}

/// What a fresh connection with stream 1 open makes of some bytes.
pub(super) fn breaks(bytes: &[u8]) -> Option<ConnectionError> {
    let mut rig = Rig::new();
    let _stream = rig.get();
    rig.sent();
    rig.feed(bytes);
    if let Some(e) = rig.broken() {
        let sent = rig.sent();
        let (kind, _, _, payload) = sent.last().expect("says goodbye");
        assert_eq!((*kind, &payload[4..]), (kind::GOAWAY, &e.code().0.to_be_bytes()[..]));
        assert!(!rig.mux.reusable() && rig.mux.over() && rig.mux.active == 0);
    }
    rig.broken()
}

/// What becomes of the answer on stream 1.
pub(super) fn fails(bytes: &[u8]) -> Option<Result<(), ExchangeError>> {
    let mut rig = Rig::new();
    let stream = rig.get();
    rig.feed(bytes);
    assert_eq!(rig.broken(), None);
    rig.over(&stream)
}

pub(super) const MAX_STREAMS: u16 = setting::MAX_CONCURRENT_STREAMS;
