//! Which event may come when.

use super::super::spec::*;
use super::*;
use GoState::{Runnable, Running, Syscall, Waiting};

/// A thread with a processor: its first events.
fn holds(proc: u64) -> [u64; 3] {
    [0, proc, 1]
}

#[test]
fn a_goroutine_lives() {
    for version in [22, 23, 25, 26] {
        let gen1 =
            Gen::new(version, 1).string(1, "chan receive").string(2, "main.main").stack(1, &[2]).thread(
                5,
                100,
                &[
                    (PROC_STATUS, &holds(0)),
                    (GO_STATUS, &[1, 1, 5, 2]),
                    (GO_CREATE, &[1, 2, 1, 1]),
                    (GO_BLOCK, &[1, 1, 1]),
                    (GO_START, &[1, 2, 1]),
                    (GO_UNBLOCK, &[1, 1, 1, 0]),
                    (GO_DESTROY, &[1]),
                    (GO_START, &[1, 1, 2]),
                ],
            );
        let bytes = trace(&[gen1]);
        let lived = [
            (1, None, Some(Running)),
            (2, None, Some(Runnable)),
            (1, Some(Running), Some(Waiting)),
            (2, Some(Runnable), Some(Running)),
            (1, Some(Waiting), Some(Runnable)),
            (2, Some(Running), None),
            (1, Some(Runnable), Some(Running)),
        ];
        assert_eq!(changes(&bytes), lived, "{version}");
        let (reading, seen) = read(&bytes);
        let reading = reading.expect("a trace");
        assert_eq!((reading.version, reading.generations, reading.events), (version, 1, 8));
        assert_eq!((reading.begin_nanos, reading.end_nanos), (100 * TICK, 107 * TICK));
        assert_eq!(seen.texts[2], "chan receive");
        assert_eq!((seen.events[5].thread, seen.events[5].goroutine), (Some(5), Some(2)), "the waker");
        assert_eq!(reading.clock.is_some(), version >= 25);
    }
}

#[test]
fn a_start_waits_for_the_creation_whatever_the_clocks_say() {
    let bytes = trace(&[Gen::new(26, 1)
        .thread(1, 500, &[(PROC_STATUS, &holds(0)), (GO_STATUS, &[0, 1, 1, 2]), (GO_CREATE, &[0, 2, 0, 0])])
        .thread(2, 100, &[(PROC_STATUS, &holds(1)), (GO_START, &[0, 2, 1]), (GO_DESTROY, &[0])])]);
    let lived = [
        (1, None, Some(Running)),
        (2, None, Some(Runnable)),
        (2, Some(Runnable), Some(Running)),
        (2, Some(Running), None),
    ];
    assert_eq!(changes(&bytes), lived);
    let (_, seen) = read(&bytes);
    assert!(seen.events.windows(2).all(|w| w[0].nanos < w[1].nanos), "{:?}", seen.events);
    assert_eq!(seen.events[4].nanos, 500 * TICK + 3, "moved behind what it waited for");
}

#[test]
fn changes_from_afar_come_in_the_order_of_their_numbers() {
    // Unblocked, started, blocked and unblocked again: the second unblock has the earlier time.
    let bytes = trace(&[Gen::new(23, 4)
        .string(1, "sync")
        .thread(
            1,
            100,
            &[(PROC_STATUS, &holds(0)), (GO_STATUS, &[0, 9, u64::MAX, 4]), (GO_UNBLOCK, &[5, 9, 3, 0])],
        )
        .thread(2, 300, &[(GO_UNBLOCK, &[0, 9, 1, 0])])
        .thread(3, 200, &[(PROC_STATUS, &holds(1)), (GO_START, &[0, 9, 2]), (GO_BLOCK, &[0, 1, 0])])]);
    let lived = [
        (9, None, Some(Waiting)),
        (9, Some(Waiting), Some(Runnable)),
        (9, Some(Runnable), Some(Running)),
        (9, Some(Running), Some(Waiting)),
        (9, Some(Waiting), Some(Runnable)),
    ];
    assert_eq!(changes(&bytes), lived);
}

