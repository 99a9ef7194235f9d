//! Figures of pprof profiles against `go tool pprof` on the same files: a Go program writes every kind there
//! is, and tables, filters, differences, traces, callers, labels and re-encoded files have to be equal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use loadprof::formats::pprof::{
    Base, Filter, Layout, Line, Location, Number, Order, Peek, Profile, Sample, Symbol, Table, Trace, delta,
    diff, label, merge, percentage, went_back,
};

const KINDS: [&str; 8] = ["cpu", "heap", "allocs", "goroutine", "mutex", "block", "threadcreate", "handles"];

/// Folder with `<kind>-1.pb.gz` and `<kind>-2.pb.gz`, made once per test binary.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profiles");
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("program");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/profiles");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(".").current_dir(source);
        build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod");
        assert!(build.status().expect("go is on PATH: tests/run installs it").success(), "it does not build");
        assert!(Command::new(program).arg(&folder).status().expect("it starts").success(), "it fails");
        folder
    })
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.pb.gz"))
}

/// Writes a profile that no Go process writes, for the tool and this crate to read.
fn written(name: &'static str, profile: &Profile) -> &'static str {
    std::fs::write(path(name), profile.encode()).expect("written");
    name
}

fn profile(name: &str) -> Profile {
    Profile::decode(&std::fs::read(path(name)).expect("it was written")).expect("a profile")
}

/// What `go tool pprof` starts; started without `go`, it takes a tenth of the time.
fn tool_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // `-n` only tells where the tool would be: another call has to build it first.
        let help = Command::new("go").args(["tool", "pprof", "-help"]).env("GOTOOLCHAIN", "local").output();
        help.expect("go is on PATH");
        let mut go = Command::new("go");
        let output =
            go.args(["tool", "-n", "pprof"]).env("GOTOOLCHAIN", "local").output().expect("go is on PATH");
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
    })
}

/// Lines of `go tool pprof`, blanks made one, from the first that `begins` so; marks of inlined calls kept.
fn tool(args: &[String], files: &[PathBuf], begins: &str) -> Vec<String> {
    let mut command = Command::new(tool_binary());
    // Names stay as they are in the file: the tool would shorten those that look like C++.
    command.arg("-symbolize=none").args(args).args(files).env("PPROF_TMPDIR", folder());
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> = lines.filter(|l| !l.is_empty()).skip_while(|l| !l.starts_with(begins)).collect();
    assert!(!lines.is_empty(), "{args:?} prints a table");
    lines
}

/// What the tool and this crate are both asked.
#[derive(Clone, Default)]
struct Question {
    files: Vec<&'static str>,
    base: Option<(Base, &'static str)>,
    normalize: bool,
    sample_index: &'static str,
    filters: Vec<(&'static str, &'static str)>,
    layout: Option<Layout>,
}

const ALL: Layout = Layout { order: Order::Flat, node_fraction: 0.0, node_count: 0 };

impl Question {
    fn of(file: &'static str) -> Self {
        Self { files: vec![file], ..Self::default() }
    }

    fn index(self, sample_index: &'static str) -> Self {
        Self { sample_index, ..self }
    }

    fn filter(mut self, option: &'static str, text: &'static str) -> Self {
        self.filters.push((option, text));
        self
    }

    fn less(self, how: Base, base: &'static str) -> Self {
        Self { base: Some((how, base)), ..self }
    }

    fn normalized(self) -> Self {
        Self { normalize: true, ..self }
    }

    fn layout(self, layout: Layout) -> Self {
        Self { layout: Some(layout), ..self }
    }

    /// The values in which nothing is rounded.
    fn unit(&self) -> String {
        let profile = profile(self.files[0]);
        let unit = &profile.sample_types[profile.sample_index(self.sample_index).expect("known")].unit;
        unit.clone()
    }

    fn args(&self, view: &[&str]) -> Vec<String> {
        let mut args: Vec<String> = view.iter().map(|&v| v.to_owned()).collect();
        args.extend([format!("-sample_index={}", self.sample_index), format!("-unit={}", self.unit())]);
        args.extend(self.filters.iter().map(|(option, text)| format!("-{option}={text}")));
        if let Some((how, base)) = self.base {
            let option = if how == Base::Subtracted { "base" } else { "diff_base" };
            args.push(format!("-{option}={}", path(base).display()));
        }
        if self.normalize {
            args.push("-normalize".to_owned());
        }
        let layout = self.layout.unwrap_or(ALL);
        args.push(format!("-nodefraction={}", layout.node_fraction));
        args.push(format!("-nodecount={}", if layout.node_count == 0 { 100_000 } else { layout.node_count }));
        args.push(if layout.order == Order::Cum { "-cum" } else { "-flat" }.to_owned());
        args
    }

