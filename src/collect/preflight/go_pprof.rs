//! Preflight of Go's `net/http/pprof`.

use super::super::cpu_windows::profile_url;
use super::super::http::{FetchError, Fetched, Problem, below};
use super::{Probe, SourceCheck, foreign};
use crate::scenario::{EvidenceSource, ProfileName};

/// Largest index or text page.
const TEXT_BYTES: usize = 4 << 20;
/// Profiles that every Go program has.
const BUILT_IN: [&str; 7] =
    ["allocs", "block", "goroutine", "goroutineleak", "heap", "mutex", "threadcreate"];

const MUTEX_REMEDY: &str = "runtime.SetMutexProfileFraction(100)";
const BLOCK_REMEDY: &str = "runtime.SetBlockProfileRate(10000)";
const MEMORY_REMEDY: &str = "runtime.MemProfileRate = 512 * 1024, before anything is allocated";

/// Below this sampling period the mutex profile itself shows in what is measured.
const DENSE: u64 = 10;

pub(super) async fn ask(
    source: &EvidenceSource,
    profiles: &[ProfileName],
    probe: &Probe,
    check: &mut SourceCheck,
) -> Result<(), FetchError> {
    let index = below(&probe.endpoint.url, "", &[]);
    let listed = index_profiles(probe, &index, check).await?;
    goroutines(probe, check).await?;
    let cpu = cpu(probe, check).await;
    let lacks = |name: &str| listed.as_ref().is_some_and(|l| !l.iter().any(|l| l == name));
    // Contention comes last: the CPU profile before it made some, see `block`.
    let (contention, others): (Vec<&str>, Vec<&str>) =
        profiles.iter().map(ProfileName::as_str).partition(|p| matches!(*p, "mutex" | "block"));
    for name in others.into_iter().chain(contention) {
        match name {
            _ if lacks(name) => {
                check.off(name, format!("the service has no such profile: pprof.NewProfile({name:?})"))
            }
            "mutex" => mutex(probe, check).await,
            "block" => block(probe, check, cpu).await,
            _ => snapshot(name, probe, check).await,
        }
    }
    also(profiles, listed.as_deref().unwrap_or_default(), check);
    check.note(probe.access(source, &index).await);
    Ok(())
}

/// Names what else there is: profiles that the service keeps itself.
fn also(profiles: &[ProfileName], listed: &[String], check: &mut SourceCheck) {
    let has = |name: &str| profiles.iter().any(|p| p.as_str() == name);
    let own: Vec<&str> =
        listed.iter().map(String::as_str).filter(|n| !BUILT_IN.contains(n) && !has(n)).take(10).collect();
    if !own.is_empty() {
        check.note(format!("has profiles of its own, which `profiles` may name: {}", own.join(", ")));
    }
    if has("heap") && has("allocs") {
        check.note("heap and allocs hold the same four values: one of them is enough");
    }
}

/// A profile that is on unless its rate says otherwise.
async fn snapshot(name: &str, probe: &Probe, check: &mut SourceCheck) {
    match probe.profile(&below(&probe.endpoint.url, name, &[("debug", "0")]), 0).await {
        Ok((_, profile)) if matches!(name, "heap" | "allocs") && profile.period == 0 => {
            check.off(name, MEMORY_REMEDY);
        }
        Ok((fetched, profile)) => {
            check.gives(name);
            let (took, bytes) = (fetched.took().as_secs_f64() * 1e3, fetched.body.len());
            let stacks = profile.samples.len();
            check.note(format!("a {name} profile takes {took:.1} ms, {bytes} bytes ({stacks} stacks now)"));
        }
        Err(error) => check.off(name, error.to_string()),
    }
}

/// Names of the profiles that the index lists. Routers that register only the handlers have no index; then
/// it is none, and all that are wanted are tried.
async fn index_profiles(
    probe: &Probe,
    index: &url::Url,
    check: &mut SourceCheck,
) -> Result<Option<Vec<String>>, FetchError> {
    let page = probe.fetch(index, TEXT_BYTES).await?;
    if matches!(page.status, 404 | 405) {
        check.note("has no index page: the profiles were tried one by one");
        return Ok(None);
    }
    // Refuses statuses other than success. The index itself is a web page, so that is no objection.
    if !(200..300).contains(&page.status) || page.body.trim_ascii().is_empty() {
        return probe.data(index, TEXT_BYTES).await.map(|_| None);
    }
    let names = listed(&String::from_utf8_lossy(&page.body));
    if names.iter().any(|n| n == "goroutine") {
        return Ok(Some(names));
    }
    if page.is_html() {
        return Err(foreign(
            index,
            "answers with a web page that is not Go's index of profiles: correct the path to end in \
             `/debug/pprof`"
                .into(),
        ));
    }
    Ok(None)
}

