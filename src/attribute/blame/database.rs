//! A wait for a database or a cache opens into what the server itself says: which statement, how often, what its
//! sessions wait for, and by which plan it is executed.

use super::{Candidate, Case, evidence};
use crate::analysis::quantity::{self, duration};
use crate::analysis::{
    BlockedStatement, CauseKind, DatabaseFacts, DatabaseSystem, Evidence, State, StatementFacts,
    StatementWait,
};
use crate::formats::postgres::statement::fingerprint;

/// Part of a wait that must have been added in the server for one of its statements to be blamed.
const SERVERS_PART: f64 = 0.3;
/// Part of what was added in the server that one statement must hold.
const STATEMENTS_PART: f64 = 0.5;
/// How many times as often as in the reference a statement is executed for its number to be what changed.
const MORE_OFTEN: f64 = 1.5;
/// Executions of one statement by one request that look like a loop.
const LOOP: f64 = 5.0;
/// Executions by one request that are more than in the reference and cost it a good part of a round trip.
const FURTHER: f64 = 0.5;
/// Executions that look like a loop where there is no reference.
const UNCOMPARED_LOOP: f64 = 10.0;
const SESSIONS: &str = "database sessions";
/// Longest text of a statement in a sentence.
const TEXT: usize = 160;

/// What the server adds to a candidate.
#[derive(Debug)]
pub(super) struct Opened {
    /// What it is, if not slowness of the server's work.
    pub kind: Option<CauseKind>,
    /// Statement to blame; empty if none stands out.
    pub doing: String,
    /// Continues the sentence about the wait.
    pub says: String,
    pub remedy: Option<String>,
    pub evidence: Vec<Evidence>,
    /// Whether the server took the time that requests waited for it.
    pub owned: bool,
    /// Whether it may be something else all the same.
    pub unsure: bool,
    /// The server.
    pub service: String,
    /// What it added, nanoseconds per request.
    pub added: f64,
    /// What it counted more for the statement to blame, if its work is what became longer.
    pub served: Option<f64>,
    /// Whether a statement is executed in a loop that was not there.
    pub repeated: bool,
}

/// Opens a wait that grew by `change` nanoseconds per request; none without evidence of such a server.
pub(super) fn open(case: &Case, state: State, change: f64) -> Option<Opened> {
    let system = match state {
        State::Database => DatabaseSystem::Postgresql,
        State::Cache => DatabaseSystem::Redis,
        _ => return None,
    };
    let referenced = case.reference.is_some();
    let of_system = case.databases.iter().filter(|d| d.system == system);
    // A server without readings in the reference cannot say what changed.
    let servers: Vec<_> = of_system.filter(|d| d.reference.is_some() == referenced).collect();
    let server = servers.iter().copied().max_by_key(|d| d.added())?;
    if let Some(flush) = flushing(server, change) {
        return Some(flush);
    }
    let took = server.added() as f64 >= SERVERS_PART * change;
    let top =
        server.statements.first().filter(|s| s.added() as f64 >= STATEMENTS_PART * server.added() as f64);
    let top = top.filter(|_| took);
    // What a statement costs comes first: a loop that costs little beside it is none of the matter.
    if let Some(top) = top.filter(|s| !is_more_often(s)) {
        return Some(statement(server, top));
    }
    if let Some((server, top)) = repeated(case, &servers) {
        return Some(in_a_loop(server, top));
    }
    match took {
        true => top.map(|top| statement(server, top)),
        false => elsewhere(server),
    }
}