    fn tool(&self, view: &[&str], begins: &str) -> Vec<String> {
        let files: Vec<PathBuf> = self.files.iter().map(|f| path(f)).collect();
        tool(&self.args(view), &files, begins)
    }

    /// The profile before and after the filters.
    fn own(&self) -> (Profile, Profile) {
        let files: Vec<Profile> = self.files.iter().map(|f| profile(f)).collect();
        let all = if files.len() == 1 { files[0].clone() } else { merge(&files).expect("of one kind") };
        let all = match self.base {
            Some((how, base)) => diff(&all, &profile(base), how, self.normalize).expect("of one kind"),
            None => all,
        };
        let all = all.pruned().expect("expressions");
        let left = all.filtered(&Filter::of(self.filters.iter().copied()).expect("filters"));
        (all, left)
    }

    /// Holds the table against the tool's; the number of rows.
    fn check(&self) -> usize {
        let (all, left) = self.own();
        let index = all.sample_index(self.sample_index).expect("known");
        let layout = self.layout.unwrap_or(ALL);
        let table = left.table(index, all.reference_total(index), &layout);
        let theirs = self.tool(&["-top"], "Showing nodes");
        let theirs: Vec<&str> = theirs.iter().map(|l| without_mark(l)).collect();
        assert_eq!(table_lines(&table, &self.unit(), &layout), theirs, "{:?}", self.args(&[]));
        table.rows.len()
    }
}

fn without_mark(line: &str) -> &str {
    line.trim_end_matches(" (inline)").trim_end_matches(" (partial-inline)")
}

/// A table as the tool prints it.
fn table_lines(table: &Table, unit: &str, layout: &Layout) -> Vec<String> {
    let value = |v| label(v, unit, unit);
    let share = |v| percentage(v, table.total);
    let (shown, total) = (value(table.shown), value(table.total));
    let mut lines =
        vec![format!("Showing nodes accounting for {shown}, {} of {total} total", share(table.shown))];
    if table.dropped > 0 && table.total != 0 {
        let plural = if table.dropped > 1 { "s" } else { "" };
        lines.push(format!("Dropped {} node{plural} (cum <= {})", table.dropped, value(table.dropped_below)));
    }
    if (1..table.functions).contains(&layout.node_count) {
        lines.push(format!("Showing top {} nodes out of {}", layout.node_count, table.functions));
    }
    lines.push("flat flat% sum% cum cum%".to_owned());
    let mut sum = 0;
    for row in &table.rows {
        sum += row.flat;
        let (flat, cum) = (value(row.flat), value(row.cum));
        let shares = (share(row.flat), share(sum), share(row.cum));
        lines.push(format!("{flat} {} {} {cum} {} {}", shares.0, shares.1, shares.2, row.function));
    }
    lines
}

#[test]
fn tables_of_every_kind() {
    for kind in KINDS {
        let file: &'static str = format!("{kind}-1").leak();
        let rows = Question::of(file).check();
        assert!(rows >= if kind == "threadcreate" { 1 } else { 3 }, "{kind}: {rows} rows");
        Question::of(file).layout(Layout { order: Order::Cum, ..Layout::default() }).check();
    }
    assert!(Question::of("cpu-1").layout(Layout { node_count: 5, ..Layout::default() }).check() == 5);
}

#[test]
fn values_by_sample_index() {
    for (file, index) in [
        ("cpu-1", "samples"),
        ("cpu-1", "0"),
        ("heap-2", "alloc_space"),
        ("heap-2", "inuse_objects"),
        ("allocs-2", "alloc_objects"),
        ("mutex-1", "contentions"),
    ] {
        Question::of(file).index(index).check();
    }
}

#[test]
fn filters_of_frames() {
    let cpu = || Question::of("cpu-1");
    for question in [
        cpu().filter("focus", "reload"),
        cpu().filter("ignore", r"main\.(fib|text)"),
        cpu().filter("focus", "serve").filter("ignore", "strconv").filter("hide", "^runtime"),
        cpu().filter("hide", "main.square$|sort"),
        cpu().filter("show", r"main\.|slices/"),
        cpu().filter("show_from", "func1$"),
        cpu().filter("show_from", "main.squares?$"),
        cpu().filter("prune_from", "main.(text|squares)"),
        cpu().filter("focus", "profiles$").filter("hide", "proc.go"),
        cpu().filter("focus", "main.text").layout(Layout { node_fraction: 0.05, ..ALL }),
        Question::of("goroutine-1").filter("hide", "gopark").filter("show_from", "pprof"),
        Question::of("block-2").filter("focus", r"store\)\.size").filter("hide", "vdso|sync"),
        cpu().less(Base::Compared, "cpu-2").filter("focus", "fib"),
    ] {
        question.check();
    }
}

#[test]
fn filters_of_labels() {
    for question in [
        Question::of("cpu-1").filter("tagfocus", "endpoint=^/fib$"),
        Question::of("cpu-1").filter("tagfocus", "endpoint:/(fib|squares)"),
        Question::of("cpu-1").filter("tagfocus", "endpoint:/re,trace:[0-2]"),
        Question::of("cpu-1").filter("tagfocus", "endpoint=fib,squares").filter("tagignore", "trace=x|4"),
        Question::of("cpu-1").filter("tagignore", "endpoint=reload"),
        Question::of("goroutine-2").filter("tagfocus", "endpoint=/wait"),
        Question::of("heap-2").filter("tagfocus", "bytes=1kb:8kb"),
        Question::of("heap-2").filter("tagfocus", "4kb:"),
        Question::of("heap-2").filter("tagignore", "bytes=:112b"),
        Question::of("heap-2").filter("tagfocus", "bytes=72kb"),
    ] {
        assert!(question.check() > 0, "{:?}", question.filters);
    }
    assert_eq!(
        Question::of("cpu-1").filter("tagfocus", "7:9").check(),
        0,
        "a range of numbers, and none here"
    );
}

#[test]
fn sums_and_differences() {
    let two = Question { files: vec!["cpu-1", "cpu-2"], ..Question::default() };
    let default = Layout::default();
    for question in [
        two.clone(),
        two.less(Base::Compared, "cpu-2"),
        Question::of("cpu-2").less(Base::Compared, "cpu-1"),
        Question::of("cpu-2").less(Base::Compared, "cpu-1").layout(default),
        Question::of("cpu-2").less(Base::Subtracted, "cpu-1"),
        Question::of("cpu-2").less(Base::Subtracted, "cpu-1").normalized(),
        Question::of("mutex-2").less(Base::Compared, "mutex-1").normalized(),
        Question::of("mutex-2").less(Base::Subtracted, "mutex-1").layout(default),
        Question::of("heap-2").less(Base::Compared, "heap-1"),
        Question::of("heap-2").less(Base::Subtracted, "heap-1").index("alloc_space").layout(default),
        Question::of("goroutine-2").less(Base::Compared, "goroutine-1"),
    ] {
        question.check();
    }
}

#[test]
fn deltas_of_cumulative_profiles() {
    for kind in ["mutex", "block", "allocs", "heap"] {
        let (earlier, later) = (profile(&format!("{kind}-1")), profile(&format!("{kind}-2")));
        let between = delta(&later, &earlier).expect("of one kind");
        let tool = diff(&later, &earlier, Base::Subtracted, false).expect("of one kind");
        assert_eq!(between.samples, tool.samples, "{kind}: `-base`, which the tool is asked for above");
        assert!(!went_back(&between), "{kind} of one process grows");
        assert!(went_back(&delta(&earlier, &later).expect("of one kind")), "{kind}: the wrong way round");
        assert_eq!(between.duration_nanos, later.time_nanos - earlier.time_nanos);
    }
}

/// One line for each key. The tool sorts the lines as printed, with keys flush right.
fn label_lines<'a>(labels: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    labels.for_each(|(key, value)| by_key.entry(format!("{key:>10}")).or_default().push(value));
    by_key.into_iter().map(|(key, values)| format!("{}: {}", key.trim_start(), values.join(" "))).collect()
}

