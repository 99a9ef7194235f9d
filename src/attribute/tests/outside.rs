//! Causes outside the service: limits, neighbours, the way to others, disks; and services that nobody looks into.

use super::*;
use crate::analysis::{ReadingKind, SpanRow, Unit};
use crate::attribute::counters::Counter;
use crate::attribute::served::{Route, Served};

fn reading(what: ReadingKind, before: f64, now: f64) -> Reading {
    Reading { service: "shop".into(), what, unit: Unit::Count, reference: Some(before), judged: now }
}

/// The same work, and 8 ms more in which it does not run.
fn starved() -> (Side, Side) {
    let before =
        Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    let now =
        Evidence { mean_ms: 8.6, requests: &[(PAGE, 8.5)], cpu: &[(PAGE, 0.52)], ..Evidence::default() };
    (side(&before), side(&now))
}

#[test]
fn a_quota_is_told_from_a_neighbour_and_both_from_own_work() {
    let (before, now) = starved();
    let cores = reading(ReadingKind::CoresUsed, 0.5, 0.5);
    let waiting = reading(ReadingKind::TasksWaiting, 0.1, 1.4);
    let quota = [
        cores.clone(),
        waiting.clone(),
        reading(ReadingKind::CpuQuota, 2.0, 0.5),
        reading(ReadingKind::ThrottledPeriods, 0.0, 0.9),
    ];
    let found = told(&before, &now, &quota, None);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::CpuLimit, "CPU quota of 0.500 cores"));
    assert!((found[0].explains.value / 1e6 - 8.0).abs() < 0.2 && found[0].tiers() == 2, "{:#?}", found[0]);

    let found = told(&before, &now, &[cores, waiting.clone()], None);
    assert_eq!(found[0].kind, CauseKind::Neighbour, "{found:#?}");

    let busier = reading(ReadingKind::CoresUsed, 0.5, 1.5);
    let found = told(&before, &now, &[busier, waiting], None);
    assert!(found.iter().all(|c| c.kind != CauseKind::Neighbour), "its own work fills the cores: {found:#?}");
}

const CALL: &str = "runtime.gopark runtime.selectgo net/http.(*persistConn).roundTrip net/http.(*Client).do shop/recommend.(*Client).Ask";

/// The shop with a called service beside it.
fn pair(wait_ms: f64, inside_ms: f64) -> Side {
    let mut side =
        side(&Evidence { mean_ms: wait_ms + 0.5, requests: &[(CALL, wait_ms)], ..Evidence::default() });
    let work = "runtime.gopark time.Sleep related/list.(*List).Find";
    let called = super::side(&Evidence { requests: &[(work, inside_ms)], ..Evidence::default() });
    let mut called = called.services.into_iter().next().expect("a service");
    called.name = "related".into();
    side.services.push(called);
    side
}

/// Spans of traces that begin in the shop: service, name, kind, milliseconds before and now.
fn facts(rows: &[(&str, &str, &str, i64, i64)]) -> SpanFacts {
    let row = |&(service, name, kind, before, now): &(&str, &str, &str, i64, i64)| SpanRow {
        service: service.into(),
        name: name.into(),
        kind: kind.into(),
        nanos: now * 1_000_000,
        reference: Some(before * 1_000_000),
        tail: None,
        per_trace: 1.0,
        calls: if kind == "client" { vec!["stock".into()] } else { Vec::new() },
        failed: 0,
    };
    SpanFacts {
        traces: 100,
        reference_traces: Some(100),
        left_out: 0,
        shifted: 0,
        kept: 1.0,
        mean: 12_000_000,
        root: "shop".into(),
        clocks: Vec::new(),
        tail: None,
        rows: rows.iter().map(row).collect(),
    }
}

