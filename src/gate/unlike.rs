//! Settings in which two runs differ.

use crate::scenario::{Executor, Request, Scenario};

/// Rates and user counts within this share of each other are the same load.
const SAME_LOAD: f64 = 0.02;

/// What differs between two scenarios, and whether it makes their figures incomparable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlike {
    /// Differences in words, the ones that forbid a comparison first.
    pub what: Vec<String>,
    /// Whether the load itself differs: other executor, rate, users, mix or requests.
    pub other_load: bool,
}

/// Compares the settings of two runs.
#[must_use]
pub fn unlike(current: &Scenario, baseline: &Scenario) -> Unlike {
    let mut what = load(&current.load.executor, &baseline.load.executor);
    what.extend(requests(&current.requests, &baseline.requests));
    let other_load = !what.is_empty();
    let (a, b) = (&current.load, &baseline.load);
    let mut note = |name: &str, a: String, b: String| {
        if a != b {
            what.push(format!("{name}: {a}, was {b}"));
        }
    };
    if current.load.executor.is_open() && !other_load {
        note("load.arrivals", a.arrivals.word().into(), b.arrivals.word().into());
    }
    note("load.max-connections", a.max_connections.to_string(), b.max_connections.to_string());
    note("load.threads", a.threads.to_string(), b.threads.to_string());
    note("target.keep-alive", current.target.keep_alive.to_string(), baseline.target.keep_alive.to_string());
    note("detect.period", format!("{:?}", current.detect.period), format!("{:?}", baseline.detect.period));
    Unlike { what, other_load }
}

fn load(a: &Executor, b: &Executor) -> Vec<String> {
    if a.name() != b.name() {
        return vec![format!("executor: {}, was {}", a.name(), b.name())];
    }
    let (shape_a, shape_b) = (shape(a), shape(b));
    let same = shape_a.len() == shape_b.len()
        && shape_a
            .iter()
            .zip(&shape_b)
            .all(|((_, x), (_, y))| (x - y).abs() <= SAME_LOAD * x.abs().max(y.abs()));
    if same {
        return Vec::new();
    }
    let words =
        |s: &[(&str, f64)]| s.iter().map(|(name, v)| format!("{name} {v}")).collect::<Vec<_>>().join(", ");
    vec![format!("load: {}, was {}", words(&shape_a), words(&shape_b))]
}

/// What makes a period's load. The length of a constant load does not: more of the same can be compared.
fn shape(executor: &Executor) -> Vec<(&'static str, f64)> {
    match executor {
        Executor::ConstantArrivalRate { rate, .. } => vec![("rate", rate.0)],
        Executor::RampingArrivalRate { start, stages } => std::iter::once(("start", start.0))
            .chain(stages.iter().flat_map(|s| [("for", s.duration.as_secs_f64()), ("to", s.to.0)]))
            .collect(),
        Executor::ConstantConnections { connections, .. } => vec![("connections", *connections as f64)],
        Executor::ConstantVus { vus, think_time, .. } => {
            vec![("users", *vus as f64), ("think time", think_time.as_secs_f64())]
        }
        Executor::RampingVus { start, stages, think_time } => [("start", *start as f64)]
            .into_iter()
            .chain(stages.iter().flat_map(|s| [("for", s.duration.as_secs_f64()), ("to", s.to as f64)]))
            .chain([("think time", think_time.as_secs_f64())])
            .collect(),
    }
}

fn requests(current: &[Request], baseline: &[Request]) -> Vec<String> {
    let find = |list: &[Request], slug: &str| list.iter().find(|r| r.slug == slug).cloned();
    let share = |list: &[Request], r: &Request| {
        f64::from(r.weight) / list.iter().map(|r| f64::from(r.weight)).sum::<f64>().max(1.0)
    };
    let mut what = Vec::new();
    for request in current {
        let Some(was) = find(baseline, &request.slug) else {
            what.push(format!("request `{}` is new", request.name));
            continue;
        };
        if (&request.method, &request.path, &request.body) != (&was.method, &was.path, &was.body) {
            what.push(format!("request `{}`: another method, path or body", request.name));
        }
        if (share(current, request) - share(baseline, &was)).abs() > SAME_LOAD {
            what.push(format!("request `{}`: weight {}, was {}", request.name, request.weight, was.weight));
        }
    }
    let gone = baseline.iter().filter(|r| find(current, &r.slug).is_none());
    what.extend(gone.map(|r| format!("request `{}` is gone", r.name)));
    what
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::testing::scenario;
    use crate::scenario::{Arrivals, Rate};

    #[test]
    fn equal_scenarios_are_alike_and_a_longer_run_is_too() {
        let (a, mut b) = (scenario(&["list", "buy"]), scenario(&["list", "buy"]));
        assert_eq!(unlike(&a, &b), Unlike::default());
        b.load.executor =
            Executor::ConstantArrivalRate { rate: Rate(100.0), duration: Duration::from_secs(300) };
        assert_eq!(unlike(&a, &b), Unlike::default());
    }

    #[test]
    fn other_load_forbids_a_comparison_and_other_settings_are_named() {
        let a = scenario(&["list", "buy"]);
        let mut b = scenario(&["list", "sell"]);
        b.load.max_connections = 8;
        let got = unlike(&a, &b);
        assert!(got.other_load);
        assert_eq!(
            got.what,
            ["request `buy` is new", "request `sell` is gone", "load.max-connections: 64, was 8"]
        );
        let mut c = scenario(&["list", "buy"]);
        c.load.threads = 2;
        assert!(!unlike(&a, &c).other_load && unlike(&a, &c).what.len() == 1);
        c.load.arrivals = Arrivals::Jittered;
        assert_eq!(unlike(&a, &c).what[0], "load.arrivals: even, was jittered");
        c.load.executor =
            Executor::ConstantVus { vus: 4, duration: Duration::from_secs(1), think_time: Duration::ZERO };
        assert_eq!(unlike(&a, &c).what[0], "executor: constant-arrival-rate, was constant-vus");
        let mut d = scenario(&["list", "buy"]);
        d.load.executor =
            Executor::ConstantArrivalRate { rate: Rate(150.0), duration: Duration::from_secs(30) };
        d.requests[0].weight = 3;
        assert_eq!(
            unlike(&a, &d).what,
            [
                "load: rate 100, was rate 150",
                "request `list`: weight 1, was 3",
                "request `buy`: weight 1, was 1"
            ]
        );
    }
}
