//! The scenario of one run of the search: the user's, with a constant rate in place of its own load.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use crate::scenario::{EnvPolicy, Executor, Scenario, ScenarioError};

/// The user's scenario, as parsed and as a table.
#[derive(Debug)]
pub(super) struct Base {
    scenario: Scenario,
    table: Table,
    dir: PathBuf,
    file: String,
}

const EXECUTORS: [&str; 4] = ["constant-arrival-rate", "ramping-arrival-rate", "constant-vus", "ramping-vus"];

impl Base {
    pub(super) fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        let (scenario, text) = Scenario::load(path, overrides, EnvPolicy::Require)?;
        let table = text.parse().unwrap_or_default();
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { scenario, table, dir, file: path.display().to_string() })
    }

    pub(super) fn name(&self) -> &str {
        &self.scenario.name
    }

    pub(super) fn has_thresholds(&self) -> bool {
        !self.scenario.thresholds.is_empty()
            || self.scenario.requests.iter().any(|r| !r.thresholds.is_empty())
    }

    /// The rate that the scenario itself asks for, if it has one.
    pub(super) fn own_rate(&self) -> Option<f64> {
        match &self.scenario.load.executor {
            Executor::ConstantArrivalRate { rate, .. } => Some(rate.0),
            Executor::RampingArrivalRate { start, stages } => {
                Some(start.0).filter(|r| *r > 0.0).or(stages.first().map(|s| s.to.0))
            }
            _ => None,
        }
    }

    /// The scenario at a constant rate, and its text.
    pub(super) fn at(&self, rate: f64, hold: Duration) -> Result<(Scenario, String), ScenarioError> {
        let mut table = self.table.clone();
        let load = table.entry("load").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(load) = load {
            EXECUTORS.iter().for_each(|e| drop(load.remove(*e)));
            let warm_up = (hold / 5).min(Duration::from_secs(2));
            load.insert("warm-up".into(), Value::String(format!("{}ms", warm_up.as_millis())));
            load.insert("graceful-stop".into(), Value::String("3s".into()));
            let mut executor = Table::new();
            executor.insert("rate".into(), Value::String(format!("{rate:.3}/s")));
            executor.insert("for".into(), Value::String(format!("{}ms", hold.as_millis())));
            load.insert("constant-arrival-rate".into(), Value::Table(executor));
        }
        table.remove("expect");
        let text = table.to_string();
        let scenario = Scenario::parse(&text, &self.file, &self.dir, &[], EnvPolicy::Require)?;
        Ok((scenario, text))
    }
}
