//! What can go wrong with a fetch, in sentences for people.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a fetch gave nothing usable. The message names the URL with its secrets masked, what was found
/// and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {problem}")]
pub struct FetchError {
    /// The URL, secrets masked.
    pub url: String,
    /// What was found, and the remedy.
    pub problem: Problem,
}

/// What was found instead of evidence, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nobody listens.
    #[error("the connection was refused: start the service, or correct host and port")]
    Refused,
    /// No connection for another reason.
    #[error("could not connect ({0}): check host, port and the network between")]
    Connect(String),
    /// The certificate was not accepted, or the peer speaks no TLS.
    #[error("no TLS connection ({0}): name the service's certificate authority with `ca`, or use http://")]
    Tls(String),
    /// Too slow, or hanging.
    #[error(
        "no whole answer within {:.1} s ({got} bytes came): see whether the service hangs or is overloaded",
        limit.as_secs_f64()
    )]
    Timeout {
        /// The time limit.
        limit: Duration,
        /// Bytes of the body that came.
        got: usize,
    },
    /// Endless, or simply too large.
    #[error("the answer goes on beyond {limit} bytes and was cut: see whether the URL is the right one")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended in the middle, or what came is not HTTP.
    #[error("the answer broke off ({0}): see the service's log, and any proxy between")]
    Broken(String),
    /// An error of the service.
    #[error("answers {status}{}: {}", quoted(.said), remedy(*.status))]
    Status {
        /// The status.
        status: u16,
        /// Beginning of the body, made harmless.
        said: String,
    },
    /// Profiling or tracing is under way already; Go allows one of each per process.
    #[error("{0}: stop the other profiler, only one can run in a process")]
    Busy(String),
    /// Elsewhere.
    #[error("answers {status}, a redirect{}: redirects are not followed, write the final URL", towards(.to))]
    Redirect {
        /// The status.
        status: u16,
        /// Where to, secrets masked.
        to: String,
    },
    /// A page for people.
    #[error(
        "answers with a web page instead of data: correct the path, or the authentication if it is a log-in page"
    )]
    Html,
    /// Nothing.
    #[error("answers {status} with an empty body: see whether the endpoint is switched on")]
    Empty {
        /// The status.
        status: u16,
    },
    /// Bytes of another kind than expected.
    #[error("{0}")]
    Foreign(String),
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" (\"{said}\")") }
}

fn towards(to: &str) -> String {
    if to.is_empty() { String::new() } else { format!(" to {to}") }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => "give the source the `headers` it asks for",
        404 | 405 => "correct the path, or register the handler in the service",
        429 | 503 => "the service refuses for now: see its limits and any proxy between",
        _ => "see the service's log",
    }
}

impl Problem {
    /// What an error of the HTTP client means.
    pub(super) fn of_client(error: &reqwest::Error) -> Self {
        let words = innermost(error);
        if find(error, &|e| e.is::<rustls::Error>()) {
            return Self::Tls(words);
        }
        if error.is_connect() || error.is_dns() {
            let refused = |e: &(dyn Error + 'static)| {
                e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            };
            return if find(error, &refused) { Self::Refused } else { Self::Connect(words) };
        }
        Self::Broken(words)
    }
}

/// Whether an error of the chain meets the test. [`io::Error`] hides the error it carries from
/// [`Error::source`], so that one is looked into as well.
fn find(error: &(dyn Error + 'static), test: &dyn Fn(&(dyn Error + 'static)) -> bool) -> bool {
    if test(error) {
        return true;
    }
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.is_some_and(|e| find(e, test)) || error.source().is_some_and(|e| find(e, test))
}

/// The words of the innermost error: the outer ones only say that a request failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last: &dyn Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
