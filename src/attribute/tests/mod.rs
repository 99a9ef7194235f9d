//! Known faults as made-up evidence: what each must be called, and what must not be blamed.

mod code;
mod full;
mod outside;
mod pages;

use super::blame::{Candidate, Case, candidates};
use super::books::{lines, unattributed, unexplained};
use super::client::Client;
use super::lines::Whose;
use super::measure::Measured;
use super::rows::{add_unmet, rows};
use super::side::{Sampled, ServiceSide, Side};
use super::snapshots::Snapshots;
use crate::analysis::{CauseKind, Reading, SpanFacts, State};
use crate::formats::pprof::{Frame, Profile, ProfileBuilder};
use crate::run::period::Phase;
use crate::time::{MILLISECOND, RunTime, Window};

const SERVER: &str = "net/http.serverHandler.ServeHTTP net/http.(*conn).serve";
const RATE: f64 = 1_000.0;
const SECS: f64 = 10.0;

/// Evidence of one side: stacks (leaf first, names separated by blanks, `name@line` in a known file) with milliseconds per request.
#[derive(Default)]
struct Evidence<'a> {
    mean_ms: f64,
    /// Requests: time in each stack.
    requests: &'a [(&'a str, f64)],
    /// Other goroutines: how many there are.
    background: &'a [(&'a str, f64)],
    cpu: &'a [(&'a str, f64)],
    mutex: &'a [(&'a str, f64)],
    /// Bytes per request.
    heap: &'a [(&'a str, f64)],
    /// Bytes per request that stay in use.
    kept: &'a [(&'a str, f64)],
}

fn profile(types: &[(&str, &str)], stacks: impl Iterator<Item = (String, Vec<i64>)>) -> Profile {
    let mut builder = ProfileBuilder::new(types, 1);
    for (stack, values) in stacks {
        let frames = stack.split(' ').map(|f| match f.split_once('@') {
            Some((name, line)) => Frame {
                function: name.into(),
                file: "/src/shop.go".into(),
                line: line.parse().expect("a line"),
            },
            None => Frame { function: f.into(), file: String::new(), line: 0 },
        });
        builder.add(frames.collect::<Vec<_>>(), &values);
    }
    builder.finish(0, 0)
}

fn sampled(stacks: &[(&str, f64)], unit: f64, whose: Whose) -> Option<Sampled> {
    let total = |x: f64| (x * unit * RATE * SECS).round() as i64;
    let rows = stacks.iter().map(|(s, v)| ((*s).to_owned(), vec![total(*v)]));
    let profile = profile(&[("value", "unit")], rows);
    let mut sampled = Sampled { secs: SECS, samples: 2_000, ..Sampled::default() };
    sampled.totals.add(&profile, 0, 1);
    sampled.lines.add(&profile, 0, 1, whose);
    (!stacks.is_empty()).then_some(sampled)
}

fn snapshots(e: &Evidence) -> Snapshots {
    let mut all = Snapshots::default();
    for i in 0..100_u64 {
        // Fractions of a goroutine are seen in that share of the snapshots.
        let count = |mean: f64| {
            (mean.floor() + f64::from(u8::from(i as f64 * mean.fract() % 1.0 + mean.fract() >= 1.0))) as i64
        };
        let requests = e.requests.iter().map(|(s, ms)| (format!("{s} {SERVER}"), count(ms * RATE / 1e3)));
        let background = e.background.iter().map(|(s, n)| ((*s).to_owned(), count(*n)));
        let rows = requests.chain(background).map(|(s, n)| (s, vec![n]));
        all.add(RunTime::from_nanos(i * 100 * MILLISECOND), &profile(&[("goroutine", "count")], rows));
    }
    all
}

