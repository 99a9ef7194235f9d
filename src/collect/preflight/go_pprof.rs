//! Preflight of Go's `net/http/pprof`.

use super::super::cpu_windows::profile_url;
use super::super::http::{FetchError, Fetched, Problem, below};
use super::{Probe, SourceCheck, foreign};
use crate::scenario::EvidenceSource;

/// Largest index or text page.
const TEXT_BYTES: usize = 4 << 20;
/// Profiles used when the index cannot be read.
const USUAL: [&str; 4] = ["goroutine", "heap", "mutex", "block"];

const MUTEX_REMEDY: &str = "runtime.SetMutexProfileFraction(100)";
const BLOCK_REMEDY: &str = "runtime.SetBlockProfileRate(10000)";

/// Below this sampling period the mutex profile itself shows in what is measured.
const DENSE: u64 = 10;

pub(super) async fn ask(
    source: &EvidenceSource,
    probe: &Probe,
    check: &mut SourceCheck,
) -> Result<(), FetchError> {
    let index = below(&probe.endpoint.url, "", &[]);
    let listed = index_profiles(probe, &index, check).await?;
    let has = |name: &str| listed.iter().any(|l| l == name);
    goroutines(probe, check).await?;
    let cpu = cpu(probe, check).await;
    if has("heap") {
        check.gives("heap");
    }
    if has("mutex") {
        mutex(probe, check).await;
    }
    if has("block") {
        // After the CPU profile: see there.
        block(probe, check, cpu).await;
    }
    check.note(probe.access(source, &index).await);
    Ok(())
}

/// Names of the profiles that the index lists. Routers that register only the handlers have no index; then
/// the usual ones are tried.
async fn index_profiles(
    probe: &Probe,
    index: &url::Url,
    check: &mut SourceCheck,
) -> Result<Vec<String>, FetchError> {
    let page = probe.fetch(index, TEXT_BYTES).await?;
    let usual = || USUAL.map(str::to_owned).to_vec();
    if matches!(page.status, 404 | 405) {
        check.note("has no index page: the usual profiles were tried one by one");
        return Ok(usual());
    }
    // Refuses statuses other than success. The index itself is a web page, so that is no objection.
    if !(200..300).contains(&page.status) || page.body.trim_ascii().is_empty() {
        return probe.data(index, TEXT_BYTES).await.map(|_| usual());
    }
    let names = listed(&String::from_utf8_lossy(&page.body));
    if names.iter().any(|n| n == "goroutine") {
        return Ok(names);
    }
    if page.is_html() {
        return Err(foreign(
            index,
            "answers with a web page that is not Go's index of profiles: correct the path to end in \
             `/debug/pprof`"
                .into(),
        ));
    }
    Ok(usual())
}

/// `<a href='goroutine?debug=1'>`: one link per profile.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("href=").skip(1).filter_map(|rest| {
        let link = rest.trim_start_matches(['\'', '"']);
        let name = link.split_once("?debug=1")?.0.rsplit('/').next()?;
        let plain = !name.is_empty() && name.len() <= 64;
        (plain && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)))
            .then(|| name.to_owned())
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
            <a href='profile?debug=1'>profile</a><a href=\"goroutine?debug=2\">full</a><a href='<x>?debug=1'>";
        assert_eq!(listed(page), ["goroutine", "heap", "mutex", "profile"]);
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
