//! What database servers say of the statements that requests executed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A database server in the judged part and in the reference. Figures per request are of the hits that ended between
/// the readings used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseFacts {
    /// Service.
    pub service: String,
    /// What server it is.
    pub system: DatabaseSystem,
    /// Whether the server's counters were read in every part that is compared; else times are of samples of its sessions.
    pub counted: bool,
    /// Whether every entry of its counters was looked at each time.
    pub complete: bool,
    /// Hits that ended between the readings of the judged part.
    pub requests: u64,
    /// The same in the reference; none without one.
    pub reference_requests: Option<u64>,
    /// Time of all statements together, nanoseconds per request.
    pub nanos: i64,
    /// The same in the reference; none without one.
    pub reference: Option<i64>,
    /// Statements or commands: what grew most first; without a reference, what takes most.
    pub statements: Vec<StatementFacts>,
    /// Statements that there was no room for.
    pub more: u64,
    /// Statements that kept others waiting, the most sightings first.
    pub blocking: Vec<BlockedStatement>,
    /// What stands out in plans.
    pub plans: Vec<PlanFacts>,
    /// Commands of the slow log, the longest first.
    pub slow: Vec<SlowCommand>,
    /// Client connections; none if they were not read.
    pub clients: Option<ClientFacts>,
    /// Counters that began anew within the readings: what was executed before is missing.
    pub resets: u64,
    /// Entries that the server threw out meanwhile: some executions are missing.
    pub evicted: u64,
}

#[cfg(test)]
impl DatabaseFacts {
    /// What a PostgreSQL says that counted one statement, whole on both sides.
    pub(crate) fn of_one(statement: StatementFacts) -> Self {
        Self {
            service: "orders-db".into(),
            system: DatabaseSystem::Postgresql,
            counted: true,
            complete: true,
            requests: 600,
            reference_requests: Some(800),
            nanos: statement.nanos,
            reference: statement.reference,
            statements: vec![statement],
            more: 0,
            blocking: Vec::new(),
            plans: Vec::new(),
            slow: Vec::new(),
            clients: None,
            resets: 0,
            evicted: 0,
        }
    }
}

impl DatabaseFacts {
    /// Time that was added against the reference, nanoseconds per request; all of it without one.
    #[must_use]
    pub fn added(&self) -> i64 {
        self.nanos - self.reference.unwrap_or(0)
    }
}

impl StatementFacts {
    /// Time that was added against the reference, nanoseconds per request; all of it without one.
    #[must_use]
    pub fn added(&self) -> i64 {
        self.nanos - self.reference.unwrap_or(0)
    }
}

/// Kinds of database servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseSystem {
    /// PostgreSQL.
    Postgresql,
    /// Redis.
    Redis,
}

/// What one statement did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatementFacts {
    /// Text without literals, or name of the command.
    pub text: String,
    /// Executions per request. Zero for a statement known from samples alone.
    pub calls: f64,
    /// The same in the reference; none without one.
    pub reference_calls: Option<f64>,
    /// Time in the server, nanoseconds per request: of executions that ended, else of samples of sessions.
    pub nanos: i64,
    /// The same in the reference; none without one.
    pub reference: Option<i64>,
    /// What sessions that execute it wait for, by samples; the most first.
    pub waits: Vec<StatementWait>,
}

/// What a statement's sessions wait for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatementWait {
    /// Type and event as the server names them, e.g. `Lock/transactionid`; `CPU` if for nothing.
    pub event: String,
    /// Nanoseconds per request.
    pub nanos: i64,
    /// The same in the reference; none without one.
    #[serde(default)]
    pub reference: Option<i64>,
}

/// A statement that waited for a session, and what that session did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedStatement {
    /// Statement that waits.
    pub waiter: String,
    /// Statement of the session at the end of the chain, its last one if the session is idle.
    pub blocker: String,
    /// State of that session, e.g. `idle in transaction`.
    pub state: String,
    /// Name that its client gave itself.
    pub app: String,
    /// Sightings of a waiter behind such a session.
    pub seen: u64,
    /// Greatest age of its transaction, nanoseconds.
    pub oldest: u64,
}

/// Something that stands out in the plan of a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanFacts {
    /// Statement.
    pub text: String,
    /// What stands out, one sentence.
    pub says: String,
    /// What to try.
    pub remedy: String,
}

/// Slow executions of one command on keys of one pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowCommand {
    /// Name of the command.
    pub command: String,
    /// Pattern of its first key; empty if it has none.
    pub key: String,
    /// How many the server kept in its log.
    pub count: u64,
    /// The longest, nanoseconds.
    pub longest: u64,
}

/// Connections of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientFacts {
    /// The most at once in the judged part.
    pub most: u64,
    /// The most at once in the reference; none without one.
    pub reference_most: Option<u64>,
    /// How many the server allows; none if it does not tell.
    pub limit: Option<u64>,
    /// The most at once that waited in a blocking command.
    pub blocked: u64,
}

/// Requests that a server was seen at work for, known by the trace ids that comments of their statements name, so that
/// they can be found in traces and logs. All lists of ids are examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatabaseTraces {
    /// Service.
    pub service: String,
    /// Statements that were met, those seen most often first.
    pub statements: Vec<StatementTraces>,
    /// Statements that waited for a session, in the order of [`DatabaseFacts::blocking`].
    pub blocked: Vec<BlockedTraces>,
    /// Slow requests that were met, the slowest first.
    pub slow: Vec<SlowInDatabase>,
}

/// Requests that a statement was executed for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatementTraces {
    /// Text without literals.
    pub text: String,
    /// Trace ids, those seen most often first.
    pub traces: Vec<String>,
}

/// Requests on both sides of a wait; the first four fields are those of a [`BlockedStatement`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedTraces {
    /// Statement that waits.
    pub waiter: String,
    /// Statement of the session at the end of the chain.
    pub blocker: String,
    /// State of that session.
    pub state: String,
    /// Name that its client gave itself.
    pub app: String,
    /// Trace ids of requests that waited.
    pub waiting: Vec<String>,
    /// Trace ids of requests whose session they waited for.
    pub holding: Vec<String>,
}

/// One of the slowest requests of a period, as the server met it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowInDatabase {
    /// Slug of the request.
    pub request: String,
    /// Its trace id.
    pub trace_id: String,
    /// Its response time, nanoseconds.
    pub response: u64,
    /// Statement that it was met in most often.
    pub text: String,
    /// What that waited for, as in [`StatementWait::event`].
    pub waits: String,
    /// How often it was met in both.
    pub seen: u64,
    /// How often it was met at all.
    pub sightings: u64,
}