#[test]
fn spans_of_the_called_service_open_a_wait_for_it() {
    let side = |ms| side(&Evidence { mean_ms: ms + 0.5, requests: &[(CALL, ms)], ..Evidence::default() });
    let told = |rows: &[_]| told(&side(1.0), &side(21.0), &[], Some(&facts(rows))).remove(0);
    let own = [("shop", "GET /", "server", 1, 1), ("shop", "ask", "client", 0, 1)];

    let slow = told(&[own[0], own[1], ("stock", "count", "internal", 1, 20)]);
    assert_eq!((slow.kind, slow.doing.as_str()), (CauseKind::Downstream, "count of stock"));
    assert!(!slow.unsure && slow.tiers() == 3, "{slow:#?}");

    let far = told(&[own[0], ("shop", "ask", "client", 0, 19), ("stock", "Count", "server", 1, 2)]);
    assert_eq!((far.kind, far.doing.as_str()), (CauseKind::Network, "the way to stock"));
    assert!(far.unsure);

    // Not as much, much more, or what a third service took.
    for ms in [6, 60] {
        let other = told(&[own[0], own[1], ("stock", "count", "internal", 1, ms)]);
        assert_eq!((other.kind, other.doing.as_str(), other.unsure), (CauseKind::Downstream, "", true));
    }
    let third = told(&[own[0], own[1], ("stock", "GET price", "client", 1, 20)]);
    assert!(third.unsure && third.doing == "GET price of stock", "{third:#?}");
    // Too few traces to know.
    let few = SpanFacts { traces: 9, ..facts(&[own[0], own[1], ("stock", "count", "internal", 10, 30)]) };
    let unknown = super::told(&side(1.0), &side(21.0), &[], Some(&few)).remove(0);
    assert_eq!(unknown.doing, "");
}

#[test]
fn what_the_called_service_did_not_spend_is_lost_on_the_way() {
    let found = told(&pair(1.0, 0.5), &pair(21.0, 0.6), &[], None);
    assert_eq!((found[0].kind, found[0].doing.as_str()), (CauseKind::Network, "the way to related"));
    assert!(found[0].unsure, "snapshots do not show who was called");
    let found = told(&pair(1.0, 0.5), &pair(21.0, 20.5), &[], None);
    assert_eq!(found[0].kind, CauseKind::Downstream);
    assert!(found[0].mechanism.contains("related/list.(*List).Find"), "{}", found[0].mechanism);

    // Requests that would run are kept waiting as well.
    let full = |wait: f64, ready: f64| {
        let mut both = pair(wait, 0.5);
        let requests = [(CALL, wait), (PAGE, ready)];
        let busy = Evidence {
            mean_ms: wait + ready,
            requests: &requests,
            cpu: &[(PAGE, 0.5)],
            ..Evidence::default()
        };
        both.services[0] = side(&busy).services.remove(0);
        both
    };
    let found = told(&full(1.0, 0.5), &full(21.0, 12.5), &[], None);
    let call = found.iter().find(|c| c.at == "shop/recommend.(*Client).Ask").expect("the call");
    assert_eq!(call.kind, CauseKind::Downstream, "answers wait for the same cores");
}

#[test]
fn pauses_between_attempts_are_told_from_sleep_and_files_from_other_system_calls() {
    let pause = "runtime.gopark time.Sleep shop/recommend.(*Client).Ask";
    let before = Evidence { mean_ms: 1.5, requests: &[(CALL, 1.0)], ..Evidence::default() };
    let again = Evidence { mean_ms: 9.5, requests: &[(CALL, 1.5), (pause, 7.5)], ..Evidence::default() };
    let found = blamed(&before, &again);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Retry, "shop/recommend.(*Client).Ask"));
    assert!(
        (found[0].explains.value / 1e6 - 8.0).abs() < 0.3,
        "pauses and further calls: {:?}",
        found[0].explains
    );

    let flush = "internal/runtime/syscall.Syscall6 syscall.Fsync internal/poll.(*FD).Fsync os.(*File).Sync shop/note.(*Book).Line";
    let idle = Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], ..Evidence::default() };
    let flushed = Evidence { mean_ms: 4.6, requests: &[(PAGE, 0.5), (flush, 4.0)], ..Evidence::default() };
    let found = blamed(&idle, &flushed);
    assert_eq!((found[0].kind, found[0].doing.as_str()), (CauseKind::Disk, "os.(*File).Sync"));
}

