//! What the pages of the machine and of a service say of it, from a run folder.

use super::{RATE, SECS, sampled};
use crate::attribute::client::Client;
use crate::attribute::lines::Whose;
use crate::attribute::measure::Measured;
use crate::attribute::{counters, cpu_time, served};
use crate::run::layout;
use crate::run::manifest::{Manifest, RunState};
use crate::run::period::Phase;
use crate::run::reader::Recording;
use crate::run::writer::RunWriter;
use crate::time::{RunClock, RunTime, SECOND, Window};

/// A run of ten seconds with a page of each kind a second.
fn recording(dir: &std::path::Path, host: impl Fn(u64) -> String, page: impl Fn(u64) -> String) -> Recording {
    let out = RunWriter::create(dir, RunClock::start(), Manifest::for_tests(), "name = \"pages\"\n")
        .expect("a folder");
    for second in 0..=10 {
        let at = RunTime::from_nanos(second * SECOND);
        for (path, text) in [
            (layout::host("shop", at), host(second)),
            (layout::scrape("shop", at), format!("{}# EOF\n", page(second))),
        ] {
            out.put(&path, text.as_bytes()).expect("written");
        }
    }
    out.seal(RunState::Complete { load_nanos: 10 * SECOND }).expect("sealed");
    Recording::open(dir).expect("a run folder")
}

const WINDOW: [Window; 1] =
    [Window { from: RunTime::from_nanos(SECOND), to: RunTime::from_nanos(9 * SECOND) }];

/// Half a core by the kernel, and so many processes of that name.
fn host(second: u64, processes: u64) -> String {
    let spent = second as f64 / 4.0;
    format!(
        "# TYPE process_mode_cpu_seconds counter\nprocess_mode_cpu_seconds_total{{mode=\"user\"}} {spent}\n\
         process_mode_cpu_seconds_total{{mode=\"system\"}} {spent}\n# TYPE process_count gauge\nprocess_count {processes}\n"
    )
}

/// A quarter of a core by the service itself, as so many instances.
fn own(second: u64, instances: u64) -> String {
    let spent = second as f64 / 4.0;
    let line = |i| format!("process_cpu_seconds_total{{instance=\"{i}\"}} {spent}\n");
    format!("# TYPE process_cpu_seconds counter\n{}", (0..instances).map(line).collect::<String>())
}

#[test]
fn the_kernel_counts_the_cpu_time_of_one_process_and_the_service_its_own() {
    // The kernel counted four seconds of CPU, the service two.
    let seen = |processes: u64, instances: u64, profile: f64| {
        let dir = tempfile::tempdir().expect("a folder");
        let recording = recording(dir.path(), |s| host(s, processes), |s| own(s, instances));
        cpu_time::seen(&recording, "shop", &WINDOW, (profile * 1e9) as i64, 200)
    };
    assert_eq!(seen(1, 1, 3.84), Some(0.96), "the kernel's count comes first");
    assert_eq!(seen(2, 1, 1.92), Some(0.96), "of two processes its own");
    assert_eq!(seen(2, 2, 1.92), None, "nobody counted this process alone");
    assert_eq!(seen(2, 0, 1.92), None);
    assert_eq!(seen(1, 1, 1.5), None, "of another process");
}

#[test]
fn periods_get_lost_no_more_than_ticks_tell() {
    let least = |root: &str, samples: u64| {
        let profile = sampled(&[(&format!("shop.price {root}"), 1.0)], 1e6, Whose::Each).expect("a profile");
        let nanos = profile.totals.sum(|_| true);
        (1000.0 * cpu_time::least(&profile.totals, nanos, samples)).round() / 1000.0
    };
    let nanos = (RATE * SECS * 1e6) as u64;
    assert_eq!(least("runtime.goexit", nanos / 10_000_000), 0.918, "a hundred samples a second");
    assert_eq!(least("runtime.goexit", nanos / 2_000_000), 0.393, "five hundred");
    assert_eq!(least("start_thread", nanos / 10_000_000), 0.0, "other profilers lose more");
}

#[test]
fn how_many_processors_a_runtime_has_is_told_by_itself_or_by_the_kernel() {
    let told = |stopped: f64, own: &[f64]| {
        let dir = tempfile::tempdir().expect("a folder");
        let host = |s| {
            let stopped = stopped * s as f64;
            format!(
                "# TYPE process_cores gauge\nprocess_cores 4\n# TYPE cgroup_cpu_throttled_seconds counter\n\
                 cgroup_cpu_throttled_seconds_total{{cgroup=\"/a\"}} {stopped}\n"
            )
        };
        let page = |_| {
            let line =
                |(i, n): (usize, &f64)| format!("go_sched_gomaxprocs_threads{{instance=\"{i}\"}} {n}\n");
            format!(
                "# TYPE go_sched_gomaxprocs_threads gauge\n{}",
                own.iter().enumerate().map(line).collect::<String>()
            )
        };
        counters::processors(&recording(dir.path(), host, page), "shop", &WINDOW)
    };
    assert_eq!(told(0.0, &[2.0]), Some(2.0));
    assert_eq!(told(0.0, &[]), Some(4.0));
    assert_eq!(told(0.0, &[2.0, 8.0]), Some(4.0), "of several instances the first is any");
    assert_eq!(told(0.0, &[0.0]), Some(4.0), "no runtime has none");
    assert_eq!(told(0.1, &[2.0]), None, "a thread that is stopped keeps its processor");
}

