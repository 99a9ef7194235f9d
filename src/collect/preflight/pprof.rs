//! Preflight of a service that answers `<url>/profile?seconds=N`.

use super::super::cpu_windows::profile_url;
use super::super::http::{FetchError, below};
use super::{Probe, SourceCheck, foreign};

pub(super) async fn ask(probe: &Probe, check: &mut SourceCheck) -> Result<(), FetchError> {
    let url = profile_url(&probe.endpoint.url, 1);
    let (fetched, profile) = probe.profile(&url, 1).await?;
    if profile.sample_types.is_empty() {
        return Err(foreign(
            &url,
            "the profile says nothing of what it counts: it has no sample type".into(),
        ));
    }
    check.gives("cpu");
    check.note(format!(
        "a CPU profile of 1 s has {} bytes and counts {}",
        fetched.body.len(),
        profile.sample_types.iter().map(|t| t.kind.as_str()).collect::<Vec<_>>().join(", ")
    ));
    let contention = probe.profile(&below(&probe.endpoint.url, "mutex", &[]), 0).await;
    match contention {
        Ok(_) => check.gives("mutex"),
        Err(_) => check.note("has no contention profile (`mutex`): who holds a lock will not be known"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::check;
    use crate::collect::testing::{Reply, Server, cpu_profile, source};
    use crate::scenario::EvidenceKind;

    #[tokio::test]
    async fn a_cpu_profile_is_enough_and_contention_is_found_if_there() {
        let profile = cpu_profile();
        for mutex in [true, false] {
            let profile = profile.clone();
            let server = Server::start(move |request| match request.path.as_str() {
                "/prof/profile?seconds=1" => Reply::bytes(200, "", profile.clone()),
                "/prof/mutex" if mutex => Reply::bytes(200, "", profile.clone()),
                _ => Reply::text(404, "text/plain", "no"),
            })
            .await;
            let kind = EvidenceKind::Pprof { cpu_window: Duration::from_secs(5) };
            let check = check(&source(kind, server.url("/prof")), &server.url("/")).await;
            assert!(check.facts.reachable, "{check:?}");
            assert_eq!(check.facts.gives.iter().any(|g| g == "mutex"), mutex, "{check:?}");
            assert_eq!(check.facts.gives[0], "cpu");
        }
    }
}
