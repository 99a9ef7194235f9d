//! What is asked, by version of the server and of its extension. All names of own subqueries begin with
//! `loadprof`, by which these statements are told from the service's.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Entries of `pg_stat_statements` that are read; its default of `pg_stat_statements.max` is 5000.
pub(super) const MOST_STATEMENTS: usize = 5000;
/// Backends in one sample.
pub(super) const MOST_BACKENDS: usize = 300;
/// Waiting backends in one sample whose blockers are asked for: each asks the lock manager, which stands still
/// meanwhile.
const MOST_WAITERS: usize = 20;
/// By this a text is one of ours.
const MARK: &str = "loadprof_";

/// Asks what the server is and has; one row.
pub const PROBE: &str = "SELECT row_to_json(loadprof_p) FROM (SELECT \
    current_setting('server_version_num')::int AS version, \
    current_setting('server_version') AS release, \
    current_setting('max_connections')::int AS max_connections, \
    current_setting('superuser_reserved_connections')::int + \
        coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved, \
    pg_postmaster_start_time()::text AS started, \
    current_user::text AS username, \
    (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database, \
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS reads_all, \
    e.extversion AS extension, e.nspname AS schema, \
    (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped \
        AND a.attrelid = to_regclass(quote_ident(e.nspname) || '.pg_stat_statements')) AS columns, \
    to_regclass(quote_ident(e.nspname) || '.pg_stat_statements_info') IS NOT NULL AS has_info, \
    EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded, \
    current_setting('track_io_timing') = 'on' AS io_timing, \
    current_setting('track_activities') = 'on' AS activities, \
    current_setting('compute_query_id', true) AS query_id, \
    (SELECT setting FROM pg_settings WHERE name = 'auto_explain.log_min_duration') AS auto_explain \
    FROM (SELECT 1) AS loadprof_one LEFT JOIN (SELECT extversion, nspname FROM pg_extension \
        JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_stat_statements') e ON true) loadprof_p";

/// What a server is and has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// E.g. `150004`.
    pub version: u32,
    /// E.g. `15.4 (Debian 15.4-1)`.
    pub release: String,
    /// `max_connections`.
    pub max_connections: u64,
    /// Of those, kept for others than ordinary users.
    pub reserved: u64,
    /// When it was started, as it writes it.
    pub started: String,
    /// User that is connected as.
    pub username: String,
    /// Id of the database.
    pub database: u32,
    /// Whether texts and activity of other users may be seen.
    pub reads_all: bool,
    /// Version of `pg_stat_statements`; none if it was not created in this database.
    pub extension: Option<String>,
    /// Its schema.
    pub schema: Option<String>,
    /// Columns of its view.
    pub columns: Option<BTreeSet<String>>,
    /// Whether `pg_stat_statements_info` is there.
    pub has_info: bool,
    /// Whether its library was loaded at the start of the server.
    pub loaded: bool,
    /// `track_io_timing`.
    pub io_timing: bool,
    /// `track_activities`.
    pub activities: bool,
    /// `compute_query_id` (14 and newer).
    pub query_id: Option<String>,
    /// `auto_explain.log_min_duration`, if it is loaded and may be seen.
    pub auto_explain: Option<String>,
}

impl Server {
    /// Whether statements can be read.
    #[must_use]
    pub fn has_statements(&self) -> bool {
        self.loaded && self.schema.is_some() && self.columns.is_some()
    }

    fn view(&self) -> String {
        let schema = self.schema.as_deref().unwrap_or("public").replace('"', "\"\"");
        format!("\"{schema}\".pg_stat_statements")
    }

