//! Frames by the rules of RFC 9113, sections 4 to 8, and by our bounds.

use super::rig::{GET, MAX_STREAMS, Rig, at, block, breaks, data, fails, frame, head, settings};
use crate::load::http1::BODY_LIMIT;
use crate::load::http1::conn::Outgoing;
use crate::load::http2::error::{AnswerError, Code, ConnectionError, ExchangeError};
use crate::load::http2::frame::{PREFACE, flag, kind, setting};
use crate::load::http2::limits::{
    CONNECTION_WINDOW, MAX_FRAME, MAX_INTERIM, MAX_QUIET, OUT_HIGH, STREAM_WINDOW,
};
use crate::load::http2::mux::Mux;

const OK: &[(&str, &str)] = &[(":status", "200")];

#[test]
fn a_connection_begins_with_preface_settings_and_window() {
    let mux = Mux::new();
    let sent = mux.pending();
    assert!(sent.starts_with(PREFACE));
    assert_eq!(&sent[24..33], b"\x00\x00\x1e\x04\x00\x00\x00\x00\x00");
    assert_eq!(&sent[33..45], b"\x00\x01\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00");
    let by = (CONNECTION_WINDOW - 65_535).to_be_bytes();
    assert_eq!(&sent[63..], [&b"\x00\x00\x04\x08\x00\x00\x00\x00\x00"[..], &by].concat());
}

#[test]
fn answers_are_read_with_head_body_and_trailers() {
    let mut rig = Rig::new();
    let mut stream = rig.get();
    let head_block = [(":status", "200"), ("content-length", "5"), ("x-id", "7")];
    let bytes = [
        head(1, &[(":status", "103"), ("link", "a")], false),
        head(1, &head_block, false),
        data(1, b"he", false),
        data(1, b"llo", false),
        head(1, &[("x-sum", "1")], true),
    ]
    .concat();
    rig.feed(&bytes);
    let (status, body, lines) = rig.take(&mut stream).expect("passes");
    assert_eq!((status, &body[..], &lines[..]), (200, &b"hello"[..], "content-length: 5\r\nx-id: 7\r\n"));
    assert_eq!(stream.progress.bytes_in, bytes.len() as u64);
    assert_eq!((stream.progress.first_byte, stream.progress.done), (Some(at(1)), Some(at(1))));
    assert_eq!(rig.mux.active, 0);
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let no_body = Outgoing { no_body: true, ..GET };
    let long = [(":status", "200"), ("content-length", "612")];
    let none = [(":status", "304"), ("content-length", "612")];
    for (request, bytes) in [
        (no_body, head(1, &long, true)),
        (no_body, [head(1, &long, false), data(1, b"", true)].concat()),
        (GET, head(1, &none, true)),
        (GET, head(1, &[(":status", "204")], true)),
        (GET, head(1, OK, true)),
    ] {
        let mut rig = Rig::new();
        let mut stream = rig.open(request).expect("has room");
        rig.feed(&bytes);
        assert!(rig.take(&mut stream).expect("passes").1.is_empty());
    }
}

#[test]
fn padding_and_priority_are_skipped() {
    let padded = |kind, flags, inside: &[u8]| {
        frame(kind, flags | flag::PADDED, 1, &[&[3][..], inside, &[0; 3]].concat())
    };
    let with_priority = [&[0, 0, 0, 0, 16][..], &block(OK)].concat();
    let flags = flag::END_HEADERS | flag::PRIORITY;
    let bytes = [
        frame(kind::PRIORITY, 0, 1, &[0; 5]),
        padded(kind::HEADERS, flags, &with_priority),
        padded(kind::DATA, 0, b"abc"),
        padded(kind::DATA, flag::END_STREAM, b""),
    ];
    let mut rig = Rig::new();
    let mut stream = rig.get();
    rig.feed(&bytes.concat());
    assert_eq!(rig.take(&mut stream).expect("passes").1, b"abc");
    assert_eq!(rig.mux.window, CONNECTION_WINDOW - 7 - 4, "padding counts");
}

#[test]
fn a_block_may_go_on_in_other_frames() {
    let block = block(&[(":status", "200"), ("x", &"y".repeat(100))]);
    let mut bytes = frame(kind::HEADERS, flag::END_STREAM, 1, &block[..1]);
    bytes.extend(frame(kind::CONTINUATION, 0, 1, b""));
    bytes.extend(frame(kind::CONTINUATION, 0, 1, &block[1..50]));
    bytes.extend(frame(kind::CONTINUATION, flag::END_HEADERS, 1, &block[50..]));
    assert!(matches!(fails(&bytes), Some(Ok(()))));
}