/// Lines of one series of a histogram.
fn requests(name: &str, labels: &str, count: u64, sum: f64) -> String {
    format!(
        "{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n"
    )
}

const DURATION: &str = "http_request_duration_seconds";

/// What is read of such pages if the generator had so many answers a second, 5 ms each, the first byte after 4.
fn counted(page: impl Fn(u64) -> String, throughput: f64) -> Option<served::Served> {
    let dir = tempfile::tempdir().expect("a folder");
    let typed = |s| format!("# TYPE {DURATION} histogram\n{}", page(s));
    let recording = recording(dir.path(), |s| host(s, 1), typed);
    let ms = |ms: f64| Measured::new(ms * 1e6, 1e4);
    let mut phases = vec![Measured::default(); Phase::ALL.len()];
    phases[Phase::Wait as usize] = ms(4.0);
    let done = (throughput * 8.0) as u64;
    let client = Client { secs: 8.0, done, response: ms(5.0), longest: 50e6, phases, ..Client::default() };
    served::outermost(served::served(&recording, "shop", &WINDOW, &client).iter()).cloned()
}

#[test]
fn a_service_counts_its_requests_on_its_page() {
    let page = |s: u64| {
        requests(DURATION, "route=\"/find\"", 100 * s, s as f64)
            + &requests(DURATION, "route=\"/list\"", 300 * s, 0.3 * s as f64)
    };
    let found = counted(page, 400.0).expect("it counts");
    assert!((found.each.value - 3.25e6).abs() < 1.0 && found.each.error < 1.0, "{found:?}");
    let find = found.routes["/find"];
    assert!((find.nanos - 2.5e6).abs() < 1.0 && (find.part - 0.25).abs() < 1e-9, "{found:?}");
    assert_eq!(counted(page, 800.0), None, "only half of the answers were counted");
    assert_eq!(counted(page, 200.0), None, "others asked, too");
    // 40 ms each, of answers that took 5.
    let long = |s: u64| requests(DURATION, "route=\"/events\"", 400 * s, 16.0 * s as f64);
    assert_eq!(counted(long, 400.0), None, "somebody else waits for these");
    // One a second of a minute, and profiles of five seconds.
    let besides = |s: u64| {
        page(s)
            + &requests(DURATION, "route=\"/events\"", s, 60.0 * s as f64)
            + &requests(DURATION, "route=\"/debug/pprof/profile\"", s / 5, 5.0 * (s / 5) as f64)
    };
    let found = counted(besides, 400.0).expect("it counts");
    assert!((found.each.value - 3.25e6).abs() < 1.0, "somebody else's: {found:?}");
    let body = |s: u64| requests(DURATION, "route=\"/find\"", 400 * s, 1.96 * s as f64);
    let found = counted(body, 400.0).expect("it counts");
    assert!((found.each.value - 4e6).abs() < 1.0, "the rest is read meanwhile: {found:?}");
}

#[test]
fn series_that_begin_late_and_counters_that_begin_anew_are_taken_for_what_they_are() {
    // From the seventh second on, ten of a hundred are errors of 20 ms; the first of them come with their series.
    let late = |s: u64| {
        let errors = if s >= 7 { 10 * (s - 6) } else { 0 };
        let fine = 100 * s - errors;
        let mut page = requests(DURATION, "code=\"200\",route=\"/find\"", fine, 0.001 * fine as f64);
        if errors > 0 {
            page += &requests(DURATION, "code=\"504\",route=\"/find\"", errors, 0.02 * errors as f64);
        }
        page
    };
    let found = counted(late, 100.0).expect("it counts");
    // Of 800 requests 30.
    let mean = (770.0 * 1e6 + 30.0 * 20e6) / 800.0;
    assert!((found.each.value - mean).abs() < 1.0, "{} instead of {mean}", found.each.value);
    assert!((found.routes["/find"].part - 1.0).abs() < 1e-9, "one route, whatever the answer: {found:?}");

    // Begun anew at the fifth second, and so fast since that the time alone does not fall.
    let anew = |s: u64| match s {
        0..=4 => requests(DURATION, "route=\"/find\"", 100 * s, 0.1 * s as f64),
        _ => requests(DURATION, "route=\"/find\"", 100 * (s - 4), 0.4 * (s - 4) as f64 + 0.4),
    };
    let found = counted(anew, 100.0).expect("it counts");
    let mean = (3.0 * 1e6 + 4.0 * 4e6) / 7.0;
    assert!((found.each.value - mean).abs() < 1.0, "{} instead of {mean}", found.each.value);
}

#[test]
fn of_several_metrics_the_outermost_is_the_handlers() {
    let with = |other: &'static str, labels: &'static str, sum: f64| {
        let page = move |s: u64| {
            let inner = requests(other, labels, 100 * s, sum * s as f64);
            let outer = requests(DURATION, "route=\"/find\"", 100 * s, 0.3 * s as f64);
            format!("{outer}# TYPE {other} histogram\n{inner}")
        };
        let found = counted(page, 100.0).expect("it counts");
        (found.name.clone(), found.each.value.round())
    };
    let outer = (DURATION.to_owned(), 3e6);
    assert_eq!(with("http_request_query_seconds", "route=\"/find\"", 0.1), outer);
    assert_eq!(with("http_request_duration_highr_seconds", "le=\"none\"", 0.3001), outer, "it knows routes");
    assert_eq!(with("http_server_whole_seconds", "route=\"/find\"", 0.4).1, 4e6);
}
