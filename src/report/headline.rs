//! The five lines an engineer reads first: verdict, cause, size, since when, what to do.

use crate::analysis::{Analysis, Anomaly, Cause, CauseKind, CheckOutcome, LEADING_SHARE, Unit, Verdict};

use super::onset::first_anomaly;
use super::{code, confirmation, escape, failing, names, quantity, words};

/// The five lines, each escaped Markdown on one line.
pub(crate) struct Headline {
    /// What is claimed.
    pub(crate) verdict: String,
    /// Who is to blame.
    pub(crate) cause: String,
    /// How much.
    pub(crate) size: String,
    /// From when to when.
    pub(crate) since: String,
    /// What to do next.
    pub(crate) action: String,
}

/// Writes the five lines.
pub(crate) fn headline(a: &Analysis) -> Headline {
    Headline { verdict: verdict(a), cause: cause(a), size: size(a), since: since(a), action: action(a) }
}

/// A cause on one line: `catalog.(*Store).Reload` of shop (lock held too long).
pub(crate) fn cause_name(c: &Cause) -> String {
    let of = if c.service.is_empty() { String::new() } else { format!(" of {}", escape::code(&c.service)) };
    format!("{}{of} ({})", escape::code(&names::short(&c.at)), words::cause(c.kind))
}

/// The gate's complaints in a few words; empty if it has none.
pub(crate) fn gate_words(a: &Analysis) -> String {
    let failed = a.thresholds.iter().filter(|t| !t.passed).count();
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{failed} of {} thresholds failed", a.thresholds.len()));
    }
    if a.baseline.as_ref().is_some_and(|b| b.regressed) {
        parts.push("regression against the baseline".to_owned());
    }
    if let Some(why) = incomparable(a) {
        parts.push(format!("nothing could be compared with the baseline ({})", escape::text(why)));
    }
    if a.expectation.as_ref().is_some_and(|e| !e.met) {
        parts.push("the expected cause was not found".to_owned());
    }
    parts.join("; ")
}

/// Why a comparison that was asked for could not be made.
fn incomparable(a: &Analysis) -> Option<&str> {
    a.baseline.as_ref()?.incomparable.as_deref()
}

fn verdict(a: &Analysis) -> String {
    let grows = a.causes.first().is_some_and(|c| c.kind == CauseKind::GoroutineLeak);
    let means = match a.verdict {
        Verdict::Strong if grows => {
            "very likely this: it grows to the end of the record, and none of it ends".into()
        }
        _ => failing::means(a, escape::text),
    };
    let mut line = format!("**Verdict: {}** - {means}", words::verdict(a.verdict));
    line.push_str(&confirmation::in_the_first_line(a));
    let gate = gate_words(a);
    if !gate.is_empty() {
        line.push_str(&format!(". **Gate:** {gate}"));
    }
    if !a.validity.valid && a.verdict != Verdict::Generator {
        line.push_str(". **The run is not valid as a measurement**, see its checks below");
    }
    if a.run.partial.is_some() {
        line.push_str(". The record is partial");
    }
    line
}

fn cause(a: &Analysis) -> String {
    match (a.verdict, a.causes.as_slice()) {
        (Verdict::Healthy, _) => "none to name: no series left its reference".into(),
        (Verdict::Generator, _) => format!("the load generator: {}", failed_checks(a)),
        (Verdict::Load, _) => format!("the load itself grew{}", full(a)),
        (Verdict::Mix, _) => "the mix of requests changed".into(),
        (Verdict::Failing, _) => failing::cause(a, escape::text, escape::code),
        (Verdict::NotFound, _) => not_found(a),
        (Verdict::Mechanism, [first, ..]) => {
            // Whoever waits for nobody in particular may wait for what is full.
            let full =
                if matches!(first.kind, CauseKind::Span | CauseKind::Wait) { full(a) } else { String::new() };
            format!("not known; the mechanism is: {}{full}", escape::text(&first.mechanism))
        }
        (Verdict::Mechanism, []) => {
            format!("not known; requests mostly spend their time here: {}", largest_row(a))
        }
        (_, []) => "not named in this analysis".into(),
        (Verdict::Refuted, all) => {
            let tried = all.iter().filter(|c| confirmation::refuted(a, c));
            let listed: Vec<String> = tried.take(3).map(cause_name).collect();
            format!(
                "not {}, as far as the intervention reached it; no other is named",
                listed.join(", and not ")
            )
        }
        (Verdict::Confirmed, [first, ..]) => blamed(first),
        (Verdict::Strong, [first, smaller @ ..]) => {
            format!("{}{}", blamed(first), besides(a, smaller))
        }
        (_, several) => one_of(a, several),
    }
}

