//! PostgreSQL: what its statements took, what its backends wait for, and how it would execute the slowest.
//!
//! Everything is asked over at most two own connections, each question with a time limit that ends with it:
//! nothing of it stays on a connection that a pooler hands to somebody else.

mod activity;
mod error;
mod link;
mod plans;
mod queries;
mod statements;

use std::path::Path;
use std::time::Duration;

pub use error::DbError;
pub use link::{Limits, Link, Source};
pub use queries::{PROBE, Server};

use super::Collector;
use super::http::SetupError;

/// Settings of the source.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Samples of `pg_stat_activity` per second.
    pub snapshots_per_second: f64,
    /// Whether plans of the slowest statements are asked for.
    pub plans: bool,
    /// Time between two readings of the database's counters; statements are read less often.
    pub period: Duration,
    /// Seed of the sampler's pauses.
    pub seed: u64,
}

/// The two collectors of one server.
///
/// # Errors
/// If the address or the certificate authority is not usable.
pub fn collectors(
    service: &str,
    dsn: &str,
    ca: Option<&Path>,
    settings: Settings,
) -> Result<Vec<Box<dyn Collector>>, SetupError> {
    let source = Source::new(service, dsn, ca)?;
    Ok(vec![
        Box::new(activity::Samples { source: source.clone(), settings }),
        Box::new(statements::Snapshots { source, settings }),
    ])
}

/// `db/<service>/<what>.jsonl`.
fn path(service: &str, what: &str) -> String {
    format!("db/{service}/{what}.jsonl")
}