/// The statement that is executed most times more often, if that looks like a loop. Each execution costs a round trip,
/// which the server's own time does not show.
fn repeated<'a>(
    case: &Case,
    servers: &[&'a DatabaseFacts],
) -> Option<(&'a DatabaseFacts, &'a StatementFacts)> {
    let all = servers.iter().filter(|d| d.counted).flat_map(|d| d.statements.iter().map(|s| (*d, s)));
    let is_new = |s: &StatementFacts| s.reference_calls.is_some_and(|calls| calls <= 0.0);
    let is_loop = |s: &StatementFacts| more(s) >= LOOP && is_more_often(s);
    // One or two might be missing in the reference, or take the place of another.
    let is_further = |d: &DatabaseFacts, s: &StatementFacts| {
        let more_in_all = d.statements.iter().map(more).sum::<f64>() >= FURTHER;
        more(s) >= FURTHER && more_in_all && is_whole(d) && (is_new(s) || is_more_often(s))
    };
    all.filter(|(d, s)| (is_loop(s) || is_further(d, s)) && is_of_requests(case, s))
        .max_by(|a, b| more(a.1).total_cmp(&more(b.1)))
}

/// Executions by one request that are more than in the reference.
fn more(of: &StatementFacts) -> f64 {
    of.calls - of.reference_calls.unwrap_or(0.0)
}

/// What is executed as often in each second as before is no request's: where fewer requests end, there is more of it for
/// each.
fn is_of_requests(case: &Case, of: &StatementFacts) -> bool {
    let before = of.reference_calls.unwrap_or(0.0) * case.throughput_before();
    of.calls * case.throughput() >= MORE_OFTEN * before
}

/// Commits wait for the write-ahead log to reach the disk. Counters of statements do not know this time: an execution has
/// ended before its transaction commits. Before release 17 the event has another spelling.
fn flushing(server: &DatabaseFacts, change: f64) -> Option<Opened> {
    const FLUSH: [&str; 5] =
        ["IO/WalSync", "IO/WalWrite", "LWLock/WALWrite", "LWLock/WalWrite", "LWLock/WALWriteLock"];
    let is_flush = |w: &StatementWait| FLUSH.iter().any(|f| w.event.eq_ignore_ascii_case(f));
    let grown = |w: &StatementWait| w.nanos - w.reference.unwrap_or(0);
    let waits = |s: &StatementFacts| s.waits.iter().filter(|w| is_flush(w)).map(grown).sum::<i64>();
    let flushed: i64 = server.statements.iter().map(waits).sum();
    let whole: i64 = server.statements.iter().flat_map(|s| &s.waits).map(grown).sum();
    let top = server.statements.iter().max_by_key(|s| waits(s))?;
    // What an execution itself became dearer by, without such waits in it, is no matter of the log.
    let executed = server.statements.iter().map(|s| s.added() - waits(s)).max().unwrap_or(0);
    if flushed as f64 <= SERVERS_PART * change || 2 * flushed <= whole || flushed <= executed {
        return None;
    }
    let text = cut(&top.text);
    let says = format!(
        "sessions of {} wait {} more per request for the write-ahead log to reach the disk, most of it in {text}",
        server.service,
        duration(flushed as f64)
    );
    Some(Opened {
        kind: Some(CauseKind::Disk),
        doing: format!("flushing the write-ahead log for {text}"),
        remedy: Some(
            "see how long the disk of the write-ahead log takes for a flush; commit several changes together, or \
             accept synchronous_commit = off for what may be lost"
                .into(),
        ),
        evidence: vec![evidence(
            SESSIONS,
            says.clone(),
            Some(format!("db/{}/activity.jsonl", server.service)),
        )],
        says,
        owned: true,
        unsure: false,
        service: server.service.clone(),
        added: server.added() as f64,
        served: None,
        repeated: false,
    })
}

fn in_a_loop(server: &DatabaseFacts, top: &StatementFacts) -> Opened {
    let text = cut(&top.text);
    let before =
        top.reference_calls.map(|c| format!(" instead of {}", quantity::number(c))).unwrap_or_default();
    Opened {
        kind: None,
        says: format!(
            "each executes {text} {} times{before}: {} of it in {}, the rest is the way there and back",
            quantity::number(top.calls),
            duration(top.added() as f64),
            server.service
        ),
        doing: text,
        remedy: Some(match top.calls >= LOOP {
            true => "fetch in one statement what the loop asks for one by one".into(),
            false => "ask for it together with what is asked for anyway, keep it, or do without".into(),
        }),
        evidence: vec![evidence(tier(server.system), figures(top), Some(counters(server)))],
        owned: true,
        unsure: more(top) < LOOP,
        service: server.service.clone(),
        added: server.added() as f64,
        served: None,
        repeated: true,
    }
}