#[test]
fn what_breaks_a_connection_is_a_typed_error() {
    use ConnectionError as E;
    let h = |flags, payload: &[u8]| frame(kind::HEADERS, flags, 1, payload);
    let c = |stream, payload: &[u8]| frame(kind::CONTINUATION, 0, stream, payload);
    let long = vec![0; MAX_FRAME + 1];
    for (bytes, expected) in [
        (frame(99, 0, 0, &long), E::FrameTooLong(16_385)),
        (data(0, b"x", false), E::FrameStream(kind::DATA)),
        (data(2, b"x", false), E::FrameStream(kind::DATA)),
        (data(3, b"x", false), E::FrameStream(kind::DATA)),
        (head(0, OK, true), E::FrameStream(kind::HEADERS)),
        (head(5, OK, true), E::FrameStream(kind::HEADERS)),
        (frame(kind::PRIORITY, 0, 0, &[0; 5]), E::FrameStream(kind::PRIORITY)),
        (frame(kind::PRIORITY, 0, 1, &[0; 4]), E::FrameLength(kind::PRIORITY)),
        (frame(kind::RST_STREAM, 0, 0, &[0; 4]), E::FrameStream(kind::RST_STREAM)),
        (frame(kind::RST_STREAM, 0, 3, &[0; 4]), E::FrameStream(kind::RST_STREAM)),
        (frame(kind::RST_STREAM, 0, 1, &[0; 5]), E::FrameLength(kind::RST_STREAM)),
        (frame(kind::SETTINGS, 0, 1, b""), E::FrameStream(kind::SETTINGS)),
        (frame(kind::SETTINGS, 0, 0, &[0; 5]), E::FrameLength(kind::SETTINGS)),
        (frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]), E::FrameLength(kind::SETTINGS)),
        (settings(&[(setting::ENABLE_PUSH, 1)]), E::Setting(2)),
        (settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]), E::Setting(4)),
        (settings(&[(setting::MAX_FRAME_SIZE, 16_383)]), E::Setting(5)),
        (settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]), E::Setting(5)),
        (frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2, 0x82]), E::Push),
        (frame(kind::PING, 0, 0, &[0; 7]), E::FrameLength(kind::PING)),
        (frame(kind::PING, 0, 1, &[0; 8]), E::FrameStream(kind::PING)),
        (frame(kind::GOAWAY, 0, 0, &[0; 7]), E::FrameLength(kind::GOAWAY)),
        (frame(kind::GOAWAY, 0, 1, &[0; 8]), E::FrameStream(kind::GOAWAY)),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), E::WindowUpdate),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), E::WindowUpdate),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[1; 3]), E::FrameLength(kind::WINDOW_UPDATE)),
        (frame(kind::WINDOW_UPDATE, 0, 3, &[1; 4]), E::FrameStream(kind::WINDOW_UPDATE)),
        (frame(kind::DATA, flag::PADDED, 1, b""), E::Padding),
        (frame(kind::DATA, flag::PADDED, 1, &[2, 0]), E::Padding),
        (h(flag::PADDED | flag::END_HEADERS, &[9, 0x88]), E::Padding),
        (h(flag::PRIORITY | flag::END_HEADERS, &[0; 4]), E::FrameLength(kind::HEADERS)),
        (h(flag::END_HEADERS, &[0xff]), E::Compression(crate::load::http2::error::HpackError::Truncated)),
        (c(1, b""), E::Continuation),
        ([h(0, b""), c(3, b"")].concat(), E::Continuation),
        ([h(0, b""), data(1, b"", true)].concat(), E::Continuation),
        ([h(0, b""), frame(kind::PING, 0, 0, &[0; 8])].concat(), E::Continuation),
        ([h(0, b""), c(1, b"").repeat(65)].concat(), E::TooManyContinuations),
        ([h(0, &long[1..]), c(1, &long[1..]).repeat(4)].concat(), E::BlockTooLong),
    ] {
        assert_eq!(breaks(&bytes), Some(expected), "{:?}", &bytes[..bytes.len().min(20)]);
    }
}

