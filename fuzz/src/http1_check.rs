//! What must hold for any bytes of an HTTP/1.1 server.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::{Body, Keep};
use super::conn::{Connection, Outgoing, Progress};
use super::error::{ExchangeError, ProtocolError};
use super::head::{self, Framing};
use super::parser::Parser;
use super::{BODY_LIMIT, HEAD_LIMIT, KEEP_LIMIT};
use crate::load::stream::Arrivals;
use crate::time::RunClock;

/// What is asked, and how the answer comes in.
#[derive(Clone, Copy)]
struct Plan<'a> {
    keep: Keep,
    /// Whether the request never gets onto the wire.
    stalled: bool,
    /// One bit per answer, again after eight: whether its request is a HEAD.
    heads: u8,
    /// Sizes of the pieces, taken in turn; none for all at once.
    sizes: &'a [u8],
}

impl Plan<'_> {
    fn no_body(&self, answer: usize) -> bool {
        (self.heads >> (answer % 8)) & 1 == 1
    }

    /// Size of a piece: 1 to 128 one by one, then in steps of 64.
    fn size(&self, piece: usize) -> usize {
        match self.sizes.len() {
            0 => usize::MAX,
            n => match usize::from(self.sizes[piece % n]) {
                size @ 0..128 => size + 1,
                size => (size - 127) * 64,
            },
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whole {
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    body_len: u64,
    keep_alive: bool,
    /// Where it ends in the input.
    end: usize,
}

/// Why there is no answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Error(ProtocolError),
    /// The stream ended, between answers or within one.
    Cut,
}

type Outcome = (Vec<Whole>, End);

/// `flags` has what is kept, whether the request stalls, and how many of the next bytes are sizes of pieces.
/// Whole, in those pieces and byte by byte the answers are the same, a second reading of them agrees, and a
/// connection over such a stream comes to the same.
pub fn http1(flags: u8, bytes: &[u8]) {
    let Some((&heads, bytes)) = bytes.split_first() else { return };
    let (sizes, input) = bytes.split_at(usize::from(flags >> 4).min(bytes.len()));
    let keep = Keep { head: flags & 1 == 1, body: flags & 2 == 2 };
    let plan = Plan { keep, stalled: flags & 12 == 12, heads, sizes };
    let whole = read(input, Plan { sizes: &[], ..plan });
    check_second_reading(input, plan, &whole.0);
    same(input, &whole, &read(input, plan));
    same(input, &whole, &read(input, Plan { sizes: &[0], ..plan }));
    connect(input, plan, &whole);
}

/// Equal, but that a head may be found too long before it is found wrong.
fn same(input: &[u8], a: &Outcome, b: &Outcome) {
    assert_eq!(a.0, b.0);
    let start = a.0.last().map_or(0, |answer| answer.end);
    assert!(alike(&input[start..], a.1, b.1), "{:?} and {:?}", a.1, b.1);
}

fn alike(rest: &[u8], a: End, b: End) -> bool {
    use ProtocolError::{Head, HeadTooLong};
    let long = rest.len() >= HEAD_LIMIT;
    let pair = |a, b| matches!((a, b), (End::Error(Head(_)), End::Error(HeadTooLong)));
    a == b || (long && (pair(a, b) || pair(b, a)))
}

/// All answers of the stream, one after the other, as a connection would read them.
fn read(input: &[u8], plan: Plan<'_>) -> Outcome {
    let (mut answers, mut at, mut pieces) = (Vec::new(), Fed::default(), 0);
    loop {
        let (mut parser, mut body) = (Parser::new(), Body::default());
        parser.begin(plan.no_body(answers.len()));
        body.reset(plan.keep);
        let first = at.start;
        loop {
            match at.step(input, &mut parser, &mut body) {
                Err(e) => return (answers, End::Error(e)),
                Ok(true) => break,
                Ok(false) if at.end < input.len() => {
                    at.end = at.end.saturating_add(plan.size(pieces)).min(input.len());
                    pieces += 1;
                }
                Ok(false) => return at_eof(input, answers, at.start, (parser, body), plan),
            }
        }
        let whole = taken(&parser, &body, plan.keep, at.start);
        assert!(at.start > first && whole.body_len <= (at.start - first) as u64);
        answers.push(whole);
    }
}

/// What was given to a parser and not taken: from `start` to `end`.
#[derive(Default)]
struct Fed {
    start: usize,
    end: usize,
}

impl Fed {
    fn step(&mut self, input: &[u8], parser: &mut Parser, body: &mut Body) -> Result<bool, ProtocolError> {
        let given = &input[self.start..self.end];
        let step = parser.feed(given, body)?;
        assert!(step.consumed <= given.len());
        let rest = given.len() - step.consumed;
        assert!(step.done || rest <= HEAD_LIMIT, "only a head is waited for");
        self.start += step.consumed;
        Ok(step.done)
    }
}

/// The end of the stream may end an answer. A head that is wrong shows so now, if it came in pieces.
fn at_eof(
    input: &[u8],
    mut answers: Vec<Whole>,
    start: usize,
    (mut parser, body): (Parser, Body),
    plan: Plan<'_>,
) -> Outcome {
    let rest = &input[start..];
    if parser.at_eof() {
        assert!(rest.is_empty() && !parser.keep_alive());
        answers.push(taken(&parser, &body, plan.keep, start));
    } else if !rest.is_empty() {
        assert_eq!(parser.status(), 0, "a body is taken as it comes");
        if let Err(e) = head::parse(rest, plan.no_body(answers.len())) {
            return (answers, End::Error(e));
        }
    }
    (answers, End::Cut)
}

/// An answer with what was kept of it, which is bounded and no more than was asked for.
fn taken(parser: &Parser, body: &Body, keep: Keep, end: usize) -> Whole {
    let kept = if keep.body { body.len().min(KEEP_LIMIT as u64) } else { 0 };
    assert_eq!(body.kept().len() as u64, kept);
    assert_eq!(body.cut(), body.len() > KEEP_LIMIT as u64);
    assert!(body.len() <= BODY_LIMIT && body.head().len() <= HEAD_LIMIT);
    assert!((200..600).contains(&parser.status()));
    assert_eq!(body.head().is_empty(), !keep.head);
    Whole {
        status: parser.status(),
        head: body.head().to_vec(),
        body: body.kept().to_vec(),
        body_len: body.len(),
        keep_alive: parser.keep_alive(),
        end,
    }
}

/// Answers that were accepted, read again line by line from the whole bytes.
fn check_second_reading(input: &[u8], plan: Plan<'_>, answers: &[Whole]) {
    let mut start = 0;
    for (number, answer) in answers.iter().enumerate() {
        let mut rest = &input[start..answer.end];
        let head = loop {
            let head = head::parse(rest, plan.no_body(number)).expect("accepted").expect("whole");
            if head.status >= 200 {
                break head;
            }
            rest = &rest[head.len..];
        };
        let (bytes, rest) = rest.split_at(head.len);
        assert_eq!((head.status, head.keep_alive), (answer.status, answer.keep_alive));
        assert_eq!(answer.head, if plan.keep.head { bytes } else { b"" });
        let body = match head.framing {
            Framing::Empty => Vec::new(),
            Framing::Length(n) => rest[..usize::try_from(n).expect("bounded")].to_vec(),
            Framing::UntilClose => rest.to_vec(),
            Framing::Chunked => unchunked(rest),
        };
        if !matches!(head.framing, Framing::Chunked) {
            assert_eq!(body.len(), rest.len());
        }
        assert_eq!(answer.body_len, body.len() as u64);
        assert_eq!(answer.body, if plan.keep.body { &body[..body.len().min(KEEP_LIMIT)] } else { b"" });
        start = answer.end;
    }
}

/// A whole chunked body by RFC 9112, section 7.1, with nothing behind it.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let text = str::from_utf8(size_of(line(&mut rest))).expect("digits");
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit()), "size {text:?}");
        let size = usize::from_str_radix(text, 16).expect("a size");
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        assert!(line(&mut rest).is_empty(), "data ends with CRLF");
    }
    while !line(&mut rest).is_empty() {}
    assert!(rest.is_empty());
    body
}

