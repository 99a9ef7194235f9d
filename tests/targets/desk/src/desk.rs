//! What the desk does.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::thread;

use crate::settings::Settings;

/// Lines of a letter.
const LINES: usize = 24;
/// Rounds of the checksum of a ticket: about 0.2 ms.
const ROUNDS: u64 = 120_000;

/// The desk with its archive.
pub struct Desk {
    pub settings: Settings,
    archive: File,
}

impl Desk {
    /// Opens the archive in a folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let archive = OpenOptions::new().create(true).append(true).open(folder.join("letters.txt"))?;
        Ok(Self { settings: Settings::default(), archive })
    }

    /// Answers a ticket: a clerk looks at it, then it gets a number.
    pub async fn answer(&self, ticket: u64) -> u64 {
        tokio::time::sleep(self.settings.answer()).await;
        checksum(ticket)
    }

    /// Stamps a paper; the number of the stamp.
    pub async fn stamp(&self, paper: u64) -> u64 {
        let number = checksum(paper);
        self.dry();
        number
    }

    /// Waits until the ink is dry.
    #[inline(never)]
    fn dry(&self) {
        let time = self.settings.dry();
        if !time.is_zero() {
            thread::sleep(time);
        }
    }

    /// Writes a letter to a customer.
    pub async fn letter(&self, customer: u64) -> io::Result<String> {
        let lines = (0..LINES as u64).map(|i| format!("Dear customer {customer}, about your order {i}.\n"));
        let text: String = lines.collect();
        if self.settings.archive() {
            self.file(&text)?;
        }
        Ok(text)
    }

    /// Puts a letter into the archive, for good.
    #[inline(never)]
    fn file(&self, text: &str) -> io::Result<()> {
        (&self.archive).write_all(text.as_bytes())?;
        self.archive.sync_data()
    }
}

/// A number that says whether a ticket is genuine.
#[inline(never)]
fn checksum(ticket: u64) -> u64 {
    (0..ROUNDS).fold(ticket, |sum, i| (sum ^ i).wrapping_mul(0x100_0000_01b3).rotate_left(7))
}
