//! Preflight of a Prometheus server: its version, how often it scrapes, and what each query gives now.

use std::time::Duration;

use super::super::http::{FetchError, below};
use super::super::promql::{instant, scrape_interval};
use super::{Probe, QUESTION, SourceCheck, foreign};
use crate::scenario::{EvidenceSource, PromqlQuery};

/// Largest answer about the server itself.
const BYTES: usize = 1 << 20;
/// Points in a piece of one series at the default period.
const POINTS: usize = 10;

pub(super) async fn ask(
    source: &EvidenceSource,
    queries: &[PromqlQuery],
    probe: &Probe,
    check: &mut SourceCheck,
) -> Result<(), FetchError> {
    version(probe, check).await;
    let first = instant(&probe.endpoint, "time()", probe.left(QUESTION)).await;
    let answered = first.map_err(|refusal| refusal.error)?;
    let mut series = 0;
    let mut refused = None;
    for query in queries {
        match instant(&probe.endpoint, &query.query, probe.left(QUESTION)).await {
            Ok(told) if told.answer.series.is_empty() => check.off(&query.name, no_series(query)),
            Ok(told) => {
                check.gives(&query.name);
                series += told.answer.series.len();
                let notes = told.answer.notes.join("; ");
                if !notes.is_empty() {
                    check.note(format!("query `{}`: {}", query.name, probe.endpoint.fetcher.excerpt(&notes)));
                }
            }
            Err(refusal) if refusal.lasting => {
                let words = format!("query `{}`: {}: correct it", query.name, refusal.error.problem);
                refused.get_or_insert(foreign(&below(&probe.endpoint.url, "api/v1/query", &[]), words));
            }
            Err(refusal) => check.off(&query.name, refusal.error.to_string()),
        }
    }
    // A query that will never be answered is a mistake of the scenario, as a wrong address is.
    if let Some(refused) = refused {
        return Err(refused);
    }
    scrapes(probe, check).await;
    check.note(format!(
        "{} queries with {series} series now, asked every 10 s for about {} values; a question takes {:.1} ms",
        queries.len(),
        series * POINTS,
        answered.fetched.took().as_secs_f64() * 1e3
    ));
    check.note(probe.access(source, &below(&probe.endpoint.url, "api/v1/status/buildinfo", &[])).await);
    Ok(())
}

fn no_series(query: &PromqlQuery) -> String {
    format!(
        "`{}` gives no series now: correct its labels (`queries` in the scenario), or have the server scrape the \
         service, under scrape_configs: - job_name: NAME, static_configs: [{{targets: [HOST:PORT]}}]",
        query.query
    )
}

/// `/api/v1/status/buildinfo`; servers that only speak the same language may not have it.
async fn version(probe: &Probe, check: &mut SourceCheck) {
    let url = below(&probe.endpoint.url, "api/v1/status/buildinfo", &[]);
    let told = match probe.data(&url, BYTES).await {
        Ok(answer) => serde_json::from_slice::<serde_json::Value>(&answer.body).ok(),
        Err(_) => None,
    };
    let version = told.as_ref().and_then(|t| t.pointer("/data/version")?.as_str());
    match version {
        Some(version) => check.note(format!("version {}", probe.endpoint.fetcher.excerpt(version))),
        None => check.note("tells no version: not Prometheus itself, or the page is closed"),
    }
}

async fn scrapes(probe: &Probe, check: &mut SourceCheck) {
    match scrape_interval(&probe.endpoint, probe.left(QUESTION)).await {
        Some(interval) => {
            let secs = interval.as_secs_f64();
            check.note(format!("scrapes every {secs} s at best: values between two scrapes are repeated"));
            if interval > SLOW {
                check.note(format!(
                    "that is coarse for a load test; for the time of one: scrape_interval: {}s",
                    SLOW.as_secs()
                ));
            }
        }
        None => check.note("does not tell how often it scrapes: values between two scrapes are repeated"),
    }
}

/// Scrapes further apart than this say little of a run of minutes.
const SLOW: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use crate::collect::testing::{Reply, Server, source};
    use crate::scenario::EvidenceKind;

    const SCALAR: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    const NOTHING: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    const BAD: &str = r#"{"status":"error","errorType":"bad_data","error":"1:4: parse error"}"#;

    async fn asked(second: (u16, &'static str)) -> SourceCheck {
        let questions = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(move |request| match request.path.as_str() {
            "/api/v1/query" if questions.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 => {
                Reply::text(second.0, "application/json", second.1)
            }
            "/api/v1/query" => Reply::text(200, "application/json", SCALAR),
            _ => Reply::text(404, "text/plain", "no"),
        })
        .await;
        let queries = vec![PromqlQuery { name: "q".into(), query: "up".into(), unit: None }];
        let kind = EvidenceKind::Promql { queries, settle: Duration::ZERO };
        check(&source(kind, server.url("/")), &server.url("/")).await
    }

    #[tokio::test]
    async fn a_query_that_is_none_ends_the_check_and_an_empty_one_is_off() {
        let bad = asked((400, BAD)).await;
        let problem = bad.facts.problem.expect("a problem");
        assert!(
            problem.contains("query `q`: answers 400: bad_data: 1:4: parse error: correct it"),
            "{problem}"
        );
        let empty = asked((200, NOTHING)).await;
        assert!(empty.facts.reachable && empty.facts.gives.is_empty(), "{empty:?}");
        assert!(empty.facts.off[0].remedy.contains("scrape_configs"), "{empty:?}");
        let busy = asked((503, r#"{"status":"error","errorType":"unavailable","error":"later"}"#)).await;
        assert!(busy.facts.reachable && busy.facts.off[0].remedy.contains("answers 503"), "{busy:?}");
        assert_eq!(asked((200, SCALAR)).await.facts.gives, ["q"]);
    }
}
