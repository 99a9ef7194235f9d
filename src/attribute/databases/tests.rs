use super::*;
use crate::formats::postgres::lines::{Activity, Backend, Plan, StatementRow, Statements};
use crate::formats::redis::lines::{Info, sections};
use crate::run::databases::{Postgres, Redis};
use crate::run::period::{RequestPeriod, new_latency};
use crate::time::{RunTime, SECOND};

/// Hits that end in each second.
const RATE: u64 = 100;

fn at(second: u64) -> RunTime {
    RunTime::from_nanos(second * SECOND)
}

fn window(from: u64, to: u64) -> Window {
    Window::new(at(from), at(to))
}

fn periods(seconds: u64) -> Vec<LoadPeriod> {
    let period = |s| LoadPeriod {
        window: window(s, s + 1),
        requests: vec![RequestPeriod { passed: RATE, ..RequestPeriod::new() }],
        lateness: new_latency(),
        offered: RATE,
        sent: RATE,
        backlog: 0,
        in_flight: 0,
        connections: 1,
        streams: 0,
        vus: 0,
        slowest: Vec::new(),
        failures: Vec::new(),
    };
    (0..seconds).map(period).collect()
}

/// From second 10 on the scan takes 20 ms instead of 2, and the look-up is executed 30 times a request instead of once.
fn recorded() -> Postgres {
    let row = |queryid, query: &str, calls, total_ms, toplevel| StatementRow {
        queryid: Some(queryid),
        query: Some(query.to_owned()),
        calls,
        total_ms,
        toplevel: Some(toplevel),
        ..StatementRow::default()
    };
    let statements = (0..=20_u64).map(|s| {
        let (before, after) = (s.min(10) * RATE, s.saturating_sub(10) * RATE);
        let scanned = before as f64 * 2.0 + after as f64 * 20.0;
        let looked_up = before + 30 * after;
        let rows = vec![
            row(1, "SELECT count(*) FROM orders WHERE customer = $1", before + after, scanned, true),
            row(2, "SELECT note FROM orders WHERE id = $1", looked_up, looked_up as f64 * 0.1, true),
            row(3, "SELECT inside()", looked_up, looked_up as f64 * 9.0, false),
        ];
        Statements { t: at(s), complete: true, rows, ..Statements::default() }
    });
    // One session in the scan in a fifth of the time; then two all the time, one of them waiting for the disk.
    let scan = "SELECT count(*) FROM orders WHERE customer = ?";
    let backend = |pid, wait: Option<(&str, &str)>| Backend {
        pid,
        state: "active".into(),
        kind: "client backend".into(),
        wait_type: wait.map(|w| w.0.into()),
        wait: wait.map(|w| w.1.into()),
        hash: 7,
        query: Some(scan.into()),
        ..Backend::default()
    };
    let activity = (0..200_u64).map(|i| Activity {
        t: RunTime::from_nanos(i * SECOND / 10),
        backends: match i {
            0..100 if i % 5 == 0 => vec![backend(1, None)],
            0..100 => Vec::new(),
            _ => vec![backend(1, None), backend(2, Some(("IO", "DataFileRead")))],
        },
        ..Activity::default()
    });
    Postgres { statements: statements.collect(), activity: activity.collect(), ..Postgres::default() }
}

#[test]
fn statements_are_told_per_request_and_the_most_growth_comes_first() {
    let (lines, periods) = (recorded(), periods(20));
    let judged = postgres::uses(&lines, &periods, &[window(12, 18)]);
    let reference = postgres::uses(&lines, &periods, &[window(0, 4), window(5, 9)]);
    let found = compare("orders-db", DatabaseSystem::Postgresql, &judged, Some(&reference));
    assert_eq!((found.requests, found.reference_requests), (600, Some(800)));
    assert_eq!(
        (found.nanos, found.reference),
        (23_000_000, Some(2_100_000)),
        "not what ran inside functions"
    );
    let [scan, look_up] = found.statements.as_slice() else { panic!("{found:?}") };
    assert_eq!((scan.calls, scan.nanos, scan.reference), (1.0, 20_000_000, Some(2_000_000)));
    assert_eq!((look_up.calls, look_up.reference_calls), (30.0, Some(1.0)));
    // Two sessions over 100 requests a second: 20 ms for each, half of it waiting.
    let waits: Vec<_> = scan.waits.iter().map(|w| (w.event.as_str(), w.nanos)).collect();
    assert_eq!(waits, [("CPU", 10_000_000), ("IO/DataFileRead", 10_000_000)]);
}

