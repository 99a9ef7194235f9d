//! Words for a run whose requests failed: how many, which of them, how, and what to do.

use crate::analysis::{Analysis, FAILING_SHARE, RequestSummary, Verdict};

use super::onset::first_anomaly;
use super::{quantity, words};

/// What the verdict claims; `escaped` makes the name of a request safe where the words go.
pub(super) fn means(a: &Analysis, escaped: impl Fn(&str) -> String) -> String {
    if a.verdict != Verdict::Failing {
        return words::verdict_means(a.verdict).to_owned();
    }
    let worst = a.load.requests.iter().max_by(|x, y| x.error_rate.total_cmp(&y.error_rate));
    let (share, which) = match worst {
        Some(r) if a.load.total.error_rate < FAILING_SHARE && r.error_rate >= FAILING_SHARE => {
            (r.error_rate, format!("the requests {}", escaped(&r.name)))
        }
        _ => (a.load.total.error_rate, "the requests".to_owned()),
    };
    let when = match first_anomaly(a) {
        Some(x) if x.series == "error-rate" => {
            format!(", more of them since {} of the run", quantity::run_time(x.window.from))
        }
        Some(_) => String::new(),
        None => ", alike through the whole run".into(),
    };
    format!("{} of {which} failed{when}", quantity::ratio(share))
}

/// The largest kind of failure: how many, of which request, and an example; `text` and `code` make words and names
/// safe where the line goes.
pub(super) fn cause(a: &Analysis, text: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let Some((request, kind, count)) = largest(a) else { return "no failure was counted".into() };
    let all: u64 = a.load.requests.iter().flat_map(|r| r.failed.values()).sum();
    let example = request.examples.get(kind).map_or_else(String::new, |e| {
        format!("; for example at {}: {}", quantity::run_time(e.at), text(&e.detail))
    });
    format!(
        "{} of {} failures are of kind {} ({}), of request {}{example}",
        quantity::count(count),
        quantity::count(all),
        code(kind),
        text(words::failure(kind)),
        code(&request.name)
    )
}

/// The request and the kind with the most failures; of equals the first.
fn largest(a: &Analysis) -> Option<(&RequestSummary, &str, u64)> {
    let all =
        a.load.requests.iter().flat_map(|r| r.failed.iter().map(move |(kind, n)| (r, kind.as_str(), *n)));
    all.filter(|(.., n)| *n > 0).reduce(|most, next| if next.2 > most.2 { next } else { most })
}

/// What to do next.
pub(super) fn action(a: &Analysis) -> String {
    let look = "look at the failures in the load figures below, and at what the target logged at that time";
    if a.thresholds.iter().any(|t| t.metric == "error-rate") {
        return look.into();
    }
    format!("{look}; set `thresholds.error-rate`, so that such a run fails")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::escape;
    use crate::report::golden::load;
    use crate::report::headline::headline;

    fn failing() -> Analysis {
        load("failing").0
    }

    #[test]
    fn a_run_that_fails_all_the_time_is_never_kept_as_a_baseline() {
        let a = failing();
        let h = headline(&a);
        assert!(
            h.verdict.starts_with("**Verdict: FAILING** - 33.3 % of the requests failed, alike"),
            "{}",
            h.verdict
        );
        assert!(
            h.cause.starts_with(
                "9,167 of 9,167 failures are of kind `status` (unexpected status), of request `list"
            ),
            "{}",
            h.cause
        );
        assert!(h.cause.ends_with(": status 503 was not expected"), "{}", h.cause);
        assert!(h.action.contains("thresholds.error-rate") && !h.action.contains("baseline"), "{}", h.action);
        assert!(h.size.contains("errors 33.3 %"), "{}", h.size);
        assert!(h.since.starts_with("no onset seen"), "{}", h.since);
    }

    #[test]
    fn errors_that_began_in_mid_run_have_an_onset() {
        let mut a = failing();
        let (lock, _) = load("go-lock");
        let mut x = lock.anomalies[0].clone();
        (x.series, x.unit, x.reference, x.observed) =
            ("error-rate".into(), crate::analysis::Unit::Ratio, 0.0, 1.0);
        a.anomalies = vec![x];
        let h = headline(&a);
        assert!(
            h.verdict.ends_with("33.3 % of the requests failed, more of them since 00:30.0 of the run"),
            "{}",
            h.verdict
        );
        assert_eq!(h.size, "error-rate went from 0 % to 100 %; errors 33.3 %");
        assert!(h.since.ends_with("first seen in error-rate"), "{}", h.since);
    }

    #[test]
    fn one_request_among_many_is_named() {
        let mut a = failing();
        a.load.requests[0].name = "pay | now".into();
        a.load.total.error_rate = 0.004;
        assert!(means(&a, escape::text).starts_with("33.3 % of the requests pay \\| now failed, alike"));
        a.verdict = Verdict::Healthy;
        assert_eq!(means(&a, escape::text), words::verdict_means(Verdict::Healthy));
    }
}
