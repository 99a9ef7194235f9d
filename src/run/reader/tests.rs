use std::fs;

use proptest::prelude::*;

use super::*;
use crate::formats::otlp::Clocks;
use crate::run::load_log::{ExtraSample, LoadLog};
use crate::run::period::{Failure, FailureExample, Latency, RequestPeriod, SlowHit, new_latency, new_phase};
use crate::run::writer::RunWriter;
use crate::time::{RunClock, RunTime};

fn manifest() -> Manifest {
    Manifest {
        run_id: "00112233aabbccdd".to_owned(),
        overrides: vec!["load.rate=5/s".to_owned()],
        target: "http://127.0.0.1:1".to_owned(),
        started_unix_nanos: 1,
        ..Manifest::for_tests()
    }
}

struct Scratch {
    dir: tempfile::TempDir,
    writer: RunWriter,
}

fn scratch() -> Scratch {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let writer = RunWriter::create(dir.path(), RunClock::start(), manifest(), "name = \"test\"\n");
    Scratch { writer: writer.expect("creates"), dir }
}

#[test]
fn requests_of_otlp_are_read_line_by_line() {
    use crate::formats::otlp::Signal;
    let scratch = scratch();
    let span = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",
        "spanId":"eee19b7ec3c1b174"}]}]}]}"#;
    let line = span.replace('\n', "") + "\n";
    let text = format!("{line}no line of OTLP\n{line}{}", &line[..40]);
    scratch.writer.append(&layout::otlp("traces"), text.as_bytes()).expect("writes");
    let mut spans = 0;
    let recording = scratch.open();
    let lines = recording.read_otlp(Signal::Traces, |batch| spans += batch.items()).expect("reads");
    assert_eq!((spans, lines), (2, OtlpLines { requests: 2, skipped: 1 }), "the cut one was never whole");
    let none = recording.read_otlp(Signal::Logs, |_| panic!("nothing is there")).expect("reads");
    assert_eq!(none, OtlpLines::default());
}

/// One request with one resource.
fn of_service(service: &str, signal: &str, inside: &str) -> String {
    format!(
        r#"{{"resource{signal}":[{{"resource":{{"attributes":[
        {{"key":"service.name","value":{{"stringValue":"{service}"}}}},
        {{"key":"service.instance.id","value":{{"stringValue":"one"}}}}]}},"scope{signal}":[{{{inside}}}]}}]}}"#
    )
    .replace('\n', "")
        + "\n"
}

#[test]
fn log_lines_are_those_of_files_and_those_that_were_sent() {
    let scratch = scratch();
    let trace = "5b8efff798038103d269b633813fc60c";
    let file = "{\"t\":7,\"line\":\"level=error msg=gone\"}\nbroken\n";
    scratch.writer.append(&layout::log("shop", 0, "shop.log"), file.as_bytes()).expect("writes");
    let records = format!(
        r#""logRecords":[
        {{"timeUnixNano":"11","severityNumber":13,"severityText":"low","body":{{"stringValue":"stock is low"}},
         "traceId":"{trace}"}},
        {{"observedTimeUnixNano":"21","severityText":"Severe","body":{{"stringValue":"{{\"msg\":\"x\",\"level\":\"info\"}}"}}}},
        {{"body":{{"stringValue":"no time"}}}}]"#
    );
    let line = of_service("stock", "Logs", &records);
    scratch.writer.append(&layout::otlp("logs"), line.as_bytes()).expect("writes");
    let mut all = Vec::new();
    let unread = scratch.open().log_lines(&Clocks::default(), |line| {
        let read = line.read();
        let trace = read.trace_id.unwrap_or_default();
        all.push(format!("{} {} {} {} {trace}", line.service, line.at.as_nanos(), read.level, read.message));
    });
    assert_eq!(unread.expect("reads"), UnreadLines { broken: 1, undated: 1 });
    let sent = format!("stock 10 WARN stock is low {trace}");
    assert_eq!(all, ["shop 7 error gone ", sent.as_str(), "stock 20 Severe x "]);
    let clocks: Clocks = [("stock".to_owned(), -15), ("shop".to_owned(), 1000)].into_iter().collect();
    let mut at = Vec::new();
    let read =
        scratch.open().log_lines(&clocks, |line| at.push((line.service.to_owned(), line.at.as_nanos())));
    read.expect("reads");
    let files_by_our_clock = ("shop".to_owned(), 7);
    assert_eq!(at, [files_by_our_clock, ("stock".to_owned(), 5)], "one was logged before the run");
}

