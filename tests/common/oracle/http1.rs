//! A connection of HTTP/1.1.

use std::io::ErrorKind;

use super::wire::Wire;

#[derive(Debug)]
pub struct Http1 {
    pub wire: Wire,
    input: Vec<u8>,
    /// The answer that is queued to its last byte.
    pub whole: Option<u64>,
    /// Bytes of the load's requests, and of the answers to them.
    pub bytes: (u64, u64),
}

impl Http1 {
    pub const fn new(wire: Wire) -> Self {
        Self { wire, input: Vec::new(), whole: None, bytes: (0, 0) }
    }

    /// Reads what has come; the head of a request if it is whole. None if the connection is over.
    pub fn look(&mut self) -> Option<Option<String>> {
        let mut buffer = [0; 4096];
        match self.wire.read(&mut buffer) {
            Ok(n @ 1..) => self.input.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            _ => return None,
        }
        let whole = self.input.ends_with(b"\r\n\r\n");
        Some(whole.then(|| String::from_utf8(std::mem::take(&mut self.input)).expect("a head of text")))
    }

    /// Queues a part of an answer: its head before the first, its end after the last. A body without a length
    /// comes in chunks.
    pub fn part(&mut self, body: &[u8], length: Option<usize>, first: bool, last: bool) {
        let mut bytes = Vec::with_capacity(body.len() + 64);
        if first {
            let coding =
                length.map_or("Transfer-Encoding: chunked".into(), |n| format!("Content-Length: {n}"));
            bytes.extend(format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n").bytes());
        }
        match length {
            Some(_) => bytes.extend_from_slice(body),
            None => {
                bytes.extend(format!("{:x}\r\n", body.len()).bytes());
                bytes.extend_from_slice(body);
                bytes.extend_from_slice(if last { b"\r\n0\r\n\r\n" } else { b"\r\n" });
            }
        }
        self.bytes.1 += bytes.len() as u64;
        self.wire.queue(&bytes);
    }
}

/// The trace context in a head. The preflight's question has none.
pub fn trace(head: &str) -> Option<&str> {
    head.split_once("traceparent: ").map(|(_, trace)| trace)
}

/// The arrival's number: the second half of the trace id.
pub fn number(trace: &str) -> u64 {
    u64::from_str_radix(&trace[19..35], 16).expect("hex digits")
}
