//! What database servers say.

use serde::Serialize;

use crate::analysis::{
    Analysis, BlockedStatement, BlockedTraces, ClientFacts, DatabaseFacts, DatabaseSystem, DatabaseTraces,
    PlanFacts, SlowCommand, SlowInDatabase, StatementFacts, StatementTraces,
};
use crate::report::quantity;

/// Longest text of a statement in a table.
const TEXT: usize = 200;

/// A server.
#[derive(Serialize)]
pub(super) struct DatabaseView {
    title: String,
    facts: String,
    /// What a statement is called in this kind of server.
    statement: &'static str,
    referenced: bool,
    statements: Vec<StatementView>,
    more: Option<String>,
    blocking: Vec<BlockedView>,
    plans: Vec<PlanView>,
    slow: Vec<SlowView>,
    traces: Vec<TracesView>,
    slow_requests: Vec<SlowRequestView>,
}

#[derive(Serialize)]
struct StatementView {
    text: String,
    reference_calls: String,
    calls: String,
    reference: String,
    time: String,
    each: String,
    waits: String,
}

#[derive(Serialize)]
struct BlockedView {
    waiter: String,
    blocker: String,
    state: String,
    seen: String,
    oldest: String,
    waiting: Vec<String>,
    holding: Vec<String>,
}

#[derive(Serialize)]
struct PlanView {
    text: String,
    says: String,
    remedy: String,
}

#[derive(Serialize)]
struct SlowView {
    command: String,
    key: String,
    count: String,
    longest: String,
}

/// Requests that a statement was executed for.
#[derive(Serialize)]
struct TracesView {
    text: String,
    traces: Vec<String>,
}

#[derive(Serialize)]
struct SlowRequestView {
    request: String,
    trace: String,
    response: String,
    statement: String,
    waits: String,
    seen: String,
}

pub(super) fn databases(a: &Analysis) -> Vec<DatabaseView> {
    let met = |d: &DatabaseFacts| a.database_traces.iter().find(|t| t.service == d.service);
    a.databases.iter().map(|d| database(d, met(d))).collect()
}

fn database(d: &DatabaseFacts, met: Option<&DatabaseTraces>) -> DatabaseView {
    let (system, statement) = match d.system {
        DatabaseSystem::Postgresql => ("PostgreSQL", "statement"),
        DatabaseSystem::Redis => ("Redis", "command"),
    };
    DatabaseView {
        title: format!("{} ({system})", d.service),
        facts: facts(d),
        statement,
        referenced: d.reference.is_some(),
        statements: d.statements.iter().map(self::statement).collect(),
        more: (d.more > 0).then(|| quantity::count(d.more)),
        blocking: d.blocking.iter().map(|b| blocked(b, met)).collect(),
        plans: d.plans.iter().map(plan).collect(),
        slow: d.slow.iter().map(slow).collect(),
        traces: met.map(traces).unwrap_or_default(),
        slow_requests: met.map(|m| m.slow.iter().map(slow_request).collect()).unwrap_or_default(),
    }
}

fn facts(d: &DatabaseFacts) -> String {
    let mut words = format!("{} per request in the server", quantity::duration(d.nanos as f64));
    if let Some(reference) = d.reference {
        words += &format!(", {} in the reference", quantity::duration(reference as f64));
    }
    words += &format!("; {} requests ended between its readings.", quantity::count(d.requests));
    words += &d.clients.as_ref().map(clients).unwrap_or_default();
    if d.resets > 0 {
        words += " Its counters began anew meanwhile: what was executed before is missing.";
    }
    if !d.counted {
        words += " Its counters were not read in every part that is compared: times may be of sampled sessions alone.";
    }
    if !d.complete {
        words += " It has more statements than were looked at: those with the least time are missing.";
    }
    if d.evicted > 0 {
        words += &format!(
            " It threw out {} entries of statements meanwhile: some executions are missing (raise \
             pg_stat_statements.max).",
            quantity::count(d.evicted)
        );
    }
    words
}

fn clients(c: &ClientFacts) -> String {
    let limit = c.limit.map(|n| format!(" of {} allowed", quantity::count(n))).unwrap_or_default();
    let before =
        c.reference_most.map(|n| format!(", {} in the reference", quantity::count(n))).unwrap_or_default();
    let mut words = format!(" At most {} connections{limit}{before}.", quantity::count(c.most));
    if c.blocked > 0 {
        words += &format!(" Up to {} clients waited in a blocking command.", quantity::count(c.blocked));
    }
    words
}

