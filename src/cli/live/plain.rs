//! One line per period with stable columns, for logs.

use std::io::{self, Write};

use super::{LiveHealth, LiveState, Output};
use crate::analysis::quantity;
use crate::report::one_line;

/// Writes a line per period.
#[derive(Debug)]
pub(super) struct Plain {
    out: Output,
    /// Stage, checks and evidence troubles are told when they change, not every period.
    stage: String,
    checks: Vec<String>,
    troubles: Vec<String>,
}

impl Plain {
    pub(super) fn new(out: Output) -> Self {
        Self { out, stage: String::new(), checks: Vec::new(), troubles: Vec::new() }
    }

    pub(super) fn update(&mut self, state: &LiveState) -> io::Result<()> {
        let mut text = line(state);
        if state.stage != self.stage {
            self.stage.clone_from(&state.stage);
            text.push_str(&format!("  [stage {}]", one_line(&state.stage)));
        }
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
}

/// The columns and the anomalies that last.
fn line(s: &LiveState) -> String {
    let time = |nanos: Option<u64>| nanos.map_or_else(|| "-".into(), quantity::compact);
    let demand = s.asked.map_or_else(
        || format!("{:>8} users", quantity::count(s.vus)),
        |rate| format!("{:>8} asked", quantity::rate(rate)),
    );
    let mut text = format!(
        "{:>5}  {demand}  {:>8} sent  p50 {:>6} p95 {:>6} p99 {:>6}  errors {:<6}",
        quantity::clock(s.elapsed),
        quantity::rate(s.sent),
        time(s.p50),
        time(s.p95),
        time(s.p99),
        quantity::count(s.failed_in_period)
    );
    for x in s.anomalies.iter().filter(|x| x.until.is_none()) {
        text.push_str(&format!("  [anomaly {} since {}]", one_line(&x.series), quantity::clock(x.since)));
    }
    text
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
    fn anomalies_show_while_they_last_and_text_cannot_break_the_line() {
        let mut s = state();
        s.anomalies[0].series = "p95\n\u{1b}[31m".into();
        assert!(line(&s).ends_with("errors 2       [anomaly p95 \u{fffd}[31m since 00:30]"), "{}", line(&s));
        s.anomalies[0].until = Some(s.elapsed);
        assert!(!line(&s).contains("anomaly"));
    }
}
