//! `loadprof check scenario.toml`.

use super::args::ScenarioArgs;
use super::{Failure, output};
use crate::collect::preflight::SourceCheck;
use crate::gate::Exit;
use crate::record::{self, Preflight};
use crate::scenario::{Arrivals, EnvPolicy, Scenario};

pub(super) fn check(args: &ScenarioArgs) -> Result<Exit, Failure> {
    let (scenario, _) =
        Scenario::load(&args.scenario, &args.set, EnvPolicy::Require).map_err(Failure::usage)?;
    output::say(&format!("{}: valid, {} requests", args.scenario.display(), scenario.requests.len()));
    if let Some(words) = arrivals(&scenario) {
        output::say(&words);
    }
    let checked = record::check(&scenario).map_err(Failure::usage)?;
    output::say(&words(&checked));
    Ok(if checked.problems().is_empty() { Exit::Pass } else { Exit::Usage })
}

/// What nobody wrote and what may surprise: how arrivals are spaced beside a CPU profile.
fn arrivals(scenario: &Scenario) -> Option<String> {
    if let Some(rate) = scenario.in_step() {
        return Some(format!(
            "arrivals: NOT GOOD: even ones at {}/s keep step with the samples of CPU profiles, and CPU time per \
             function may be wrong several times over: leave out load.arrivals, or write arrivals = \"jittered\"",
            rate.0
        ));
    }
    let jittered = scenario.load.executor.is_open() && scenario.load.arrivals == Arrivals::Jittered;
    jittered.then(|| {
        "arrivals: jittered, each at random within its own slot, so that none keep step with the samples of CPU profiles"
            .to_owned()
    })
}

fn words(checked: &Preflight) -> String {
    let target = match &checked.target {
        Ok(answer) => format!(
            "target: {} answers {} in {:.1} ms",
            answer.url,
            answer.status.map_or("in HTTP/2".into(), |status| format!("with status {status}")),
            answer.took.as_secs_f64() * 1e3
        ),
        Err(problem) => format!("target: {problem}"),
    };
    let sources = checked.sources.iter().map(source);
    std::iter::once(target).chain(sources).collect::<Vec<_>>().join("\n")
}

fn source(check: &SourceCheck) -> String {
    let mut lines = vec![match &check.facts.problem {
        Some(problem) => format!("{}: NOT USABLE: {problem}", check.key()),
        None => {
            format!("{}: reachable at {}, gives {}", check.key(), check.url, check.facts.gives.join(", "))
        }
    }];
    for off in &check.facts.off {
        lines.push(format!("  off: {}; switch it on with: {}", off.what, off.remedy));
    }
    lines.extend(check.notes.iter().map(|note| format!("  {note}")));
    lines.join("\n")
}
