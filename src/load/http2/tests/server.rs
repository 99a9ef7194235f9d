//! Exchanges with a real server (the h2 crate) in the same process, shared and alone.

use crate::load::http1::body::Keep;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};

use super::rig::{GET, MAX_STREAMS, Owner, settings};
use crate::load::http1::conn::Outgoing;
use crate::load::http2::conn::Connection;
use crate::load::http2::error::{Code, ConnectionError, ExchangeError};
use crate::load::http2::shared::{Room, Shared};
use crate::time::RunClock;

type Asked = Request<RecvStream>;
type Reply = SendResponse<Bytes>;
type Link = Shared<DuplexStream>;

/// `POST http://h/`.
const POST: Outgoing<'static> = Outgoing { head: b"\x83\x86\x84\x01\x01h", body: b"", no_body: false };

/// A server's connection: each request goes to `answer` in a task of its own; `each` sees the connection after
/// every request.
async fn serve<F: Future<Output = ()> + 'static>(
    io: DuplexStream,
    builder: Builder,
    answer: impl Fn(Asked, Reply) -> F,
    mut each: impl FnMut(&mut h2::server::Connection<DuplexStream, Bytes>),
) {
    let mut connection = builder.handshake(io).await.expect("the client speaks HTTP/2");
    while let Some(Ok((request, reply))) = connection.accept().await {
        spawn_local(answer(request, reply));
        each(&mut connection);
    }
}

/// Reads the whole body and sends it back.
async fn echo(request: Asked, mut reply: Reply) {
    let mut body = request.into_body();
    let mut all = Vec::new();
    while let Some(Ok(part)) = body.data().await {
        let _ = body.flow_control().release_capacity(part.len());
        all.extend_from_slice(&part);
    }
    let head = Response::builder().header("x-length", all.len()).body(()).expect("valid");
    let Ok(mut out) = reply.send_response(head, false) else { return };
    let _ = out.send_data(all.into(), true);
}

/// A shared connection with its driver, and the other end.
fn shared(capacity: usize) -> (Link, DuplexStream) {
    let (client, server) = duplex(capacity);
    let link = Shared::new(client, RunClock::start());
    spawn_local(link.clone().drive());
    (link, server)
}

async fn ask(link: &Link, request: Outgoing<'_>) -> (Owner, Result<(), ExchangeError>) {
    let mut owner = Owner::default();
    owner.body.reset(Keep { head: true, body: true });
    let result = link.exchange(request, owner.answer()).await;
    (owner, result)
}

/// Runs a test that takes at most 20 s.
fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let test = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    LocalSet::new().block_on(&runtime, test).expect("does not hang");
}

/// `lanes` tasks with `each` requests each; gives how many passed, and the other ends.
async fn lanes(link: &Link, lanes: usize, each: usize, body: usize) -> (usize, Vec<ExchangeError>) {
    let tasks: Vec<_> = (0..lanes)
        .map(|lane| {
            let link = link.clone();
            spawn_local(async move {
                let (mut passed, mut failed) = (0, Vec::new());
                for n in 0..each {
                    let sent = vec![(lane + n) as u8; body + lane];
                    let (owner, result) = ask(&link, Outgoing { body: &sent, ..POST }).await;
                    match result {
                        Err(e) => failed.push(e),
                        Ok(()) => {
                            let p = owner.progress;
                            assert_eq!((p.status, owner.body.kept()), (200, &sent[..]));
                            assert!(p.written.is_some() && p.first_byte <= p.done && p.done.is_some());
                            assert!(p.bytes_in > sent.len() as u64 && p.bytes_out > sent.len() as u64);
                            assert_eq!(
                                owner.body.head(),
                                format!("x-length: {}\r\n", sent.len()).into_bytes()
                            );
                            passed += 1;
                        }
                    }
                }
                (passed, failed)
            })
        })
        .collect();
    let mut sum = (0, Vec::new());
    for task in tasks {
        let (passed, failed) = task.await.expect("no panic");
        sum.0 += passed;
        sum.1.extend(failed);
    }
    sum
}

#[test]
fn one_and_a_hundred_lanes_share_a_connection() {
    local(async {
        for count in [1, 100] {
            let (link, io) = shared(64 * 1024);
            spawn_local(serve(io, Builder::new(), echo, |_| ()));
            let (passed, failed) = lanes(&link, count, 40, 0).await;
            assert_eq!((passed, failed.len(), link.active()), (count * 40, 0, 0), "{failed:?}");
            assert!(link.reusable());
        }
    });
}

