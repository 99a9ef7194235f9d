//! Scenarios and periods for the tests of this module.

use std::time::Duration;

use crate::run::period::{Failure, LoadPeriod, Phase, RequestPeriod, new_latency};
use crate::scenario::{Arrivals, Endpoint, Executor, Load, Rate, Request, Scenario, Target};
use crate::time::{RunTime, SECOND, Window};

/// An open-model scenario at 100/s with these requests.
pub(super) fn scenario(requests: &[&str]) -> Scenario {
    let request = |name: &&str| Request {
        name: (*name).into(),
        slug: (*name).into(),
        ..Request::new("GET", &format!("/{name}"))
    };
    let target = Target::new(Endpoint::Url("http://127.0.0.1:1".parse().expect("a URL")));
    let load = Load {
        executor: Executor::ConstantArrivalRate { rate: Rate(100.0), duration: Duration::from_secs(30) },
        arrivals: Arrivals::Even,
        warm_up: Duration::from_secs(2),
        graceful_stop: Duration::from_secs(5),
        max_connections: 64,
        threads: 1,
        seed: 1,
        sampled: 0.01,
    };
    Scenario::of_requests("test", target, load, requests.iter().map(request).collect())
}

/// The `i`-th second: per request (hits, nanoseconds of each, failed among them). All arrivals are sent.
pub(super) fn period(i: u64, requests: &[(u64, u64, u64)]) -> LoadPeriod {
    let hits = requests.iter().map(|r| r.0).sum();
    let one = |&(n, nanos, failed): &(u64, u64, u64)| {
        let mut r = RequestPeriod { passed: n - failed, ..RequestPeriod::new() };
        let wait = Phase::ALL.iter().position(|p| *p == Phase::Wait).expect("a phase");
        let status = Failure::ALL.iter().position(|f| *f == Failure::Status).expect("a kind");
        r.failed[status] = failed;
        for latency in [&mut r.response, &mut r.service, &mut r.phases[wait]] {
            let n = u32::try_from(n).expect("few hits");
            latency.record_n(nanos, n).expect("within the histogram's range");
        }
        r
    };
    LoadPeriod {
        window: Window::new(RunTime::from_nanos(i * SECOND), RunTime::from_nanos((i + 1) * SECOND)),
        requests: requests.iter().map(one).collect(),
        lateness: new_latency(),
        offered: hits,
        sent: hits,
        backlog: 0,
        in_flight: 1,
        connections: 8,
        streams: 0,
        vus: 0,
        slowest: Vec::new(),
        failures: Vec::new(),
    }
}
