//! Waiting for a CPU that nobody in the service burns: its control group may use no more, or other processes of the
//! machine take it.

use super::{CPU_PROFILE, Candidate, Case, cpu, evidence, profiles};
use crate::analysis::quantity::{self, duration};
use crate::analysis::{CauseKind, Evidence, Reading, ReadingKind, State};
use crate::attribute::measure::Measured;
use crate::attribute::side::ServiceSide;

/// Share of the quota's periods with a stop that is worth a word.
const THROTTLED: f64 = 0.1;
/// How many times as much as in the reference counts as more.
const MORE: f64 = 1.5;
/// Growth of the cores in use, and of CPU per request, beyond which the service's own work may be what fills them: near
/// saturation little more work makes a wait of any length.
const OWN_WORK: f64 = 1.1;
/// Cores that looking at a service may take.
const OWN_CORES: f64 = 0.02;
/// Nanoseconds per request below which a growth of the CPU is sampling.
const OWN_NANOS: f64 = 50_000.0;
/// The same of the offered rate.
const MORE_LOAD: f64 = 0.1;
/// Threads that must wait for a core more than in the reference, on average.
const WAITING: f64 = 0.1;

/// The limit or the neighbours that took the CPU for which requests wait longer; none if the service's own work did.
pub(super) fn candidate(case: &Case) -> Option<Candidate> {
    let waited = case.waits_for_cpu();
    if waited.value <= case.floor {
        return None;
    }
    let service = case.service_name();
    let of = |what| case.reading(&service, what);
    let seen = waited.low() > 0.0;
    let waited = if seen { waited } else { counted(case, waited, of(ReadingKind::Stopped)?)? };
    let cores = of(ReadingKind::CoresUsed)?;
    let busier = cores.reference.is_some_and(|before| cores.judged > OWN_WORK * before + OWN_CORES);
    if busier || case.load_change > MORE_LOAD || dearer(case) {
        return None;
    }
    let (kind, at, says, remedy) = match throttled(of(ReadingKind::ThrottledPeriods)) {
        Some(share) => quota(share, of(ReadingKind::CpuQuota)),
        None if !seen => return None,
        None => neighbours(of(ReadingKind::TasksWaiting)?)?,
    };
    let mut proof = vec![evidence("control group and scheduler", says.clone(), host_files(&service))];
    proof.extend(own_work(case));
    Some(Candidate {
        kind,
        at,
        doing: String::new(),
        explains: waited,
        mechanism: format!("requests wait {} longer for a CPU: {says}", duration(waited.value)),
        remedy,
        evidence: proof,
        owned: true,
        // A quota is counted by the kernel; that others run can only be inferred.
        unsure: kind == CauseKind::Neighbour || !seen,
        more_calls: false,
        service,
    })
}

/// The wait where the snapshots do not tell it from none, as those of a group that is stopped now and then lie far apart:
/// at least what passes while the kernel keeps the group stopped, of the time in which requests are in the service and do not
/// wait for anybody else.
fn counted(case: &Case, waited: Measured, stopped: &Reading) -> Option<Measured> {
    let before = if case.reference.is_some() { stopped.reference? } else { 0.0 };
    let elsewhere = [
        State::ClientQueue,
        State::ClientConnect,
        State::Downstream,
        State::Database,
        State::Cache,
        State::Sleep,
    ];
    let away =
        case.lines.iter().filter(|l| elsewhere.contains(&l.state)).map(|l| l.judged.value).sum::<f64>();
    let least = (stopped.judged - before) * (case.judged.client.response.value - away);
    let value = waited.value.min(case.response_growth().value);
    (least > case.floor && value > least).then(|| Measured::from(least, value))
}

fn throttled(share: Option<&Reading>) -> Option<&Reading> {
    share.filter(|s| s.judged >= THROTTLED && s.reference.is_none_or(|before| s.judged > MORE * before))
}

type Told = (CauseKind, String, String, String);

fn quota(share: &Reading, quota: Option<&Reading>) -> Told {
    let cores = quota.map(|q| quantity::number(q.judged));
    let at = cores.as_ref().map_or("CPU quota".to_owned(), |c| format!("CPU quota of {c} cores"));
    let before =
        share.reference.map(|b| format!(", {:.0} % in the reference", 100.0 * b)).unwrap_or_default();
    let says = format!(
        "the {at} of the control group is used up, and it has to stop in {:.0} % of the periods{before}",
        100.0 * share.judged
    );
    let remedy = "raise the CPU quota (limits.cpu, cpu.max), or give the service less to do";
    (CauseKind::CpuLimit, at, says, remedy.into())
}

/// The service's threads wait more and work no more: somebody else runs.
fn neighbours(waiting: &Reading) -> Option<Told> {
    let before = waiting.reference?;
    if waiting.judged < MORE * before || waiting.judged - before < WAITING {
        return None;
    }
    let says = format!(
        "{} threads of the service are ready and wait for a core at a time, {} in the reference, and it uses the CPU no \
         more than before: other processes of the machine do",
        quantity::number(waiting.judged),
        quantity::number(before)
    );
    let remedy = "find what else runs on the machine, and move it or give the service CPUs of its own";
    Some((CauseKind::Neighbour, "other processes of the machine".into(), says, remedy.into()))
}

/// Whether a request costs more CPU than it did.
pub(super) fn dearer(case: &Case) -> bool {
    let each = |s: Option<&ServiceSide>, throughput: f64| {
        s.filter(|s| s.cpu.is_some() && throughput > 0.0).map(|s| s.cpu_rate(cpu::is_work) / throughput)
    };
    let now = each(case.entry(), case.throughput());
    let before = each(case.entry_before(), case.throughput_before());
    now.zip(before).is_some_and(|(now, before)| now > OWN_WORK * before + OWN_NANOS)
}

/// That the service itself did not get dearer, by another witness: it would be to blame if it had.
fn own_work(case: &Case) -> Option<Evidence> {
    let service = case.entry().filter(|s| s.cpu.is_some())?;
    case.entry_before().filter(|s| s.cpu.is_some())?;
    let says = format!("its own CPU per request changed by {} only", duration(cpu::total_growth(case)));
    Some(evidence(CPU_PROFILE, says, profiles(&service.name, "cpu")))
}

fn host_files(service: &str) -> Option<String> {
    Some(format!("host/{service}"))
}
