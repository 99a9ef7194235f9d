//! What must hold for requests of any kind.

use proptest::prelude::*;

use super::*;

const TRACE: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"shop"}}]},
  "scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[{
    "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173",
    "name":"GET /products","kind":2,"startTimeUnixNano":"1544712660000000000",
    "endTimeUnixNano":1544712661000000000,"flags":257,"unheardOf":{"a":[1,{"b":null}]},
    "attributes":[
      {"key":"n","value":{"intValue":"-9223372036854775808"}},{"key":"m","value":{"intValue":7}},
      {"key":"d","value":{"doubleValue":"NaN"}},{"key":"i","value":{"doubleValue":1,"newKind":{"x":1}}},
      {"key":"b","value":{"bytesValue":"AQID_-8"}},{"key":"e","value":{}},{"key":"none"},
      {"key":"l","value":{"arrayValue":{"values":[{"boolValue":true},
        {"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}]}}}],
    "events":[{"timeUnixNano":"5","name":"cache miss"}],
    "links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"},{"traceId":"","spanId":""}],
    "status":{"code":2,"message":"boom"}}]}]}]}"#;

fn traces(json: &str) -> Result<Batch, OtlpError> {
    Batch::decode(Signal::Traces, Encoding::Json, json.as_bytes())
}

#[test]
fn a_span_in_json_is_read_by_the_rules_of_otlp() {
    let (spans, invalid) = traces(TRACE).expect("a request").into_spans();
    assert_eq!((spans.len(), invalid), (1, 0));
    let span = &spans[0];
    assert_eq!(span.trace.to_string(), "5b8efff798038103d269b633813fc60c");
    assert_eq!(span.parent.expect("a parent").to_string(), "eee19b7ec3c1b173");
    assert_eq!((span.kind, span.name.as_str()), (SpanKind::Server, "GET /products"));
    assert_eq!(span.end_unix_nanos - span.start_unix_nanos, 1_000_000_000);
    assert_eq!(span.status, Status::Error("boom".into()));
    assert_eq!(span.resource.service, "shop");
    assert_eq!((span.events.len(), span.links.len()), (1, 1), "a link without ids is none");
    let value = |key| find(&span.attributes, key).expect(key);
    assert_eq!((value("n"), value("m")), (&Value::Int(i64::MIN), &Value::Int(7)));
    assert!(matches!(value("d"), Value::Double(d) if d.is_nan()));
    assert_eq!(value("i"), &Value::Double(1.0));
    assert_eq!(value("b"), &Value::Bytes(vec![1, 2, 3, 0xff, 0xef]));
    assert_eq!((value("e"), value("none")), (&Value::Empty, &Value::Empty));
    let Value::List(list) = value("l") else { panic!("{:?}", value("l")) };
    assert_eq!(list[1], Value::Map(vec![("k".into(), Value::Text("v".into()))]));
}

