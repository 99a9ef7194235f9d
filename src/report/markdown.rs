//! Markdown through tera. Templates escape every value by themselves, because names that end in `.md` are set
//! to escape with `escape::text`; `| code` makes a code span, and `| safe` marks Markdown made in this crate.

use std::io::Write;

use tera::{Context, Kwargs, State, Tera, Value};

use super::{Pictures, ReportError, escape, headline, view};
use crate::analysis::Analysis;

/// Templates by name, embedded: a report needs no file besides its recording.
const TEMPLATES: [(&str, &str); 13] = [
    ("report.md", include_str!("../../reports/report.md.tera")),
    ("summary.md", include_str!("../../reports/summary.md.tera")),
    ("breakdown.md", include_str!("../../reports/sections/breakdown.md.tera")),
    ("causes.md", include_str!("../../reports/sections/causes.md.tera")),
    ("confirmations.md", include_str!("../../reports/sections/confirmations.md.tera")),
    ("databases.md", include_str!("../../reports/sections/databases.md.tera")),
    ("surroundings.md", include_str!("../../reports/sections/surroundings.md.tera")),
    ("timeline.md", include_str!("../../reports/sections/timeline.md.tera")),
    ("exhibits.md", include_str!("../../reports/sections/exhibits.md.tera")),
    ("load.md", include_str!("../../reports/sections/load.md.tera")),
    ("gate.md", include_str!("../../reports/sections/gate.md.tera")),
    ("doubts.md", include_str!("../../reports/sections/doubts.md.tera")),
    ("closing.md", include_str!("../../reports/sections/closing.md.tera")),
];

/// `report.md`.
pub(crate) fn report(a: &Analysis, pictures: Pictures) -> Result<String, ReportError> {
    render("report.md", a, pictures)
}

/// A short Markdown summary for the file that `$GITHUB_STEP_SUMMARY` names: verdict, cause, thresholds,
/// baseline. The caller appends it.
///
/// # Errors
/// Only if a template of this program is wrong.
pub fn job_summary(analysis: &Analysis) -> Result<String, ReportError> {
    render("summary.md", analysis, Pictures::default())
}

/// The report's first five lines as plain text for a terminal: verdict, cause, size, since when, what to do.
#[must_use]
pub fn headlines(analysis: &Analysis) -> [String; 5] {
    let h = headline::headline(analysis);
    [
        plain(&h.verdict),
        format!("Cause: {}", plain(&h.cause)),
        format!("Size: {}", plain(&h.size)),
        format!("Since when: {}", plain(&h.since)),
        format!("What to do: {}", plain(&h.action)),
    ]
}

/// The text of one line of Markdown that `escape` and `headline` made: no emphasis, no code marks, no escapes.
fn plain(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(c) = rest.chars().next() {
        let run = rest.chars().take_while(|x| *x == '`').count();
        let after = &rest[run..];
        let closing = (run > 0).then(|| closing(after, run)).flatten();
        if let Some(end) = closing {
            out.push_str(&after[..end]);
            rest = &after[end + run..];
        } else if c == '\\' && rest.len() > 1 {
            let mut escaped = rest.chars();
            out.extend(escaped.by_ref().nth(1));
            rest = escaped.as_str();
        } else {
            if c != '*' {
                out.push(c);
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Where a run of exactly `run` backticks begins.
fn closing(text: &str, run: usize) -> Option<usize> {
    let fence = "`".repeat(run);
    let exact = |i: usize| !text[..i].ends_with('`') && !text[i + run..].starts_with('`');
    text.match_indices(&fence).map(|(i, _)| i).find(|i| exact(*i))
}

fn render(name: &str, a: &Analysis, pictures: Pictures) -> Result<String, ReportError> {
    let mut context = Context::from_serialize(&view::view(a, pictures))?;
    context.insert("gate_words", &headline::gate_words(a));
    let text = templates()?.render(name, &context)?;
    Ok(tidy(&text))
}

fn templates() -> Result<Tera, tera::Error> {
    let mut tera = Tera::new();
    tera.autoescape_on([".md"]);
    tera.set_escape_fn(|raw: &str, out: &mut dyn Write| out.write_all(escape::text(raw).as_bytes()));
    tera.register_filter("code", |raw: &str, _: Kwargs, _: &State| Value::safe_string(&escape::code(raw)));
    tera.add_raw_templates(TEMPLATES)?;
    Ok(tera)
}

/// No trailing blanks, never two empty lines in a row, one line end at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() && empty {
            continue;
        }
        empty = line.is_empty();
        out.push_str(line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_are_plain_text() {
        let (analysis, _) = crate::report::golden::load("go-lock");
        let lines = headlines(&analysis);
        assert!(lines[0].starts_with("Verdict: STRONG - very likely"), "{}", lines[0]);
        assert!(lines[1].starts_with(
            "Cause: catalog.(*Store).Reload of shop (lock held too long) at store.go:88 - requests wait"
        ));
        assert!(lines[1].contains("taken in catalog.(*Store).List;"), "{}", lines[1]);
    }

    #[test]
    fn plain_undoes_what_escaping_did() {
        for raw in ["(*T).M", "a`b", "``", "a \\ b", "[x](y)", "é|*", "\\"] {
            assert_eq!(plain(&escape::text(raw)), raw);
            if !raw.contains('|') {
                assert_eq!(plain(&escape::code(raw)).trim(), raw);
            }
        }
    }

    #[test]
    fn tidying_keeps_one_empty_line() {
        assert_eq!(tidy("\n\na  \n\n\n\nb\n\n"), "a\n\nb\n");
    }
}