#[test]
fn metrics_that_were_sent_are_series_that_count_since_the_start() {
    let scratch = scratch();
    let points = |at: u64, n: u64| {
        let inside = format!(
            r#""metrics":[
            {{"name":"go.goroutine.count","unit":"{{goroutine}}","sum":{{"aggregationTemporality":2,
             "dataPoints":[{{"timeUnixNano":"{at}","asInt":"{n}"}}]}}}},
            {{"name":"sold","sum":{{"aggregationTemporality":1,"isMonotonic":true,
             "dataPoints":[{{"timeUnixNano":"{at}","asDouble":{n},"attributes":[
              {{"key":"product.kind","value":{{"intValue":"3"}}}}]}}]}}}},
            {{"name":"took","unit":"ms","histogram":{{"aggregationTemporality":1,"dataPoints":[
             {{"timeUnixNano":"{at}","count":"3","sum":{n},"bucketCounts":["1","2"],"explicitBounds":[5]}}]}}}}]"#
        );
        of_service("shop", "Metrics", &inside)
    };
    let text = format!("{}{}{}", points(11, 4), points(21, 6), points(0, 9));
    scratch.writer.append(&layout::otlp("metrics"), text.as_bytes()).expect("writes");
    let all =
        scratch.open().otlp_series(&Clocks::default(), |family, _| family.name != "unwanted").expect("reads");
    let shop = &all["shop"];
    let of = |name: &str| {
        let points = |s: &crate::run::history::MetricSeries| {
            s.points.iter().map(|(t, v)| (t.as_nanos(), *v)).collect()
        };
        shop.named(name).map(points).collect::<Vec<Vec<(u64, f64)>>>()
    };
    assert_eq!(of("go_goroutine_count"), [[(10, 4.0), (20, 6.0)]]);
    assert_eq!(of("sold_total"), [[(10, 4.0), (20, 10.0)]]);
    assert_eq!(of("took_milliseconds_sum"), [[(10, 4.0), (20, 10.0)]]);
    assert_eq!(of("took_milliseconds_bucket"), [[(10, 1.0), (20, 2.0)], [(10, 3.0), (20, 6.0)]]);
    let sold = shop.get("sold_total", &[("product_kind", "3"), ("instance", "one")]);
    assert!(sold.is_some(), "{:?}", shop.series);
    let clocks: Clocks = [("shop".to_owned(), 100)].into_iter().collect();
    let late = scratch.open().otlp_series(&clocks, |_, sample| sample.name == "sold_total").expect("reads");
    let times: Vec<u64> = late["shop"].series[0].points.iter().map(|(t, _)| t.as_nanos()).collect();
    assert_eq!(times, [110, 120]);
    let none =
        scratch.open().otlp_series(&Clocks::default(), |_, sample| sample.name == "unheard").expect("reads");
    assert!(none.is_empty());
}

impl Scratch {
    fn open(&self) -> Recording {
        Recording::open(self.dir.path()).expect("opens")
    }

    fn record(&self, periods: &[LoadPeriod]) {
        let slugs = vec!["list".to_owned(), "buy-one".to_owned()];
        let mut log = LoadLog::new(self.writer.clone(), slugs).expect("headers");
        let extra = [
            ExtraSample { name: "process_cpu_seconds_total".into(), labels: Vec::new(), value: 1.5 },
            ExtraSample { name: "loadprof_backlog".into(), labels: Vec::new(), value: -1.0 },
        ];
        periods.iter().for_each(|p| log.write(p, &extra).expect("writes"));
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.dir.path().join(rel)
    }
}

fn latency(values: &[u64]) -> Latency {
    let mut h = new_latency();
    values.iter().for_each(|&v| h.record(v).expect("grows"));
    h
}

fn any_latency() -> impl Strategy<Value = Latency> {
    prop::collection::vec(0u64..40_000_000_000, 0..6).prop_map(|v| latency(&v))
}

fn any_phase() -> impl Strategy<Value = Latency> {
    any_latency().prop_map(|values| {
        let mut h = new_phase();
        h.add(values).expect("grows");
        h
    })
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0u64..1 << 40]
}

