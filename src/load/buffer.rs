//! The read buffer of a connection, used again for every read.

/// `FIRST` bytes at first; reads that fill it make it larger for the next, until it has `LAST` bytes. Whatever is
/// waited for, a read may bring `LEAST` bytes.
#[derive(Debug, Default)]
pub(crate) struct Buffer<const FIRST: usize, const LAST: usize, const LEAST: usize> {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl<const FIRST: usize, const LAST: usize, const LEAST: usize> Buffer<FIRST, LAST, LEAST> {
    /// What was read and not consumed.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// So many of the filled bytes are done with.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Free space at the end, made by moving what is left to the front, and by growing where that is not enough.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        const { assert!(0 < LEAST && LEAST <= FIRST) }
        if self.start > 0 && self.free() < LEAST {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.free() < LEAST {
            self.bytes.resize((self.bytes.len() * 2).max(FIRST), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were read into [`Buffer::space`].
    pub(crate) fn filled_by(&mut self, n: usize) {
        self.end += n;
        if self.free() == 0 && self.bytes.len() < LAST {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }

    const fn free(&self) -> usize {
        self.bytes.len() - self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Small = Buffer<8, 32, 3>;

    /// Reads so many bytes, counting up.
    fn read<const F: usize, const L: usize, const M: usize>(
        buffer: &mut Buffer<F, L, M>,
        n: usize,
        next: &mut u8,
    ) {
        for byte in &mut buffer.space()[..n] {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        buffer.filled_by(n);
    }

    #[test]
    fn what_was_read_is_there_until_it_is_consumed() {
        let (mut buffer, mut next) = (Small::default(), 0);
        assert!(buffer.filled().is_empty());
        assert_eq!(buffer.space().len(), 8);
        read(&mut buffer, 5, &mut next);
        buffer.consume(2);
        assert_eq!(buffer.filled(), [2, 3, 4]);
        buffer.consume(3);
        assert!(buffer.filled().is_empty());
        assert_eq!(buffer.space().len(), 8, "from the front again");
    }

    #[test]
    fn what_is_left_moves_to_the_front_before_the_buffer_grows() {
        let (mut buffer, mut next) = (Small::default(), 0);
        read(&mut buffer, 6, &mut next);
        buffer.consume(4);
        assert_eq!(buffer.space().len(), 6, "2 free bytes are less than 3");
        assert_eq!(buffer.filled(), [4, 5]);
        read(&mut buffer, 3, &mut next);
        buffer.consume(1);
        assert_eq!(buffer.space().len(), 3, "enough without moving");
        assert_eq!(buffer.filled(), [5, 6, 7, 8]);
    }

    #[test]
    fn reads_that_fill_it_make_it_larger_up_to_its_last_size() {
        let (mut buffer, mut next) = (Small::default(), 0);
        let mut sizes = Vec::new();
        for _ in 0..4 {
            let all = buffer.space().len();
            sizes.push(all);
            read(&mut buffer, all, &mut next);
            buffer.consume(all);
        }
        assert_eq!(sizes, [8, 16, 32, 32]);
        let (mut buffer, mut next) = (Small::default(), 0);
        for _ in 0..20 {
            read(&mut buffer, 7, &mut next);
            buffer.consume(7);
        }
        assert_eq!(buffer.space().len(), 8, "reads that leave room do not");
    }

    #[test]
    fn what_is_waited_for_finds_room_however_long_it_gets() {
        let (mut buffer, mut next) = (Small::default(), 0);
        for _ in 0..50 {
            assert!(buffer.space().len() >= 3);
            read(&mut buffer, 3, &mut next);
        }
        assert!(buffer.filled().iter().copied().eq(0..150));
        // The last size is less than the first.
        let (mut odd, mut next) = (Buffer::<16, 4, 1>::default(), 0);
        read(&mut odd, 16, &mut next);
        assert_eq!((odd.space().len(), odd.filled().len()), (16, 16));
    }
}
