//! What became of journeys: named checks that failed, how many were finished, over which connections they went.
//! Each part is there only if the run had it.

use serde::Serialize;

use crate::analysis::{CheckSummary, ConnectionSummary, Example, JourneySummary, LoadSummary, Quantiles};

use super::first;
use crate::report::quantity;

const MOST_CHECKS: usize = 40;

/// A named check that failed.
#[derive(Serialize)]
pub(super) struct CheckView {
    request: String,
    name: String,
    failed: String,
    share: String,
    example: Option<ExampleView>,
}

/// A hit that failed, as `events.jsonl` keeps it.
#[derive(Serialize)]
pub(super) struct ExampleView {
    at: String,
    detail: String,
}

/// A journey of more than one step.
#[derive(Serialize)]
pub(super) struct JourneyView {
    name: String,
    begun: String,
    finished: String,
    share: String,
}

/// How late the generator was.
#[derive(Serialize)]
pub(super) struct LatenessView {
    p50: String,
    p99: String,
    max: String,
}

/// Named checks that failed, those that failed most often first, and how many are left out.
pub(super) fn failed_checks(l: &LoadSummary) -> (Vec<CheckView>, usize) {
    let all = l.requests.iter().flat_map(|r| r.checks.iter().map(move |c| (r, c)));
    let mut failed: Vec<_> = all.filter(|(_, check)| check.failed > 0).collect();
    failed.sort_by_key(|(_, check)| std::cmp::Reverse(check.failed));
    first(failed.into_iter().map(|(r, c)| check(&r.name, r.done, c)).collect(), MOST_CHECKS)
}

pub(super) fn example(e: &Example) -> ExampleView {
    ExampleView { at: quantity::run_time(e.at), detail: e.detail.clone() }
}

fn check(request: &str, hits: u64, c: &CheckSummary) -> CheckView {
    CheckView {
        request: request.to_owned(),
        name: c.name.clone(),
        failed: quantity::count(c.failed),
        share: quantity::ratio(c.failed as f64 / hits.max(1) as f64),
        example: c.example.as_ref().map(example),
    }
}

/// Journeys in the scenario's order.
pub(super) fn journeys(all: &[JourneySummary]) -> Vec<JourneyView> {
    let journey = |j: &JourneySummary| JourneyView {
        name: j.name.clone(),
        begun: quantity::count(j.begun),
        finished: quantity::count(j.finished),
        share: quantity::ratio(j.finished as f64 / j.begun.max(1) as f64),
    };
    all.iter().map(journey).collect()
}

/// Connections in a sentence; none if nothing was opened.
pub(super) fn connections(c: &ConnectionSummary) -> Option<String> {
    if c.opened == 0 {
        return None;
    }
    let streams = match c.protocol.as_str() {
        "HTTP/2" => format!(" with {} streams", quantity::count(c.most_streams)),
        _ => String::new(),
    };
    let each = c.requests as f64 / c.opened as f64;
    let each = if each < 10.0 { format!("{each:.1}") } else { quantity::count(each.round() as u64) };
    let resent = match c.resent {
        0 => String::new(),
        n => format!(
            " {} times a request was sent again because the server had not looked at it (GOAWAY, REFUSED_STREAM).",
            quantity::count(n)
        ),
    };
    let unasked = match c.unasked {
        0 => String::new(),
        n => format!(
            " {} idle connections were given up because the server sent something that no request had asked for.",
            quantity::count(n)
        ),
    };
    Some(format!(
        "{}, over the whole run: {} connections opened, at most {} open at the same time{streams} (seen at the end \
         of each period), {each} requests per connection.{resent}{unasked}",
        c.protocol,
        quantity::count(c.opened),
        quantity::count(c.most_open),
    ))
}

/// Lateness of the open model; none where nothing was due.
pub(super) fn lateness(q: &Quantiles) -> Option<LatenessView> {
    let time = |nanos: u64| quantity::duration(nanos as f64);
    (q.count > 0).then(|| LatenessView { p50: time(q.p50), p99: time(q.p99), max: time(q.max) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_in_a_sentence() {
        let told = |protocol: &str, opened, requests, resent| {
            let summary = ConnectionSummary {
                protocol: protocol.into(),
                opened,
                most_open: 4,
                most_streams: 1_200,
                requests,
                resent,
                unasked: 0,
            };
            connections(&summary)
        };
        assert_eq!(
            told("HTTP/2", 5, 61_000, 0).as_deref(),
            Some(
                "HTTP/2, over the whole run: 5 connections opened, at most 4 open at the same time with 1,200 \
                 streams (seen at the end of each period), 12,200 requests per connection."
            )
        );
        let plain = told("HTTP/1.1", 4, 9, 0).expect("opened");
        assert!(
            plain.contains("same time (seen") && plain.ends_with("2.2 requests per connection."),
            "{plain}"
        );
        assert_eq!(told("HTTP/1.1", 0, 9, 0), None);
        let again = told("HTTP/2", 5, 61_000, 1_234).expect("opened");
        let words = " 1,234 times a request was sent again because the server had not looked at it";
        assert!(again.contains(words), "{again}");
    }
}
