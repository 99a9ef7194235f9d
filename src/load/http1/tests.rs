//! The codec against bytes of every kind, whole, byte by byte and over a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::body::{Body, Keep};
use super::conn::{Connection, Outgoing, Progress, Stale};
use super::error::{ExchangeError, ProtocolError};
use super::parser::Parser;
use super::{BODY_LIMIT, HEAD_LIMIT, KEEP_LIMIT};
use crate::load::socket::Socket;
use crate::load::stream::{Arrivals, Stream};
use crate::time::{RunClock, RunTime};

/// What reading some bytes came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Status, body, keep-alive, bytes left over.
    Done(u16, Vec<u8>, bool, usize),
    /// More bytes are needed, and the end of the stream here would be the end of the answer, or not.
    More(bool),
    Error(ProtocolError),
}

/// Feeds `input` in pieces of `piece` bytes, as a connection would.
fn read(input: &[u8], piece: usize, no_body: bool) -> Outcome {
    let (mut parser, mut body) = (Parser::new(), Body::default());
    parser.begin(no_body);
    body.reset(Keep { head: false, body: true });
    let (mut start, mut end) = (0, 0);
    while end < input.len() {
        end = (end + piece).min(input.len());
        match parser.feed(&input[start..end], &mut body) {
            Err(e) => return Outcome::Error(e),
            Ok(step) => {
                start += step.consumed;
                if step.done {
                    let kept = body.kept().to_vec();
                    return Outcome::Done(parser.status(), kept, parser.keep_alive(), input.len() - start);
                }
            }
        }
    }
    Outcome::More(parser.at_eof())
}

fn both(input: &[u8]) -> Outcome {
    let (whole, bytewise) = (read(input, input.len().max(1), false), read(input, 1, false));
    match (&whole, &bytewise) {
        // Byte by byte, what follows the answer is never fed.
        (Outcome::Done(s, b, k, _), Outcome::Done(s1, b1, k1, _)) => assert_eq!((s, b, k), (s1, b1, k1)),
        _ => assert_eq!(whole, bytewise, "{:?}", String::from_utf8_lossy(input)),
    }
    whole
}

fn done(status: u16, body: &str, keep_alive: bool) -> Outcome {
    Outcome::Done(status, body.into(), keep_alive, 0)
}

#[test]
fn every_framing_is_read_whole_and_byte_by_byte() {
    for (input, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", done(200, "hello", true)),
        ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", done(200, "", true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc", done(200, "abc", true)),
        ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", done(200, "x", true)),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", done(200, "x", true)),
        ("HTTP/1.1 404 Nope\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx", done(404, "x", false)),
        ("HTTP/1.1 200 OK\r\nConnection: a, close\r\nContent-Length: 1\r\n\r\nx", done(200, "x", false)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", done(200, "x", false)),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", done(200, "x", true)),
        ("HTTP/1.1 204 No Content\r\n\r\n", done(204, "", true)),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", done(204, "", true)),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", done(304, "", true)),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", done(200, "x", true)),
        ("HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 x\r\n\r\n", done(204, "", true)),
    ] {
        assert_eq!(both(input.as_bytes()), expected, "{input:?}");
    }
}

#[test]
fn chunked_bodies_are_joined_and_trailers_skipped() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, text) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n1;a=b;c=\"d\"\r\n!\r\n0\r\n\r\n", "hello!"),
        ("A \r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("1 \t;a=b c\r\nx\r\n0 \r\n\r\n", "x"),
        ("1\r\na\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "a"),
        ("2\r\n\r\n\r\n0;x\r\n\r\n", "\r\n"),
        ("0\r\n\r\n", ""),
    ] {
        assert_eq!(both(format!("{head}{body}").as_bytes()), done(200, text, true), "{body:?}");
    }
    let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n";
    assert_eq!(both(coded.as_bytes()), done(200, "z", true));
}

