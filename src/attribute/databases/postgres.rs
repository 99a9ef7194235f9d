//! PostgreSQL: `pg_stat_statements` between readings, samples of `pg_stat_activity`, plans.

use std::collections::BTreeMap;

use super::{Sides, Use, Uses, compare, requests};
use crate::analysis::{
    BlockedStatement, ClientFacts, DatabaseFacts, DatabaseSystem, PlanFacts, StatementFacts,
};
use crate::attribute::Inquiry;
use crate::formats::postgres::lines::{Activity, Plan};
use crate::formats::postgres::statement::fingerprint;
use crate::formats::postgres::{activity, plan, statements};
use crate::run::databases::{self, Postgres};
use crate::run::period::LoadPeriod;
use crate::time::{MILLISECOND, SECOND, Window};

/// Blocked statements and findings of plans that are told.
const MOST: usize = 6;
/// Stands for a text that the role of the collector may not see.
const HIDDEN: &str = "(text not visible to the role that asked)";

pub(super) fn facts(inquiry: &Inquiry, service: &str) -> Option<DatabaseFacts> {
    let sides = Sides::of(inquiry, |dir| databases::postgres(dir, service), uses)?;
    let found = compare(service, DatabaseSystem::Postgresql, &sides.judged, sides.reference.as_ref());
    Some(DatabaseFacts {
        plans: plans(&sides.lines.plans, &found.statements, inquiry.judged),
        blocking: blocking(&sides.lines.activity, inquiry.judged),
        clients: clients(&sides.lines, inquiry.judged, sides.before(inquiry)),
        ..found
    })
}

pub(super) fn uses(lines: &Postgres, periods: &[LoadPeriod], windows: &[Window]) -> Uses {
    let mut uses = Uses { complete: true, ..Uses::default() };
    let mut ids = Ids::new();
    for window in windows {
        executed(&mut uses, &mut ids, lines, periods, *window);
    }
    for window in windows {
        sampled(&mut uses, &ids, lines, periods, *window);
    }
    uses
}

/// Keys of statements by the server's ids: texts of running statements are cut, and differ then.
type Ids = BTreeMap<i64, u64>;

/// Statements inside functions are part of the statement that called the function.
fn executed(uses: &mut Uses, ids: &mut Ids, lines: &Postgres, periods: &[LoadPeriod], window: Window) {
    let found = statements::between(&lines.statements, window);
    let Some(span) = found.span else { return };
    uses.requests += requests(periods, span);
    uses.complete &= found.complete;
    uses.resets += found.resets;
    uses.evicted += found.evicted;
    for of in found.statements.into_iter().filter(|s| s.key.toplevel) {
        let hash = match of.key.queryid {
            Some(id) if of.query.is_empty() => id.cast_unsigned(),
            _ => of.hash,
        };
        ids.extend(of.key.queryid.map(|id| (id, hash)));
        let sum = uses.by_hash.entry(hash).or_default();
        sum.calls += of.calls as f64;
        sum.executed = Some(sum.executed.unwrap_or(0.0) + of.total_ms * MILLISECOND as f64);
        name(sum, of.query);
    }
}

/// From so many characters on a text may be one that the server cut (`track_activity_query_size`, 1 kB).
const MAY_BE_CUT: usize = 500;

/// The mean number of sessions that execute a statement, times the length of the window, is their time in it.
fn sampled(uses: &mut Uses, ids: &Ids, lines: &Postgres, periods: &[LoadPeriod], window: Window) {
    let shares = activity::shares(&lines.activity, window);
    if shares.samples == 0 {
        return;
    }
    uses.sampled_requests += requests(periods, window);
    let each = window.nanos() as f64 / shares.samples as f64;
    for of in shares.statements {
        let known = of.key.query_id.and_then(|id| ids.get(&id).copied());
        let sum = uses.by_hash.entry(known.unwrap_or_else(|| fingerprint(&of.query))).or_default();
        sum.sampled += of.seen as f64 * each;
        sum.seen += of.seen;
        sum.cut |= known.is_none() && of.query.len() >= MAY_BE_CUT;
        for (event, seen) in of.waits {
            *sum.waits.entry(event).or_default() += seen as f64 * each;
        }
        name(sum, of.query);
    }
}

fn name(of: &mut Use, text: String) {
    if of.text.is_empty() {
        of.text = if text.is_empty() { HIDDEN.to_owned() } else { text };
    }
}

fn blocking(lines: &[Activity], window: Window) -> Vec<BlockedStatement> {
    let told = |b: activity::Blocking| BlockedStatement {
        waiter: b.waiter,
        blocker: b.blocker,
        state: b.state,
        app: b.app,
        seen: b.seen,
        oldest: b.oldest_nanos,
    };
    activity::blocking(lines, window).into_iter().take(MOST).map(told).collect()
}

/// What stands out in the newest plan of each statement that is told, in their order: first that it is another plan
/// than before the judged part. A plan that was made in that part comes before one made when it was over.
pub(super) fn plans(lines: &[Plan], statements: &[StatementFacts], judged: Window) -> Vec<PlanFacts> {
    let newest = |of: u64| {
        let all = || lines.iter().filter(|p| fingerprint(&p.query) == of && !p.plan.is_null());
        all().rfind(|p| judged.contains(p.t)).or_else(|| all().next_back())
    };
    let before = |of: u64| {
        let healthy = |p: &&Plan| p.why == "healthy" && p.t < judged.from && !p.plan.is_null();
        lines.iter().filter(healthy).rfind(|p| fingerprint(&p.query) == of)
    };
    let mut all = Vec::new();
    for of in statements.iter().map(|s| fingerprint(&s.text)) {
        let Some(plan) = newest(of) else { continue };
        let Ok(node) = plan::from_json(&plan.plan) else { continue };
        let told =
            |f: &plan::Finding| PlanFacts { text: plan.query.clone(), says: f.says(), remedy: f.remedy() };
        let findings = plan::findings(&node, &plan.tables);
        let change = before(of)
            .and_then(|b| plan::from_json(&b.plan).ok())
            .and_then(|before| plan::Change::between(&before, &node));
        all.extend(change.map(|c| PlanFacts {
            text: plan.query.clone(),
            says: c.says(),
            remedy: c.remedy(findings.first().map(plan::Finding::remedy)),
        }));
        all.extend(findings.iter().map(told));
    }
    all.truncate(MOST);
    all
}

fn clients(lines: &Postgres, judged: Window, before: Option<(&Postgres, &[Window])>) -> Option<ClientFacts> {
    let (most, limit) = most(lines, &[judged])?;
    let reference_most = before.and_then(|(lines, windows)| Some(self::most(lines, windows)?.0));
    Some(ClientFacts { most, reference_most, limit: (limit > 0).then_some(limit), blocked: 0 })
}

/// The most client sessions, and how many there may be. A reading up to a second after a window is still of it: they
/// are seconds apart.
fn most(lines: &Postgres, windows: &[Window]) -> Option<(u64, u64)> {
    let inside = |w: &Window, t| Window::new(w.from, w.to.plus(SECOND)).contains(t);
    let read = lines.database.iter().filter(|d| windows.iter().any(|w| inside(w, d.t)));
    read.map(|d| (d.backends, d.max_connections.saturating_sub(d.reserved))).max()
}
