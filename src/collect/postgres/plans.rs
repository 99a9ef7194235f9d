//! Plans of statements, without executing any of them: `EXPLAIN (GENERIC_PLAN)` where the server has it (16 and
//! newer), else the plan of a prepared statement without values, which is the same.
//!
//! Only queries and changes of rows are asked for, in a read-only transaction that is rolled back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::link::{Limits, Link};
use super::queries::Server;
use super::{DbError, path};
use crate::collect::journal::Journal;
use crate::collect::session::Session;
use crate::formats::postgres::lines::{Plan, TableSize};
use crate::formats::postgres::plan::{from_json, mask};
use crate::formats::postgres::statement::{may_be_explained, normalise};

/// Bounds of one plan.
const PLAN: Limits = Limits { rows: 20_000, bytes: 4 << 20, time: Duration::from_millis(1500) };
/// Statements that are planned at once.
const STATEMENTS: usize = 8;
/// Time for all of them.
const BUDGET: Duration = Duration::from_secs(4);
/// Anomalies of a run that plans are asked for, and the time between two of them.
const ANOMALIES: u32 = 2;
const APART: Duration = Duration::from_secs(30);
/// Parameters of a statement that is planned without `GENERIC_PLAN`.
const PARAMETERS: usize = 1000;
/// Largest file.
const FILE: usize = 32 << 20;

/// A statement that may be planned.
pub(super) struct Candidate {
    pub(super) queryid: i64,
    /// As the server has it: parameters in the place of literals.
    pub(super) text: String,
    /// What it took in this run, milliseconds.
    pub(super) spent_ms: f64,
}

/// Asks for plans and writes them.
pub(super) struct Plans {
    journal: Journal,
    anomalies: u32,
    asked: Option<Instant>,
}

impl Plans {
    pub(super) fn new(service: &str) -> Self {
        Self { journal: Journal::new(path(service, "plans"), FILE), anomalies: 0, asked: None }
    }

    /// Plans the first of the candidates that may be planned.
    pub(super) async fn take(
        &mut self,
        session: &mut Session,
        link: &Link,
        server: &Server,
        candidates: Vec<Candidate>,
        why: &str,
    ) -> Result<(), DbError> {
        let now = Instant::now();
        if why == "anomaly" {
            if self.anomalies >= ANOMALIES || self.asked.is_some_and(|asked| asked + APART > now) {
                return Ok(());
            }
            self.anomalies += 1;
            self.asked = Some(now);
        }
        let may = candidates.into_iter().filter(|c| may_be_explained(&c.text));
        for candidate in may.take(STATEMENTS) {
            if now.elapsed() > BUDGET {
                break;
            }
            let line = line(session, link, server, &candidate, why).await?;
            self.journal.write(session, &line).await;
        }
        Ok(())
    }

    pub(super) fn finish(self, session: &mut Session) {
        self.journal.finish(session);
    }
}

async fn line(
    session: &Session,
    link: &Link,
    server: &Server,
    of: &Candidate,
    why: &str,
) -> Result<Plan, DbError> {
    let mut line = Plan {
        t: session.now(),
        queryid: of.queryid,
        query: normalise(&of.text),
        why: why.to_owned(),
        ..Plan::default()
    };
    match explain(link, server, &of.text).await {
        Ok(mut plan) => {
            mask(&mut plan);
            line.tables = sizes(link, &plan).await.unwrap_or_default();
            line.plan = plan;
        }
        Err(error) if error.keeps_the_link() => line.problem = Some(problem(&error)),
        Err(error) => return Err(error),
    }
    Ok(line)
}

/// A server's message may repeat a literal.
fn problem(error: &DbError) -> String {
    normalise(&error.to_string())
}

async fn explain(link: &Link, server: &Server, text: &str) -> Result<Value, DbError> {
    let text = text.trim().trim_end_matches(';');
    let outcome = if server.version >= 160_000 {
        inside(link, &format!("EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) {text}")).await
    } else {
        explain_prepared(link, text).await
    };
    let rows = outcome?;
    serde_json::from_str(&rows.concat()).map_err(|e| DbError::shape(&e))
}

/// Begins a transaction that changes nothing and waits for nobody. `SET LOCAL` would do as well, but could not carry
/// the mark by which own statements are known.
const BEGIN: &str = "BEGIN; SELECT set_config('transaction_read_only', 'on', true), \
    set_config('statement_timeout', '1000', true), set_config('lock_timeout', '100', true), \
    set_config('plan_cache_mode', 'force_generic_plan', true) AS loadprof_set";

/// A question in such a transaction, which is rolled back.
async fn inside(link: &Link, sql: &str) -> Result<Vec<String>, DbError> {
    link.texts(BEGIN, PLAN).await?;
    let outcome = link.texts(sql, PLAN).await;
    if !outcome.as_ref().is_err_and(|e| !e.keeps_the_link()) {
        link.texts("ROLLBACK", PLAN).await?;
    }
    outcome
}

/// All in one transaction: a pooler may give the next one another connection, where nothing is prepared.
async fn explain_prepared(link: &Link, text: &str) -> Result<Vec<String>, DbError> {
    link.texts(BEGIN, PLAN).await?;
    let planning = async {
        link.texts(&format!("PREPARE loadprof_plan AS {text}"), PLAN).await?;
        // Only now the number of its parameters is known.
        let counted = link.texts(
            "SELECT coalesce(cardinality(parameter_types), 0) FROM pg_prepared_statements loadprof_c \
             WHERE name = 'loadprof_plan'",
            PLAN,
        );
        let count: usize = counted.await?.first().and_then(|n| n.parse().ok()).unwrap_or(0);
        let nulls = vec!["NULL"; count.min(PARAMETERS)].join(", ");
        let arguments = if count == 0 { String::new() } else { format!("({nulls})") };
        let plan = link
            .texts(&format!("EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE loadprof_plan{arguments}"), PLAN)
            .await?;
        link.texts("DEALLOCATE loadprof_plan", PLAN).await?;
        Ok(plan)
    };
    let outcome: Result<Vec<String>, DbError> = planning.await;
    match &outcome {
        Err(error) if !error.keeps_the_link() => return outcome,
        _ => _ = link.texts("ROLLBACK", PLAN).await?,
    }
    if outcome.is_err() {
        // What was prepared survives a rollback; it may not be there if that is what failed.
        let _ = link.texts("DEALLOCATE loadprof_plan", PLAN).await;
    }
    outcome
}

/// Sizes of the tables of a plan.
async fn sizes(link: &Link, plan: &Value) -> Result<Vec<TableSize>, DbError> {
    let Ok(top) = from_json(plan) else { return Ok(Vec::new()) };
    let mut tables: Vec<(String, String)> =
        top.walk().filter_map(|n| Some((n.schema.clone()?, n.table.clone()?))).collect();
    // A name that might end its own quotes is not worth the risk.
    tables.retain(|(schema, table)| !schema.contains('\\') && !table.contains('\\'));
    tables.sort();
    tables.dedup();
    tables.truncate(50);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let quoted = |name: &str| format!("'{}'", name.replace('\'', "''"));
    let pairs: Vec<String> =
        tables.iter().map(|(schema, table)| format!("({}, {})", quoted(schema), quoted(table))).collect();
    let sql = format!(
        "SELECT row_to_json(loadprof_r) FROM (SELECT nspname AS schema, relname AS \"table\", \
         reltuples::float8 AS rows, relpages AS pages FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE (nspname, relname) IN ({})) loadprof_r",
        pairs.join(", ")
    );
    link.rows(&sql, PLAN).await
}