/// Traces as the tool prints them, each as lines.
fn trace_lines<'a>(profile: &'a Profile, traces: impl Iterator<Item = Trace<'a>>, unit: &str) -> Vec<String> {
    let units = profile.number_units();
    let mut lines = Vec::new();
    for trace in traces {
        lines.push("-----------+-------------------------------------------------------".to_owned());
        let labels = trace.labels.iter().map(|(k, v)| (k.as_str(), v.clone()));
        lines.extend(label_lines(labels));
        let numbers = trace.numbers.iter().map(|n| (n.key.as_str(), label(n.value, &units[&n.key], "auto")));
        lines.extend(label_lines(numbers));
        for (depth, frame) in trace.frames.iter().enumerate() {
            let value =
                if depth == 0 { format!("{} ", label(trace.value, unit, unit)) } else { String::new() };
            let mark = if frame.inlined { " (inline)" } else { "" };
            lines.push(format!("{value}{}{mark}", frame.function));
        }
    }
    lines.push("-----------+-------------------------------------------------------".to_owned());
    lines
}

#[test]
fn traces() {
    for question in [
        Question::of("cpu-1"),
        Question::of("heap-2"),
        Question::of("cpu-2").less(Base::Compared, "cpu-1"),
        Question::of("mutex-2").less(Base::Subtracted, "mutex-1"),
        Question::of("cpu-1").filter("hide", "^runtime").filter("taghide", "trace"),
    ] {
        let (_, left) = question.own();
        let index = left.sample_index(question.sample_index).expect("known");
        let own = trace_lines(&left, left.traces(index), &question.unit());
        assert_eq!(own, question.tool(&["-traces"], "----"), "{:?}", question.args(&[]));
    }
}

