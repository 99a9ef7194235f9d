//! Asks every evidence source before any load is sent: what it gives, what is switched
//! off, and the line that switches it on.

mod databases;
mod expvar;
mod go_pprof;
mod host;
mod otlp;
mod pprof;
mod prometheus;
mod promql;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use url::Url;

use super::http::{FetchError, Fetched, Fetcher, Limits, Problem};
use super::mask::masked;
use super::recorder::Endpoint;
use super::sources::{endpoint, key, resolve};
use crate::formats::pprof::Profile;
use crate::run::manifest::{SourceFacts, SwitchedOff};
use crate::scenario::{EvidenceKind, EvidenceSource, Location};

/// Time that the check of one source may take in all.
const BUDGET: Duration = Duration::from_secs(5);
/// Time that one question may take, unless it asks for a profile of some seconds.
const QUESTION: Duration = Duration::from_secs(2);
/// Largest profile.
const PROFILE_BYTES: usize = 64 << 20;

/// What was learned of one evidence source.
#[derive(Clone, Debug)]
pub struct SourceCheck {
    /// Service it speaks of.
    pub service: String,
    /// Kind as in scenario files, e.g. `go-pprof`.
    pub kind: &'static str,
    /// Its URL, secrets masked.
    pub url: String,
    /// For the manifest.
    pub facts: SourceFacts,
    /// More for people: what it costs, who may reach it.
    pub notes: Vec<String>,
}

impl SourceCheck {
    /// Key in the manifest: `service/kind`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.service, self.kind)
    }
}

/// Asks one source what it gives. `base` is the target's address. Takes five seconds at the most; what goes
/// wrong is in [`SourceFacts::problem`].
pub async fn check(source: &EvidenceSource, base: &Url) -> SourceCheck {
    if let Location::Database(address) = &source.location {
        return databases::check(source, address).await;
    }
    let place = host::place(source);
    let on_host = place.is_some();
    let url =
        place.unwrap_or_else(|| resolve(source, base).map(|u| masked(&u)).unwrap_or_else(|_| key(source)));
    let mut check = SourceCheck {
        service: source.service.clone(),
        kind: source.kind.name(),
        url,
        facts: SourceFacts::default(),
        notes: Vec::new(),
    };
    if on_host {
        host::ask(&source.kind, &mut check).await;
        return check;
    }
    if let EvidenceKind::Otlp { grpc, http, .. } = source.kind {
        otlp::check(grpc, http, &mut check);
        return check;
    }
    match endpoint(source, base) {
        Ok(endpoint) => {
            let probe = Probe { endpoint, deadline: Instant::now() + BUDGET };
            ask(source, &probe, &mut check).await;
        }
        Err(error) => check.facts.problem = Some(error.to_string()),
    }
    check
}

/// Asks all sources at the same time; answers in their order.
pub async fn check_all(sources: &[EvidenceSource], base: &Url) -> Vec<SourceCheck> {
    join_all(sources.iter().map(|source| check(source, base))).await
}

async fn ask(source: &EvidenceSource, probe: &Probe, check: &mut SourceCheck) {
    let outcome = match &source.kind {
        EvidenceKind::GoPprof { profiles, .. } => go_pprof::ask(source, profiles, probe, check).await,
        EvidenceKind::Pprof { .. } => pprof::ask(probe, check).await,
        EvidenceKind::Prometheus => prometheus::ask(source, probe, check).await,
        EvidenceKind::Expvar => expvar::ask(source, probe, check).await,
        EvidenceKind::Promql { queries, .. } => promql::ask(source, queries, probe, check).await,
        // Asked without a probe, see `check`.
        EvidenceKind::Process(_)
        | EvidenceKind::Logs { .. }
        | EvidenceKind::Otlp { .. }
        | EvidenceKind::Postgres { .. }
        | EvidenceKind::Redis { .. } => Ok(()),
    };
    match outcome {
        Ok(()) => check.facts.reachable = true,
        Err(error) => check.facts.problem = Some(error.to_string()),
    }
}

impl SourceCheck {
    fn gives(&mut self, what: &str) {
        self.facts.gives.push(what.to_owned());
    }

