//! A socket that never blocks, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

/// What the system takes of an answer before its client reads: little, so that a long answer is written when
/// its client has nearly all of it.
const SEND_BUFFER: usize = 64 * 1024;

#[derive(Debug)]
pub struct Wire {
    tcp: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// Without TLS: what the system has not taken yet.
    out: Vec<u8>,
}

impl Wire {
    pub fn new(tcp: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        socket2::SockRef::from(&tcp).set_send_buffer_size(SEND_BUFFER)?;
        let session = |config: &Arc<ServerConfig>| {
            let mut session = ServerConnection::new(Arc::clone(config)).expect("a session");
            session.set_buffer_limit(None);
            Box::new(session)
        };
        Ok(Self { tcp, tls: tls.map(session), out: Vec::new() })
    }

    pub const fn socket(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads what has come; `WouldBlock` if nothing has. A handshake takes place meanwhile.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
            while tls.wants_write() {
                tls.write_tls(&mut self.tcp)?;
            }
        }
    }

    /// Adds bytes to what [`Wire::flush`] writes.
    pub fn queue(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes).expect("a buffer without limit"),
            None => self.out.extend_from_slice(bytes),
        }
    }

    /// Hands over what the system takes; true if that is all.
    pub fn flush(&mut self) -> io::Result<bool> {
        while !self.idle() {
            let written = match &mut self.tls {
                Some(tls) => tls.write_tls(&mut self.tcp),
                None => self.tcp.write(&self.out).inspect(|n| drop(self.out.drain(..*n))),
            };
            match written {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Whether the system has taken everything.
    pub fn idle(&self) -> bool {
        self.out.is_empty() && self.tls.as_ref().is_none_or(|tls| !tls.wants_write())
    }
}
