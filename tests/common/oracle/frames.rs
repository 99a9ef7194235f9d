//! Counts the frames of an HTTP/2 connection as its bytes pass by.

/// Bytes of what a client says first.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// One direction.
#[derive(Debug, Default)]
pub struct Frames {
    header: Vec<u8>,
    /// Bytes that pass before the next header.
    skip: usize,
    /// The stream that ends with them.
    ends: Option<u32>,
    /// Bytes of frames that carry requests or answers.
    pub bytes: u64,
    /// Streams whose last byte has passed, until they are taken.
    pub ended: Vec<u32>,
}

impl Frames {
    pub fn of_client() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    pub fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip == 0 {
                self.ended.extend(self.ends.take());
            }
            if bytes.is_empty() {
                return;
            }
            let more = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..more]);
            bytes = &bytes[more..];
            if self.header.len() == HEADER {
                self.begin();
            }
        }
    }

    fn begin(&mut self) {
        let number =
            |at: std::ops::Range<usize>| self.header[at].iter().fold(0, |n, b| n << 8 | u32::from(*b));
        let (length, kind, flags, stream) = (number(0..3), self.header[3], self.header[4], number(5..9));
        self.header.clear();
        self.skip = length as usize;
        if matches!(kind, DATA | HEADERS | RST_STREAM | CONTINUATION) {
            self.bytes += HEADER as u64 + u64::from(length);
        }
        let ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        self.ends = ends.then_some(stream);
    }
}