fn blamed(cause: &Cause) -> String {
    format!("{}{} - {}", cause_name(cause), code::briefly(cause), escape::text(&cause.mechanism))
}

/// Smaller causes beside the one that stands out; those that an intervention did not bear out are left out.
fn besides(a: &Analysis, smaller: &[Cause]) -> String {
    let left = smaller.iter().filter(|c| !confirmation::refuted(a, c));
    let named: Vec<String> =
        left.map(|c| format!("{} {}", cause_name(c), quantity::share(c.share))).collect();
    if named.is_empty() { String::new() } else { format!("; besides: {}", named.join(", ")) }
}

/// Those that are still in question.
fn one_of(a: &Analysis, causes: &[Cause]) -> String {
    let rivals: Vec<&Cause> = causes.iter().filter(|c| !confirmation::refuted(a, c)).collect();
    if let [only] = rivals[..] {
        return blamed(only);
    }
    let listed: Vec<&Cause> = rivals.iter().copied().take(3).collect();
    let names = |name: fn(&Cause) -> String| listed.iter().map(|c| name(c)).collect::<Vec<_>>().join(", ");
    match tied(&rivals) {
        true => format!("one of {} that this run cannot tell apart: {}", listed.len(), names(cause_name)),
        false => format!(
            "several at once: {}",
            names(|c| format!("{} {}", cause_name(c), quantity::share(c.share)))
        ),
    }
}

/// Whether the intervals of all causes overlap with that of the first: which of them weighs more is not known. One that is
/// small beside the whole is no rival.
pub(super) fn tied(causes: &[&Cause]) -> bool {
    let rivals = |c: &&Cause| c.share >= LEADING_SHARE && c.explains.high >= causes[0].explains.low;
    causes.len() > 1 && causes.iter().all(rivals)
}

fn not_found(a: &Analysis) -> String {
    let ruled: Vec<String> = a.ruled_out.iter().take(3).map(|r| escape::text(&r.what)).collect();
    let ruled = if ruled.is_empty() {
        "nothing could be ruled out either".to_owned()
    } else {
        format!("ruled out: {}", ruled.join(", "))
    };
    let full = full(a);
    match a.missing.len() {
        0 => format!("not found{full}; {ruled}"),
        n => {
            let pieces = if n == 1 { "piece" } else { "pieces" };
            format!("not found{full}; {ruled}; {n} {pieces} of evidence missing")
        }
    }
}

/// What is full, for verdicts that name nobody: where more work meets a limit first.
fn full(a: &Analysis) -> String {
    let Some(most) = a.utilization.iter().find(|u| u.is_full() && u.queues) else { return String::new() };
    let (resource, service) = (escape::text(&most.resource), escape::code(&most.service));
    format!("; full: {resource} of {service} ({})", quantity::value(most.judged, Unit::Ratio))
}

fn largest_row(a: &Analysis) -> String {
    let rows = a.breakdown.iter().flat_map(|b| &b.rows);
    rows.max_by_key(|r| r.change.value).map_or_else(
        || "no breakdown".into(),
        |r| {
            let at = if r.at.is_empty() {
                String::new()
            } else {
                format!(" in {}", escape::code(&names::short(&r.at)))
            };
            format!("{}{at}, {} per request", words::state(r.state), quantity::change(r.change))
        },
    )
}

fn failed_checks(a: &Analysis) -> String {
    let failed = a.validity.checks.iter().filter(|c| c.outcome == CheckOutcome::Failed);
    let listed: Vec<String> = failed
        .take(3)
        .map(|c| {
            let value = c.value.map_or_else(|| "unknown".into(), |v| quantity::value(v, c.unit));
            let side = if c.at_least { "at least" } else { "at most" };
            format!(
                "{} is {value}, {side} {} is valid",
                escape::text(&c.name),
                quantity::value(c.limit, c.unit)
            )
        })
        .collect();
    if listed.is_empty() { "it fell behind its schedule".into() } else { listed.join("; ") }
}

/// The size of it, and how many requests failed: errors are a finding whatever the latency does.
fn size(a: &Analysis) -> String {
    let errors = a.load.total.error_rate;
    let mut line = size_of_it(a);
    if errors > 0.0 || matches!(a.verdict, Verdict::Healthy | Verdict::Failing) {
        line.push_str(&format!("; errors {}", quantity::ratio(errors)));
    }
    line
}

