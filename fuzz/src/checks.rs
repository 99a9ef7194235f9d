//! What must hold for any bytes. Used by the fuzz targets and, on mutated real files, by `tests/fuzz_smoke.rs`.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::formats::{hlog, openmetrics, otlp, pprof};

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
