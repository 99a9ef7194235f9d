//! Deltas of `pg_stat_statements`: what each statement did within a window.

use std::collections::BTreeMap;

use super::lines::{StatementRow, Statements};
use super::statement::fingerprint;
use crate::time::Window;

/// What tells one entry from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Id of the user.
    pub userid: u32,
    /// Id of the database.
    pub dbid: u32,
    /// The server's id of the statement.
    pub queryid: Option<i64>,
    /// Whether it was sent by a client.
    pub toplevel: bool,
}

impl Key {
    /// The key of an entry.
    #[must_use]
    pub fn of(row: &StatementRow) -> Self {
        let toplevel = row.toplevel.unwrap_or(true);
        Self { userid: row.userid, dbid: row.dbid, queryid: row.queryid, toplevel }
    }
}

/// What a statement did within a window.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementUse {
    /// Which.
    pub key: Key,
    /// Normalised text; empty if it may not be seen.
    pub query: String,
    /// Fingerprint of the text.
    pub hash: u64,
    /// Executions that ended in the window.
    pub calls: u64,
    /// Their time, milliseconds.
    pub total_ms: f64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Blocks found in the cache.
    pub hit: u64,
    /// Blocks read.
    pub read: u64,
    /// Temporary blocks written.
    pub temp_written: u64,
    /// Time of reading blocks, milliseconds.
    pub read_ms: f64,
    /// Time of writing blocks, milliseconds.
    pub write_ms: f64,
    /// Bytes of write-ahead log.
    pub wal_bytes: f64,
}

impl StatementUse {
    /// Mean time of an execution, milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 }
    }
}

/// Statements of a window, the most time first, and what limits the figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatementUses {
    /// Statements that were executed.
    pub statements: Vec<StatementUse>,
    /// From the first snapshot that the figures are made of to the last; none if fewer than two are there.
    pub span: Option<Window>,
    /// Resets of all counters or of single entries: what was executed before one and after the snapshot before
    /// it is missing.
    pub resets: u64,
    /// Entries thrown out meanwhile: some executions are missing.
    pub evicted: u64,
    /// Whether every entry was looked at each time.
    pub complete: bool,
}

/// What the statements did between the last snapshot at or before the window's start (else the first one) and
/// the last one in it. Executions count when they end. `lines` are in the order of the file.
#[must_use]
pub fn between(lines: &[Statements], window: Window) -> StatementUses {
    let base = lines.iter().rposition(|l| l.t <= window.from).unwrap_or(0);
    let mut fold = Fold { complete: true, ..Fold::default() };
    for (index, line) in lines.iter().enumerate().take_while(|(i, l)| *i <= base || l.t <= window.to) {
        fold.line(line, index > base);
    }
    let last = lines.iter().skip(base + 1).take_while(|l| l.t <= window.to).last();
    fold.finish(last.map(|last| Window::new(lines[base].t, last.t)))
}

/// The latest values of each entry, and their growth.
#[derive(Default)]
struct Fold {
    latest: BTreeMap<Key, StatementRow>,
    grown: BTreeMap<Key, StatementRow>,
    texts: BTreeMap<Key, String>,
    incarnation: Option<String>,
    dealloc: u64,
    resets: u64,
    evicted: u64,
    complete: bool,
    /// Whether the snapshot before held every entry: one that was not in it did not exist.
    whole_before: bool,
}

impl Fold {
    fn line(&mut self, line: &Statements, counts: bool) {
        let reset = self.incarnation.as_ref().is_some_and(|i| *i != line.incarnation);
        if reset {
            self.latest.clear();
            self.dealloc = 0;
            self.whole_before = true;
            self.resets += u64::from(counts);
        }
        for row in &line.rows {
            self.row(row, counts);
        }
        if counts {
            self.evicted += line.dealloc.saturating_sub(self.dealloc);
        }
        self.complete &= line.complete;
        self.dealloc = line.dealloc;
        self.incarnation = Some(line.incarnation.clone());
        self.whole_before = line.complete;
    }

    fn row(&mut self, row: &StatementRow, counts: bool) {
        let key = Key::of(row);
        if let Some(text) = &row.query {
            self.texts.insert(key, text.clone());
        }
        let before = match self.latest.insert(key, row.clone()) {
            Some(before) if before.calls <= row.calls => before,
            // Reset alone, or thrown out and come back.
            Some(_) => {
                self.resets += u64::from(counts);
                StatementRow::default()
            }
            None if self.whole_before => StatementRow::default(),
            // It may have been there unseen: count from now on.
            None => row.clone(),
        };
        if counts {
            add(self.grown.entry(key).or_default(), row, &before);
        }
    }

