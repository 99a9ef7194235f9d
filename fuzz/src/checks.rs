//! What must hold for any bytes. Used by the fuzz targets and, on mutated real files, by `tests/fuzz_smoke.rs`.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::formats::{expvar, gotrace, hlog, openmetrics, otlp, postgres, pprof, promql, redis};
use crate::time::{RunTime, Window};

/// A profile that decodes keeps everything through the encoder; its views agree with its total and with each
/// other; filters and pruning only take away.
pub fn pprof(bytes: &[u8]) {
    let Ok(profile) = pprof::Profile::decode(bytes) else { return };
    let again = pprof::Profile::decode(&profile.encode()).expect("an encoded profile decodes");
    assert_eq!(again, profile);
    let values = || profile.samples.iter().flat_map(|s| &s.values);
    // Sums of larger ones may saturate, and then depend on their order.
    let exact = values().all(|v| v.unsigned_abs() < 1 << 40);
    for index in 0..profile.sample_types.len() {
        pprof_views(&profile, index, exact);
    }
    let merged = pprof::merge([&profile]).expect("of one kind");
    let difference = pprof::delta(&profile, &profile).expect("of one kind");
    drop(pprof::diff(&profile, &merged, pprof::Base::Compared, true).expect("of one kind"));
    if exact {
        let totals = |p: &pprof::Profile| (0..p.sample_types.len()).map(|i| p.total(i)).collect::<Vec<_>>();
        assert_eq!(totals(&merged), totals(&profile));
        assert!(difference.samples.is_empty(), "nothing lies between a profile and itself");
    }
    pprof_cuts(&profile);
}

fn pprof_views(profile: &pprof::Profile, index: usize, exact: bool) {
    let folded = profile.fold(index, |_| true);
    assert!(folded.iter().all(|(stack, _)| !stack.contains([' ', '\n'])));
    let with_frames = profile.samples.iter().filter(|s| !s.stack.is_empty());
    assert_eq!(profile.traces(index).count(), with_frames.clone().count());
    let total = profile.reference_total(index);
    let top = profile.top(index);
    let table = profile.table(index, total, &pprof::Layout::default());
    assert_eq!(table.rows.len() + table.dropped, top.len());
    if exact {
        let flat: i64 = top.iter().map(|t| t.flat).sum();
        assert_eq!(flat, with_frames.map(|s| s.values[index]).sum::<i64>());
        if let Some(first) = top.first() {
            assert_eq!(profile.peek(index, &first.function).map(|p| p.own).as_ref(), Some(first));
        }
    }
    for row in &table.rows {
        assert!(!pprof::percentage(row.flat, total).is_empty());
        assert!(!pprof::label(row.cum, &profile.sample_types[index].unit, "auto").is_empty());
        assert!(pprof::short_name(&row.function).len() <= row.function.len());
    }
}

fn pprof_cuts(profile: &pprof::Profile) {
    static FILTER: LazyLock<pprof::Filter> = LazyLock::new(|| {
        let options =
            [("focus", "a"), ("ignore", "zz"), ("hide", "^r"), ("show", "[a-z]"), ("show_from", "m")];
        let more = [("prune_from", "n$"), ("tagfocus", "bytes=:1gb"), ("taghide", "k"), ("tagignore", "q")];
        pprof::Filter::of(options.into_iter().chain(more)).expect("a filter")
    });
    let filtered = profile.filtered(&FILTER);
    assert!(filtered.samples.len() <= profile.samples.len());
    assert!(filtered.samples.iter().all(|s| !s.stack.is_empty()));
    pprof::Profile::decode(&filtered.encode()).expect("a filtered profile is one");
    if let Ok(pruned) = profile.pruned() {
        let empty = |p: &pprof::Profile| p.samples.iter().map(|s| s.stack.is_empty()).collect::<Vec<_>>();
        assert_eq!(empty(&pruned), empty(profile), "a stack never vanishes");
    }
    let key = profile.samples.iter().flat_map(|s| &s.labels).map(|(key, _)| key.as_str()).next();
    let parts = profile.by_label(key.unwrap_or("endpoint"));
    assert!(parts.values().map(Vec::len).sum::<usize>() >= profile.samples.len());
    for samples in parts.values() {
        assert!(profile.part(samples).samples.len() <= samples.len());
    }
}

