//! The JSON lines under `db/<service>/`. Unknown keys are ignored, missing ones read as nothing: a later
//! loadprof or another version of the server may write more or less.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::RunTime;

/// Longest line that is read.
pub const MAX_LINE: usize = 4 << 20;

/// A line of `statements.jsonl`: the rows of `pg_stat_statements` that changed since the line before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// When it was asked.
    pub t: RunTime,
    /// Version of the extension, e.g. `1.10`.
    #[serde(default)]
    pub extension: String,
    /// Last reset of all counters, as the server writes it; empty for extensions older than 1.9, which do not
    /// tell. They outlive a restart of the server.
    #[serde(default)]
    pub incarnation: String,
    /// Entries that were thrown out so far because there were too many.
    #[serde(default)]
    pub dealloc: u64,
    /// Whether all entries were looked at; else those with the most time.
    #[serde(default)]
    pub complete: bool,
    /// Id of the database that was connected to.
    #[serde(default)]
    pub database: u32,
    /// Changed entries.
    #[serde(default)]
    pub rows: Vec<StatementRow>,
}

/// A statement's entry: counters since [`Statements::incarnation`], times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementRow {
    /// Id of the user.
    pub userid: u32,
    /// Id of the database.
    pub dbid: u32,
    /// The server's id of the statement; none if the user may not see it.
    pub queryid: Option<i64>,
    /// Whether it was sent by a client; else it ran inside a function.
    pub toplevel: Option<bool>,
    /// Executions that ended without an error.
    pub calls: u64,
    /// Time of execution in all, milliseconds.
    pub total_ms: f64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Blocks found in the server's cache.
    pub hit: u64,
    /// Blocks read from outside it.
    pub read: u64,
    /// Temporary blocks written: a sort or hash that did not fit into memory.
    pub temp_written: u64,
    /// Time of reading blocks, milliseconds; 0 if `track_io_timing` is off.
    pub read_ms: f64,
    /// Time of writing blocks, milliseconds; 0 if `track_io_timing` is off.
    pub write_ms: f64,
    /// Bytes of write-ahead log.
    pub wal_bytes: f64,
    /// Normalised text, once per entry and file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A line of `activity.jsonl`: the backends that were at work at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// When it was asked.
    pub t: RunTime,
    /// From asking to the last row, nanoseconds.
    #[serde(default)]
    pub took_nanos: u64,
    /// Backends that there was no room for.
    #[serde(default)]
    pub more: u64,
    /// Whether blockers were asked for.
    #[serde(default)]
    pub blockers: bool,
    /// Backends that are not idle.
    #[serde(default)]
    pub backends: Vec<Backend>,
}

/// A backend at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// Process id.
    pub pid: i32,
    /// `active`, `idle in transaction`, ..
    pub state: String,
    /// What it waits for, e.g. `Lock`, `IO`; none while it computes.
    pub wait_type: Option<String>,
    /// More closely, e.g. `transactionid`.
    pub wait: Option<String>,
    /// The server's id of the statement (14 and newer, `compute_query_id`).
    pub query_id: Option<i64>,
    /// Fingerprint of the normalised text.
    pub hash: u64,
    /// Normalised text, once per fingerprint and file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Trace id that a comment of the statement names (`traceparent`, sqlcommenter).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Age of its transaction, nanoseconds.
    pub xact_nanos: Option<i64>,
    /// Age of its statement, nanoseconds.
    pub query_nanos: Option<i64>,
    /// `client backend`, `autovacuum worker`, ..
    pub kind: String,
    /// Name that the client gave itself.
    pub app: String,
    /// Process ids that it waits for, those ahead of it in the queue included; 0 is a prepared transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Vec<i32>>,
}

/// A line of `database.jsonl`: counters of the database and of its tables as the server gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// When it was asked.
    pub t: RunTime,
    /// Server's start, as it writes it.
    #[serde(default)]
    pub started: String,
    /// `max_connections`.
    #[serde(default)]
    pub max_connections: u64,
    /// Of those, kept for superusers.
    #[serde(default)]
    pub reserved: u64,
    /// Client backends of all databases.
    #[serde(default)]
    pub backends: u64,
    /// The row of `pg_stat_database`.
    #[serde(default)]
    pub database: Value,
    /// The row of `pg_stat_bgwriter`.
    #[serde(default)]
    pub bgwriter: Value,
    /// The row of `pg_stat_checkpointer` (17 and newer).
    #[serde(default)]
    pub checkpointer: Value,
    /// Rows of `pg_stat_user_tables`: those with the most rows read one after the other.
    #[serde(default)]
    pub tables: Vec<Value>,
}

impl Database {
    /// A counter of `pg_stat_database`, e.g. `deadlocks`; none if the server has no such column.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<f64> {
        self.database.get(name)?.as_f64()
    }
}

/// A line of `plans.jsonl`: how the server would execute a statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was asked.
    pub t: RunTime,
    /// The server's id of the statement.
    #[serde(default)]
    pub queryid: i64,
    /// Normalised text.
    #[serde(default)]
    pub query: String,
    /// `healthy`, `anomaly` or `end`.
    #[serde(default)]
    pub why: String,
    /// The answer to `EXPLAIN (FORMAT JSON)`, literals masked; null if there was none.
    #[serde(default)]
    pub plan: Value,
    /// Sizes of the tables in it.
    #[serde(default)]
    pub tables: Vec<TableSize>,
    /// Why there is no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How large a table is, as the planner believes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSize {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Rows; below 0 if it was never analysed.
    pub rows: f64,
    /// Pages of 8 kB.
    pub pages: u64,
}

/// The lines of a file that can be read, and how many could not; a cut last line is not counted.
#[must_use]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> (Vec<T>, usize) {
    let (mut lines, mut skipped) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n")) {
        match serde_json::from_slice(line) {
            Ok(value) if line.len() <= MAX_LINE => lines.push(value),
            _ => skipped += 1,
        }
    }
    (lines, skipped)
}

/// A line as it is written.
#[must_use]
pub fn encode(line: &impl Serialize) -> Vec<u8> {
    // Maps have string keys, and numbers that JSON does not know become null.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