fn peek_lines(peek: &Peek, total: i64, unit: &str) -> Vec<String> {
    let value = |v| label(v, unit, unit);
    let mark = |inlined: bool| if inlined { " (inline)" } else { "" };
    let call = |c: &loadprof::formats::pprof::Call| {
        let share = percentage(c.value, peek.own.cum);
        format!("{} {share} | {}{}", value(c.value), c.function, mark(c.inlined))
    };
    let mut lines: Vec<String> = peek.callers.iter().map(call).collect();
    let (flat, cum) = (peek.own.flat, peek.own.cum);
    let (own, of_total) = (percentage(flat, total), percentage(cum, total));
    lines.push(format!("{} {own} {own} {} {of_total} | {}", value(flat), value(cum), peek.own.function));
    lines.extend(peek.callees.iter().map(call));
    lines
}

#[test]
fn callers_and_callees() {
    let cpu = Question::of("cpu-1");
    for function in ["main.fib", "main.squares", "main.(*store).serve.func1"] {
        let (all, _) = cpu.own();
        let index = all.default_index();
        let peek = all.peek(index, function).expect("it ran");
        let exact = format!("-peek=^{}$", function.replace(['(', ')', '*', '.'], "."));
        let theirs = cpu.tool(&[&exact], "flat flat%");
        let theirs: Vec<&String> = theirs.iter().skip(1).filter(|l| !l.starts_with("---")).collect();
        let own = peek_lines(&peek, all.reference_total(index), "nanoseconds");
        assert_eq!(own.iter().collect::<Vec<_>>(), theirs);
    }
}

#[test]
fn parts_by_label() {
    let (cpu, _) = Question::of("cpu-1").own();
    let (index, total) = (cpu.default_index(), cpu.reference_total(cpu.default_index()));
    // The tool sets its percentages in columns: "( 8.70%)".
    let theirs = Question::of("cpu-1").tool(&["-tags"], "endpoint:");
    let theirs: Vec<String> = theirs.iter().map(|line| line.replace("( ", "(")).collect();
    for key in ["endpoint", "trace"] {
        let parts = cpu.by_label(key);
        assert!(parts.len() >= 3, "{key}");
        for (value, samples) in parts {
            let part = cpu.part(&samples);
            let sum = part.total(index);
            assert!(part.locations.len() <= cpu.locations.len());
            let Some(value) = value else { continue };
            let line =
                format!("{} ({}): {value}", label(sum, "nanoseconds", "nanoseconds"), percentage(sum, total));
            assert!(theirs.contains(&line), "{line}: {theirs:?}");
            let only = format!("{key}=^{value}$");
            let focused = cpu.filtered(&Filter::of([("tagfocus", only.as_str())]).expect("a filter"));
            assert_eq!(part.top(index), focused.top(index));
        }
    }
}

#[test]
fn files_written_again_show_the_same() {
    for kind in KINDS {
        // Everything in the file: samples, labels, places, binaries, times.
        let raw = |name: &str| tool(&["-raw".to_owned()], &[path(name)], "PeriodType");
        let name = format!("{kind}-2");
        assert_eq!(raw(written("again", &profile(&name))), raw(&name), "{kind}");
    }
    let two = [profile("heap-1"), profile("heap-2")];
    let merged = path(written("merged", &merge(&two).expect("of one kind")));
    let traces = |files: &[PathBuf]| tool(&["-traces".to_owned(), "-unit=bytes".to_owned()], files, "----");
    assert_eq!(traces(&[merged]), traces(&[path("heap-1"), path("heap-2")]));
    let compared = diff(&two[1], &two[0], Base::Compared, false).expect("of one kind");
    let top = |args: &[String], file| tool(args, &[file], "Showing nodes");
    let base = format!("-diff_base={}", path("heap-1").display());
    let theirs = top(&["-top".to_owned(), base], path("heap-2"));
    assert_eq!(top(&["-top".to_owned()], path(written("compared", &compared))), theirs);
}