/// A page that was read and written is read again without loss.
pub fn openmetrics(bytes: &[u8]) {
    let Ok(page) = openmetrics::parse(bytes) else { return };
    let text = openmetrics::encode(&page.families);
    let again = openmetrics::parse(text.as_bytes()).expect("as small");
    assert_eq!(again.skipped, 0, "{:?} in {text}", again.first_problem);
    assert!(again.eof);
    assert_eq!(openmetrics::encode(&again.families), text);
    assert_eq!(again.samples().count(), page.samples().count());
}

/// A page of protobuf has the same samples after it was written as text.
pub fn openmetrics_protobuf(bytes: &[u8]) {
    let Ok(page) = openmetrics::decode_protobuf(bytes) else { return };
    assert_eq!(page.skipped > 0, page.first_problem.is_some());
    assert!(page.eof || page.skipped > 0);
    let text = openmetrics::encode(&page.families);
    let again = openmetrics::parse(text.as_bytes()).expect("as small");
    assert_eq!(again.skipped, 0, "{:?} in {text}", again.first_problem);
    let bits = |p: &openmetrics::Exposition<'_>| {
        let mut all: Vec<_> = p.samples().map(|(_, s)| (s.name.to_string(), s.value.to_bits())).collect();
        all.sort_unstable();
        all
    };
    // The text of NaN does not say which one it is.
    if page.samples().all(|(_, s)| !s.value.is_nan()) {
        assert_eq!(bits(&again), bits(&page));
    }
}

/// Numbers of a page of `expvar` are bounded in number and depth, and survive as text.
pub fn expvar(bytes: &[u8]) {
    let Ok(page) = expvar::parse(bytes) else { return };
    assert!(page.families.len() <= expvar::MAX_NUMBERS);
    assert!(page.families.iter().all(|f| f.samples.len() == 1 && f.name.len() <= expvar::MAX_PATH));
    assert!(page.eof || page.skipped > 0);
    for family in &page.families {
        let text = openmetrics::encode(std::slice::from_ref(family));
        let again = openmetrics::parse(text.as_bytes()).expect("as small");
        assert_eq!((again.skipped, again.samples().count()), (0, 1), "{text}");
    }
}

/// An answer of a Prometheus server is bounded, and its time only grows.
pub fn promql(bytes: &[u8]) {
    let Ok(answer) = promql::parse(bytes) else { return };
    assert!(answer.series.len() <= promql::MAX_SERIES);
    assert!(answer.series.iter().map(|s| s.points.len()).sum::<usize>() <= promql::MAX_POINTS);
    for series in &answer.series {
        assert!(!series.points.is_empty());
        assert!(series.points.windows(2).all(|w| w[0].0 < w[1].0));
    }
}

/// A request that decodes, as any signal and in either encoding, survives as a line of JSON and as protobuf;
/// its values agree with its counts.
pub fn otlp(bytes: &[u8]) {
    for signal in otlp::Signal::ALL {
        for encoding in [otlp::Encoding::Protobuf, otlp::Encoding::Json] {
            let Ok(batch) = otlp::Batch::decode(signal, encoding, bytes) else { continue };
            otlp_batch(signal, batch);
        }
    }
}