#[test]
fn what_may_come_breaks_nothing() {
    for bytes in [
        frame(99, 0xff, 77, b"unknown"),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(kind::SETTINGS, flag::ACK, 0, b""),
        settings(&[(0x99, 7), (setting::MAX_HEADER_LIST_SIZE, 0), (setting::HEADER_TABLE_SIZE, 0)]),
        frame(kind::PRIORITY, 0, 9, &[0; 5]),
        frame(kind::GOAWAY, 0, 0, &[0xff; 20]),
    ] {
        assert_eq!(breaks(&bytes), None, "{bytes:?}");
    }
}

#[test]
fn settings_and_pings_are_answered() {
    let mut rig = Rig::new();
    rig.feed(&[settings(&[(3, 9)]), frame(kind::PING, 0, 0, b"12345678")].concat());
    let expected = [(kind::SETTINGS, flag::ACK, 0, vec![]), (kind::PING, flag::ACK, 0, b"12345678".to_vec())];
    assert_eq!(rig.sent(), expected);
}

#[test]
fn a_server_of_another_protocol_is_named() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ConnectionError::Http1),
        (b"SSH-2.0-OpenSSH_9.9\r\n", ConnectionError::Preface),
        (b"\x00\x00\x00\x04\x01\x00\x00\x00\x00", ConnectionError::Preface),
        (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00", ConnectionError::Preface),
    ] {
        let mut rig = Rig { mux: Mux::new() };
        let mut stream = rig.get();
        rig.feed(bytes);
        assert_eq!(rig.broken(), Some(expected));
        let error = rig.take(&mut stream).expect_err("broken");
        assert!(matches!(error, ExchangeError::Connection(e) if e == expected));
    }
}

#[test]
fn a_wrong_answer_fails_alone() {
    use AnswerError as E;
    let length = |n| head(1, &[(":status", "200"), ("content-length", n)], false);
    let interim = |end| head(1, &[(":status", "100")], end);
    let update = |by: u32| frame(kind::WINDOW_UPDATE, 0, 1, &by.to_be_bytes());
    for (bytes, expected) in [
        (data(1, b"x", false), E::BodyFirst),
        (data(1, b"", true), E::BodyFirst),
        ([length("3"), data(1, b"ab", true)].concat(), E::Length),
        ([length("3"), data(1, b"abcd", false)].concat(), E::Length),
        ([length("3"), head(1, &[], true)].concat(), E::Length),
        (head(1, &[(":status", "200"), ("content-length", "3")], true), E::Length),
        ([head(1, &[(":status", "204")], false), data(1, b"x", true)].concat(), E::NoBody),
        ([head(1, OK, false), head(1, OK, false)].concat(), E::Trailers),
        ([head(1, OK, false), head(1, OK, true)].concat(), E::Pseudo),
        (interim(true), E::EndsInterim),
        (interim(false).repeat(usize::from(MAX_INTERIM) + 1), E::TooManyInterim),
        (head(1, &[(":status", "101")], false), E::Upgrade),
        (length(&(BODY_LIMIT + 1).to_string()), E::BodyTooLong),
        (update(0), E::WindowByZero),
        (update(0x7fff_ffff), E::WindowTooLarge),
    ] {
        let mut rig = Rig::new();
        let (mut stream, mut other) = (rig.get(), rig.get());
        rig.sent();
        rig.feed(&bytes);
        let error = rig.take(&mut stream).expect_err("must fail");
        assert!(matches!(error, ExchangeError::Answer(e) if e == expected), "{error} is not {expected}");
        assert_eq!(rig.sent()[0].0, kind::RST_STREAM);
        // The connection goes on, and what still comes for the stream is let through.
        rig.feed(&[data(1, b"late", true), head(other.id, OK, true)].concat());
        assert_eq!((rig.take(&mut other).expect("passes").0, rig.broken()), (200, None));
    }
}

#[test]
fn a_reset_names_its_code() {
    let error = fails(&frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 7])).expect("over").expect_err("reset");
    assert_eq!(error.to_string(), "the server reset the stream: REFUSED_STREAM");
    assert!(error.unprocessed());
    let error = fails(&frame(kind::RST_STREAM, 0, 1, &[0, 0, 1, 7])).expect("over").expect_err("reset");
    assert_eq!(error.to_string(), "the server reset the stream: code 0x107");
    assert!(!error.unprocessed());
}

