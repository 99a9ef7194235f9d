//! A thousand mutations of real files per codec on every test run; `docs/fuzzing.md` has the long hunt.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

// The checks are shared with the fuzz targets, which name the codecs by the same paths.
use loadprof::{formats, time};
#[expect(unreachable_pub, reason = "public in the fuzz crate")]
#[path = "../fuzz/src/checks.rs"]
mod checks;
#[expect(unreachable_pub, reason = "public in the fuzz crate")]
#[path = "../fuzz/src/text_checks.rs"]
mod text_checks;

const CASES: u32 = 1000;

fn data(rel: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(rel);
    std::fs::read(&path).expect("the file is committed")
}

fn unzipped(rel: &str) -> Vec<u8> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&data(rel)[..]).read_to_end(&mut plain).expect("a gzip file");
    plain
}

const OTLP: [(formats::otlp::Signal, &str); 3] = [
    (formats::otlp::Signal::Traces, "otlp/trace.json"),
    (formats::otlp::Signal::Logs, "otlp/logs.json"),
    (formats::otlp::Signal::Metrics, "otlp/metrics.json"),
];

/// A request as JSON or as protobuf.
fn otlp_file((signal, rel): (formats::otlp::Signal, &str), packed: bool) -> Vec<u8> {
    use formats::otlp::{Batch, Encoding};
    let json = data(rel);
    if !packed {
        return json;
    }
    Batch::decode(signal, Encoding::Json, &json).expect("a request").encode(Encoding::Protobuf)
}

/// One edit of a file.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Cut(Index),
    Drop(Index, u8),
    Repeat(Index, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, b)| Edit::Set(at, b)),
        1 => any::<Index>().prop_map(Edit::Cut),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, n)| Edit::Drop(at, n)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, n)| Edit::Repeat(at, n)),
    ];
    prop::collection::vec(edit, 1..8)
}

fn apply(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        if bytes.is_empty() {
            break;
        }
        let end = |at: usize, n: u8| (at + usize::from(n)).min(bytes.len());
        match *edit {
            Edit::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Edit::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Edit::Drop(at, n) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, n));
            }
            Edit::Repeat(at, n) => {
                let at = at.index(bytes.len());
                let part = bytes[at..end(at, n)].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn pprof(edits in edits(), zipped in any::<bool>()) {
        let file = "pprof/goroutine.pb.gz";
        checks::pprof(&apply(if zipped { data(file) } else { unzipped(file) }, &edits));
    }

    #[test]
    fn openmetrics(edits in edits()) {
        checks::openmetrics(&apply(data("run-v1/metrics/shop/000000100000000.om"), &edits));
    }

    #[test]
    fn openmetrics_protobuf(edits in edits()) {
        checks::openmetrics_protobuf(&apply(data("prometheus/page.pb"), &edits));
    }

    #[test]
    fn expvar(edits in edits()) {
        checks::expvar(&apply(data("prometheus/expvar.json"), &edits));
    }

    #[test]
    fn promql(edits in edits()) {
        checks::promql(&apply(data("prometheus/answer.json"), &edits));
    }

    #[test]
    fn otlp(edits in edits(), file in prop::sample::select(OTLP.to_vec()), packed in any::<bool>()) {
        checks::otlp(&apply(otlp_file(file, packed), &edits));
    }

    #[test]
    fn hlog(edits in edits()) {
        checks::hlog(&apply(data("run-v1/load/latency.hlog"), &edits));
    }

    #[test]
    fn gotrace(edits in edits(), old in any::<bool>(), quiet in any::<bool>()) {
        let (release, kind) = (if old { "1.22" } else { "1.26" }, if quiet { "quiet" } else { "busy" });
        checks::gotrace(&apply(data(&format!("gotrace/go{release}-{kind}.trace")), &edits));
    }

    #[test]
    fn postgres_plan(edits in edits()) {
        checks::postgres_plan(&apply(data("databases/plan.json"), &edits));
    }

    #[test]
    fn postgres_statement(edits in edits()) {
        checks::postgres_statement(&apply(data("databases/statements.sql"), &edits));
    }

    #[test]
    fn database_lines(edits in edits(), file in 0_usize..4) {
        let files = ["statements.jsonl", "activity.jsonl", "info.jsonl", "histograms.jsonl"];
        checks::database_lines(&apply(data(&format!("databases/{}", files[file])), &edits));
    }
}

const LOG_LINES: [&str; 5] = ["slog", "pino", "logfmt", "plain", "lines"];
const KERNEL: [&str; 7] = ["cgroup", "cpu.max", "cpu.stat", "netstat", "pressure", "snmp", "tcp"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn log_line(edits in edits(), file in prop::sample::select(LOG_LINES.to_vec())) {
        text_checks::log_line(&apply(data(&format!("logline/{file}.txt")), &edits));
    }

    #[test]
    fn kernel_text(edits in edits(), file in prop::sample::select(KERNEL.to_vec())) {
        text_checks::kernel(&apply(data(&format!("kernel/{file}.txt")), &edits));
    }

    #[test]
    fn kernel_answer(edits in edits()) {
        text_checks::kernel(&apply(data("kernel/sock-diag.bin"), &edits));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Significant digits, range and counts as they come, around the values that are allowed.
    #[test]
    fn histograms(
        digits in 0u32..7,
        low in prop_oneof![Just(1u64), 1..9u64, any::<u64>()],
        high in prop_oneof![2..5000u64, any::<u64>()],
        counts in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut inside = 0u32.to_be_bytes().to_vec();
        inside.extend(digits.to_be_bytes());
        inside.extend(low.to_be_bytes());
        inside.extend(high.to_be_bytes());
        inside.extend(1f64.to_be_bytes());
        inside.extend(counts);
        checks::hlog(&inside);
    }
}

#[test]
fn the_checks_see_whole_files() {
    checks::pprof(&data("pprof/cpu-1.pb.gz"));
    checks::openmetrics(&data("run-v1/metrics/shop/000000100000000.om"));
    checks::hlog(&data("run-v1/load/latency.hlog"));
    for release in ["1.22", "1.26"] {
        for (kind, generations) in [("quiet", 2), ("busy", 1)] {
            let bytes = data(&format!("gotrace/go{release}-{kind}.trace"));
            checks::gotrace(&bytes);
            let reading = formats::gotrace::Summary::read(&bytes).expect("a trace").reading().clone();
            assert_eq!((reading.generations, reading.ending), (generations, formats::gotrace::Ending::Whole));
        }
    }
    for file in OTLP {
        checks::otlp(&otlp_file(file, false));
        checks::otlp(&otlp_file(file, true));
    }
    checks::postgres_plan(&data("databases/plan.json"));
    checks::postgres_statement(&data("databases/statements.sql"));
    LOG_LINES.iter().for_each(|file| text_checks::log_line(&data(&format!("logline/{file}.txt"))));
    KERNEL.iter().for_each(|file| text_checks::kernel(&data(&format!("kernel/{file}.txt"))));
}