prop_compose! {
    fn any_request(checks: usize)(
        response in any_latency(),
        service in any_latency(),
        phases in [(); 7].map(|()| any_phase()),
        passed in any_count(),
        failed in prop::array::uniform13(any_count()),
        status in [(); 5].map(|()| any_count()),
        bytes in (any_count(), any_count(), any_count()),
        more in (any_count(), any_count(), any_count()),
        checks in prop::collection::vec(any_count(), checks),
    ) -> RequestPeriod {
        let (bytes_in, bytes_out, connects) = bytes;
        let (redirects, resent, unasked) = more;
        let counted = RequestPeriod {
            passed, failed, status, bytes_in, bytes_out, connects, redirects, resent, unasked, checks,
            ..RequestPeriod::new()
        };
        RequestPeriod { response, service, phases, ..counted }
    }
}

prop_compose! {
    fn any_period()(
        length in 1u64..3_000_000_000,
        gap in prop_oneof![Just(0u64), 0..10_000u64],
        requests in [any_request(12), any_request(0)],
        lateness in any_latency(),
        counts in prop::array::uniform7(any_count()),
        slow in prop::collection::vec((0usize..2, 0.0..1.0f64, 0u64..1 << 40), 0..4),
        failures in prop::collection::vec((0usize..2, 0.0..1.0f64, 0usize..13), 0..3),
    ) -> (u64, LoadPeriod) {
        let [offered, sent, backlog, in_flight, connections, streams, vus] = counts;
        let at = |share: f64| RunTime::from_nanos((share * length as f64) as u64);
        let mut slowest: Vec<_> = slow
            .into_iter()
            .map(|(request, share, response_nanos)| SlowHit {
                request,
                done: at(share),
                trace_id: "00".repeat(16),
                response_nanos,
                service_nanos: response_nanos / 2,
                status: 200,
            })
            .collect();
        slowest.sort_by_key(|s| (std::cmp::Reverse(s.response_nanos), s.done));
        let mut failures: Vec<_> = failures
            .into_iter()
            .map(|(request, share, kind)| FailureExample {
                request,
                at: at(share),
                kind: Failure::ALL[kind],
                detail: "\"quoted\"\nsecond line".to_owned(),
                checks: (0..kind).collect(),
            })
            .collect();
        failures.sort_by_key(|f| f.at);
        let window = Window::new(RunTime::ZERO, RunTime::from_nanos(length));
        let requests = requests.into();
        let period = LoadPeriod {
            window, requests, lateness, offered, sent, backlog, in_flight, connections, streams, vus, slowest, failures,
        };
        (gap, period)
    }
}

/// Puts periods one after the other.
fn in_order(periods: Vec<(u64, LoadPeriod)>) -> Vec<LoadPeriod> {
    let mut start = 1_000_000_007;
    let place = |(gap, mut p): (u64, LoadPeriod)| {
        start += gap;
        p.window = Window::new(p.window.from.plus(start), p.window.to.plus(start));
        p.slowest.iter_mut().for_each(|s| s.done = s.done.plus(start));
        p.failures.iter_mut().for_each(|f| f.at = f.at.plus(start));
        start = p.window.to.as_nanos();
        p
    };
    periods.into_iter().map(place).collect()
}

fn some_periods(n: u64) -> Vec<LoadPeriod> {
    let one = |i: u64| {
        let mut request = RequestPeriod::new();
        request.response = latency(&[1_000_000 * i, 2_000_000]);
        request.service = request.response.clone();
        request.phases[5] = request.response.clone();
        request.passed = 2;
        request.status[1] = 2;
        LoadPeriod {
            window: Window::new(RunTime::from_nanos(i * 1000), RunTime::from_nanos(i * 1000 + 1000)),
            requests: vec![request, RequestPeriod::new()],
            lateness: latency(&[5]),
            offered: 2,
            sent: 2,
            backlog: 0,
            in_flight: 1,
            connections: 3,
            streams: 2,
            vus: 0,
            slowest: Vec::new(),
            failures: Vec::new(),
        }
    };
    (0..n).map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_the_load_measured_reads_back_exactly(
        periods in prop::collection::vec(any_period(), 0..4).prop_map(in_order)
    ) {
        let scratch = scratch();
        scratch.record(&periods);
        scratch.writer.seal(RunState::Complete { load_nanos: 1 }).expect("seals");
        let recording = scratch.open();
        prop_assert_eq!(recording.partial.as_deref(), None);
        let windows: Vec<_> = periods.iter().map(|p| p.window).collect();
        prop_assert_eq!(recording.windows().collect::<Vec<_>>(), windows);
        prop_assert_eq!(recording.read_periods().expect("reads"), periods);
    }

    #[test]
    fn a_cut_log_costs_only_what_was_cut(
        which in prop::sample::select(vec!["latency", "phases", "lateness"]),
        share in 0.0..1.0f64,
    ) {
        let scratch = scratch();
        let periods = some_periods(4);
        scratch.record(&periods);
        let log = scratch.path(&format!("load/{which}.hlog"));
        let bytes = fs::read(&log).expect("reads");
        fs::write(&log, &bytes[..(bytes.len() as f64 * share) as usize]).expect("writes");
        let recording = scratch.open();
        let back = recording.read_periods().expect("whole periods are readable");
        prop_assert!(back.len() < periods.len());
        prop_assert_eq!(&back[..], &periods[..back.len()]);
        prop_assert!(recording.partial.expect("it is partial").contains("incomplete"));
    }
}