fn otlp_batch(signal: otlp::Signal, mut batch: otlp::Batch) {
    use otlp::Encoding::{Json, Protobuf};
    let line = batch.line().expect("a small one is within bounds");
    assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
    let again = otlp::Batch::decode(signal, Json, &line).expect("its own JSON");
    assert_eq!(again.line().as_ref(), Ok(&line), "NaN differs from itself, its text does not");
    let packed = batch.encode(Protobuf);
    // JSON may nest deeper than protobuf may.
    if let Ok(again) = otlp::Batch::decode(signal, Protobuf, &packed) {
        assert_eq!(again.line().as_ref(), Ok(&line));
    }
    batch.scrub(|_, text| "***".clone_into(text));
    let (spans, invalid) = batch.clone().into_spans();
    let (points, skipped) = batch.clone().into_points();
    let records = batch.clone().into_records();
    let told = spans.len() as u64 + invalid + points.len() as u64 + skipped + records.len() as u64;
    assert_eq!(told, batch.items());
    assert!(spans.iter().all(|s| s.start_unix_nanos <= s.end_unix_nanos));
    assert_eq!(batch.drop_invalid(), invalid);
}

/// Intervals read have whole histograms or none, which survive the encoder. The bytes are tried as a log, and
/// as the inside of a histogram: checksums keep most mutations of a log away from there.
pub fn hlog(bytes: &[u8]) {
    hlog_text(bytes);
    hlog_text(packed(bytes).as_bytes());
}

fn hlog_text(bytes: &[u8]) {
    let Ok(log) = hlog::read(bytes) else { return };
    let mut encoder = hlog::Encoder::default();
    for interval in &log.intervals {
        let Ok(histogram) = interval.histogram::<u64>() else { continue };
        let mut line = String::new();
        let tag = interval.tag.unwrap_or("none");
        if encoder.line(&mut line, tag, interval.window(), &histogram).is_err() {
            continue;
        }
        let back = hlog::read(line.as_bytes()).expect("a written line is read");
        assert_eq!(back.intervals[0].window(), interval.window());
        assert_eq!(back.intervals[0].histogram::<u64>().expect("unpacks"), histogram);
    }
}

/// Times only grow; states fill the life of every goroutine; profiles survive their codec; and the same bytes
/// give the same sums.
pub fn gotrace(bytes: &[u8]) {
    let mut order = Order::default();
    let Ok(reading) = gotrace::Reader::new(bytes).and_then(|r| r.read(&mut order)) else { return };
    assert_eq!(reading.events, order.events);
    let summary = gotrace::Summary::read(bytes).expect("it was just read");
    assert_eq!(*summary.reading(), reading);
    let mut rows = 0;
    for goroutine in summary.goroutines() {
        let states = summary.states_of(goroutine);
        rows += states.len();
        let nanos: u64 = states.iter().map(|s| s.total.nanos).sum();
        let end = goroutine.end_nanos.unwrap_or(reading.end_nanos);
        assert_eq!(nanos, end - goroutine.begin_nanos, "{goroutine:?}");
    }
    assert_eq!(rows, summary.states().len());
    let intervals = || summary.gc().iter().chain(summary.stopped_world());
    assert!(intervals().all(|i| i.begin_nanos <= i.end_nanos));
    assert!(summary.longest_waits().iter().all(|w| w.begin_nanos < w.end_nanos));
    for kind in gotrace::WaitKind::ALL {
        let profile = summary.profile(kind);
        let again = pprof::Profile::decode(&profile.encode()).expect("a profile that was built decodes");
        assert_eq!(again.total(1), profile.total(1));
    }
    let again = gotrace::Summary::read(bytes).expect("it was just read");
    assert_eq!((again.states(), again.edges()), (summary.states(), summary.edges()));
    assert_eq!(
        (again.longest_waits(), again.stopped_world()),
        (summary.longest_waits(), summary.stopped_world())
    );
}

/// Checks each event by itself.
#[derive(Default)]
struct Order {
    events: u64,
    nanos: u64,
}

impl gotrace::Visitor for Order {
    fn event(
        &mut self,
        event: &gotrace::Event,
        generation: &gotrace::Generation<'_>,
    ) -> Result<(), gotrace::GoTraceError> {
        assert!(event.nanos > self.nanos || self.events == 0, "{event:?} is not after {}", self.nanos);
        (self.events, self.nanos) = (self.events + 1, event.nanos);
        if let Some(stack) = event.stack {
            assert!(stack.index() < generation.stacks());
            assert!(generation.frames(stack).count() <= gotrace::MAX_FRAMES);
        }
        Ok(())
    }
}