fn size_of_it(a: &Analysis) -> String {
    match a.verdict {
        Verdict::Healthy => level(a),
        Verdict::Failing => {
            let errors = first_anomaly(a).filter(|x| x.unit != Unit::Nanoseconds);
            errors.map_or_else(|| level(a), anomaly_size)
        }
        Verdict::Generator if a.load.open_model => format!(
            "{} asked for, {} sent ({})",
            quantity::rate(a.load.offered_rate),
            quantity::rate(a.load.sent_rate),
            quantity::share(a.load.sent_rate / a.load.offered_rate)
        ),
        Verdict::Generator => level(a),
        Verdict::Refuted => unexplained(a),
        _ => match a.causes.first() {
            None => unexplained(a),
            Some(c) if c.kind == CauseKind::GoroutineLeak => leaked(a),
            Some(c) => explained(a, c),
        },
    }
}

/// A leak costs memory first; what it costs a request is in the waits of others.
fn leaked(a: &Analysis) -> String {
    let grown = first_anomaly(a).filter(|x| x.unit != Unit::Nanoseconds).map(anomaly_size);
    let means = a.breakdown.as_ref().and_then(|b| Some((b.reference.as_ref()?.mean, b.judged.mean)));
    let mean = means.map(|(before, now)| {
        let (before, now) = (quantity::duration(before as f64), quantity::duration(now as f64));
        format!("mean response time {before} to {now}, of which what the leak costs is not counted")
    });
    let all: Vec<String> = grown.into_iter().chain(mean).collect();
    if all.is_empty() { level(a) } else { all.join("; ") }
}

/// What the first cause explains of what was measured.
fn explained(a: &Analysis, c: &Cause) -> String {
    let Some(b) = &a.breakdown else {
        return format!("{} per request; {}", quantity::estimate(c.explains), level(a));
    };
    let now = quantity::duration(b.judged.mean as f64);
    match &b.reference {
        Some(r) => format!(
            "{} per request (90 % interval), {} of the {} by which the mean response time changed ({} to {now})",
            quantity::change(c.explains),
            quantity::share(c.share),
            signed_duration(b.judged.mean.saturating_sub(r.mean)),
            quantity::duration(r.mean as f64)
        ),
        None => format!(
            "{} per request (90 % interval), {} of the mean response time of {now}",
            quantity::estimate(c.explains),
            quantity::share(c.share)
        ),
    }
}

/// What was measured, when no cause explains it. An anomaly of anything but a latency is told as what it is.
fn unexplained(a: &Analysis) -> String {
    if let Some(other) = first_anomaly(a).filter(|x| x.unit != Unit::Nanoseconds) {
        return anomaly_size(other);
    }
    let reference = a.breakdown.as_ref().and_then(|b| Some((b.reference.as_ref()?.mean, b.judged.mean)));
    if let Some((before, now)) = reference {
        return format!(
            "mean response time {} to {} ({})",
            quantity::duration(before as f64),
            quantity::duration(now as f64),
            signed_duration(now.saturating_sub(before))
        );
    }
    first_anomaly(a).map_or_else(|| level(a), anomaly_size)
}

fn anomaly_size(x: &Anomaly) -> String {
    format!(
        "{} went from {} to {}",
        escape::text(&x.series),
        quantity::value(x.reference, x.unit),
        quantity::value(x.observed, x.unit)
    )
}

fn level(a: &Analysis) -> String {
    let r = &a.load.total.response;
    format!(
        "response time p50 {}, p95 {}, p99 {}; {} passed",
        quantity::duration(r.p50 as f64),
        quantity::duration(r.p95 as f64),
        quantity::duration(r.p99 as f64),
        quantity::rate(a.load.total.rate)
    )
}

fn signed_duration(nanos: i64) -> String {
    let sign = if nanos > 0 { "+" } else { "" };
    format!("{sign}{}", quantity::duration(nanos as f64))
}

fn since(a: &Analysis) -> String {
    let judged = a.load.window;
    let Some(x) = first_anomaly(a) else {
        let part = format!("{} to {}", quantity::run_time(judged.from), quantity::run_time(judged.to));
        return if a.verdict == Verdict::Healthy {
            format!("never: no anomaly from {part} of the run")
        } else {
            format!("no onset seen: the whole judged part, {part} of the run, is alike")
        };
    };
    let wall = a.run.started_unix_nanos.saturating_add(x.window.from.as_nanos());
    let end = if x.ongoing {
        "lasting to the end of the record".to_owned()
    } else {
        format!("over at {}", quantity::run_time(x.window.to))
    };
    format!(
        "{} into the run ({}), {end}; first seen in {}",
        quantity::run_time(x.window.from),
        quantity::wall_clock(wall),
        escape::text(&x.series)
    )
}

