//! What must hold for any bytes. Used by the fuzz targets and, on mutated real files, by `tests/fuzz_smoke.rs`.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::formats::{hlog, openmetrics, postgres, pprof, redis};
use crate::time::{RunTime, Window};

/// A profile that decodes keeps its meaning through the encoder, and its views agree with its total.
pub fn pprof(bytes: &[u8]) {
    let Ok(profile) = pprof::Profile::decode(bytes) else { return };
    let again = pprof::Profile::decode(&profile.encode()).expect("an encoded profile decodes");
    let without_unused = |p: &pprof::Profile| {
        let named = |s: &pprof::Sample| p.functions(s).map(str::to_owned).collect::<Vec<_>>();
        p.samples.iter().map(|s| (named(s), s.values.clone(), s.labels.clone())).collect::<Vec<_>>()
    };
    assert_eq!(without_unused(&again), without_unused(&profile));
    for index in 0..profile.sample_types.len() {
        let folded = profile.fold(index, |_| true);
        assert!(folded.iter().all(|(stack, _)| !stack.contains([' ', '\n'])));
        drop(profile.top(index));
    }
    let difference = pprof::delta(&profile, &profile).expect("of one kind");
    let extreme = |v: &i64| *v == i64::MIN;
    if !profile.samples.iter().flat_map(|s| &s.values).any(extreme) {
        let saturates = profile.samples.iter().flat_map(|s| &s.values).any(|v| v.unsigned_abs() > 1 << 48);
        assert!(saturates || difference.samples.is_empty(), "nothing lies between a profile and itself");
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
    assert!(uses.snapshots <= lines.len());
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
