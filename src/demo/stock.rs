//! What is in stock, behind the one lock that every request takes.

use std::sync::Arc;
use std::time::Duration;

use super::catalogue::PRODUCTS;
use super::contention::Contention;
use super::lock::ProfiledMutex;
use super::work;

/// How long an audit holds the lock. Long enough that evenly spaced arrivals queue behind it: at 600 a second,
/// a quarter of them audits, the lock is held two thirds of the time and requests wait about 3 ms each.
const COST_OF_AN_AUDIT: Duration = Duration::from_micros(4500);
/// Pieces of each product at the start.
const PIECES: u32 = 1_000_000;

/// The stock of the shop.
#[derive(Debug)]
pub(super) struct Stock {
    books: ProfiledMutex<Books>,
    /// Times an audit goes through the books.
    rounds: u32,
}

/// What the lock protects.
#[derive(Debug)]
struct Books {
    shelves: Vec<Shelf>,
    /// Checksum that the last audit left.
    seal: u64,
}

/// What there is of a product.
#[derive(Clone, Copy, Debug)]
struct Shelf {
    pieces: u32,
    reserved: u32,
}

impl Shelf {
    const fn left(self) -> u32 {
        self.pieces - self.reserved
    }
}

/// Why a reservation failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotReserved {
    /// There is no such product.
    Unknown,
    /// Fewer pieces are left than asked for.
    SoldOut,
}

impl Stock {
    /// A full stock. Its lock's contention is recorded in `contention`.
    pub(super) fn new(contention: Arc<Contention>) -> Self {
        let shelves = vec![Shelf { pieces: PIECES, reserved: 0 }; PRODUCTS as usize];
        let books = ProfiledMutex::new(Books { shelves, seal: 0 }, contention);
        let mut stock = Self { books, rounds: 1 };
        stock.rounds = work::repeats_for(COST_OF_AN_AUDIT, |rounds| {
            std::hint::black_box(stock.audit(rounds));
        });
        stock
    }

    /// Pieces left of each product.
    pub(super) fn available(&self, ids: impl Iterator<Item = u32>) -> Vec<u32> {
        let books = self.books.lock();
        ids.map(|id| books.shelves.get(id as usize).map_or(0, |s| s.left())).collect()
    }

    /// Reserves pieces of a product; with `audited`, audits the whole stock first.
    pub(super) fn reserve(&self, id: u32, quantity: u32, audited: bool) -> Result<u32, NotReserved> {
        if audited && self.audit(self.rounds) < u64::from(quantity) {
            return Err(NotReserved::SoldOut);
        }
        let mut books = self.books.lock();
        let shelf = books.shelves.get_mut(id as usize).ok_or(NotReserved::Unknown)?;
        let left = shelf.left().checked_sub(quantity).ok_or(NotReserved::SoldOut)?;
        shelf.reserved += quantity;
        Ok(left)
    }

    /// Walks the whole stock `rounds` times, adding up what is left and sealing the books with a checksum of
    /// every shelf, while it holds the lock. Returns the pieces left in all.
    ///
    /// Written as a plain loop over indices, so that profiles of unoptimised builds name this function too
    /// and not the insides of iterators.
    #[inline(never)]
    pub(super) fn audit(&self, rounds: u32) -> u64 {
        let mut guard = self.books.lock();
        let books: &mut Books = &mut guard;
        let shelves = books.shelves.as_slice();
        let (mut left, mut seal, mut round) = (0, books.seal, 0);
        while round < rounds {
            left = 0;
            let mut i = 0;
            while i < shelves.len() {
                let here = (shelves[i].pieces - shelves[i].reserved) as u64;
                left += here;
                // Stays far below 2^64.
                seal = (seal * 31 + here) % 1_000_000_007;
                i += 1;
            }
            round += 1;
        }
        books.seal = seal;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_reduce_what_is_left_and_never_oversell() {
        let stock = Stock::new(Arc::new(Contention::default()));
        assert_eq!(stock.reserve(7, 10, false), Ok(PIECES - 10));
        assert_eq!(stock.reserve(7, 10, true), Ok(PIECES - 20));
        assert_eq!(stock.available([7, 8, PRODUCTS].into_iter()), [PIECES - 20, PIECES, 0]);
        assert_eq!(stock.reserve(7, PIECES, false), Err(NotReserved::SoldOut));
        assert_eq!(stock.reserve(PRODUCTS, 1, false), Err(NotReserved::Unknown));
        assert_eq!(stock.audit(1), u64::from(PIECES) * u64::from(PRODUCTS) - 20);
    }
}
