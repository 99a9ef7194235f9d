//! `[[evidence.postgres]]` and `[[evidence.redis]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::scalar::Checked;
use crate::scenario::units::Number;

/// A PostgreSQL server: its statements, what they wait for, and plans of the slowest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Postgres {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Address of the database, best from the environment: `postgres://user:password@host:5432/database`, or
    /// `host=.. user=.. password=.. dbname=..`.
    #[schemars(required, extend("examples" = ["${PG_DSN}", "postgres://loadprof:${PG_PASSWORD}@127.0.0.1:5432/shop"]))]
    pub(in crate::scenario) dsn: Option<Checked<String>>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(in crate::scenario) ca: Option<Checked<String>>,
    /// Samples of `pg_stat_activity` per second; slowed down by itself when one gets costly.
    #[schemars(extend("default" = 10, "maximum" = 100))]
    pub(in crate::scenario) snapshots_per_second: Option<Checked<Number>>,
    /// Whether plans of the statements that took the most time are asked for; none is executed.
    #[schemars(extend("default" = true))]
    pub(in crate::scenario) plans: Option<Checked<bool>>,
}

/// A Redis server: its commands, slow ones, clients and memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Redis {
    /// Name of the service the evidence speaks of.
    #[schemars(required)]
    pub(in crate::scenario) service: Option<Checked<String>>,
    /// Address of the server; `rediss://` for TLS.
    #[schemars(required, extend("examples" = ["redis://127.0.0.1:6379", "rediss://loadprof:${REDIS_PASSWORD}@cache:6379"]))]
    pub(in crate::scenario) url: Option<Checked<String>>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(in crate::scenario) ca: Option<Checked<String>>,
    /// Whether the service keeps profiles there under `pprof:<trace id>:<minute>`, to be fetched for the slowest
    /// requests.
    #[schemars(extend("default" = false))]
    pub(in crate::scenario) snapshots: Option<Checked<bool>>,
}