#[test]
fn enums_are_numbers_and_ids_are_hex() {
    let with = |from: &str, to: &str| traces(&TRACE.replace(from, to));
    for (from, to) in [
        (r#""kind":2"#, r#""kind":"SPAN_KIND_SERVER""#),
        ("eee19b7ec3c1b174", "7uGbfsPBsXQ="),
        (r#""1544712660000000000""#, r#""1.5e18""#),
        (r#""1544712660000000000""#, r#""-1""#),
        (r#""intValue":7"#, r#""intValue":9223372036854775808"#),
    ] {
        assert!(matches!(with(from, to), Err(OtlpError::Json(_))), "{to}");
    }
    assert!(with(r#""kind":2"#, r#""kind":99"#).is_ok(), "a kind of a later version");
    let nulls = with(r#""name":"GET /products""#, r#""name":null"#).expect("null is the default");
    assert_eq!(nulls.into_spans().0[0].name, "");
}

#[test]
fn spans_that_are_none_are_counted() {
    for (from, to) in [
        ("eee19b7ec3c1b174", "00"),
        ("eee19b7ec3c1b174", "0000000000000000"),
        ("5B8EFFF798038103D269B633813FC60C", ""),
        ("1544712661000000000", "1"),
    ] {
        let mut batch = traces(&TRACE.replace(from, to)).expect("a request");
        assert_eq!(batch.clone().into_spans().1, 1, "{to}");
        assert_eq!((batch.drop_invalid(), batch.items()), (1, 0));
    }
}

#[test]
fn a_log_record_keeps_its_trace() {
    let json = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":"7","severityNumber":17,
        "severityText":"ERROR","body":{"stringValue":"pool empty"},"eventName":"x",
        "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}"#;
    let batch = Batch::decode(Signal::Logs, Encoding::Json, json.as_bytes()).expect("a request");
    assert_eq!(batch.items(), 1);
    let records = batch.into_records();
    assert_eq!((records[0].at_unix_nanos, records[0].severity), (7, 17));
    assert_eq!(records[0].body, Value::Text("pool empty".into()));
    assert_eq!(records[0].resource.service, NO_SERVICE);
    assert_eq!(records[0].span.expect("a span").to_string(), "eee19b7ec3c1b174");
}

#[test]
fn metrics_are_points_and_exotic_ones_are_counted() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"g","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"5"},{"flags":1}]}},
        {"name":"s","sum":{"dataPoints":[{"asDouble":1.5}],"aggregationTemporality":2,"isMonotonic":true}},
        {"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[
            {"count":"3","sum":4,"bucketCounts":["1","2"],"explicitBounds":[1.0]},
            {"count":"3","bucketCounts":["1","2"],"explicitBounds":[]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"count":1,"scale":-2,"positive":{"offset":-1,
            "bucketCounts":[1]},"zeroThreshold":"Infinity"},
            {"count":4,"sum":9,"scale":0,"positive":{"offset":1,"bucketCounts":["3"]},"zeroCount":1}]}},
        {"name":"q","summary":{"dataPoints":[{"count":2,"quantileValues":[{"quantile":0.5,"value":2}]}]}}]}]}]}"#;
    let batch = Batch::decode(Signal::Metrics, Encoding::Json, json.as_bytes()).expect("a request");
    assert_eq!(batch.items(), 8);
    let again = Batch::decode(Signal::Metrics, Encoding::Protobuf, &batch.encode(Encoding::Protobuf));
    assert_eq!(again.as_ref(), Ok(&batch), "exotic kinds survive");
    let (points, skipped) = batch.into_points();
    assert_eq!((points.len(), skipped), (4, 4));
    assert_eq!(points[0].measure, Measure::Gauge(5.0));
    let temporality = Temporality::Cumulative;
    assert_eq!(points[1].measure, Measure::Sum { value: 1.5, temporality, monotonic: true });
    assert!(matches!(&points[2].measure, Measure::Histogram { count: 3, bounds, .. } if bounds == &[1.0]));
    let explicit = (Some(9.0), vec![0.0, 4.0], vec![1, 3, 0]);
    let (sum, bounds, buckets) = explicit;
    let temporality = Temporality::Unspecified;
    assert_eq!(points[3].measure, Measure::Histogram { count: 4, sum, bounds, buckets, temporality });
}

#[test]
fn examples_of_the_specification_survive_both_encodings() {
    for (signal, json) in [
        (Signal::Traces, include_str!("../../../tests/data/otlp/trace.json")),
        (Signal::Logs, include_str!("../../../tests/data/otlp/logs.json")),
        (Signal::Metrics, include_str!("../../../tests/data/otlp/metrics.json")),
    ] {
        let batch = Batch::decode(signal, Encoding::Json, json.as_bytes()).expect("a request");
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let bytes = batch.encode(encoding);
            assert_eq!(Batch::decode(signal, encoding, &bytes).as_ref(), Ok(&batch));
        }
        let line = batch.encode(Encoding::Json);
        assert!(!line.contains(&b'\n'));
        let (ours, theirs): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(&line).expect("JSON"), serde_json::from_str(json).expect("JSON"));
        assert_eq!(leaves(&ours), leaves(&theirs), "{signal:?}: nothing is lost on the way");
    }
}