#[test]
fn pages_of_earlier_versions_have_neither_redirects_nor_checks() {
    let scratch = scratch();
    let mut periods = some_periods(2);
    periods[0].requests[0].redirects = 3;
    periods[0].requests[0].checks = vec![1, 0];
    periods[1].requests[0].checks = vec![0, 4];
    scratch.record(&periods);
    assert_eq!(scratch.open().read_periods().expect("reads"), periods);
    for end in ["000000000001000", "000000000002000"] {
        let path = scratch.path(&format!("metrics/loadprof/{end}.om"));
        let text = fs::read_to_string(&path).expect("was there");
        assert!(text.contains("loadprof_checks_failed_total{request=\"list\",check=\"1\"}"), "{text}");
        let news = |line: &str| line.contains("loadprof_redirects") || line.contains("loadprof_checks");
        let old: String = text.lines().filter(|line| !news(line)).map(|line| format!("{line}\n")).collect();
        fs::write(&path, old).expect("writes");
    }
    assert_eq!(scratch.open().read_periods().expect("reads"), some_periods(2));
}

#[test]
fn a_check_with_an_absurd_index_costs_its_period_and_no_memory() {
    let scratch = scratch();
    let mut periods = some_periods(1);
    periods[0].requests[0].checks = vec![1];
    scratch.record(&periods);
    let path = scratch.path("metrics/loadprof/000000000001000.om");
    let text = fs::read_to_string(&path).expect("was there");
    fs::write(&path, text.replace("check=\"0\"", "check=\"99999999999\"")).expect("writes");
    let recording = scratch.open();
    assert_eq!(recording.read_periods().expect("reads"), []);
    assert!(recording.partial.expect("it is partial").contains("not understood"));
}

#[test]
fn a_killed_run_opens_up_to_its_last_whole_period() {
    let scratch = scratch();
    let periods = some_periods(3);
    scratch.record(&periods);
    fs::remove_file(scratch.path("metrics/loadprof/000000000003000.om")).expect("was there");
    fs::write(scratch.path("metrics/loadprof/000000000003000.om.part"), "half").expect("writes");
    scratch.writer.event(EventKind::LoadStarted);
    scratch.writer.append(layout::EVENTS, b"{\"at\":5,\"event\":\"load-st").expect("appends");
    let recording = scratch.open();
    assert_eq!(recording.read_periods().expect("reads"), periods[..2]);
    assert_eq!((recording.events.len(), recording.skipped_events), (1, 0));
    assert_eq!(
        recording.partial.as_deref(),
        Some(
            "the recording was cut off after 0.000s; 1 period is incomplete and left out \
             (load/latency.hlog: the counters of its last lines are missing)"
        )
    );
}

#[test]
fn a_lost_exposition_costs_two_periods_and_never_miscounts() {
    let scratch = scratch();
    let periods = some_periods(4);
    scratch.record(&periods);
    fs::remove_file(scratch.path("metrics/loadprof/000000000002000.om")).expect("was there");
    let back = scratch.open().read_periods().expect("reads");
    assert_eq!(back, [periods[0].clone(), periods[3].clone()]);
}

#[test]
fn a_broken_histogram_is_an_error_with_the_file_and_the_period() {
    let scratch = scratch();
    scratch.record(&some_periods(1));
    let log = scratch.path(layout::LATENCY_LOG);
    let text = fs::read_to_string(&log).expect("reads");
    fs::write(&log, text.replacen(",HISTFA", ",HISTFB", 1)).expect("writes");
    let error = scratch.open().read_periods().expect_err("the histogram is broken").to_string();
    assert!(error.contains("latency.hlog: period up to 0.000s: the histogram is broken"), "{error}");
}