#[test]
fn a_blocked_system_call_ends_after_its_processor_is_taken() {
    let bytes = trace(&[Gen::new(22, 1)
        .thread(
            1,
            100,
            &[
                (PROC_STATUS, &holds(0)),
                (GO_STATUS, &[0, 7, 1, 2]),
                (GO_SYSCALL_BEGIN, &[0, 1, 0]),
                (GO_SYSCALL_END_BLOCKED, &[1]),
                (PROC_START, &[0, 0, 3]),
                (GO_START, &[0, 7, 1]),
            ],
        )
        .thread(2, 900, &[(PROC_STEAL, &[0, 0, 2, 1])])]);
    let lived = [
        (7, None, Some(Running)),
        (7, Some(Running), Some(Syscall)),
        (7, Some(Syscall), Some(Runnable)),
        (7, Some(Runnable), Some(Running)),
    ];
    assert_eq!(changes(&bytes), lived);
    let (_, seen) = read(&bytes);
    assert!(seen.events[3..5].iter().any(|e| e.what == What::Proc { id: 0, to: ProcState::Idle }));
}

#[test]
fn a_system_call_may_end_at_once() {
    let bytes = trace(&[Gen::new(22, 1).thread(
        1,
        100,
        &[
            (PROC_STATUS, &holds(0)),
            (GO_STATUS, &[0, 7, 1, 2]),
            (GO_SYSCALL_BEGIN, &[0, 1, 0]),
            (GO_SYSCALL_END, &[1]),
            (PROC_STOP, &[1]),
        ],
    )]);
    assert_eq!(changes(&bytes).last(), Some(&(7, Some(Syscall), Some(Running))));
}

#[test]
fn a_switch_is_three_changes() {
    let events: &[Timed<'_>] = &[
        (PROC_STATUS, &[0, 0, 1]),
        (GO_STATUS, &[0, 1, 1, 2]),
        (GO_CREATE_BLOCKED, &[0, 2, 0, 0]),
        (GO_SWITCH, &[0, 2, 1]),
        (GO_SWITCH_DESTROY, &[0, 1, 1]),
    ];
    let lived = [
        (1, None, Some(Running)),
        (2, None, Some(Waiting)),
        (2, Some(Waiting), Some(Runnable)),
        (1, Some(Running), Some(Waiting)),
        (2, Some(Runnable), Some(Running)),
        (1, Some(Waiting), Some(Runnable)),
        (2, Some(Running), None),
        (1, Some(Runnable), Some(Running)),
    ];
    assert_eq!(changes(&trace(&[Gen::new(23, 1).thread(1, 100, events)])), lived);
    let (old, _) = read(&trace(&[Gen::new(22, 1).thread(1, 100, events)]));
    assert!(matches!(old, Err(GoTraceError::Broken { .. })), "{old:?}: Go 1.22 had none");
}

#[test]
fn a_thread_of_another_language_leaves_its_processor_behind() {
    let bytes = trace(&[Gen::new(22, 1)
        .thread(
            1,
            100,
            &[
                (GO_CREATE_SYSCALL, &[0, 8]),
                (GO_SYSCALL_END_BLOCKED, &[1]),
                (PROC_START, &[1, 0, 1]),
                (GO_START, &[1, 8, 1]),
                (GO_SYSCALL_BEGIN, &[1, 2, 0]),
                (GO_DESTROY_SYSCALL, &[1]),
            ],
        )
        .thread(
            2,
            90,
            &[(PROC_STATUS, &[0, 0, 2]), (PROC_STEAL, &[800, 0, 3, 1]), (PROC_START, &[0, 0, 4])],
        )]);
    assert_eq!(changes(&bytes).last(), Some(&(8, Some(Syscall), None)));
    let (_, seen) = read(&bytes);
    assert_eq!(seen.events.last().map(|e| e.what), Some(What::Proc { id: 0, to: ProcState::Running }));
}

