//! Questions to the API of a Prometheus server.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use url::Url;

use super::super::fetch_error::{FetchError, Problem};
use super::super::http::{Fetched, Limits, below};
use super::super::mask::masked;
use super::super::recorder::Endpoint;
use crate::formats::promql::{self, Answer, PromqlError};

/// Largest answer to a small question.
const SMALL: usize = 4 << 20;
/// Finest step that is asked for: servers are scraped every few seconds, seldom every second.
const FINEST: Duration = Duration::from_secs(1);
/// Milliseconds to which a server tells its time.
const GRAIN: f64 = 1e-3;

/// One answer, as it came and as it was read.
pub(in crate::collect) struct Told {
    /// As it came.
    pub(in crate::collect) fetched: Fetched,
    /// As it was read.
    pub(in crate::collect) answer: Answer,
}

/// Why a question got no answer.
pub(in crate::collect) struct Refusal {
    /// In words, with the address.
    pub(in crate::collect) error: FetchError,
    /// Whether asking again is pointless.
    pub(in crate::collect) lasting: bool,
}

/// Moments to be asked about, in seconds since 1970 on the server's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) step: Duration,
}

/// Asks a query over a range.
pub(super) async fn range(
    endpoint: &Endpoint,
    query: &str,
    range: Range,
    time: Duration,
) -> Result<Told, Refusal> {
    let moment = |t: f64| format!("{t:.3}");
    let (start, end, step) = (moment(range.start), moment(range.end), moment(range.step.as_secs_f64()));
    let within = format!("{:.0}s", time.as_secs_f64().max(1.0));
    let form = [
        ("query", query),
        ("start", start.as_str()),
        ("end", end.as_str()),
        ("step", step.as_str()),
        // The server need not go on with what nobody waits for.
        ("timeout", within.as_str()),
    ];
    ask(endpoint, "api/v1/query_range", &form, Limits { bytes: promql::MAX_BYTES, time }).await
}

/// Asks a query about now.
pub(in crate::collect) async fn instant(
    endpoint: &Endpoint,
    query: &str,
    time: Duration,
) -> Result<Told, Refusal> {
    ask(endpoint, "api/v1/query", &[("query", query)], Limits { bytes: SMALL, time }).await
}

/// Posts, since queries may be longer than URLs may. Errors of the server are JSON behind statuses such as 400, 422
/// and 503, so the body is read first.
async fn ask(
    endpoint: &Endpoint,
    path: &str,
    form: &[(&str, &str)],
    limits: Limits,
) -> Result<Told, Refusal> {
    let url = below(&endpoint.url, path, &[]);
    let failed = |problem| Refusal { error: FetchError { url: masked(&url), problem }, lasting: false };
    let posted = endpoint.fetcher.post(&url, form, limits).await;
    let fetched = posted.map_err(|error| Refusal { error, lasting: false })?;
    match promql::parse(&fetched.body) {
        Ok(answer) => Ok(Told { fetched, answer }),
        Err(PromqlError::Foreign(why)) => {
            let words = PromqlError::Foreign(why).to_string();
            Err(failed(endpoint.fetcher.objection(&fetched).unwrap_or(Problem::Foreign(words))))
        }
        Err(error) => {
            let status = fetched.status;
            let said = endpoint.fetcher.excerpt(&error.to_string());
            let problem = Problem::Foreign(format!("answers {status}: {said}"));
            Err(Refusal { lasting: error.is_lasting(), ..failed(problem) })
        }
    }
}

/// How far the server's clock is ahead of this machine's, in seconds: zero unless it is so beyond doubt, for then
/// correcting would only add the doubt. The server's word for the present lies somewhere between asking and answer.
pub(super) async fn clock_ahead(endpoint: &Endpoint, time: Duration) -> Result<f64, Refusal> {
    let wall =
        |moment: Instant, now: (Instant, f64)| now.1 - now.0.saturating_duration_since(moment).as_secs_f64();
    let told = instant(endpoint, "time()", time).await?;
    let now = (Instant::now(), unix_now());
    let theirs = told.answer.series.first().and_then(|s| s.points.first()).map(|(t, _)| *t);
    let url = || masked(&below(&endpoint.url, "api/v1/query", &[]));
    let no_time = || Problem::Foreign("tells no time: see whether this is Prometheus".into());
    let theirs = theirs
        .ok_or_else(|| Refusal { error: FetchError { url: url(), problem: no_time() }, lasting: false })?;
    Ok(ahead(theirs, wall(told.fetched.began, now), wall(told.fetched.ended, now)))
}

fn ahead(theirs: f64, asked: f64, answered: f64) -> f64 {
    let (least, most) = (theirs - answered - GRAIN, theirs - asked + GRAIN);
    if least <= 0.0 && most >= 0.0 { 0.0 } else { f64::midpoint(least, most) }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The shortest interval at which the server scrapes, if it tells its configuration.
pub(in crate::collect) async fn scrape_interval(endpoint: &Endpoint, time: Duration) -> Option<Duration> {
    let url: Url = below(&endpoint.url, "api/v1/status/config", &[]);
    let fetched = endpoint.fetcher.fetch_data(&url, Limits { bytes: SMALL, time }).await.ok()?;
    let parsed: serde_json::Value = serde_json::from_slice(&fetched.body).ok()?;
    intervals(parsed.pointer("/data/yaml")?.as_str()?)
}

/// `scrape_interval: 15s`, of all jobs the shortest; the one of `global` counts where a job names none, and is
/// written out by the server for each.
fn intervals(yaml: &str) -> Option<Duration> {
    let value = |line: &str| {
        let text = line.trim_start().trim_start_matches("- ").strip_prefix("scrape_interval:")?.trim();
        crate::scenario::parse_duration(text).ok().filter(|d| !d.is_zero())
    };
    yaml.lines().filter_map(value).min()
}

/// The step that is asked for: what lies between two scrapes is repeated, not known.
pub(in crate::collect) fn step(period: Duration, interval: Option<Duration>) -> Duration {
    period.max(FINEST).max(interval.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_only_beyond_doubt() {
        assert_eq!(ahead(100.0, 99.9, 100.2), 0.0);
        assert_eq!(ahead(100.0, 100.0005, 100.002), 0.0, "within the grain of a millisecond");
        assert_eq!(ahead(100.0, 97.0, 98.0), 2.5);
        assert_eq!(ahead(100.0, 103.0, 103.0), -3.0);
    }

    #[test]
    fn the_step_is_the_period_unless_the_server_is_coarser() {
        let secs = Duration::from_secs;
        let yaml = "global:\n  scrape_interval: 1m\nscrape_configs:\n- job_name: a\n  scrape_interval: 5s\n\
                    - job_name: b\n  scrape_interval: 1m30s\n  scrape_timeout: 1s\n";
        assert_eq!(intervals(yaml), Some(secs(5)));
        assert_eq!(intervals("global: {}"), None);
        assert_eq!(step(secs(1), Some(secs(5))), secs(5));
        assert_eq!(step(secs(10), Some(secs(5))), secs(10));
        assert_eq!(step(Duration::from_millis(200), None), secs(1));
    }
}
