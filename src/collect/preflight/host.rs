//! Preflight of what is looked at on this machine: processes and log files.

use std::path::PathBuf;

use super::super::process::survey;
use super::SourceCheck;
use crate::scenario::{EvidenceKind, EvidenceSource, TargetProcess};

/// Metrics by which people know what a look gives.
const KNOWN: [(&str, &str); 6] = [
    ("process_mode_cpu_seconds_total", "CPU time"),
    ("process_run_queue_delay_seconds_total", "run-queue delay"),
    ("process_open_fds", "descriptors"),
    ("cgroup_cpu_throttled_periods_total", "throttling"),
    ("cgroup_cpu_stalled_seconds_total", "pressure"),
    ("tcp_listen_overflows_total", "network counters"),
];

/// Where such a source is, in words; none for a source that is fetched.
pub(super) fn place(source: &EvidenceSource) -> Option<String> {
    match &source.kind {
        EvidenceKind::Process(TargetProcess::Pid(pid)) => Some(format!("process {pid} of this machine")),
        EvidenceKind::Process(TargetProcess::Port(port)) => {
            Some(format!("process on port {port} of this machine"))
        }
        EvidenceKind::Process(TargetProcess::Unit(unit)) => Some(format!("unit {unit} of this machine")),
        EvidenceKind::Logs { files } => {
            Some(files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "))
        }
        EvidenceKind::GoPprof { .. }
        | EvidenceKind::Pprof { .. }
        | EvidenceKind::Prometheus
        | EvidenceKind::Expvar
        | EvidenceKind::Promql { .. }
        | EvidenceKind::Otlp { .. }
        | EvidenceKind::Postgres { .. }
        | EvidenceKind::Redis { .. } => None,
    }
}

/// Looks once.
pub(super) async fn ask(kind: &EvidenceKind, check: &mut SourceCheck) {
    match kind.clone() {
        EvidenceKind::Process(which) => {
            let looked = tokio::task::spawn_blocking(move || survey(&which)).await;
            match looked.unwrap_or_else(|_| Err("the look at the process did not end".into())) {
                Ok(survey) => process(&survey, check),
                Err(problem) => check.facts.problem = Some(problem),
            }
        }
        EvidenceKind::Logs { files } => logs(&files, check),
        EvidenceKind::GoPprof { .. }
        | EvidenceKind::Pprof { .. }
        | EvidenceKind::Prometheus
        | EvidenceKind::Expvar
        | EvidenceKind::Promql { .. }
        | EvidenceKind::Otlp { .. }
        | EvidenceKind::Postgres { .. }
        | EvidenceKind::Redis { .. } => {}
    }
}

fn process(survey: &super::super::process::Survey, check: &mut SourceCheck) {
    check.facts.reachable = true;
    for (metric, words) in KNOWN {
        if survey.names.contains(&metric) {
            check.gives(words);
        }
    }
    let of_kernel = |what: &str| format!("the kernel does not give it here: {what}");
    if !survey.names.contains(&"cgroup_cpu_stalled_seconds_total") {
        check.off("pressure (PSI) of the control group", of_kernel("boot with psi=1, and use cgroup v2"));
    }
    if !survey.names.contains(&"cgroup_cpu_throttled_periods_total") && survey.quota.is_some() {
        check.off("throttling", of_kernel("the group's cpu.stat has no nr_throttled"));
    }
    let pids: Vec<String> = survey.pids.iter().take(8).map(ToString::to_string).collect();
    let more = survey.pids.len().saturating_sub(8);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    check.note(format!("process {}{more}", pids.join(", ")));
    check.note(match survey.quota {
        Some(cores) => format!("its control group may use {cores:.2} cores"),
        None => "no CPU quota".to_owned(),
    });
    check.note("costs the service nothing: one look a period, about a millisecond of this machine's CPU");
}

fn logs(files: &[PathBuf], check: &mut SourceCheck) {
    let problem = |file: &PathBuf| match std::fs::File::open(file) {
        Ok(_) => None,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => Some(format!("{} cannot be read: {e}", file.display())),
    };
    check.facts.problem = files.iter().find_map(problem);
    check.facts.reachable = check.facts.problem.is_none();
    check.gives("lines");
    for file in files.iter().filter(|f| !f.exists()) {
        check.note(format!("{} is not there yet: it is followed once it appears", file.display()));
    }
    check.note("values of keys that name secrets are masked before lines are kept");
}
