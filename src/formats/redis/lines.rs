//! The JSON lines under `redis/<service>/`, and the text of `INFO`. Unknown keys are ignored, missing ones
//! read as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::RunTime;

pub use crate::formats::postgres::lines::{encode, read};

/// A line of `info.jsonl`: the sections of `INFO`, as the server writes their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When it was asked.
    pub t: RunTime,
    /// From asking to the last byte, nanoseconds: the server works on one command at a time, so this is also
    /// how long a command had to wait.
    #[serde(default)]
    pub took_nanos: u64,
    /// Sections by name in lower case, each with its keys and values.
    #[serde(default)]
    pub sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Info {
    /// A value, e.g. `("clients", "blocked_clients")`.
    #[must_use]
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(String::as_str)
    }

    /// A number.
    #[must_use]
    pub fn number(&self, section: &str, key: &str) -> Option<f64> {
        self.value(section, key)?.parse().ok().filter(|v: &f64| v.is_finite())
    }

    /// What tells one life of the server from the next.
    #[must_use]
    pub fn incarnation(&self) -> &str {
        self.value("server", "run_id").unwrap_or_default()
    }

    /// Counters of `commandstats` by command.
    #[must_use]
    pub fn commands(&self) -> BTreeMap<&str, CommandCounters> {
        let stats = self.sections.get("commandstats").into_iter().flatten();
        stats.filter_map(|(key, text)| Some((key.strip_prefix("cmdstat_")?, counters(text)))).collect()
    }
}

/// Counters of one command since the server's start or `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandCounters {
    /// Executions.
    pub calls: u64,
    /// Their time, microseconds: execution alone, without any wait.
    pub usec: u64,
    /// Refused before they were executed.
    pub rejected: u64,
    /// Failed while they were executed.
    pub failed: u64,
}

/// `calls=1,usec=2,usec_per_call=2.00,rejected_calls=0,failed_calls=0`.
fn counters(text: &str) -> CommandCounters {
    let of = |name: &str| {
        let pair = text.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.and_then(|v| v.parse().ok()).unwrap_or(0)
    };
    CommandCounters {
        calls: of("calls"),
        usec: of("usec"),
        rejected: of("rejected_calls"),
        failed: of("failed_calls"),
    }
}

/// A line of `histograms.jsonl`: `LATENCY HISTOGRAM` (7.0 and newer).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    /// When it was asked.
    pub t: RunTime,
    /// By command: upper bound of a bucket in microseconds, and executions up to it, cumulative.
    #[serde(default)]
    pub commands: BTreeMap<String, Vec<(u64, u64)>>,
}

/// A line of `slowlog.jsonl`: one slow command of this run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// When it was read from the server.
    pub t: RunTime,
    /// Number of the entry; grows until the server restarts.
    pub id: i64,
    /// When it was executed, seconds since 1970 on the server's clock.
    pub unix: i64,
    /// Execution alone, microseconds.
    pub usec: u64,
    /// Name of the command.
    pub command: String,
    /// Pattern of its first key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Number of its arguments; the server itself counts at most 31.
    #[serde(default)]
    pub arguments: usize,
}

/// A line of `latency.jsonl`: one row of `LATENCY LATEST`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// When it was read from the server.
    pub t: RunTime,
    /// Event, e.g. `command`, `fork`, `aof-fsync-always`.
    pub event: String,
    /// When it happened last, seconds since 1970 on the server's clock.
    pub unix: i64,
    /// How long it took then, milliseconds.
    pub latest_ms: i64,
    /// The longest so far, milliseconds.
    pub max_ms: i64,
}

/// Longest text of `INFO` and most keys that are read.
const MAX_INFO: usize = 1 << 20;
const MAX_KEYS: usize = 4000;

/// Sections of the text that `INFO` answers. Names of files of the server are left out.
#[must_use]
pub fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut name, mut keys) = (String::new(), 0);
    let end = text.floor_char_boundary(MAX_INFO);
    for line in text[..end].lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('#') {
            name = title.trim().to_lowercase();
        } else if let Some((key, value)) = line.split_once(':')
            && !matches!(key, "executable" | "config_file")
            && keys < MAX_KEYS
        {
            keys += 1;
            let value = &value[..value.floor_char_boundary(500)];
            sections.entry(name.clone()).or_default().insert(key.to_owned(), value.to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_section() {
        let text = "# Server\r\nrun_id:abc\r\nconfig_file:/etc/x\r\n\r\n# Commandstats\r\n\
            cmdstat_config|get:calls=1,usec=12,usec_per_call=12.00,rejected_calls=2,failed_calls=3\r\n\
            cmdstat_get:calls=x\r\n# Clients\r\nblocked_clients:4\r\nodd\r\n";
        let info = Info { sections: sections(text), ..Info::default() };
        assert_eq!((info.incarnation(), info.value("server", "config_file")), ("abc", None));
        assert_eq!(info.number("clients", "blocked_clients"), Some(4.0));
        let get = CommandCounters { calls: 1, usec: 12, rejected: 2, failed: 3 };
        assert_eq!(info.commands()["config|get"], get);
        assert_eq!(info.commands()["get"], CommandCounters::default());
    }
}