/// Paths and texts of all values that say something, in order of the paths.
fn leaves(tree: &serde_json::Value) -> Vec<(String, String)> {
    fn walk(tree: &serde_json::Value, path: &str, out: &mut Vec<(String, String)>) {
        match tree {
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(k, v)| walk(v, &format!("{path}.{k}"), out));
            }
            serde_json::Value::Array(list) => {
                list.iter().enumerate().for_each(|(i, v)| walk(v, &format!("{path}[{i}]"), out));
            }
            serde_json::Value::String(text) => out.push((path.to_owned(), text.to_lowercase())),
            serde_json::Value::Number(n) => out.push((path.to_owned(), number(n))),
            other => out.push((path.to_owned(), other.to_string())),
        }
    }
    fn number(n: &serde_json::Number) -> String {
        n.as_f64().map_or_else(|| n.to_string(), |n| n.to_string())
    }
    let mut out = Vec::new();
    walk(tree, "", &mut out);
    out.retain(|(_, text)| text != "0" && text != "false" && !text.is_empty());
    out.sort();
    out
}

#[test]
fn small_bytes_that_unfold_into_gigabytes_are_refused() {
    // Two bytes are a span.
    let nested = |inner: Vec<u8>| {
        let mut message = vec![(2 << 3) | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut message);
        message.extend(inner);
        message
    };
    let scope = nested([(2 << 3) | 2, 0].repeat(8 << 20));
    let mut request = vec![(1 << 3) | 2];
    prost::encoding::encode_varint(scope.len() as u64, &mut request);
    request.extend(scope);
    let refused = Batch::decode(Signal::Traces, Encoding::Protobuf, &request);
    assert_eq!(refused, Err(OtlpError::TooMany));
    let braces = format!(r#"{{"resourceSpans":[{}{{}}]}}"#, "{},".repeat(3 << 20));
    assert_eq!(traces(&braces), Err(OtlpError::TooMany));
    let large = vec![b' '; MAX_BYTES + 1];
    assert_eq!(Batch::decode(Signal::Logs, Encoding::Json, &large), Err(OtlpError::TooLarge));
}

#[test]
fn deep_values_are_refused_not_followed() {
    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(5000), "]}}".repeat(5000));
    let json = TRACE.replace(r#"{"intValue":7}"#, &deep);
    assert!(matches!(traces(&json), Err(OtlpError::Json(_))));
}

#[test]
fn the_deepest_values_of_protobuf_fit_into_json() {
    let nest = |list: bool, depth: usize| {
        (0..depth).fold(wire_common::AnyValue::default(), |inner, _| match list {
            true => {
                let values = vec![inner];
                wire_common::AnyValue {
                    array_value: Some(wire_common::ArrayValue { values }),
                    ..Default::default()
                }
            }
            false => {
                let values = vec![wire_common::KeyValue { key: "k".into(), value: Some(inner) }];
                wire_common::AnyValue {
                    kvlist_value: Some(wire_common::KeyValueList { values }),
                    ..Default::default()
                }
            }
        })
    };
    for list in [true, false] {
        let accepted = |depth: &usize| {
            let pair = wire_common::KeyValue { key: String::new(), value: Some(nest(list, *depth)) };
            let event = wire_trace::Event { attributes: vec![pair], ..Default::default() };
            let span = wire_trace::Span { events: vec![event], ..Default::default() };
            let scope_spans = vec![wire_trace::ScopeSpans { spans: vec![span], ..Default::default() }];
            let process = wire_trace::ResourceSpans { scope_spans, ..Default::default() };
            let request = wire_trace::TraceRequest { resource_spans: vec![process] };
            let bytes = prost::Message::encode_to_vec(&request);
            let batch = Batch::decode(Signal::Traces, Encoding::Protobuf, &bytes);
            let read_back = |b: Batch| {
                let line = b.line().expect("within bounds");
                assert_eq!(Batch::decode(Signal::Traces, Encoding::Json, &line), Ok(b));
            };
            batch.map(read_back).is_ok()
        };
        let deepest = (1..60).filter(accepted).max();
        assert!(deepest >= Some(20), "{deepest:?}");
        assert!(deepest < Some(40), "{deepest:?}");
    }
}

#[test]
fn every_text_is_shown_with_its_key() {
    let mut batch = traces(TRACE).expect("a request");
    let mut seen = Vec::new();
    batch.scrub(|key, text| {
        seen.push(format!("{key}={text}"));
        if key == "k" || key == "b" {
            "***".clone_into(text);
        }
    });
    for expected in ["service.name=shop", "k=v", "b=", "body=boom"] {
        assert!(seen.iter().any(|s| s == expected), "{expected}: {seen:?}");
    }
    let line = String::from_utf8(batch.encode(Encoding::Json)).expect("UTF-8");
    assert!(line.contains(r#"{"key":"k","value":{"stringValue":"***"}}"#), "{line}");
    assert!(line.contains(r#"{"key":"b","value":{"stringValue":"***"}}"#), "{line}");
}

#[test]
fn answers_are_what_exporters_read() {
    let none = Partial::default();
    assert_eq!(none.encode(Signal::Traces, Encoding::Protobuf), b"");
    assert_eq!(none.encode(Signal::Traces, Encoding::Json), b"{}");
    let some = Partial { rejected: 300, message: "full".into() };
    assert_eq!(some.encode(Signal::Logs, Encoding::Protobuf), b"\x0a\x09\x08\xac\x02\x12\x04full");
    let json = String::from_utf8(some.encode(Signal::Logs, Encoding::Json)).expect("UTF-8");
    assert_eq!(json, r#"{"partialSuccess":{"errorMessage":"full","rejectedLogRecords":"300"}}"#);
    assert_eq!(status_json(3, "no"), br#"{"code":3,"message":"no"}"#);
    assert_eq!(status_protobuf(3, "no"), b"\x08\x03\x12\x02no");
}

proptest! {
    #[test]
    fn what_decodes_is_written_and_read_again(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for signal in Signal::ALL {
            if let Ok(batch) = Batch::decode(signal, Encoding::Protobuf, &bytes) {
                let line = batch.encode(Encoding::Json);
                let again = Batch::decode(signal, Encoding::Json, &line).expect("its own JSON");
                prop_assert_eq!(again.encode(Encoding::Json), line);
            }
        }
    }

    #[test]
    fn numbers_survive_json(int in any::<i64>(), double in any::<f64>(), nanos in any::<u64>()) {
        let value = wire_common::AnyValue { int_value: Some(int), ..Default::default() };
        let real = wire_common::AnyValue { double_value: Some(double), ..Default::default() };
        let pair = |value| wire_common::KeyValue { key: "k".into(), value: Some(value) };
        let event = wire_trace::Event { time_unix_nano: nanos, attributes: vec![pair(value), pair(real)],
            ..Default::default() };
        let text = serde_json::to_string(&event).expect("JSON");
        let back: wire_trace::Event = serde_json::from_str(&text).expect("its own JSON");
        let again = serde_json::to_string(&back).expect("JSON");
        prop_assert_eq!(again, text);
        prop_assert_eq!(back.time_unix_nano, nanos);
        let double_back = back.attributes[1].value.as_ref().and_then(|v| v.double_value).expect("a number");
        prop_assert!(double_back.to_bits() == double.to_bits() || double.is_nan() && double_back.is_nan());
    }
}