    /// Counters of all statements without their texts, the most time first; one row each.
    pub(super) fn statements(&self) -> String {
        let has = |name: &str| self.columns.as_ref().is_some_and(|c| c.contains(name));
        // Renamed in 1.8 and 1.11, or not there yet.
        let first = |names: &[&'static str], none| names.iter().find(|n| has(n)).copied().unwrap_or(none);
        let total = first(&["total_exec_time", "total_time"], "0");
        let read_ms = first(&["shared_blk_read_time", "blk_read_time"], "0");
        let write_ms = first(&["shared_blk_write_time", "blk_write_time"], "0");
        let (toplevel, wal) = (first(&["toplevel"], "NULL"), first(&["wal_bytes"], "0"));
        format!(
            "SELECT row_to_json(loadprof_s) FROM (SELECT userid::bigint AS userid, dbid::bigint AS dbid, \
             queryid, {toplevel} AS toplevel, calls, {total} AS total_ms, rows, shared_blks_hit AS hit, \
             shared_blks_read AS read, temp_blks_written AS temp_written, {read_ms} AS read_ms, \
             {write_ms} AS write_ms, {wal} AS wal_bytes FROM {}(false) WHERE queryid IS NOT NULL ORDER BY {total} DESC \
             LIMIT {MOST_STATEMENTS}) loadprof_s",
            self.view()
        )
    }

    /// Start of the counters and evictions; one row.
    pub(super) fn statements_info(&self) -> Option<String> {
        self.has_info.then(|| format!("SELECT row_to_json(loadprof_i) FROM {}_info loadprof_i", self.view()))
    }

    /// Texts of some statements; one row each.
    pub(super) fn texts(&self, ids: &[i64]) -> String {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        format!(
            "SELECT row_to_json(loadprof_t) FROM (SELECT queryid, left(query, 20000) AS query FROM {}(true) \
             WHERE queryid = ANY ('{{{}}}'::bigint[])) loadprof_t",
            self.view(),
            ids.join(",")
        )
    }

    /// Backends at work; one row each, and one more than there is room for.
    pub(super) fn activity(&self, blockers: bool) -> String {
        let query_id = if self.version >= 140_000 { "query_id" } else { "NULL::bigint" };
        let blocked_by = if blockers {
            format!("CASE WHEN wait_type = 'Lock' AND nth <= {MOST_WAITERS} THEN pg_blocking_pids(pid) END")
        } else {
            "NULL".to_owned()
        };
        format!(
            "SELECT row_to_json(loadprof_a) FROM (SELECT pid, state, wait_type, wait, query_id, query, \
             xact_nanos, query_nanos, kind, app, {blocked_by} AS blocked_by FROM (SELECT pid, \
             coalesce(state, '') AS state, wait_event_type AS wait_type, wait_event AS wait, \
             {query_id} AS query_id, left(query, 4000) AS query, \
             (extract(epoch FROM clock_timestamp() - xact_start) * 1e9)::bigint AS xact_nanos, \
             (extract(epoch FROM clock_timestamp() - query_start) * 1e9)::bigint AS query_nanos, \
             coalesce(backend_type, '') AS kind, left(coalesce(application_name, ''), 64) AS app, \
             row_number() OVER (PARTITION BY wait_event_type ORDER BY query_start) AS nth \
             FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() \
             AND application_name <> 'loadprof' LIMIT {}) loadprof_b) loadprof_a",
            MOST_BACKENDS + 1
        )
    }

    /// Counters of the database; one row. Tables cost more and are asked for less often.
    pub(super) fn counters(&self, tables: bool) -> String {
        let checkpointer = if self.version >= 170_000 {
            "(SELECT row_to_json(c) FROM pg_stat_checkpointer c)"
        } else {
            "NULL"
        };
        let tables = if tables {
            "(SELECT json_agg(row_to_json(t)) FROM (SELECT schemaname, relname, seq_scan, seq_tup_read, idx_scan, \
             n_live_tup, n_dead_tup, n_tup_upd, n_tup_del, last_autovacuum FROM pg_stat_user_tables \
             ORDER BY seq_tup_read DESC NULLS LAST LIMIT 30) t)"
        } else {
            "NULL"
        };
        format!(
            "SELECT row_to_json(loadprof_d) FROM (SELECT (SELECT count(*) FROM pg_stat_activity \
             WHERE backend_type = 'client backend') AS backends, (SELECT row_to_json(d) FROM pg_stat_database d \
             WHERE datname = current_database()) AS database, (SELECT row_to_json(b) FROM pg_stat_bgwriter b) \
             AS bgwriter, {checkpointer} AS checkpointer, coalesce({tables}, '[]'::json) AS tables) loadprof_d"
        )
    }
}

/// Whether a text is one of this collector's own.
pub(super) fn is_own(query: &str) -> bool {
    query.contains(MARK) || query.starts_with("SET LOCAL statement_timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: u32, columns: &[&str]) -> Server {
        let columns = Some(columns.iter().map(|c| (*c).to_owned()).collect());
        Server { version, columns, schema: Some("a\"b".into()), ..Server::default() }
    }

    #[test]
    fn each_version_is_asked_for_the_columns_it_has() {
        let old = server(120_000, &["total_time", "blk_read_time", "blk_write_time"]);
        let sql = old.statements();
        assert!(sql.contains("total_time AS total_ms") && sql.contains("NULL AS toplevel"), "{sql}");
        assert!(
            sql.contains("0 AS wal_bytes") && sql.contains("\"a\"\"b\".pg_stat_statements(false)"),
            "{sql}"
        );
        let new = server(
            180_000,
            &["total_exec_time", "shared_blk_read_time", "shared_blk_write_time", "toplevel", "wal_bytes"],
        );
        let sql = new.statements();
        assert!(
            sql.contains("total_exec_time AS total_ms") && sql.contains(" toplevel AS toplevel"),
            "{sql}"
        );
        assert!(sql.contains("shared_blk_read_time AS read_ms"), "{sql}");
        assert!(old.activity(true).contains("NULL::bigint AS query_id"));
        assert!(new.activity(true).contains("pg_blocking_pids") && !new.activity(false).contains("blocking"));
        assert!(new.counters(false).contains("pg_stat_checkpointer"));
        assert!(!old.counters(true).contains("pg_stat_checkpointer"));
        for sql in [new.statements(), new.texts(&[1, -2]), new.activity(true), new.counters(true)] {
            assert!(is_own(&sql), "{sql}");
        }
    }
}
