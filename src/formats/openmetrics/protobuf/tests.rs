use std::collections::BTreeMap;

use prost::Message as _;

use super::super::{encode, parse};
use super::wire::{Bucket, Value};
use super::*;

/// Answers of one registry of client_golang 1.25, at rest: `tests/targets/metrics` behind `/plain`.
const PROTOBUF: &[u8] = include_bytes!("../../../../tests/data/prometheus/page.pb");
const TEXT: &[u8] = include_bytes!("../../../../tests/data/prometheus/page.txt");
const OPEN: &[u8] = include_bytes!("../../../../tests/data/prometheus/page.om");

type Example = Option<(Vec<(String, String)>, f64, Option<f64>)>;

/// Samples by name and labels; bounds as numbers, since OpenMetrics writes `1.0` where the others write `1`.
fn samples(page: &Exposition<'_>) -> BTreeMap<String, (f64, Example)> {
    let bound = |k: &str, v: &str| match k {
        "le" | "quantile" => v.parse::<f64>().expect("a number").to_string(),
        _ => v.to_owned(),
    };
    let of = |labels: &Labels<'_>| {
        let mut all: Vec<_> = labels.iter().map(|(k, v)| (k.to_string(), bound(k, v))).collect();
        all.sort();
        all
    };
    let one = |s: &Sample<'_>| {
        let example = s.exemplar.as_ref().map(|e| (of(&e.labels), e.value, e.timestamp));
        (format!("{} {:?}", s.name, of(&s.labels)), (s.value, example))
    };
    page.samples().map(|(_, s)| one(s)).collect()
}

#[test]
fn a_page_gives_what_its_texts_give() {
    let page = decode_protobuf(PROTOBUF).expect("small");
    assert_eq!((page.skipped, page.eof, page.families.len()), (0, true, 5), "{:?}", page.first_problem);
    let open = parse(OPEN).expect("small");
    let (ours, theirs) = (samples(&page), samples(&open));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (key, (value, example)) in &theirs {
        let (own, own_example) = &ours[key];
        // Texts round moments to whole microseconds or less.
        let near = |a: f64, b: f64| a == b || (key.contains("_created") && (a - b).abs() < 1e-5);
        assert!(near(*own, *value), "{key}: {own} for {value}");
        let same =
            |(l, v, t): &(Vec<(String, String)>, f64, Option<f64>)| (l.clone(), *v, t.map(|t| t.round()));
        assert_eq!(own_example.as_ref().map(same), example.as_ref().map(same), "{key}");
    }
    let plain = parse(TEXT).expect("small");
    let without = |(k, (v, _)): (String, (f64, Example))| (!k.contains("_created")).then_some((k, v));
    let ours: BTreeMap<_, _> = ours.into_iter().filter_map(without).collect();
    assert_eq!(ours, samples(&plain).into_iter().filter_map(without).collect());
    for family in &plain.families {
        let own = page.family(&family.name).expect("families are called as in the text");
        assert_eq!((own.kind, &own.help), (family.kind, &family.help));
    }
    // Bounds are written as Go writes them: the same series, whatever the form of a scrape.
    let bound = |page: &Exposition<'_>| -> Vec<String> {
        page.samples().filter_map(|(_, s)| s.label("le").map(str::to_owned)).collect()
    };
    assert_eq!(bound(&page), bound(&plain));
}

#[test]
fn a_page_survives_as_text() {
    let page = decode_protobuf(PROTOBUF).expect("small");
    let text = encode(&page.families);
    let again = parse(text.as_bytes()).expect("small");
    assert_eq!(again.skipped, 0, "{:?} in {text}", again.first_problem);
    assert_eq!(samples(&again), samples(&page));
}

fn framed(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut family = Vec::new();
    for (number, bytes) in fields {
        family.extend([number << 3 | 2, u8::try_from(bytes.len()).expect("short")]);
        family.extend(*bytes);
    }
    let mut page = vec![u8::try_from(family.len()).expect("short")];
    page.extend(family);
    page
}

#[test]
fn what_is_broken_is_left_out_and_the_rest_stays() {
    let gauge = Metric { gauge: Some(Value { value: 2.5 }), timestamp_ms: Some(1500), ..Metric::default() };
    let bytes = gauge.encode_to_vec();
    let mut page = framed(&[(1, b"a"), (4, &bytes), (4, b"\xff")]);
    page.extend(framed(&[(4, &bytes)]));
    page.extend(framed(&[(1, b"a")]));
    page.extend(framed(&[(1, b"b"), (4, &bytes)]));
    page.extend([200, 1]);
    let page = decode_protobuf(&page).expect("small");
    assert_eq!((page.skipped, page.eof), (4, false));
    assert_eq!(page.first_problem, Some(Problem { line: 1, what: "a broken metric" }));
    let got: Vec<_> = page.samples().map(|(_, s)| (&*s.name, s.value, s.timestamp)).collect();
    assert_eq!(got, [("a", 2.5, Some(1.5)), ("b", 2.5, Some(1.5))]);
}

