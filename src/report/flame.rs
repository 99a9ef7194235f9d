//! Flame graphs of the two windows and of their difference, drawn by inferno.
//!
//! Widths of the difference are those of the judged window: what vanished since the reference has no width
//! there and is seen in the reference's own graph. Its colours are the change of a frame's own time (inferno
//! gives callers none).

use std::collections::BTreeMap;
use std::io;

use inferno::flamegraph::color::{BackgroundColor, Color, StrokeColor};
use inferno::flamegraph::{self, Options};

use super::{Folded, escape, names};

/// Deepest stack that is drawn; what lies above is cut, so that a runaway recursion stays a picture.
const DEEPEST: usize = 160;
/// Longest frame name.
const LONGEST_NAME: usize = 160;
/// Largest value of one stack: a million of them still fit the sums.
const LARGEST: u64 = 1 << 44;
/// Frames narrower than this share (in percent) of the whole are left out: they are under a pixel wide.
const NARROWEST_PERCENT: f64 = 0.1;

/// The three pictures; none where there are no stacks.
pub(crate) struct Flames {
    pub(crate) reference: Option<String>,
    pub(crate) judged: Option<String>,
    pub(crate) difference: Option<String>,
}

/// Draws what there are stacks for.
pub(crate) fn draw(folded: &Folded) -> io::Result<Flames> {
    let reference = merge(&folded.reference);
    let judged = merge(&folded.judged);
    let difference = if reference.is_empty() || judged.is_empty() {
        None
    } else {
        let title = "CPU: judged window; red: more own time than in the reference, blue: less";
        graph(&pairs(&reference, &judged), title, &folded.unit)?
    };
    Ok(Flames {
        reference: graph(&lines(&reference), "CPU: reference window", &folded.unit)?,
        judged: graph(&lines(&judged), "CPU: judged window", &folded.unit)?,
        difference,
    })
}

/// Sums equal stacks and drops empty ones.
fn merge(stacks: &[(String, u64)]) -> BTreeMap<String, u64> {
    let mut merged = BTreeMap::new();
    for (stack, value) in stacks.iter().filter(|(_, value)| *value > 0) {
        let sum: &mut u64 = merged.entry(clean(stack)).or_default();
        *sum = sum.saturating_add(*value).min(LARGEST);
    }
    merged
}

/// The stack with frames that cannot be mistaken for the format: inferno splits at `;` and takes numbers
/// after a space for values, and a leading `# ` for a comment.
fn clean(stack: &str) -> String {
    let frame = |f: &str| {
        let f = names::cut(&escape::line(f), LONGEST_NAME).replace(' ', "\u{a0}");
        if f.is_empty() { "?".to_owned() } else { f }
    };
    stack.split(';').take(DEEPEST).map(frame).collect::<Vec<_>>().join(";")
}

fn lines(stacks: &BTreeMap<String, u64>) -> Vec<String> {
    stacks.iter().map(|(stack, value)| format!("{stack} {value}")).collect()
}

fn pairs(reference: &BTreeMap<String, u64>, judged: &BTreeMap<String, u64>) -> Vec<String> {
    let mut both: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (stack, value) in reference {
        both.entry(stack).or_default().0 = *value;
    }
    for (stack, value) in judged {
        both.entry(stack).or_default().1 = *value;
    }
    both.iter().map(|(stack, (before, now))| format!("{stack} {before} {now}")).collect()
}

fn graph(lines: &[String], title: &str, unit: &str) -> io::Result<Option<String>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut options = Options::default();
    options.title = title.to_owned();
    options.count_name = escape::line(unit);
    options.font_type = "sans-serif".into();
    options.image_width = Some(1200);
    options.min_width = NARROWEST_PERCENT;
    options.bgcolors = Some(BackgroundColor::Flat(Color { r: 255, g: 255, b: 255 }));
    // Outlines: frames without a change are as white as the background.
    options.stroke_color = StrokeColor::Color(Color { r: 208, g: 215, b: 222 });
    // Colours come from a hash of the name: equal input, equal bytes.
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    Ok(Some(String::from_utf8_lossy(&svg).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(reference: &[(&str, u64)], judged: &[(&str, u64)]) -> Folded {
        let own = |stacks: &[(&str, u64)]| stacks.iter().map(|(s, v)| ((*s).to_owned(), *v)).collect();
        Folded { reference: own(reference), judged: own(judged), unit: "CPU ns per request".into() }
    }

    #[test]
    fn the_difference_needs_both_windows_and_nothing_is_drawn_from_nothing() {
        let none = draw(&folded(&[], &[])).expect("drawn");
        assert!(none.reference.is_none() && none.judged.is_none() && none.difference.is_none());
        let one = draw(&folded(&[], &[("a;b", 5)])).expect("drawn");
        assert!(one.reference.is_none() && one.judged.is_some() && one.difference.is_none());
        let both = draw(&folded(&[("a;b", 5)], &[("a;b", 5), ("a;c", 9)])).expect("drawn");
        let diff = both.difference.expect("both windows");
        assert!(diff.contains("c (9 CPU ns per request, 64.29%; +64.29%)"), "{diff}");
        assert!(diff.contains("b (5 CPU ns per request, 35.71%; 0.00%)"), "{diff}");
    }

    #[test]
    fn names_that_look_like_the_format_stay_names() {
        let hostile =
            [("a;f 3", 7), ("# comment;x", 5), ("a;;b", 2), ("<script>;\"&'\u{1b}[2J\n", 9), ("", 4)];
        let drawn = draw(&folded(&hostile, &hostile)).expect("drawn");
        let judged = drawn.judged.expect("stacks");
        assert!(judged.contains("f\u{a0}3 (7 CPU"), "a number in a name is no value");
        assert!(judged.contains("all (27 CPU ns per request, 100%)"), "no stack is lost");
        assert!(judged.contains("&lt;script&gt; (9") && !judged.contains("<script> (9"));
        assert!(!judged.contains('\u{1b}'));
        assert!(drawn.difference.expect("both").contains("all (27 CPU"));
    }

    #[test]
    fn deep_stacks_and_large_values_are_bounded_and_bytes_repeat() {
        let deep = vec!["recurse"; 5000].join(";");
        let input = folded(&[], &[(deep.as_str(), u64::MAX), ("a", u64::MAX), ("a", u64::MAX)]);
        let first = draw(&input).expect("drawn").judged.expect("stacks");
        assert!(first.len() < 200_000);
        assert_eq!(Some(first), draw(&input).expect("drawn").judged);
    }
}
