//! Words for lines of source code.

use crate::analysis::{Cause, CauseKind, CodeLine, LineFinding, State};

use super::{escape, names, quantity, words};

/// Longest file name shown.
const LONGEST: usize = 160;

/// Where in the code a cause is, in a few characters: ` at store.go:57`; empty if that is not known.
pub(super) fn briefly(cause: &Cause) -> String {
    let Some(first) = cause.lines.iter().find(|l| is_the_place(cause, l)) else { return String::new() };
    let file = first.file.rsplit(['/', '\\']).next().unwrap_or(&first.file);
    format!(" at {}", escape::code(&names::cut(&format!("{file}:{}", first.line), LONGEST)))
}

/// Whether a line is what the cause is about. What a lock is held for is no line that waits for it or gives it back, and work no
/// line that waits; and where a function did or waited before, another run does not tell which part of it is new.
fn is_the_place(cause: &Cause, line: &CodeLine) -> bool {
    use LineFinding::{Holds, Unlocks, Waits};
    let compared = line.added || line.finding == Holds;
    let beside = match cause.kind {
        CauseKind::Lock => line.finding == Unlocks || line.state == Some(State::Lock),
        CauseKind::Cpu | CauseKind::Allocation | CauseKind::MemoryLeak => line.finding == Waits,
        _ => false,
    };
    line.function == cause.at && compared && !beside
}

/// A line with what is seen there, as Markdown.
pub(super) fn says(line: &CodeLine) -> String {
    let place = format!("{}:{}", names::cut(&line.file, LONGEST), line.line);
    let part = quantity::share(line.part);
    let added = if line.added { "added " } else { "" };
    let what = match (line.finding, line.state) {
        (LineFinding::Works, _) => format!("{part} of its {added}CPU time"),
        (LineFinding::Allocates, _) => format!("{part} of the {added}bytes that it allocates"),
        (LineFinding::Keeps, _) => {
            format!("{part} of the {added}bytes that it allocates and that stay in use")
        }
        (LineFinding::Holds, _) => format!("holds the lock, {part} of what it is held for"),
        (LineFinding::Unlocks, _) => {
            format!("unlocks, {part} of the {added}time for which others waited for it")
        }
        (LineFinding::Waits, Some(state)) => format!("{}, {part} of these {added}waits", words::state(state)),
        (LineFinding::Waits, None) => format!("{part} of those that wait here"),
    };
    format!("{} in {}: {what}", escape::code(&place), escape::code(&names::short(&line.function)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::golden::load;

    #[test]
    fn the_first_line_has_the_file_without_its_folder() {
        let mut cause = load("go-lock").0.causes.remove(0);
        assert_eq!(briefly(&cause), " at `store.go:88`");
        cause.lines[0].file = "C:\\src\\a`b.go".into();
        assert_eq!(briefly(&cause), " at ``a`b.go:88``");
        cause.lines[0].finding = LineFinding::Works;
        assert_eq!(briefly(&cause), "", "which of its lines is new is not known; the others wait or unlock");
        cause.lines[0].added = true;
        assert_eq!(briefly(&cause), " at ``a`b.go:88``");
        cause.lines[0].function = "main.other".into();
        assert_eq!(briefly(&cause), "", "of another function");
    }
}