#[test]
fn large_bodies_go_both_ways_through_small_windows() {
    local(async {
        let (link, io) = shared(5000);
        let mut builder = Builder::new();
        builder.initial_window_size(1000).max_frame_size(20_000);
        spawn_local(serve(io, builder, echo, |_| ()));
        let (passed, failed) = lanes(&link, 3, 2, 300_000).await;
        assert_eq!((passed, failed.len()), (6, 0), "{failed:?}");
    });
}

#[test]
fn an_answer_longer_than_its_window_comes_whole() {
    local(async {
        let (link, io) = shared(100_000);
        let long = |_, mut reply: Reply| async move {
            let mut out = reply.send_response(Response::new(()), false).expect("open");
            out.send_data(vec![7; 5 << 20].into(), true).expect("open");
        };
        spawn_local(serve(io, Builder::new(), long, |_| ()));
        let (owner, result) = ask(&link, POST).await;
        result.expect("passes");
        assert_eq!(owner.body.len(), 5 << 20);
    });
}

#[test]
fn the_servers_settings_hold_when_they_change() {
    local(async {
        let (link, io) = shared(64 * 1024);
        let mut builder = Builder::new();
        builder.max_concurrent_streams(3).initial_window_size(10);
        let (open, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (counted, seen) = (Rc::clone(&open), Rc::clone(&most));
        let answer = move |request, reply| {
            counted.set(counted.get() + 1);
            seen.set(seen.get().max(counted.get()));
            let counted = Rc::clone(&counted);
            async move {
                tokio::task::yield_now().await;
                counted.set(counted.get() - 1);
                echo(request, reply).await;
            }
        };
        let mut n = 0;
        spawn_local(serve(io, builder, answer, move |connection| {
            n += 1;
            if n % 7 == 0 {
                let _ = connection.set_initial_window_size([10, 5000, 100][n / 7 % 3]);
            }
        }));
        let (passed, failed) = lanes(&link, 20, 20, 400).await;
        assert_eq!((passed, failed.len()), (400, 0), "a fourth stream would be refused: {failed:?}");
        assert!(link.max_streams() == Some(3) && (1..=3).contains(&most.get()), "{most:?}");
    });
}

#[test]
fn goaway_in_mid_run_loses_no_answer_that_was_promised() {
    local(async {
        let (link, io) = shared(64 * 1024);
        let mut n = 0;
        let served = Rc::new(Cell::new(0));
        let count = Rc::clone(&served);
        let answer = move |request, reply| {
            count.set(count.get() + 1);
            echo(request, reply)
        };
        let server = spawn_local(serve(io, Builder::new(), answer, move |connection| {
            n += 1;
            if n == 50 {
                connection.graceful_shutdown();
            }
        }));
        let (passed, failed) = lanes(&link, 10, 100, 10).await;
        assert!(failed.iter().all(ExchangeError::unprocessed), "{failed:?}");
        assert!(passed >= 50 && passed == served.get() && passed + failed.len() == 1000, "{passed}");
        assert!(!link.reusable());
        drop(link);
        server.await.expect("the driver has closed the connection");
    });
}

#[test]
fn a_reset_fails_one_exchange_with_its_code() {
    local(async {
        let (link, io) = shared(64 * 1024);
        let answer = |request: Asked, mut reply: Reply| async move {
            if request.method() == http::Method::GET {
                reply.send_reset(Reason::INTERNAL_ERROR);
            } else {
                echo(request, reply).await;
            }
        };
        spawn_local(serve(io, Builder::new(), answer, |_| ()));
        let get = Outgoing { head: b"\x82\x86\x84\x01\x01h", ..GET };
        let ((_, reset), (passed, _)) = tokio::join!(ask(&link, get), lanes(&link, 5, 20, 100));
        assert!(matches!(reset, Err(ExchangeError::Reset(Code(2)))), "{reset:?}");
        assert_eq!(passed, 100);
    });
}

#[test]
fn an_exchange_that_is_dropped_is_cancelled_and_the_others_go_on() {
    local(async {
        let (link, io) = shared(64 * 1024);
        let cancelled = Rc::new(Cell::new(0));
        let seen = Rc::clone(&cancelled);
        let answer = move |request: Asked, mut reply: Reply| {
            let seen = Rc::clone(&seen);
            async move {
                if request.method() == http::Method::GET {
                    let mut out = reply.send_response(Response::new(()), false).expect("open");
                    let _ = out.send_data("half".into(), false);
                    let why = std::future::poll_fn(|cx| out.poll_reset(cx)).await;
                    assert_eq!(why.expect("reset"), Reason::CANCEL);
                    seen.set(seen.get() + 1);
                } else {
                    echo(request, reply).await;
                }
            }
        };
        spawn_local(serve(io, Builder::new(), answer, |_| ()));
        let get = Outgoing { head: b"\x82\x86\x84\x01\x01h", ..GET };
        let mut owner = Owner::default();
        owner.body.reset(Keep { head: true, body: true });
        let slow = link.exchange(get, owner.answer());
        let slow = tokio::time::timeout(Duration::from_millis(50), slow);
        let (cut, (passed, _)) = tokio::join!(slow, lanes(&link, 5, 20, 100));
        assert!(cut.is_err());
        assert_eq!((owner.progress.status, owner.body.kept()), (200, &b"half"[..]));
        let (passed_after, _) = lanes(&link, 5, 20, 100).await;
        assert_eq!((passed, passed_after, cancelled.get(), link.active()), (100, 100, 1, 0));
    });
}

#[test]
fn a_connection_that_is_closed_fails_what_was_under_way() {
    local(async {
        let (link, mut io) = shared(64 * 1024);
        let asks = (0..3).map(|_| {
            let link = link.clone();
            spawn_local(async move { ask(&link, POST).await.1 })
        });
        let asks: Vec<_> = asks.collect();
        io.write_all(b"\0\0\0\x04\0\0\0\0\0").await.expect("fits");
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(io);
        for result in asks {
            let error = result.await.expect("no panic").expect_err("closed");
            let expected = "the connection was closed before the answer (0 bytes received)";
            assert_eq!(error.to_string(), expected);
        }
        let (_, after) = ask(&link, POST).await;
        assert!(matches!(after, Err(ExchangeError::Closed(_))) && !link.reusable());
        // The driver of a connection that its users close ends, too.
        let (client, mut server) = duplex(1000);
        let link = Shared::new(client, RunClock::start());
        let driver = spawn_local(link.clone().drive());
        tokio::task::yield_now().await;
        link.close();
        driver.await.expect("ends");
        drop(link);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.expect("closed");
    });
}

// ---- alone -----------------------------------------------------------------------------------------

async fn alone(
    connection: &mut Connection<DuplexStream>,
    request: Outgoing<'_>,
) -> (Owner, Result<(), ExchangeError>) {
    let mut owner = Owner::default();
    owner.body.reset(Keep { head: true, body: true });
    let exchange = connection.exchange(request, owner.answer());
    // Users move between the threads of their runtime.
    let exchange: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(exchange);
    let result = exchange.await;
    (owner, result)
}

#[test]
fn one_user_drives_its_own_connection() {
    local(async {
        let (client, io) = duplex(3000);
        let mut builder = Builder::new();
        builder.initial_window_size(2000);
        spawn_local(serve(io, builder, echo, |_| ()));
        let mut connection = Connection::new(client, RunClock::start());
        for n in 0..100 {
            let body = vec![b'z'; n * 300];
            let (owner, result) = alone(&mut connection, Outgoing { body: &body, ..POST }).await;
            result.expect("passes");
            assert_eq!((owner.progress.status, owner.body.kept()), (200, &body[..]));
            assert!(connection.reusable());
        }
        let head = Outgoing { head: b"\x02\x04HEAD\x86\x84\x01\x01h", body: b"", no_body: true };
        alone(&mut connection, head).await.1.expect("passes");
    });
}

#[test]
fn a_user_waits_for_a_stream_before_its_request_begins() {
    local(async {
        let (client, mut io) = duplex(3000);
        let mut connection = Connection::new(client, RunClock::start());
        assert!(!connection.room().await, "one request may be sent before the server says anything");
        io.write_all(&settings(&[(MAX_STREAMS, 0)])).await.expect("fits");
        std::future::poll_fn(|cx| std::task::Poll::Ready(connection.poll_idle(cx))).await.is_pending();
        let later = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            io.write_all(&settings(&[(MAX_STREAMS, 1)])).await.expect("fits");
        };
        let (waited, ()) = tokio::join!(connection.room(), later);
        assert!(waited && connection.reusable());
        drop(io);
        assert!(!connection.room().await, "nothing to wait for: the exchange says why");
    });
}