#[test]
fn requests_that_wait_for_a_transport_that_dials_nobody_wait_for_its_limit() {
    let waits = "runtime.gopark runtime.selectgo net/http.(*Transport).getConn net/http.(*Client).do shop/a.(*Client).Ask";
    let dials = "runtime.gopark runtime.netpollblock internal/poll.runtime_pollWait net.(*netFD).connect \
                 net.(*sysDialer).dialTCP net/http.(*Transport).dialConn net/http.(*Transport).dialConnFor";
    let before = Evidence { mean_ms: 1.5, requests: &[(CALL, 1.0)], ..Evidence::default() };
    let requests = [(CALL, 1.0), (waits, 8.0)];
    let now = |background| Evidence { mean_ms: 9.5, requests: &requests, background, ..Evidence::default() };
    assert_eq!(blamed(&before, &now(&[])).first().map(|c| c.kind), Some(CauseKind::Pool));
    assert_eq!(blamed(&before, &now(&[(dials, 8.0)])).first().map(|c| c.kind), Some(CauseKind::Connect));
    // Handshakes on goroutines of their own make the requests wait for a core.
    let shakes = "crypto/rsa.VerifyPKCS1v15 crypto/tls.(*Conn).clientHandshake net/http.(*Transport).dialConn \
                  net/http.(*Transport).dialConnFor";
    let calm = Evidence { requests: &[(CALL, 1.0), (PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..before };
    let busy = Evidence {
        mean_ms: 12.5,
        requests: &[(CALL, 1.0), (waits, 8.0), (PAGE, 2.5)],
        background: &[(dials, 8.0)],
        cpu: &[(PAGE, 0.5), (shakes, 1.0)],
        ..Evidence::default()
    };
    let found = blamed(&calm, &busy);
    assert_eq!(found[0].kind, CauseKind::Connect);
    assert!(
        (found[0].explains.value / 1e6 - 10.0).abs() < 0.2,
        "8 for it, 2 for a core: {:?}",
        found[0].explains
    );
    let accepts =
        "crypto/rsa.SignPKCS1v15 crypto/tls.(*Conn).serverHandshake crypto/tls.(*Conn).handshakeContext";
    let found = blamed(&calm, &Evidence { cpu: &[(PAGE, 0.5), (accepts, 1.0)], ..busy });
    let opened = found.iter().find(|c| c.kind == CauseKind::Connect).expect("connections are opened");
    assert!(
        (opened.explains.value / 1e6 - 8.0).abs() < 0.2,
        "those that are accepted are others: {opened:?}"
    );
}

/// A side of which only the generator's clock is known: time to the first byte.
fn unseen(first_byte_ms: f64) -> Side {
    let mut side = side(&Evidence { mean_ms: first_byte_ms + 0.2, ..Evidence::default() });
    side.services.clear();
    side.client.phases[Phase::Wait as usize] = Measured::new(first_byte_ms * 1e6, 0.01e6);
    side
}

#[test]
fn a_service_that_nobody_looks_into_is_told_by_spans_then_counters_then_the_clock() {
    let (mut before, mut now) = (unseen(2.0), unseen(12.0));
    let found = told(&before, &now, &[], None);
    assert_eq!((found.len(), found[0].kind, found[0].owned), (1, CauseKind::Wait, false), "{found:#?}");

    let counter = |rate_ms: f64| Counter {
        service: "shop".into(),
        name: "go_sync_mutex_wait_total_seconds_total",
        state: State::Lock,
        what: "waiting for locks",
        rate: rate_ms * 1e6 * RATE,
    };
    (before.counters, now.counters) = (vec![counter(0.1)], vec![counter(9.1)]);
    let found = told(&before, &now, &[], None);
    assert_eq!((found[0].kind, found[0].owned), (CauseKind::Lock, false), "{found:#?}");

    let facts = facts(&[("shop", "price", "internal", 1, 11), ("shop", "GET /", "server", 1, 1)]);
    let found = told(&before, &now, &[], Some(&facts));
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Span, "price"), "{found:#?}");
    assert!(found[0].unsure && found[0].owned);
}

/// A shop that only counts its requests, half of them of each route: milliseconds of one of each.
fn counting(each_ms: [f64; 2], cpu: &[(&str, f64)]) -> ServiceSide {
    let mut shop = side(&Evidence { cpu, ..Evidence::default() }).services.remove(0);
    shop.snapshots = Snapshots::default();
    let route = |name: &str, ms: f64| (name.to_owned(), Route { nanos: ms * 1e6 / 2.0, part: 0.5 });
    let mean = each_ms.iter().sum::<f64>() * 1e6 / 2.0;
    let served = Served {
        name: "http_request_duration_seconds".into(),
        each: Measured::new(mean, 1e4),
        whole: mean,
        routes: [route("/list", each_ms[0]), route("/find", each_ms[1])].into(),
    };
    (shop.counted, shop.served) = (vec![served.clone()], Some(served));
    shop
}