#[test]
fn a_native_histogram_of_floats_has_count_and_sum() {
    let histogram = Histogram { count_float: 2.5, sum: -1.0, ..Histogram::default() };
    let classic = Histogram {
        count: 3,
        bucket: vec![Bucket { count: 1, upper_bound: 0.5, ..Bucket::default() }],
        ..Histogram::default()
    };
    let mut samples = Vec::new();
    for h in [&histogram, &classic] {
        Into { name: "h", labels: Vec::new(), samples: &mut samples }.histogram(h, false);
    }
    let told: Vec<_> = samples.iter().map(|s| (&*s.name, s.label("le"), s.value)).collect();
    let expected = [
        ("h_bucket", Some("+Inf"), 2.5),
        ("h_sum", None, -1.0),
        ("h_count", None, 2.5),
        ("h_bucket", Some("0.5"), 1.0),
        ("h_bucket", Some("+Inf"), 3.0),
        ("h_sum", None, 0.0),
        ("h_count", None, 3.0),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        [1e6, 5e-5, 123_456_789.0, 0.25, 1e-300].map(number),
        ["1e+06", "5e-05", "1.23456789e+08", "0.25", "1e-300"]
    );
}

/// A page of one family, whatever its lengths.
fn page(name: &str, metrics: &[Metric]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut all = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut all);
        all.extend(bytes);
        all
    };
    let mut family = field(1, name.as_bytes());
    metrics.iter().for_each(|m| family.extend(field(4, &m.encode_to_vec())));
    let mut page = Vec::new();
    prost::encoding::encode_varint(family.len() as u64, &mut page);
    page.extend(family);
    page
}

/// Each sample has a copy of the name and the labels: 2 bytes of a bucket must not become half a megabyte.
#[test]
fn small_pages_do_not_become_large_ones() {
    let label = |size: usize| vec![LabelPair { name: "l".into(), value: "x".repeat(size) }];
    let buckets = |n: usize| Some(Histogram { bucket: vec![Bucket::default(); n], ..Histogram::default() });
    let bomb = Metric { label: label(512 << 10), histogram: buckets(100_000), ..Metric::default() };
    let read = decode_protobuf(&page("h", &[bomb])).expect("small");
    assert_eq!(
        (read.samples().count(), read.first_problem.map(|p| p.what)),
        (0, Some("labels are too long"))
    );

    let gauge = Metric { gauge: Some(Value { value: 1.0 }), ..Metric::default() };
    let read = decode_protobuf(&page(&"n".repeat(1 << 20), &[gauge])).expect("small");
    assert_eq!((read.samples().count(), read.first_problem.map(|p| p.what)), (0, Some("a name is too long")));

    let wide = Metric { label: label(16_000), histogram: buckets(4_000), ..Metric::default() };
    let read = decode_protobuf(&page("h", &vec![wide; 20])).expect("small");
    let copied: usize = read.samples().flat_map(|(_, s)| &s.labels).map(|(k, v)| k.len() + v.len()).sum();
    assert!(
        read.skipped > 0 && (1..=MAX_COPIED).contains(&copied),
        "{copied} bytes, {} left out",
        read.skipped
    );
}

#[test]
fn a_label_that_is_there_twice_is_refused_as_in_texts() {
    let pair = |name: &str, value: &str| LabelPair { name: name.into(), value: value.into() };
    let twice = vec![pair("path", "/a"), pair("code", "200"), pair("path", "/b")];
    let exemplar = wire::Exemplar { label: twice.clone(), ..wire::Exemplar::default() };
    let counted = Counter { value: 1.0, exemplar: Some(exemplar), ..Counter::default() };
    let metrics = [
        Metric { label: twice, gauge: Some(Value { value: 1.0 }), ..Metric::default() },
        Metric { label: vec![pair("le", "1")], histogram: Some(Histogram::default()), ..Metric::default() },
        Metric { label: vec![pair("quantile", "1")], summary: Some(Summary::default()), ..Metric::default() },
        // Only what makes bounds of its own takes their names.
        Metric { label: vec![pair("le", "1")], gauge: Some(Value { value: 2.0 }), ..Metric::default() },
        Metric { counter: Some(counted), ..Metric::default() },
    ];
    let page = decode_protobuf(&page("a", &metrics)).expect("small");
    assert_eq!((page.skipped, page.first_problem), (3, Some(Problem { line: 1, what: TWICE })));
    let kept: Vec<_> = page.samples().map(|(_, s)| (s.label("le"), s.value, s.exemplar.is_some())).collect();
    assert_eq!(kept, [(Some("1"), 2.0, false), (None, 1.0, false)]);
    let again = encode(&page.families);
    assert_eq!(parse(again.as_bytes()).expect("small").skipped, 0);
}
