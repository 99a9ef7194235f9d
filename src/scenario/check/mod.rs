//! From the wire types to the checked scenario: everything that one value alone cannot tell.

mod answer;
mod auth;
mod databases;
mod evidence;
mod feeder;
mod host;
mod load;
mod metrics;
mod otlp;
mod request;
mod script;
mod target;
mod threshold;
mod transport;
mod variables;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::env::{EnvPolicy, has_reference};
use super::findings::Findings;
use super::parse::Surroundings;
use super::scalar::{Checked, Placed, Span};
use super::source::Source;
use super::suggest::nearest;
use super::units::Time;
use super::{Arrivals, Detect, Expect, Rule, Scenario, TraceHeaders, wire};

/// Longest name of a scenario, request or service.
const MAX_NAME: usize = 80;

/// A check under way: what it needs and what it found.
struct Check<'a, 'e> {
    source: &'a Source,
    around: &'a Surroundings<'e>,
    findings: &'a mut Findings,
    /// Texts with variables that were met and not judged yet.
    texts: Vec<variables::Text>,
    /// What the target's settings add to every request.
    target_sends: TargetSends,
}

/// What goes with every request because the target's settings say so.
#[derive(Default)]
struct TargetSends {
    /// Headers of the trace context that loadprof writes; none before the target was checked, so that those of
    /// evidence sources are free.
    trace_headers: TraceHeaders,
    /// Whether its headers hold an `authorization`.
    authorization: bool,
    /// Whether it has an `auth`.
    auth: bool,
    header_texts: Vec<variables::Text>,
    auth_texts: Vec<variables::Text>,
}

