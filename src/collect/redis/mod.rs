//! Redis: what its commands took, which were slow, who waits; and profiles that a service keeps in it.

mod error;
mod link;
mod poll;
mod profiles;
mod reply;
mod store;

use std::path::Path;
use std::time::Duration;

pub use error::RedisError;
pub use link::{Link, Source};
pub use reply::text as reply_text;
pub use store::{fetch, key, store};

use super::Collector;
use super::http::SetupError;

/// Settings of the source.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between two readings.
    pub period: Duration,
    /// Whether profiles of slow traces are fetched from it.
    pub snapshots: bool,
}

/// The collectors of one server.
///
/// # Errors
/// If the address or the certificate authority is not usable.
pub fn collectors(
    service: &str,
    url: &str,
    ca: Option<&Path>,
    settings: Settings,
) -> Result<Vec<Box<dyn Collector>>, SetupError> {
    let source = Source::new(service, url, ca)?;
    let mut all: Vec<Box<dyn Collector>> =
        vec![Box::new(poll::Polls { source: source.clone(), period: settings.period })];
    if settings.snapshots {
        all.push(Box::new(profiles::Profiles { source }));
    }
    Ok(all)
}

/// `redis/<service>/<what>.jsonl`.
fn path(service: &str, what: &str) -> String {
    format!("redis/{service}/{what}.jsonl")
}
