//! What is refused, and how.

use std::time::{Duration, Instant};

use super::super::spec::*;
use super::*;

fn error(bytes: &[u8]) -> GoTraceError {
    read(bytes).0.expect_err("broken")
}

fn what(bytes: &[u8]) -> &'static str {
    match error(bytes) {
        GoTraceError::Broken { what, .. } => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers() {
    use GoTraceError::*;
    let table: [(&[u8], GoTraceError); 8] = [
        (b"", NotATrace),
        (b"go 1.22 trace\0\0", NotATrace),
        (b"<!doctype html><html>", NotATrace),
        (b"go 1.2x trace\0\0\0", NotATrace),
        (b"go 1.21 trace\0\0\0", OldFormat(21)),
        (b"go 1.11 trace\0\0\0", OldFormat(11)),
        (b"go 1.28 trace\0\0\0", UnknownFormat(28)),
        (b"go 1.26 trace\0\0\0", NoGeneration),
    ];
    for (bytes, expected) in table {
        assert_eq!(error(bytes), expected);
    }
    let mut large = b"go 1.26 trace\0\0\0".to_vec();
    large.resize(MAX_BYTES + 1, 0);
    assert_eq!(error(&large), TooLarge);
}

#[test]
fn batches() {
    let header = trace(&[]);
    let with = |bytes: Bytes| [header.clone(), bytes.0].concat();
    assert_eq!(what(&with(Bytes::default().byte(9))), "not the start of a batch");
    let too_large = Bytes::default().record(EVENT_BATCH, &[1, 1, 1, 65537]);
    assert_eq!(what(&with(too_large)), "a batch is larger than the format allows");
    assert_eq!(what(&with(Bytes::default().record(EVENT_BATCH, &[0, 1, 1, 0]))), "generation 0");
    let mixed = Bytes::default().record(EVENT_BATCH, &[3, 1, 1, 0]).record(EVENT_BATCH, &[9, 1, 1, 0]);
    assert_eq!(what(&with(mixed)), "generations are mixed");
    let mut endless = Bytes::default().byte(EVENT_BATCH);
    endless.0.extend([0xff; 12]);
    assert_eq!(what(&with(endless)), "a number in a batch's head is too long");
    assert_eq!(
        what(&with(Bytes::default().byte(END_OF_GENERATION))),
        "the generation has no frequency of its clock"
    );
}

#[test]
fn tables() {
    let gen1 = || Gen::new(26, 1);
    let cases = [
        (gen1().without_frequency(), "the generation has no frequency of its clock"),
        (gen1().string(1, "a").string(1, "a"), "two strings with one number"),
        (gen1().string(0, "a"), "two strings with one number"),
        (gen1().string(1, "a").stack(1, &[1]).stack(1, &[1]), "two stacks with one number"),
        (gen1().string(1, "a").stack(1, &[2]), "a stack refers to a string that is missing"),
        (gen1().string(1, &"a".repeat(1025)), "not a string"),
        (gen1().string(1, "a").stack(1, &[1; 129]), "not a stack"),
        (gen1().sample(1, 1, 9), "not a CPU sample"),
        (gen1().sample(u64::MAX, 1, 0), "not a CPU sample"),
        (gen1().raw(1, 1, Bytes::default().byte(SYNC).byte(1)), "not a record of the clock"),
    ];
    for (generation, expected) in cases {
        assert_eq!(what(&trace(&[generation])), expected);
    }
    // Numbers far apart are as good as dense ones.
    let sparse = gen1().string(1 << 60, "a").string(u64::MAX, "b").stack(1 << 40, &[u64::MAX]);
    assert_eq!(read(&trace(&[sparse])).0.map(|r| r.ending), Ok(Ending::Whole));
}

#[test]
fn events() {
    let start: &[Timed<'_>] = &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2])];
    let cases: &[(&[Timed<'_>], &str)] = &[
        (&[(200, &[])], "not an event of this version"),
        (&[(STACKS + 1, &[])], "not an event of this version"),
        (&[(GO_STOP, &[0, 0])], "an event is cut off by the end of its batch"),
        (&[(GO_STOP, &[0, 7, 0])], "a string that the generation does not have"),
        (&[(GO_STOP, &[0, 0, 7])], "a stack that the generation does not have"),
        (&[(GO_STOP, &[u64::MAX, 0, 0])], "a time that does not fit 64 bits"),
        (&[(GO_STOP, &[1 << 60, 0, 0])], "a time that does not fit 63 bits"),
        (&[(GO_CREATE, &[0, 1, 0, 0])], "a goroutine is created twice"),
        (&[(GO_STATUS, &[0, 1, 1, 4])], "a goroutine is not in the state that it is said to be in"),
        (&[(GO_STATUS, &[0, 2, 1, 5])], "a goroutine has a state that does not exist"),
        (&[(GO_STATUS, &[0, 2, u64::MAX, 3])], "a goroutine is in a system call without a thread"),
        (&[(PROC_STATUS, &[0, 0, 2])], "a processor is not in the state that it is said to be in"),
        (&[(PROC_STATUS, &[0, 1, 0])], "a processor has a state that does not exist"),
        (&[(GO_STOP, &[0, 0, 0]), (GO_STOP, &[0, 0, 0])], "an event that needs a goroutine has none"),
        (&[(PROC_STOP, &[0]), (GO_STOP, &[0, 0, 0])], "an event that needs a processor has none"),
        (&[(GO_SYSCALL_END, &[0])], "a goroutine is in the wrong state for what it does"),
        (&[(GO_SYSCALL_BEGIN, &[0, 9, 0])], "a system call has the wrong number for its processor"),
        (&[(GO_CREATE_SYSCALL, &[0, 3])], "a thread gets a second goroutine"),
        (&[(GO_CREATE, &[0, 2, 0, 0]), (GO_START, &[0, 2, 1])], "a thread starts a second goroutine"),
        (&[(GC_ACTIVE, &[0, 1]), (GC_ACTIVE, &[0, 1])], "the collector is said to run after its first event"),
    ];
    for (events, expected) in cases {
        let gen1 = Gen::new(26, 1).thread(1, 100, &[start, events].concat());
        assert_eq!(what(&trace(&[gen1])), *expected, "{events:?}");
    }
}

#[test]
fn faults_name_their_byte() {
    let good = trace(&[Gen::new(26, 1).thread(1, 100, &[(PROC_STATUS, &[0, 0, 1])])]);
    let bad = trace(&[Gen::new(26, 1).thread(1, 100, &[(PROC_STATUS, &[0, 0, 1]), (200, &[])])]);
    let expected = good.iter().zip(&bad).skip(HEADER + 14).take_while(|(a, b)| a == b).count() + HEADER + 14;
    match error(&bad) {
        GoTraceError::Broken { at, generation: 1, .. } => assert_eq!((at, bad[at]), (expected, 200)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_that_wait_for_ever() {
    let lost: &[Timed<'_>] = &[(PROC_STATUS, &[0, 0, 1]), (GO_START, &[0, 5, 1])];
    match error(&trace(&[Gen::new(26, 3).thread(1, 100, lost)])) {
        GoTraceError::Stuck { generation: 3, threads: 1, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cut_keeps_whole_generations() {
    for version in [22, 23, 25, 26] {
        let first =
            Gen::new(version, 1).thread(1, 100, &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2])]);
        let second = Gen::new(version, 2).string(1, "sync").thread(1, 200, &[(GO_BLOCK, &[0, 1, 0])]);
        let one = trace(std::slice::from_ref(&first)).len();
        let bytes = trace(&[first, second]);
        for end in HEADER..bytes.len() {
            let (reading, _) = read(&bytes[..end]);
            match reading {
                Ok(reading) => {
                    assert!(end >= one && reading.generations == 1, "{version} cut at {end}: {reading:?}");
                    let whole = end == one;
                    assert_eq!(reading.ending == Ending::Whole, whole, "{version} cut at {end}: {reading:?}");
                    assert!(whole || matches!(reading.ending, Ending::Cut(_)), "{version} {end} {reading:?}");
                }
                Err(error) => assert!(end < one, "{version} cut at {end}: {error:?}"),
            }
        }
        assert_eq!(read(&bytes).0.map(|r| (r.ending, r.generations)), Ok((Ending::Whole, 2)), "{version}");
    }
}

/// Many threads that wait for one goroutine, which is said to be there again and again: every time all of
/// them would be tried.
#[test]
fn a_crowd_at_one_goroutine_does_not_cost_the_square() {
    let mut crowd = Gen::new(26, 1);
    for thread in 0..4000 {
        crowd = crowd.thread(thread, 100, &[(GO_START, &[0, 5, 9])]);
    }
    let mut calls = Bytes::default().record(PROC_STATUS, &[0, 0, 1]);
    for _ in 0..20_000 {
        calls = calls.record(GO_STATUS, &[0, 5, u64::MAX - 1, 4]);
        if calls.0.len() > 65_000 {
            break;
        }
    }
    let mut bytes = trace(&[crowd]);
    bytes.truncate(bytes.len() - 1);
    bytes.extend(&trace(&[Gen::new(26, 1).without_frequency().raw(9000, 200, calls)])[HEADER..]);
    let begin = Instant::now();
    let error = read(&bytes).0.expect_err("nothing helps the crowd");
    assert!(matches!(error, GoTraceError::Stuck { .. } | GoTraceError::Broken { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn errors_of_the_visitor_are_its_own() {
    struct Picky;
    impl Visitor for Picky {
        fn event(&mut self, _: &Event, _: &Generation<'_>) -> Result<(), GoTraceError> {
            Err(GoTraceError::TooMany { what: "events", limit: 0 })
        }
    }
    let bytes = trace(&[Gen::new(22, 1).thread(1, 100, &[(PROC_STATUS, &[0, 0, 1])])]);
    let result = Reader::new(&bytes).expect("a header").read(&mut Picky);
    assert_eq!(result, Err(GoTraceError::TooMany { what: "events", limit: 0 }));
}

#[test]
fn generations_without_end() {
    let mut generation = trace(&[Gen::new(26, 1)]);
    let one = generation.split_off(HEADER);
    let mut bytes = generation;
    (0..100_001).for_each(|_| bytes.extend(&one));
    let reading = read(&bytes).0.expect("many are whole");
    let expected = GoTraceError::TooMany { what: "generations", limit: 100_000 };
    assert_eq!((reading.ending, reading.generations), (Ending::Broken(expected), 100_000));
}
