//! Runs against the Go service `tests/targets/chain`: one trace id ties the request that `loadprof run` sent to the
//! spans, log lines, profile labels, statement and kept profile of the four services, PostgreSQL and Redis that it
//! passed through.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;
#[path = "common/databases.rs"]
mod servers;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use loadprof::formats::otlp::{Clocks, Signal, SpanKind};
use loadprof::formats::postgres::activity::sightings;
use loadprof::formats::pprof::{Profile, Sample};
use loadprof::run::databases;
use loadprof::run::reader::{KeptLine, Recording};
use loadprof::spans::{DEFAULT_SPANS, Gather, Trace};
use serde_json::Value;
use servers::{PASSWORD, Server, execute, postgres, redis};

use common::go::ports::{self, free_port};
use common::go::{self, Running};
use common::{finish, loadprof, printed, scenario};

const SERVICES: [&str; 4] = ["front", "orders", "stock", "ledger"];

/// The four services and their databases; all end with it.
struct Chain {
    url: String,
    _child: Running,
    postgres: Server,
    redis: Server,
    /// Log files, and whatever else a test writes.
    dir: tempfile::TempDir,
    otlp: u16,
}

impl Chain {
    fn start() -> Self {
        let (postgres, redis, otlp) = (postgres(false), redis(), free_port());
        let dir = tempfile::tempdir().expect("a scratch folder");
        execute(postgres.port, "test", "CREATE EXTENSION pg_stat_statements");
        let mut chain = Command::new(go::program("chain"));
        chain
            .args(["-otlp", &format!("127.0.0.1:{otlp}")])
            .args(["-postgres", &dsn(&postgres), "-redis", &redis_url(&redis)])
            .arg("-logs")
            .arg(dir.path());
        let (child, url) = go::start(&mut chain);
        Self { url, _child: child, postgres, redis, dir, otlp }
    }

    /// Runs a scenario that begins with its target; its folder.
    fn run(&self, text: &str) -> PathBuf {
        self.run_for(text, Duration::from_secs(90))
    }

    fn run_for(&self, text: &str, limit: Duration) -> PathBuf {
        let out = self.dir.path().join("run");
        let file = scenario(self.dir.path(), text);
        let output = finish(loadprof().arg("run").arg(file).arg("--out").arg(&out).arg("--quiet"), limit);
        assert!(out.join("report.md").is_file(), "{}", printed(&output));
        out
    }

    fn logs(&self, service: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.path().join(format!("{service}.log"))).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn dsn(server: &Server) -> String {
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable", server.port)
}

fn redis_url(server: &Server) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Trace ids of slow hits of the request that is slow by itself.
fn slow(run: &Path) -> Vec<String> {
    let events = fs::read_to_string(run.join("events.jsonl")).expect("events");
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let slow = events
        .filter_map(|event| event["event"].get("slow").cloned())
        .filter(|slow| slow["request"] == "slow");
    slow.map(|slow| text(&slow, "trace_id").to_owned()).collect()
}

/// Traces of the run that are whole: below the generator's request, through all four services and both databases.
fn spans(recording: &Recording) -> HashSet<String> {
    let mut gather = Gather::new(DEFAULT_SPANS);
    let add = |batch: loadprof::formats::otlp::Batch| {
        batch.into_spans().0.iter().for_each(|span| gather.add(span));
    };
    recording.read_otlp(Signal::Traces, add).expect("reads");
    let all = gather.finish();
    let name = |name| &**all.text(name);
    let through_all = |trace: &&Trace| {
        let of = |service: &str, kind| {
            trace.spans.iter().any(|span| name(span.service) == service && span.kind == kind)
        };
        let root = trace.root();
        trace.is_whole()
            && trace.remote_parent.is_some()
            && (name(root.service), root.kind) == ("front", SpanKind::Server)
            && SERVICES.iter().all(|service| of(service, SpanKind::Server))
            // Each has a client's span too: of the next service, of Redis, of PostgreSQL.
            && SERVICES.iter().all(|service| of(service, SpanKind::Client))
            && trace.spans.iter().any(|span| name(span.name) == "incr")
    };
    all.traces.iter().filter(through_all).map(|trace| trace.id.to_string()).collect()
}

/// Ids in the recorded log lines of a service that say the run and the scenario, too.
fn logged(recording: &Recording, service: &str) -> HashSet<String> {
    let mut ids = HashSet::new();
    let each = |line: &KeptLine<'_>| {
        if line.service != service {
            return;
        }
        let line: Value = serde_json::from_str(&line.text).expect("JSON");
        if text(&line, "run") == recording.manifest.run_id && text(&line, "scenario") == "one id, 100 %" {
            ids.insert(text(&line, "trace_id").to_owned());
        }
    };
    recording.log_lines(&Clocks::default(), each).expect("reads");
    ids
}

