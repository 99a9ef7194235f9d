//! Profiles of slow requests, fetched from Redis when the load has ended.

use std::collections::HashSet;
use std::fs::File;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::link::Source;
use super::{RedisError, fetch};
use crate::collect::session::Session;
use crate::collect::{Collector, Context};
use crate::run::event::{Event, EventKind};
use crate::run::layout;
use crate::time::{RunTime, SECOND};

/// Slow requests whose profiles are asked for, the slowest first.
const TRACES: usize = 100;
/// Time for all of them.
const BUDGET: Duration = Duration::from_secs(6);
/// Bytes of events that are looked through.
const EVENTS: u64 = 256 << 20;

/// Fetches profiles of slow requests.
#[derive(Debug)]
pub(super) struct Profiles {
    pub(super) source: Source,
}

/// A slow request.
struct Slow {
    at: RunTime,
    trace_id: String,
    nanos: u64,
}

impl Collector for Profiles {
    fn name(&self) -> String {
        "redis/profiles".into()
    }

    fn service(&self) -> &str {
        &self.source.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

impl Profiles {
    async fn record(self: Box<Self>, context: Context) {
        let service = self.source.service.clone();
        let mut session = Session::new(context.out, context.stop, service, self.name());
        session.stopped().await;
        let events = session.out().dir().join(layout::EVENTS);
        let slow = tokio::task::spawn_blocking(move || slowest(&events)).await.unwrap_or_default();
        if let Err(error) = self.fetch_all(&mut session, slow).await {
            session.failed(&error.to_string());
        }
        session.finish();
    }

    async fn fetch_all(&self, session: &mut Session, slow: Vec<Slow>) -> Result<(), RedisError> {
        let began = Instant::now();
        let mut link = self.source.open().await?;
        let start = session.out().clock().wall_unix_nanos();
        for request in slow {
            if began.elapsed() > BUDGET {
                session
                    .fault("profiles of the slowest requests took too long to fetch: the rest was left out");
                break;
            }
            // It may have been stored when the request began, or after it had ended.
            let end = start.saturating_add(request.at.as_nanos());
            let begin = end.saturating_sub(request.nanos);
            let mut minutes = vec![end / SECOND / 60, begin / SECOND / 60, end / SECOND / 60 + 1];
            minutes.dedup();
            for minute in minutes {
                if let Some(profile) = fetch(&mut link, &request.trace_id, minute * 60).await? {
                    session.keep(self.file(&request), Bytes::from(profile)).await;
                    break;
                }
            }
        }
        Ok(())
    }

    fn file(&self, request: &Slow) -> String {
        let (service, at) = (&self.source.service, layout::stamp(request.at));
        format!("profiles/{service}/trace/{at}.{}.pb.gz", request.trace_id)
    }
}

/// The slowest requests that the load noted, each once.
fn slowest(events: &Path) -> Vec<Slow> {
    let Ok(file) = File::open(events) else { return Vec::new() };
    let lines = BufReader::new(file.take(EVENTS)).split(b'\n').map_while(Result::ok);
    let events = lines.filter_map(|line| serde_json::from_slice::<Event>(&line).ok());
    let mut slow: Vec<Slow> = events
        .filter_map(|event| match event.kind {
            EventKind::Slow { trace_id, response_nanos, .. } => {
                Some(Slow { at: event.at, trace_id, nanos: response_nanos })
            }
            _ => None,
        })
        .collect();
    slow.sort_by_key(|s| std::cmp::Reverse(s.nanos));
    let mut seen = HashSet::new();
    slow.retain(|s| s.trace_id.bytes().all(|b| b.is_ascii_hexdigit()) && seen.insert(s.trace_id.clone()));
    slow.truncate(TRACES);
    slow
}
