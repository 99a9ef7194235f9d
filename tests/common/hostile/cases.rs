//! The behaviours.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use super::serve::{Client, asked};
use super::tls::{Flaw, Session};
use super::{Act, Case, Way};

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub(super) const SHORT: Duration = Duration::from_millis(10);

pub(super) const TIME_LIMIT: &str = "not done within the time limit";

/// Every hit must fail.
pub(super) const ALL: u64 = u64::MAX;

/// A case over plain TCP: every hit fails with `kind`, and examples say `detail`.
const fn plain(
    name: &'static str,
    kinds: &'static [&'static str],
    details: &'static [&'static str],
    act: fn(&mut Client),
) -> Case {
    Case {
        name,
        act: Act::Plain(act),
        kinds,
        details,
        exits: &[0, 10],
        least: ALL,
        request: "",
        way: Way::Open,
    }
}

/// The same with an answer that is always the same.
macro_rules! answers {
    ($name:literal, $kind:literal, $detail:literal, $answer:expr) => {
        plain($name, &[$kind], &[$detail], |c| while c.asked() && c.say($answer) {})
    };
}

/// The same with an answer after which the server closes.
macro_rules! closes {
    ($name:expr, $kind:literal, $detail:literal, $answer:expr) => {
        plain($name, &[$kind], &[$detail], |c| {
            let _ = c.asked() && c.say($answer);
        })
    };
}

/// The same with the beginning of an answer, after which nothing more comes.
macro_rules! stalls {
    ($name:literal, $answer:expr) => {
        timeout($name, |c| {
            let _ = c.asked() && c.say($answer);
            c.wait();
        })
    };
}

/// The same with the beginning of an answer, and then the same again and again.
macro_rules! floods {
    ($name:literal, $details:expr, $answer:expr, $again:expr) => {
        plain($name, &["protocol"], $details, |c| {
            let _ = c.asked() && c.say($answer);
            while c.say($again) {}
        })
    };
}

/// A case over plain TCP in which every hit runs into its time limit.
const fn timeout(name: &'static str, act: fn(&mut Client)) -> Case {
    plain(name, &["timeout"], &[TIME_LIMIT], act)
}

/// The cases of the closed modes: each connection and each user goes on until the time is over.
macro_rules! closed {
    ($way:expr, $suffix:literal) => {
        [
            closed(
                $way,
                closes!(concat!("closes early, ", $suffix), "closed", "closed before the answer", ""),
            ),
            closed(
                $way,
                plain(concat!("resets, ", $suffix), &["closed"], &["reset"], |c| {
                    c.asked();
                    c.reset();
                }),
            ),
            closed($way, timeout(concat!("never answers, ", $suffix), Client::wait)),
            closed(
                $way,
                closes!(
                    concat!("closes within the body, ", $suffix),
                    "closed",
                    "closed within the answer",
                    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"
                ),
            ),
            closed(
                $way,
                Case {
                    act: Act::Gone,
                    ..plain(
                        concat!("nobody listens, ", $suffix),
                        &["connect"],
                        &["connecting failed"],
                        |_| {},
                    )
                },
            ),
        ]
    };
}

const fn closed(way: Way, case: Case) -> Case {
    Case { way, ..case }
}

pub const CLOSED_CONNECTIONS: [Case; 5] = closed!(Way::Connections, "connections");
pub const CLOSED_USERS: [Case; 5] = closed!(Way::Users, "users");