/// Labels of samples within the services' own code: a connection's goroutines keep those of the request that opened it.
fn labels(profile: &Profile) -> impl Iterator<Item = String> {
    let own = |sample: &&Sample| profile.functions(sample).any(|function| function.starts_with("main."));
    let labels = profile.samples.iter().filter(own).flat_map(|sample| &sample.labels);
    labels.filter(|(key, _)| key == "trace_id").map(|(_, id)| id.clone())
}

fn labelled(recording: &Recording, kind: &str) -> HashSet<String> {
    let profiles = recording.profiles("front", kind);
    assert!(!profiles.is_empty(), "no {kind} profile");
    profiles
        .iter()
        .flat_map(|file| labels(&recording.read_profile(file).expect("decodes")).collect::<Vec<_>>())
        .collect()
}

/// Ids of profiles that were kept in Redis and show their own request at work.
fn kept(run: &Path) -> HashSet<String> {
    let files = fs::read_dir(run.join("profiles/redis/trace")).expect("profiles were fetched");
    let shown = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let id = path.file_name().and_then(|n| n.to_str()?.split('.').nth(1)).expect("an id").to_owned();
        let profile = Profile::decode(&fs::read(&path).expect("readable")).expect("a profile");
        labels(&profile).any(|label| label == id).then_some(id)
    };
    files.filter_map(shown).collect()
}

#[test]
fn one_id_ties_request_spans_lines_labels_statement_and_snapshot() {
    let chain = Chain::start();
    let run = chain.run(&everything(&chain));
    let recording = Recording::open(&run).expect("opens");
    let run_id = recording.manifest.run_id.clone();
    let slow = slow(&run);
    assert!(slow.len() >= 5 && slow.iter().all(|id| id.starts_with(&run_id)), "{slow:?}");
    let database = databases::postgres(&run, "postgres");
    let stated =
        |id: &&String| sightings(&database.activity, id).iter().any(|s| s.query.contains("pg_sleep"));
    let mut links = BTreeMap::from([
        ("spans".to_owned(), spans(&recording)),
        ("goroutine labels".into(), labelled(&recording, "goroutine")),
        ("statement".into(), slow.iter().filter(stated).cloned().collect()),
        ("profile kept in Redis".into(), kept(&run)),
    ]);
    links.extend(SERVICES.map(|service| (format!("lines of {service}"), logged(&recording, service))));
    let mut tied: Vec<&String> = slow.iter().collect();
    for (link, ids) in &links {
        let found = slow.iter().filter(|id| ids.contains(*id)).count();
        eprintln!("{link}: {found} of {} slow requests", slow.len());
        assert!(found * 2 > slow.len(), "{link} is missing of most slow requests");
        tied.retain(|id| ids.contains(*id));
    }
    let id = *tied.first().expect("one slow request is found everywhere");
    eprintln!("{id}: {:#?}", sightings(&database.activity, id).first());
    let cpu = labelled(&recording, "cpu");
    assert!(cpu.iter().any(|id| id.starts_with(&run_id)), "labels of the CPU profile: {cpu:?}");
    nothing_else_of_the_statement_is_kept(&run, id);
    the_service_saw_what_was_sent(&chain, &run, id);
    x_trace_id_alone_is_enough(&chain);
}