/// `<a href='goroutine?debug=1'>`: one link per profile; names may have slashes of their own.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("href=").skip(1).filter_map(|rest| {
        let link = rest.trim_start_matches(['\'', '"']).split_once("?debug=1")?.0;
        let name = if link.starts_with('/') { link.rsplit_once("pprof/")?.1 } else { link };
        let known = BUILT_IN.contains(&name) || ProfileName::new(name).is_some();
        known.then(|| name.to_owned())
    });
    links.take(64).collect()
}

async fn goroutines(probe: &Probe, check: &mut SourceCheck) -> Result<(), FetchError> {
    let url = below(&probe.endpoint.url, "goroutine", &[("debug", "0")]);
    let (fetched, profile) = probe.profile(&url, 0).await?;
    let count = profile.value_index("goroutine").ok_or_else(|| {
        foreign(&url, "the answer is a profile, but not one of goroutines: this is no Go service".into())
    })?;
    check.gives("goroutine");
    check.note(format!(
        "a goroutine snapshot takes {:.1} ms, {} bytes ({} goroutines now)",
        fetched.took().as_secs_f64() * 1e3,
        fetched.body.len(),
        profile.total(count)
    ));
    Ok(())
}

/// Whether a CPU profile of a second was taken.
async fn cpu(probe: &Probe, check: &mut SourceCheck) -> bool {
    match probe.profile(&profile_url(&probe.endpoint.url, 1), 1).await {
        Ok((_, profile)) if profile.value_index("cpu").is_some() => {
            check.gives("cpu");
            true
        }
        Ok(_) => {
            check.off("cpu", "`profile` answers with another kind of profile: register pprof.Profile there");
            false
        }
        Err(error) => {
            check.off("cpu", error.to_string());
            // Somebody else's profile ends: the windows may succeed in the run.
            if matches!(error.problem, Problem::Busy(_)) {
                check.gives("cpu");
            }
            false
        }
    }
}

async fn mutex(probe: &Probe, check: &mut SourceCheck) {
    match text(probe, "mutex").await {
        Ok(page) => match sampling_period(&page) {
            Some(0) => check.off("mutex", MUTEX_REMEDY),
            Some(n) => {
                check.gives("mutex");
                check.note(format!("mutex profile on: 1 in {n} contentions is recorded"));
                if n < DENSE {
                    check.note(format!("that many cost time under load, sooner: {MUTEX_REMEDY}"));
                }
            }
            None => check.off("mutex", format!("its page names no sampling period: {MUTEX_REMEDY}")),
        },
        Err(error) => check.off("mutex", error.to_string()),
    }
}

/// `sampling period=N`; 0 is off.
fn sampling_period(page: &str) -> Option<u64> {
    let value = page.lines().find_map(|line| line.strip_prefix("sampling period="))?;
    value.trim().parse().ok()
}

/// The block profile does not tell its rate. But the handler of the CPU profile waits in a `select` for
/// the length of the profile, and a wait of a second is recorded at any rate up to that: after a CPU
/// profile, a block profile without samples is off.
async fn block(probe: &Probe, check: &mut SourceCheck, cpu: bool) {
    match text(probe, "block").await {
        Ok(page) if has_samples(&page) => check.gives("block"),
        Ok(_) if cpu => check.off("block", BLOCK_REMEDY),
        Ok(_) => {
            // It may be on: recorded, but its emptiness proves nothing.
            check.gives("block");
            check.off("block", format!("no samples yet or off: {BLOCK_REMEDY}"));
        }
        Err(error) => check.off("block", error.to_string()),
    }
}

/// Samples are lines `cycles count @ 0x...`.
fn has_samples(page: &str) -> bool {
    page.lines().any(|line| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" @"))
}

async fn text(probe: &Probe, kind: &str) -> Result<String, FetchError> {
    let url = below(&probe.endpoint.url, kind, &[("debug", "1")]);
    let Fetched { body, .. } = probe.data(&url, TEXT_BYTES).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_its_profiles() {
        let page = "<tr><td>4</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>\
            <a href='/debug/pprof/heap?debug=1'>heap</a><a href=\"mutex?debug=1\">mutex</a>\
            <a href='profile?debug=1'>profile</a><a href='shop/db.pool?debug=1'>x</a><a href='../etc?debug=1'>y</a><a href=\"goroutine?debug=2\">full</a><a href='<x>?debug=1'>";
        assert_eq!(listed(page), ["goroutine", "heap", "mutex", "shop/db.pool"]);
    }

    #[test]
    fn the_switches_are_read_from_the_text_pages() {
        let off = "--- mutex:\ncycles/second=2000000000\nsampling period=0\n";
        assert_eq!(sampling_period(off), Some(0));
        assert_eq!(sampling_period("--- mutex:\nsampling period=100\n12 3 @ 0x1\n"), Some(100));
        assert_eq!(sampling_period("--- mutex:\n"), None);
        assert!(!has_samples(off));
        assert!(has_samples("--- contention:\ncycles/second=1\n2412 1 @ 0x47 0x48\n"));
    }
}
