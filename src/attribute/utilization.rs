//! How full the resources are that requests may wait for: the U of the USE method (Gregg, *Thinking Methodically about
//! Performance*, 2012). Near saturation a little more load makes a wait of any length, so what is full matters more than
//! what grew.

use super::blame::{Case, pools};
use super::counters::{Busy, PoolUse};
use crate::analysis::quantity;
use crate::analysis::{DatabaseFacts, DatabaseSystem, Reading, ReadingKind, Utilization};

/// Parts below this are of no interest.
const LEAST: f64 = 0.05;

/// All resources whose limit is known, the fullest first.
pub(super) fn utilization(case: &Case) -> Vec<Utilization> {
    let mut all: Vec<_> = case.readings.iter().filter_map(|r| of_reading(case, r)).collect();
    all.extend(pools(case));
    all.extend(counted(case));
    all.extend(runtime_workers(case));
    all.extend(case.databases.iter().filter_map(sessions));
    all.retain(|u| u.judged >= LEAST && u.judged.is_finite());
    all.sort_by(|a, b| b.judged.total_cmp(&a.judged).then_with(|| a.resource.cmp(&b.resource)));
    all
}

fn of_reading(case: &Case, reading: &Reading) -> Option<Utilization> {
    let other = |what| case.reading(&reading.service, what);
    let part_of = |resource: String, limit: &Reading| {
        (limit.judged > 0.0).then(|| Utilization {
            service: reading.service.clone(),
            resource,
            // There may have been no limit.
            reference: reading.reference.zip(limit.reference).map(|(before, limit)| before / limit),
            judged: reading.judged / limit.judged,
            queues: true,
        })
    };
    let share = |resource: &str| {
        let (service, resource) = (reading.service.clone(), resource.to_owned());
        Some(Utilization {
            service,
            resource,
            reference: reading.reference,
            judged: reading.judged,
            queues: false,
        })
    };
    let number = |r: &Reading| quantity::number(r.judged);
    match reading.what {
        ReadingKind::CoresBusy => {
            let cores = other(ReadingKind::Cores)?;
            let plural = if cores.judged.round() == 1.0 { "" } else { "s" };
            part_of(format!("{:.0} core{plural} (all processes)", cores.judged), cores)
        }
        ReadingKind::CoresUsed => {
            let quota = other(ReadingKind::CpuQuota)?;
            part_of(format!("CPU quota of {} cores", number(quota)), quota)
        }
        ReadingKind::MemoryLimit => share("memory that its control group may use"),
        ReadingKind::FdLimit => share("descriptors that it may open"),
        _ => None,
    }
}

/// Pools that a service counts itself.
fn counted(case: &Case) -> Vec<Utilization> {
    let part = |p: &PoolUse| p.used / p.most;
    let before = |now: &PoolUse| {
        let pools = case.reference.map(|r| r.pools.as_slice()).unwrap_or_default();
        pools.iter().find(|p| p.service == now.service && p.what == now.what).map(part)
    };
    let told = |p: &PoolUse| Utilization {
        service: p.service.clone(),
        resource: format!("{:.0} {}", p.most, p.what),
        reference: before(p),
        judged: part(p),
        queues: true,
    };
    case.judged.pools.iter().map(told).collect()
}

/// Workers of asynchronous runtimes.
fn runtime_workers(case: &Case) -> Vec<Utilization> {
    let part = |w: &Busy| w.rate / 1e9 / w.workers.max(1.0);
    let before = |service: &str| {
        case.reference.and_then(|r| r.workers.iter().find(|w| w.service == service)).map(part)
    };
    let told = |w: &Busy| Utilization {
        service: w.service.clone(),
        resource: format!("{:.0} workers of the asynchronous runtime", w.workers),
        reference: before(&w.service),
        judged: part(w),
        queues: true,
    };
    case.judged.workers.iter().map(told).collect()
}

/// Sessions that a database server allows.
fn sessions(facts: &DatabaseFacts) -> Option<Utilization> {
    let clients = facts.clients.as_ref()?;
    let limit = clients.limit.filter(|limit| *limit > 0)?;
    let part = |most: u64| most as f64 / limit as f64;
    let what = match facts.system {
        DatabaseSystem::Postgresql => "sessions that PostgreSQL allows",
        DatabaseSystem::Redis => "clients that Redis allows",
    };
    Some(Utilization {
        service: facts.service.clone(),
        resource: format!("{limit} {what}"),
        reference: clients.reference_most.map(part),
        judged: part(clients.most),
        queues: false,
    })
}