fn side(e: &Evidence) -> Side {
    let alone = |s: &str| ["gcBgMarkWorker", "dialConnFor", "mcall"].iter().any(|root| s.ends_with(root));
    let on_server = |stacks: &[(&str, f64)]| -> Vec<(String, f64)> {
        let whole = |s: &str| if alone(s) { s.to_owned() } else { format!("{s} {SERVER}") };
        stacks.iter().map(|(s, v)| (whole(s), *v)).collect()
    };
    let cpu = on_server(e.cpu);
    let cpu: Vec<(&str, f64)> = cpu.iter().map(|(s, v)| (s.as_str(), *v)).collect();
    let service = ServiceSide {
        name: "shop".into(),
        snapshots: snapshots(e),
        cpu: sampled(&cpu, 1e6, Whose::Each),
        processors: None,
        mutex: sampled(e.mutex, 1e6, Whose::Innermost),
        heap: sampled(e.heap, 1.0, Whose::Innermost),
        kept: sampled(e.kept, 1.0, Whose::Innermost),
        served: None,
        counted: Vec::new(),
    };
    let client = Client {
        secs: SECS,
        done: (RATE * SECS) as u64,
        response: Measured::new(e.mean_ms * 1e6, 0.01e6),
        phases: vec![Measured::default(); Phase::ALL.len()],
        ..Client::default()
    };
    let window = Window::new(RunTime::ZERO, RunTime::from_nanos(10_000 * MILLISECOND));
    Side {
        windows: vec![window],
        client,
        services: vec![service],
        counters: Vec::new(),
        workers: Vec::new(),
        pools: Vec::new(),
    }
}

fn blamed(before: &Evidence, now: &Evidence) -> Vec<Candidate> {
    told(&side(before), &side(now), &[], None)
}

fn told(before: &Side, now: &Side, readings: &[Reading], spans: Option<&SpanFacts>) -> Vec<Candidate> {
    let lines = lines(Some(&rows(before, now)), &rows(now, now));
    candidates(&Case {
        reference: Some(before),
        judged: now,
        lines: &lines,
        databases: &[],
        readings,
        spans,
        requests: &["list".to_owned(), "stamp".to_owned()],
        load_change: 0.0,
        one_run: true,
        saturated: false,
        floor: 50_000.0,
    })
}

const LOCKED: &str = "runtime.gopark runtime.semacquire1 internal/sync.runtime_SemacquireMutex \
                      internal/sync.(*Mutex).Lock shop/catalogue.(*Store).Reload shop/catalogue.(*Store).Page";
const PARSING: &str = "encoding/json.checkValid encoding/json.Unmarshal shop/catalogue.(*Store).Reload \
                       shop/catalogue.(*Store).Page";
const PAGE: &str = "sort.Slice shop/catalogue.(*Store).Page";

#[test]
fn a_lock_is_blamed_on_its_holder_and_what_it_does() {
    let before =
        Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    let now = Evidence {
        mean_ms: 9.6,
        requests: &[(PAGE, 0.5), (PARSING, 1.0), (LOCKED, 8.0)],
        cpu: &[(PAGE, 0.5), (PARSING, 1.0)],
        mutex: &[
            ("sync.(*Mutex).Unlock shop/catalogue.(*Store).Reload", 8.0),
            ("runtime.unlock runtime.gcMarkDone runtime.gcBgMarkWorker", 0.1),
        ],
        ..Evidence::default()
    };
    let found = blamed(&before, &now);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Lock, "shop/catalogue.(*Store).Reload"));
    assert_eq!(found[0].doing, "encoding/json.Unmarshal");
    assert!((found[0].explains.value / 1e6 - 9.0).abs() < 0.2, "wait and work: {:?}", found[0].explains);
    assert_eq!(found.len(), 1, "the parsing is the same cause: {found:#?}");
    assert!(found[0].evidence.iter().any(|e| e.tier == "mutex profile"), "{:#?}", found[0].evidence);
}

