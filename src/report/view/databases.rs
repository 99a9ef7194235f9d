//! What database servers say.

use serde::Serialize;

use crate::analysis::{
    Analysis, BlockedStatement, ClientFacts, DatabaseFacts, DatabaseSystem, PlanFacts, SlowCommand,
    StatementFacts,
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

pub(super) fn databases(a: &Analysis) -> Vec<DatabaseView> {
    a.databases.iter().map(database).collect()
}

fn database(d: &DatabaseFacts) -> DatabaseView {
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
        blocking: d.blocking.iter().map(blocked).collect(),
        plans: d.plans.iter().map(plan).collect(),
        slow: d.slow.iter().map(slow).collect(),
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

fn blocked(b: &BlockedStatement) -> BlockedView {
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
