//! The capacity report.

use std::fmt::Write;

use super::Capacity;
use crate::analysis::{Cause, Unit, Utilization, quantity};

/// `capacity.md`: the answer first, then the limiter, then every run.
#[must_use]
pub(super) fn markdown(c: &Capacity) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(c, &mut text);
    text
}

fn write(c: &Capacity, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}\n", headline(c))?;
    writeln!(out, "# {}: capacity\n", plain(&c.scenario))?;
    for (i, cause) in c.limiters.iter().enumerate() {
        limiter(out, i, cause)?;
    }
    if c.limiters.is_empty() && c.first_failed.is_some() && !c.generator_bound {
        writeln!(out, "What limits it could not be shown; see the report of the failing run.\n")?;
    }
    full(out, &c.full)?;
    if let Some(run) = &c.limiter_run {
        writeln!(out, "Evidence: the run [{run}]({run}/report.md), compared with the last run that held.\n")?;
    }
    writeln!(out, "## Runs\n\n| # | rate asked | outcome | passed | p95 | thresholds that failed |")?;
    writeln!(out, "|---:|---:|---|---:|---:|---|")?;
    for (i, run) in c.runs.iter().enumerate() {
        writeln!(
            out,
            "| [{}]({}/report.md) | {} | {} | {} | {} | {} |",
            i + 1,
            run.folder,
            quantity::rate(run.rate),
            run.outcome,
            quantity::rate(run.passed_rate),
            quantity::duration(run.p95 as f64),
            run.failed_thresholds.join(", ")
        )?;
    }
    writeln!(
        out,
        "\nThe capacity is the highest rate at which every threshold held in most of its runs \
         (bracket by doubling, bisection, three runs at each edge). `capacity.json` has the same figures."
    )
}

/// The answer in one line.
#[must_use]
pub fn headline(c: &Capacity) -> String {
    match (c.capacity, c.first_failed) {
        (Some(held), _) if c.generator_bound => format!(
            "**Capacity: at least {}.** The generator was the limit beyond it, so the target's own is not known",
            quantity::rate(held)
        ),
        (Some(held), Some(failed)) => format!(
            "**Capacity: {}** within the thresholds; {} fails. {}",
            quantity::rate(held),
            quantity::rate(failed),
            limit_words(c)
        ),
        (Some(held), None) => {
            format!("**Capacity: at least {}**, the highest rate that was tried", quantity::rate(held))
        }
        (None, _) if c.generator_bound => {
            "**Capacity: not known.** The generator was the limit even at the lowest rate".to_owned()
        }
        (None, _) => "**Capacity: none.** Not even the lowest rate holds the thresholds".to_owned(),
    }
}

fn limit_words(c: &Capacity) -> String {
    match c.limiters.first() {
        Some(cause) => format!("Limited by {}: {}", cause.kind.word(), plain(&cause.at)),
        None => match c.full.iter().find(|u| u.queues) {
            Some(most) => format!("What limits it is not known; full: {}", resource(most)),
            None => "What limits it is not known".to_owned(),
        },
    }
}

fn resource(of: &Utilization) -> String {
    format!("{} of {} ({})", plain(&of.resource), plain(&of.service), quantity::value(of.judged, Unit::Ratio))
}

/// Of which resources next to nothing is left.
fn full(out: &mut String, all: &[Utilization]) -> std::fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Full at the failing edge\n")?;
    for of in all {
        let before = of.reference.map_or_else(String::new, |v| {
            format!(", {} in the last run that held", quantity::value(v, Unit::Ratio))
        });
        writeln!(out, "- {}{before}", resource(of))?;
    }
    writeln!(out)
}

fn limiter(out: &mut String, index: usize, cause: &Cause) -> std::fmt::Result {
    writeln!(out, "## Limiter {}: {} at `{}`\n", index + 1, cause.kind.word(), code(&cause.at))?;
    writeln!(out, "- **Mechanism:** {}", plain(&cause.mechanism))?;
    writeln!(out, "- **At the failing edge:** {} per request", quantity::change(cause.explains))?;
    writeln!(out, "- **Remedy:** {}", plain(&cause.remedy))?;
    for evidence in &cause.evidence {
        writeln!(out, "- {}: {}", evidence.tier, plain(&evidence.says))?;
    }
    writeln!(out)
}

/// Names come from the target: nothing of them is Markdown.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '!' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            c if is_hidden(c) => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Control characters, and those that change the direction or the width of what follows.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn code(text: &str) -> String {
    text.chars().map(|c| if c == '`' || is_hidden(c) { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(held: Option<f64>, failed: Option<f64>, generator_bound: bool) -> Capacity {
        Capacity {
            scenario: "shop".into(),
            capacity: held,
            first_failed: failed,
            generator_bound,
            runs: Vec::new(),
            verdict: None,
            limiters: Vec::new(),
            full: Vec::new(),
            limiter_run: None,
            held_run: None,
        }
    }

    #[test]
    fn the_first_line_is_the_answer() {
        assert!(headline(&capacity(Some(400.0), Some(420.0), false)).contains("400/s"));
        assert!(headline(&capacity(Some(400.0), Some(800.0), true)).contains("generator"));
        assert!(headline(&capacity(None, Some(1.0), false)).contains("none"));
    }

    #[test]
    fn what_is_full_stands_where_nobody_is_to_blame() {
        let used = |resource: &str, queues| Utilization {
            service: "shop".into(),
            resource: resource.into(),
            reference: Some(0.84),
            judged: 0.97,
            queues,
        };
        let mut c = capacity(Some(400.0), Some(420.0), false);
        c.full = vec![used("memory", false), used("2 cores", true)];
        let text = markdown(&c);
        assert!(
            text.lines().next().is_some_and(|l| l.ends_with("not known; full: 2 cores of shop (97.0 %)")),
            "{text}"
        );
        assert!(text.contains("- 2 cores of shop (97.0 %), 84.0 % in the last run that held\n"), "{text}");
        c.full.clear();
        assert!(!markdown(&c).contains("ull"), "{}", markdown(&c));
    }

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(plain("a|b\n<c>"), "a\\|b \\<c\\>");
        assert_eq!(code("a`b"), "a_b");
    }
}