/// Places that Go has none of: without functions, with several inlined ones, under names with arguments.
fn odd() -> Profile {
    let mut odd = profile("cpu-1");
    odd.drop_frames = r"work|.*::operator\(\)|leaf.*|main".to_owned();
    odd.keep_frames = "leaf_kept".to_owned();
    let file = "odd.cc".to_owned();
    let names = [
        ".work(int)",
        "(anonymous namespace)::Job::run(int)",
        "a::b::Call::operator()(char)",
        "leaf_kept",
        "leaf",
        "main",
        "",
    ];
    odd.symbols = names
        .map(|n| Symbol { name: n.to_owned(), system_name: n.to_owned(), file: file.clone(), start_line: 1 })
        .into();
    let at = |lines: &[u32], mapping, address| Location {
        mapping,
        address,
        lines: lines.iter().map(|&symbol| Line { symbol, line: 7, column: 3 }).collect(),
        folded: address == 0x40_1000,
    };
    odd.locations = vec![
        at(&[0], Some(0), 0x40_1000),
        at(&[4, 1, 3], Some(0), 0x40_1001),
        at(&[3, 2, 1], Some(0), 0x40_1002),
        at(&[], Some(0), 0x40_1003),
        at(&[], None, 0x99),
        at(&[5], Some(0), 0x40_1004),
        at(&[6], Some(1), 0x40_1005),
        at(&[1], Some(0), 0x40_1006),
        at(&[1], Some(0), 0x40_1007),
    ];
    let number = |key: &str, value, unit: &str| Number { key: key.into(), value, unit: unit.into() };
    let sample = |stack: &[u32], value: i64| Sample {
        stack: stack.to_vec(),
        values: vec![value, value * 10],
        labels: vec![("b".into(), "2".into()), ("a".into(), value.to_string()), ("b".into(), "1".into())],
        numbers: vec![number("wait", value, "ms"), number("request", 4096, ""), number("wait", 1, "ms")],
    };
    odd.samples = vec![
        sample(&[0, 7, 5], 1),
        sample(&[0, 8, 5], -2),
        sample(&[4, 1, 8, 5], 4),
        sample(&[3, 2, 7, 5], 8),
        sample(&[3, 6], 16),
        sample(&[5, 0, 5], 32),
        sample(&[], 64),
        sample(&[7, 1, 2, 1, 8], -128),
        sample(&[7, 4, 8], 0),
    ];
    odd
}

/// The same program, elsewhere in memory and with other values.
fn odd_moved() -> Profile {
    let mut moved = odd();
    moved.mappings[0].start += 0x7000;
    moved.mappings[0].limit += 0x7000;
    moved.locations.iter_mut().filter(|l| l.mapping == Some(0)).for_each(|l| l.address += 0x7000);
    moved.samples.iter_mut().for_each(|s| s.values.iter_mut().for_each(|v| *v *= 3));
    moved.samples.remove(3);
    moved
}

#[test]
fn profiles_that_go_does_not_write() {
    let (one, two) = (written("odd", &odd()), written("odd-moved", &odd_moved()));
    let ask = || Question::of(one);
    for question in [
        ask(),
        ask().filter("focus", "Job"),
        ask().filter("focus", "/program$").filter("ignore", "leaf_kept"),
        ask().filter("hide", "leaf_kept|Call"),
        ask().filter("show", "Job|work"),
        ask().filter("show_from", "Job"),
        ask().filter("show_from", "/program$"),
        ask().filter("prune_from", "Job::run"),
        ask().filter("prune_from", "^leaf_kept$").filter("hide", "nothing"),
        ask().filter("tagfocus", "wait=:8ms"),
        ask().filter("tagfocus", "wait=8000us:1s"),
        ask().filter("tagignore", "request=4kb"),
        ask().filter("tagfocus", "b:2,a:[1-4]"),
        Question { files: vec![one, two], ..Question::default() },
        ask().less(Base::Compared, two),
        ask().less(Base::Subtracted, two),
        ask().less(Base::Subtracted, two).normalized(),
    ] {
        question.check();
        let (_, left) = question.own();
        let own = trace_lines(&left, left.traces(left.default_index()), "nanoseconds");
        assert_eq!(own, question.tool(&["-traces"], "----"), "{:?}", question.args(&[]));
    }
}
