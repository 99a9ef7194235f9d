//! Servers that break the rules, each in its own way: every one is a counted, named failure with an example in
//! the run folder; none stops the run, makes it panic or holds up its end by more than the timeout.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::hostile::{Act, Case, Counts, Way, serve};
use common::{analysis, finish, loadprof, printed, scenario};
use loadprof::run::event::EventKind;
use loadprof::run::reader::Recording;

const RATE: u64 = 50;
const SECS: u64 = 2;
const TIMEOUT: Duration = Duration::from_millis(500);
/// Connections, or users, of the closed modes.
const CLOSED: u64 = 4;
/// A thread that was busy with another process may be so late to see a time limit.
const SLACK: Duration = Duration::from_millis(500);
/// Runs side by side: they are light.
const SIDE_BY_SIDE: usize = 5;

/// Runs every case, some at a time; what was wrong with them.
fn run_all(cases: &[Case]) {
    let (next, wrong) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().expect("whole").next() else { return };
                    let problems = run(case);
                    wrong.lock().expect("whole").extend(problems);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("whole");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One run against one server; everything that is not as it must be.
fn run(case: &Case) -> Vec<String> {
    let (url, ca) = serve(case);
    let dir = tempfile::tempdir().expect("a folder");
    let ca = ca.map_or(String::new(), |pem| {
        std::fs::write(dir.path().join("ca.pem"), pem).expect("written");
        "ca = \"ca.pem\"\n".to_owned()
    });
    if case.request.contains("body-file") {
        std::fs::write(dir.path().join("large"), vec![b'x'; 12 << 20]).expect("written");
    }
    let http = match case.act {
        Act::Http2(_) => "http-version = \"2\"\nstreams = 4\n",
        _ => "",
    };
    let executor = match case.way {
        Way::Open => format!("constant-arrival-rate]\nrate = \"{RATE}/s\""),
        Way::Connections => format!("constant-connections]\nconnections = {CLOSED}"),
        Way::Users => format!("constant-vus]\nvus = {CLOSED}"),
    };
    let path = scenario(
        dir.path(),
        &format!(
            "name = \"hostile\"\n[target]\nurl = \"{url}\"\ntimeout = \"{}ms\"\n{http}{ca}\
             [load]\nwarm-up = \"0s\"\n[load.{executor}\nfor = \"{SECS}s\"\n{}",
            TIMEOUT.as_millis(),
            case.request
        ),
    );
    let out = dir.path().join("run");
    let begun = Instant::now();
    let output = finish(
        loadprof().arg("run").arg(&path).arg("--out").arg(&out).arg("--quiet"),
        Duration::from_secs(60),
    );
    let took = begun.elapsed();
    let text = printed(&output);
    let mut problems = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            problems.push(format!("{}: {what}", case.name));
        }
    };
    must(!text.contains("panicked"), text.clone());
    let exits = output.status.code().is_some_and(|code| case.exits.contains(&code));
    must(exits, format!("{} instead of {:?}", output.status, case.exits));
    if out.join("analysis/analysis.json").exists() {
        judge(case, &out, &mut must);
    } else {
        must(false, text);
    }
    eprintln!("{}: {:.1} s", case.name, took.as_secs_f64());
    problems
}

/// How many hits there must be.
fn arrivals(case: &Case, done: u64, must: &mut impl FnMut(bool, String)) -> u64 {
    if case.way == Way::Open {
        must(done == RATE * SECS, format!("{done} of {} are counted", RATE * SECS));
        return RATE * SECS;
    }
    // One after the other until the time is over, each as long as its time limit or longer than its pause, if any.
    let least = Duration::from_secs(SECS).div_duration_f64(TIMEOUT + SLACK / 2) as u64;
    // One more may begin in the moment in which the time is over.
    let most = match (case.kinds, case.act) {
        (&["timeout"], _) => Duration::from_secs(SECS).div_duration_f64(TIMEOUT).ceil() as u64 + 1,
        (_, Act::Gone) => SECS * 100,
        _ => u64::MAX / CLOSED,
    };
    let each = CLOSED * least..=CLOSED * most;
    must(each.contains(&done), format!("{done} hits are counted, {each:?} are expected"));
    done
}

