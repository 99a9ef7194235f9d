//! What must hold for any log line and any text of the kernel. Used as `checks.rs` is.

use crate::formats::{kernel, logline, sock_diag};

/// A line says the same however it is written; a pattern has no values left, and other numbers give the same one.
pub fn log_line(bytes: &[u8]) {
    let line = String::from_utf8_lossy(bytes);
    let read = logline::LogLine::read(&line);
    if let Some(id) = &read.trace_id {
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
            "{id}"
        );
        assert!(id.bytes().any(|b| b != b'0'));
    }
    if !read.message.is_empty() {
        same(&read, &logline::LogLine::read(&as_json(&read)));
        same(&read, &logline::LogLine::read(&as_logfmt(&read)));
    }
    let louder = logline::LogLine { level: read.level.to_ascii_uppercase(), ..read.clone() };
    assert_eq!(louder.is_trouble(), read.is_trouble());
    log_pattern(&read.message);
}

/// A trace id that the line had none of may have become one by its escapes.
fn same(read: &logline::LogLine, again: &logline::LogLine) {
    assert_eq!((&again.message, &again.level), (&read.message, &read.level));
    assert!(read.trace_id.is_none() || again.trace_id == read.trace_id);
}

fn as_json(read: &logline::LogLine) -> String {
    let mut fields = serde_json::json!({ "msg": read.message });
    if !read.level.is_empty() {
        fields["level"] = read.level.as_str().into();
    }
    if let Some(id) = &read.trace_id {
        fields["trace_id"] = id.as_str().into();
    }
    fields.to_string()
}

fn as_logfmt(read: &logline::LogLine) -> String {
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let mut line = format!("ts=1 msg={}", quoted(&read.message));
    if !read.level.is_empty() {
        line += &format!(" level={}", quoted(&read.level));
    }
    if let Some(id) = &read.trace_id {
        line += &format!(" trace_id={id}");
    }
    line
}

fn log_pattern(message: &str) {
    let pattern = logline::pattern(message);
    assert!(pattern.chars().count() <= 202, "{pattern}");
    assert!(!pattern.chars().any(|c| c.is_ascii_digit() || c.is_control()), "{pattern}");
    let other: String = message.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect();
    assert_eq!(logline::pattern(&other), pattern);
    // Quotes may meet where a line ended.
    if !message.contains('\n') {
        assert_eq!(logline::pattern(&pattern), pattern, "of {message:?}");
    }
}

/// What is read of a text is read again from a line that holds nothing else; every number is one.
pub fn kernel(bytes: &[u8]) {
    assert!(sock_diag::messages(bytes).count() <= bytes.len() / 16, "a message has a heading");
    let text = String::from_utf8_lossy(bytes);
    for (name, value) in kernel::pairs(&text) {
        assert!(kernel::pairs(&format!("{name} {value}")).eq([(name, value)]), "{name:?}");
    }
    if let Some(cores) = kernel::cpu_max(&text) {
        assert!(cores.is_finite() && cores > 0.0, "{cores}");
    }
    for stalled in kernel::pressure(&text) {
        let line = format!("{} avg10=0.00 total={}", stalled.share, stalled.micros);
        assert!(kernel::pressure(&line).eq([stalled]), "{line}");
    }
    for (section, name, value) in kernel::net_counters(&text) {
        assert!(value.is_finite(), "{name} {value}");
        let lines = format!("{section}: {name}\n{section}: {value}\n");
        assert!(kernel::net_counters(&lines).eq([(section, name, value)]), "{lines}");
    }
    for socket in kernel::listeners(&text) {
        let (port, waiting, inode) = (socket.port, socket.waiting, socket.inode);
        let line = format!("heading\n0: 00:{port:04X} 0:0 0A 0:{waiting:X} 0:0 0 0 0 {inode} 1");
        assert!(kernel::listeners(&line).eq([socket]), "{line}");
    }
    for group in kernel::memberships(&text) {
        let line = format!("0:{}:{}", group.controllers, group.path);
        assert!(kernel::memberships(&line).eq([group]), "{line}");
    }
}
