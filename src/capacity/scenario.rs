//! The scenario of one run of the search: the user's, with a constant rate in place of its own load.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use crate::scenario::{EnvPolicy, Executor, Rate, Scenario, ScenarioError};

/// The user's scenario, checked, and the text of it that may be written down.
#[derive(Debug)]
pub(super) struct Base {
    scenario: Scenario,
    table: Table,
    /// Overrides of anything but the load, which every run has its own of.
    overrides: Vec<String>,
}

const EXECUTORS: [&str; 5] =
    ["constant-arrival-rate", "ramping-arrival-rate", "constant-connections", "constant-vus", "ramping-vus"];
/// Answers still under way when a run ends are waited for this long: beyond the limit they only pile up.
const GRACE: Duration = Duration::from_secs(3);
const LONGEST_WARM_UP: Duration = Duration::from_secs(2);

impl Base {
    pub(super) fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        let (scenario, text) = Scenario::load(path, overrides, EnvPolicy::Require)?;
        let of_load = |o: &&String| !o.trim_start().starts_with("load");
        let overrides = overrides.iter().filter(of_load).cloned().collect();
        Ok(Self { scenario, table: text.parse().unwrap_or_default(), overrides })
    }

    pub(super) fn name(&self) -> &str {
        &self.scenario.name
    }

    pub(super) fn overrides(&self) -> Vec<String> {
        self.overrides.clone()
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

    /// The scenario at a constant rate, and its text for the run folder, without secrets.
    pub(super) fn at(&self, rate: f64, hold: Duration) -> (Scenario, String) {
        let mut scenario = self.scenario.clone();
        let warm_up = (hold / 5).min(LONGEST_WARM_UP);
        scenario.load.executor = Executor::ConstantArrivalRate { rate: Rate(rate), duration: hold };
        scenario.load.warm_up = warm_up;
        scenario.load.graceful_stop = GRACE;
        scenario.expect = None;
        (scenario, self.text(rate, hold, warm_up))
    }

    fn text(&self, rate: f64, hold: Duration, warm_up: Duration) -> String {
        let millis = |d: Duration| Value::String(format!("{}ms", d.as_millis()));
        let mut table = self.table.clone();
        table.remove("expect");
        let load = table.entry("load").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(load) = load {
            EXECUTORS.iter().for_each(|e| drop(load.remove(*e)));
            load.insert("warm-up".into(), millis(warm_up));
            load.insert("graceful-stop".into(), millis(GRACE));
            let mut executor = Table::new();
            executor.insert("rate".into(), Value::Float(rate));
            executor.insert("for".into(), millis(hold));
            load.insert("constant-arrival-rate".into(), Value::Table(executor));
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_and_secrets_reach_the_runs_and_only_the_former_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.toml");
        let text = "name = \"x\"\n[target]\nurl = \"http://127.0.0.1:1\"\nheaders = { authorization = \"Bearer abc\" }\n\
                    [load.constant-vus]\nvus = 3\nfor = \"9s\"\n[thresholds]\np95 = \"1s\"\n";
        std::fs::write(&path, text).expect("written");
        let overrides = ["target.url=http://127.0.0.1:2".to_owned(), "load.vus=5".to_owned()];
        let base = Base::load(&path, &overrides).expect("valid");
        let (scenario, text) = base.at(250.0, Duration::from_secs(5));
        assert_eq!(scenario.target.headers[0].1, "Bearer abc");
        assert!(!text.contains("abc"), "{text}");
        // What an analysis makes of the folder is what was run.
        let read =
            Scenario::parse(&text, "s.toml", dir.path(), &base.overrides(), EnvPolicy::Keep).expect("valid");
        let crate::scenario::Endpoint::Url(url) = &read.target.endpoint else { panic!("a URL") };
        assert_eq!(url.port(), Some(2));
        assert_eq!(read.load.executor.duration(), Duration::from_secs(5));
        assert!(
            matches!(read.load.executor, Executor::ConstantArrivalRate { rate: Rate(r), .. } if r == 250.0)
        );
    }

    #[test]
    fn every_executor_gives_way_to_a_constant_rate() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.toml");
        let own = |executor: &str| match executor {
            "constant-arrival-rate" => "rate = \"5/s\"\nfor = \"9s\"",
            "ramping-arrival-rate" => "stages = [{ for = \"9s\", to = \"5/s\" }]",
            "constant-connections" => "connections = 3\nfor = \"9s\"",
            "constant-vus" => "vus = 3\nfor = \"9s\"",
            _ => "stages = [{ for = \"9s\", to = 3 }]",
        };
        for executor in EXECUTORS {
            let text =
                format!("[target]\nurl = \"http://127.0.0.1:1\"\n[load.{executor}]\n{}\n", own(executor));
            std::fs::write(&path, text).expect("written");
            let base = Base::load(&path, &[]).expect("valid");
            let (_, text) = base.at(250.0, Duration::from_secs(5));
            let read = Scenario::parse(&text, "s.toml", dir.path(), &[], EnvPolicy::Keep);
            assert!(read.is_ok_and(|s| s.load.executor.is_open()), "{executor}: {text}");
        }
    }
}