/// Whether nothing is missing in what a server counted.
const fn is_whole(server: &DatabaseFacts) -> bool {
    server.counted && server.complete && server.resets == 0 && server.evicted == 0
}

/// The server did not take the time. Its silence counts only if nothing is missing in its counters.
fn elsewhere(server: &DatabaseFacts) -> Option<Opened> {
    let whole = is_whole(server);
    let says = format!(
        "{} itself spends {} per request on statements{}: the time is lost between the two",
        server.service,
        duration(server.nanos as f64),
        server.reference.map(|r| format!(", {} in the reference", duration(r as f64))).unwrap_or_default()
    );
    whole.then(|| Opened {
        kind: None,
        doing: String::new(),
        evidence: vec![evidence(tier(server.system), says.clone(), Some(counters(server)))],
        says,
        remedy: Some("look at the network between the two, a proxy or pooler, and the driver".into()),
        owned: false,
        unsure: true,
        service: server.service.clone(),
        added: server.added() as f64,
        served: None,
        repeated: false,
    })
}

fn statement(server: &DatabaseFacts, top: &StatementFacts) -> Opened {
    let text = cut(&top.text);
    let mut opened = Opened {
        kind: None,
        doing: text.clone(),
        says: format!(
            "{} spends {} more in {text}{}",
            server.service,
            duration(top.added() as f64),
            each(top)
        ),
        remedy: None,
        evidence: vec![evidence(tier(server.system), figures(top), Some(counters(server)))],
        owned: true,
        unsure: false,
        service: server.service.clone(),
        added: server.added() as f64,
        served: is_whole(server).then_some(top.added() as f64),
        repeated: false,
    };
    let plans = server.plans.iter().filter(|p| fingerprint(&p.text) == fingerprint(&top.text));
    // The first one says most; a change and what stands out in the new plan belong together.
    for (i, plan) in plans.take(2).enumerate() {
        opened.says.push_str(&format!("; {}", plan.says));
        if i == 0 {
            opened.remedy = Some(plan.remedy.clone());
        }
        let path = Some(format!("db/{}/plans.jsonl", server.service));
        opened.evidence.push(evidence("query plan", format!("{text}: {}", plan.says), path));
    }
    blocked(&mut opened, server, top);
    opened
}

/// Times that who blocks a statement must have been seen for it to be named where looks were few.
const SEEN: u64 = 3;

/// A statement that waits for a lock for the most part is not to blame: the session that holds it is. Short waits are met
/// by few looks at the sessions: then it counts that most of what is met more often than before are locks.
fn blocked(opened: &mut Opened, server: &DatabaseFacts, top: &StatementFacts) {
    let is_lock = |w: &&StatementWait| w.event.starts_with("Lock/");
    let grown = |w: &StatementWait| (w.nanos - w.reference.unwrap_or(0)).max(0);
    let waits: i64 = top.waits.iter().filter(is_lock).map(|w| w.nanos).sum();
    let locks: i64 = top.waits.iter().filter(is_lock).map(grown).sum();
    let most = 2 * locks > top.waits.iter().map(grown).sum();
    let pair = server.blocking.iter().find(|b| fingerprint(&b.waiter) == fingerprint(&top.text));
    let is_blocked = |b: &&BlockedStatement| 2 * waits > top.added() || (most && b.seen >= SEEN);
    let Some(pair) = pair.filter(is_blocked) else { return };
    let holder = match pair.blocker.as_str() {
        "" => format!("a session ({})", pair.state),
        blocker => format!("a session ({}) whose statement is {}", pair.state, cut(blocker)),
    };
    let age = duration(pair.oldest as f64);
    opened
        .says
        .push_str(&format!("; it waits for a lock that {holder} holds, in a transaction of up to {age}"));
    if !pair.blocker.is_empty() {
        opened.doing = cut(&pair.blocker);
    }
    opened.remedy = Some(match pair.state.starts_with("idle in transaction") {
        true => "end the transaction before other work is done: it is idle and holds locks".into(),
        false => "make the transaction that holds the lock shorter, or take locks later in it".into(),
    });
    let app = if pair.app.is_empty() { String::new() } else { format!(" of {}", pair.app) };
    opened.evidence.push(evidence(
        SESSIONS,
        format!("{} times a session was seen waiting behind {holder}{app}", quantity::count(pair.seen)),
        Some(format!("db/{}/activity.jsonl", server.service)),
    ));
}

