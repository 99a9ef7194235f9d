//! What a PostgreSQL server gives, and the lines that turn on the rest.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::collect::postgres::{DbError, Limits, Link, PROBE, Server, Source};
use crate::collect::preflight::SourceCheck;
use crate::scenario::{Address, EvidenceSource};

/// Bounds of an answer.
const ANSWER: Limits = Limits { rows: 5001, bytes: 16 << 20, time: Duration::from_secs(2) };

const PRELOAD: &str = "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf (keep what is there), a \
    restart of the server, and then: CREATE EXTENSION pg_stat_statements";
const CREATE: &str = "CREATE EXTENSION pg_stat_statements in this database, as its owner or a superuser";
const IO_TIMING: &str = "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf(); until then times of reading \
    and writing blocks are 0, which does not mean that there were none";
const QUERY_ID: &str = "ALTER SYSTEM SET compute_query_id = on; SELECT pg_reload_conf()";
const AUTO_EXPLAIN: &str = "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'; ALTER SYSTEM SET \
    auto_explain.log_min_duration = '250ms'; ALTER SYSTEM SET auto_explain.log_format = 'json'; SELECT \
    pg_reload_conf(); plans of single executions then stand in the server's log";

pub(super) async fn ask(
    source: &EvidenceSource,
    address: &Address,
    (per_second, plans): (f64, bool),
    check: &mut SourceCheck,
) -> Result<(), String> {
    let made = Source::new(&source.service, address.expose(), source.ca.as_deref());
    let database = made.map_err(|e| e.to_string())?;
    check.url = database.shown();
    let told = |e: DbError| format!("{}: {e}", database.shown());
    let link = database.open().await.map_err(told)?;
    let server: Vec<Server> = link.rows(PROBE, ANSWER).await.map_err(told)?;
    let server = server.into_iter().next().unwrap_or_default();
    if server.version < 120_000 {
        return Err(format!("{}: PostgreSQL {} is older than 12", database.shown(), server.release));
    }
    check.note(format!("PostgreSQL {}", server.release));
    statements(&server, check);
    activity(&server, per_second, check);
    settings(&server, plans, check);
    cost(&link, per_second, check).await.map_err(told)
}

fn statements(server: &Server, check: &mut SourceCheck) {
    match (&server.extension, server.loaded) {
        (Some(version), true) => {
            check.gives("statements");
            check.note(format!("pg_stat_statements {version}"));
        }
        (_, false) => check.off("statements", PRELOAD),
        (None, true) => check.off("statements", CREATE),
    }
    if !server.reads_all {
        let user = server.username.replace('"', "\"\"");
        check.off(
            "statements and activity of other users",
            format!("GRANT pg_read_all_stats TO \"{user}\" (least privilege; pg_monitor holds it too)"),
        );
    }
}

fn activity(server: &Server, per_second: f64, check: &mut SourceCheck) {
    if server.activities {
        check.gives("activity");
    } else {
        check.off("activity", "ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf()");
    }
    check.gives("database");
    let taken =
        format!("takes 2 of {} connections and {per_second} samples a second", server.max_connections);
    check.note(taken);
}

fn settings(server: &Server, plans: bool, check: &mut SourceCheck) {
    if plans && server.has_statements() {
        check.gives("plans");
        check.note(
            "plans need the right to SELECT (for changes: to INSERT, UPDATE, DELETE) on the tables; nothing is \
             executed",
        );
    }
    if !server.io_timing {
        check.off("times of I/O", IO_TIMING);
    }
    match server.query_id.as_deref() {
        Some("off") => check.off("ids of running statements", QUERY_ID),
        // `auto`: on as soon as pg_stat_statements is loaded.
        Some("auto") if !server.loaded => check.off("ids of running statements", QUERY_ID),
        None => check.note("ids of running statements came with version 14: texts are compared instead"),
        _ => {}
    }
    // Who may not read all settings is not told that it is there.
    let explains = server.auto_explain.as_deref().is_some_and(|ms| ms != "-1");
    if !explains && server.reads_all {
        check.off("plans of single executions", AUTO_EXPLAIN);
    }
}

#[derive(Deserialize)]
struct Anything {}

async fn cost(link: &Link, per_second: f64, check: &mut SourceCheck) -> Result<(), DbError> {
    let began = Instant::now();
    let sql = "SELECT row_to_json(loadprof_a) FROM (SELECT pid, state, wait_event, left(query, 4000) AS query FROM \
        pg_stat_activity LIMIT 5000) loadprof_a";
    let rows: Vec<Anything> = link.rows(sql, ANSWER).await?;
    let took = began.elapsed().as_secs_f64();
    check.note(format!(
        "a sample takes {:.1} ms for {} backends: {:.1} % of one connection's time",
        took * 1e3,
        rows.len(),
        took * per_second * 100.0
    ));
    Ok(())
}