#[test]
fn without_a_mutex_profile_the_method_itself_is_the_witness() {
    let before = Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], ..Evidence::default() };
    let now = Evidence {
        mean_ms: 9.6,
        requests: &[(PAGE, 0.5), (PARSING, 1.0), (LOCKED, 8.0)],
        ..Evidence::default()
    };
    let found = blamed(&before, &now);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Lock, "shop/catalogue.(*Store).Reload"));
    assert!(found[0].owned);
}

#[test]
fn costly_work_is_blamed_on_the_caller_with_the_called_function() {
    let compile = "regexp/syntax.Parse regexp.compile regexp.MustCompile shop/search.(*Index).Match shop/web.(*Shop).search";
    let matching = "regexp.(*Regexp).MatchString shop/search.(*Index).Match shop/web.(*Shop).search";
    let before = Evidence {
        mean_ms: 0.5,
        requests: &[(matching, 0.4)],
        cpu: &[(matching, 0.4)],
        ..Evidence::default()
    };
    let now = Evidence {
        mean_ms: 2.0,
        requests: &[(matching, 0.6), (compile, 1.3)],
        cpu: &[(matching, 0.4), (compile, 1.0)],
        ..Evidence::default()
    };
    let found = blamed(&before, &now);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Cpu, "shop/search.(*Index).Match"));
    assert_eq!(found[0].doing, "regexp.MustCompile");
    let ms = found[0].explains.value / 1e6;
    assert!((1.3..1.7).contains(&ms), "its CPU and the run queue it causes: {ms}");
}

#[test]
fn two_functions_below_a_dispatcher_are_two_causes() {
    let matching = "shop/search.(*Index).Match shop/web.(*Shop).search shop/web.(*route).ServeHTTP";
    let drawing = "shop/images.(*Renderer).Draw shop/web.(*Shop).image shop/web.(*route).ServeHTTP";
    let before = Evidence {
        mean_ms: 0.6,
        requests: &[(matching, 0.3), (drawing, 0.3)],
        cpu: &[(matching, 0.3), (drawing, 0.3)],
        ..Evidence::default()
    };
    let now = Evidence {
        mean_ms: 5.0,
        requests: &[(matching, 2.0), (drawing, 3.0)],
        cpu: &[(matching, 1.3), (drawing, 0.9)],
        ..Evidence::default()
    };
    let found = blamed(&before, &now);
    let at: Vec<&str> = found.iter().map(|c| c.at.as_str()).collect();
    assert_eq!(at, ["shop/search.(*Index).Match", "shop/images.(*Renderer).Draw"], "{found:#?}");
    // 1.0 and 0.6 ms of work, and the wait of 2.8 ms in proportion.
    let ms: Vec<f64> = found.iter().map(|c| c.explains.value / 1e6).collect();
    assert!((ms[0] - 2.75).abs() < 0.2 && (ms[1] - 1.65).abs() < 0.2, "{ms:?}");
}

#[test]
fn a_small_pool_is_blamed_on_its_size_and_slow_work_on_the_work() {
    let send =
        "runtime.gopark runtime.chansend runtime.chansend1 shop/orders.(*Pool).Submit shop/web.(*Shop).order";
    let receive =
        "runtime.gopark runtime.chanrecv runtime.chanrecv1 shop/orders.(*Pool).Submit shop/web.(*Shop).order";
    let idle = "runtime.gopark runtime.selectgo shop/orders.(*Pool).work";
    let busy = "runtime.gopark time.Sleep shop/orders.(*Pool).book shop/orders.(*Pool).work";
    let before = Evidence {
        mean_ms: 3.1,
        requests: &[(receive, 3.0)],
        background: &[(idle, 61.0), (busy, 3.0)],
        ..Evidence::default()
    };
    let small = Evidence {
        mean_ms: 23.1,
        requests: &[(receive, 3.0), (send, 20.0)],
        background: &[(busy, 3.0)],
        ..Evidence::default()
    };
    let found = blamed(&before, &small);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Pool, "shop/orders.(*Pool).Submit"));
    assert!((found[0].explains.value / 1e6 - 20.0).abs() < 0.5);
    let slow = Evidence {
        mean_ms: 43.1,
        requests: &[(receive, 23.0), (send, 20.0)],
        background: &[(busy, 64.0)],
        ..Evidence::default()
    };
    let found = blamed(&before, &slow);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Pool, "shop/orders.(*Pool).book"));
}

