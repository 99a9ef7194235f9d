//! Redis: `commandstats` between readings, the slow log, clients.

use std::collections::BTreeMap;

use super::{Sides, Uses, compare, requests};
use crate::analysis::{ClientFacts, DatabaseFacts, DatabaseSystem, SlowCommand};
use crate::attribute::Inquiry;
use crate::formats::postgres::statement::fingerprint;
use crate::formats::redis::deltas;
use crate::run::databases::{self, Redis};
use crate::run::period::LoadPeriod;
use crate::time::{SECOND, Window};

/// Slow commands that are told.
const MOST: usize = 6;
/// Nanoseconds of a microsecond.
const MICROSECOND: u64 = 1000;

pub(super) fn facts(inquiry: &Inquiry, service: &str) -> Option<DatabaseFacts> {
    let sides = Sides::of(inquiry, |dir| databases::redis(dir, service), uses)?;
    Some(DatabaseFacts {
        slow: slow(&sides.lines, inquiry.judged),
        clients: clients(&sides.lines, inquiry.judged, sides.before(inquiry)),
        ..compare(service, DatabaseSystem::Redis, &sides.judged, sides.reference.as_ref())
    })
}

pub(super) fn uses(lines: &Redis, periods: &[LoadPeriod], windows: &[Window]) -> Uses {
    let mut uses = Uses { complete: true, ..Uses::default() };
    for window in windows {
        let found = deltas::between(&lines.info, *window);
        let Some(span) = found.span else { continue };
        uses.requests += requests(periods, span);
        uses.resets += found.resets;
        for of in found.commands.into_iter().filter(|c| !is_own(&c.command)) {
            let sum = uses.by_hash.entry(fingerprint(&of.command)).or_default();
            sum.calls += of.calls as f64;
            sum.executed = Some(sum.executed.unwrap_or(0.0) + of.usec as f64 * MICROSECOND as f64);
            sum.text = of.command;
        }
    }
    uses
}

/// Commands that the collector itself sends and services hardly do.
fn is_own(command: &str) -> bool {
    let family = command.split('|').next().unwrap_or(command);
    matches!(family, "info" | "slowlog" | "latency" | "config" | "client" | "hello" | "auth")
}

/// A slow command is read from the log up to seconds after it was executed; the server tells whole seconds only.
fn slow(lines: &Redis, judged: Window) -> Vec<SlowCommand> {
    let window = Window::new(judged.from, judged.to.plus(2 * SECOND));
    let mut by_command: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for line in lines.slow.iter().filter(|l| window.contains(l.t)) {
        let key = line.key.as_deref().unwrap_or_default();
        let (count, longest) = by_command.entry((line.command.as_str(), key)).or_default();
        *count += 1;
        *longest = (*longest).max(line.usec.saturating_mul(MICROSECOND));
    }
    let told = |((command, key), (count, longest)): ((&str, &str), (u64, u64))| SlowCommand {
        command: command.to_owned(),
        key: key.to_owned(),
        count,
        longest,
    };
    let mut all: Vec<SlowCommand> = by_command.into_iter().map(told).collect();
    all.sort_by_key(|s| std::cmp::Reverse(s.longest));
    all.truncate(MOST);
    all
}

fn clients(lines: &Redis, judged: Window, before: Option<(&Redis, &[Window])>) -> Option<ClientFacts> {
    let most = |lines: &Redis, windows: &[Window], key: &str| {
        let inside = lines.info.iter().filter(|l| windows.iter().any(|w| w.contains(l.t)));
        inside.filter_map(|l| l.number("clients", key)).reduce(f64::max)
    };
    let whole = |n: f64| n.max(0.0) as u64;
    Some(ClientFacts {
        most: whole(most(lines, &[judged], "connected_clients")?),
        reference_most: before.and_then(|(lines, w)| most(lines, w, "connected_clients")).map(whole),
        limit: most(lines, &[judged], "maxclients").map(whole),
        blocked: whole(most(lines, &[judged], "blocked_clients").unwrap_or(0.0)),
    })
}