#[test]
fn malformed_answers_are_typed_errors() {
    use ProtocolError as E;
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let with = |header: &str| format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n");
    for (input, expected) in [
        (with("Content-Length: -1"), E::ContentLength),
        (with("Content-Length: +1"), E::ContentLength),
        (with("Content-Length: 1 1"), E::ContentLength),
        (with("Content-Length: 0x10"), E::ContentLength),
        (with("Content-Length:"), E::ContentLength),
        (with("Content-Length: 1,"), E::ContentLength),
        (with("Content-Length: 1, 2"), E::ContentLength),
        (with("Content-Length: 1\r\nContent-Length: 2"), E::ContentLength),
        (with("Content-Length: 99999999999999999999999"), E::ContentLength),
        (with(&format!("Content-Length: {}", BODY_LIMIT + 1)), E::BodyTooLong),
        (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), E::LengthAndEncoding),
        (with("Transfer-Encoding: chunked, chunked"), E::TransferEncoding),
        (with("Transfer-Encoding: chunked, gzip"), E::TransferEncoding),
        (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), E::TransferEncoding),
        (with("Transfer-Encoding:"), E::TransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(), E::TransferEncoding),
        ("HTTP/1.1 101 Switch\r\n\r\n".into(), E::Upgrade),
        ("HTTP/1.1 099 Low\r\n\r\n".into(), E::Status(99)),
        ("HTTP/1.1 600 High\r\n\r\n".into(), E::Status(600)),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(40), E::TooManyInterim(32)),
        (chunked("g\r\n"), E::ChunkSize),
        (chunked("\r\n"), E::ChunkSize),
        (chunked("-1\r\n"), E::ChunkSize),
        (chunked("1\n"), E::ChunkSize),
        (chunked("1;\nx"), E::ChunkSize),
        (chunked("1\rx"), E::ChunkSize),
        (chunked("1 1\r\nx\r\n"), E::ChunkSize),
        (chunked("1 \tx=y\r\n"), E::ChunkSize),
        (chunked(&format!("1{}", " ".repeat(5000))), E::ChunkLineTooLong(4096)),
        (chunked("ffffffffffffffff\r\n"), E::BodyTooLong),
        (chunked("fffffffffffffffff\r\n"), E::BodyTooLong),
        (chunked("40000001\r\n"), E::BodyTooLong),
        (chunked(&format!("1;{}", "x".repeat(5000))), E::ChunkLineTooLong(4096)),
        (chunked(&"0".repeat(5000)), E::ChunkLineTooLong(4096)),
        (chunked("1\r\nxy"), E::ChunkEnd),
        (chunked("1\r\nx\ry"), E::ChunkEnd),
        (chunked("0\r\nx\n"), E::Trailer),
        (chunked("0\r\n\rx"), E::Trailer),
        (chunked("0\r\na: b\rc"), E::Trailer),
        (chunked(&format!("0\r\n{}", "a: b\r\n".repeat(HEAD_LIMIT))), E::TrailerTooLong),
    ] {
        let shown = &input[..input.len().min(80)];
        assert_eq!(both(input.as_bytes()), Outcome::Error(expected), "{shown:?}");
    }
}

#[test]
fn what_is_no_http_is_refused_as_soon_as_it_shows() {
    for input in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "<html>",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        "\x16\x03\x01\x02\x00",
    ] {
        let outcome = read(input.as_bytes(), input.len(), false);
        assert!(matches!(outcome, Outcome::Error(ProtocolError::Head(_))), "{input:?}: {outcome:?}");
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert_eq!(both(many.as_bytes()), Outcome::Error(ProtocolError::Head(httparse::Error::TooManyHeaders)));
}

#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(2 * HEAD_LIMIT));
    assert_eq!(read(endless.as_bytes(), 1000, false), Outcome::Error(ProtocolError::HeadTooLong));
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(HEAD_LIMIT));
    assert_eq!(read(long.as_bytes(), long.len(), false), Outcome::Error(ProtocolError::HeadTooLong));
    let fits = format!("HTTP/1.1 204 OK\r\nA: {}\r\n\r\n", "b".repeat(HEAD_LIMIT - 100));
    assert_eq!(both(fits.as_bytes()), done(204, "", true));
}

