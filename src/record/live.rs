//! What happens each period while a run lasts: the period is written, judged, and shown.

use tokio::sync::broadcast;
use url::Url;

use crate::collect::Trigger;
use crate::collect::health::{GeneratorHealth, HealthSample};
use crate::collect::unread::UnreadSockets;
use crate::detect::{Class, LiveChange, LiveDetector, LiveEvent, load_level, load_readings, load_templates};
use crate::load::stages::stages;
use crate::run::event::EventKind;
use crate::run::in_flight::InFlight;
use crate::run::layout;
use crate::run::load_log::{ExtraSample, LoadLog};
use crate::run::period::LoadPeriod;
use crate::run::writer::{RunWriter, Tally};
use crate::scenario::{Request, Scenario};
use crate::time::{RunTime, nanos};

/// Healthy periods after the warm-up before the healthy captures are taken: early, but not the first ones.
const HEALTHY_AFTER: usize = 4;

/// The run as it goes, once a period.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The last period.
    pub period: &'a LoadPeriod,
    /// End of the period, from the start of the load.
    pub elapsed_nanos: u64,
    /// Planned length of the load.
    pub planned_nanos: u64,
    /// Whether the load is scheduled by the clock (open model).
    pub open: bool,
    /// Requests of the scenario, which the period's counts are of.
    pub requests: &'a [Request],
    /// Stage of the load, in words.
    pub stage: &'a str,
    /// Anomalies so far.
    pub alarms: &'a [Alarm],
    /// What collectors have written, by folder.
    pub tally: Vec<Tally>,
    /// Why recording stopped; none while it goes on.
    pub stopped: Option<String>,
    /// The folder being written.
    pub out: &'a RunWriter,
}

/// An anomaly that the live detector saw.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Series, with the request it is of.
    pub series: String,
    /// Its onset, from the start of the load.
    pub since_nanos: u64,
    /// Its end, from the start of the load; none while it lasts.
    pub until_nanos: Option<u64>,
}

/// Takes periods from the load.
pub(super) struct Watch<W> {
    out: RunWriter,
    log: LoadLog,
    health: GeneratorHealth,
    unread: Option<UnreadSockets>,
    detector: Option<LiveDetector>,
    triggers: broadcast::Sender<Trigger>,
    healthy_due: Option<usize>,
    stages: Vec<(u64, String)>,
    stage: usize,
    scenario: Scenario,
    alarms: Vec<Alarm>,
    start: Option<RunTime>,
    periods: usize,
    watch: W,
}

impl<W: FnMut(&Progress)> Watch<W> {
    pub(super) fn new(
        scenario: &Scenario,
        target: &Url,
        out: RunWriter,
        log: LoadLog,
        triggers: broadcast::Sender<Trigger>,
        in_flight: &InFlight,
        watch: W,
    ) -> Self {
        let clock = out.clock();
        Self {
            out,
            log,
            health: GeneratorHealth::new(),
            // Only a breakdown needs them, and listing sockets takes milliseconds of a core.
            unread: if scenario.evidence.is_empty() {
                None
            } else {
                UnreadSockets::watch(target, scenario.load.seed, clock, in_flight)
            },
            detector: None,
            triggers,
            healthy_due: Some(HEALTHY_AFTER),
            stages: stages(&scenario.load.executor)
                .into_iter()
                .map(|s| (s.from.as_nanos(), s.what))
                .collect(),
            stage: 0,
            scenario: scenario.clone(),
            alarms: Vec::new(),
            start: None,
            periods: 0,
            watch,
        }
    }

    /// Whether it looks at the requests in flight.
    pub(super) const fn looks_in_flight(&self) -> bool {
        self.unread.is_some()
    }

    pub(super) fn out(&self) -> &RunWriter {
        &self.out
    }

    /// One period: written, judged, shown. A refused write is remembered by the writer.
    pub(super) fn period(&mut self, period: &LoadPeriod) {
        let start = *self.start.get_or_insert(period.window.from);
        let unread = self.unread.as_ref().map(UnreadSockets::sample).unwrap_or_default();
        let extra: Vec<_> = self.health.sample().into_iter().chain(unread).map(extra).collect();
        let _ = self.log.write(period, &extra);
        if let Some(unread) = &self.unread {
            let _ = self.out.append(layout::UNREAD, &unread.take_lines());
        }
        self.judge(period, start);
        self.announce_stages(period.window.to.since(start));
        self.periods += 1;
        (self.watch)(&Progress {
            period,
            elapsed_nanos: period.window.to.since(start),
            planned_nanos: nanos(self.scenario.load.executor.duration()),
            open: self.scenario.load.executor.is_open(),
            requests: &self.scenario.requests,
            stage: self.stages.get(self.stage.saturating_sub(1)).map_or("", |(_, what)| what),
            alarms: &self.alarms,
            tally: self.out.tally(),
            stopped: self.out.stopped(),
            out: &self.out,
        });
    }

    fn judge(&mut self, period: &LoadPeriod, start: RunTime) {
        let open = self.scenario.load.executor.is_open();
        let requests = self.scenario.requests.len();
        let warm_up = start.plus(nanos(self.scenario.load.warm_up));
        let scenario = &self.scenario;
        let detector = self.detector.get_or_insert_with(|| {
            let slugs: Vec<_> = scenario.requests.iter().map(|r| r.slug.clone()).collect();
            LiveDetector::new(load_templates(&slugs, open), &scenario.detect, warm_up)
        });
        let events =
            detector.push(period.window, load_level(period, open), &load_readings(period, requests, open));
        let calm = !detector.anomalous();
        for event in events.into_iter().filter(|e| e.class != Class::Resource) {
            self.alarm(event, start);
        }
        if calm && period.window.from >= warm_up {
            self.healthy_capture();
        }
    }

    fn alarm(&mut self, event: LiveEvent, start: RunTime) {
        let series = match &event.of {
            Some(of) => format!("{} of {of}", event.series),
            None => event.series.clone(),
        };
        match event.change {
            LiveChange::Began => {
                self.healthy_due = None;
                // No collector may be listening; then there is nothing to capture.
                let _ = self.triggers.send(Trigger::Anomaly);
                if self.alarms.iter().any(|a| a.series == series && a.until_nanos.is_none()) {
                    return; // The same became worse: captures are due, but it is told already.
                }
                self.out.event(EventKind::AnomalyBegan { series: series.clone() });
                self.alarms.push(Alarm { series, since_nanos: event.at.since(start), until_nanos: None });
            }
            LiveChange::Ended => {
                let ended = Some(event.at.since(start));
                let lasting =
                    self.alarms.iter_mut().filter(|a| a.series == series && a.until_nanos.is_none());
                lasting.for_each(|a| a.until_nanos = ended);
            }
        }
    }

    fn healthy_capture(&mut self) {
        match self.healthy_due {
            Some(0) => {
                self.healthy_due = None;
                let _ = self.triggers.send(Trigger::Healthy);
            }
            Some(periods) => self.healthy_due = Some(periods - 1),
            None => {}
        }
    }

    fn announce_stages(&mut self, elapsed: u64) {
        while let Some((_, what)) = self.stages.get(self.stage).filter(|(begin, _)| *begin <= elapsed) {
            self.out.event(EventKind::Stage { index: self.stage, what: what.clone() });
            self.stage += 1;
        }
    }
}

fn extra(sample: HealthSample) -> ExtraSample {
    ExtraSample {
        name: sample.name.to_owned(),
        labels: sample.labels.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        value: sample.value,
    }
}
