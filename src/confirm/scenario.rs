//! The load of the run that is looked into, once more: the same requests at the level of the window that was
//! explained, held for as long as the windows take, and no evidence beside it.

use std::path::Path;
use std::time::Duration;

use super::{ConfirmError, Intervention};
use crate::run::reader::Recording;
use crate::scenario::{Base, Endpoint, Executor, Rate, Scenario, Shape, masked_keys};
use crate::time::Window;

/// What is sent, and the text and the overrides that the new run folder keeps.
#[derive(Debug)]
pub(super) struct Again {
    base: Base,
    executor: Executor,
    arrivals: crate::scenario::Arrivals,
}

impl Again {
    /// Reads the copy in the run folder, or the file that the user names; `judged` is the window that was
    /// explained.
    pub(super) fn read(
        wish: &Intervention,
        recording: &Recording,
        judged: Option<Window>,
    ) -> Result<Self, ConfirmError> {
        let base = base(wish, recording)?;
        let scenario = base.scenario();
        let executor = constant(&scenario.load.executor, recording, judged)?;
        let arrivals = recording.manifest.arrivals.unwrap_or(scenario.load.arrivals);
        Ok(Self { base, executor, arrivals })
    }

    pub(super) fn name(&self) -> &str {
        &self.base.scenario().name
    }

    pub(super) fn overrides(&self) -> Vec<String> {
        self.base.overrides()
    }

    pub(super) fn warm_up(&self) -> Duration {
        self.base.scenario().load.warm_up
    }

    pub(super) fn period(&self) -> Duration {
        self.base.scenario().detect.period
    }

    /// The scenario and its text, for so long.
    pub(super) fn lasting(&self, length: Duration) -> (Scenario, String) {
        let load = &self.base.scenario().load;
        let shape = Shape {
            executor: held(&self.executor, length),
            warm_up: load.warm_up,
            graceful_stop: load.graceful_stop,
        };
        let (mut scenario, text) = self.base.shaped(&shape);
        scenario.load.arrivals = self.arrivals;
        (scenario, text)
    }
}

fn base(wish: &Intervention, recording: &Recording) -> Result<Base, ConfirmError> {
    let own = recording.dir.join(crate::run::layout::SCENARIO);
    let path = wish.scenario.as_deref().unwrap_or(&own);
    let text = match &wish.scenario {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| ConfirmError::Scenario(format!("{}: {source}", path.display())))?,
        None => recording.scenario_text.clone(),
    };
    let text = without_evidence(&text);
    let recorded: Vec<String> =
        recording.manifest.overrides.iter().filter(|o| is_of_load(o)).cloned().collect();
    // A file that the user names has its secrets; those that were set for the run are kept nowhere.
    let copied = if wish.scenario.is_none() { text.as_str() } else { "" };
    let masked = masked_keys(copied, &recorded, &wish.overrides);
    if !masked.is_empty() {
        return Err(ConfirmError::Masked(masked.join(", ")));
    }
    let given = wish.overrides.iter().filter(|o| is_of_load(o));
    let overrides: Vec<String> = recorded.iter().chain(given).cloned().collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = Base::parse(&text, &path.display().to_string(), folder, &overrides)
        .map_err(|e| ConfirmError::Scenario(e.to_string()))?;
    // The demo target changes its setting in mid-run: here the trouble is there from the start.
    if !matches!(read.scenario().target.endpoint, Endpoint::Demo(_)) {
        return Ok(read);
    }
    let overrides: Vec<String> = overrides.into_iter().chain(["target.demo.at=0s".to_owned()]).collect();
    Base::parse(&text, &path.display().to_string(), folder, &overrides)
        .map_err(|e| ConfirmError::Scenario(e.to_string()))
}

/// Whether an override is of a part that is sent again.
fn is_of_load(o: &str) -> bool {
    !["evidence", "expect"].iter().any(|key| o.trim_start().starts_with(key))
}

/// Profiles cost the target time, captures of it seconds: both would be in the windows. A text that is no TOML is
/// left to whoever reports that.
fn without_evidence(text: &str) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else { return text.to_owned() };
    table.remove("evidence");
    table.remove("expect");
    table.to_string()
}

/// The executor that holds the level of the judged window.
fn constant(
    executor: &Executor,
    recording: &Recording,
    judged: Option<Window>,
) -> Result<Executor, ConfirmError> {
    let duration = executor.duration();
    match executor {
        Executor::RampingArrivalRate { .. } => {
            let rate = level(recording, judged, |p| p.offered as f64 / p.window.secs().max(1e-9))?;
            Ok(Executor::ConstantArrivalRate { rate: Rate(rate), duration })
        }
        Executor::RampingVus { think_time, .. } => {
            let vus = level(recording, judged, |p| p.vus as f64)?.round().max(1.0) as usize;
            Ok(Executor::ConstantVus { vus, duration, think_time: *think_time })
        }
        constant => Ok(constant.clone()),
    }
}