pub const ENDINGS: &[Case] = &[
    plain(
        "closes when it accepts",
        &["closed"],
        &["closed before the answer", "writing failed", "reading failed"],
        |_| {},
    ),
    // The reset may come before the client knows that it is connected.
    Case {
        ..plain(
            "resets when it accepts",
            &["closed", "connect"],
            &["reset", "closed before the answer", "Broken pipe", "connecting failed"],
            Client::reset,
        )
    },
    plain("resets after the request", &["closed"], &["reset"], |c| {
        c.asked();
        c.reset();
    }),
    plain("resets within the body", &["closed"], &["reset"], |c| {
        c.asked();
        c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok");
        thread::sleep(SHORT);
        c.reset();
    }),
    timeout("never answers", Client::wait),
    stalls!("stops within the head", "HTTP/1.1 200 OK\r\nContent-Le"),
    stalls!("stops within the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"),
    closes!("closes instead of answering", "closed", "closed before the answer (0 bytes", ""),
    closes!("closes within the head", "closed", "closed within the answer", "HTTP/1.1 200 OK\r\nContent-Le"),
    closes!(
        "closes within the body",
        "closed",
        "closed within the answer",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"
    ),
    closes!(
        "closes within a chunk",
        "closed",
        "closed within the answer",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok"
    ),
    Case {
        act: Act::Gone,
        exits: &[0, 10],
        ..plain("nobody listens any more", &["connect"], &["connecting failed"], |_| {})
    },
    Case {
        request: "[[request]]\npost = \"/\"\nbody-file = \"large\"\n",
        ..plain("answers before the request is sent", &["protocol"], &["before the request"], |c| {
            c.say(OK);
            thread::sleep(Duration::from_millis(200));
        })
    },
    // On a busy machine the second answer may come together with the first, or after the next request.
    Case {
        least: 0,
        ..plain("answers again before the next request", &["protocol"], &["bytes follow the end"], |c| {
            while c.asked() {
                thread::sleep(Duration::from_millis(30));
                c.say(OK);
                thread::sleep(Duration::from_millis(3));
                c.say(OK);
            }
        })
    },
];

pub const ANSWERS: &[Case] = &[
    answers!("garbage", "protocol", "no HTTP/1.x head", "\u{1}\u{2}garbage without end\r\n\r\n"),
    answers!("another protocol", "protocol", "no HTTP/1.x head", "SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    answers!(
        "HTTP/2 without asking",
        "protocol",
        "no HTTP/1.x head",
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"
    ),
    answers!("no status", "protocol", "no HTTP/1.x head", "HTTP/1.1 OK\r\n\r\n"),
    answers!("status 999", "protocol", "status 999", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    answers!(
        "switches protocols",
        "protocol",
        "101",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    ),
    answers!(
        "a blank in a name",
        "protocol",
        "no HTTP/1.x head",
        "HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nok"
    ),
    answers!(
        "length in words",
        "protocol",
        "content-length is not",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"
    ),
    answers!(
        "negative length",
        "protocol",
        "content-length is not",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"
    ),
    answers!(
        "huge length",
        "protocol",
        "content-length is not",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"
    ),
    answers!(
        "length beyond the limit",
        "protocol",
        "body is longer than",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nok"
    ),
    answers!(
        "two lengths",
        "protocol",
        "content-length is not",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"
    ),
    answers!(
        "length and chunks",
        "protocol",
        "both content-length and transfer-encoding",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    answers!(
        "length too small",
        "protocol",
        "bytes follow the end",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more"
    ),
    answers!("two answers for one", "protocol", "bytes follow the end", [OK, OK].concat()),
    answers!(
        "chunk size in words",
        "protocol",
        "size line is malformed",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n"
    ),
    answers!(
        "huge chunk size",
        "protocol",
        "body is longer than",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n"
    ),
    answers!(
        "chunk longer than its size",
        "protocol",
        "does not end with CRLF",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n"
    ),
    answers!(
        "bad trailers",
        "protocol",
        "trailers are malformed",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nx\r\n\r\n"
    ),
    answers!("an error", "status", "status 500", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
    Case {
        request: "[[request]]\nget = \"/\"\nexpect = { body-contains = \"needle\" }\n",
        ..answers!("another body", "body", "does not contain", OK)
    },
    Case {
        least: 0,
        ..plain("one byte at a time, in time", &[], &[], |c| {
            while c.asked() {
                for byte in OK.bytes() {
                    thread::sleep(Duration::from_millis(2));
                    c.say([byte]);
                }
            }
        })
    },
    timeout("one byte at a time, too slow", |c| {
        c.asked();
        for byte in OK.bytes() {
            thread::sleep(Duration::from_millis(50));
            c.say([byte]);
        }
    }),
];

pub const ENDLESS: &[Case] = &[
    floods!(
        "headers without end",
        &["no HTTP/1.x head", "head is longer"],
        "HTTP/1.1 200 OK\r\n",
        "X-Header: and another one\r\n".repeat(100)
    ),
    floods!(
        "one header without end",
        &["head is longer"],
        "HTTP/1.1 200 OK\r\nX-Header: ",
        "and so on ".repeat(1000)
    ),
    floods!(
        "interim answers without end",
        &["interim"],
        "",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10)
    ),
    timeout("a body without end", |c| {
        let _ = c.asked() && c.say("HTTP/1.1 200 OK\r\n\r\n");
        c.drone([b'x'; 10_000], SHORT);
    }),
    timeout("chunks without end", |c| {
        let _ = c.asked() && c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        c.drone("5\r\nhello\r\n", SHORT);
    }),
    floods!(
        "a chunk extension without end",
        &["size line is longer"],
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        "extension=".repeat(100)
    ),
    floods!(
        "trailers without end",
        &["trailers are longer"],
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "X-Trailer: and another one\r\n".repeat(100)
    ),
];

/// A case over TLS.
const fn over_tls(
    name: &'static str,
    act: Act,
    kinds: &'static [&'static str],
    details: &'static [&'static str],
    exits: &'static [i32],
) -> Case {
    Case { name, act, kinds, details, exits, least: ALL, request: "", way: Way::Open }
}

