//! A run folder with everything that analysis reads of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::AnalyzeError;
use super::{metrics, spans};
use crate::detect::{self, Series};
use crate::formats::otlp::Clocks;
use crate::run::history::MetricHistory;
use crate::run::period::LoadPeriod;
use crate::run::reader::Recording;
use crate::scenario::{Arrivals, EnvPolicy, Scenario};
use crate::spans::Gathered;
use crate::time::{RunTime, Window, nanos};

/// A run that was opened.
#[derive(Debug)]
pub(super) struct Loaded {
    pub recording: Recording,
    pub scenario: Scenario,
    pub periods: Vec<LoadPeriod>,
    /// Services in the order of the scenario.
    pub services: Vec<String>,
    /// Metrics of each of them.
    pub metrics: Vec<metrics::Histories>,
    /// Traces that services sent; none without any.
    pub spans: Option<Gathered>,
    /// Clocks of the services, by their spans.
    pub clocks: Clocks,
    /// Metrics that services sent over OTLP, which the scenario may not know of.
    sent: BTreeMap<String, MetricHistory>,
}

impl Loaded {
    pub(super) fn open(dir: &Path) -> Result<Self, AnalyzeError> {
        let recording = Recording::open(dir)?;
        // Masked overrides are those of secrets, which an analysis does not need.
        let overrides: Vec<String> = recording
            .manifest
            .overrides
            .iter()
            .filter(|o| !o.contains(crate::scenario::MASK))
            .cloned()
            .collect();
        let mut scenario =
            Scenario::parse(&recording.scenario_text, "scenario.toml", dir, &overrides, EnvPolicy::Keep)?;
        if let Some(connections) = recording.manifest.max_connections {
            scenario.load.max_connections = connections;
        }
        // A run that does not tell was made before there was jitter.
        scenario.load.arrivals = match recording.manifest.arrivals {
            Some(arrivals) => arrivals,
            None if scenario.load.arrivals == Arrivals::Jittered => Arrivals::Even,
            None => scenario.load.arrivals,
        };
        let periods = recording.read_periods()?;
        if periods.is_empty() {
            return Err(AnalyzeError::Empty(dir.to_owned()));
        }
        let mut services: Vec<String> = Vec::new();
        for source in &scenario.evidence {
            if !services.contains(&source.service) {
                services.push(source.service.clone());
            }
        }
        let metrics = services.iter().map(|service| metrics::Histories::read(&recording, service)).collect();
        let spans = spans::gather(&recording);
        let clocks = spans.as_ref().map(Gathered::clocks).unwrap_or_default();
        let sent = metrics::sent(&recording, &clocks);
        Ok(Self { recording, scenario, periods, services, metrics, spans, clocks, sent })
    }

    fn start(&self) -> RunTime {
        self.periods.first().map(|p| p.window.from).unwrap_or_default()
    }

    fn end(&self) -> RunTime {
        self.periods.last().map(|p| p.window.to).unwrap_or_default()
    }

    pub(super) fn nanos(&self) -> u64 {
        self.end().since(self.start())
    }

    pub(super) fn warm_up_end(&self) -> RunTime {
        self.start().plus(nanos(self.scenario.load.warm_up))
    }

    /// End of the schedule; after it only the last answers come in.
    fn schedule_end(&self) -> RunTime {
        self.start().plus(nanos(self.scenario.load.executor.duration())).min(self.end())
    }

    /// Periods in which the schedule asked for load: what detection judges.
    pub(super) fn scheduled(&self) -> &[LoadPeriod] {
        let end = self.schedule_end();
        let n = self.periods.iter().take_while(|p| p.window.to <= end.plus(1_000_000)).count();
        &self.periods[..n]
    }

    /// Periods after the warm-up, to the last answer: what thresholds judge.
    pub(super) fn measured(&self) -> &[LoadPeriod] {
        let end = self.warm_up_end();
        let n = self.periods.iter().take_while(|p| p.window.from < end).count();
        if n < self.periods.len() { &self.periods[n..] } else { &self.periods }
    }

    /// The stretch between warm-up and end of the schedule.
    pub(super) fn steady(&self) -> Window {
        Window::new(self.warm_up_end().min(self.schedule_end()), self.schedule_end())
    }

    /// Everything that is judged.
    pub(super) fn series(&self) -> Vec<Series> {
        let slugs: Vec<_> = self.scenario.requests.iter().map(|r| r.slug.clone()).collect();
        let mut all = detect::load_series(self.scheduled(), &slugs, self.scenario.load.executor.is_open());
        for (service, asked) in self.services.iter().zip(&self.metrics) {
            let sent = self.sent.get(service);
            all.extend(metrics::growth_series(Some(asked), sent, service, self.scheduled()));
        }
        for (service, sent) in self.sent.iter().filter(|(service, _)| !self.services.contains(service)) {
            all.extend(metrics::growth_series(None, Some(sent), service, self.scheduled()));
        }
        all
    }

    /// Load level of each judged period.
    pub(super) fn levels(&self) -> Vec<(Window, f64)> {
        detect::load_levels(self.scheduled(), self.scenario.load.executor.is_open())
    }
}
