//! Resources at their limits: what is full, and a quota that a few snapshots do not tell from none.

use super::*;
use crate::analysis::{DatabaseFacts, Reading, ReadingKind, StatementFacts, Unit, Utilization};
use crate::attribute::counters::{Busy, PoolUse};
use crate::attribute::utilization::utilization;

fn reading(what: ReadingKind, before: Option<f64>, now: f64) -> Reading {
    Reading { service: "shop".into(), what, unit: Unit::Count, reference: before, judged: now }
}

/// Five more snapshots, one of which meets many requests in one place.
fn met_once(side: &mut Side, stack: &str, count: i64) {
    for (i, count) in (0_u64..).zip([count, 0, 0, 0, 0]) {
        let met =
            profile(&[("goroutine", "count")], [(format!("{stack} {SERVER}"), vec![count])].into_iter());
        side.services[0].snapshots.add(RunTime::from_nanos((10_000 + 100 * i) * MILLISECOND), &met);
    }
}

/// 800 of a thousand requests are met in one of a hundred snapshots: the service stands still now and then.
fn standing_still() -> (Side, Side) {
    let healthy =
        || Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    let mut now = side(&Evidence { mean_ms: 8.6, ..healthy() });
    met_once(&mut now, PAGE, 800);
    (side(&healthy()), now)
}

#[test]
fn a_quota_that_the_kernel_counts_is_named_where_snapshots_lie_far_apart() {
    let (before, now) = standing_still();
    let blamed = |stopped: f64, throttled: f64| {
        let readings = [
            reading(ReadingKind::CoresUsed, Some(0.5), 0.5),
            reading(ReadingKind::CpuQuota, None, 0.5),
            reading(ReadingKind::TasksWaiting, Some(0.1), 1.4),
            reading(ReadingKind::ThrottledPeriods, Some(0.01), throttled),
            reading(ReadingKind::Stopped, Some(0.0), stopped),
        ];
        told(&before, &now, &readings, None)
    };
    let found = blamed(0.2, 0.4);
    assert_eq!((found[0].kind, found[0].unsure), (CauseKind::CpuLimit, true), "{found:#?}");
    let least = 0.2 * 8.6e6;
    assert!((found[0].explains.low() - least).abs() < 1e3 && found[0].explains.value > 7e6, "{:?}", found[0]);
    for (stopped, throttled) in [(0.0, 0.4), (0.2, 0.05)] {
        let found = blamed(stopped, throttled);
        let outside = |c: &Candidate| matches!(c.kind, CauseKind::CpuLimit | CauseKind::Neighbour);
        assert!(!found.iter().any(outside), "{stopped} {throttled}: {found:#?}");
    }
}

fn ask<T>(
    (before, now): (&Side, &Side),
    readings: &[Reading],
    databases: &[DatabaseFacts],
    question: impl Fn(&Case) -> T,
) -> T {
    let lines = lines(Some(&rows(before, now)), &rows(now, now));
    question(&Case {
        reference: Some(before),
        judged: now,
        lines: &lines,
        databases,
        readings,
        spans: None,
        requests: &[],
        load_change: 0.0,
        one_run: true,
        saturated: false,
        floor: 50_000.0,
    })
}

const QUERY: &str = "runtime.gopark internal/poll.runtime_pollWait github.com/jackc/pgx/v5/pgconn.(*PgConn).receiveMessage \
                     shop/accounts.(*Ledger).Reserve";

#[test]
fn a_wait_that_takes_the_place_of_another_explains_what_is_more_of_it() {
    let at =
        |function: &str| format!("{} shop/accounts.(*Ledger).Statement", QUERY.replace("Reserve", function));
    let (all, each) = (at("titleAll"), at("titleEach"));
    let other = at("latest").replace("Statement", "Orders");
    let before = Evidence { mean_ms: 4.0, requests: &[(&all, 1.0), (&other, 2.5)], ..Evidence::default() };
    let now = Evidence { mean_ms: 8.6, requests: &[(&each, 7.0), (&other, 1.3)], ..Evidence::default() };
    let found = blamed(&before, &now);
    assert_eq!(found[0].at, "shop/accounts.(*Ledger).titleEach");
    assert!((found[0].explains.value / 1e6 - 6.0).abs() < 0.1, "not what others wait less: {found:#?}");
    let says = "7.00 ms longer in shop/accounts.(*Ledger).titleEach, in place of 1.00 ms in shop/accounts.(*Ledger).titleAll";
    assert!(found[0].mechanism.contains(says), "{}", found[0].mechanism);
}