#[test]
fn both_sides_count_by_the_same_metric_in_the_same_service() {
    let mut now = unseen(12.0);
    let named = |name: &str, ms: f64| {
        let served = counting([ms, ms], &[]).served.expect("it counts");
        Served { name: name.into(), ..served }
    };
    let with = |all: Vec<Served>| {
        let mut shop = counting([1.0, 1.0], &[]);
        (shop.served, shop.counted) = (all.first().cloned(), all);
        shop
    };
    now.services =
        vec![with(vec![named("a_http_request_seconds", 12.0), named("b_http_request_seconds", 11.0)])];
    let mut before = unseen(2.0);
    before.services = vec![with(vec![named("b_http_request_seconds", 2.0)])];
    now.alike(&mut before);
    let name = |side: &Side| side.services[0].served.as_ref().map(|s| s.name.clone());
    assert_eq!((name(&now), name(&before)), (Some("b_http_request_seconds".into()), name(&now)));
    before.services = vec![with(vec![named("c_http_request_seconds", 2.0)])];
    now.alike(&mut before);
    assert_eq!((name(&now), name(&before)), (None, None), "nothing that both have");

    // What was looked into before is not what counts now.
    let mut other = counting([9.0, 9.0], &[(PAGE, 0.5)]);
    other.name = "stock".into();
    before.services = vec![counting([1.0, 1.0], &[]), other];
    now.services = vec![counting([9.0, 9.0], &[])];
    let handlers = rows(&before, &now).into_iter().find(|((state, _), _)| *state == State::Handler);
    assert!(handlers.as_ref().is_some_and(|(_, m)| (m.value - 1e6).abs() < 1.0), "{handlers:?}");
}

#[test]
fn the_time_in_handlers_is_told_from_the_time_before_them() {
    let shop = |first_byte_ms: f64, each_ms, cpu| {
        let mut side = unseen(first_byte_ms);
        side.services = vec![counting(each_ms, cpu)];
        side
    };
    for cpu in [&[][..], &[(PAGE, 0.5)]] {
        let before = shop(2.0, [1.0, 2.6], cpu);
        let told = |now: &Side| told(&before, now, &[], None);
        let found = told(&shop(12.0, [1.2, 22.0], cpu));
        assert_eq!((found.len(), found[0].at.as_str()), (1, "handlers of /find"), "{found:#?}");
        assert!((found[0].explains.value / 1e6 - 9.8).abs() < 0.1 && !found[0].owned, "{found:#?}");
        let both = told(&shop(12.0, [10.5, 12.1], cpu));
        assert_eq!(both[0].at, "handlers of shop", "no route has most of it: {both:#?}");
        // 3 of 10 ms in them: by the clock alone, or nobody where a profile shows nothing.
        let other = told(&shop(12.0, [4.0, 5.6], cpu));
        match other.first() {
            Some(unseen) if cpu.is_empty() => {
                assert_eq!(unseen.at, "between request and first byte");
                assert!(unseen.mechanism.contains("3.00 ms of it in handlers of shop"), "{unseen:#?}");
                assert!(unseen.mechanism.contains("the rest is before them"), "{unseen:#?}");
            }
            found => assert!(found.is_none(), "{other:#?}"),
        }
    }
    // The same time in handlers, and a profile that is no longer there.
    let before = shop(12.0, [9.0, 9.0], &[(PAGE, 8.0)]);
    let found = told(&before, &shop(22.0, [9.0, 9.0], &[]), &[], None);
    assert!(found.iter().all(|c| !c.at.starts_with("handlers")), "{found:#?}");
    assert!(found[0].mechanism.contains("took no longer"), "{found:#?}");
}

#[test]
fn where_a_profile_shows_no_cause_the_rest_is_asked_unless_load_or_full_cores_may_be_it() {
    let shop = |first_byte_ms: f64, each_ms| {
        let mut side = unseen(first_byte_ms);
        side.services = vec![counting(each_ms, &[(PAGE, 0.5)])];
        side
    };
    let (before, now) = (shop(2.0, [1.8, 1.8]), shop(12.0, [11.8, 11.8]));
    let facts = facts(&[("shop", "price", "internal", 1, 10), ("shop", "GET /", "server", 1, 1)]);
    let asked = |readings: &[Reading], load_change: f64| {
        let lines = lines(Some(&rows(&before, &now)), &rows(&now, &now));
        candidates(&Case {
            reference: Some(&before),
            judged: &now,
            lines: &lines,
            databases: &[],
            readings,
            spans: Some(&facts),
            requests: &[],
            load_change,
            one_run: true,
            saturated: false,
            floor: 50_000.0,
        })
    };
    let found = asked(&[], 0.0);
    assert_eq!((found[0].kind, found[0].at.as_str(), found[0].owned), (CauseKind::Span, "price", true));
    let full = [reading(ReadingKind::Cores, 2.0, 2.0), reading(ReadingKind::CoresBusy, 0.6, 1.9)];
    let found = asked(&full, 0.0);
    assert_eq!(
        (found[0].kind, found[0].owned),
        (CauseKind::Span, false),
        "it may wait for a core: {found:#?}"
    );
    assert!(asked(&[], 0.3).is_empty(), "more load makes every queue longer");
}

