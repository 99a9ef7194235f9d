//! Markdown through tera. Templates escape every value by themselves, because names that end in `.md` are set
//! to escape with `escape::text`; `| code` makes a code span, and `| safe` marks Markdown made in this crate.

use std::io::Write;

use tera::{Context, Kwargs, State, Tera, Value};

use super::{Pictures, ReportError, escape, headline, view};
use crate::analysis::Analysis;

/// Templates by name, embedded: a report needs no file besides its recording.
const TEMPLATES: [(&str, &str); 10] = [
    ("report.md", include_str!("../../reports/report.md.tera")),
    ("summary.md", include_str!("../../reports/summary.md.tera")),
    ("breakdown.md", include_str!("../../reports/sections/breakdown.md.tera")),
    ("causes.md", include_str!("../../reports/sections/causes.md.tera")),
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
