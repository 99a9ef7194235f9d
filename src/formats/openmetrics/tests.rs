use proptest::prelude::*;

use super::*;
use crate::time::RunTime;

fn page(text: &str) -> Exposition<'_> {
    parse(text.as_bytes()).expect("small enough")
}

/// As client_golang 1.23 answers a plain scrape.
const PROMETHEUS: &str = "\
# HELP go_gc_duration_seconds A summary of the wall-time pause duration.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile=\"0\"} 1.4518e-05
go_gc_duration_seconds{quantile=\"1\"} 0.000287345
go_gc_duration_seconds_sum 0.018347221
go_gc_duration_seconds_count 212
# HELP go_memstats_alloc_bytes_total Total number of bytes allocated.
# TYPE go_memstats_alloc_bytes_total counter
go_memstats_alloc_bytes_total 1.9841e+08
# TYPE lag histogram
lag_bucket{path=\"C:\\\\dir\",le=\"+Inf\"} 7 1395066363000
lag_sum NaN
lag_count 7
plain_untyped{a=\"say \\\"hi\\\"\\n\", b = \"2\" , } -Inf
";

#[test]
fn prometheus_text_gives_typed_families() {
    let page = page(PROMETHEUS);
    assert_eq!((page.skipped, page.eof, page.families.len()), (0, false, 4));
    let gc = page.family("go_gc_duration_seconds").expect("there");
    assert_eq!((gc.kind, gc.samples.len()), (Kind::Summary, 4));
    assert_eq!(gc.samples[0].label("quantile"), Some("0"));
    let bytes = page.family("go_memstats_alloc_bytes_total").expect("the name as typed");
    assert_eq!((bytes.kind, bytes.samples[0].value), (Kind::Counter, 198_410_000.0));
    let lag = page.family("lag").expect("there");
    assert_eq!(lag.samples[0].label("path"), Some("C:\\dir"));
    assert_eq!(lag.samples[0].timestamp, Some(1_395_066_363.0), "milliseconds become seconds");
    assert!(lag.samples[1].value.is_nan());
    let plain = page.family("plain_untyped").expect("a family of its own");
    assert_eq!(plain.samples[0].label("a"), Some("say \"hi\"\n"));
    assert_eq!((plain.kind, plain.samples[0].value), (Kind::Unknown, f64::NEG_INFINITY));
}

#[test]
fn openmetrics_gives_units_exemplars_and_seconds() {
    let page = page(
        "# TYPE http_seconds histogram\n# UNIT http_seconds seconds\n# HELP http_seconds How \\\"long\\\".\n\
         http_seconds_bucket{le=\"0.1\"} 8 1520879607.789 # {trace_id=\"KOO5\"} 0.067 1520879607.5\n\
         http_seconds_count 8\n# TYPE foo counter\nfoo_total 17.0\nfoo_created 1520430000.123\n# EOF\n",
    );
    assert_eq!((page.skipped, page.eof, page.families.len()), (0, true, 2));
    let http = page.family("http_seconds").expect("there");
    assert_eq!((http.unit.as_ref(), http.help.as_ref()), ("seconds", "How \"long\"."));
    assert_eq!(http.samples[0].timestamp, Some(1_520_879_607.789));
    let exemplar = http.samples[0].exemplar.as_ref().expect("an exemplar");
    assert_eq!(exemplar.labels, [("trace_id".into(), "KOO5".into())]);
    assert_eq!((exemplar.value, exemplar.timestamp), (0.067, Some(1_520_879_607.5)));
    assert_eq!(page.family("foo").map(|f| (f.kind, f.samples.len())), Some((Kind::Counter, 2)));
}

#[test]
fn names_in_quotes_may_be_any_text() {
    let page = page("# TYPE \"rpc.time\" gauge\n{\"rpc.time\",\"peer.name\"=\"é\"} 2\n");
    assert_eq!(page.skipped, 0);
    let rpc = page.family("rpc.time").expect("there");
    assert_eq!((rpc.kind, rpc.samples[0].label("peer.name")), (Kind::Gauge, Some("é")));
}

#[test]
fn a_bad_line_is_counted_and_the_rest_stays() {
    let bad = [
        "<!doctype html>",
        "9lives 1",
        "a",
        "a one",
        "a{b=\"1\" 2",
        "a{b=\"1} 2",
        "a{b=1} 2",
        "a{b} 2",
        "a{b=\"1\",b=\"2\"} 2",
        "a{b=\"1\"c=\"2\"} 2",
        "a 1 2 3",
        "a 1 NaN",
        "a 1 # 5",
        "{b=\"1\"} 2",
        "{\"\"} 2",
        "{\"a\",\"b\"} 2",
        "# TYPE a thing",
        "# TYPE 1a gauge",
    ];
    for line in bad {
        let text = format!("good 1\n{line}\nlast 2\n");
        let page = page(&text);
        assert_eq!((page.skipped, page.families.len()), (1, 2), "{line}");
        assert_eq!(page.first_problem.map(|p| p.line), Some(2), "{line}");
    }
    let page = parse(b"good 1\nb\xff 1\nlast 2\n").expect("small enough");
    assert_eq!(page.first_problem, Some(Problem { line: 2, what: "not UTF-8" }));
    for comment in ["#no blank", "# a remark", "#", "", " \t", "# EOFs"] {
        assert_eq!(parse(comment.as_bytes()).map(|p| p.skipped), Ok(0), "{comment}");
    }
}

#[test]
fn what_follows_the_end_and_second_types_are_left_out() {
    assert_eq!(page("a 1\n# EOF\nb 2\n\n").skipped, 1);
    let page = page("# TYPE a gauge\n# TYPE a counter\na 1\n");
    assert_eq!((page.skipped, page.families[0].kind), (1, Kind::Gauge));
}

#[test]
fn limits_hold() {
    assert_eq!(parse(&vec![b'\n'; MAX_BYTES + 1]), Err(OpenMetricsError::TooLarge(MAX_BYTES + 1)));
    let many = "a 1\n".repeat(MAX_SAMPLES + 3);
    let page = page(&many);
    assert_eq!((page.families[0].samples.len(), page.skipped), (MAX_SAMPLES, 3));
    let wide: String = (0..=MAX_LABELS).map(|i| format!("l{i}=\"\",")).collect();
    assert_eq!(parse(format!("a{{{wide}}} 1").as_bytes()).map(|p| p.skipped), Ok(1));
}

#[test]
fn counters_that_start_again_count_on() {
    let points = |values: &[f64]| -> Vec<_> {
        values.iter().zip(1..).map(|(&v, t)| (RunTime::from_nanos(t), v)).collect()
    };
    let delta = counter_delta(&points(&[10.0, 15.0, f64::NAN, 3.0, 4.0])).expect("points");
    assert_eq!((delta.increase, delta.resets), (9.0, 1));
    assert_eq!((delta.from.as_nanos(), delta.to.as_nanos()), (1, 5));
    assert_eq!(counter_delta(&points(&[10.0, f64::NAN])), None);
    assert_eq!(counter_delta(&points(&[7.0, 7.0])).map(|d| d.increase), Some(0.0));
}

fn any_text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["[a-z_:][a-z0-9_:]{0,8}", "[ -~é\n\t]{1,8}"].prop_map(Cow::Owned)
}

fn any_labels() -> impl Strategy<Value = Labels<'static>> {
    prop::collection::hash_map(any_text(), "\\PC{0,6}".prop_map(Cow::Owned), 0..4)
        .prop_map(|m| m.into_iter().collect())
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("NaN is not equal to itself", |v| !v.is_nan()),
        (0u64..1 << 53).prop_map(|n| n as f64),
        Just(f64::INFINITY),
        Just(-0.0),
    ]
}