/// A long recording of every source, and how long it takes to analyse it: only if `LOADPROF_ANALYSIS` names its seconds.
/// The figures are in `docs/measurements.md`.
#[test]
fn a_long_run_of_every_source_is_analysed_in_time() {
    let Ok(seconds) = std::env::var("LOADPROF_ANALYSIS") else { return };
    let seconds: u64 = seconds.parse().expect("whole seconds");
    let chain = Chain::start();
    // A threshold that cannot hold: the level of the whole run is explained, from all that was recorded.
    let text = everything(&chain)
        .replace("rate = \"10/s\"", "rate = \"100/s\"")
        .replace("for = \"10s\"", &format!("for = \"{seconds}s\""))
        .replace("sampled = 1.0", "sampled = 0.1")
        .replace("weight = 4\n", "weight = 40\nthresholds = { p95 = \"1us\" }\n")
        // A few bad seconds of the machine are no anomaly here: they would be judged instead of the whole.
        + &format!(
            "[[evidence.process]]\nservice = \"front\"\npid = {}\n[detect]\nperiods = 100\n",
            chain._child.0.id()
        );
    let run = chain.run_for(&text, Duration::from_secs(seconds + 120));
    let began = std::time::Instant::now();
    let output = finish(loadprof().arg("analyze").arg(&run), Duration::from_secs(300));
    let took = began.elapsed();
    let a = common::analysis(&run);
    let snapshots = a["breakdown"]["judged"]["snapshots"].as_u64().unwrap_or(0);
    let traces = a["spans"]["traces"].as_u64().unwrap_or(0);
    if let Ok(keep) = std::env::var("LOADPROF_KEEP") {
        fs::rename(&run, keep).expect("kept");
    }
    eprintln!(
        "{seconds} s: {snapshots} snapshots, {traces} traces, verdict {}, analysed in {took:?}",
        a["verdict"]
    );
    assert!(snapshots > 2 * seconds && traces > seconds, "{}", printed(&output));
    assert!(took.as_secs_f64() * 600.0 / seconds as f64 <= 5.0, "{took:?}");
}

fn everything(chain: &Chain) -> String {
    let logs =
        SERVICES.map(|s| format!("[[evidence.logs]]\nservice = \"{s}\"\nfiles = \"{s}.log\"\n")).concat();
    format!(
        "name = \"one id, 100 %\"\n[target]\nurl = \"{url}\"\nheaders = {{ tracestate = \"shop=1\" }}\n\
         trace-headers = [\"x-trace-id\", \"baggage\"]\n[load]\nsampled = 1.0\nwarm-up = \"1s\"\n\
         [load.constant-arrival-rate]\nrate = \"10/s\"\nfor = \"10s\"\n\
         [[request]]\nname = \"quick\"\nget = \"/checkout?item=7\"\nweight = 4\n\
         [[request]]\nname = \"slow\"\nget = \"/checkout?item=10\"\n\
         [[evidence.otlp]]\ngrpc = \"127.0.0.1:{otlp}\"\n\
         [[evidence.go-pprof]]\nservice = \"front\"\nurl = \"/debug/pprof\"\ncpu-window = \"2s\"\n\
         [[evidence.prometheus]]\nservice = \"front\"\nurl = \"/metrics\"\n\
         [[evidence.postgres]]\nservice = \"postgres\"\ndsn = \"{dsn}\"\n\
         [[evidence.redis]]\nservice = \"redis\"\nurl = \"{redis}\"\nsnapshots = true\n{logs}",
        url = chain.url,
        otlp = chain.otlp,
        dsn = dsn(&chain.postgres),
        redis = redis_url(&chain.redis),
    )
}

