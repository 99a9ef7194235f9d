//! Preflight of Go's `expvar`.

use super::super::expvar::masked;
use super::super::http::{FetchError, Problem};
use super::{Probe, SourceCheck, foreign};
use crate::formats::expvar::{MAX_BYTES, parse};
use crate::scenario::EvidenceSource;

const REGISTER: &str =
    "import _ \"expvar\", or for a router of its own: Handle(\"/debug/vars\", expvar.Handler())";

pub(super) async fn ask(
    source: &EvidenceSource,
    probe: &Probe,
    check: &mut SourceCheck,
) -> Result<(), FetchError> {
    let url = &probe.endpoint.url;
    let page = match probe.data(url, MAX_BYTES).await {
        Err(FetchError { problem: Problem::Status { status: 404, .. }, .. }) => {
            return Err(foreign(
                url,
                format!("answers 404: correct the path, or register it in the service: {REGISTER}"),
            ));
        }
        other => other?,
    };
    // What cannot be kept is told now.
    masked(&page.body).map_err(|problem| foreign(url, problem))?;
    let parsed = parse(&page.body).map_err(|e| foreign(url, e.to_string()))?;
    if parsed.families.is_empty() {
        return Err(foreign(
            url,
            format!("no number is in the answer: correct the path, or publish some: {REGISTER}"),
        ));
    }
    let memory = parsed.families.iter().filter(|f| f.name.starts_with("memstats.")).count();
    let own = parsed.families.len() - memory;
    if memory > 0 {
        check.gives("memstats");
    } else {
        check.off("memstats", REGISTER);
    }
    if own > 0 {
        check.gives("variables of the service");
    } else {
        check.off("variables of the service", "expvar.NewInt(\"requests\"), expvar.NewMap, expvar.Publish");
    }
    if parsed.skipped > 0 {
        check.note(format!("{} of its numbers are too deep or too many and are passed over", parsed.skipped));
    }
    check.note(format!(
        "{own} numbers and {memory} of memstats in {:.1} ms, {} bytes; each look stops the service for some \
         microseconds to read memstats",
        page.took().as_secs_f64() * 1e3,
        page.body.len()
    ));
    check.note(probe.access(source, url).await);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use crate::collect::testing::{Reply, Server, source};
    use crate::scenario::EvidenceKind;

    #[tokio::test]
    async fn numbers_are_told_and_what_is_no_page_is_refused() {
        let page = r#"{"cmdline": ["a"], "n": 1, "memstats": {"NumGC": 3}}"#;
        for (body, gives, words) in [
            (page, &["memstats", "variables of the service"][..], ""),
            (r#"{"memstats": {"NumGC": 3}}"#, &["memstats"], ""),
            (r#"{"cmdline": ["a"]}"#, &[], "no number is in the answer"),
            ("n 1", &[], "no JSON object"),
        ] {
            let server = Server::start(move |_| Reply::text(200, "application/json", body)).await;
            let check =
                check(&source(EvidenceKind::Expvar, server.url("/debug/vars")), &server.url("/")).await;
            assert_eq!(check.facts.gives, gives, "{check:?}");
            assert!(check.facts.problem.unwrap_or_default().contains(words), "{body}");
        }
        let server = Server::start(|_| Reply::text(404, "text/plain", "no")).await;
        let check = check(&source(EvidenceKind::Expvar, server.url("/debug/vars")), &server.url("/")).await;
        assert!(check.facts.problem.expect("a problem").contains("import _ \"expvar\""));
    }
}