#[test]
fn whoever_leaves_its_turn_leaves_the_stream_to_the_next() {
    local(async {
        let (link, io) = shared(64 * 1024);
        let mut builder = Builder::new();
        builder.max_concurrent_streams(1);
        spawn_local(serve(io, builder, echo, |_| ()));
        ask(&link, POST).await.1.expect("passes");
        let mut waited = false;
        let Ok(Room::Free(first)) = link.room(&mut waited).await else { panic!("nobody is there") };
        assert!(!waited && link.max_streams() == Some(1));
        let slow = async {
            let mut owner = Owner::default();
            first.exchange(POST, owner.answer()).await.expect("passes");
        };
        let mut turns = [false, false];
        let [one, two] = &mut turns;
        let waits = async {
            let kept = link.room(one).await;
            // Its turn, which it does not use.
            drop(kept);
        };
        let next = async {
            let Ok(Room::Free(turn)) = link.room(two).await else { panic!("has its turn") };
            let mut owner = Owner::default();
            turn.exchange(POST, owner.answer()).await.expect("passes");
        };
        tokio::join!(slow, waits, next);
        assert_eq!((turns, link.active()), ([true, true], 0));
    });
}

#[test]
fn what_waits_for_a_server_to_say_how_much_it_takes_is_sent_elsewhere_then() {
    local(async {
        let (link, mut io) = shared(64 * 1024);
        let first = spawn_local({
            let link = link.clone();
            async move { ask(&link, POST).await.1 }
        });
        tokio::task::yield_now().await;
        let mut waited = false;
        let says = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            io.write_all(&settings(&[(MAX_STREAMS, 1)])).await.expect("fits");
        };
        let (room, ()) = tokio::join!(link.room(&mut waited), says);
        assert!(matches!(room, Ok(Room::Settled)) && waited, "{room:?}");
        let (lost, ()) = tokio::join!(link.room(&mut waited), async { drop(io) });
        assert!(matches!(lost, Err(ExchangeError::Closed(_))), "{lost:?}");
        first.await.expect("no panic").expect_err("closed");
    });
}

