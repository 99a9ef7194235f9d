//! Finding and reading files of a run folder, within bounds.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layout;
use super::writer::RunError;
use crate::time::Window;

/// A file whose name states the moment or window it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedFile {
    /// The moment (an empty window) or the window.
    pub window: Window,
    /// Where it is.
    pub path: PathBuf,
}

/// Files of `dir` that end in `suffix` and carry a time, in order; none if there is no such folder. What a
/// killed writer left (`.part`) is no file of the run.
pub(super) fn timed(dir: &Path, suffix: &str) -> Vec<TimedFile> {
    let mut files: Vec<TimedFile> = names(dir)
        .into_iter()
        .filter(|name| name.ends_with(suffix))
        .filter_map(|name| Some(TimedFile { window: layout::parse_stamp(&name)?, path: dir.join(name) }))
        .collect();
    files.sort_by(|a, b| {
        let key = |f: &TimedFile| (f.window.from, f.window.to);
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    files
}

/// Names in a folder, sorted; an unreadable folder has none.
pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Names of the folders in a folder, sorted.
pub(super) fn folders(dir: &Path) -> Vec<String> {
    let mut names = names(dir);
    names.retain(|n| dir.join(n).is_dir());
    names
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|f| f.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(RunError::io(path))?;
    if bytes.len() as u64 > limit {
        let problem = format!("larger than {limit} bytes");
        return Err(RunError::Broken { path: path.to_owned(), problem });
    }
    Ok(bytes)
}

/// Reads a text of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, RunError> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| RunError::Broken { path: path.to_owned(), problem: "not UTF-8".to_owned() })
}

/// Bytes of a file of looks that are read: some 700,000 lines.
const LOOKS: u64 = 64 << 20;

/// What one look saw, as a line of its file.
pub(super) fn look_line(look: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(look).expect("numbers");
    line.push(b'\n');
    line
}

/// The looks of a file in the order they were written; a line that is none is left out.
pub(super) fn looks<T: DeserializeOwned>(dir: &Path, rel: &str) -> Vec<T> {
    let bytes = inside(dir, rel).and_then(|path| read(&path, LOOKS).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A path that a file of the folder names, if it stays inside the folder.
pub(super) fn inside(dir: &Path, rel: &str) -> Option<PathBuf> {
    let rel = Path::new(rel);
    rel.components().all(|c| matches!(c, Component::Normal(_))).then(|| dir.join(rel))
}

/// Files of a folder whose names end so, sorted by name.
pub(super) fn with_suffix(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let whole = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_file()));
    let mut paths: Vec<_> = whole.map(|e| e.path()).collect();
    paths.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with(suffix)));
    paths.sort();
    paths
}

/// Calls `each` with every whole line of a log (without its line break) and the line's offset. A last line
/// without a line break is left out and makes the answer `true`: its writer was killed. A line longer than
/// `limit` is handed over cut to `limit + 1` bytes, so that its reader refuses it.
pub(super) fn lines(
    reader: &mut impl io::BufRead,
    limit: usize,
    mut each: impl FnMut(u64, &[u8]),
) -> io::Result<bool> {
    let (mut offset, mut line, mut length) = (0u64, Vec::new(), 0u64);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(length > 0);
        }
        let end = chunk.iter().position(|&b| b == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = (limit + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        length += part.len() as u64;
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            each(offset, &line);
            offset += length + 1;
            (length, _) = (0, line.clear());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_handed_over_with_their_offsets() {
        let text = b"one\n\nlonger than six\nlast";
        for capacity in [1, 2, 7, 100] {
            let mut seen = Vec::new();
            let mut reader = io::BufReader::with_capacity(capacity, &text[..]);
            let cut = lines(&mut reader, 6, |at, line| {
                seen.push((at, String::from_utf8_lossy(line).into_owned()));
            });
            assert!(cut.expect("memory reads"), "the last line has no end");
            let seen: Vec<_> = seen.iter().map(|(at, line)| (*at, line.as_str())).collect();
            assert_eq!(seen, [(0, "one"), (4, ""), (5, "longer ")]);
        }
        let mut whole = io::Cursor::new(b"a\n");
        assert!(!lines(&mut whole, 6, |_, _| {}).expect("memory reads"));
    }

    #[test]
    fn paths_never_leave_the_folder() {
        let dir = Path::new("/run");
        assert_eq!(inside(dir, "captures/shop/trace-1.out"), Some("/run/captures/shop/trace-1.out".into()));
        for bad in ["../secret", "/etc/passwd", "captures/../../x", "./x"] {
            assert_eq!(inside(dir, bad), None, "{bad}");
        }
    }

    #[test]
    fn leftovers_and_foreign_names_are_no_files_of_the_run() {
        let dir = tempfile::tempdir().expect("a scratch folder");
        for name in ["000000000000009.om", "000000000000010.om.part", "notes.om", "1-3.om", "1.txt"] {
            fs::write(dir.path().join(name), name).expect("writes");
        }
        let found: Vec<u64> = timed(dir.path(), ".om").iter().map(|f| f.window.to.as_nanos()).collect();
        assert_eq!(found, [3, 9]);
        assert!(
            read(&dir.path().join("notes.om"), 6).is_err_and(|e| e.to_string().contains("larger than 6"))
        );
        assert_eq!(timed(&dir.path().join("absent"), ".om"), []);
    }
}