#[test]
fn goaway_fails_what_the_server_does_not_look_at() {
    let mut rig = Rig::new();
    let (mut first, mut second) = (rig.get(), rig.get());
    rig.feed(&frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    let error = rig.take(&mut second).expect_err("beyond the last stream");
    assert!(matches!(error, ExchangeError::GoAway(Code::NO_ERROR)) && error.unprocessed());
    assert!(!rig.mux.reusable() && !rig.mux.over() && rig.over(&first).is_none());
    rig.feed(&head(1, OK, true));
    assert_eq!(rig.take(&mut first).expect("passes").0, 200);
    assert!(rig.mux.over());
    rig.feed(&frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 0]));
    assert_eq!(rig.broken(), Some(ConnectionError::GoAway));
}

#[test]
fn floods_are_cut_off() {
    let many = MAX_QUIET as usize + 1;
    for (bytes, expected) in [
        (settings(&[]), ConnectionError::Flood),
        (frame(kind::PING, 0, 0, &[0; 8]), ConnectionError::Flood),
        (frame(99, 0, 1, b""), ConnectionError::Flood),
        (frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), ConnectionError::Flood),
        (frame(kind::PRIORITY, 0, 1, &[0; 5]), ConnectionError::Flood),
    ] {
        assert_eq!(breaks(&bytes.repeat(many)), Some(expected));
    }
    let empty = [head(1, OK, false), data(1, b"", false).repeat(many)].concat();
    assert_eq!(breaks(&empty), Some(ConnectionError::Flood));
    let closed = frame(kind::RST_STREAM, 0, 1, &[0; 4]).repeat(many + 1);
    assert_eq!(breaks(&closed), Some(ConnectionError::Flood));
    // Data for a stream that was over: what it might have sent when we gave it up, and no more.
    let over = [head(1, OK, true), data(1, b"x", false)].concat();
    assert_eq!(breaks(&over), Some(ConnectionError::Window));
}

#[test]
fn windows_are_opened_again_when_half_is_used() {
    let mut rig = Rig::new();
    let mut stream = rig.get();
    rig.sent();
    let piece = vec![b'x'; MAX_FRAME];
    rig.feed(&head(1, OK, false));
    let pieces = 3 * STREAM_WINDOW as usize / MAX_FRAME;
    (0..pieces).for_each(|_| rig.feed(&data(1, &piece, false)));
    rig.feed(&data(1, b"", true));
    let sent = rig.sent();
    assert!(sent.iter().all(|(kind, _, stream, _)| (*kind, *stream) == (kind::WINDOW_UPDATE, 1)));
    assert_eq!(sent.len(), 5, "one per half and a frame");
    assert_eq!(rig.take(&mut stream).map(|_| stream.body.len()).expect("passes"), 3 << 20);
    // A server that does not wait for it breaks the connection.
    let all = [head(1, OK, false), data(1, &piece, false).repeat(10)].concat();
    let mut rig = Rig::new();
    let _stream = rig.get();
    rig.mux.streams.get(1).expect("open").window = 100_000;
    rig.mux.window = 100_000 + CONNECTION_WINDOW / 2;
    rig.feed(&all[..head(1, OK, false).len()]);
    rig.mux.streams.get(1).expect("open").window = 10_000;
    rig.feed(&all[head(1, OK, false).len()..]);
    assert_eq!(rig.broken(), Some(ConnectionError::Window));
}

#[test]
fn bodies_go_out_within_all_windows() {
    let body = vec![b'y'; 200_000];
    let mut rig = Rig::new();
    rig.feed(&settings(&[(setting::INITIAL_WINDOW_SIZE, 100_000)]));
    let stream = rig.open(Outgoing { body: &body, ..GET }).expect("has room");
    let (mut sent, mut out) = (0, 0);
    let mut pump = |rig: &mut Rig| {
        for _ in 0..20 {
            rig.mux.pump(1, &body, &mut sent);
            assert!(rig.mux.pending().len() < OUT_HIGH + MAX_FRAME + 9);
            for (kind, flags, _, payload) in rig.sent() {
                if kind == kind::DATA {
                    out += payload.len();
                    assert_eq!(flags == flag::END_STREAM, out == body.len());
                }
            }
        }
        out
    };
    let update = |stream, by: u32| frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    assert_eq!(pump(&mut rig), 65_535, "the connection's window");
    rig.feed(&update(0, 1_000_000));
    assert_eq!(pump(&mut rig), 100_000, "the stream's window");
    rig.feed(&settings(&[(setting::INITIAL_WINDOW_SIZE, 90_000)]));
    rig.feed(&update(1, 15_000));
    assert_eq!(pump(&mut rig), 105_000, "a smaller initial window counts for open streams");
    rig.feed(&settings(&[(setting::INITIAL_WINDOW_SIZE, 1_000_000)]));
    assert_eq!(pump(&mut rig), 200_000);
    let progress = rig.mux.streams.get(stream.id).expect("open").progress;
    assert_eq!(progress.written, Some(at(2)));
    assert!(progress.bytes_out > 200_000 + 9 * 12);
}