#[test]
fn overlapping_periods_are_refused() {
    let scratch = scratch();
    let mut periods = some_periods(2);
    periods[1].window.from = RunTime::from_nanos(500);
    scratch.record(&periods);
    let error = Recording::open(scratch.dir.path()).expect_err("overlap").to_string();
    assert!(error.contains("out of order"), "{error}");
}

#[test]
fn folders_that_are_no_runs_or_newer_are_told_apart() {
    let empty = tempfile::tempdir().expect("a scratch folder");
    assert!(matches!(Recording::open(empty.path()), Err(RunError::NoManifest(..))));
    fs::write(empty.path().join(layout::MANIFEST), "{}").expect("writes");
    assert!(matches!(Recording::open(empty.path()), Err(RunError::NoManifest(..))));
    let newer = "{\"format\":{\"major\":2,\"minor\":7},\"tool_version\":\"3.1.0\",\"all\":\"else\"}";
    fs::write(empty.path().join(layout::MANIFEST), newer).expect("writes");
    match Recording::open(empty.path()) {
        Err(RunError::Newer { major: 2, minor: 7, tool, .. }) => assert_eq!(tool, "3.1.0"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stopped_and_interrupted_recordings_say_why() {
    let scratch = scratch();
    scratch.writer.event(EventKind::RecordingStopped { why: "no space left".to_owned() });
    let why = "Ctrl-C".to_owned();
    scratch.writer.seal(RunState::Interrupted { why, load_nanos: 5 }).expect("seals");
    let partial = scratch.open().partial.expect("partial");
    assert!(partial.starts_with("the run was interrupted: Ctrl-C; recording stopped at 0."), "{partial}");
    assert!(partial.ends_with("no space left"), "{partial}");
}

#[test]
fn evidence_is_found_by_service_and_kind() {
    let scratch = scratch();
    scratch.record(&some_periods(1));
    let put = |rel: String, bytes: &[u8]| scratch.writer.put(&rel, bytes).expect("writes");
    let at = RunTime::from_nanos;
    put(layout::snapshot("shop", "goroutine", at(200)), b"<html>");
    put(layout::snapshot("shop", "goroutine", at(100)), b"");
    put(layout::windowed("shop", "cpu", Window::new(at(5), at(9))), b"x");
    put(layout::scrape("db", at(10)), b"# TYPE up gauge\nup{b=\"2\",a=\"1\"} 1\nnoise 1\n");
    put(layout::scrape("db", at(20)), b"up{a=\"1\",b=\"2\"} 0\n<html>\n");
    scratch.writer.event(EventKind::Capture {
        service: "shop".to_owned(),
        what: "trace".to_owned(),
        why: "anomaly".to_owned(),
        window: Window::new(at(1), at(2)),
        path: Some("../../etc/passwd".to_owned()),
        problem: None,
    });
    let recording = scratch.open();
    assert_eq!(recording.services(), ["db", "shop"]);
    assert_eq!(recording.profile_kinds("shop"), ["cpu", "goroutine"]);
    let goroutines = recording.profiles("shop", "goroutine");
    assert_eq!(goroutines.iter().map(|p| p.window.from.as_nanos()).collect::<Vec<_>>(), [100, 200]);
    let error = recording.read_profile(&goroutines[1]).expect_err("HTML").to_string();
    assert!(error.contains("000000000000200.pb.gz") && error.contains("web page"), "{error}");
    assert_eq!(recording.profiles("shop", "cpu")[0].window, Window::new(at(5), at(9)));
    assert_eq!(recording.profiles("..", "load"), []);

    let history = recording.series("db", |f, _| f.name == "up").expect("reads");
    assert_eq!(history.series.len(), 1, "the order of labels makes no difference");
    let up = history.get("up", &[("b", "2")]).expect("there");
    assert_eq!(up.points, [(at(10), 1.0), (at(20), 0.0)]);
    assert_eq!((history.skipped_lines, history.problems.len(), history.scrapes.len()), (1, 1, 2));
    let own = recording.series(layout::GENERATOR, |_, _| true).expect("reads");
    assert_eq!(own.get("process_cpu_seconds_total", &[]).map(|s| s.points[0].1), Some(1.5));
    assert_eq!(own.get("loadprof_backlog", &[]).map(|s| s.points[0].1), Some(0.0));

    let captures = recording.captures();
    assert!(captures[0].file.as_ref().is_err_and(|e| e.contains("leads out of the folder")));
}
