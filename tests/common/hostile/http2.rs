//! Servers of HTTP/2 that break its rules, frame by frame.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use super::cases::{ALL, OK, SHORT, TIME_LIMIT};
use super::{Act, Case, Way};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const INTERNAL_ERROR: u8 = 2;
const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;

/// `:status: 200`, from the static table.
const STATUS_200: u8 = 0x88;
/// Of a request that could not even begin.
const NO_STREAM: &str = "no connection with a free stream within the time limit";
const PREFACE: usize = 24;
const HEADER: usize = 9;

/// A connection of the load.
pub struct Peer {
    stream: TcpStream,
    /// Bytes that were read and not looked at, and how many of them to skip.
    input: Vec<u8>,
    skip: usize,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), skip: PREFACE }
    }

    /// A connection that begins as it must.
    pub fn settings(&mut self) -> bool {
        self.frame(SETTINGS, 0, 0, [])
    }

    /// The stream of the next request; none when the client has gone.
    fn asked(&mut self) -> Option<u32> {
        loop {
            let header = self.take()?;
            if header[3] == HEADERS {
                return Some(u32::from_be_bytes([header[5], header[6], header[7], header[8]]));
            }
        }
    }

    /// The header of the next frame.
    fn take(&mut self) -> Option<[u8; HEADER]> {
        loop {
            let skipped = self.skip.min(self.input.len());
            self.input.drain(..skipped);
            self.skip -= skipped;
            if let (0, Some(header)) = (self.skip, self.input.first_chunk::<HEADER>().copied()) {
                self.skip = HEADER + u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                return Some(header);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(n @ 1..) => self.input.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
    }

    /// Writes; false when the client has gone.
    fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> bool {
        self.say(frame(kind, flags, stream, payload))
    }

    fn head(&mut self, stream: u32) -> bool {
        self.frame(HEADERS, END_HEADERS, stream, [STATUS_200])
    }

    fn answer(&mut self, stream: u32) -> bool {
        self.head(stream) && self.frame(DATA, END_STREAM, stream, "ok")
    }

    fn reset_stream(&mut self, stream: u32, code: u8) -> bool {
        self.frame(RST_STREAM, 0, stream, [0, 0, 0, code])
    }

    fn go_away(&mut self, last: u32, code: u8) -> bool {
        self.frame(GOAWAY, 0, 0, [last.to_be_bytes(), [0, 0, 0, code]].concat())
    }

    /// Does nothing until the client has gone.
    pub fn wait(&mut self) {
        while self.take().is_some() {}
    }

    /// Closes in order: with bytes unread it would become a reset.
    fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        self.wait();
    }

    fn reset(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = (payload.len() as u32).to_be_bytes();
    let header = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&header, payload].concat()
}

/// A field that is in no table.
fn field(name: &str, value: &str) -> Vec<u8> {
    let [name_len, value_len] = [name, value].map(|text| text.len() as u8);
    [&[0, name_len], name.as_bytes(), &[value_len], value.as_bytes()].concat()
}

/// Every hit fails with `kind`, and examples say one of `details`.
const fn case(
    name: &'static str,
    kinds: &'static [&'static str],
    details: &'static [&'static str],
    act: fn(&mut Peer),
) -> Case {
    let act = Act::Http2(act);
    Case { name, act, kinds, details, exits: &[0, 10], least: ALL, request: "", way: Way::Open }
}

/// The same after SETTINGS, for each request.
macro_rules! each {
    ($name:literal, $kind:literal, $details:expr, $act:expr) => {
        case($name, &[$kind], $details, |c| {
            let act: fn(&mut Peer, u32) -> bool = $act;
            c.settings();
            while let Some(id) = c.asked() {
                if !act(c, id) {
                    return c.wait();
                }
            }
        })
    };
}

/// The same, and then the same frames again and again.
macro_rules! floods {
    ($name:literal, $frame:expr) => {
        case($name, &["protocol"], &["frames in a row", "does not read"], |c| {
            c.settings();
            let Some(id) = c.asked() else { return };
            c.head(id);
            let make: fn(u32) -> Vec<u8> = $frame;
            let flood = make(id).repeat(1000);
            while c.say(&flood) {}
        })
    };
}