#[test]
fn an_early_answer_stops_the_body() {
    let body = vec![b'y'; 200_000];
    let mut rig = Rig::new();
    let mut stream = rig.open(Outgoing { body: &body, ..GET }).expect("has room");
    rig.mux.pump(1, &body, &mut 0);
    rig.sent();
    rig.feed(&head(1, &[(":status", "413")], true));
    assert_eq!(rig.take(&mut stream).expect("the answer counts").0, 413);
    assert_eq!(rig.sent(), [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
    assert!(rig.mux.reusable() && stream.progress.written.is_none());
}

#[test]
fn the_servers_limit_of_streams_is_kept() {
    let mut rig = Rig { mux: Mux::new() };
    let mut first = rig.get();
    assert!(rig.open(GET).is_none(), "one stream until the server has said how many");
    rig.feed(&settings(&[(MAX_STREAMS, 2)]));
    let second = rig.get();
    assert!(rig.open(GET).is_none());
    rig.feed(&head(second.id, OK, true));
    assert!(rig.open(GET).is_some(), "room as soon as an answer is whole");
    rig.feed(&settings(&[(MAX_STREAMS, 0)]));
    assert!(rig.open(GET).is_none());
    rig.feed(&head(first.id, OK, true));
    assert_eq!((rig.take(&mut first).expect("passes").0, rig.mux.active), (200, 1));
}

#[test]
fn a_stream_that_lasts_long_leaves_its_cell_to_no_other() {
    let mut rig = Rig::new();
    let mut slow = rig.get();
    let mut ids = vec![slow.id];
    for _ in 0..50 {
        let mut quick = rig.get();
        ids.push(quick.id);
        rig.feed(&head(quick.id, OK, true));
        rig.take(&mut quick).expect("passes");
    }
    assert!(ids.windows(2).all(|w| w[0] < w[1] && w[1] % 2 == 1), "{ids:?}");
    assert!(ids[50] > 101, "numbers are skipped, cells are not added");
    rig.feed(&[head(1, OK, false), data(1, b"late", true)].concat());
    assert_eq!(rig.take(&mut slow).expect("passes").1, b"late");
    let mut many: Vec<_> = (0..300).map(|_| rig.get()).collect();
    many.iter().rev().for_each(|owner| rig.feed(&head(owner.id, OK, true)));
    assert!(many.iter_mut().all(|owner| rig.take(owner).is_ok()));
}

#[test]
fn an_owner_that_leaves_cancels_its_stream() {
    let mut rig = Rig::new();
    let (mut left, mut other) = (rig.get(), rig.get());
    rig.sent();
    rig.feed(&[head(1, OK, false), data(1, b"half", false)].concat());
    rig.mux.leave(left.id, None, &mut left.answer());
    assert_eq!(rig.sent(), [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
    assert_eq!((left.progress.status, left.body.kept(), rig.mux.active), (200, &b"half"[..], 1));
    rig.feed(&[data(1, b"more", false), head(1, &[("x", "y")], true), head(3, OK, true)].concat());
    assert_eq!(rig.take(&mut other).expect("passes").0, 200);
}

#[test]
fn the_first_byte_counts_before_its_frame_is_whole() {
    let mut rig = Rig::new();
    let mut stream = rig.get();
    let bytes = head(1, OK, true);
    let used = rig.mux.feed(&bytes[..bytes.len() - 1], at(5));
    assert_eq!(used, 0);
    assert_eq!(rig.mux.feed(&bytes, at(9)), bytes.len());
    rig.take(&mut stream).expect("passes");
    assert_eq!((stream.progress.first_byte, stream.progress.done), (Some(at(5)), Some(at(9))));
}