#[test]
fn a_megabyte_per_request_is_blamed_on_the_site_not_on_the_collector() {
    let render = "image/draw.Draw shop/images.(*Renderer).Render";
    let make =
        "runtime.memclrNoHeapPointers runtime.mallocgc runtime.makeslice shop/images.(*Renderer).Render";
    let mark = "runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker";
    let before = Evidence {
        mean_ms: 0.7,
        requests: &[(render, 0.6)],
        cpu: &[(render, 0.6)],
        heap: &[(make, 20_000.0)],
        ..Evidence::default()
    };
    let now = Evidence {
        mean_ms: 1.7,
        requests: &[(render, 0.7), (make, 0.8)],
        cpu: &[(render, 0.65), (make, 0.5), (mark, 0.4)],
        heap: &[(make, 1_070_000.0)],
        ..Evidence::default()
    };
    let found = blamed(&before, &now);
    assert_eq!(
        (found[0].kind, found[0].at.as_str()),
        (CauseKind::Allocation, "shop/images.(*Renderer).Render")
    );
}

#[test]
fn what_garbage_costs_goes_once_with_who_makes_it() {
    const HELPS: &str = "runtime.gcDrainN runtime.gcAssistAlloc runtime.mallocgc";
    const WAITS: &str = "runtime.gopark runtime.gcParkAssist runtime.gcAssistAlloc runtime.mallocgc";
    let mark = "runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker";
    let schedule = "runtime.findRunnable runtime.schedule runtime.mcall";
    for (kind, made_by) in [
        (CauseKind::Allocation, "runtime.makeslice shop/images.(*Renderer).Render"),
        (CauseKind::Cpu, "regexp/syntax.Parse regexp.MustCompile shop/search.(*Index).Match"),
    ] {
        let own = made_by.split_once(' ').expect("a stack").1;
        let (helps, waits, makes) = (
            format!("{HELPS} {made_by}"),
            format!("{WAITS} {made_by}"),
            format!("runtime.mallocgc {made_by}"),
        );
        let before =
            Evidence { mean_ms: 0.7, requests: &[(own, 0.6)], cpu: &[(own, 0.6)], ..Evidence::default() };
        // Memory that is new each time makes the work on it longer, too.
        let work = if kind == CauseKind::Cpu { 1.1 } else { 0.7 };
        let now = Evidence {
            mean_ms: 1.2 + work - 0.6,
            requests: &[(own, work), (&helps, 0.3), (&waits, 0.2)],
            cpu: &[(own, work), (&helps, 0.3), (mark, 0.4), (schedule, 0.3)],
            heap: &[(&makes, 1_000_000.0)],
            ..Evidence::default()
        };
        let found = blamed(&before, &now);
        assert_eq!(found[0].kind, kind, "{found:?}");
        // Helping and waiting for the collector, whose own work is beside the requests; and the work.
        let truth = 0.5 + work - 0.6;
        assert!((found[0].explains.value / 1e6 - truth).abs() < 0.05, "{kind:?} {:?}", found[0].explains);
    }
}

#[test]
fn what_the_reference_has_no_evidence_of_is_never_certain() {
    let before = Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], ..Evidence::default() };
    let now = Evidence { mean_ms: 2.6, requests: &[(PAGE, 2.5)], cpu: &[(PAGE, 2.5)], ..Evidence::default() };
    assert!(blamed(&before, &now).iter().all(|c| c.unsure), "its CPU time may have been the same before");
    let both = Evidence { cpu: &[(PAGE, 0.5)], ..before };
    assert!(blamed(&both, &now).iter().any(|c| !c.unsure));
}