pub const HTTP2_ENDINGS: &[Case] = &[
    // What is not looked at is sent again, so that no hit fails.
    Case {
        least: 0,
        ..case("GOAWAY in order", &[], &[], |c| {
            c.settings();
            for number in 0.. {
                let Some(id) = c.asked() else { return };
                thread::sleep(Duration::from_millis(30));
                if number == 5 {
                    c.go_away(id, 0);
                }
                c.answer(id);
                if number == 5 {
                    return c.close();
                }
            }
        })
    },
    each!("GOAWAY instead of an answer", "closed", &["GOAWAY ENHANCE_YOUR_CALM"], |c, _| {
        c.go_away(0, ENHANCE_YOUR_CALM);
        false
    }),
    each!(
        "GOAWAY, and closes without an answer",
        "closed",
        &["closed before the answer", "GOAWAY"],
        |c, id| {
            c.go_away(id, 0);
            c.close();
            false
        }
    ),
    each!("resets the stream", "closed", &["reset the stream: INTERNAL_ERROR"], |c, id| {
        c.reset_stream(id, INTERNAL_ERROR)
    }),
    each!("refuses every stream", "closed", &["reset the stream: REFUSED_STREAM"], |c, id| {
        c.reset_stream(id, REFUSED_STREAM)
    }),
    each!("resets the stream within the body", "closed", &["reset the stream: CANCEL"], |c, id| {
        c.head(id) && c.frame(DATA, 0, id, "o") && c.reset_stream(id, CANCEL)
    }),
    each!(
        "closes within the body",
        "closed",
        &["closed within the answer", "closed before the answer"],
        |c, id| {
            let _ = c.head(id) && c.frame(DATA, 0, id, "o");
            c.close();
            false
        }
    ),
    case("resets the connection within the body", &["closed"], &["reset by peer"], |c| {
        c.settings();
        let Some(id) = c.asked() else { return };
        let _ = c.head(id) && c.frame(DATA, 0, id, "o");
        thread::sleep(SHORT);
        c.reset();
    }),
    case("never answers over HTTP/2", &["timeout"], &[TIME_LIMIT], |c| {
        c.settings();
        c.wait();
    }),
    case("never says a word", &["timeout"], &[TIME_LIMIT, NO_STREAM], Peer::wait),
    case("allows no stream", &["timeout"], &[TIME_LIMIT, NO_STREAM], |c| {
        c.frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 0]);
        c.wait();
    }),
    Case {
        request: "[[request]]\npost = \"/\"\nbody-file = \"large\"\n",
        ..case("takes no byte of a body", &["timeout"], &[TIME_LIMIT], |c| {
            c.frame(SETTINGS, 0, 0, [0, 4, 0, 0, 0, 0]);
            c.wait();
        })
    },
    case("a stream that never ends", &["timeout"], &[TIME_LIMIT], |c| {
        c.settings();
        let Some(id) = c.asked() else { return };
        c.head(id);
        while c.frame(DATA, 0, id, "and so on") {
            thread::sleep(SHORT);
        }
    }),
];

pub const HTTP2_FRAMES: &[Case] = &[
    floods!("SETTINGS without end", |_| frame(SETTINGS, 0, 0, [])),
    floods!("PING without end", |_| frame(PING, 0, 0, [0; 8])),
    floods!("empty DATA without end", |id| frame(DATA, 0, id, [])),
    each!("a header list that is too long", "protocol", &["head or trailers are longer"], |c, id| {
        c.frame(HEADERS, 0, id, field("x", &"y".repeat(100)).repeat(150))
            && (0..5).all(|_| c.frame(CONTINUATION, 0, id, field("x", &"y".repeat(100)).repeat(150)))
    }),
    each!("CONTINUATION without end", "protocol", &["CONTINUATION frames"], |c, id| {
        c.frame(HEADERS, 0, id, [STATUS_200]) && (0..100).all(|_| c.frame(CONTINUATION, 0, id, []))
    }),
    each!("too many fields", "protocol", &["more than 128 fields"], |c, id| {
        let block = [vec![STATUS_200], field("x", "y").repeat(200)].concat();
        c.frame(HEADERS, END_HEADERS | END_STREAM, id, block)
    }),
    case("garbage", &["protocol"], &["did not begin with a SETTINGS"], |c| {
        c.asked();
        c.say([0xa5; 100]);
        c.wait();
    }),
    each!("garbage instead of frames", "protocol", &["a frame of 16777215 bytes"], |c, _| {
        c.say([0xff; 100]);
        false
    }),
    case("an answer in HTTP/1.1", &["protocol"], &["answered in HTTP/1"], |c| {
        c.asked();
        c.say(OK);
        c.wait();
    }),
    each!("a block that cannot be decoded", "protocol", &["cannot be decoded (HPACK)"], |c, id| {
        c.frame(HEADERS, END_HEADERS, id, [0xff; 20]);
        false
    }),
    each!("no status over HTTP/2", "protocol", &["no single valid :status"], |c, id| {
        c.frame(HEADERS, END_HEADERS | END_STREAM, id, field("x", "y"))
    }),
    each!("another length than said", "protocol", &["body's length"], |c, id| {
        c.frame(HEADERS, END_HEADERS, id, [vec![STATUS_200], field("content-length", "5")].concat())
            && c.frame(DATA, END_STREAM, id, "ok")
    }),
    each!("pushes", "protocol", &["pushed an answer"], |c, id| {
        c.frame(PUSH_PROMISE, END_HEADERS, id, [0, 0, 0, 2, STATUS_200]);
        false
    }),
    each!(
        "DATA of a stream that nobody opened",
        "protocol",
        &["on a stream where it may not be"],
        |c, id| {
            c.frame(DATA, 0, id + 1000, "ok");
            false
        }
    ),
];