fn action(a: &Analysis) -> String {
    let remedy = a.causes.first().map(|c| escape::text(&c.remedy)).filter(|r| !r.is_empty());
    match a.verdict {
        Verdict::Generator => generator_action(a),
        Verdict::Failing => failing::action(a),
        Verdict::Healthy if gate_words(a).is_empty() => {
            "nothing; keep the run folder as a baseline (`loadprof run ... --baseline <run folder>`)".into()
        }
        Verdict::Healthy if incomparable(a).is_some() && a.thresholds.iter().all(|t| t.passed) => {
            "nothing went wrong within this run; to compare it, give a baseline of the same load \
             (`loadprof run ... --baseline <run folder>`), or record one with this scenario"
                .into()
        }
        Verdict::Healthy => {
            "nothing changed within this run, yet the gate complains: see the thresholds and the \
             baseline below, and compare with a run from before"
                .into()
        }
        Verdict::Load => {
            "decide whether this rate must be served; `loadprof capacity <scenario>` finds the rate \
             the service holds"
                .into()
        }
        Verdict::Mix => "compare each kind of request by itself in the load figures below".into(),
        Verdict::Refuted => switch_on(a).unwrap_or_else(|| repeat_longer().into()),
        Verdict::NotFound | Verdict::Mechanism => {
            remedy.or_else(|| switch_on(a)).unwrap_or_else(|| repeat_longer().into())
        }
        Verdict::Strong | Verdict::Likely | Verdict::Confirmed => {
            remedy.unwrap_or_else(|| "see the causes below".into())
        }
    }
}

const fn repeat_longer() -> &'static str {
    "repeat the run with a longer healthy part before the trouble, and look at the exhibits below"
}

fn switch_on(a: &Analysis) -> Option<String> {
    let m = a.missing.first()?;
    Some(format!(
        "switch on what was missing ({}) and repeat: {}",
        escape::text(&m.what),
        escape::code(&m.remedy)
    ))
}

