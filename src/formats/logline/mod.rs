//! Lines of log files, JSON, logfmt or plain: their message, level and time, and the pattern that lines of one
//! statement share.
//!
//! Nothing here trusts a line: what is not there is left out, and the work is linear in its length.

mod fields;
mod pattern;

pub use pattern::pattern;

/// What a line says. Texts are those of the line, unescaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// The message; of a plain line, all of it.
    pub message: String,
    /// Level as written, e.g. `error`, `WARN`; empty if there is none.
    pub level: String,
    /// Trace id, 32 hexadecimal digits, lower case.
    pub trace_id: Option<String>,
}

/// Keys that hold a message, a level and a trace id, as the loggers in use write them (slog, zap, zerolog, logrus,
/// logback, pino, OpenTelemetry).
const MESSAGES: [&str; 4] = ["msg", "message", "event", "body"];
const LEVELS: [&str; 6] = ["level", "lvl", "severity", "severity_text", "loglevel", "log.level"];
const TRACES: [&str; 6] = ["trace_id", "traceid", "traceId", "trace.id", "x-trace-id", "otel.trace_id"];

impl LogLine {
    /// Reads a line of any of the formats.
    #[must_use]
    pub fn read(line: &str) -> Self {
        let mut read = fields::json(line).or_else(|| fields::logfmt(line)).unwrap_or_else(|| plain(line));
        if read.trace_id.is_none() {
            read.trace_id = trace_in(line);
        }
        read
    }

    /// Takes a field if it is one of those known.
    fn take(&mut self, key: &str, value: String) {
        let is = |keys: &[&str]| keys.iter().any(|k| k.eq_ignore_ascii_case(key));
        if self.message.is_empty() && is(&MESSAGES) {
            self.message = value;
        } else if self.level.is_empty() && is(&LEVELS) {
            self.level = value;
        } else if self.trace_id.is_none() && is(&TRACES) {
            self.trace_id = trace_id(&value);
        }
    }

    /// Whether the level is one of trouble: a warning or worse.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        let level = self.level.to_ascii_lowercase();
        ["warn", "err", "fatal", "crit", "panic", "alert", "emerg", "severe"]
            .iter()
            .any(|word| level.starts_with(word))
    }
}

/// A plain line's level is its first word that is one.
fn plain(line: &str) -> LogLine {
    const WORDS: [&str; 9] =
        ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "PANIC", "CRITICAL"];
    let words = line.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).take(12);
    let level = words.filter(|w| WORDS.contains(w)).map(str::to_owned).next().unwrap_or_default();
    LogLine { message: line.to_owned(), level, trace_id: None }
}

fn trace_id(text: &str) -> Option<String> {
    let valid =
        text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b != b'0');
    valid.then(|| text.to_ascii_lowercase())
}

/// The first word of a line that can only be a trace id.
fn trace_in(line: &str) -> Option<String> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).find_map(trace_id)
}

#[cfg(test)]
mod tests;
