//! One log file, followed from its end: it may be cut short, renamed and made anew meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Bytes of a line that are kept.
const MAX_LINE: usize = 16 << 10;
/// Bytes that one look takes at the most: a service that writes more is passed over.
const MAX_LOOK: u64 = 1 << 20;

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Follow {
    path: PathBuf,
    open: Option<Open>,
    /// Whether it was there at the first look: what it held is not of this run.
    begun: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
    at: u64,
    /// The beginning of a line whose end has not been written yet.
    partial: Vec<u8>,
}

/// What a look brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whole lines, without their ends; long ones cut.
    pub(super) lines: Vec<Vec<u8>>,
    /// Bytes that were passed over.
    pub(super) passed_over: u64,
}

impl Follow {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None, begun: false }
    }

    /// Lines written since the last look; at the first one, none.
    ///
    /// # Errors
    /// What the system says, other than that there is no such file yet.
    pub(super) fn look(&mut self) -> io::Result<Looked> {
        let mut looked = Looked::default();
        if let Some(open) = &mut self.open {
            open.read(&mut looked)?;
        }
        let found = match self.path.metadata() {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.begun = true;
                return Ok(looked);
            }
            Err(e) => return Err(e),
        };
        if self.open.as_ref().is_none_or(|open| open.inode != found.ino()) {
            let mut open = Open::new(File::open(&self.path)?, &found);
            if self.begun {
                open.read(&mut looked)?;
            } else {
                open.at = found.len();
            }
            self.open = Some(open);
        }
        self.begun = true;
        Ok(looked)
    }
}

impl Open {
    fn new(file: File, found: &Metadata) -> Self {
        Self { file, inode: found.ino(), at: 0, partial: Vec::new() }
    }

    fn read(&mut self, looked: &mut Looked) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.at {
            // Cut short: what is there now is new.
            (self.at, _) = (0, self.partial.clear());
        }
        let more = (length - self.at).saturating_sub(MAX_LOOK);
        if more > 0 {
            looked.passed_over += more + self.partial.len() as u64;
            (self.at, _) = (self.at + more, self.partial.clear());
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        self.at += (&self.file).take(MAX_LOOK).read_to_end(&mut bytes)? as u64;
        let mut pieces = bytes.split(|b| *b == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        // After bytes were passed over, the first piece is the end of a line.
        let whole = pieces.skip(usize::from(more > 0));
        for piece in whole {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(piece);
            line.truncate(MAX_LINE);
            looked.lines.push(line);
        }
        let room = MAX_LINE.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&last[..last.len().min(room)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn texts(looked: io::Result<Looked>) -> Vec<String> {
        let looked = looked.expect("readable");
        looked.lines.into_iter().map(|l| String::from_utf8(l).expect("text")).collect()
    }

    #[test]
    fn a_file_is_followed_through_cuts_and_new_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("shop.log");
        fs::write(&path, "of an earlier run\n").expect("written");
        let mut follow = Follow::new(path.clone());
        assert_eq!(texts(follow.look()), [""; 0], "from its end on");
        let mut file = File::options().append(true).open(&path).expect("there");
        file.write_all(b"one\ntwo, half").expect("written");
        assert_eq!(texts(follow.look()), ["one"]);
        file.write_all(b" and half\n").expect("written");
        assert_eq!(texts(follow.look()), ["two, half and half"]);
        fs::rename(&path, dir.path().join("shop.log.1")).expect("renamed");
        file.write_all(b"the last of the old\n").expect("written");
        fs::write(&path, "new\n").expect("written");
        assert_eq!(texts(follow.look()), ["the last of the old", "new"]);
        fs::write(&path, "c\n").expect("cut short");
        assert_eq!(texts(follow.look()), ["c"]);
        assert_eq!(texts(follow.look()), [""; 0]);
    }

    #[test]
    fn a_file_that_appears_later_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut follow = Follow::new(dir.path().join("late.log"));
        assert_eq!(texts(follow.look()), [""; 0]);
        fs::write(dir.path().join("late.log"), "first\n").expect("written");
        assert_eq!(texts(follow.look()), ["first"]);
    }

    #[test]
    fn floods_are_passed_over_and_long_lines_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("flood.log");
        fs::write(&path, "").expect("written");
        let mut follow = Follow::new(path.clone());
        follow.look().expect("readable");
        let line = "x".repeat(99) + "\n";
        fs::write(&path, line.repeat(30_000) + &"y".repeat(40_000) + "\n").expect("written");
        let looked = follow.look().expect("readable");
        assert_eq!(looked.passed_over, 30_000 * 100 + 40_001 - MAX_LOOK);
        assert!(looked.lines.iter().all(|l| l.len() == 99 || l.len() == MAX_LINE));
        assert_eq!(looked.lines.last().map(Vec::len), Some(MAX_LINE));
    }
}