fn nothing_else_of_the_statement_is_kept(run: &Path, id: &str) {
    let mut found = false;
    for entry in fs::read_dir(run.join("db/postgres")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("text");
        found |= text.contains(id);
        for never in ["note-for-nobody", "traceparent", "tracestate", PASSWORD] {
            assert!(!text.contains(never), "{never} is in {}", path.display());
        }
    }
    assert!(found);
}

fn the_service_saw_what_was_sent(chain: &Chain, run: &Path, id: &str) {
    let lines = chain.logs("front");
    let accepted =
        lines.iter().find(|l| l["msg"] == "request accepted" && l["trace_id"] == id).expect("a line");
    assert_eq!((text(accepted, "x_trace_id"), text(accepted, "protocol")), (id, "HTTP/1.1"));
    let spans = fs::read_to_string(run.join("otlp/traces.jsonl")).expect("spans");
    assert!(spans.contains("\"traceState\":\"shop=1\""), "tracestate went through");
    let scrapes = fs::read_dir(run.join("metrics/front")).expect("a folder");
    let exemplar = format!("trace_id=\"{}", &id[..16]);
    let shown = scrapes.filter(|e| {
        let path = e.as_ref().expect("an entry").path();
        fs::read_to_string(path).expect("text").contains(&exemplar)
    });
    assert!(shown.count() > 0, "no exemplar of the run in the metrics");
}

/// As the seed's services ask for it: the id of a request without `traceparent` is answered and passed on.
fn x_trace_id_alone_is_enough(chain: &Chain) {
    let (uuid, id) = ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736");
    let address = chain.url.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a setting");
    let head = format!(
        "GET /checkout?item=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Trace-ID: {uuid}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 200")
            && answer.to_lowercase().contains(&format!("x-trace-id: {id}\r\n"))
    );
    for service in SERVICES {
        assert!(chain.logs(service).iter().any(|line| line["trace_id"] == id), "{service} does not know it");
    }
}

#[test]
fn virtual_users_tell_every_step_over_http2() {
    let chain = Chain::start();
    let run = chain.run(&format!(
        "name = \"users\"\n[target]\nurl = \"{}\"\nhttp-version = \"2\"\ntrace-headers = [\"x-trace-id\", \"baggage\"]\n\
         [load.constant-vus]\nvus = 2\nfor = \"3s\"\n[[journey]]\nname = \"buy\"\n\
         [[journey.step]]\nget = \"/checkout?item=1\"\n[[journey.step]]\nname = \"again\"\nget = \"/checkout?item=${{seq}}1\"\n",
        chain.url
    ));
    let recording = Recording::open(&run).expect("opens");
    let (run_id, total) = (&recording.manifest.run_id, &common::analysis(&run)["load"]["total"]);
    let sent = |line: &&Value| text(line, "trace_id").starts_with(run_id.as_str());
    let front = chain.logs("front");
    let accepted: Vec<_> = front.iter().filter(|l| l["msg"] == "request accepted").filter(sent).collect();
    let passed = total["passed"].as_u64().expect("a count");
    assert!(accepted.len() > 20 && accepted.len() as u64 >= passed, "{} of {total}", accepted.len());
    assert!(accepted.iter().all(|l| l["x_trace_id"] == l["trace_id"] && l["protocol"] == "HTTP/2.0"));
    let ids: HashSet<_> = accepted.iter().map(|line| text(line, "trace_id")).collect();
    assert_eq!(ids.len(), accepted.len(), "each step has an id of its own");
    // Through gin, echo and two gRPC services.
    let ledger = chain.logs("ledger");
    let done: Vec<_> = ledger.iter().filter(sent).collect();
    assert!(!done.is_empty() && done.iter().all(|l| text(l, "run") == run_id && l["scenario"] == "users"));
}
