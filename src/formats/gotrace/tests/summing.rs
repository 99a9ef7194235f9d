//! What is added up.

use super::super::spec::*;
use super::*;

fn summary(generations: &[Gen]) -> Summary {
    let summary = Summary::read(&trace(generations)).expect("a trace");
    assert_eq!(summary.reading().ending, Ending::Whole);
    summary
}

/// A holder of a lock, a waiter, and what the runtime and the network do meanwhile. Strings 1 to 9 and
/// stacks 1 to 4: lock, unlock, start of the waiter, handler.
fn busy() -> Gen {
    let names = [
        "sync",
        "network",
        "main.waiter",
        "main.holder",
        "read mem stats",
        "order",
        "price",
        "sync.(*Mutex).Lock",
        "sync.(*Mutex).Unlock",
        "runtime.bgsweep",
        "net/http/pprof.Trace",
    ];
    let gen1 = names.iter().zip(1..).fold(Gen::new(26, 1), |g, (name, id)| g.string(id, name));
    gen1.stack(1, &[8, 3]).stack(2, &[9, 4]).stack(3, &[3]).stack(4, &[10]).stack(5, &[11, 10]).thread(
        1,
        1000,
        &[
            (PROC_STATUS, &[0, 0, 1]),
            (GO_STATUS_STACK, &[0, 1, 1, 2, 2]),
            (PROCS_CHANGE, &[0, 4, 0]),
            (GO_CREATE, &[10, 2, 3, 2]),
            (GO_STOP, &[10, 0, 2]),
            (GO_START, &[10, 2, 1]),
            (GO_BLOCK, &[10, 1, 1]),
            (GO_START, &[10, 1, 1]),
            (STW_BEGIN, &[1, 5, 2]),
            (STW_END, &[7]),
            (ASSIST_BEGIN, &[1, 2]),
            (ASSIST_END, &[3]),
            (SWEEP_BEGIN, &[1, 0]),
            (SWEEP_END, &[2, 0, 0]),
            (HEAP_ALLOC, &[1, 77]),
            (HEAP_ALLOC, &[1, 66]),
            (GO_UNBLOCK, &[3, 2, 2, 2]),
            (GO_BLOCK, &[10, 2, 1]),
            (GO_UNBLOCK, &[10, 1, 2, 0]),
            (GO_START, &[5, 2, 3]),
            (GO_DESTROY, &[10]),
            (GO_START, &[10, 1, 3]),
        ],
    )
}

fn nanos(summary: &Summary, id: Id, state: GoState) -> u64 {
    let goroutine = summary.goroutines().iter().find(|g| g.id == Some(id)).expect("known");
    summary.nanos_in(goroutine, state)
}

#[test]
fn states_edges_and_ranges() {
    let summary = summary(&[busy()]);
    let waiter = summary.goroutines()[1];
    assert_eq!((waiter.id, waiter.creator, summary.text(waiter.start)), (Some(2), Some(1), "main.waiter"));
    assert_eq!((waiter.begin_nanos, waiter.end_nanos), (1010 * TICK, Some(1105 * TICK)));
    assert_eq!(nanos(&summary, 2, GoState::Runnable), (20 + 25) * TICK);
    assert_eq!(nanos(&summary, 2, GoState::Running), (10 + 10) * TICK);
    assert_eq!(nanos(&summary, 2, GoState::Waiting), 30 * TICK);
    let lock = summary.edges().iter().find(|e| e.waker.is_some()).expect("an edge");
    assert_eq!(lock.total, Total { count: 1, nanos: 30 * TICK, longest_nanos: 30 * TICK });
    assert_eq!((summary.text(lock.waiter), summary.text(lock.reason)), ("main.waiter", "sync"));
    assert_eq!(lock.waker.map(|w| summary.text(w)), Some("main.holder"));
    let names = |stack| summary.functions(stack).collect::<Vec<_>>();
    assert_eq!(names(lock.waiter_stack), ["sync.(*Mutex).Lock", "main.waiter"]);
    assert_eq!(names(lock.waker_stack), ["sync.(*Mutex).Unlock", "main.holder"]);
    assert_eq!(summary.longest_waits().len(), 1);
    let wait = summary.longest_waits()[0];
    assert_eq!((wait.waiter, wait.waker, wait.end_nanos - wait.begin_nanos), (2, 1, 30 * TICK));
    let poller = summary.edges().iter().find(|e| e.waker.is_none()).expect("the poller");
    assert_eq!((summary.text(poller.reason), poller.total.nanos), ("network", 10 * TICK));
    let stop = summary.stopped_world()[0];
    assert_eq!((summary.text(stop.kind), stop.goroutine), ("read mem stats", Some(1)));
    assert_eq!(stop.end_nanos - stop.begin_nanos, 7 * TICK);
    assert_eq!(summary.goroutines()[0].mark_assist.nanos, 3 * TICK);
    assert_eq!((summary.sweep().nanos, summary.procs(), summary.heap_peak()), (2 * TICK, 4, 77));
}

