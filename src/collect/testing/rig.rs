//! A run folder with everything a collector needs, and a look at what it wrote.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::collect::{Collector, Context, Trigger};
use crate::run::event::{Event, EventKind};
use crate::run::in_flight::InFlight;
use crate::run::layout;
use crate::run::manifest::Manifest;
use crate::run::writer::RunWriter;
use crate::time::RunClock;

pub(crate) struct Rig {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) out: RunWriter,
    stop: watch::Sender<bool>,
    triggers: broadcast::Sender<Trigger>,
    pub(crate) in_flight: InFlight,
    running: Vec<JoinHandle<()>>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let out = RunWriter::create(dir.path(), RunClock::start(), Manifest::for_tests(), "")
            .expect("a run folder");
        let (stop, triggers) = (watch::Sender::new(false), broadcast::Sender::new(8));
        Self { dir, out, stop, triggers, in_flight: InFlight::default(), running: Vec::new() }
    }

    pub(crate) fn start(&mut self, collector: Box<dyn Collector>) {
        let context = Context {
            out: self.out.clone(),
            stop: self.stop.subscribe(),
            triggers: self.triggers.subscribe(),
            in_flight: self.in_flight.clone(),
        };
        self.running.push(tokio::spawn(collector.run(context)));
    }

    pub(crate) fn trigger(&self, trigger: Trigger) {
        self.triggers.send(trigger).expect("a collector listens");
    }

    /// Waits until the collectors wrote so many files below `rel`.
    pub(crate) async fn wait_for(&self, rel: &str, files: usize) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while self.files(rel).len() < files {
            assert!(Instant::now() < deadline, "{rel}: {:?}, {:?}", self.files(rel), self.events());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Tells the collectors that the load ended; the time they took to end.
    pub(crate) async fn stop(&mut self) -> Duration {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// Waits for the collectors to end by themselves.
    pub(crate) async fn ended(&mut self) -> Duration {
        let began = Instant::now();
        for task in self.running.drain(..) {
            tokio::time::timeout(Duration::from_secs(20), task).await.expect("it ends").expect("no panic");
        }
        began.elapsed()
    }

    /// Names of the whole files below a path of the run folder, sorted.
    pub(crate) fn files(&self, rel: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join(rel)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|n| Path::new(n).extension().is_none_or(|e| e != "part"));
        names.sort();
        names
    }

    pub(crate) fn read(&self, rel: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(rel)).expect("a file")
    }

    pub(crate) fn events(&self) -> Vec<EventKind> {
        let text = fs::read_to_string(self.dir.path().join(layout::EVENTS)).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str::<Event>(l).expect("an event").kind).collect()
    }

    /// Texts of the fault events.
    pub(crate) fn faults(&self) -> Vec<String> {
        let problem = |event| match event {
            EventKind::CollectorFault { problem, .. } => Some(problem),
            _ => None,
        };
        self.events().into_iter().filter_map(problem).collect()
    }
}