/// The digits of a size line, without an extension and the blanks before it.
fn size_of(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|b| *b == b';').unwrap_or(line.len());
    let blanks = line[..end].iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &line[..end - blanks]
}

fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let at = memchr::memmem::find(rest, b"\r\n").expect("a line ends");
    let line = &rest[..at];
    *rest = &rest[at + 2..];
    line
}

// ---- over a stream ---------------------------------------------------------------------------------

/// Gives the input piece by piece, and is not ready before each.
struct Script<'a> {
    rest: &'a [u8],
    pieces: VecDeque<usize>,
    ready: bool,
    stalled: bool,
}

impl Arrivals for Script<'_> {}

impl AsyncRead for Script<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.ready = !self.ready;
        if !self.ready {
            return Poll::Pending;
        }
        assert!(into.remaining() > 0, "no room to read into would look like the end of the stream");
        let n = self.pieces.pop_front().unwrap_or(usize::MAX).min(self.rest.len()).min(into.remaining());
        let (piece, rest) = self.rest.split_at(n);
        into.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.stalled { Poll::Pending } else { Poll::Ready(Ok(bytes.len())) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection asks until it must not any more; each exchange ends as its answer says.
fn connect(input: &[u8], plan: Plan<'_>, expected: &Outcome) {
    // Enough pieces for the longest heads; what follows comes at once.
    let pieces = (0..64).map(|piece| plan.size(piece)).collect();
    let script = Script { rest: input, pieces, ready: true, stalled: plan.stalled };
    let (mut connection, mut body) = (Connection::new(script), Body::default());
    let (clock, mut start) = (RunClock::start(), 0);
    for number in 0.. {
        let mut progress = Progress::default();
        body.reset(plan.keep);
        let request = Outgoing { head: b"GET", body: b"", no_body: plan.no_body(number) };
        let result = exchange(&mut connection, request, &clock, &mut progress, &mut body, input.len());
        assert!(result.is_ok() || !connection.reusable());
        let Some(answer) = expected.0.get(number) else {
            return failed(&input[start..], &result.expect_err("no answer is left"), expected.1);
        };
        let extra = input.len() - answer.end;
        match result {
            Ok(()) => accepted(answer, &progress, &body, plan),
            Err(ExchangeError::Protocol(ProtocolError::Early)) => {
                assert!(plan.stalled && answer.status < 400);
            }
            Err(ExchangeError::Protocol(ProtocolError::Leftover(n))) => {
                assert!(n > 0 && n <= extra && answer.keep_alive && !plan.stalled);
            }
            Err(e) => panic!("{e} for {answer:?}"),
        }
        if !connection.reusable() {
            return;
        }
        assert!(answer.keep_alive && !plan.stalled);
        assert_eq!(progress.bytes_in, (answer.end - start) as u64);
        start = answer.end;
    }
}

fn accepted(answer: &Whole, progress: &Progress, body: &Body, plan: Plan<'_>) {
    assert_eq!((progress.status, body.len()), (answer.status, answer.body_len));
    assert_eq!((body.kept(), body.head()), (&answer.body[..], &answer.head[..]));
    assert!(progress.written <= progress.first_byte || plan.stalled);
    assert!(progress.first_byte.is_some() && progress.first_byte <= progress.done);
}

fn failed(rest: &[u8], error: &ExchangeError, end: End) {
    match error {
        ExchangeError::Protocol(e) => assert!(alike(rest, End::Error(*e), end), "{e} for {end:?}"),
        // A wrong head in pieces whose end did not come.
        ExchangeError::Closed(_) => {
            use ProtocolError::{Head, HeadTooLong};
            let head = matches!(end, End::Error(Head(_) | HeadTooLong));
            assert!(end == End::Cut || head, "closed for {end:?}");
        }
        ExchangeError::Io { .. } => panic!("{error}"),
    }
}

/// One exchange, polled as often as something comes and no more.
fn exchange(
    connection: &mut Connection<Script<'_>>,
    request: Outgoing<'_>,
    clock: &RunClock,
    progress: &mut Progress,
    body: &mut Body,
    len: usize,
) -> Result<(), ExchangeError> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = pin!(connection.exchange(request, clock, progress, body));
    for _ in 0..len + 3 {
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return result;
        }
    }
    panic!("an exchange does not end with its stream")
}