/// Mean of a figure of the periods in the judged window.
fn level(
    recording: &Recording,
    judged: Option<Window>,
    of: impl Fn(&crate::run::period::LoadPeriod) -> f64,
) -> Result<f64, ConfirmError> {
    let (mut sum, mut count) = (0.0, 0.0);
    for period in recording.periods() {
        let period = period.map_err(|e| ConfirmError::Scenario(e.to_string()))?;
        if judged.is_none_or(|w| w.covers(period.window)) {
            (sum, count) = (sum + of(&period), count + 1.0);
        }
    }
    if count > 0.0 && sum > 0.0 {
        return Ok(sum / count);
    }
    Err(ConfirmError::Scenario("the run sent no load in the window that it explains".into()))
}

fn held(executor: &Executor, duration: Duration) -> Executor {
    let mut held = executor.clone();
    if let Executor::ConstantArrivalRate { duration: d, .. }
    | Executor::ConstantConnections { duration: d, .. }
    | Executor::ConstantVus { duration: d, .. } = &mut held
    {
        *d = duration;
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confirm::testing::{intervention, run_folder};
    use crate::scenario::Arrivals;

    const REST: &str = "[[request]]\nget = \"/b\"\n[[request]]\nget = \"/a\"\n";

    fn again(
        load: &str,
        more: &str,
        overrides: &[&str],
        judged: Option<Window>,
    ) -> Result<Again, ConfirmError> {
        let text = format!("name = \"s\"\n[target]\nurl = \"http://127.0.0.1:1\"\n{more}\n{load}\n{REST}");
        let dir = tempfile::tempdir().expect("a folder");
        let recording = run_folder(&dir.path().join("run"), &text, &["request.0.weight=3".to_owned()]);
        let mut wish = intervention(&dir.path().join("run"));
        wish.overrides = overrides.iter().map(|o| (*o).to_owned()).collect();
        Again::read(&wish, &recording, judged)
    }

    const CONSTANT: &str = "[load.constant-arrival-rate]\nrate = \"50/s\"\nfor = \"9s\"";

    #[test]
    fn the_same_load_is_held_for_as_long_as_it_takes() {
        let evidence = "[[evidence.go-pprof]]\nservice = \"x\"\nurl = \"http://127.0.0.1:1/debug/pprof\"";
        let again = again(&format!("{CONSTANT}\n{evidence}"), "", &["load.rate=70/s"], None).expect("valid");
        let (scenario, text) = again.lasting(Duration::from_secs(300));
        assert!(
            matches!(scenario.load.executor, Executor::ConstantArrivalRate { rate: Rate(r), duration }
                if r == 70.0 && duration.as_secs() == 300),
            "{:?}",
            scenario.load.executor
        );
        assert_eq!(scenario.requests[0].weight, 3, "what was set for the run is set again");
        assert!(scenario.evidence.is_empty() && !text.contains("pprof"), "{text}");
        assert_eq!(scenario.load.arrivals, Arrivals::Poisson, "as they were then, also without a profile");
        assert_eq!(again.overrides(), ["request.0.weight=3"], "the load is in the text");
    }

    #[test]
    fn a_level_that_changes_is_held_as_it_was_in_the_judged_window() {
        let ramp = "[load.ramping-arrival-rate]\nstages = [{ for = \"9s\", to = \"5/s\" }]";
        let at = crate::time::RunTime::from_nanos;
        let window = Window::new(at(2_000_000_000), at(4_000_000_000));
        let rate = |judged| match again(ramp, "", &[], judged).expect("valid").executor {
            Executor::ConstantArrivalRate { rate, .. } => rate.0,
            other => panic!("{other:?}"),
        };
        // Second n of the folder offered 10 n arrivals.
        assert_eq!(rate(Some(window)), 35.0);
        assert_eq!(rate(None), 30.0);
        let users = "[load.ramping-vus]\nstages = [{ for = \"9s\", to = 5 }]\nthink-time = \"50ms\"";
        let got = again(users, "", &[], Some(window)).expect("valid").executor;
        assert!(
            matches!(got, Executor::ConstantVus { vus: 4, think_time, .. } if think_time.as_millis() == 50),
            "{got:?}"
        );
    }

    #[test]
    fn what_the_copy_lacks_is_asked_for() {
        let header = "headers = { authorization = \"***\" }";
        let error = again(CONSTANT, header, &[], None).expect_err("masked").to_string();
        assert!(error.contains("target.headers.authorization") && error.contains("--scenario"), "{error}");
        assert!(again(CONSTANT, header, &["target.headers.authorization=Bearer x"], None).is_ok());
        let error = again(CONSTANT, "headers = { x = \"${NO_SUCH_VARIABLE_1}\" }", &[], None);
        assert!(error.is_err_and(|e| e.to_string().contains("NO_SUCH_VARIABLE_1")));
    }
}
