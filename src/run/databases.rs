//! What a run folder holds of databases: the lines under `db/` and `redis/`.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::files;
use crate::formats::postgres::lines::{Activity, Database, Plan, Statements, read};
use crate::formats::redis::lines::{Histograms, Info, Latency, Slow};

/// Largest file that is read; the collectors write no larger ones.
const BYTES: u64 = 256 << 20;

/// All lines of one PostgreSQL server, in the order of writing.
#[derive(Clone, Debug, Default)]
pub struct Postgres {
    /// Snapshots of `pg_stat_statements`.
    pub statements: Vec<Statements>,
    /// Samples of `pg_stat_activity`.
    pub activity: Vec<Activity>,
    /// Counters of the database.
    pub database: Vec<Database>,
    /// Plans.
    pub plans: Vec<Plan>,
    /// Lines that could not be read.
    pub skipped: usize,
}

/// All lines of one Redis server, in the order of writing.
#[derive(Clone, Debug, Default)]
pub struct Redis {
    /// Readings of `INFO`.
    pub info: Vec<Info>,
    /// Readings of `LATENCY HISTOGRAM`.
    pub histograms: Vec<Histograms>,
    /// Slow commands.
    pub slow: Vec<Slow>,
    /// Rows of `LATENCY LATEST`.
    pub latency: Vec<Latency>,
    /// Lines that could not be read.
    pub skipped: usize,
}

/// PostgreSQL servers of a run folder by the names of their services, sorted.
#[must_use]
pub fn postgres_services(run: &Path) -> Vec<String> {
    files::folders(&run.join("db"))
}

/// Redis servers of a run folder by the names of their services, sorted.
#[must_use]
pub fn redis_services(run: &Path) -> Vec<String> {
    files::folders(&run.join("redis"))
}

/// The lines of one PostgreSQL server; a file that is absent or too large has none. `service` is one of
/// [`postgres_services`].
#[must_use]
pub fn postgres(run: &Path, service: &str) -> Postgres {
    let Some(dir) = files::inside(&run.join("db"), service) else { return Postgres::default() };
    let mut skipped = 0;
    Postgres {
        statements: lines(&dir, "statements", &mut skipped),
        activity: lines(&dir, "activity", &mut skipped),
        database: lines(&dir, "database", &mut skipped),
        plans: lines(&dir, "plans", &mut skipped),
        skipped,
    }
}

/// The lines of one Redis server; a file that is absent or too large has none. `service` is one of
/// [`redis_services`].
#[must_use]
pub fn redis(run: &Path, service: &str) -> Redis {
    let Some(dir) = files::inside(&run.join("redis"), service) else { return Redis::default() };
    let mut skipped = 0;
    Redis {
        info: lines(&dir, "info", &mut skipped),
        histograms: lines(&dir, "histograms", &mut skipped),
        slow: lines(&dir, "slowlog", &mut skipped),
        latency: lines(&dir, "latency", &mut skipped),
        skipped,
    }
}

fn lines<T: DeserializeOwned>(dir: &Path, what: &str, skipped: &mut usize) -> Vec<T> {
    let bytes = files::read(&dir.join(format!("{what}.jsonl")), BYTES).unwrap_or_default();
    let (lines, bad) = read(&bytes);
    *skipped += bad;
    lines
}
