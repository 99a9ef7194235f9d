//! What the commands did within a window.

use std::collections::BTreeMap;

use super::lines::{CommandCounters, Histograms, Info};
use crate::time::Window;

/// What one command did within a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandUse {
    /// Name in lower case, e.g. `get`, `config|get`.
    pub command: String,
    /// Executions.
    pub calls: u64,
    /// Their time, microseconds: execution alone.
    pub usec: u64,
    /// Refused.
    pub rejected: u64,
    /// Failed.
    pub failed: u64,
}

impl CommandUse {
    /// Mean time of an execution, microseconds.
    #[must_use]
    pub fn mean_usec(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.usec as f64 / self.calls as f64 }
    }
}

/// Commands of a window, the most time first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandUses {
    /// Commands that were executed, refused or failed.
    pub commands: Vec<CommandUse>,
    /// From the first line that the figures are made of to the last; none if fewer than two are there.
    pub span: Option<Window>,
    /// Restarts and resets (`CONFIG RESETSTAT`): what came before one and after the line before is missing.
    pub resets: u64,
    /// Greatest number of clients that waited in a blocking command (`BLPOP`, `WAIT`, ..).
    pub most_blocked: u64,
    /// Longest answer to `INFO`, nanoseconds: an upper bound of how long one command kept the server.
    pub longest_answer_nanos: u64,
}

/// What the commands did between the last line at or before the window's start (else the first one) and the
/// last one in it. `lines` are in the order of the file.
#[must_use]
pub fn between(lines: &[Info], window: Window) -> CommandUses {
    let base = lines.iter().rposition(|l| l.t <= window.from).unwrap_or(0);
    let mut uses = CommandUses::default();
    let mut grown: BTreeMap<&str, CommandCounters> = BTreeMap::new();
    for pair in lines.windows(2).skip(base).take_while(|pair| pair[1].t <= window.to) {
        let (before, now) = (&pair[0], &pair[1]);
        uses.span = Some(Window::new(uses.span.map_or(before.t, |span| span.from), now.t));
        let (old, new) = (before.commands(), now.commands());
        let fell = new.iter().any(|(name, n)| old.get(name).is_some_and(|o| o.calls > n.calls));
        let reset = fell || before.incarnation() != now.incarnation() || new.len() < old.len();
        uses.resets += u64::from(reset);
        for (name, n) in new {
            let o = old.get(name).copied().filter(|_| !reset).unwrap_or_default();
            add(grown.entry(name).or_default(), n, o);
        }
        let blocked = now.number("clients", "blocked_clients").unwrap_or(0.0);
        uses.most_blocked = uses.most_blocked.max(blocked as u64);
        uses.longest_answer_nanos = uses.longest_answer_nanos.max(now.took_nanos);
    }
    uses.commands = grown
        .into_iter()
        .filter(|(_, c)| *c != CommandCounters::default())
        .map(|(name, c)| CommandUse {
            command: name.to_owned(),
            calls: c.calls,
            usec: c.usec,
            rejected: c.rejected,
            failed: c.failed,
        })
        .collect();
    uses.commands.sort_by(|a, b| b.usec.cmp(&a.usec).then_with(|| a.command.cmp(&b.command)));
    uses
}

fn add(sum: &mut CommandCounters, now: CommandCounters, before: CommandCounters) {
    let grow = |sum: &mut u64, now: u64, before: u64| *sum = sum.saturating_add(now.saturating_sub(before));
    grow(&mut sum.calls, now.calls, before.calls);
    grow(&mut sum.usec, now.usec, before.usec);
    grow(&mut sum.rejected, now.rejected, before.rejected);
    grow(&mut sum.failed, now.failed, before.failed);
}

/// Upper bound, in microseconds, of the bucket in which a share of one command's executions between two
/// histograms ends; none if it was not executed or was reset between them.
#[must_use]
pub fn quantile_usec(before: &Histograms, now: &Histograms, command: &str, share: f64) -> Option<u64> {
    let new = now.commands.get(command)?;
    let none = Vec::new();
    let old = before.commands.get(command).unwrap_or(&none);
    // Buckets without executions are left out by the server: the bucket below holds the count so far.
    let up_to = |bound: u64| old.iter().take_while(|(b, _)| *b <= bound).last().map_or(0, |(_, n)| *n);
    let (_, total) = new.last()?;
    let ended = total.checked_sub(old.last().map_or(0, |(_, n)| *n)).filter(|n| *n > 0)?;
    let wanted = share.clamp(0.0, 1.0) * ended as f64;
    let reached = |(bound, n): &&(u64, u64)| n.saturating_sub(up_to(*bound)) as f64 >= wanted;
    new.iter().find(reached).map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::super::lines::sections;
    use super::*;
    use crate::time::RunTime;

    fn line(t: u64, run: &str, get: u64, blocked: u64) -> Info {
        let text = format!(
            "# Server\nrun_id:{run}\n# Clients\nblocked_clients:{blocked}\n# Commandstats\n\
             cmdstat_get:calls={get},usec={},rejected_calls=0,failed_calls=0\n",
            get * 2
        );
        Info { t: RunTime::from_nanos(t), took_nanos: t, sections: sections(&text) }
    }

    #[test]
    fn growth_counts_and_restarts_begin_anew() {
        let lines = [line(0, "a", 100, 0), line(10, "a", 150, 2), line(20, "b", 7, 0), line(30, "b", 3, 0)];
        let of = |from, to| {
            let uses = between(&lines, Window::new(RunTime::from_nanos(from), RunTime::from_nanos(to)));
            (uses.commands.first().map_or((0, 0), |c| (c.calls, c.usec)), uses.resets, uses.most_blocked)
        };
        assert_eq!(of(0, 10), ((50, 100), 0, 2));
        assert_eq!(of(0, 30), ((60, 120), 2, 2));
        assert_eq!(of(10, 20), ((7, 14), 1, 0));
    }

    #[test]
    fn histograms_are_subtracted_before_a_quantile_is_taken() {
        let of = |buckets: &[(u64, u64)]| Histograms {
            commands: BTreeMap::from([("get".to_owned(), buckets.to_vec())]),
            ..Histograms::default()
        };
        let (before, now) = (of(&[(1, 100), (4, 110)]), of(&[(1, 190), (4, 205), (1024, 210)]));
        assert_eq!(quantile_usec(&before, &now, "get", 0.5), Some(1));
        assert_eq!(quantile_usec(&before, &now, "get", 0.93), Some(4));
        assert_eq!(quantile_usec(&before, &now, "get", 1.0), Some(1024));
        assert_eq!(quantile_usec(&now, &now, "get", 0.5), None);
        assert_eq!(quantile_usec(&before, &now, "set", 0.5), None);
    }
}