/// Whether it is its number, and not its cost, that changed most. One that is new is a loop if a request executes it
/// several times, one that there is nothing to compare with if it does so many times.
fn is_more_often(top: &StatementFacts) -> bool {
    let before = match top.reference_calls {
        Some(calls) if calls > 0.0 => calls,
        Some(_) => return top.calls >= LOOP,
        None => return top.reference.is_none() && top.calls >= UNCOMPARED_LOOP,
    };
    let each = |nanos: i64, calls: f64| nanos as f64 / calls.max(1e-9);
    let dearer = each(top.nanos, top.calls) / each(top.reference.unwrap_or(0), before).max(1.0);
    top.calls >= MORE_OFTEN * before && top.calls / before > dearer
}

/// What one execution takes, or how many there are, whichever changed more.
fn each(top: &StatementFacts) -> String {
    if top.calls <= 0.0 {
        return String::new();
    }
    let before = top.reference.zip(top.reference_calls.filter(|c| *c > 0.0));
    if let Some((_, calls)) = before.filter(|_| is_more_often(top)) {
        let now = quantity::number(top.calls);
        return format!(", executed {now} times per request instead of {}", quantity::number(calls));
    }
    let of = |nanos: i64, calls: f64| duration(nanos as f64 / calls);
    let was = before.map(|(nanos, calls)| format!(" instead of {}", of(nanos, calls))).unwrap_or_default();
    format!(", {} for each execution{was}", of(top.nanos, top.calls))
}

fn figures(top: &StatementFacts) -> String {
    let of = |calls: f64, nanos: i64| match calls > 0.0 {
        true => format!(
            "{} per request ({} executions of {})",
            duration(nanos as f64),
            quantity::number(calls),
            duration(nanos as f64 / calls)
        ),
        false => format!("{} per request", duration(nanos as f64)),
    };
    let before = top.reference.zip(top.reference_calls);
    let before = before.map(|(nanos, calls)| format!("; in the reference {}", of(calls, nanos)));
    format!("{}: {}{}", cut(&top.text), of(top.calls, top.nanos), before.unwrap_or_default())
}

const fn tier(system: DatabaseSystem) -> &'static str {
    match system {
        DatabaseSystem::Postgresql => "statements of the database",
        DatabaseSystem::Redis => "commands of the cache",
    }
}

fn counters(server: &DatabaseFacts) -> String {
    match server.system {
        DatabaseSystem::Postgresql => format!("db/{}/statements.jsonl", server.service),
        DatabaseSystem::Redis => format!("redis/{}/info.jsonl", server.service),
    }
}

fn cut(text: &str) -> String {
    quantity::cut(text, TEXT)
}

/// How many times as long as in the reference connections must be held for waits for a free one to be their fault: they
/// grow faster than what they wait for.
const HELD_LONGER: f64 = 1.5;

/// Requests wait for a connection of a pool as long as others hold them: if what these wait for became longer, that is
/// to blame for both waits. Gives back the waits that nothing slow explains.
pub(super) fn take_over(case: &Case, remote: &mut [Candidate], pools: Vec<Candidate>) -> Vec<Candidate> {
    let is_slow = |c: &&mut Candidate| {
        let flushes = c.kind == CauseKind::Disk && c.evidence.iter().any(|e| e.tier == SESSIONS);
        flushes || matches!(c.kind, CauseKind::Database | CauseKind::Cache)
    };
    let slow = remote.iter_mut().filter(is_slow).max_by(|a, b| a.explains.value.total_cmp(&b.explains.value));
    let Some(slow) = slow.filter(|_| are_held_longer(case)) else { return pools };
    for pool in pools {
        slow.mechanism.push_str(&format!(
            "; they wait {} longer for a free connection in {}, as each is held for longer",
            duration(pool.explains.value),
            pool.at
        ));
        slow.explains = slow.explains.plus(pool.explains);
        slow.evidence.extend(pool.evidence);
    }
    Vec::new()
}