/// Checks a whole file. Nothing is returned where a part that has no default is wrong; the findings say why.
pub(super) fn scenario(
    mut file: wire::Scenario,
    source: &Source,
    around: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Scenario> {
    let mut check =
        Check { source, around, findings, texts: Vec::new(), target_sends: TargetSends::default() };
    let check = &mut check;
    let name = check.scenario_name(file.name.take());
    let detect = check.detect(file.detect.take());
    let evidence = check.evidence(file.evidence.take());
    let load = check.load(file.load.take(), detect.period, Arrivals::beside(&evidence));
    let target = check.target(file.target.take(), load.as_ref().map(|(load, _)| load.executor.duration()));
    let script = check.script(&mut file);
    let thresholds = check.thresholds(file.thresholds);
    let expect = file.expect.and_then(|expect| check.expect(expect));
    let (target, (mut load, stop)) = (target?, load?);
    let slowest = script.requests.iter().filter_map(|r| r.timeout).fold(target.timeout, Duration::max);
    load.graceful_stop = stop.unwrap_or(slowest);
    Some(Scenario {
        name,
        target,
        load,
        requests: script.requests,
        journeys: script.journeys,
        feeders: script.feeders,
        setup: script.setup,
        teardown: script.teardown,
        thresholds,
        detect,
        evidence,
        expect,
    })
}

impl Check<'_, '_> {
    /// Default: the file's name without its ending.
    fn scenario_name(&mut self, name: Option<Checked<String>>) -> String {
        let stem = Path::new(&self.source.file).file_stem().map(|s| s.to_string_lossy().into_owned());
        let default = stem.filter(|s| !s.is_empty()).unwrap_or_else(|| "scenario".into());
        self.name(name).map_or(default, |(name, _)| name)
    }

    /// A name that people read and that files are called by.
    fn name(&mut self, name: Option<Checked<String>>) -> Option<(String, Span)> {
        let (name, span) = self.findings.take(name)?;
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            self.findings.value(&span, format_args!("must be 1 to {MAX_NAME} printable characters"));
            return None;
        }
        Some((name, span))
    }

    fn detect(&mut self, wire: Option<wire::Detect>) -> Detect {
        let default = Detect::default();
        let Some(wire) = wire else { return default };
        let period = self.time_in(wire.period, Duration::from_millis(100)..=Duration::from_secs(60));
        let alpha = self.number_in(wire.alpha, |v| v > 0.0 && v <= 1.0, "above 0 and at most 1");
        let sigma = self.number_in(wire.sigma, |v| v > 0.0 && v <= 100.0, "above 0 and at most 100");
        let periods = self.count_in(wire.periods, 1, 100);
        Detect {
            period: period.unwrap_or(default.period),
            alpha: alpha.unwrap_or(default.alpha),
            sigma: sigma.unwrap_or(default.sigma),
            periods: periods.unwrap_or(default.periods),
            rule: self
                .one_of(wire.rule, &[("frozen", Rule::Frozen), ("plain", Rule::Plain)])
                .unwrap_or(default.rule),
        }
    }

    fn expect(&mut self, wire: Placed<wire::Expect>) -> Option<Expect> {
        let (wire, span) = wire.into_parts();
        if wire.cause.is_none() {
            self.findings
                .place(&span, "`cause` is missing: write the kind that must win, e.g. cause = \"lock\"");
        }
        let at = self.findings.take(wire.at).map(|(at, _)| at);
        let (cause, _) = self.findings.take(wire.cause)?;
        Some(Expect { cause, at })
    }

    /// A whole number within bounds.
    fn count_in(
        &mut self,
        count: Option<Checked<super::units::Count>>,
        low: u64,
        high: u64,
    ) -> Option<usize> {
        let (count, span) = self.findings.take(count)?;
        if (low..=high).contains(&count.0) {
            return usize::try_from(count.0).ok();
        }
        self.findings.value(&span, format_args!("must be a whole number from {low} to {high}"));
        None
    }

    fn number_in(
        &mut self,
        number: Option<Checked<super::units::Number>>,
        fits: impl Fn(f64) -> bool,
        range: &str,
    ) -> Option<f64> {
        let (number, span) = self.findings.take(number)?;
        if fits(number.0) {
            return Some(number.0);
        }
        self.findings.value(&span, format_args!("must be {range}"));
        None
    }

    /// A duration within bounds.
    fn time_in(
        &mut self,
        time: Option<Checked<Time>>,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let (time, span) = self.findings.take(time)?;
        if range.contains(&time.0) {
            return Some(time.0);
        }
        let (low, high) = (range.start(), range.end());
        self.findings.value(&span, format_args!("must lie between {low:?} and {high:?}"));
        None
    }

    /// A duration above zero.
    fn positive(&mut self, time: Option<Checked<Time>>) -> Option<Duration> {
        let (time, span) = self.findings.take(time)?;
        if !time.0.is_zero() {
            return Some(time.0);
        }
        self.findings.value(&span, "must be longer than 0 (write e.g. \"30s\")");
        None
    }

    /// One of a few words.
    fn one_of<T: Copy>(&mut self, word: Option<Checked<String>>, known: &[(&str, T)]) -> Option<T> {
        let (word, span) = self.findings.take(word)?;
        if let Some((_, value)) = known.iter().find(|(k, _)| *k == word) {
            return Some(*value);
        }
        let words: Vec<&str> = known.iter().map(|(k, _)| *k).collect();
        let hint = nearest(&word, words.iter().copied())
            .map_or(String::new(), |w| format!("did you mean \"{w}\"? "));
        self.findings.value(&span, format_args!("{hint}Known are: {}", words.join(", ")));
        None
    }

    /// A file that the scenario names, relative to the scenario file. It must exist, except when a finished
    /// run is analysed.
    fn file(&mut self, path: Option<Checked<String>>) -> Option<(PathBuf, Span)> {
        let (path, span) = self.findings.take(path)?;
        let full = self.around.base_dir.join(&path);
        if self.around.policy == EnvPolicy::Require && !full.is_file() {
            self.findings.value(&span, format_args!("there is no file {}: correct the path", full.display()));
            return None;
        }
        Some((full, span))
    }

    /// Headers in the order written.
    fn headers(&mut self, headers: Option<wire::Headers>) -> Vec<(String, String)> {
        let mut headers: Vec<_> = headers.into_iter().flatten().map(|(k, v)| (k.into_parts(), v)).collect();
        headers.sort_by_key(|((_, span), _)| span.start);
        headers.into_iter().filter_map(|((name, span), value)| self.header(name, &span, value)).collect()
    }

    fn header(&mut self, name: String, span: &Span, value: Checked<String>) -> Option<(String, String)> {
        /// Headers that decide where a message ends or that carry the run's own ids.
        const OWN: [&str; 5] = ["connection", "content-length", "te", "traceparent", "transfer-encoding"];
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            self.findings.place(span, "is no header name: use letters, digits and dashes");
            return None;
        }
        if OWN.contains(&name.to_lowercase().as_str()) {
            self.findings
                .place(span, "loadprof sets this header itself: remove it (for connections: keep-alive)");
            return None;
        }
        if self.target_sends.trace_headers.sends(&name) {
            self.findings.place(
                span,
                "loadprof sets this header itself because of trace-headers: remove it here or there",
            );
            return None;
        }
        let (value, span) = self.findings.take(Some(value))?;
        if http::HeaderValue::from_str(&value).is_err() {
            self.findings
                .value(&span, "is no header value: line breaks and control characters are not allowed");
            return None;
        }
        self.note_text(&value, &span);
        Some((name, value))
    }

    /// Notes a key that must be there.
    fn require(&mut self, present: bool, span: &Span, key: &str, example: &str) {
        if !present {
            self.findings.place(span, format_args!("`{key}` is missing: write e.g. {example}"));
        }
    }

    /// Whether a value was taken out of the copy in a run folder.
    fn is_masked(&self, text: &str) -> bool {
        self.around.policy == EnvPolicy::Keep && text == super::MASK
    }

    /// Whether a value is incomplete only because a variable of the run is missing now.
    fn is_unfilled(&self, text: &str) -> bool {
        self.around.policy == EnvPolicy::Keep && has_reference(text)
    }
}

/// Whether headers say who sends them.
fn has_authorization(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
}