/// A line around a histogram whose parameters and counts are these bytes.
fn packed(inside: &[u8]) -> String {
    let (parameters, counts) = inside.split_at(inside.len().min(32));
    let mut plain = 0x1c84_9313_u32.to_be_bytes().to_vec();
    plain.extend((counts.len() as u32).to_be_bytes());
    plain.extend(parameters);
    plain.extend(counts);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&plain).expect("memory accepts bytes");
    let body = zlib.finish().expect("memory accepts bytes");
    let mut packed = 0x1c84_9314_u32.to_be_bytes().to_vec();
    packed.extend((body.len() as u32).to_be_bytes());
    packed.extend(body);
    format!("Tag=a,0.5,1.0,2.0,{}\n", STANDARD.encode(packed))
}

/// A plan that decodes has findings in words, and masking it takes every literal out at once.
pub fn postgres_plan(bytes: &[u8]) {
    let Ok(top) = postgres::plan::decode(bytes) else { return };
    let size = |rows| postgres::lines::TableSize { rows, ..Default::default() };
    for finding in postgres::plan::findings(&top, &[size(1e6)]) {
        assert!(!finding.says().is_empty() && !finding.remedy().is_empty());
    }
    let mut masked = serde_json::from_slice(bytes).expect("it was JSON before");
    postgres::plan::mask(&mut masked);
    let mut again = masked.clone();
    postgres::plan::mask(&mut again);
    assert_eq!(again, masked);
    assert_eq!(postgres::plan::from_json(&masked).expect("still a plan").walk().count(), top.walk().count());
}

/// A statement without its literals stays as it is when it is normalised again, and so does its fingerprint.
pub fn postgres_statement(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let normal = postgres::statement::normalise(&text);
    assert!(normal.len() <= postgres::statement::MAX_TEXT);
    assert_eq!(postgres::statement::normalise(&normal), normal);
    let quotes = normal.split('"').step_by(2).any(|outside| outside.contains('\''));
    assert!(!quotes, "a quote outside of an identifier in {normal}");
    assert!(postgres::statement::compared(&text).len() <= 16);
    if postgres::statement::may_be_explained(&text) {
        assert!(!text.trim_start().is_empty());
    }
    drop(redis::mask::masked(&bytes.split(|b| *b == b' ').collect::<Vec<_>>()));
    assert!(redis::mask::pattern(bytes).len() <= 4 * bytes.len().min(128) + 1);
}

/// Whatever lines say, what is read from them adds up.
pub fn database_lines(bytes: &[u8]) {
    let window = Window::new(RunTime::ZERO, RunTime::from_nanos(u64::MAX));
    let (lines, _) = postgres::lines::read::<postgres::lines::Statements>(bytes);
    let uses = postgres::statements::between(&lines, window);
    assert!(uses.span.is_some() || uses.statements.is_empty(), "growth needs two snapshots");
    let (lines, _) = postgres::lines::read::<postgres::lines::Activity>(bytes);
    let shares = postgres::activity::shares(&lines, window);
    assert_eq!(shares.statements.iter().map(|s| s.seen).sum::<u64>(), shares.active);
    drop(postgres::activity::blocking(&lines, window));
    let (lines, _) = redis::lines::read::<redis::lines::Info>(bytes);
    drop(redis::deltas::between(&lines, window));
    let (lines, _) = redis::lines::read::<redis::lines::Histograms>(bytes);
    for pair in lines.windows(2) {
        for command in pair[1].commands.keys() {
            let _ = redis::deltas::quantile_usec(&pair[0], &pair[1], command, 0.99);
        }
    }
    drop(redis::lines::sections(&String::from_utf8_lossy(bytes)));
}
