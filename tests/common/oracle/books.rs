//! What a server writes down.

/// One answered request of the load, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Number of the arrival, from its `traceparent`.
    pub n: u64,
    /// Which connection it came on.
    pub conn: usize,
    /// Of the first request on a connection: the client had not connected yet, it was connected.
    pub opened: Option<(u64, u64)>,
    /// The request had not come yet.
    pub unread: u64,
    /// The request was read.
    pub read: u64,
    /// The last byte of the answer was not written yet.
    pub unwritten: u64,
    /// The last byte of the answer was written.
    pub written: u64,
}

impl Served {
    /// When its client had not begun it yet, and when it had: by opening a connection, or by sending it.
    pub fn begun(&self) -> (u64, u64) {
        self.opened.unwrap_or((self.unread, self.read))
    }
}

/// What a server did.
#[derive(Debug, Default)]
pub struct Books {
    /// Requests of the load that were answered, in the order of their answers.
    pub served: Vec<Served>,
    /// Requests of the load that were read.
    pub read: u64,
    /// Connections that were accepted, the preflight's included.
    pub accepted: u64,
    /// Bytes of the load's requests, and of the answers to them: within TLS, and of HTTP/2 the frames that
    /// belong to a stream.
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// The longest time in which the server did not look at its sockets.
    pub lapse: u64,
}

impl Books {
    /// Connections that carried requests of the load.
    pub fn connections(&self) -> usize {
        let mut all: Vec<usize> = self.served.iter().map(|s| s.conn).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }

    /// The most requests that one connection had under way at the same time.
    pub fn most_streams(&self) -> usize {
        let mut moments: Vec<(usize, u64, i64)> =
            self.served.iter().flat_map(|s| [(s.conn, s.read, 1), (s.conn, s.written, -1)]).collect();
        moments.sort_unstable();
        let under_way = moments.iter().scan((0, 0), |(conn, open), (c, _, step)| {
            *open = if conn == c { *open + step } else { *step };
            *conn = *c;
            Some(*open)
        });
        under_way.max().unwrap_or(0).max(0) as usize
    }
}
