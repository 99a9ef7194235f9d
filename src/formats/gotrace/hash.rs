//! A hash for small keys of numbers that come by the million.
//!
//! The standard one costs more than all else that is done with an event. This one multiplies and folds, from a
//! start that is random in every process, so that a trace cannot be made to collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map of numbers.
pub(super) type Table<K, V> = HashMap<K, V, Seeded>;

/// Makes the hashers of one map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeded([u64; 2]);

impl Default for Seeded {
    fn default() -> Self {
        let random = RandomState::new();
        // Odd, so that the product loses nothing.
        Self([random.hash_one(1), random.hash_one(2) | 1])
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded { state: self.0[0], factor: self.0[1] }
    }
}

/// The state of one hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded {
    state: u64,
    factor: u64,
}

impl Hasher for Folded {
    #[inline]
    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.state ^ value) * u128::from(self.factor);
        self.state = (product as u64) ^ ((product >> 64) as u64).rotate_left(23);
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        // Tables look at the lowest and the highest bits: mix once more.
        self.state ^ self.state.rotate_left(32).wrapping_mul(self.factor)
    }
}