#[test]
fn work_that_grew_is_named_though_the_wait_for_a_core_is_rough() {
    // 3 ms of sorting instead of 0.5, and a queue that one snapshot met.
    let healthy =
        || Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    let mut now = side(&Evidence { mean_ms: 9.0, cpu: &[(PAGE, 3.0)], ..healthy() });
    met_once(&mut now, PAGE, 800);
    let found = ask((&side(&healthy()), &now), &[], &[], candidates);
    assert_eq!(found[0].kind, CauseKind::Cpu, "{found:#?}");
    assert!(found[0].explains.low() > 2e6 && found[0].explains.value > 6e6, "{found:#?}");
}

/// What PostgreSQL counted for one statement, microseconds per request.
fn counted(before: i64, now: i64) -> DatabaseFacts {
    DatabaseFacts::of_one(StatementFacts {
        text: "UPDATE stock SET remaining = $1".into(),
        calls: 1.0,
        reference_calls: Some(1.0),
        nanos: 1_000 * now,
        reference: Some(1_000 * before),
        waits: Vec::new(),
    })
}

#[test]
fn a_statement_that_the_server_counts_is_named_where_few_snapshots_meet_it() {
    let healthy = || Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], ..Evidence::default() };
    let mut now = side(&Evidence { mean_ms: 1.0, ..healthy() });
    met_once(&mut now, QUERY, 40);
    let before = side(&healthy());
    let told = |facts: DatabaseFacts| ask((&before, &now), &[], &[facts], candidates);
    let found = told(counted(30, 380));
    assert_eq!(
        (found[0].kind, found[0].doing.as_str()),
        (CauseKind::Database, "UPDATE stock SET remaining = $1")
    );
    assert!(found[0].unsure && (found[0].explains.value - 350e3).abs() < 1.0, "{found:#?}");
    let is_database = |c: &Candidate| c.kind == CauseKind::Database;
    let reset = DatabaseFacts { resets: 1, ..counted(30, 380) };
    for silent in [counted(30, 60), counted(30, 9_000), reset] {
        assert!(!told(silent.clone()).iter().any(is_database), "{silent:?}");
    }
}

fn full(before: &Side, now: &Side, readings: &[Reading]) -> Vec<Utilization> {
    ask((before, now), readings, &[], utilization)
}

const HANDS_OVER: &str = "runtime.gopark runtime.chansend shop/orders.(*Pool).Submit";
const WORKS: &str = "time.Sleep shop/orders.process shop/orders.(*Pool).work";
const RESTS: &str = "runtime.gopark runtime.chanrecv shop/orders.(*Pool).work";

#[test]
fn what_has_a_limit_is_told_the_fullest_first() {
    let of = |waits_ms: f64, busy: f64| Evidence {
        mean_ms: 0.6 + waits_ms,
        requests: Box::leak(Box::new([(PAGE, 0.5), (HANDS_OVER, waits_ms)])),
        background: Box::leak(Box::new([(WORKS, busy), (RESTS, 3.0 - busy)])),
        ..Evidence::default()
    };
    let (mut before, mut now) = (side(&of(0.2, 1.0)), side(&of(6.0, 3.0)));
    let pool = |used| PoolUse { service: "shop".into(), what: "connections".into(), used, most: 20.0 };
    (before.pools, now.pools) = (vec![pool(2.0)], vec![pool(14.0)]);
    let busy = |cores: f64| Busy { service: "desk".into(), rate: cores * 1e9, workers: 2.0 };
    (before.workers, now.workers) = (vec![busy(0.2)], vec![busy(1.0)]);
    let readings = [
        reading(ReadingKind::CoresUsed, Some(0.5), 0.9),
        reading(ReadingKind::CpuQuota, None, 1.0),
        reading(ReadingKind::Cores, Some(2.0), 2.0),
        reading(ReadingKind::CoresBusy, Some(1.0), 1.6),
        reading(ReadingKind::FdLimit, Some(0.01), 0.01),
    ];
    let found = full(&before, &now, &readings);
    let told: Vec<(&str, i32, i32, bool)> = found
        .iter()
        .map(|u| {
            let percent = |v: f64| (100.0 * v).round() as i32;
            (u.resource.as_str(), u.reference.map_or(-1, percent), percent(u.judged), u.is_full())
        })
        .collect();
    let expected = [
        ("3 goroutines of shop/orders.(*Pool).work", 33, 100, true),
        ("CPU quota of 1.00 cores", -1, 90, true),
        ("2 cores (all processes)", 50, 80, false),
        ("20 connections", 10, 70, false),
        ("2 workers of the asynchronous runtime", 10, 50, false),
    ];
    assert_eq!(told, expected);
}

