use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;

use super::*;

fn histogram(values: &[u64]) -> Histogram<u32> {
    let mut h = Histogram::new(3).expect("3 digits are allowed");
    values.iter().for_each(|&v| h.record(v).expect("grows"));
    h
}

fn window(from: u64, to: u64) -> Window {
    Window::new(RunTime::from_nanos(from), RunTime::from_nanos(to))
}

fn log_of(lines: &[(&str, Window, &[u64])]) -> String {
    let mut text = header(1_767_225_600_123_456_789, "test\ntwo lines");
    let mut encoder = Encoder::default();
    for (tag, window, values) in lines {
        encoder.line(&mut text, tag, *window, &histogram(values)).expect("a good tag");
    }
    text
}

proptest! {
    #[test]
    fn what_is_written_reads_back_to_the_nanosecond(
        from in 0..u64::MAX / 2,
        length in 0..u64::MAX / 4,
        values in prop::collection::vec(0..u64::MAX / 2, 0..40),
    ) {
        let text = log_of(&[("response/a-b", window(from, from + length), &values)]);
        let log = read(text.as_bytes()).expect("reads back");
        prop_assert_eq!(log.base_unix_nanos, Some(1_767_225_600_123_456_789));
        prop_assert!(!log.cut);
        prop_assert_eq!(log.intervals[0].tag, Some("response/a-b"));
        prop_assert_eq!(log.intervals[0].window(), window(from, from + length));
        prop_assert_eq!(log.intervals[0].histogram::<u32>().expect("unpacks"), histogram(&values));
    }

    #[test]
    fn broken_bytes_never_panic(at in 0usize..2000, bit in 0u8..8, cut in 0usize..2000) {
        let text = log_of(&[("a", window(0, 5), &[1, 5, 1_000_000]), ("b", window(5, 9), &[7])]);
        let mut bytes = text.into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(cut.max(1));
        if let Ok(log) = read(&bytes) {
            log.intervals.iter().for_each(|i| drop(i.histogram::<u32>()));
        }
    }
}

#[test]
fn a_cut_last_line_is_left_out() {
    let text = log_of(&[("a", window(0, 5), &[1]), ("b", window(5, 9), &[7])]);
    for cut in 1..60 {
        let log = read(&text.as_bytes()[..text.len() - cut]).expect("the rest stays");
        assert_eq!((log.intervals.len(), log.cut), (1, true));
    }
}

#[test]
fn an_unpacked_histogram_still_grows() {
    let text = log_of(&[("a", window(0, 5), &[10])]);
    let log = read(text.as_bytes()).expect("reads");
    let mut h = log.intervals[0].histogram::<u32>().expect("unpacks");
    h.add(histogram(&[60_000_000_000])).expect("a larger value is no error");
    assert_eq!(h.len(), 2);
}

#[test]
fn the_maximum_is_in_milliseconds_and_the_public_reader_agrees() {
    let text = log_of(&[("response/cart", window(1_500_000_000, 2_500_000_000), &[1_000, 250_000])]);
    assert!(text.contains("Tag=response/cart,1.500000000,1.000000000,0.250,"), "{text}");
    let interval = IntervalLogIterator::new(text.as_bytes())
        .filter_map(|e| match e.expect("the crate's own reader accepts the log") {
            LogEntry::Interval(i) => Some(i),
            _ => None,
        })
        .next()
        .expect("one interval");
    assert_eq!(interval.tag().map(|t| t.as_str()), Some("response/cart"));
    assert_eq!(interval.start_timestamp().as_nanos(), 1_500_000_000);
    assert!((interval.max() - 0.250).abs() < 1e-3);
}

#[test]
fn foreign_lines_are_named() {
    fn line(text: &str) -> Result<Line<'_>, HlogError> {
        parse_line(text.as_bytes())
    }
    assert_eq!(line("# a comment"), Ok(Line::Ignored));
    assert_eq!(line(""), Ok(Line::Ignored));
    assert_eq!(line("#[BaseTime: 12.5 (seconds since epoch)]"), Ok(Line::BaseTime(12_500_000_000)));
    for (text, problem) in [
        ("Tag=x", "nothing follows the line's tag"),
        ("<html>", "the interval's length is missing"),
        ("a,1,2,x", "the start time is not in seconds"),
        ("-1.0,1,2,x", "the start time is not in seconds"),
        ("1e3,1,2,x", "the start time is not in seconds"),
        ("99999999999999999999,1,2,x", "the start time is not in seconds"),
        ("1.0,,2,x", "the interval's length is not in seconds"),
        ("1.0,1.0,much,x", "the maximum is not a number"),
        ("1.0,1.0,2", "the histogram is missing"),
    ] {
        assert_eq!(line(text), Err(HlogError::Field(problem)), "{text}");
    }
    assert_eq!(parse_line(&[0xff, 0xfe]), Err(HlogError::NotText));
    assert_eq!(parse_line(&vec![b'a'; MAX_LINE + 1]), Err(HlogError::TooLong));
}

#[test]
fn hostile_histograms_are_refused() {
    let unpack = |bytes: &[u8]| {
        use base64::Engine as _;
        decode::histogram::<u32>(&base64::engine::general_purpose::STANDARD.encode(bytes))
    };
    let deflated = |plain: &[u8]| {
        use std::io::Write as _;
        let mut out = V2_COMPRESSED_COOKIE.to_be_bytes().to_vec();
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        z.write_all(plain).expect("memory accepts bytes");
        let body = z.finish().expect("memory accepts bytes");
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(body);
        out
    };
    let v2 = |stated: u32, counts: &[u8]| {
        let mut plain = V2_COOKIE.to_be_bytes().to_vec();
        plain.extend(stated.to_be_bytes());
        plain.extend(0u32.to_be_bytes());
        plain.extend(3u32.to_be_bytes());
        plain.extend(1u64.to_be_bytes());
        plain.extend(u64::MAX.to_be_bytes());
        plain.extend(1f64.to_be_bytes());
        plain.extend(counts);
        plain
    };
    let problem = |bytes: &[u8]| unpack(bytes).expect_err("must be refused").to_string();
    assert!(unpack(&deflated(&v2(1, &[2]))).is_ok(), "the helper makes good ones");
    assert!(problem(b"").contains("not the compressed V2"));
    assert!(problem(&deflated(b"")).contains("not the V2"));
    assert!(problem(&[deflated(b""), vec![0]].concat()).contains("packed length"));
    assert!(problem(&deflated(&v2(u32::MAX, &[2]))).contains("not the one it states"));
    assert!(problem(&deflated(&v2(9, &[0xff; 9]))).contains("longer than any"));
    assert!(problem(&deflated(&v2(2, &[0x80, 0x80]))).contains("cut"));
    assert!(problem(&deflated(&vec![0; MAX_HISTOGRAM + 1])).contains("larger than"));
}

#[test]
fn tags_that_break_the_format_are_refused() {
    let mut out = String::new();
    for tag in ["", "a,b", "a b", "a\nb"] {
        let result = Encoder::default().line(&mut out, tag, window(0, 1), &histogram(&[1]));
        assert_eq!(result, Err(HlogError::Tag(tag.to_owned())));
    }
    assert!(out.is_empty());
}
