//! Whether the target answers at all.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::super::http::{FetchError, Fetcher, Problem, SetupError};
use super::super::mask::masked;

/// Longest wait for the target, whatever its own time limit.
const LONGEST: Duration = Duration::from_secs(5);

/// An answer of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetCheck {
    /// What was asked, secrets masked.
    pub url: String,
    /// Its status; any is an answer.
    pub status: u16,
    /// From asking to the head of the answer, connecting included.
    pub took: Duration,
}

/// Why the target could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Headers or certificate authority.
    #[error("target: {0}")]
    Setup(#[from] SetupError),
    /// No answer.
    #[error("target {0}")]
    Fetch(#[from] FetchError),
}

/// Asks the target for `path` (path and query) with GET. A redirect is an answer too.
///
/// # Errors
/// If there is no answer within `timeout`, five seconds at the most.
pub async fn check_target(
    base: &Url,
    path: &str,
    timeout: Duration,
    headers: &[(String, String)],
    ca: Option<&Path>,
) -> Result<TargetCheck, TargetError> {
    let broken = |e: url::ParseError| FetchError {
        url: masked(base),
        problem: Problem::Foreign(format!("`{path}` cannot be joined to it ({e}): correct the path")),
    };
    let url = base.join(path).map_err(broken)?;
    let fetcher = Fetcher::new(&url, headers, ca)?;
    let (status, took) = fetcher.status(&url, timeout.min(LONGEST)).await?;
    Ok(TargetCheck { url: masked(&url), status, took })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{Reply, Server};

    const TIME: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn any_status_is_an_answer_and_silence_is_none() {
        for reply in [Reply::text(503, "", "busy"), Reply::redirect("/login"), Reply::Endless] {
            let server = Server::start(move |_| reply.clone()).await;
            let got = check_target(&server.url("/"), "/a?b=1", TIME, &[], None).await.expect("an answer");
            assert!([200, 302, 503].contains(&got.status) && got.took < TIME, "{got:?}");
            assert_eq!(server.paths(), ["/a?b=1"]);
        }
        let server = Server::start(|_| Reply::Hang).await;
        let error = check_target(&server.url("/"), "/", TIME, &[], None).await.expect_err("silence");
        assert!(error.to_string().contains("no whole answer within 0.3 s"), "{error}");
    }
}
