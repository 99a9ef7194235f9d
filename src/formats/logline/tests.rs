//! Lines as loggers in use write them.

use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn read(line: &str) -> (String, String, Option<String>) {
    let LogLine { message, level, trace_id } = LogLine::read(line);
    (message, level, trace_id)
}

#[test]
fn json_logfmt_and_plain_lines_give_message_level_and_trace() {
    let of = |message: &str, level: &str| (message.to_owned(), level.to_owned(), Some(TRACE.to_owned()));
    let slog = format!(
        r#"{{"time":"2026-01-02T03:04:05Z","level":"WARN","msg":"pool is empty","trace_id":"{TRACE}"}}"#
    );
    assert_eq!(read(&slog), of("pool is empty", "WARN"));
    let pino = format!(r#"{{"level":40,"msg":"slow","traceId":"{}"}}"#, TRACE.to_uppercase());
    assert_eq!(read(&pino), of("slow", "40"));
    let logfmt = format!(r#"ts=1 level=error msg="took \"long\"" trace_id={TRACE} n=5"#);
    assert_eq!(read(&logfmt), of("took \"long\"", "error"));
    let plain = format!("2026-01-02 03:04:05 ERROR [{TRACE}] connection reset");
    assert_eq!(read(&plain), of(&plain, "ERROR"));
    assert_eq!(read("").0, "");
    assert_eq!(read("{\"msg\":").0, "{\"msg\":", "cut JSON is a plain line");
    assert!(
        LogLine::read("level=warning msg=x").is_trouble() && !LogLine::read("level=info msg=x").is_trouble()
    );
}

#[test]
fn lines_of_one_statement_share_a_pattern() {
    for (a, b, shared) in [
        ("took 5ms for user 17", "took 1.2s for user x9", "took <*> for user <*>"),
        ("dial tcp 10.0.0.1:5432: connect: refused", "dial tcp [::1]:80: connect: refused", ""),
        ("ids [1, 2, 3]", "ids [7]", "ids [<*>]"),
        ("no product \"tea\"", "no product \"a pot\"", "no product <*>"),
        ("deadbeefdeadbeef is gone", "cafebabecafebabe is gone", "<*> is gone"),
    ] {
        if !shared.is_empty() {
            assert_eq!((pattern(a).as_str(), pattern(b).as_str()), (shared, shared));
        }
    }
    assert_eq!(pattern("dial tcp 10.0.0.1:5432: connect: refused"), "dial tcp <*>: connect: refused");
    assert_eq!(pattern("can't read\n\tthe file"), "can't read the file");
    assert!(pattern(&"word ".repeat(1000)).chars().count() <= 201);
}

proptest! {
    #[test]
    fn no_line_is_too_odd(line in "\\PC{0,300}|[\\x00-\\x7f]{0,300}") {
        let read = LogLine::read(&line);
        let made = pattern(&read.message);
        prop_assert!(made.chars().count() <= 202);
        prop_assert!(!made.contains('\n'));
    }
}
