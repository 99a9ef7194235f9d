//! Writes what the load engine measured: three interval logs, and one exposition of counters per period.
//!
//! A period is recorded when its exposition is in the folder: it is written last and appears by rename, so
//! its presence says that the period's lines in the logs are whole.

use super::counters::{Gauges, LOGS, Totals, tag, to_text};
use super::event::EventKind;
use super::layout;
use super::period::{LoadPeriod, Phase};
use super::writer::{RunError, RunWriter};
use crate::formats::hlog::{Encoder, HlogError, header};

/// Names of the logs' files, in the order of the line counters.
const PATHS: [&str; LOGS.len()] = [layout::LATENCY_LOG, layout::PHASE_LOG, layout::LATENESS_LOG];

/// A metric of the generator itself, e.g. its CPU time, to go into the period's exposition.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraSample {
    /// Name; one that ends in `_total` is a counter, any other a gauge. Samples of one name stand together.
    pub name: String,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Value.
    pub value: f64,
}

/// Writes periods into a run folder.
#[derive(Debug)]
pub struct LoadLog {
    out: RunWriter,
    slugs: Vec<String>,
    totals: Totals,
    encoder: Encoder,
}

impl LoadLog {
    /// Writes the logs' headers; `slugs` are the requests' in the scenario's order.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(out: RunWriter, slugs: Vec<String>) -> Result<Self, RunError> {
        let base = out.clock().wall_unix_nanos();
        for (path, about) in PATHS.into_iter().zip([
            "loadprof: response times (intended start to last byte) and service times (sent to last byte), ns",
            "loadprof: phases of requests on the client's side, ns",
            "loadprof: how late the generator was, ns",
        ]) {
            out.append(path, header(base, about).as_bytes())?;
        }
        let totals = Totals::new(&slugs);
        Ok(Self { out, slugs, totals, encoder: Encoder::default() })
    }

    /// Writes one period, and its slow hits and failures as events.
    ///
    /// A period that cannot be written is left out of the counters too, so that later ones stay right.
    ///
    /// # Errors
    /// If the system refuses, or the period has not one entry per request.
    pub fn write(&mut self, period: &LoadPeriod, extra: &[ExtraSample]) -> Result<(), RunError> {
        if period.requests.len() != self.slugs.len() {
            let problem =
                format!("{} requests in a period, {} expected", period.requests.len(), self.slugs.len());
            return Err(RunError::Broken { path: self.out.dir().join(layout::LATENCY_LOG), problem });
        }
        let texts = [self.latency(period), self.phases(period), self.lateness(period)];
        let mut lines = [0; LOGS.len()];
        for ((text, path), lines) in texts.into_iter().zip(PATHS).zip(&mut lines) {
            let text = text.map_err(|e| self.broken(path, &e))?;
            *lines = text.lines().count() as u64;
            if *lines > 0 {
                self.out.append(path, text.as_bytes())?;
            }
        }
        self.write_events(period);
        let mut totals = self.totals.clone();
        totals.add(period, lines);
        let text = to_text(&totals, Gauges::of(period), extra);
        self.out.put(&layout::scrape(layout::GENERATOR, period.window.to), text.as_bytes())?;
        self.totals = totals;
        Ok(())
    }

    /// Two lines per request, empty histograms too: the order of the requests can be read from the log.
    fn latency(&mut self, period: &LoadPeriod) -> Result<String, HlogError> {
        let mut text = String::new();
        for (slug, r) in self.slugs.iter().zip(&period.requests) {
            self.encoder.line(&mut text, &format!("{}/{slug}", tag::RESPONSE), period.window, &r.response)?;
            self.encoder.line(&mut text, &format!("{}/{slug}", tag::SERVICE), period.window, &r.service)?;
        }
        Ok(text)
    }

    /// One line per request and phase that took place; most hits reuse a connection and have few phases.
    fn phases(&mut self, period: &LoadPeriod) -> Result<String, HlogError> {
        let mut text = String::new();
        for (slug, r) in self.slugs.iter().zip(&period.requests) {
            for (phase, histogram) in Phase::ALL.into_iter().zip(&r.phases).filter(|(_, h)| !h.is_empty()) {
                self.encoder.line(
                    &mut text,
                    &format!("{}/{slug}", phase.name()),
                    period.window,
                    histogram,
                )?;
            }
        }
        Ok(text)
    }

    fn lateness(&mut self, period: &LoadPeriod) -> Result<String, HlogError> {
        let mut text = String::new();
        self.encoder.line(&mut text, tag::LATENESS, period.window, &period.lateness)?;
        Ok(text)
    }

    fn write_events(&self, period: &LoadPeriod) {
        for hit in &period.slowest {
            let Some(slug) = self.slugs.get(hit.request) else { continue };
            let kind = EventKind::Slow {
                request: slug.clone(),
                trace_id: hit.trace_id.clone(),
                response_nanos: hit.response_nanos,
                service_nanos: hit.service_nanos,
                status: hit.status,
            };
            self.out.event_at(hit.done, kind);
        }
        for failure in &period.failures {
            let Some(slug) = self.slugs.get(failure.request) else { continue };
            let kind = EventKind::Failure {
                request: slug.clone(),
                kind: failure.kind.name().to_owned(),
                detail: failure.detail.clone(),
                checks: failure.checks.clone(),
            };
            self.out.event_at(failure.at, kind);
        }
    }

    fn broken(&self, path: &str, error: &HlogError) -> RunError {
        RunError::Broken { path: self.out.dir().join(path), problem: error.to_string() }
    }
}
