//! What must hold for any bytes of a server. The fuzz target takes this file in as source.

use std::task::{Context, Poll, Waker};

use crate::load::http1::body::{Body, Keep};
use crate::load::http1::conn::{Outgoing, Progress};
use crate::load::http2::frame;
use crate::load::http2::limits::{HEAD_LIMIT, MAX_QUIET, OUT_LIMIT};
use crate::load::http2::mux::{Answer, Mux};
use crate::time::RunTime;

const BODY: &[u8] = &[b'b'; 2000];
/// A `GET`, a `HEAD`, a `POST` with a body longer than the windows, and one whose owner leaves at once.
const REQUESTS: [Outgoing<'static>; 4] = [
    Outgoing { head: b"\x82\x86\x84", body: b"", no_body: false },
    Outgoing { head: b"\x82\x86\x84", body: b"", no_body: true },
    Outgoing { head: b"\x83\x86\x84", body: BODY, no_body: false },
    Outgoing { head: b"\x82\x86\x84", body: b"", no_body: false },
];

/// What the bytes came to: per stream its end, status, bytes, body and head; the connection's end; what we say.
type Outcome = (Vec<(String, u16, u64, Vec<u8>, Vec<u8>)>, String, Vec<u8>);

/// The first byte says how the rest is cut and whether SETTINGS come first. Whole and in pieces it gives the
/// same, nothing panics, and nothing grows beyond its bound.
pub fn http2(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let mut input = Vec::new();
    if first & 1 == 0 {
        frame::settings(&mut input, &[]);
    }
    input.extend_from_slice(bytes);
    let whole = run(&input, input.len().max(1));
    let pieces = run(&input, usize::from(first >> 1) + 1);
    assert_eq!(whole, pieces);
}

fn run(input: &[u8], piece: usize) -> Outcome {
    let mut mux = Mux::new();
    // Small windows: what is sent is compared, and copying it is most of the work otherwise.
    (mux.peer.max_streams, mux.send_window) = (100, 1000);
    let mut owners: Vec<(u32, Progress, Body)> = Vec::new();
    let cx = Context::from_waker(Waker::noop());
    for request in &REQUESTS {
        let (mut progress, mut body) = (Progress::default(), Body::default());
        body.reset(Keep { head: true, body: true });
        let mut answer = Answer { progress: &mut progress, body: &mut body };
        let Poll::Ready(Ok(id)) = mux.poll_open(&cx, &mut None, request, &mut answer) else {
            panic!("has room")
        };
        mux.pump(id, request.body, &mut 0);
        owners.push((id, progress, body));
    }
    let (id, progress, body) = &mut owners[3];
    mux.leave(*id, None, &mut Answer { progress, body });
    let n = mux.pending().len();
    mux.wrote(n, RunTime::ZERO);
    feed(&mut mux, input, piece);
    let mut ends = Vec::new();
    for (id, progress, body) in owners.iter_mut().take(3) {
        let end = format!("{:?}", mux.poll_over(*id, &cx));
        mux.leave(*id, None, &mut Answer { progress, body });
        assert!(body.len() <= input.len() as u64 && body.head().len() <= HEAD_LIMIT);
        ends.push((end, progress.status, progress.bytes_in, body.kept().to_vec(), body.head().to_vec()));
    }
    assert_eq!(mux.active, 0);
    (ends, format!("{:?}", mux.broken), mux.pending().to_vec())
}

fn feed(mux: &mut Mux, input: &[u8], piece: usize) {
    let (mut start, mut end) = (0, 0);
    while end < input.len() {
        end = (end + piece).min(input.len());
        start += mux.feed(&input[start..end], RunTime::ZERO);
        assert!(mux.block.len() <= HEAD_LIMIT && mux.quiet <= MAX_QUIET + 1);
        assert!(mux.pending().len() <= OUT_LIMIT + 64 && mux.active <= 3);
    }
}
