//! Every text of an analysis replaced by nasty ones: the report must keep its structure.

use serde_json::Value;

use super::golden::{load, outputs};
use super::{Folded, chart};
use crate::analysis::{Analysis, TimelinePoint};
use crate::time::{RunTime, SECOND};

/// Text that breaks out of tables, code spans, lists, links, tags, attributes, lines and terminals.
const NASTY: [&str; 6] = [
    "x | y | z\n| a | b |\n|---|---|",
    "`` ` ``` code ` [click](javascript:alert(1)) ![p](http://evil.example/p.png) https://evil.example www.evil.example",
    "</title></text></svg><script>alert(1)</script><img src=x onerror=alert(1)>&lt;&#x3c;",
    "# heading\r\n\r\n## another\n- item\n> quote\n***\n~~~\n<!-- comment",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}gnp.exe\u{0}\u{feff}\u{2028}end\" onload=\"x' y]]>",
    "{{ head }} {% include \"x\" %} $x$ \\| \\` \\\\",
];
/// Keys whose text is free; all others are names of enum variants.
const FREE: [&str; 41] = [
    "file",
    "waiter",
    "waker",
    "pattern",
    "level",
    "example",
    "detail",
    "id",
    "scenario",
    "target",
    "tool_version",
    "plan",
    "partial",
    "host",
    "at",
    "doing",
    "service",
    "mechanism",
    "remedy",
    "tier",
    "says",
    "path",
    "name",
    "slug",
    "series",
    "of",
    "function",
    "what",
    "metric",
    "request",
    "run_id",
    "open_with",
    "problem",
    "collector",
    "why",
    "cause",
    "service_name",
    "apply",
    "revert",
    "left_out",
    "problems",
];

/// Replaces every free text; `turn` picks another nasty text each time.
fn poison(value: &mut Value, turn: &mut usize) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match inner {
                    Value::String(_) if FREE.contains(&key.as_str()) => poison_one(inner, turn),
                    Value::Array(list) if FREE.contains(&key.as_str()) => {
                        list.iter_mut().for_each(|v| poison_one(v, turn));
                    }
                    inner => poison(inner, turn),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| poison(v, turn)),
        _ => {}
    }
}

fn poison_one(value: &mut Value, turn: &mut usize) {
    if value.is_string() {
        *value = NASTY[*turn % NASTY.len()].into();
        *turn += 1;
    } else {
        poison(value, turn);
    }
}

/// A sample with nasty texts, beginning with the given one so that each place meets each text.
fn poisoned(sample: &str, first: usize) -> (Analysis, Folded) {
    let (analysis, folded) = load(sample);
    let mut json = serde_json::to_value(&analysis).expect("json");
    let mut turn = first;
    poison(&mut json, &mut turn);
    let stacks = |list: Vec<(String, u64)>| {
        list.into_iter()
            .enumerate()
            .map(|(i, (_, v))| (NASTY[(first + i) % NASTY.len()].to_owned(), v))
            .collect()
    };
    let folded = Folded {
        reference: stacks(folded.reference),
        judged: stacks(folded.judged),
        unit: NASTY[first].into(),
    };
    (serde_json::from_value(json).expect("an analysis"), folded)
}

/// Cells of a table row: pipes that are not escaped split.
fn cells(row: &str) -> usize {
    let mut escaped = false;
    row.chars()
        .filter(|c| {
            let splits = *c == '|' && !escaped;
            escaped = *c == '\\' && !escaped;
            splits
        })
        .count()
}

/// The kind of each line: what Markdown makes of it before it looks inside.
fn skeleton(markdown: &str) -> Vec<String> {
    let kind = |line: &str| {
        let start: String = line.chars().take_while(|c| "#->| *~`".contains(*c)).collect();
        if line.starts_with('|') { format!("row of {}", cells(line)) } else { start.trim().to_owned() }
    };
    markdown.lines().map(kind).collect()
}

#[test]
fn nasty_texts_do_not_change_the_structure_of_the_report() {
    for (sample, first) in
        ["go-lock", "confirmed", "journey"].iter().flat_map(|s| (0..NASTY.len()).map(move |n| (s, n)))
    {
        let (benign, stacks) = load(sample);
        let wanted = outputs(&benign, &stacks);
        let (analysis, folded) = poisoned(sample, first);
        let files = outputs(&analysis, &folded);
        for name in ["report.md", "summary.md"] {
            let text = &files[name];
            let tables =
                |t: &str| skeleton(t).into_iter().filter(|k| k.starts_with("row")).collect::<Vec<_>>();
            let headings = |t: &str| t.lines().filter(|l| l.starts_with('#')).count();
            assert_eq!(tables(text), tables(&wanted[name]), "{name} {first}");
            assert_eq!(headings(text), headings(&wanted[name]), "{name} {first}");
            assert_text_is_inert(text);
        }
    }
}

/// No tag, image, link, comment or control character but our own survives outside code spans.
fn assert_text_is_inert(markdown: &str) {
    // `<code>` elements hold entities only: what looks like a tag in them would not survive this.
    let spans = markdown.replace("<code>", "").replace("</code>", "");
    let outside: String = spans.lines().map(|l| without_code(l) + "\n").collect();
    let own = [
        "analysis/latency.svg",
        "analysis/breakdown.svg",
        "analysis/flame-",
        "#is-the-run-valid",
        "events.jsonl)",
    ];
    for (at, _) in outside.match_indices("](") {
        // A backslash before the bracket makes it text.
        let escaped = outside[..at].ends_with('\\');
        assert!(escaped || own.iter().any(|o| outside[at + 2..].starts_with(o)), "link: {}", &outside[at..]);
    }
    for bad in ["<script", "<img", "<!--", "</", "https://", "www.evil"] {
        for (at, _) in outside.match_indices(bad) {
            assert!(outside[..at].ends_with('\\'), "{bad} in {}", &outside[at.saturating_sub(40)..]);
        }
    }
    assert!(
        !markdown.chars().any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
    );
}