fn are_held_longer(case: &Case) -> bool {
    let held = case.lines.iter().filter(|l| matches!(l.state, State::Database | State::Cache));
    let (mut before, mut now) = (0.0, 0.0);
    for line in held {
        before += line.reference.map_or(0.0, |r| r.value);
        now += line.judged.value;
    }
    case.reference.is_some() && now >= HELD_LONGER * before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::PlanFacts;
    use crate::attribute::side::Side;

    const SCAN: &str = "SELECT count(*) FROM orders WHERE customer = $1";
    const MS: i64 = 1_000_000;

    fn server(calls: (f64, f64), ms: (i64, i64)) -> DatabaseFacts {
        DatabaseFacts::of_one(StatementFacts {
            text: SCAN.into(),
            calls: calls.1,
            reference_calls: Some(calls.0),
            nanos: ms.1 * MS,
            reference: Some(ms.0 * MS),
            waits: Vec::new(),
        })
    }

    fn opened(server: DatabaseFacts, ms: i64) -> Option<Opened> {
        let nobody = || Side {
            windows: Vec::new(),
            client: Default::default(),
            services: Vec::new(),
            counters: Vec::new(),
            workers: Vec::new(),
            pools: Vec::new(),
        };
        let (before, now, databases) = (nobody(), nobody(), [server]);
        let case = Case {
            reference: Some(&before),
            judged: &now,
            lines: &[],
            databases: &databases,
            readings: &[],
            spans: None,
            requests: &[],
            load_change: 0.0,
            one_run: true,
            saturated: false,
            floor: 50_000.0,
        };
        assert!(open(&case, State::Cache, (ms * MS) as f64).is_none(), "another kind of server");
        open(&case, State::Database, (ms * MS) as f64)
    }

    #[test]
    fn the_statement_that_became_dearer_is_named_with_its_plan() {
        let mut server = server((1.0, 1.0), (2, 20));
        let plan = PlanFacts {
            text: "SELECT count(*) FROM orders WHERE customer = ?".into(),
            says: "orders is read whole".into(),
            remedy: "CREATE INDEX".into(),
        };
        server.plans.push(plan);
        let found = opened(server, 19).expect("opened");
        assert!(found.owned && found.doing == SCAN && found.served == Some(18e6), "{found:?}");
        assert_eq!(found.remedy.as_deref(), Some("CREATE INDEX"));
        let each = "20.0 ms for each execution instead of 2.00 ms";
        let says = format!("orders-db spends 18.0 ms more in {SCAN}, {each}; orders is read whole");
        assert_eq!((found.says, found.evidence.len()), (says, 2));
    }

    #[test]
    fn commits_that_wait_for_the_log_are_a_slow_disk_though_no_statement_counts_it() {
        let mut server = server((1.0, 1.0), (1, 1));
        let wait =
            |event: &str, ms: i64| StatementWait { event: event.into(), nanos: ms * MS, reference: Some(0) };
        server.statements[0].waits = vec![wait("IO/WALSync", 6), wait("LWLock/WALWrite", 2), wait("CPU", 1)];
        let found = opened(server.clone(), 9).expect("opened");
        assert_eq!((found.kind, found.owned), (Some(CauseKind::Disk), true), "{found:?}");
        assert!(found.says.contains("8.00 ms more per request for the write-ahead log"), "{}", found.says);
        // Executions that wait for the log themselves have the same cause.
        let mut within = server.clone();
        (within.nanos, within.statements[0].nanos) = (9 * MS, 9 * MS);
        assert_eq!(opened(within, 9).expect("opened").kind, Some(CauseKind::Disk));
        // What was waited for before, too, did not change.
        let mut same = server.clone();
        same.statements[0].waits.iter_mut().for_each(|w| w.reference = Some(w.nanos));
        assert!(opened(same, 9).is_none_or(|o| o.kind.is_none()));
        // As much as that is no news beside a wait that grew by far more.
        assert!(opened(server, 90).is_none_or(|o| o.kind.is_none()));
    }

    #[test]
    fn more_executions_are_told_from_dearer_ones() {
        let found = opened(server((1.0, 31.0), (1, 2)), 32).expect("opened");
        assert!(found.says.contains("31.0 times instead of 1.00: 1.00 ms of it in orders-db"), "{found:?}");
        assert!(found.remedy.expect("a remedy").contains("one statement"));
        let found = opened(server((0.0, 1.0), (0, 0)), 5).expect("opened");
        assert!(found.owned && found.repeated && found.says.contains("1.00 times instead of 0"), "{found:?}");
        let found = opened(server((0.0, 0.2), (0, 0)), 5).expect("opened");
        assert!(!found.owned, "a fifth of the requests: the others wait, too");
        let found = opened(server((1.0, 2.0), (1, 40)), 32).expect("opened");
        assert_eq!(found.remedy, None, "twice as often and twenty times as dear");
    }

    #[test]
    fn who_holds_the_lock_is_to_blame_not_who_waits() {
        let mut server = server((1.0, 1.0), (2, 20));
        server.statements[0].waits =
            vec![StatementWait { event: "Lock/transactionid".into(), nanos: 17 * MS, reference: None }];
        server.blocking = vec![BlockedStatement {
            waiter: "SELECT count(*) FROM orders WHERE customer = ?".into(),
            blocker: "UPDATE orders SET note = ?".into(),
            state: "idle in transaction".into(),
            app: "report".into(),
            seen: 40,
            oldest: 3_000_000_000,
        }];
        // Met by few looks.
        let mut few = server.clone();
        few.statements[0].waits[0].nanos = MS;
        assert_eq!(opened(few.clone(), 19).expect("opened").doing, "UPDATE orders SET note = ?");
        few.blocking[0].seen = 2;
        assert_eq!(opened(few, 19).expect("opened").doing, SCAN);
        let found = opened(server, 19).expect("opened");
        assert_eq!(found.doing, "UPDATE orders SET note = ?");
        assert!(found.remedy.as_ref().is_some_and(|r| r.contains("end the transaction")), "{found:?}");
        assert!(found.evidence[1].says.contains("40 times") && found.evidence[1].says.contains("of report"));
    }

    #[test]
    fn a_server_that_did_not_take_the_time_is_not_to_blame() {
        let found = opened(server((1.0, 1.0), (2, 3)), 19).expect("opened");
        assert!(
            !found.owned && found.doing.is_empty() && found.says.contains("lost between the two"),
            "{found:?}"
        );
        let mut reset = server((1.0, 1.0), (2, 3));
        reset.resets = 1;
        assert!(opened(reset, 19).is_none(), "a part of its counters is missing");
        let partial = DatabaseFacts { complete: false, ..server((1.0, 1.0), (2, 3)) };
        assert!(opened(partial, 19).is_none(), "not all of its statements were looked at");
    }

    #[test]
    fn a_loop_that_costs_little_does_not_hide_a_dear_statement() {
        let mut both = server((1.0, 1.0), (2, 20));
        let often = StatementFacts {
            text: "SELECT title FROM article WHERE item = $1".into(),
            calls: 8.0,
            nanos: MS / 5,
            reference: Some(MS / 50),
            ..both.statements[0].clone()
        };
        both.statements.push(often);
        assert_eq!(opened(both.clone(), 19).expect("opened").doing, SCAN);
        // Nothing is dear: then it is the loop, unless nobody counted in the reference.
        both.statements.remove(0);
        (both.nanos, both.reference) = (MS / 5, Some(MS / 50));
        assert!(opened(both.clone(), 19).expect("opened").doing.starts_with("SELECT title"));
        both.counted = false;
        both.statements[0].reference_calls = None;
        assert!(opened(both, 19).is_none());
    }
}