    fn finish(self, span: Option<Window>) -> StatementUses {
        let mut statements: Vec<StatementUse> = self
            .grown
            .into_iter()
            .filter(|(_, grown)| grown.calls > 0)
            .map(|(key, grown)| used(key, grown, self.texts.get(&key).cloned().unwrap_or_default()))
            .collect();
        statements.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then(a.key.cmp(&b.key)));
        let (resets, evicted, complete) = (self.resets, self.evicted, self.complete);
        StatementUses { statements, span, resets, evicted, complete }
    }
}

fn add(sum: &mut StatementRow, now: &StatementRow, before: &StatementRow) {
    let whole = |sum: &mut u64, now: u64, before: u64| *sum = sum.saturating_add(now.saturating_sub(before));
    let real = |sum: &mut f64, now: f64, before: f64| *sum += (now - before).max(0.0);
    whole(&mut sum.calls, now.calls, before.calls);
    whole(&mut sum.rows, now.rows, before.rows);
    whole(&mut sum.hit, now.hit, before.hit);
    whole(&mut sum.read, now.read, before.read);
    whole(&mut sum.temp_written, now.temp_written, before.temp_written);
    real(&mut sum.total_ms, now.total_ms, before.total_ms);
    real(&mut sum.read_ms, now.read_ms, before.read_ms);
    real(&mut sum.write_ms, now.write_ms, before.write_ms);
    real(&mut sum.wal_bytes, now.wal_bytes, before.wal_bytes);
}

fn used(key: Key, grown: StatementRow, query: String) -> StatementUse {
    StatementUse {
        key,
        hash: fingerprint(&query),
        query,
        calls: grown.calls,
        total_ms: grown.total_ms,
        rows: grown.rows,
        hit: grown.hit,
        read: grown.read,
        temp_written: grown.temp_written,
        read_ms: grown.read_ms,
        write_ms: grown.write_ms,
        wal_bytes: grown.wal_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RunTime;

    fn row(id: i64, calls: u64, total_ms: f64) -> StatementRow {
        let query = Some(format!("SELECT a{id}"));
        StatementRow { queryid: Some(id), calls, total_ms, query, ..StatementRow::default() }
    }

    fn line(t: u64, incarnation: &str, rows: Vec<StatementRow>) -> Statements {
        let (t, incarnation) = (RunTime::from_nanos(t), incarnation.to_owned());
        Statements { t, incarnation, complete: true, rows, ..Statements::default() }
    }

    fn calls(lines: &[Statements], from: u64, to: u64) -> (Vec<(i64, u64)>, u64) {
        let window = Window::new(RunTime::from_nanos(from), RunTime::from_nanos(to));
        let uses = between(lines, window);
        (uses.statements.iter().map(|s| (s.key.queryid.unwrap_or(0), s.calls)).collect(), uses.resets)
    }

    #[test]
    fn only_what_grew_in_the_window_counts() {
        let lines = [
            line(0, "a", vec![row(1, 100, 50.0), row(2, 5, 900.0)]),
            line(10, "a", vec![row(1, 110, 51.0), row(3, 4, 8.0)]),
            line(20, "a", vec![row(1, 130, 52.0), row(2, 6, 1000.0)]),
        ];
        assert_eq!(calls(&lines, 0, 20), (vec![(2, 1), (3, 4), (1, 30)], 0));
        assert_eq!(calls(&lines, 10, 20), (vec![(2, 1), (1, 20)], 0));
        assert_eq!(calls(&lines, 0, 9), (vec![], 0));
    }

    #[test]
    fn a_reset_begins_anew_and_is_told() {
        let lines = [
            line(0, "a", vec![row(1, 100, 50.0)]),
            line(10, "b", vec![row(1, 7, 3.0)]),
            line(20, "b", vec![row(1, 2, 1.0)]),
        ];
        assert_eq!(calls(&lines, 0, 20), (vec![(1, 9)], 2));
    }

    #[test]
    fn entries_that_may_have_been_there_count_from_their_first_sight() {
        let mut first = line(0, "a", vec![row(1, 100, 50.0)]);
        first.complete = false;
        let mut second = line(10, "a", vec![row(2, 1000, 70.0)]);
        second.complete = false;
        let lines = [first, second, line(20, "a", vec![row(2, 1001, 71.0)])];
        assert_eq!(calls(&lines, 0, 20), (vec![(2, 1)], 0));
    }
}