#[test]
fn sums_over_goroutines() {
    let summary = summary(&[busy()]);
    let waiters: Vec<_> = summary.started_with("main.waiter").collect();
    assert_eq!(waiters.iter().map(|g| g.id).collect::<Vec<_>>(), [Some(2)]);
    let sums = summary.sum_states(summary.workers());
    let nanos: u64 = sums.iter().map(|s| s.total.nanos).sum();
    let life = |g: &Goroutine| g.end_nanos.unwrap_or(summary.reading().end_nanos) - g.begin_nanos;
    assert_eq!(nanos, summary.workers().map(life).sum::<u64>());
    assert!(sums.is_sorted_by(|a, b| a.total.nanos >= b.total.nanos));
    let on_the_lock = sums.iter().find(|s| s.state == GoState::Waiting && summary.text(s.reason) == "sync");
    assert_eq!(on_the_lock.map(|s| s.total.nanos), Some(30 * TICK));
}

#[test]
fn profiles_count_what_ended_after_the_first_run() {
    let summary = summary(&[busy()]);
    let totals = WaitKind::ALL.map(|kind| {
        let profile = summary.profile(kind);
        (profile.total(0), profile.total(1) as u64 / TICK)
    });
    // Runnable before the waiter's first run is not counted: 20 ticks.
    assert_eq!(totals, [(1, 10), (1, 30), (0, 0), (3, 30 + 25 + 25)]);
    let sync = summary.profile(WaitKind::Sync);
    assert_eq!(sync.functions(&sync.samples[0]).collect::<Vec<_>>(), ["sync.(*Mutex).Lock", "main.waiter"]);
    let waiter = summary.goroutines()[1].id.is_some();
    assert!(waiter && summary.profile_of(WaitKind::Net, |s| s.goroutine == 1).samples.is_empty());
    // The trace begins with its snapshot of the clocks.
    assert_eq!(sync.time_nanos, 10_000_000_500);
    assert_eq!(summary.reading().clock.map(|c| c.unix(101 * TICK)), Some(10_000_000_500 + TICK));
}

#[test]
fn the_runtime_and_its_observers_are_told_apart() {
    let gen1 = busy().thread(
        2,
        1000,
        &[
            (PROC_STATUS, &[0, 1, 1]),
            (GO_STATUS, &[0, 30, 2, 2]),
            (GO_STOP, &[1, 0, 4]),
            (GO_START, &[1, 30, 1]),
            (GO_STOP, &[1, 0, 5]),
        ],
    );
    let summary = summary(&[gen1]);
    let sweeper = summary.goroutines().iter().find(|g| g.id == Some(30)).expect("known");
    assert!(summary.is_system(sweeper) && sweeper.observer);
    assert_eq!(summary.text(sweeper.start), "runtime.bgsweep");
    assert_eq!(summary.workers().filter_map(|g| g.id).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn tasks_regions_and_the_log() {
    let gen1 = busy().thread(
        2,
        2000,
        &[
            (PROC_STATUS, &[0, 1, 1]),
            (GO_STATUS, &[0, 30, 2, 2]),
            (TASK_BEGIN, &[1, 1, 0, 6, 0]),
            (REGION_BEGIN, &[5, 1, 7, 0]),
            (REGION_BEGIN, &[1, 1, 6, 0]),
            (REGION_END, &[5, 1, 6, 0]),
            (REGION_END, &[5, 1, 7, 0]),
            (REGION_END, &[5, 1, 7, 0]),
            (USER_LOG, &[1, 1, 6, 7, 0]),
            (TASK_END, &[5, 1, 0]),
            (TASK_END, &[5, 1, 0]),
        ],
    );
    let summary = summary(&[gen1]);
    let named = |regions: &[Region]| {
        let named = |r: &Region| (summary.text(r.name).to_owned(), r.total.count, r.total.nanos / TICK);
        regions.iter().map(named).collect::<Vec<_>>()
    };
    assert_eq!(named(summary.tasks()), [("order".to_owned(), 1, 27)]);
    let mut regions = named(summary.regions());
    regions.sort();
    assert_eq!(regions, [("order".to_owned(), 1, 5), ("price".to_owned(), 1, 11)]);
    let line = summary.log()[0];
    assert_eq!((summary.text(line.key), summary.text(line.value), line.task), ("order", "price", 1));
}

#[test]
fn what_spans_generations_is_one() {
    let first = Gen::new(25, 1).string(1, "sync").string(2, "main.wait").stack(1, &[2]).thread(
        1,
        100,
        &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2]), (GO_BLOCK, &[20, 1, 1])],
    );
    let second = Gen::new(25, 2).string(9, "main.wait").stack(3, &[9]).thread(
        1,
        400,
        &[
            (PROC_STATUS, &[0, 0, 1]),
            (GO_STATUS_STACK, &[0, 1, u64::MAX, 4, 3]),
            (GO_UNBLOCK, &[20, 1, 1, 0]),
            (GO_START, &[0, 1, 2]),
        ],
    );
    let summary = summary(&[first, second]);
    let goroutine = &summary.goroutines()[0];
    let waits: Vec<_> = summary.states_of(goroutine).iter().filter(|s| s.state == GoState::Waiting).collect();
    assert_eq!((waits.len(), waits[0].total.count, waits[0].total.nanos), (1, 1, 300 * TICK));
    assert_eq!(summary.functions(waits[0].stack).collect::<Vec<_>>(), ["main.wait"]);
    assert_eq!(summary.edges().len(), 1);
}