/// The line without its code spans, found as GFM finds them: a run of backticks closes an equal run.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        out.push_str(&rest[..at]);
        let run = rest[at..].chars().take_while(|c| *c == '`').count();
        let fence = &rest[at..at + run];
        let after = &rest[at + run..];
        if out.ends_with('\\') {
            rest = &rest[at + 1..];
            continue;
        }
        let closing = after
            .match_indices(fence)
            .find(|(i, _)| !after[..*i].ends_with('`') && !after[i + run..].starts_with('`'));
        rest = closing.map_or(after, |(i, _)| &after[i + run..]);
    }
    out + rest
}

#[test]
fn pictures_and_junit_stay_well_formed() {
    for first in 0..NASTY.len() {
        let (analysis, folded) = poisoned("go-lock", first);
        for (name, content) in outputs(&analysis, &folded) {
            if name.ends_with(".svg") {
                assert_well_formed(&name, &content);
                let scripts = content.matches("<script").count();
                assert_eq!(
                    scripts,
                    usize::from(name.contains("flame")),
                    "{name}: only the viewer's own script"
                );
            }
            if name.ends_with(".xml") {
                let read = quick_junit::Report::deserialize_from_str(&content).expect("JUnit reads back");
                assert_eq!((read.tests, read.failures), (11, 5));
            }
        }
    }
}

/// Tags match, attributes are quoted, nothing else has an angle bracket.
fn assert_well_formed(name: &str, xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>') || name.contains("flame"), "{name}: stray > in {}", &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(skipped) = rest.strip_prefix("![CDATA[").map(|r| r.find("]]>").expect("CDATA ends") + 11)
        {
            rest = &rest[skipped..];
            continue;
        }
        let end = rest.find('>').expect("a tag ends");
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if tag.starts_with(['?', '!']) || tag.ends_with('/') {
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: quotes in <{tag}>");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}");
        } else {
            open.push(tag.split([' ', '\n']).next().unwrap_or_default());
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} left open");
}

#[test]
fn extreme_numbers_do_not_panic() {
    let (mut a, folded) = load("go-lock");
    for (i, p) in a.timeline.iter_mut().enumerate() {
        let wild = [f64::NAN, f64::INFINITY, -1.0, 1e300][i % 4];
        (p.offered, p.sent, p.passed) = (wild, wild, wild);
        p.p50 = [None, Some(0), Some(u64::MAX)][i % 3];
        p.at = if i % 7 == 0 { RunTime::from_nanos(u64::MAX) } else { p.at };
    }
    a.load.offered_rate = 0.0;
    a.run.started_unix_nanos = u64::MAX;
    let breakdown = a.breakdown.as_mut().expect("a breakdown");
    for (i, row) in breakdown.rows.iter_mut().enumerate() {
        row.judged.value = if i % 2 == 0 { i64::MIN } else { i64::MAX };
        row.change.low = i64::MIN;
    }
    breakdown.judged.mean = i64::MIN;
    a.causes[0].share = f64::NAN;
    a.thresholds[0].value = Some(f64::NAN);
    let dir = tempfile::tempdir().expect("scratch folder");
    super::render(&a, &folded, dir.path()).expect("rendered");
    super::job_summary(&a).expect("summary");
}

#[test]
fn an_empty_analysis_says_what_is_missing() {
    let (mut a, _) = load("go-lock");
    a.verdict = crate::analysis::Verdict::NotFound;
    a.causes.clear();
    a.timeline.clear();
    a.anomalies.clear();
    a.breakdown = None;
    a.functions.clear();
    a.load.requests.clear();
    let files = outputs(&a, &Folded::default());
    let report = &files["report.md"];
    assert!(report.contains("Not possible: the evidence it needs was not recorded"), "{report}");
    assert!(report.contains("No period was recorded"), "{report}");
    assert!(report.contains("switch on what was missing (block profile of shop)"), "{report}");
    assert!(!report.contains("## Causes") && !report.contains("flame"), "{report}");
}

#[test]
fn charts_of_long_runs_stay_small() {
    let (mut a, _) = load("go-lock");
    for periods in [600_u64, 36_000] {
        a.timeline = (0..periods).map(noisy).collect();
        let size = chart::latency(&a).expect("a chart").len();
        assert!(size < 200_000, "{periods} periods: {size} bytes");
    }
}

fn noisy(i: u64) -> TimelinePoint {
    let v = 1_000_000 + i.wrapping_mul(6_364_136_223_846_793_005) % 90_000_000;
    TimelinePoint {
        at: RunTime::from_nanos(i * SECOND),
        offered: 500.0,
        sent: (v % 97) as f64,
        passed: (v % 89) as f64,
        error_rate: 0.0,
        p50: Some(v),
        p95: Some(v * 2),
        p99: Some(v * 3),
        ewma: Some(v * 2),
        threshold: Some(v * 4),
        anomalous: false,
        warm_up: false,
    }
}