/// A case of a certificate that must not be accepted.
const fn certificate(name: &'static str, flaw: Flaw, details: &'static [&'static str]) -> Case {
    over_tls(name, Act::Certificate(flaw), &["tls"], details, &[0, 10])
}

pub const TLS: &[Case] = &[
    over_tls(
        "plain text in place of a handshake",
        Act::NotTls(|c| {
            c.say(OK);
            c.wait();
        }),
        &["tls"],
        &["TLS handshake failed"],
        &[0, 10],
    ),
    over_tls(
        "silence in place of a handshake",
        Act::NotTls(|c| c.wait()),
        &["timeout"],
        &[TIME_LIMIT],
        &[0, 10],
    ),
    over_tls(
        "closes in place of a handshake",
        Act::NotTls(|_| {}),
        &["tls"],
        &["TLS handshake failed"],
        &[0, 10],
    ),
    certificate("an unknown authority", Flaw::Stranger, &["signed by nobody who is trusted"]),
    certificate("another name", Flaw::Name, &["the certificate is not for"]),
    certificate("an expired certificate", Flaw::Expired, &["xpired"]),
    certificate("a certificate of the future", Flaw::Future, &["is not valid before"]),
    over_tls(
        "closes within a session",
        Act::Within(|s| {
            asked(s);
            let _ = s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok");
        }),
        &["closed", "tls"],
        &["closed within the answer", "close_notify"],
        &[0, 10],
    ),
    over_tls(
        "broken records",
        Act::Within(|s: &mut Session| {
            asked(s);
            let _ = s.sock.write_all(&[0x17, 3, 3, 0, 32]);
            let _ = s.sock.write_all(&[7; 32]);
            let _ = s.sock.read(&mut [0; 64]);
        }),
        &["tls"],
        &["decrypt"],
        &[0, 10],
    ),
    plain("TLS on a plain port", &["protocol"], &["no HTTP/1.x head"], |c| {
        let stream = c.0.try_clone().expect("a socket");
        let _ = super::tls::session(stream, Flaw::None).read(&mut [0; 64]);
    }),
];
