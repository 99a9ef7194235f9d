//! Blocks of requests, as a server's decoder sees them.

use crate::load::http1::request::RequestError;
use crate::load::http2::hpack::decode::{Block, Name};
use crate::load::http2::hpack::table::STATIC;
use crate::load::http2::request::{Start, encode, patch};
use crate::load::testing::requests::{Ready, http2_target, request};
use crate::load::trace::TraceContext;
use crate::scenario::TraceHeaders;

fn lines(block: &[u8]) -> Vec<String> {
    let (mut block, mut out) = (Block::new(block), Vec::new());
    while let Some(field) = block.next().expect("valid") {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let name = match field.name {
            Name::Index(index) => STATIC[usize::from(index) - 1].0.as_bytes(),
            Name::Text(text) => text.decoded(&mut a).expect("valid"),
        };
        let value = field.value.decoded(&mut b).expect("valid");
        out.push(format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    }
    out
}

#[test]
fn a_get_is_written_in_full() {
    let t = http2_target(&[("X-A", " 1 ")]);
    let ready = Ready::new("http://h:81/api/", &t, &request("GET", "/p?q=1", &[], None)).expect("valid");
    let block = ready.head(0x12, 0xfeed, true);
    let agent = concat!("user-agent: loadprof/", env!("CARGO_PKG_VERSION"));
    let expected = [
        ":method: GET",
        ":scheme: http",
        ":authority: h:81",
        ":path: /api/p?q=1",
        agent,
        "accept: */*",
        "x-a: 1",
        "traceparent: 00-000000000000abcd0000000000000012-000000000000feed-01",
    ];
    assert_eq!(lines(&block), expected);
    assert!(ready.body.is_empty());
    assert_eq!(&block[..2], b"\x82\x86", "method and scheme are indices");
}

#[test]
fn trace_headers_follow_the_trace_from_hit_to_hit() {
    let all = [(false, false), (true, false), (false, true), (true, true)];
    for (x_trace_id, baggage) in all {
        let mut t = http2_target(&[]);
        t.trace_headers = TraceHeaders { x_trace_id, baggage };
        let ready = Ready::new("http://h", &t, &request("GET", "/", &[], None)).expect("valid");
        let mut block = ready.head(1, 1, false);
        ready.patch(&mut block, 0x12, 0xfeed, true);
        let mut expected = Vec::new();
        if baggage {
            expected.push("baggage: loadprof.run=000000000000abcd,loadprof.scenario=test");
        }
        if x_trace_id {
            expected.push("x-trace-id: 000000000000abcd0000000000000012");
        }
        expected.push("traceparent: 00-000000000000abcd0000000000000012-000000000000feed-01");
        assert_eq!(lines(&block)[6..], expected);
    }
}

#[test]
fn own_headers_win_and_a_given_host_is_the_authority() {
    let t = http2_target(&[("Accept", "a/b"), ("X-A", "1")]);
    let r = request("POST", "/", &[("x-a", "2"), ("Host", "other"), ("te", "trailers")], Some(b"hi"));
    let ready = Ready::new("https://u:p%40@[::1]/", &t, &r).expect("valid");
    let block = ready.head(1, 2, false);
    let lines = lines(&block);
    for line in [
        ":scheme: https",
        ":authority: other",
        "accept: a/b",
        "x-a: 2",
        "te: trailers",
        "content-length: 2",
        "authorization: Basic dTpwQA==",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line:?} is not in {lines:?}");
    }
    assert!(!lines.iter().any(|l| l.starts_with("host") || l == "x-a: 1" || l == "accept: */*"));
    assert_eq!(ready.body, b"hi");
    let at = block.windows(6).position(|w| w == b"Basic ").expect("not coded");
    assert_eq!(&block[at - 3..at - 1], &[0x1f, 0x08], "never indexed, name 23");
}

#[test]
fn what_does_not_belong_in_http2_is_refused() {
    let bad = |headers: &[(&str, &str)]| {
        let made = Ready::new("http://h", &http2_target(&[]), &request("GET", "/", headers, None));
        made.err().expect("must be refused")
    };
    for name in ["Keep-Alive", "proxy-connection", "HTTP2-Settings", "TE"] {
        assert_eq!(bad(&[(name, "x")]), RequestError::ConnectionHeader(name.to_ascii_lowercase()));
    }
    assert_eq!(bad(&[("connection", "close")]), RequestError::OwnHeader("connection".into()));
    assert_eq!(bad(&[("host", "a"), ("Host", "b")]), RequestError::Hosts);
    assert_eq!(bad(&[(":path", "/")]), RequestError::HeaderName(":path".into()));
    assert_eq!(bad(&[("a", "b\nc")]), RequestError::HeaderValue("a".into()));
}

#[test]
fn a_rendered_request_is_written_into_a_buffer_of_the_caller() {
    let start = Start { method: b"PUT", scheme: b"http", authority: b"h", path: b"/x?k=1" };
    let headers = [(&b"x-user"[..], &b"7"[..])];
    let (trace, mut out) = (TraceContext { run: 1, ..TraceContext::default() }, Vec::new());
    for length in [0, 9, 10, 1_234_567_890] {
        out.clear();
        encode(start, headers.into_iter(), Some(length), &trace, &mut out);
        patch(&mut out, false, u64::MAX, 2, false);
        let expected = [
            ":method: PUT",
            ":scheme: http",
            ":authority: h",
            ":path: /x?k=1",
            "x-user: 7",
            &format!("content-length: {length}"),
            "traceparent: 00-0000000000000001ffffffffffffffff-0000000000000002-00",
        ];
        assert_eq!(lines(&out), expected);
    }
}
