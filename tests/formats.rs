//! The codecs against real files: profiles of a Go program and the figures of `go tool pprof` about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loadprof::formats::pprof::{PprofError, Profile, delta, merge};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pprof").join(name)
}

fn profile(name: &str) -> Profile {
    let bytes = std::fs::read(data(name)).expect("the file is committed");
    Profile::decode(&bytes).expect("a real profile")
}

/// Function to flat and cumulative value, as printed by `go tool pprof -top -nodefraction=0`.
fn go_top(name: &str) -> BTreeMap<String, (i64, i64)> {
    let text = std::fs::read_to_string(data(name)).expect("the file is committed");
    let rows = text.lines().skip_while(|l| !l.contains("flat%")).skip(1);
    let number = |s: &str| s.trim_end_matches(char::is_alphabetic).parse::<i64>().expect("a number");
    rows.map(|row| {
        let mut fields = row.split_whitespace();
        let (flat, cum) = (fields.next().expect("flat"), fields.nth(2).expect("cum"));
        let function = fields.skip(1).collect::<Vec<_>>().join(" ");
        let function = function.trim_end_matches(" (inline)").trim_end_matches(" (partial-inline)");
        (function.to_owned(), (number(flat), number(cum)))
    })
    .filter(|(_, values)| *values != (0, 0))
    .collect()
}

fn own_top(profile: &Profile, kind: &str) -> BTreeMap<String, (i64, i64)> {
    let index = profile.value_index(kind).expect("the kind is there");
    profile.top(index).into_iter().map(|t| (t.function, (t.flat, t.cum))).collect()
}

#[test]
fn tables_agree_with_go_tool_pprof() {
    for (file, kind, expected) in [
        ("cpu-1.pb.gz", "cpu", "cpu-1.top"),
        ("mutex-1.pb.gz", "delay", "mutex-1.top"),
        ("goroutine.pb.gz", "goroutine", "goroutine.top"),
        ("heap.pb.gz", "alloc_space", "heap-alloc_space.top"),
        ("heap.pb.gz", "inuse_objects", "heap-inuse_objects.top"),
    ] {
        let expected = go_top(expected);
        assert!(expected.len() >= 5, "{file} has rows to compare");
        assert_eq!(own_top(&profile(file), kind), expected, "{file} {kind}");
    }
}

#[test]
fn sums_agree_with_go_tool_pprof() {
    let merged = merge(&[profile("cpu-1.pb.gz"), profile("cpu-2.pb.gz")]).expect("of one kind");
    assert_eq!(own_top(&merged, "cpu"), go_top("cpu-merged.top"));
    let (one, two) = (profile("cpu-1.pb.gz"), profile("cpu-2.pb.gz"));
    assert_eq!(merged.duration_nanos, one.duration_nanos + two.duration_nanos);
    assert_eq!(merged.time_nanos, one.time_nanos);
}

#[test]
fn differences_agree_with_go_tool_pprof() {
    let (earlier, later) = (profile("mutex-1.pb.gz"), profile("mutex-2.pb.gz"));
    let between = delta(&later, &earlier).expect("of one kind");
    assert_eq!(own_top(&between, "delay"), go_top("mutex-delta.top"));
    assert_eq!(own_top(&between, "contentions"), go_top("contentions-delta.top"));
    assert_eq!(between.duration_nanos, later.time_nanos - earlier.time_nanos);
    assert_eq!(delta(&later, &later).expect("of one kind").samples, []);
    let again = merge([&earlier, &between]).expect("of one kind");
    assert_eq!(own_top(&again, "delay"), own_top(&later, "delay"));
}

#[test]
fn profiles_of_different_kinds_are_not_mixed() {
    let error = merge(&[profile("cpu-1.pb.gz"), profile("heap.pb.gz")]).expect_err("cpu and heap");
    assert!(matches!(error, PprofError::Incompatible(..)), "{error}");
    assert_eq!(merge([]), Err(PprofError::Empty));
}

#[test]
fn real_profiles_survive_the_codec() {
    for name in ["cpu-1.pb.gz", "mutex-2.pb.gz", "goroutine.pb.gz", "heap.pb.gz"] {
        let profile = profile(name);
        assert_eq!(Profile::decode(&profile.encode()), Ok(profile), "{name}");
    }
}

#[test]
fn labels_and_folded_stacks_of_waiting_goroutines() {
    let goroutines = profile("goroutine.pb.gz");
    let labelled =
        |s: &loadprof::formats::pprof::Sample| s.labels == [("endpoint".to_owned(), "/products".to_owned())];
    let folded = goroutines.fold(goroutines.default_index(), labelled);
    assert_eq!(folded.len(), 1, "{folded:?}");
    let (stack, count) = &folded[0];
    assert_eq!(*count, 7);
    assert_eq!(stack, "runtime/pprof.Do;main.main.func1;runtime.chanrecv1;runtime.chanrecv;runtime.gopark");
    let all = goroutines.fold(goroutines.default_index(), |_| true);
    assert_eq!(all.iter().map(|(_, n)| n).sum::<i64>(), goroutines.total(goroutines.default_index()));
}

#[test]
fn damaged_profiles_are_errors_not_panics() {
    let bytes = std::fs::read(data("mutex-1.pb.gz")).expect("committed");
    for end in (0..bytes.len()).step_by(7) {
        assert!(Profile::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let plain = {
        use std::io::Read as _;
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("a gzip file");
        plain
    };
    assert_eq!(Profile::decode(&plain), Ok(profile("mutex-1.pb.gz")), "plain ones are read too");
    let mut refused = 0;
    for at in 0..plain.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = plain.clone();
            damaged[at] ^= flip;
            refused += usize::from(Profile::decode(&damaged).is_err());
        }
    }
    assert!(refused > plain.len() / 2, "{refused}");
}
