//! A scenario that is run again in another shape: the scenario itself, and the text of it that may be written
//! down.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::{EnvPolicy, Executor, Scenario, ScenarioError};

/// The user's scenario, checked, and the text of it that may be written down.
#[derive(Debug)]
pub struct Base {
    scenario: Scenario,
    table: Table,
    /// Overrides of anything but the load, which every run has its own of.
    overrides: Vec<String>,
}

const EXECUTORS: [&str; 5] =
    ["constant-arrival-rate", "ramping-arrival-rate", "constant-connections", "constant-vus", "ramping-vus"];

/// How a run of it differs.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What takes the place of its executor: a constant one.
    pub executor: Executor,
    /// Leading part that is not judged.
    pub warm_up: Duration,
    /// How long requests still under way at the end may take.
    pub graceful_stop: Duration,
}

impl Base {
    /// Reads a scenario file with overrides.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        Ok(Self::of(Scenario::load(path, overrides, EnvPolicy::Require)?, overrides))
    }

    /// Checks the text of a scenario with overrides; `file` and `base_dir` as of [`Scenario::parse`].
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(
        text: &str,
        file: &str,
        base_dir: &Path,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        let read = super::parse_text(text, file, base_dir, overrides, EnvPolicy::Require)?;
        Ok(Self::of(read, overrides))
    }

    fn of((scenario, text): (Scenario, String), overrides: &[String]) -> Self {
        let of_load = |o: &&String| !o.trim_start().starts_with("load");
        let overrides = overrides.iter().filter(of_load).cloned().collect();
        Self { scenario, table: text.parse().unwrap_or_default(), overrides }
    }

    /// The scenario as it was written.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Overrides that a run in another shape still needs.
    #[must_use]
    pub fn overrides(&self) -> Vec<String> {
        self.overrides.clone()
    }

    /// The scenario in another shape, and its text for the run folder, without secrets.
    #[must_use]
    pub fn shaped(&self, shape: &Shape) -> (Scenario, String) {
        let mut scenario = self.scenario.clone();
        scenario.load.executor = shape.executor.clone();
        scenario.load.warm_up = shape.warm_up;
        scenario.load.graceful_stop = shape.graceful_stop;
        scenario.expect = None;
        (scenario, self.text(shape))
    }

    fn text(&self, shape: &Shape) -> String {
        let mut table = self.table.clone();
        table.remove("expect");
        let load = table.entry("load").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(load) = load {
            EXECUTORS.iter().for_each(|e| drop(load.remove(*e)));
            load.insert("warm-up".into(), millis(shape.warm_up));
            load.insert("graceful-stop".into(), millis(shape.graceful_stop));
            load.insert(shape.executor.name().into(), Value::Table(settings(&shape.executor)));
        }
        table.to_string()
    }
}

/// A constant executor as a scenario file says it; a ramping one is held at its last value.
fn settings(executor: &Executor) -> Table {
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    let whole = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    match executor {
        Executor::ConstantArrivalRate { rate, .. } => set("rate", Value::Float(rate.0)),
        Executor::ConstantConnections { connections, .. } => set("connections", whole(*connections)),
        Executor::ConstantVus { vus, think_time, .. } => {
            set("vus", whole(*vus));
            set("think-time", millis(*think_time));
        }
        Executor::RampingArrivalRate { .. } | Executor::RampingVus { .. } => return table,
    }
    table.insert("for".to_owned(), millis(executor.duration()));
    table
}

fn millis(d: Duration) -> Value {
    Value::String(format!("{}ms", d.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Endpoint, Rate};

    fn shape(executor: Executor) -> Shape {
        let (warm_up, graceful_stop) = (Duration::from_millis(1_500), Duration::from_secs(3));
        Shape { executor, warm_up, graceful_stop }
    }

    fn rate(rate: f64) -> Executor {
        Executor::ConstantArrivalRate { rate: Rate(rate), duration: Duration::from_secs(5) }
    }

    fn base(text: &str, overrides: &[String]) -> (tempfile::TempDir, Base) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.toml");
        std::fs::write(&path, text).expect("written");
        let base = Base::load(&path, overrides).expect("valid");
        (dir, base)
    }

    #[test]
    fn overrides_and_secrets_reach_the_runs_and_only_the_former_the_folder() {
        let text = "name = \"x\"\n[target]\nurl = \"http://127.0.0.1:1\"\nheaders = { authorization = \"Bearer abc\" }\n\
                    [load.constant-vus]\nvus = 3\nfor = \"9s\"\n[thresholds]\np95 = \"1s\"\n";
        let overrides = ["target.url=http://127.0.0.1:2".to_owned(), "load.vus=5".to_owned()];
        let (dir, base) = base(text, &overrides);
        let (scenario, text) = base.shaped(&shape(rate(250.0)));
        assert_eq!(scenario.target.headers[0].1, "Bearer abc");
        assert!(!text.contains("abc"), "{text}");
        // What an analysis makes of the folder is what was run.
        let read =
            Scenario::parse(&text, "s.toml", dir.path(), &base.overrides(), EnvPolicy::Keep).expect("valid");
        let Endpoint::Url(url) = &read.target.endpoint else { panic!("a URL") };
        assert_eq!(url.port(), Some(2));
        assert_eq!(read.load.executor.duration(), Duration::from_secs(5));
        assert_eq!(read.load.warm_up, Duration::from_millis(1_500));
        assert!(
            matches!(read.load.executor, Executor::ConstantArrivalRate { rate: Rate(r), .. } if r == 250.0)
        );
    }

    #[test]
    fn every_executor_gives_way_to_a_constant_one() {
        let own = |executor: &str| match executor {
            "constant-arrival-rate" => "rate = \"5/s\"\nfor = \"9s\"",
            "ramping-arrival-rate" => "stages = [{ for = \"9s\", to = \"5/s\" }]",
            "constant-connections" => "connections = 3\nfor = \"9s\"",
            "constant-vus" => "vus = 3\nfor = \"9s\"",
            _ => "stages = [{ for = \"9s\", to = 3 }]",
        };
        let duration = Duration::from_secs(7);
        let think_time = Duration::from_micros(2_500);
        for executor in EXECUTORS {
            let text =
                format!("[target]\nurl = \"http://127.0.0.1:1\"\n[load.{executor}]\n{}\n", own(executor));
            let (dir, base) = base(&text, &[]);
            for other in [
                rate(250.0),
                Executor::ConstantVus { vus: 4, duration, think_time },
                Executor::ConstantConnections { connections: 6, duration },
            ] {
                let (_, text) = base.shaped(&shape(other.clone()));
                let read = Scenario::parse(&text, "s.toml", dir.path(), &[], EnvPolicy::Keep);
                let read = read.unwrap_or_else(|e| panic!("{executor}: {e}\n{text}"));
                assert_eq!(format!("{:?}", read.load.executor), format!("{other:?}"), "{text}");
            }
        }
    }
}
