//! What a Redis server gives, and the lines that turn on the rest.

use std::time::Instant;

use redis::Value;

use crate::collect::preflight::SourceCheck;
use crate::collect::redis::{Link, RedisError, Source, reply_text};
use crate::formats::redis::lines::sections;
use crate::scenario::{Address, EvidenceSource};

pub(super) async fn ask(
    source: &EvidenceSource,
    address: &Address,
    snapshots: bool,
    check: &mut SourceCheck,
) -> Result<(), String> {
    let made = Source::new(&source.service, address.expose(), source.ca.as_deref());
    let server = made.map_err(|e| e.to_string())?;
    server.shown().clone_into(&mut check.url);
    let told = |e: RedisError| format!("{}: {e}", server.shown());
    let mut link = server.open().await.map_err(told)?;
    info(&mut link, check).await.map_err(told)?;
    optional(&mut link, check).await;
    switches(&mut link, check).await;
    if snapshots {
        check.gives("profiles");
    }
    Ok(())
}

async fn info(link: &mut Link, check: &mut SourceCheck) -> Result<(), RedisError> {
    let began = Instant::now();
    let answer = link.ask(&["INFO", "all"]).await?;
    let took = began.elapsed();
    let sections = sections(&reply_text(&answer).ok_or(RedisError::Shape("INFO"))?);
    let value = |section: &str, key: &str| sections.get(section).and_then(|s| s.get(key)).cloned();
    check.note(format!("Redis {}", value("server", "redis_version").unwrap_or_default()));
    check.gives("info");
    if sections.contains_key("commandstats") {
        check.gives("commandstats");
    }
    let clients = value("clients", "connected_clients").unwrap_or_default();
    let most = value("clients", "maxclients").unwrap_or_default();
    check.note(format!(
        "takes 1 of {most} clients ({clients} now); a reading takes {:.1} ms, once a period",
        took.as_secs_f64() * 1e3
    ));
    Ok(())
}

/// What is newer than the rest, or may not be allowed.
async fn optional(link: &mut Link, check: &mut SourceCheck) {
    match link.ask(&["LATENCY", "HISTOGRAM"]).await {
        Ok(_) => check.gives("histograms"),
        Err(e) => check.off("histograms", format!("needs Redis 7.0 and the right to it ({e})")),
    }
    match link.ask(&["SLOWLOG", "LEN"]).await {
        Ok(_) => check.gives("slowlog"),
        Err(e) => check.off("slowlog", format!("needs the right to it ({e})")),
    }
}

async fn switches(link: &mut Link, check: &mut SourceCheck) {
    match setting(link, "slowlog-log-slower-than").await {
        Some(usec) if usec.starts_with('-') => {
            check.off("slow commands", "CONFIG SET slowlog-log-slower-than 10000 (microseconds)");
        }
        Some(usec) => check.note(format!("slow commands are noted from {usec} us of execution on")),
        None => check.note("CONFIG GET is not allowed: whether slow commands are noted could not be seen"),
    }
    if setting(link, "latency-monitor-threshold").await.as_deref() == Some("0") {
        check.off("latency events", "CONFIG SET latency-monitor-threshold 100 (milliseconds)");
    }
    if setting(link, "latency-tracking").await.as_deref() == Some("no") {
        check.off("latencystats and histograms", "CONFIG SET latency-tracking yes");
    }
}

/// A setting; none if it is unknown to this version or not to be seen.
async fn setting(link: &mut Link, name: &str) -> Option<String> {
    match link.ask(&["CONFIG", "GET", name]).await.ok()? {
        Value::Array(items) => items.get(1).and_then(reply_text),
        Value::Map(pairs) => pairs.first().and_then(|(_, value)| reply_text(value)),
        _ => None,
    }
}