fn statement(s: &StatementFacts) -> StatementView {
    let time = |nanos: i64| quantity::duration(nanos as f64);
    let waits = s.waits.iter().filter(|w| w.nanos > 0);
    let waits: Vec<String> = waits.map(|w| format!("{} {}", w.event, time(w.nanos))).collect();
    StatementView {
        text: cut(&s.text),
        reference_calls: s.reference_calls.map(quantity::number).unwrap_or_default(),
        calls: if s.calls > 0.0 { quantity::number(s.calls) } else { String::new() },
        reference: s.reference.map(time).unwrap_or_default(),
        time: time(s.nanos),
        each: if s.calls > 0.0 { quantity::duration(s.nanos as f64 / s.calls) } else { String::new() },
        waits: waits.join(", "),
    }
}

fn blocked(b: &BlockedStatement, met: Option<&DatabaseTraces>) -> BlockedView {
    let same = |t: &&BlockedTraces| {
        (&t.waiter, &t.blocker, &t.state, &t.app) == (&b.waiter, &b.blocker, &b.state, &b.app)
    };
    let sides = met.and_then(|m| m.blocked.iter().find(same));
    let nobody = || "a session that was not seen".to_owned();
    BlockedView {
        waiter: cut(&b.waiter),
        blocker: if b.blocker.is_empty() { nobody() } else { cut(&b.blocker) },
        state: match b.app.as_str() {
            "" => b.state.clone(),
            app => format!("{}, {app}", b.state),
        },
        seen: quantity::count(b.seen),
        oldest: quantity::duration(b.oldest as f64),
        waiting: sides.map(|s| s.waiting.clone()).unwrap_or_default(),
        holding: sides.map(|s| s.holding.clone()).unwrap_or_default(),
    }
}

/// Requests by statement; those that wait for others stand beside their blocker.
fn traces(met: &DatabaseTraces) -> Vec<TracesView> {
    let elsewhere = |s: &&StatementTraces| !met.blocked.iter().any(|b| b.waiter == s.text);
    let view = |s: &StatementTraces| TracesView { text: cut(&s.text), traces: s.traces.clone() };
    met.statements.iter().filter(elsewhere).map(view).collect()
}

fn slow_request(s: &SlowInDatabase) -> SlowRequestView {
    SlowRequestView {
        request: s.request.clone(),
        trace: s.trace_id.clone(),
        response: quantity::duration(s.response as f64),
        statement: cut(&s.text),
        waits: s.waits.clone(),
        seen: format!("{} of {}", quantity::count(s.seen), quantity::count(s.sightings)),
    }
}

fn plan(p: &PlanFacts) -> PlanView {
    PlanView { text: cut(&p.text), says: p.says.clone(), remedy: p.remedy.clone() }
}

fn slow(s: &SlowCommand) -> SlowView {
    SlowView {
        command: s.command.clone(),
        key: s.key.clone(),
        count: quantity::count(s.count),
        longest: quantity::duration(s.longest as f64),
    }
}

fn cut(text: &str) -> String {
    quantity::cut(text, TEXT)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use crate::report::golden::{load, outputs};

    /// Ids are read as 32 hex digits; a folder that somebody else made may hold anything.
    const EVIL: &str = "aa` | <script>\n# heading";

    #[test]
    fn requests_stand_beside_the_statements_that_they_waited_in() {
        let (mut a, folded) = load("go-lock");
        let blocked = json!({ "waiter": "UPDATE a", "blocker": "BEGIN", "state": "idle", "app": "shop" });
        let with = |more: serde_json::Value| {
            let mut all = blocked.clone();
            all.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            all
        };
        let facts = json!([{
            "service": "db", "system": "postgresql", "counted": true, "complete": true, "requests": 10,
            "nanos": 5, "statements": [], "more": 0, "plans": [], "slow": [], "resets": 0, "evicted": 0,
            "blocking": [with(json!({ "seen": 4, "oldest": 7 }))],
        }]);
        let met = json!([{
            "service": "db",
            "statements": [{ "text": "UPDATE a", "traces": ["b1"] }, { "text": "SELECT b", "traces": ["c1", EVIL] }],
            "blocked": [with(json!({ "waiting": ["b1", "b2"], "holding": ["d1"] }))],
            "slow": [{ "request": "buy", "trace_id": "b1", "response": 2_000_000_000_u64, "text": "UPDATE a",
                       "waits": "Lock/tuple", "seen": 3, "sightings": 5 }],
        }]);
        a.databases = from_value(facts).expect("facts");
        a.database_traces = from_value(met).expect("traces");
        let report = &outputs(&a, &folded)["report.md"];
        let has = |words: &str| assert!(report.contains(words), "{words} is not in {report}");
        has(
            "- `UPDATE a`: waited in the requests with trace ids `b1`, `b2`; waited for the session of `d1`.",
        );
        has("- `SELECT b`: `c1`, ");
        has("| buy | `b1` | 2.00 s | `UPDATE a` | Lock/tuple | 3 of 5 |");
        assert!(!report.contains("- `UPDATE a`: `b1`"), "it stands beside its blocker");
        assert!(!report.contains("\n# heading"), "{report}");
    }
}
