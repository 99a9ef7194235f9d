//! From Redis' replies to the lines of the run folder.

use std::collections::BTreeMap;

use redis::Value;

use crate::formats::redis::lines::{Latency, Slow};
use crate::formats::redis::mask::masked;
use crate::time::RunTime;

/// Commands and buckets of a histogram that are read.
const MOST: usize = 1000;

/// A reply as text; none if it is something else.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        _ => &[],
    }
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Int(n)) => *n,
        _ => 0,
    }
}

/// Keys and values, as RESP 2 sends them: one after the other.
fn pairs(value: &Value) -> Vec<(&Value, &Value)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(k, v)| (k, v)).collect(),
        other => items(other).chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect(),
    }
}

/// Entries of `SLOWLOG GET`, arguments masked, as the server orders them: the newest first.
pub(super) fn slow(value: &Value, t: RunTime) -> Vec<Slow> {
    let entry = |entry: &Value| {
        let fields = items(entry);
        let words: Vec<&[u8]> = fields.get(3).map(items).unwrap_or_default().iter().map(bytes).collect();
        let masked = masked(&words);
        Slow {
            t,
            id: number(fields.first()),
            unix: number(fields.get(1)),
            usec: u64::try_from(number(fields.get(2))).unwrap_or(0),
            command: masked.command,
            key: masked.key,
            arguments: masked.arguments,
        }
    };
    items(value).iter().filter(|e| items(e).len() >= 4).map(entry).collect()
}

fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.as_bytes(),
        _ => &[],
    }
}

/// Rows of `LATENCY LATEST`.
pub(super) fn latest(value: &Value, t: RunTime) -> Vec<Latency> {
    let row = |row: &Value| {
        let fields = items(row);
        Latency {
            t,
            event: fields.first().and_then(text).unwrap_or_default().chars().take(60).collect(),
            unix: number(fields.get(1)),
            latest_ms: number(fields.get(2)),
            max_ms: number(fields.get(3)),
        }
    };
    items(value).iter().take(MOST).map(row).collect()
}

/// Cumulative buckets of `LATENCY HISTOGRAM` by command.
pub(super) fn histograms(value: &Value) -> BTreeMap<String, Vec<(u64, u64)>> {
    let whole = |v: &Value| u64::try_from(number(Some(v))).unwrap_or(0);
    let buckets = |stats: &Value| -> Vec<(u64, u64)> {
        let found = pairs(stats).into_iter().find(|(k, _)| text(k).is_some_and(|k| k == "histogram_usec"));
        let buckets = found.map(|(_, v)| pairs(v)).unwrap_or_default();
        buckets.into_iter().take(MOST).map(|(bound, n)| (whole(bound), whole(n))).collect()
    };
    let commands = pairs(value).into_iter().take(MOST);
    commands.filter_map(|(name, stats)| Some((text(name)?, buckets(stats)))).collect()
}