    fn off(&mut self, what: &str, remedy: impl Into<String>) {
        self.facts.off.push(SwitchedOff { what: what.to_owned(), remedy: remedy.into() });
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// Asks one source within the time that is left.
struct Probe {
    endpoint: Endpoint,
    deadline: Instant,
}

impl Probe {
    fn left(&self, most: Duration) -> Duration {
        most.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// An answer of whatever status.
    async fn fetch(&self, url: &Url, bytes: usize) -> Result<Fetched, FetchError> {
        self.endpoint.fetcher.fetch(url, Limits { bytes, time: self.left(QUESTION) }).await
    }

    /// Data.
    async fn data(&self, url: &Url, bytes: usize) -> Result<Fetched, FetchError> {
        self.endpoint.fetcher.fetch_data(url, Limits { bytes, time: self.left(QUESTION) }).await
    }

    /// A profile that decodes; `seconds` is how long the service records it.
    async fn profile(&self, url: &Url, seconds: u64) -> Result<(Fetched, Profile), FetchError> {
        let time = self.left(Duration::from_secs(seconds) + QUESTION);
        let fetched = self.endpoint.fetcher.fetch_data(url, Limits { bytes: PROFILE_BYTES, time }).await?;
        let body = fetched.body.clone();
        let decoding = tokio::task::spawn_blocking(move || Profile::decode(&body));
        // A small file may unfold into a very large one; the wait ends with the budget.
        let decoded = match tokio::time::timeout(self.left(BUDGET), decoding).await {
            Ok(Ok(decoded)) => decoded.map_err(|e| e.to_string()),
            Ok(Err(_)) | Err(_) => Err("decoding it takes too long".into()),
        };
        match decoded {
            Ok(profile) => Ok((fetched, profile)),
            Err(why) => Err(foreign(
                url,
                format!(
                    "the answer is no pprof profile ({why}): correct the path, or the kind of the source"
                ),
            )),
        }
    }

    /// Who may reach this source, as far as one request can tell. `url` must be cheap to answer.
    async fn access(&self, source: &EvidenceSource, url: &Url) -> String {
        let authenticates = !source.headers.is_empty()
            || !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some();
        if !authenticates {
            return "open: whoever reaches this address may read it, no authentication was needed".into();
        }
        let mut bare = url.clone();
        // Refused only for URLs without a host, which were never reached.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        bare.set_query(None);
        let Ok(fetcher) = Fetcher::new(&bare, &[], source.ca.as_deref()) else {
            return "access without authentication could not be tried".into();
        };
        match fetcher.status(&bare, self.left(QUESTION)).await {
            Ok((status, _)) if (200..300).contains(&status) => {
                "answers without the configured authentication too: it is not protected by it".into()
            }
            Ok((status, _)) => {
                format!("protected: without the configured authentication it answers {status}")
            }
            Err(_) => "protected: without the configured authentication it does not answer".into(),
        }
    }
}

fn foreign(url: &Url, found: String) -> FetchError {
    FetchError { url: masked(url), problem: Problem::Foreign(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{Reply, Server, nobody, source};

    const KINDS: [EvidenceKind; 5] = [
        EvidenceKind::GoPprof {
            snapshots_per_second: 10.0,
            cpu_window: Duration::from_secs(5),
            captures: true,
            profiles: Vec::new(),
        },
        EvidenceKind::Pprof { cpu_window: Duration::from_secs(5) },
        EvidenceKind::Prometheus,
        EvidenceKind::Expvar,
        EvidenceKind::Promql { queries: Vec::new(), settle: Duration::ZERO },
    ];

    async fn problems(reply: Reply) -> Vec<String> {
        let server = Server::start(move |_| reply.clone()).await;
        let base = server.url("/");
        let sources = KINDS.map(|kind| source(kind, server.url("/debug/pprof")));
        let began = Instant::now();
        let checks = check_all(&sources, &base).await;
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        let problem = |c: SourceCheck| {
            assert!(!c.facts.reachable && c.facts.gives.is_empty(), "{c:?}");
            let problem = c.facts.problem.expect("a problem");
            assert!(problem.starts_with(base.as_str()), "names the URL: {problem}");
            problem
        };
        checks.into_iter().map(problem).collect()
    }

    #[tokio::test]
    async fn every_misbehaviour_is_one_sentence_with_url_finding_and_remedy() {
        let html = problems(Reply::text(200, "text/html", "<html>welcome</html>")).await;
        assert!(html.iter().all(|p| p.contains("web page")), "{html:?}");
        let empty = problems(Reply::text(200, "text/plain", "")).await;
        assert!(empty.iter().all(|p| p.contains("empty body")), "{empty:?}");
        let error = problems(Reply::text(500, "text/plain", "boom")).await;
        assert!(error.iter().all(|p| p.contains("answers 500 (\"boom\")")), "{error:?}");
        let garbage = problems(Reply::bytes(200, "application/octet-stream", vec![0xfe; 300])).await;
        assert!(garbage[0].contains("no pprof profile") && garbage[1].contains("no pprof profile"));
        assert!(garbage[2].contains("no line is a metric"), "{garbage:?}");
        let endless = problems(Reply::Endless).await;
        let cut = |p: &String| p.contains("goes on beyond") || p.contains("no whole answer within");
        assert!(endless.iter().all(cut), "{endless:?}");
    }

    #[tokio::test]
    async fn hanging_and_absent_sources_do_not_hold_up_the_check() {
        let hanging = problems(Reply::Hang).await;
        assert!(hanging.iter().all(|p| p.contains("no whole answer within")), "{hanging:?}");
        let gone = nobody();
        for kind in KINDS {
            let check = check(&source(kind, gone.clone()), &gone).await;
            assert!(check.facts.problem.expect("refused").contains("the connection was refused"));
        }
    }

    #[tokio::test]
    async fn what_authentication_is_worth_is_told() {
        let page = "go_goroutines 5\n";
        let open = Server::start(move |_| Reply::text(200, "text/plain", page)).await;
        let guarded = Server::start(move |request| match request.head.contains("let-me-in") {
            true => Reply::text(200, "text/plain", page),
            false => Reply::text(401, "text/plain", "who are you?"),
        })
        .await;
        let check_with = async |server: &Server, headers: &[(String, String)]| {
            let mut source = source(EvidenceKind::Prometheus, server.url("/metrics"));
            source.headers = headers.to_vec();
            check(&source, &server.url("/")).await
        };
        let key = [("X-Key".to_owned(), "let-me-in".to_owned())];
        let said = |check: &SourceCheck, words: &str| check.notes.iter().any(|n| n.contains(words));
        let check = check_with(&open, &[]).await;
        assert!(said(&check, "open: whoever reaches"), "{check:?}");
        let check = check_with(&open, &key).await;
        assert!(said(&check, "answers without the configured authentication"), "{check:?}");
        let check = check_with(&guarded, &key).await;
        assert!(said(&check, "answers 401"), "{check:?}");
        let check = check_with(&guarded, &[]).await;
        let problem = check.facts.problem.expect("refused");
        assert!(problem.contains("answers 401") && problem.contains("`headers`"), "{problem}");
    }
}