#[test]
fn time_of_which_only_the_place_is_known_closes_no_books() {
    let shop = |handlers_ms: f64, cpu_ms: f64| {
        let mut side = unseen(handlers_ms);
        side.services = vec![counting([handlers_ms; 2], &[])];
        let cpu = [(PAGE, cpu_ms)];
        side.services[0].cpu =
            super::side(&Evidence { cpu: &cpu, ..Evidence::default() }).services.remove(0).cpu;
        side
    };
    let (before, now) = (shop(2.0, 0.5), shop(12.0, 5.7));
    let lines = lines(Some(&rows(&before, &now)), &rows(&now, &now));
    let rest = unattributed(&lines, Some(&before), &now);
    assert!(rest.change().value.abs() < 0.3e6, "{rest:?}");
    let open = unexplained(&rest, &lines).change().value / 1e6;
    assert!((open - 4.8).abs() < 0.3, "of 10 ms 5.2 are known: {open}");
}

#[test]
fn workers_that_are_busy_without_a_cpu_are_blocked() {
    let (mut before, mut now) = (unseen(1.0), unseen(9.0));
    let busy = |ms: f64| crate::attribute::counters::Busy {
        service: "shop".into(),
        rate: ms * 1e6 * RATE,
        workers: 2.0,
    };
    (before.workers, now.workers) = (vec![busy(0.3)], vec![busy(5.3)]);
    (before.client.by_request, now.client.by_request) = (vec![300, 300], vec![300, 300]);
    before.client.response_by_request = vec![1e6, 1e6];
    now.client.response_by_request = vec![4e6, 14e6];
    let cores = |before_ms: f64, now_ms: f64| {
        reading(ReadingKind::CoresUsed, before_ms / 1e3 * RATE, now_ms / 1e3 * RATE)
    };
    let found = told(&before, &now, &[cores(0.2, 0.3)], None);
    let first = &found[0];
    assert_eq!((first.kind, first.owned, found.len()), (CauseKind::BlockedWorker, false, 1), "{found:#?}");
    assert_eq!(first.doing, "requests of stamp");
    assert!((first.explains.value / 1e6 - 8.0).abs() < 0.1, "with those who wait for them: {first:#?}");

    // Half of the requests are of each route, and 5 ms of blocking a request are 10 ms of one of its own.
    let mut told_by = |was: [f64; 2], is: [f64; 2]| {
        (before.services, now.services) = (vec![counting(was, &[])], vec![counting(is, &[])]);
        let found = told(&before, &now, &[cores(0.2, 0.3)], None).remove(0);
        assert!((found.explains.value / 1e6 - 8.0).abs() < 0.1, "as before: {found:#?}");
        (found.doing, found.owned)
    };
    assert_eq!(told_by([0.2, 1.0], [10.4, 4.0]), ("handlers of /list".into(), true));
    for (is, why) in [
        ([10.4, 9.9], "one like the other"),
        ([5.0, 1.1], "not half of what was blocked"),
        ([30.0, 4.0], "waits for something else"),
        ([14.0, 8.6], "the other may as well be all of it"),
    ] {
        assert_eq!(told_by([0.2, 1.0], is), ("requests of stamp".into(), false), "{why}");
    }
    (before.services, now.services) = (Vec::new(), Vec::new());

    // Victims and culprit cannot be told apart, or workers that compute.
    now.client.response_by_request = vec![9e6, 9.1e6];
    assert_eq!(told(&before, &now, &[cores(0.2, 0.3)], None)[0].doing, "");
    let starved = [cores(0.2, 0.3), reading(ReadingKind::TasksWaiting, 0.0, 5.0 / 1e3 * RATE)];
    let found = told(&before, &now, &starved, None);
    assert!(found.iter().all(|c| c.kind != CauseKind::BlockedWorker), "ready, and without a CPU: {found:#?}");
    // A queue of any length behind workers that are blocked all the time.
    let mut full = unseen(400.0);
    full.workers = vec![busy(5.3)];
    let found = told(&before, &full, &[cores(0.2, 0.3)], None);
    assert_eq!(found[0].kind, CauseKind::BlockedWorker, "{found:#?}");
    // Nobody knows what the CPU was before.
    let unknown = Reading { reference: None, ..cores(0.2, 0.3) };
    let found = told(&before, &now, &[unknown], None);
    assert!(found.iter().all(|c| c.kind != CauseKind::BlockedWorker), "{found:#?}");
    let computing = told(&before, &now, &[cores(0.2, 5.2)], None);
    assert!(computing.iter().all(|c| c.kind != CauseKind::BlockedWorker), "{computing:#?}");
}
