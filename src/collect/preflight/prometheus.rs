//! Preflight of a page of metrics.

use std::collections::BTreeSet;

use super::super::http::FetchError;
use super::super::prometheus::{BYTES, is_packed};
use super::{Probe, SourceCheck, foreign};
use crate::formats::openmetrics::decode_protobuf;
use crate::scenario::EvidenceSource;

/// Metrics that the analysis knows, the most telling first. A trailing `*` stands for any continuation.
const KNOWN: [&str; 14] = [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "go_goroutines",
    "go_gc_duration_seconds*",
    "go_memstats_alloc_bytes_total",
    "go_sched_gomaxprocs_threads",
    "go_cpu_classes_*",
    "go_sched_latencies_seconds*",
    "go_sync_mutex_wait_total_seconds_total",
    "go_sql_*",
    "jvm_*",
    "http_requests_total",
    "http_request_duration_seconds*",
];

const RUNTIME_METRICS: &str = "replace the Go collector: collectors.NewGoCollector(\
    collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll))";

pub(super) async fn ask(
    source: &EvidenceSource,
    probe: &Probe,
    check: &mut SourceCheck,
) -> Result<(), FetchError> {
    let url = &probe.endpoint.url;
    let page = probe.data(url, BYTES).await?;
    let packed = if is_packed(&page) { decode_protobuf(&page.body).ok() } else { None };
    let text = String::from_utf8_lossy(&page.body);
    let (samples, names) = match &packed {
        Some(page) => (page.samples().count(), page.samples().map(|(_, s)| s.name.as_ref()).collect()),
        None => survey(&text),
    };
    if samples == 0 {
        let found = "no line is a metric: this is no page of Prometheus' text or protobuf or of OpenMetrics, correct the path";
        return Err(foreign(url, found.into()));
    }
    for known in KNOWN.into_iter().filter(|k| has(&names, k)) {
        check.gives(known.trim_end_matches(['*', '_']));
    }
    if has(&names, "go_goroutines") && !has(&names, "go_cpu_classes_*") {
        check.off("Go runtime metrics (CPU classes, scheduler, mutex wait)", RUNTIME_METRICS);
    }
    let kind = if page.content_type.is_empty() { "no content type" } else { &page.content_type };
    check.note(format!(
        "{samples} samples of {} metrics in {:.1} ms, {} bytes, {kind}",
        names.len(),
        page.took().as_secs_f64() * 1e3,
        page.body.len()
    ));
    check.note(probe.access(source, url).await);
    Ok(())
}

fn has(names: &BTreeSet<&str>, known: &str) -> bool {
    match known.strip_suffix('*') {
        // Sorted: the first name not below the prefix is the only one to look at.
        Some(prefix) => names.range(prefix..).next().is_some_and(|n| n.starts_with(prefix)),
        None => names.contains(known),
    }
}

/// Number of samples and names of the metrics of a page; lines that are none are passed over.
fn survey(page: &str) -> (usize, BTreeSet<&str>) {
    let mut names = BTreeSet::new();
    let mut samples = 0;
    for name in page.lines().filter_map(sample_name) {
        samples += 1;
        names.insert(name);
    }
    (samples, names)
}

/// The name of a sample line `name{labels} value ...`.
fn sample_name(line: &str) -> Option<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c| !allowed(c))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        None => rest,
    };
    let number = value.split_ascii_whitespace().next()?;
    number.parse::<f64>().is_ok().then_some(name)
}

/// What follows the closing brace; braces inside quoted label values do not count.
fn after_labels(labels: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (i, c) in labels.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(&labels[i + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use crate::collect::testing::{Reply, Server, source};
    use crate::scenario::EvidenceKind;

    #[test]
    fn sample_lines_are_told_from_others() {
        assert_eq!(sample_name("go_goroutines 12"), Some("go_goroutines"));
        assert_eq!(sample_name("a:b_total{path=\"/x}\\\"\",m=\"é\"} 1e3 1700000000"), Some("a:b_total"));
        assert_eq!(sample_name("x{le=\"+Inf\"} +Inf # {trace_id=\"1\"} 2"), Some("x"));
        assert_eq!(sample_name("x NaN"), Some("x"));
        for line in ["# HELP a b", "", "plain words", "{} 1", "1a 2", "x{le=\"1} 2", "x", "<p>1</p>"] {
            assert_eq!(sample_name(line), None, "{line}");
        }
    }

    #[tokio::test]
    async fn known_metrics_and_the_switch_for_runtime_metrics_are_told() {
        let plain = "# TYPE go_goroutines gauge\ngo_goroutines 5\nprocess_cpu_seconds_total 1.5\n";
        let page = |more: &str| format!("{plain}{more}");
        for (more, off) in [("", 1), ("go_cpu_classes_total_cpu_seconds_total 3\n", 0)] {
            let body = page(more);
            let server = Server::start(move |_| Reply::text(200, "text/plain; version=0.0.4", &body)).await;
            let check =
                check(&source(EvidenceKind::Prometheus, server.url("/metrics")), &server.url("/")).await;
            assert!(check.facts.reachable, "{check:?}");
            assert!(check.facts.gives.iter().any(|g| g == "go_goroutines"), "{check:?}");
            assert_eq!(check.facts.off.len(), off, "{check:?}");
            assert!(check.facts.off.iter().all(|o| o.remedy.contains("MetricsAll")), "{check:?}");
        }
    }
}