#[test]
fn an_open_range_goes_on_in_the_next_generation() {
    let first = Gen::new(26, 1).thread(
        1,
        100,
        &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2]), (ASSIST_BEGIN, &[50, 0])],
    );
    let status: &[Timed<'_>] = &[(PROC_STATUS, &[0, 0, 1]), (GO_STATUS, &[0, 1, 1, 2])];
    let second = [status, &[(ASSIST_ACTIVE, &[0, 1]), (ASSIST_END, &[70])]].concat();
    let known = summary(&[first.clone(), Gen::new(26, 2).thread(1, 200, &second)]);
    assert_eq!(known.goroutines()[0].mark_assist.nanos, (200 + 70 - 150) * TICK);
    let before_the_trace = summary(&[Gen::new(26, 1).thread(1, 200, &second)]);
    assert_eq!(before_the_trace.goroutines()[0].mark_assist.nanos, (200 + 70 - 100) * TICK);
    let to_the_end = summary(&[first, Gen::new(26, 2).thread(1, 200, status)]);
    assert_eq!(to_the_end.goroutines()[0].mark_assist.nanos, 50 * TICK + 1);
}

#[test]
fn regions_of_a_program_do_not_make_it_an_observer() {
    let names = ["runtime/trace.StartRegion", "main.work", "runtime/pprof.profileWriter"];
    let gen1 = names.iter().zip(1..).fold(Gen::new(26, 1), |g, (name, id)| g.string(id, name));
    let gen1 = gen1.stack(1, &[1, 2]).stack(2, &[3]).thread(
        1,
        100,
        &[
            (PROC_STATUS, &[0, 0, 1]),
            (GO_STATUS_STACK, &[0, 1, 1, 2, 1]),
            (GO_STATUS_STACK, &[0, 2, u64::MAX, 4, 2]),
        ],
    );
    let summary = summary(&[gen1]);
    assert_eq!(summary.workers().filter_map(|g| g.id).collect::<Vec<_>>(), [1]);
}

#[test]
fn goroutines_beyond_the_limit_are_added_up_by_function() {
    const MANY: u64 = 100_500;
    let mut generation = Gen::new(26, 1).string(1, "main.short").stack(1, &[1]);
    let mut next = Bytes::default().record(PROC_STATUS, &[0, 0, 1]);
    for id in 1..=MANY {
        next = next.record(GO_CREATE, &[1, id, 1, 0]).record(GO_START, &[1, id, 1]).record(GO_DESTROY, &[1]);
        if next.0.len() > 65_000 || id == MANY {
            generation = generation.raw(1, 100 + 3 * id, std::mem::take(&mut next));
        }
    }
    let summary = summary(&[generation]);
    assert_eq!(summary.goroutines().len(), 100_001);
    let rest = summary.goroutines().last().expect("the rest");
    assert_eq!((rest.id, rest.members, summary.text(rest.start)), (None, 500, "main.short"));
    let ran = summary.states_of(rest).iter().find(|s| s.state == GoState::Running).expect("it ran");
    assert_eq!((ran.total.count, ran.total.longest_nanos), (500, TICK));
    let all: u64 =
        summary.states().iter().filter(|s| s.state == GoState::Running).map(|s| s.total.count).sum();
    assert_eq!(all, MANY);
}
