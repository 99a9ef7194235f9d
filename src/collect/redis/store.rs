//! Profiles that a service keeps in Redis by trace and minute, under `pprof:<trace>:<minute>`: a service that
//! notices a slow request stores what it was doing, and it is found again by the trace id of that request.

use std::time::Duration;

use redis::{Cmd, Value};

use super::RedisError;
use super::link::Link;

/// Largest profile.
const BYTES: i64 = 64 << 20;

/// Key of a profile: the trace id, and the second since 1970 in which its minute began.
#[must_use]
pub fn key(trace_id: &str, unix_seconds: u64) -> String {
    format!("pprof:{trace_id}:{}", unix_seconds / 60 * 60)
}

/// Stores a profile of a trace for some time.
///
/// # Errors
/// If the server refuses or does not answer.
pub async fn store(
    link: &mut Link,
    trace_id: &str,
    unix_seconds: u64,
    profile: &[u8],
    keep: Duration,
) -> Result<(), RedisError> {
    let mut command = Cmd::new();
    command.arg("SET").arg(key(trace_id, unix_seconds)).arg(profile).arg("EX").arg(keep.as_secs().max(1));
    link.send(&command).await.map(drop)
}

/// The profile of a trace in the minute of a moment; none if there is none, or if it is larger than 64 MiB.
///
/// # Errors
/// If the server refuses or does not answer.
pub async fn fetch(
    link: &mut Link,
    trace_id: &str,
    unix_seconds: u64,
) -> Result<Option<Vec<u8>>, RedisError> {
    let key = key(trace_id, unix_seconds);
    // Asked first: the client reads an answer whole, however large.
    match link.ask(&["STRLEN", &key]).await? {
        Value::Int(length) if (1..=BYTES).contains(&length) => {}
        _ => return Ok(None),
    }
    match link.ask(&["GET", &key]).await? {
        Value::BulkString(profile) => Ok(Some(profile)),
        _ => Ok(None),
    }
}