#[test]
fn later_generations_confirm_what_is_known() {
    let first = Gen::new(26, 1).thread(1, 100, &[(PROC_STATUS, &holds(0)), (GO_STATUS, &[0, 1, 1, 2])]);
    let asleep = first.clone().thread(2, 100, &[(GO_STATUS, &[0, 5, 9, 3])]);
    let second = Gen::new(26, 2).string(3, "main.wait").stack(2, &[3]).thread(
        1,
        200,
        &[
            (PROC_STATUS, &holds(0)),
            (GO_STATUS_STACK, &[0, 1, 1, 2, 2]),
            (GO_STATUS, &[0, 5, 9, 3]),
            (GO_BLOCK, &[0, 0, 2]),
        ],
    );
    let lived = [
        (1, None, Some(Running)),
        (5, None, Some(Syscall)),
        (1, Some(Running), Some(Running)),
        (5, Some(Syscall), Some(Syscall)),
        (1, Some(Running), Some(Waiting)),
    ];
    assert_eq!(changes(&trace(&[asleep, second])), lived);
    // A goroutine that nobody has heard of ends the reading, but not what was read before.
    let foreign = Gen::new(26, 2).thread(1, 200, &[(GO_STATUS, &[0, 77, 1, 4])]);
    let (reading, seen) = read(&trace(&[first, foreign]));
    let reading = reading.expect("the first generation is whole");
    assert!(matches!(reading.ending, Ending::Broken(GoTraceError::Broken { generation: 2, .. })));
    assert_eq!((reading.generations, seen.events.len()), (1, 2));
}

#[test]
fn the_collector_ends_what_it_began() {
    let holder: &[Timed<'_>] =
        &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2]), (GC_BEGIN, &[9, 40, 0])];
    // Ends on another thread with an earlier time, and begins again there.
    let other: &[Timed<'_>] = &[(GC_END, &[0, 41]), (GC_BEGIN, &[0, 42, 0])];
    let second = Gen::new(26, 2).thread(2, 300, &[(GC_ACTIVE, &[0, 43]), (GC_END, &[5, 44])]);
    let (reading, seen) =
        read(&trace(&[Gen::new(26, 1).thread(1, 100, holder).thread(2, 50, other), second]));
    assert_eq!(reading.map(|r| r.ending), Ok(Ending::Whole));
    let gc = seen.events.iter().filter_map(|e| match e.what {
        What::Begin { already, .. } => Some((true, already)),
        What::End { .. } => Some((false, false)),
        _ => None,
    });
    let order = [(true, false), (false, false), (true, false), (true, true), (false, false)];
    assert_eq!(gc.collect::<Vec<_>>(), order);
}

#[test]
fn samples_lie_between_the_events() {
    let gen1 = Gen::new(26, 1)
        .string(1, "main.spin")
        .stack(1, &[1])
        .sample(150, 1, 1)
        .sample(90, 0, 0)
        .sample(900, 1, 1)
        .thread(1, 100, &[(PROC_STATUS, &holds(0)), (GO_STATUS, &[0, 1, 1, 2]), (GO_STOP, &[100, 0, 0])]);
    let (reading, seen) = read(&trace(&[gen1]));
    assert_eq!(reading.map(|r| r.events), Ok(6));
    let is_sample = seen.events.iter().map(|e| e.what == What::CpuSample).collect::<Vec<_>>();
    assert_eq!(is_sample, [true, false, false, true, false, true]);
    assert_eq!((seen.events[0].goroutine, seen.events[3].goroutine), (None, Some(1)));
}

#[test]
fn experiments_are_read_over() {
    let mut bytes = trace(&[]);
    let batch = Bytes::default().byte(EXPERIMENTAL_BATCH).byte(1).varint(1).varint(3).varint(50).varint(2);
    bytes.extend(batch.byte(0xff).byte(0xff).0);
    let gen1 =
        Gen::new(26, 1).thread(1, 100, &[(PROC_STATUS, &holds(0)), (128, &[0, 1, 2, 3]), (136, &[0, 1])]);
    bytes.extend(&trace(&[gen1])[HEADER..]);
    let (reading, seen) = read(&bytes);
    assert_eq!(reading.map(|r| (r.ending, r.begin_nanos)), Ok((Ending::Whole, 50 * TICK)));
    assert_eq!(seen.events.len(), 1);
}