#[test]
fn a_user_that_gives_up_keeps_its_connection() {
    local(async {
        let (client, io) = duplex(3000);
        let answer = |request: Asked, mut reply: Reply| async move {
            if request.method() == http::Method::GET {
                let _ = std::future::poll_fn(|cx| reply.poll_reset(cx)).await;
            } else {
                echo(request, reply).await;
            }
        };
        let mut n = 0;
        spawn_local(serve(io, Builder::new(), answer, move |connection| {
            n += 1;
            if n == 4 {
                connection.graceful_shutdown();
            }
        }));
        let mut connection = Connection::new(client, RunClock::start());
        for _ in 0..2 {
            let get = Outgoing { head: b"\x82\x86\x84\x01\x01h", ..GET };
            let ask = alone(&mut connection, get);
            assert!(tokio::time::timeout(Duration::from_millis(20), ask).await.is_err());
            assert!(connection.reusable());
            alone(&mut connection, Outgoing { body: b"x", ..POST }).await.1.expect("passes");
        }
        std::future::poll_fn(|cx| connection.poll_idle(cx)).await;
        assert!(!connection.reusable(), "the server has said that it closes");
        assert!(alone(&mut connection, POST).await.1.expect_err("spent").unprocessed());
    });
}

#[test]
fn a_user_is_told_that_its_request_was_not_looked_at() {
    local(async {
        let (client, io) = duplex(3000);
        let answer = |request: Asked, mut reply: Reply| async move {
            if request.method() == http::Method::GET {
                reply.send_reset(Reason::REFUSED_STREAM);
            } else {
                echo(request, reply).await;
            }
        };
        spawn_local(serve(io, Builder::new(), answer, |_| ()));
        let mut connection = Connection::new(client, RunClock::start());
        let get = Outgoing { head: b"\x82\x86\x84\x01\x01h", ..GET };
        for _ in 0..2 {
            let refused = alone(&mut connection, get).await.1.expect_err("refused");
            assert!(refused.unprocessed() && connection.reusable(), "{refused}");
            alone(&mut connection, POST).await.1.expect("passes");
        }
        // A GOAWAY that names no stream.
        let (client, mut io) = duplex(3000);
        io.write_all(b"\0\0\0\x04\0\0\0\0\0").await.expect("fits");
        io.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0").await.expect("fits");
        let mut connection = Connection::new(client, RunClock::start());
        let refused = alone(&mut connection, POST).await.1.expect_err("closing");
        assert!(refused.unprocessed() && !connection.reusable(), "{refused}");
    });
}

#[test]
fn a_server_without_http2_is_named() {
    local(async {
        let (client, mut io) = duplex(3000);
        io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("fits");
        let mut connection = Connection::new(client, RunClock::start());
        let error = alone(&mut connection, POST).await.1.expect_err("HTTP/1");
        assert!(matches!(error, ExchangeError::Connection(ConnectionError::Http1)), "{error}");
    });
}