fn generator_action(a: &Analysis) -> String {
    let failed = a.validity.checks.iter().find(|c| c.outcome == CheckOutcome::Failed && !c.remedy.is_empty());
    failed.map_or_else(
        || "lower the rate or give the generator more CPU, then repeat".into(),
        |c| escape::text(&c.remedy),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Estimate, Utilization};
    use crate::report::golden::load;

    fn lock() -> Analysis {
        load("go-lock").0
    }

    #[test]
    fn a_tie_lists_its_rivals_without_choosing() {
        let mut a = lock();
        a.verdict = Verdict::Likely;
        let mut rival = a.causes[0].clone();
        rival.at = "main.(*api).list".into();
        a.causes.push(rival);
        let h = headline(&a);
        assert!(
            h.cause.starts_with("one of 2 that this run cannot tell apart: `catalog.(*Store).Reload`"),
            "{}",
            h.cause
        );
        assert!(h.cause.contains("`main.(*api).list`"), "{}", h.cause);
        let first = a.causes[0].explains.low;
        a.causes[1].explains = Estimate { value: first / 2, low: first / 3, high: first - 1 };
        a.causes[1].share = 0.31;
        let h = headline(&a);
        assert!(h.cause.starts_with("several at once: `catalog.(*Store).Reload`"), "{}", h.cause);
        assert!(h.cause.ends_with("`main.(*api).list` of `shop` (lock held too long) 31 %"), "{}", h.cause);
    }

    #[test]
    fn without_a_cause_the_lines_say_so_and_what_to_do_next() {
        let mut a = lock();
        a.causes.clear();
        a.verdict = Verdict::NotFound;
        let h = headline(&a);
        assert!(h.cause.starts_with("not found; ruled out: CPU demand outside Reload, "), "{}", h.cause);
        assert!(h.cause.ends_with("1 piece of evidence missing"), "{}", h.cause);
        assert_eq!(h.size, "mean response time 10.4 ms to 188 ms (+177 ms); errors 0.17 %");
        assert!(h.action.ends_with("`runtime.SetBlockProfileRate(10_000)`"), "{}", h.action);
        a.verdict = Verdict::Mechanism;
        assert!(
            headline(&a).cause.contains("waiting for a lock in `catalog.(*Store).List`, +171 ms"),
            "{}",
            headline(&a).cause
        );
        a.missing.clear();
        a.anomalies.clear();
        assert_eq!(headline(&a).action, repeat_longer());
        assert!(headline(&a).since.starts_with("no onset seen"));
    }

    #[test]
    fn a_level_is_not_called_a_change() {
        let mut a = lock();
        a.breakdown.as_mut().expect("a breakdown").reference = None;
        let size = headline(&a).size;
        assert!(size.starts_with("171 ms (164 to 179)") || size.starts_with("171 ms (163 to 179)"), "{size}");
        assert!(size.ends_with("of the mean response time of 188 ms; errors 0.17 %"), "{size}");
    }

    #[test]
    fn an_invalid_or_failing_run_never_reads_as_fine() {
        let (mut a, _) = load("healthy");
        a.validity.valid = false;
        a.thresholds[0].passed = false;
        let h = headline(&a);
        assert!(h.verdict.contains("1 of 2 thresholds failed"), "{}", h.verdict);
        assert!(h.verdict.contains("not valid as a measurement"), "{}", h.verdict);
        assert!(!h.action.starts_with("nothing;"), "{}", h.action);
    }

    #[test]
    fn what_is_no_latency_is_not_told_as_one() {
        let mut a = lock();
        a.causes.clear();
        a.verdict = Verdict::NotFound;
        let x = &mut a.anomalies[0];
        (x.series, x.unit, x.reference, x.observed) = ("achieved".into(), Unit::Ratio, 1.0, 0.5);
        assert_eq!(headline(&a).size, "achieved went from 100 % to 50.0 %; errors 0.17 %");
    }

    #[test]
    fn a_baseline_that_cannot_be_compared_is_said_in_the_first_line() {
        let (mut a, _) = load("healthy");
        let why = "the load differs: load: rate 500, was 300".to_owned();
        a.baseline =
            Some(crate::analysis::BaselineComparison { incomparable: Some(why), ..Default::default() });
        let h = headline(&a);
        assert!(
            h.verdict.ends_with("**Gate:** nothing could be compared with the baseline (the load differs: load: rate 500, was 300)"),
            "{}",
            h.verdict
        );
        assert!(h.action.contains("a baseline of the same load"), "{}", h.action);
    }

    #[test]
    fn a_smaller_cause_stands_beside_the_one_that_stands_out() {
        let mut a = lock();
        a.causes.truncate(1);
        let alone = headline(&a).cause;
        let mut smaller = a.causes[0].clone();
        (smaller.at, smaller.share) = ("shop/orders.(*Pool).Submit".into(), 0.18);
        a.causes.push(smaller);
        let both = headline(&a).cause;
        assert!(both.starts_with(&alone), "{both}");
        assert!(
            both.ends_with("; besides: `orders.(*Pool).Submit` of `shop` (lock held too long) 18 %"),
            "{both}"
        );
    }

    #[test]
    fn a_leak_is_told_by_what_grows() {
        let mut a = lock();
        a.causes.truncate(1);
        a.causes[0].kind = CauseKind::GoroutineLeak;
        let x = &mut a.anomalies[0];
        (x.series, x.unit, x.reference, x.observed) = ("go_goroutines".into(), Unit::Count, 204.0, 13_710.0);
        let h = headline(&a);
        assert!(h.verdict.contains("none of it ends"), "{}", h.verdict);
        assert!(
            h.size.starts_with("go_goroutines went from 204 to 13,710; mean response time "),
            "{}",
            h.size
        );
        assert!(h.size.contains("what the leak costs is not counted"), "{}", h.size);
    }

    #[test]
    fn what_is_full_is_said_where_nobody_is_blamed() {
        let mut a = lock();
        a.causes.clear();
        let used = |resource: &str, judged| Utilization {
            service: "shop".into(),
            resource: resource.into(),
            reference: Some(0.5),
            judged,
            queues: true,
        };
        a.verdict = Verdict::Load;
        a.utilization = vec![used("3 workers", 0.97), used("2 cores", 0.93)];
        assert_eq!(headline(&a).cause, "the load itself grew; full: 3 workers of `shop` (97.0 %)");
        a.verdict = Verdict::NotFound;
        assert!(
            headline(&a).cause.starts_with("not found; full: 3 workers of `shop` (97.0 %); "),
            "{}",
            headline(&a).cause
        );
        a.utilization = vec![used("3 workers", 0.89), Utilization { queues: false, ..used("memory", 0.99) }];
        assert!(!headline(&a).cause.contains("full"), "{}", headline(&a).cause);
    }

    #[test]
    fn load_and_mix_do_not_blame_the_service() {
        let mut a = lock();
        a.causes.clear();
        for (verdict, cause) in
            [(Verdict::Load, "the load itself grew"), (Verdict::Mix, "the mix of requests changed")]
        {
            a.verdict = verdict;
            let h = headline(&a);
            assert_eq!(h.cause, cause);
            assert!(h.verdict.contains("not the service"));
        }
    }
}
