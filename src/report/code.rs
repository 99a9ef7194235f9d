//! Words for lines of source code.

use crate::analysis::{Cause, CodeLine, LineFinding};

use super::{escape, names, quantity};

/// Longest file name shown.
const LONGEST: usize = 160;

/// Where in the code a cause is, in a few characters: ` at store.go:57`; empty if that is not known.
pub(super) fn briefly(cause: &Cause) -> String {
    let in_it = |l: &&CodeLine| l.function == cause.at && l.finding != LineFinding::Unlocks;
    let Some(first) = cause.lines.iter().find(in_it) else { return String::new() };
    let file = first.file.rsplit(['/', '\\']).next().unwrap_or(&first.file);
    format!(" at {}", escape::code(&names::cut(&format!("{file}:{}", first.line), LONGEST)))
}

/// A line with what is seen there, as Markdown.
pub(super) fn says(line: &CodeLine) -> String {
    let place = format!("{}:{}", names::cut(&line.file, LONGEST), line.line);
    let part = quantity::share(line.part);
    let what = match line.finding {
        LineFinding::Works => format!("on CPU, {part} of what it takes more"),
        LineFinding::Allocates => format!("allocates, {part} of what it allocates more"),
        LineFinding::Unlocks => format!("gives back the lock, {part} of what others wait for it"),
        LineFinding::Waits => format!("waits, {part} of its waits of this kind"),
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
        cause.lines[0].function = "main.other".into();
        assert_eq!(briefly(&cause), "", "of another function");
    }
}