#[test]
fn samples_alone_give_the_time_of_a_statement() {
    let lines = Postgres { statements: Vec::new(), ..recorded() };
    let judged = postgres::uses(&lines, &periods(20), &[window(10, 20)]);
    let found = compare("orders-db", DatabaseSystem::Postgresql, &judged, None);
    assert!(!found.counted);
    let [scan] = found.statements.as_slice() else { panic!("{found:?}") };
    assert_eq!((scan.calls, scan.nanos, scan.reference), (0.0, 20_000_000, None));
    assert_eq!(found.requests, 1000);
    let nothing = postgres::uses(&Postgres::default(), &periods(20), &[window(0, 20)]);
    assert!(!nothing.is_read());
}

#[test]
fn commands_of_the_collector_itself_are_left_out() {
    let info = (0..=10_u64).map(|s| {
        let calls = s * RATE * 3;
        let text = format!(
            "# Commandstats\ncmdstat_get:calls={calls},usec={}\ncmdstat_info:calls={s},usec={}\n",
            calls * 5,
            s * 1000
        );
        Info { t: at(s), sections: sections(&text), ..Info::default() }
    });
    let lines = Redis { info: info.collect(), ..Redis::default() };
    let judged = redis::uses(&lines, &periods(10), &[window(2, 8)]);
    let found = compare("cache", DatabaseSystem::Redis, &judged, None);
    let [get] = found.statements.as_slice() else { panic!("{found:?}") };
    assert_eq!((get.text.as_str(), get.calls, get.nanos), ("get", 3.0, 15_000));
}

#[test]
fn executions_that_never_end_well_are_seen_in_samples() {
    let mut lines = recorded();
    // All but the first are cancelled: the counters stand still.
    let first = lines.statements[11].rows[0].clone();
    lines.statements.iter_mut().skip(11).for_each(|s| s.rows[0] = first.clone());
    let judged = postgres::uses(&lines, &periods(20), &[window(12, 18)]);
    let found = compare("orders-db", DatabaseSystem::Postgresql, &judged, None);
    assert_eq!(found.statements[0].nanos, 20_000_000, "{found:?}");
}

#[test]
fn a_cut_text_is_known_by_the_servers_id() {
    let mut lines = recorded();
    let long = format!("SELECT {} FROM orders", "note, ".repeat(200));
    for line in &mut lines.statements {
        line.rows[0].query = Some(long.clone());
    }
    for backend in lines.activity.iter_mut().flat_map(|a| &mut a.backends) {
        (backend.query_id, backend.query) = (Some(1), Some(long[..900].to_owned()));
    }
    let judge = |lines: &Postgres| {
        let judged = postgres::uses(lines, &periods(20), &[window(12, 18)]);
        compare("orders-db", DatabaseSystem::Postgresql, &judged, None)
    };
    let found = judge(&lines);
    assert_eq!((found.statements.len(), found.nanos), (2, 23_000_000), "{found:?}");
    assert_eq!(found.statements[0].waits.len(), 2);
    // Old servers give no id: then it is counted once, by the counters.
    lines.activity.iter_mut().flat_map(|a| &mut a.backends).for_each(|b| b.query_id = None);
    assert_eq!(judge(&lines).nanos, 23_000_000);
}

#[test]
fn a_reference_without_counters_gives_no_number_of_executions() {
    let lines = recorded();
    let judged = postgres::uses(&lines, &periods(20), &[window(12, 18)]);
    let sampled = Postgres { statements: Vec::new(), ..recorded() };
    let reference = postgres::uses(&sampled, &periods(20), &[window(0, 9)]);
    let found = compare("orders-db", DatabaseSystem::Postgresql, &judged, Some(&reference));
    assert!(!found.counted && found.reference.is_some(), "{found:?}");
    assert!(found.statements.iter().all(|s| s.reference_calls.is_none()), "{found:?}");
}

#[test]
fn the_plan_of_the_bad_part_counts_though_it_is_over() {
    let scan = |kind: &str| serde_json::json!([{"Plan": {"Node Type": kind, "Relation Name": "orders", "Plan Rows": 1}}]);
    let line = |second, why: &str, kind: &str| Plan {
        t: at(second),
        query: "SELECT count(*) FROM orders WHERE customer = $1".into(),
        why: why.into(),
        plan: scan(kind),
        ..Plan::default()
    };
    let judged = postgres::uses(&recorded(), &periods(20), &[window(12, 18)]);
    let found = compare("orders-db", DatabaseSystem::Postgresql, &judged, None);
    let changed = |lines: &[Plan]| {
        let told = postgres::plans(lines, &found.statements, window(10, 19));
        told.iter().any(|p| p.says.contains("its plan changed"))
    };
    let [healthy, bad, end] =
        [(5, "healthy", "Index Scan"), (12, "anomaly", "Seq Scan"), (20, "end", "Index Scan")]
            .map(|(second, why, kind)| line(second, why, kind));
    assert!(changed(&[healthy.clone(), bad.clone(), end.clone()]), "over at 19");
    assert!(!changed(&[healthy.clone(), end]));
    assert!(changed(&[healthy, Plan { t: at(20), ..bad }]), "made when it was over, and none before");
}