#[test]
fn the_end_of_the_stream_ends_only_what_it_may_end() {
    assert_eq!(both(b"HTTP/1.1 200 OK\r\n\r\nall of it"), Outcome::More(true));
    assert_eq!(both(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx"), Outcome::More(true));
    for input in
        ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 100 Continue\r\n\r\n"]
    {
        assert_eq!(both(input.as_bytes()), Outcome::More(false), "{input:?}");
    }
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
    assert_eq!(both(chunked), Outcome::More(false));
}

#[test]
fn the_answer_to_a_head_request_has_no_body() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n";
    assert_eq!(read(head, head.len(), true), done(200, "", true));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read(chunked, 7, true), done(200, "", true));
}

#[test]
fn bytes_behind_the_answer_are_left_over() {
    let input = b"HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert_eq!(read(input, input.len(), false), Outcome::Done(204, vec![], true, 17));
}

#[test]
fn a_body_is_kept_only_up_to_its_limit() {
    let mut body = Body::default();
    body.reset(Keep { head: false, body: true });
    (0..3).for_each(|_| body.push(&vec![b'x'; KEEP_LIMIT / 2]));
    assert_eq!((body.kept().len(), body.len()), (KEEP_LIMIT, KEEP_LIMIT as u64 / 2 * 3));
    body.reset(Keep::default());
    body.push(b"thrown away");
    assert_eq!((body.kept().len(), body.len()), (0, 11));
}

