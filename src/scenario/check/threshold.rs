//! `[thresholds]` of the run and of requests.

use super::super::scalar::{Checked, Span};
use super::super::units::Time;
use super::super::{Metric, Threshold, wire};
use super::Check;
use crate::time::nanos;

impl Check<'_, '_> {
    pub(super) fn thresholds(&mut self, wire: Option<wire::Thresholds>) -> Vec<Threshold> {
        let Some(wire) = wire else { return Vec::new() };
        let twice = wire.p99_9.as_ref().and(wire.p999.as_ref()).map(|p| p.span.clone());
        if let Some(span) = twice {
            self.findings.value(&span, "is the same as \"p99.9\", which is there too: remove one");
        }
        let mut limits: Vec<(Threshold, Span)> = Vec::new();
        for (metric, time) in [
            (Metric::Percentile(500), wire.p50),
            (Metric::Percentile(900), wire.p90),
            (Metric::Percentile(950), wire.p95),
            (Metric::Percentile(990), wire.p99.map(explain_quotes)),
            (Metric::Percentile(999), wire.p99_9.or(wire.p999)),
            (Metric::Mean, wire.mean),
            (Metric::Max, wire.max),
        ] {
            let place = time.as_ref().map(|t| t.span.clone());
            let limit = self.positive(time);
            limits.extend(
                limit.zip(place).map(|(limit, at)| (Threshold { metric, limit: nanos(limit) as f64 }, at)),
            );
        }
        let share = self.findings.take(wire.error_rate);
        limits.extend(share.map(|(share, at)| (Threshold { metric: Metric::ErrorRate, limit: share.0 }, at)));
        let rate = self.findings.take(wire.rate);
        limits.extend(rate.map(|(rate, at)| (Threshold { metric: Metric::Rate, limit: rate.0 }, at)));
        limits.sort_by_key(|(_, span)| span.start);
        limits.into_iter().map(|(threshold, _)| threshold).collect()
    }
}

/// Without quotes, TOML reads `p99.9 = ..` as the key 9 of a table p99.
fn explain_quotes(mut p99: Checked<Time>) -> Checked<Time> {
    if p99.value.as_ref().is_err_and(|message| message.starts_with("is a table")) {
        p99.value =
            Err("is a table: TOML reads p99.9 as p99 = { 9 = .. }, so write \"p99.9\" in quotes, or p999"
                .into());
    }
    p99
}