/// What the run folder says against what the case must come to.
fn judge(case: &Case, out: &Path, must: &mut impl FnMut(bool, String)) {
    let analysis = analysis(out);
    let total = &analysis["load"]["total"];
    let arrivals = arrivals(case, total["done"].as_u64().expect("a count"), must);
    must(total["response"]["count"] == arrivals, "a response time for each".into());
    let length = Duration::from_nanos(analysis["run"]["nanos"].as_u64().expect("a length"));
    let limit = Duration::from_secs(SECS) + TIMEOUT + SLACK;
    must(length <= limit, format!("the load ended after {length:?}"));
    let slowest = Duration::from_nanos(total["response"]["max"].as_u64().expect("a time"));
    must(slowest <= TIMEOUT + SLACK, format!("a response time of {slowest:?}"));

    let counts = Counts::read(&total["failed"]);
    let fits = counts.all(|kind, _| case.kinds.contains(&kind));
    must(fits, format!("failures {counts:?}, {:?} are expected", case.kinds));
    let least = case.least.min(arrivals);
    must(counts.sum() >= least, format!("{least} failures at least are expected: {counts:?}"));
    // A server whose hits pass takes at least 30 ms: less is the answer to another request, which only an
    // unlucky moment can excuse.
    let median = total["service"]["p50"].as_u64().expect("a time");
    must(least > 0 || median >= 30_000_000, format!("half of the hits have passed within {median} ns"));

    let recording = Recording::open(out).expect("a whole folder");
    must(recording.partial.is_none(), format!("partial: {:?}", recording.partial));
    let periods = recording.read_periods().expect("periods");
    let each_second = periods.iter().take(SECS as usize).all(|p| p.requests.iter().any(|r| r.done() > 0));
    must(each_second && periods.len() >= SECS as usize, "load goes on to the end".into());
    let recorded: u64 = periods.iter().flat_map(|p| &p.requests).map(|r| r.failed_total()).sum();
    must(recorded == counts.sum(), format!("{recorded} failures in the counters of the folder"));
    let example = |kind: &EventKind| match kind {
        EventKind::Failure { kind, detail, .. } => Some((kind.clone(), detail.clone())),
        _ => None,
    };
    let examples: Vec<_> = recording.events.iter().filter_map(|e| example(&e.kind)).collect();
    must(
        counts.all(|kind, _| examples.iter().any(|(k, _)| k == kind)),
        format!("no example of each kind of {counts:?} in {examples:?}"),
    );
    must(
        examples.iter().all(|(_, detail)| case.details.iter().any(|d| detail.contains(d))),
        format!("examples say {examples:?}, expected is {:?}", case.details),
    );
    eprintln!("{}: {counts:?}, e.g. {:?}", case.name, examples.first());
}

#[test]
fn connections_that_end_early() {
    run_all(common::hostile::ENDINGS);
}

#[test]
fn answers_that_break_the_rules() {
    run_all(common::hostile::ANSWERS);
}

#[test]
fn answers_without_end() {
    run_all(common::hostile::ENDLESS);
}

#[test]
fn tls_in_the_wrong_place_and_bad_certificates() {
    run_all(common::hostile::TLS);
}

#[test]
fn connections_and_users_that_fail_go_on() {
    run_all(&common::hostile::CLOSED_CONNECTIONS);
    run_all(&common::hostile::CLOSED_USERS);
}

#[test]
fn http2_connections_and_streams_that_end_early() {
    run_all(common::hostile::HTTP2_ENDINGS);
}

#[test]
fn http2_frames_that_break_the_rules() {
    run_all(common::hostile::HTTP2_FRAMES);
}
