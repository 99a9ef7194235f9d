//! Filters and pruning on stacks small enough to be read.

use super::*;

fn left(lines: &[&str], options: &[(&str, &str)]) -> Vec<String> {
    let filter = Filter::of(options.iter().copied()).expect("a filter");
    shown(&stacks(lines).filtered(&filter))
}

const LINES: [&str; 3] = ["main;serve;parse = 5", "main;serve; inlined;read = 3", "gc;mark = 2"];

#[test]
fn filters_of_frames_keep_and_drop() {
    for (options, expected) in [
        (&[("focus", "serve")][..], &["main;serve;parse = 5", "main;serve;inlined;read = 3"][..]),
        (&[("ignore", "^main$")], &["gc;mark = 2"]),
        (&[("focus", "main"), ("ignore", "inlined")], &["main;serve;parse = 5"]),
        (&[("hide", "serve|mark|gc")], &["main;parse = 5", "main;inlined;read = 3"]),
        (&[("show", "main|inlined")], &["main = 5", "main;inlined = 3"]),
        (&[("show_from", "inlined|mark")], &["inlined;read = 3", "mark = 2"]),
        (&[("prune_from", "serve|gc")], &["main;serve = 5", "main;serve = 3", "gc = 2"]),
        (&[("focus", "")], &["main;serve;parse = 5", "main;serve;inlined;read = 3", "gc;mark = 2"]),
        (&[("focus", "nowhere")], &[]),
    ] {
        assert_eq!(left(&LINES, options), expected, "{options:?}");
    }
}

#[test]
fn filters_of_labels_keep_and_drop() {
    let lines = ["a = 1 endpoint=/a trace=7", "b = 2 endpoint=/b", "c = 4"];
    for (options, expected) in [
        (&[("tagfocus", "endpoint=^/a$")][..], &["a = 1"][..]),
        (&[("tagfocus", "endpoint:/")], &["a = 1", "b = 2"]),
        (&[("tagfocus", "endpoint,trace")], &["a = 1"]),
        (&[("tagfocus", "endpoint=a,b")], &["a = 1", "b = 2"]),
        (&[("tagignore", "trace")], &["b = 2", "c = 4"]),
        (&[("tagfocus", "endpoint"), ("tagignore", "endpoint=b")], &["a = 1"]),
        (&[("tagfocus", "7")], &[]),
    ] {
        assert_eq!(left(&lines, options), expected, "{options:?}");
    }
}

#[test]
fn ranges_of_numbers_have_units() {
    let mut profile = stacks(&["a = 1", "b = 2", "c = 4"]);
    for (sample, value) in profile.samples.iter_mut().zip([100, 2048, 1 << 21]) {
        sample.numbers.push(Number { key: "bytes".to_owned(), value, unit: String::new() });
    }
    for (range, expected) in [
        ("bytes=2kb", &["b = 2"][..]),
        (":2kb", &["a = 1", "b = 2"]),
        ("bytes=2kb:", &["b = 2", "c = 4"]),
        ("bytes=1kb:3mb", &["b = 2", "c = 4"]),
        ("other=1kb:3mb", &[]),
        ("bytes=2ms:", &[]),
        ("bytes=1kb:2ms", &[]),
    ] {
        let filter = Filter::of([("tagfocus", range)]).expect("a filter");
        assert_eq!(shown(&profile.filtered(&filter)), expected, "{range}");
    }
    let unit = |p: &Profile| p.number_units()["bytes"].clone();
    assert_eq!(unit(&profile), "bytes", "a key without unit is its own");
    profile.samples[2].numbers[0].unit = "kilobytes".to_owned();
    assert_eq!(unit(&profile), "kilobytes", "the first unit given counts for all");
}

#[test]
fn filters_that_cannot_be_used_are_named() {
    assert_eq!(Filter::of([("fokus", "x")]).expect_err("no such"), PprofError::UnknownFilter("fokus".into()));
    let problem = |option, text: &str| match Filter::of([(option, text)]) {
        Err(PprofError::Pattern { option, problem, .. }) => (option, problem),
        other => panic!("{other:?}"),
    };
    assert_eq!(problem("hide", "(").0, "hide");
    assert!(problem("focus", "(\\w{1000}){1000}").1.contains("size limit"), "bounded in memory");
    assert!(problem("tagfocus", &"x".repeat(70_000)).1.contains("longer"), "bounded in text");
    assert_eq!(problem("tagfocus", "99999999999999999999kb").0, "tagfocus");
}

fn pruned(lines: &[&str], drop: &str, keep: &str) -> Vec<String> {
    let profile = Profile { drop_frames: drop.into(), keep_frames: keep.into(), ..stacks(lines) };
    shown(&profile.pruned().expect("expressions"))
}

#[test]
fn pruning_drops_a_frame_and_what_it_called() {
    let lines = ["main;malloc(int);sys = 1", "malloc;main;work = 2", "main;go; malloc;sys = 4"];
    let expected = ["main = 1", "malloc;main;work = 2", "main;go = 4"];
    assert_eq!(pruned(&lines, "malloc", ""), expected);
    assert_eq!(pruned(&["main;tc_new;x = 1"], "tc_.*", "tc_new"), ["main;tc_new;x = 1"]);
    assert_eq!(pruned(&["main;malloc_slow = 1"], "malloc", ""), ["main;malloc_slow = 1"], "whole names");
    assert_eq!(pruned(&["malloc;malloc = 1"], "malloc", ""), ["malloc;malloc = 1"], "never to nothing");
    // The tool's rule: a place that loses a call is no frame to stop at, so what it called stays at the root.
    assert_eq!(pruned(&["go; malloc;sys = 1"], "malloc", ""), ["go;sys = 1"]);
    let broken = Profile { drop_frames: "(".to_owned(), ..stacks(&lines) };
    assert!(matches!(broken.pruned(), Err(PprofError::Pattern { .. })));
}
