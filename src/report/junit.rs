//! JUnit: one test case for the run's validity, one per threshold, per row of the baseline comparison and for
//! the expected cause. Failure texts name the cause, so that a CI page alone says why.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::analysis::{
    Analysis, BaselineComparison, BaselineOutcome, BaselineRow, CheckOutcome, Expectation, ThresholdResult,
    Verdict,
};

use super::{confirmation, escape, failing, headline, names, quantity, words};

/// The file's content.
pub(crate) fn junit(a: &Analysis) -> Result<String, SerializeError> {
    let why = why(a);
    let mut cases = vec![valid(a)];
    cases.extend(a.thresholds.iter().map(|t| threshold(t, &why)));
    if let Some(b) = &a.baseline {
        cases.push(comparable(b));
        cases.extend(b.rows.iter().map(|r| baseline(r, b.incomparable.as_deref(), &why)));
    }
    cases.extend(a.expectation.iter().map(|e| expectation(e, &why)));
    let name = escape::line(&a.run.scenario);
    for case in &mut cases {
        case.set_classname(format!("loadprof.{name}"));
    }
    let mut suite = TestSuite::new(name);
    // As an attribute of our own: the crate's typed time stamp would need a second calendar crate.
    if let Some(started) = quantity::rfc3339(a.run.started_unix_nanos) {
        suite.extra.insert("timestamp".into(), started.into());
    }
    suite.set_time(Duration::from_nanos(a.run.nanos));
    suite.add_property(("run", escape::line(&a.run.id).as_str()));
    suite.add_property(("target", escape::line(&a.run.target).as_str()));
    suite.add_property(("verdict", words::verdict(a.verdict)));
    suite.add_property(("cause", why.as_str()));
    suite.add_test_cases(cases);
    let mut report = Report::new("loadprof");
    report.add_test_suite(suite);
    report.to_string()
}

/// The cause in plain text.
fn why(a: &Analysis) -> String {
    let means = failing::means(a, escape::line);
    let left: Vec<_> = a.causes.iter().filter(|c| !confirmation::refuted(a, c)).collect();
    let causes: Vec<String> = left.iter().take(3).map(|c| cause(a, c)).collect();
    if a.verdict == Verdict::Failing {
        let largest = failing::cause(a, escape::line, escape::line);
        format!("{}: {means}; {largest}", words::verdict(a.verdict))
    } else if causes.is_empty() || a.verdict == Verdict::Refuted {
        format!("{}: {means}", words::verdict(a.verdict))
    } else {
        let tied = a.verdict == Verdict::Likely && headline::tied(&left);
        let between = if tied { "; or " } else { "; besides: " };
        format!("{}: {}", words::verdict(a.verdict), causes.join(between))
    }
}

fn cause(a: &Analysis, c: &crate::analysis::Cause) -> String {
    let size = quantity::estimate(c.explains);
    let name = escape::line(&names::short(&c.at));
    let known = if a.verdict == Verdict::Mechanism { "owner not known" } else { words::cause(c.kind) };
    format!("{name} ({known}), {size} per request; {}", escape::line(&c.mechanism))
}

fn failed(kind: &str, message: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(message).set_description(format!("{message}\n{why}\nSee report.md."));
    status
}

fn valid(a: &Analysis) -> TestCase {
    let broken: Vec<String> = a
        .validity
        .checks
        .iter()
        .filter(|c| c.outcome == CheckOutcome::Failed)
        .map(|c| {
            let value = c.value.map_or_else(|| "unknown".into(), |v| quantity::value(v, c.unit));
            let limit = quantity::value(c.limit, c.unit);
            format!("{} = {value} (limit {limit}): {}", escape::line(&c.name), escape::line(&c.remedy))
        })
        .collect();
    let status = if a.validity.valid {
        TestCaseStatus::success()
    } else {
        let why = "The run is not a valid measurement: no other result of it counts.";
        failed("invalid-run", &broken.join("; "), why)
    };
    TestCase::new("run is valid", status)
}

fn of(request: Option<&str>) -> String {
    request.map_or_else(|| "all requests".into(), escape::line)
}

fn threshold(t: &ThresholdResult, why: &str) -> TestCase {
    let name = format!("threshold {} of {}", escape::line(&t.metric), of(t.request.as_deref()));
    let limit = quantity::value(t.limit, t.unit);
    let found =
        t.value.map_or_else(|| "has no samples".into(), |v| format!("is {}", quantity::value(v, t.unit)));
    let status = if t.passed {
        TestCaseStatus::success()
    } else {
        failed("threshold", &format!("{} {found}, limit {limit}", escape::line(&t.metric)), why)
    };
    TestCase::new(name, status)
}

fn comparable(b: &BaselineComparison) -> TestCase {
    let status = match &b.incomparable {
        None => TestCaseStatus::success(),
        Some(why) => {
            failed("incomparable", "nothing could be compared with the baseline", &escape::line(why))
        }
    };
    TestCase::new("baseline can be compared", status)
}

fn baseline(r: &BaselineRow, incomparable: Option<&str>, why: &str) -> TestCase {
    let name = format!("baseline {} of {}", escape::line(&r.metric), of(r.request.as_deref()));
    let message = format!(
        "{} went from {} to {}: {}",
        escape::line(&r.metric),
        quantity::value(r.baseline, r.unit),
        quantity::value(r.current, r.unit),
        quantity::change_in(r.change, r.unit)
    );
    let status = match r.outcome {
        BaselineOutcome::Same | BaselineOutcome::Improved => TestCaseStatus::success(),
        BaselineOutcome::Regressed => failed("regression", &message, why),
        BaselineOutcome::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(incomparable.map_or_else(|| "too few samples to say".into(), escape::line));
            status
        }
    };
    TestCase::new(name, status)
}

fn expectation(e: &Expectation, why: &str) -> TestCase {
    let at = e.at.as_ref().map(|at| format!(" at {}", escape::line(at))).unwrap_or_default();
    let name = format!("expected cause {}{at}", escape::line(&e.cause));
    let status =
        if e.met { TestCaseStatus::success() } else { failed("expectation", "another cause was found", why) };
    TestCase::new(name, status)
}
