//! One line per period with stable columns, for logs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::{LiveHealth, LiveState, Output};
use crate::analysis::quantity;
use crate::report::one_line;
use crate::time::RunTime;

/// Writes a line per period.
#[derive(Debug)]
pub(super) struct Plain {
    out: Output,
    /// Stage, anomalies, checks and evidence troubles are told when they change, not every period.
    stage: String,
    anomalies: BTreeSet<String>,
    checks: Vec<String>,
    troubles: Vec<String>,
}

impl Plain {
    pub(super) fn new(out: Output) -> Self {
        Self {
            out,
            stage: String::new(),
            anomalies: BTreeSet::new(),
            checks: Vec::new(),
            troubles: Vec::new(),
        }
    }

    pub(super) fn update(&mut self, state: &LiveState) -> io::Result<()> {
        let mut text = line(state);
        if state.stage != self.stage {
            self.stage.clone_from(&state.stage);
            text.push_str(&format!("  [stage {}]", one_line(&state.stage)));
        }
        text.push_str(&self.anomalies(state));
        for check in &state.checks {
            if !self.checks.contains(&check.name) {
                text.push_str(&format!("  [check {} fails]", one_line(&check.name)));
                self.checks.push(check.name.clone());
            }
        }
        let troubles = troubles(state);
        for new in troubles.iter().filter(|t| !self.troubles.contains(t)) {
            text.push_str(&format!("  [evidence {new}]"));
        }
        self.troubles = troubles;
        // One write per line: lines of other writers stay whole.
        self.out.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
        self.out.flush()
    }

    /// Those that begin, those that end, and how many last.
    fn anomalies(&mut self, state: &LiveState) -> String {
        let lasting: BTreeMap<String, RunTime> = state
            .anomalies
            .iter()
            .filter(|x| x.until.is_none())
            .map(|x| (one_line(&x.series), x.since))
            .collect();
        let begun = lasting.iter().filter(|(series, _)| !self.anomalies.contains(*series));
        let mut text: String = begun
            .map(|(series, since)| format!("  [anomaly {series} since {}]", quantity::clock(*since)))
            .collect();
        for over in self.anomalies.iter().filter(|series| !lasting.contains_key(*series)) {
            text.push_str(&format!("  [anomaly {over} is over]"));
        }
        if text.is_empty() && !lasting.is_empty() {
            text = format!("  [anomalies: {}]", lasting.len());
        }
        self.anomalies = lasting.into_keys().collect();
        text
    }
}

/// The columns.
fn line(s: &LiveState) -> String {
    let time = |nanos: Option<u64>| nanos.map_or_else(|| "-".into(), quantity::compact);
    let demand = s.asked.map_or_else(
        || format!("{:>8} users", quantity::count(s.vus)),
        |rate| format!("{:>8} asked", quantity::rate(rate)),
    );
    format!(
        "{:>5}  {demand}  {:>8} sent  p50 {:>6} p95 {:>6} p99 {:>6}  errors {:<6}",
        quantity::clock(s.elapsed),
        quantity::rate(s.sent),
        time(s.p50),
        time(s.p95),
        time(s.p99),
        quantity::count(s.failed_in_period)
    )
}

fn troubles(s: &LiveState) -> Vec<String> {
    let word = |health| match health {
        LiveHealth::Good => None,
        LiveHealth::Slowed => Some("slowed"),
        LiveHealth::Failed => Some("failed"),
    };
    let trouble = |c: &super::LiveCollector| {
        Some(format!("{} of {} {}", one_line(&c.name), one_line(&c.service), word(c.health)?))
    };
    s.collectors.iter().filter_map(trouble).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::live::screen::tests::state;

    #[test]
    fn columns_are_stable() {
        let mut s = state();
        s.anomalies.clear();
        assert_eq!(
            line(&s).trim_end(),
            "00:34     500/s asked     499/s sent  p50  9.6ms p95   18ms p99   27ms  errors 2"
        );
        s.asked = None;
        (s.p50, s.p95, s.p99, s.failed_in_period) = (None, Some(340_000_000), Some(1_100_000_000), 1234);
        assert_eq!(
            line(&s).trim_end(),
            "00:34        20 users     499/s sent  p50      - p95  340ms p99   1.1s  errors 1,234"
        );
    }

    #[test]
    fn anomalies_are_told_when_they_begin_and_end_and_text_cannot_break_the_line() {
        let mut plain = Plain::new(Output(Arc::new(Mutex::new(Box::new(io::sink())))));
        let mut s = state();
        s.anomalies.truncate(1);
        (s.anomalies[0].series, s.anomalies[0].until) = ("p95\n\u{1b}[31m".into(), None);
        assert_eq!(plain.anomalies(&s), "  [anomaly p95 \u{fffd}[31m since 00:30]");
        assert_eq!(plain.anomalies(&s), "  [anomalies: 1]");
        s.anomalies[0].until = Some(s.elapsed);
        assert_eq!(plain.anomalies(&s), "  [anomaly p95 \u{fffd}[31m is over]");
        assert_eq!(plain.anomalies(&s), "");
    }
}