#[test]
fn what_is_allocated_and_kept_is_told_from_garbage() {
    let note = "runtime.mallocgc runtime.newobject shop/search.(*History).Add";
    let mark = "runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker";
    let before =
        Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    let garbage = Evidence {
        mean_ms: 2.6,
        requests: &[(PAGE, 0.5), (note, 1.0)],
        cpu: &[(PAGE, 0.5), (note, 0.4), (mark, 1.5)],
        heap: &[(note, 30_000.0)],
        ..Evidence::default()
    };
    assert_eq!(blamed(&before, &garbage)[0].kind, CauseKind::Allocation);
    let kept = Evidence { kept: &[(note, 28_000.0)], ..garbage };
    let found = blamed(&before, &kept);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::MemoryLeak, "shop/search.(*History).Add"));
}

#[test]
fn nothing_is_blamed_when_nothing_grew() {
    let same =
        Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], cpu: &[(PAGE, 0.5)], ..Evidence::default() };
    assert!(blamed(&same, &same).is_empty());
}

const QUERY: &str = "runtime.gopark runtime.netpollblock internal/poll.runtime_pollWait net.(*conn).Read \
                     github.com/lib/pq.(*conn).recv database/sql.(*DB).QueryContext shop/orders.(*Book).Read";
const CONNECTION: &str = "runtime.gopark runtime.selectgo database/sql.(*DB).conn database/sql.(*DB).QueryContext shop/orders.(*Book).Read";

#[test]
fn a_wait_that_no_snapshot_met_before_may_have_been_there() {
    let before = side(&Evidence { mean_ms: 0.6, requests: &[(PAGE, 0.5)], ..Evidence::default() });
    let requests = [(PAGE, 0.5), (QUERY, 2.0)];
    let cpu = [(PAGE, 0.5)];
    let now = side(&Evidence { mean_ms: 2.6, requests: &requests, cpu: &cpu, ..Evidence::default() });
    let (mut unmet, met) = (rows(&before, &now), rows(&now, &now));
    let known = unmet.len();
    add_unmet(&mut unmet, &before, &met);
    let key = (State::Database, "shop/orders.(*Book).Read".to_owned());
    // 100 snapshots at 1,000/s: meeting one request once would be 10 us.
    assert_eq!(unmet[&key], Measured::new(0.0, 10_000.0));
    assert_eq!(unmet.len(), known + 1, "time on a CPU is not told by snapshots: {unmet:?}");
}

#[test]
fn waits_for_a_connection_are_the_fault_of_what_holds_it() {
    let before = Evidence {
        mean_ms: 2.6,
        requests: &[(PAGE, 0.5), (QUERY, 2.0)],
        cpu: &[(PAGE, 0.5)],
        ..Evidence::default()
    };
    let slower = Evidence {
        mean_ms: 30.6,
        requests: &[(PAGE, 0.5), (QUERY, 8.0), (CONNECTION, 22.0)],
        cpu: &[(PAGE, 0.5)],
        ..Evidence::default()
    };
    let found = blamed(&before, &slower);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Database, "shop/orders.(*Book).Read"));
    assert!((found[0].explains.value - 28.0e6).abs() < 1.0e6, "both waits: {:?}", found[0]);
    assert!(found.iter().all(|c| c.kind != CauseKind::Pool), "{found:?}");

    // Statements take what they did, or little more: there are too few connections.
    let fewer = Evidence {
        mean_ms: 25.0,
        requests: &[(PAGE, 0.5), (QUERY, 2.4), (CONNECTION, 22.0)],
        cpu: &[(PAGE, 0.5)],
        ..Evidence::default()
    };
    let found = blamed(&before, &fewer);
    assert_eq!((found[0].kind, found[0].at.as_str()), (CauseKind::Pool, "shop/orders.(*Book).Read"));
}