#[test]
fn cpu_profiles_are_divided_by_the_part_that_both_saw() {
    const PRICE: &str = "shop.price shop.page";
    let of = || side(&Evidence { mean_ms: 5.0, cpu: &[(PRICE, 2.0)], ..Evidence::default() });
    let with = |seen: Option<f64>| {
        let mut side = of();
        side.services[0].cpu.as_mut().expect("a profile").seen = seen;
        side
    };
    let cost = |side: &Side| {
        let all: f64 =
            rows(side, side).iter().filter(|((s, _), _)| *s == State::Cpu).map(|(_, m)| m.value).sum();
        (all / 1e4).round() / 100.0
    };
    let (mut before, mut now) = (with(Some(0.8)), with(Some(0.5)));
    now.alike(&mut before);
    assert_eq!((cost(&before), cost(&now)), (2.5, 4.0));
    let (mut before, mut now) = (with(Some(0.8)), with(None));
    now.alike(&mut before);
    assert_eq!((cost(&before), cost(&now)), (2.0, 2.0), "what both miss is none of the change");
}

#[test]
fn a_snapshot_that_takes_a_processor_misses_one_that_runs() {
    let waited = |cores: f64, shown: f64, processors: [Option<f64>; 2]| {
        let ms = cores / RATE * 1e3;
        let of = |processors| {
            let cpu = [(PAGE, 0.8 * ms), ("runtime.gcBgMarkWorker", 0.2 * ms)];
            let shown = [(PAGE, shown * ms)];
            let mut side = side(&Evidence { requests: &shown, cpu: &cpu, ..Evidence::default() });
            side.services[0].processors = processors;
            side
        };
        let (mut now, mut before) = (of(processors[0]), of(processors[1]));
        now.alike(&mut before);
        let row = rows(&now, &now).get(&(State::RunQueue, String::new())).map_or(0.0, |m| m.value);
        (row * RATE / 1e9 * 100.0).round() / 100.0
    };
    // Erlang's C of 1.6 of 2 is 0.71, of 0.4 it is 0.07; requests have four fifths of it.
    assert_eq!(waited(1.6, 0.5, [Some(2.0); 2]), 0.09, "0.8 were seen of 1.28 that ran");
    assert_eq!(waited(0.4, 0.8, [Some(2.0); 2]), 0.05, "all that ran were seen");
    assert_eq!(waited(0.4, 0.8, [None; 2]), 0.0);
    assert_eq!(waited(1.6, 0.5, [Some(2.0), Some(8.0)]), 0.0, "it was another runtime before");
    assert_eq!(waited(1.6, 0.5, [Some(2.0), None]), 0.0, "what both miss is none of the change");
}

#[test]
fn work_that_costs_more_everywhere_alike_is_no_functions() {
    const PLACES: [&str; 3] = [
        "sort.Slice shop/list.Sort shop/web.Route",
        "regexp.Match shop/find.All shop/web.Route",
        "shop/web.Route",
    ];
    let of = |ms: [f64; 3], waits: f64| {
        let cpu: Vec<_> = PLACES.into_iter().zip(ms).collect();
        let running = ms.iter().sum::<f64>() + waits;
        side(&Evidence { mean_ms: running, requests: &[(PAGE, running)], cpu: &cpu, ..Evidence::default() })
    };
    let before = of([0.10, 0.08, 0.06], 0.1);
    let blamed = |ms| -> Vec<String> {
        let all = told(&before, &of(ms, 0.4), &[], None);
        all.into_iter().filter(|c| c.kind == CauseKind::Cpu).map(|c| c.at).collect()
    };
    assert_eq!(blamed([0.13, 0.104, 0.078]), [""; 0], "a slower machine");
    let two = blamed([0.14, 0.12, 0.06]);
    assert!(two.len() == 2 && two.iter().all(|at| at != "shop/web.Route"), "two of three: {two:?}");
}

#[test]
fn what_a_system_call_computes_is_no_wait() {
    const FLUSH: &str = "internal/runtime/syscall.Syscall6 syscall.Fsync internal/poll.(*FD).Fsync os.(*File).Sync shop/note.(*Book).Line";
    let flushed = side(&Evidence {
        mean_ms: 2.0,
        requests: &[(FLUSH, 1.0), (PAGE, 1.0)],
        cpu: &[(FLUSH, 0.3), (PAGE, 0.5)],
        ..Evidence::default()
    });
    let all = rows(&flushed, &flushed);
    let told = |state| -> i32 {
        let of = all.iter().filter(|((s, _), _)| *s == state);
        of.map(|(_, m)| (m.value / 1e4).round() as i32).sum()
    };
    assert_eq!((told(State::Cpu), told(State::Syscall), told(State::RunQueue)), (80, 70, 50));
}