proptest! {
    #[test]
    fn no_input_panics_and_pieces_do_not_matter(
        input in prop::collection::vec(prop_oneof![
            Just(b"HTTP/1.1 200 OK\r\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"Content-Length: 4\r\n".to_vec()),
            Just(b"Transfer-Encoding: chunked\r\n".to_vec()), Just(b"4\r\nabcd\r\n".to_vec()),
            Just(b"0\r\n".to_vec()), Just(b"HTTP/1.1 100 x\r\n\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ], 0..12),
        piece in 1..9_usize,
    ) {
        let bytes = input.concat();
        let strip = |o| match o { Outcome::Done(s, b, k, _) => Outcome::Done(s, b, k, 0), o => o };
        let (small, single) = (read(&bytes, piece, false), read(&bytes, 1, false));
        // A head that is wrong may show so at an earlier or a later piece, never as something else.
        match (strip(small), strip(single)) {
            (Outcome::Error(ProtocolError::Head(_)), Outcome::Error(_) | Outcome::More(_))
            | (Outcome::More(_), Outcome::Error(ProtocolError::Head(_))) => {}
            (a, b) => prop_assert_eq!(a, b),
        }
    }
}

// ---- over a stream ---------------------------------------------------------------------------------

const GET: Outgoing<'static> = Outgoing { head: b"GET / HTTP/1.1\r\n\r\n", body: b"", no_body: false };

struct Rig {
    connection: Connection<DuplexStream>,
    server: DuplexStream,
    body: Body,
    progress: Progress,
}

impl Rig {
    fn new(capacity: usize) -> Self {
        let (client, server) = duplex(capacity);
        let mut body = Body::default();
        body.reset(Keep { head: false, body: true });
        Self { connection: Connection::new(client), server, body, progress: Progress::default() }
    }

    /// One exchange, while the server reads `expect` bytes and answers.
    async fn exchange(
        &mut self,
        request: Outgoing<'_>,
        expect: usize,
        answer: &[u8],
    ) -> Result<(), ExchangeError> {
        let clock = RunClock::start();
        self.progress = Progress::default();
        let serve = async {
            let mut asked = vec![0; expect];
            self.server.read_exact(&mut asked).await.expect("the request comes");
            self.server.write_all(answer).await.expect("the client reads");
        };
        let ask = self.connection.exchange(request, &clock, &mut self.progress, &mut self.body);
        tokio::join!(ask, serve).0
    }
}

#[tokio::test(flavor = "current_thread")]
async fn one_connection_serves_many_requests() {
    let mut rig = Rig::new(4096);
    for i in 0..50 {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {i}\r\n\r\n{}", "x".repeat(i));
        rig.body.reset(Keep { head: false, body: true });
        rig.exchange(GET, GET.head.len(), answer.as_bytes()).await.expect("passes");
        assert_eq!((rig.progress.status, rig.body.kept().len()), (200, i));
        assert_eq!(rig.progress.bytes_in, answer.len() as u64);
        assert_eq!(rig.progress.bytes_out, GET.head.len() as u64);
        assert!(
            rig.progress.written <= rig.progress.first_byte && rig.progress.first_byte <= rig.progress.done
        );
        assert!(rig.connection.reusable());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_larger_than_the_buffers_goes_both_ways() {
    let mut rig = Rig::new(1000);
    let body = vec![b'y'; 100_000];
    let request = Outgoing { head: b"PUT / HTTP/1.1\r\n\r\n", body: &body, no_body: false };
    let answer =
        [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n".to_vec(), vec![b'z'; 300_000]].concat();
    rig.exchange(request, request.head.len() + body.len(), &answer).await.expect("passes");
    assert_eq!(rig.body.kept().len(), 300_000);
    assert_eq!(rig.progress.bytes_out, 100_018);
}

#[tokio::test(flavor = "current_thread")]
async fn an_early_answer_is_read_before_the_request_is_written() {
    let mut rig = Rig::new(100);
    let body = vec![b'y'; 10_000];
    let request = Outgoing { head: b"PUT / HTTP/1.1\r\n\r\n", body: &body, no_body: false };
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    rig.exchange(request, 100, answer).await.expect("the answer counts");
    assert_eq!(rig.progress.status, 413);
    assert!(!rig.connection.reusable(), "half a request lies on the wire");
    let mut rig = Rig::new(100);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let error = rig.exchange(request, 100, answer).await.expect_err("nothing was granted yet");
    assert!(matches!(error, ExchangeError::Protocol(ProtocolError::Early)), "{error}");
    assert!(!rig.connection.reusable());
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_followed_by_bytes_fails_unless_the_connection_closes() {
    let mut rig = Rig::new(4096);
    let answer = b"HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let error = rig.exchange(GET, GET.head.len(), answer).await.expect_err("desynchronised");
    assert!(matches!(error, ExchangeError::Protocol(ProtocolError::Leftover(19))), "{error}");
    assert!(!rig.connection.reusable());
    let mut rig = Rig::new(4096);
    let answer = b"HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\nxx";
    rig.exchange(GET, GET.head.len(), answer).await.expect("nothing comes after it");
    assert!(!rig.connection.reusable());
}

#[tokio::test(flavor = "current_thread")]
async fn a_closed_stream_says_how_far_the_answer_came() {
    for (answer, message) in [
        (&b""[..], "the connection was closed before the answer (0 bytes received)"),
        (b"HTTP/1.1 200", "the connection was closed within the answer (12 bytes received)"),
    ] {
        let (client, mut server) = duplex(4096);
        let mut connection = Connection::new(client);
        server.write_all(answer).await.expect("fits");
        server.shutdown().await.expect("open");
        let (mut progress, mut body) = (Progress::default(), Body::default());
        let error = connection
            .exchange(GET, &RunClock::start(), &mut progress, &mut body)
            .await
            .expect_err("cut off");
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_that_lasts_until_the_end_of_the_stream_is_whole_then() {
    let (client, mut server) = duplex(4096);
    let mut connection = Connection::new(client);
    let (mut progress, mut body) = (Progress::default(), Body::default());
    body.reset(Keep { head: false, body: true });
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").await.expect("fits");
    server.shutdown().await.expect("open");
    connection.exchange(GET, &RunClock::start(), &mut progress, &mut body).await.expect("passes");
    assert_eq!(body.kept(), b"to the end");
    assert!(!connection.reusable() && progress.done.is_some());
}

#[tokio::test(flavor = "current_thread")]
async fn an_idle_connection_shows_when_it_has_gone_stale() {
    let idle = |rig: &mut Rig| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        rig.connection.poll_idle(&mut cx)
    };
    let mut rig = Rig::new(4096);
    assert!(idle(&mut rig).is_pending() && rig.connection.reusable());
    rig.server.write_all(b"HTTP/1.1 408 Timeout\r\n\r\n").await.expect("fits");
    assert_eq!(idle(&mut rig), Poll::Ready(Stale::Unasked));
    assert!(!rig.connection.reusable());
    let mut rig = Rig::new(4096);
    rig.server.shutdown().await.expect("open");
    assert_eq!(idle(&mut rig), Poll::Ready(Stale::Closed));
    assert!(!rig.connection.reusable());
}

#[tokio::test(flavor = "current_thread")]
async fn an_exchange_that_is_dropped_leaves_the_connection_unusable() {
    let mut rig = Rig::new(4096);
    let clock = RunClock::start();
    let ask = rig.connection.exchange(GET, &clock, &mut rig.progress, &mut rig.body);
    assert!(tokio::time::timeout(Duration::from_millis(5), ask).await.is_err());
    assert!(!rig.connection.reusable());
    assert!(rig.progress.written.is_some() && rig.progress.first_byte.is_none());
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_had_come_before_its_request_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let clock = RunClock::start();
    for early in [true, false] {
        let tcp = tokio::net::TcpStream::connect(address).await.expect("connects");
        let (mut server, _) = listener.accept().expect("connected");
        let mut connection = Connection::new(Stream::Plain(Socket::new(tcp).expect("registered")));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let later = std::thread::spawn(move || {
            if !early {
                std::thread::sleep(Duration::from_millis(60));
            }
            io::Write::write_all(&mut server, answer).expect("room");
            server
        });
        // The thread is held up: nobody looks at the idle connection.
        std::thread::sleep(Duration::from_millis(30));
        let mut progress = Progress { begun: clock.now(), ..Progress::default() };
        let result = connection.exchange(GET, &clock, &mut progress, &mut Body::default()).await;
        match result {
            Err(ExchangeError::Protocol(ProtocolError::Unasked(n))) => assert!(early && n == answer.len()),
            other => assert!(!early && other.is_ok(), "{other:?}"),
        }
        assert_eq!((connection.reusable(), progress.bytes_in), (!early, answer.len() as u64));
        drop(later.join());
    }
}

/// A socket whose write returns long after the answer has come: the server had the core meanwhile.
#[derive(Debug)]
struct Preempted {
    answer: &'static [u8],
    arrived: Option<RunTime>,
    clock: RunClock,
}

impl AsyncWrite for Preempted {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::thread::sleep(Duration::from_millis(2));
        self.arrived = Some(self.clock.now());
        std::thread::sleep(Duration::from_millis(50));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Preempted {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        room.put_slice(self.answer);
        Poll::Ready(Ok(()))
    }
}

impl Arrivals for Preempted {
    fn arrived(&self, _: &RunClock) -> RunTime {
        self.arrived.expect("nothing is read before it is asked for")
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_during_the_write_has_its_own_time() {
    let clock = RunClock::start();
    let stream = Preempted { answer: b"HTTP/1.1 204 No Content\r\n\r\n", arrived: None, clock };
    let (mut progress, mut body) = (Progress::default(), Body::default());
    Connection::new(stream).exchange(GET, &clock, &mut progress, &mut body).await.expect("passes");
    let (written, first, done) = (progress.written, progress.first_byte, progress.done);
    assert!(written < first && first == done, "{progress:?}");
    assert!(
        done.is_some_and(|d| d < RunTime::from_nanos(40_000_000)),
        "the write lasted 52 ms: {progress:?}"
    );
}