prop_compose! {
    fn any_sample()(
        labels in any_labels(),
        value in any_number(),
        timestamp in prop::option::of(-1e12..1e12f64),
        exemplar in prop::option::of((any_labels(), any_number())),
    ) -> Sample<'static> {
        let exemplar = exemplar.map(|(labels, value)| Box::new(Exemplar { labels, value, timestamp }));
        Sample { name: "".into(), labels, value, timestamp, exemplar }
    }
}

prop_compose! {
    fn any_family(i: usize)(
        name in any_text(),
        kind in prop::sample::select(Kind::ALL.to_vec()),
        unit in "[a-z]{0,5}",
        help in "[!-~\n]{0,9}",
        samples in prop::collection::vec(any_sample(), 0..4),
    ) -> Family<'static> {
        let name = format!("{name}x{i}");
        let suffix = kind.suffixes().first().copied().unwrap_or_default();
        let sample_name = format!("{name}{suffix}");
        let samples = samples.into_iter().map(|s| Sample { name: sample_name.clone().into(), ..s }).collect();
        Family { name: name.into(), kind, unit: unit.into(), help: help.into(), samples }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        families in [any_family(0), any_family(1), any_family(2)]
    ) {
        let text = encode(&families);
        let page = page(&text);
        prop_assert_eq!(page.skipped, 0, "{:?} in {}", page.first_problem, text);
        prop_assert!(page.eof);
        prop_assert_eq!(&page.families[..], &families[..]);
    }

    #[test]
    fn broken_bytes_never_panic(
        edits in prop::collection::vec((0usize..700, any::<u8>()), 1..20),
    ) {
        let mut bytes = PROMETHEUS.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        prop_assert!(parse(&bytes).is_ok());
    }
}
