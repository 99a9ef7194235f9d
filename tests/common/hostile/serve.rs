//! The listener: its first connection is the preflight's, which is served well; all others are not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::http2::Peer;
use super::tls::{self, Flaw};
use super::{Act, Case};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// Longer than a hit's time limit, so that a client gives up first.
pub const LONG: Duration = Duration::from_millis(1500);

/// A connection of the load.
pub struct Client(pub TcpStream);

impl Client {
    /// Waits for a whole request head; false when the client has gone.
    pub fn asked(&mut self) -> bool {
        asked(&mut self.0)
    }

    /// Writes; false when the client has gone.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).is_ok()
    }

    /// Writes the same every few milliseconds for longer than a client waits.
    pub fn drone(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        for _ in 0..LONG.as_millis() / pause.as_millis() {
            if !self.say(bytes.as_ref()) {
                return;
            }
            thread::sleep(pause);
        }
    }

    /// Does nothing for longer than a client waits.
    pub fn wait(&mut self) {
        let _ = self.0.set_read_timeout(Some(LONG));
        let mut rest = [0; 1024];
        while matches!(self.0.read(&mut rest), Ok(1..)) {}
    }

    /// Closes with a reset instead of an orderly end.
    pub fn reset(&mut self) {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

pub fn asked(stream: &mut impl Read) -> bool {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => head.extend_from_slice(&buffer[..n]),
            _ => return false,
        }
    }
    true
}

/// Starts the server of a case: its URL, and its authority in PEM if it speaks TLS.
pub fn serve(case: &Case) -> (String, Option<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("an address").port();
    let act = case.act;
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the preflight");
        preflight(act, stream);
        if matches!(act, Act::Gone) {
            return;
        }
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            thread::spawn(move || load(act, stream));
        }
    });
    match case.act {
        Act::Plain(_) | Act::Http2(_) | Act::Gone => (format!("http://127.0.0.1:{port}"), None),
        _ => (format!("https://127.0.0.1:{port}"), Some(tls::authority())),
    }
}

fn preflight(act: Act, mut stream: TcpStream) {
    match act {
        Act::Plain(_) | Act::Gone => {
            asked(&mut stream);
            let _ = stream.write_all(GOOD);
        }
        Act::Http2(_) => {
            // The server's settings are the answer.
            let mut peer = Peer::new(stream);
            peer.settings();
            peer.wait();
        }
        _ => {
            let mut session = tls::session(stream, Flaw::None);
            asked(&mut session);
            let _ = session.write_all(GOOD);
            session.conn.send_close_notify();
            let _ = session.flush();
        }
    }
}

fn load(act: Act, stream: TcpStream) {
    match act {
        Act::Plain(act) | Act::NotTls(act) => act(&mut Client(stream)),
        Act::Http2(act) => act(&mut Peer::new(stream)),
        Act::Within(act) => act(&mut tls::session(stream, Flaw::None)),
        Act::Certificate(flaw) => {
            // The client ends the handshake.
            asked(&mut tls::session(stream, flaw));
        }
        Act::Gone => unreachable!("nobody listens"),
    }
}
