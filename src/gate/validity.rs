//! Whether the run is a valid measurement: was the generator, not the target, the limit?
//!
//! A run can miss its rate for two reasons. If the target answers too slowly, all connections are busy, new
//! arrivals queue for one, and the generator hands each over on time: that is a finding about the target. If
//! the generator is starved, arrivals are handed over late, whatever the connections do: that run says nothing.
//! So lateness (due moment to hand-over, without the wait for a connection) and the load threads' CPU decide,
//! and a shortfall counts against the generator unless the connections were all in use, or none could be opened
//! to the target.

use super::figures::{lateness, share};
use crate::analysis::quantity::count;
use crate::analysis::{CheckOutcome, Unit, Validity, ValidityCheck};
use crate::run::period::{Failure, LoadPeriod};
use crate::scenario::Scenario;
use crate::time::MILLISECOND;

/// A period whose lateness p99 is above this is late.
pub const LATE_NANOS: u64 = 10 * MILLISECOND;

/// Share of periods that may be late or short of CPU, and how many may be whatever the share: one hiccup does
/// not spoil a short run.
const BAD_SHARE: f64 = 0.05;
const BAD_PERIODS: usize = 1;
/// CPU of the busiest load thread, as a share of a core.
const CPU_LIMIT: f64 = 0.95;
const SENT_LIMIT: f64 = 0.99;
const RUN_DELAY_LIMIT: f64 = 0.10;
const STEAL_LIMIT: f64 = 0.10;
const FDS_LIMIT: f64 = 0.90;

/// What the generator's own health collector read.
#[derive(Clone, Debug, Default)]
pub struct GeneratorReadings {
    /// One entry per period of the judged part; empty if nothing could be read.
    pub periods: Vec<GeneratorPeriod>,
    /// Limit of open file descriptors.
    pub fds_limit: Option<u64>,
    /// Example of a connection that the generator's own machine could not open, for want of a port, a file
    /// descriptor or memory; none if no example of the run says so.
    pub shortage: Option<String>,
}

/// Numbers at the end of an error of the system that say that this machine ran out of something, and not that
/// the other side refused: ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL (no local port left) and ENOBUFS of Linux.
const SHORTAGES: [&str; 5] =
    ["(os error 12)", "(os error 23)", "(os error 24)", "(os error 99)", "(os error 105)"];

/// Whether a failure to connect (its text in the run folder) is one of the generator's own machine.
#[must_use]
pub fn is_own_shortage(detail: &str) -> bool {
    SHORTAGES.iter().any(|error| detail.ends_with(error))
}

/// Readings of one period.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeneratorPeriod {
    /// Length of the period.
    pub wall_nanos: u64,
    /// CPU time of the busiest load thread in it.
    pub busiest_cpu_nanos: Option<u64>,
    /// Time that load threads were ready to run and did not, the longest of them.
    pub run_delay_nanos: Option<u64>,
    /// Share of the machine's CPU time that the hypervisor gave to others.
    pub steal: Option<f64>,
    /// Open file descriptors at its end.
    pub fds: Option<u64>,
}

/// Every check of the generator over the judged part of the run.
#[must_use]
pub fn validity(periods: &[LoadPeriod], readings: &GeneratorReadings, scenario: &Scenario) -> Validity {
    let open = scenario.load.executor.is_open();
    let cpu = cpu(readings);
    let mut checks = Vec::new();
    if open {
        let late = late(periods);
        let starved = [&late, &cpu].iter().any(|c| c.outcome == CheckOutcome::Failed);
        checks.push(sent(periods, scenario, starved, readings.shortage.as_deref()));
        checks.push(late);
        checks.push(lateness_overall(periods));
    }
    checks.extend([cpu, run_delay(readings), steal(readings), descriptors(readings)]);
    Validity { valid: checks.iter().all(|c| c.outcome != CheckOutcome::Failed), checks }
}

/// A check whose value must be at most its limit; beyond it, `beyond` is the outcome.
fn at_most(
    name: &str,
    value: Option<f64>,
    limit: f64,
    unit: Unit,
    beyond: CheckOutcome,
    remedy: &str,
) -> ValidityCheck {
    let outcome = match value {
        None => CheckOutcome::Unknown,
        Some(v) if v > limit => beyond,
        Some(_) => CheckOutcome::Passed,
    };
    ValidityCheck { name: name.into(), value, limit, at_least: false, unit, outcome, remedy: remedy.into() }
}

/// Whether so many of `all` are more than hiccups.
fn too_many(bad: usize, all: usize) -> bool {
    bad > BAD_PERIODS && bad as f64 > BAD_SHARE * all as f64
}

fn is_late(period: &LoadPeriod) -> bool {
    !period.lateness.is_empty() && period.lateness.value_at_quantile(0.99) > LATE_NANOS
}

fn late(periods: &[LoadPeriod]) -> ValidityCheck {
    let known = periods.iter().filter(|p| !p.lateness.is_empty()).count();
    let bad = periods.iter().filter(|p| is_late(p)).count();
    let mut check = at_most(
        "late periods",
        share(bad as u64, known as u64),
        BAD_SHARE,
        Unit::Ratio,
        CheckOutcome::Failed,
        "the generator handed arrivals over more than 10 ms late: lower `load.rate`, raise `load.threads`, or \
         give it cores of its own (another machine, `taskset`)",
    );
    if check.outcome == CheckOutcome::Failed && !too_many(bad, known) {
        check.outcome = CheckOutcome::Strained;
    }
    check
}

fn lateness_overall(periods: &[LoadPeriod]) -> ValidityCheck {
    let all = lateness(periods);
    let p99 = (!all.is_empty()).then(|| all.value_at_quantile(0.99) as f64);
    at_most(
        "lateness p99",
        p99,
        LATE_NANOS as f64,
        Unit::Nanoseconds,
        CheckOutcome::Strained,
        "response times contain this delay of the generator; give it more CPU",
    )
}

fn cpu(readings: &GeneratorReadings) -> ValidityCheck {
    let mut shares: Vec<f64> = (readings.periods.iter())
        .filter_map(|p| {
            // A thread that is never idle is the limit, whether it runs or waits for its turn to.
            let busy = p.busiest_cpu_nanos? + p.run_delay_nanos.unwrap_or(0);
            Some(busy as f64 / p.wall_nanos.max(1) as f64)
        })
        .collect();
    shares.sort_unstable_by(f64::total_cmp);
    let bad = shares.iter().filter(|s| **s > CPU_LIMIT).count();
    // Shown is the share that 5 % of the periods exceed, so value and limit tell the same story.
    let value =
        shares.len().checked_sub(1).map(|last| shares[((1.0 - BAD_SHARE) * last as f64).floor() as usize]);
    let mut check = at_most(
        "time the busiest load thread was not idle",
        value,
        CPU_LIMIT,
        Unit::Ratio,
        CheckOutcome::Failed,
        "a load thread was busy all the time: raise `load.threads` (at most one per core) or lower the load",
    );
    if check.outcome == CheckOutcome::Failed && !too_many(bad, shares.len()) {
        check.outcome = CheckOutcome::Strained;
    }
    check
}

/// Name of the check of what was sent.
pub const SENT: &str = "sent / asked";

/// Sent against asked: the rule of the module's head.
fn sent(periods: &[LoadPeriod], scenario: &Scenario, starved: bool, shortage: Option<&str>) -> ValidityCheck {
    let total = |f: fn(&LoadPeriod) -> u64| periods.iter().map(f).sum::<u64>();
    let (sent, offered) = (total(|p| p.sent), total(|p| p.offered));
    let value = share(sent, offered);
    let blocked = Blocked::of(periods);
    let tried = share((sent + blocked.total()).min(offered), offered);
    let reached = |v: Option<f64>| v.is_some_and(|v| v >= SENT_LIMIT);
    let (outcome, remedy) = match shortage {
        _ if value.is_none() => {
            (CheckOutcome::Unknown, "no arrival was due after the warm-up: lengthen the run".to_owned())
        }
        _ if reached(value) => (CheckOutcome::Passed, String::new()),
        _ if starved => (
            CheckOutcome::Failed,
            "the generator could not send what was asked: lower the rate or give it more CPU".to_owned(),
        ),
        Some(example) if blocked.connecting > 0 => (
            CheckOutcome::Failed,
            format!(
                "the generator's machine ran out of ports, descriptors or memory ({example}): raise `ulimit -n` or \
                 `net.ipv4.ip_local_port_range`, keep connections alive, or lower the rate"
            ),
        ),
        _ if reached(tried) => (CheckOutcome::Strained, blocked.says()),
        _ if connections_in_use(periods, scenario) => (
            CheckOutcome::Strained,
            format!(
                "all {} connections were in use and the generator was on time: the target is the limit; arrivals \
                 that waited are counted at their age (raise `load.max-connections` only if real clients would)",
                scenario.load.max_connections
            ),
        ),
        _ => (
            CheckOutcome::Failed,
            "arrivals were not sent although connections were free: see the failures in the load figures, and the \
             generator's log"
                .to_owned(),
        ),
    };
    ValidityCheck {
        name: SENT.into(),
        value,
        limit: SENT_LIMIT,
        at_least: true,
        unit: Unit::Ratio,
        outcome,
        remedy,
    }
}

/// Hits that the generator began in time and could not send.
#[derive(Clone, Copy, Debug, Default)]
struct Blocked {
    /// No connection came about: refused, unreachable, not within the time limit, no TLS.
    connecting: u64,
    /// The scenario's data has no value for them.
    data: u64,
}

impl Blocked {
    /// Only what was sent has a service time. Hits of kind `unsent` were not begun either: they waited for a
    /// connection to the end of the run.
    fn of(periods: &[LoadPeriod]) -> Self {
        let requests = periods.iter().flat_map(|p| &p.requests);
        requests.fold(Self::default(), |sum, r| {
            let never_sent = r.response.len().saturating_sub(r.service.len());
            let data = r.failed[Failure::Data as usize].min(never_sent);
            let connecting = never_sent.saturating_sub(data + r.failed[Failure::Unsent as usize]);
            Self { connecting: sum.connecting + connecting, data: sum.data + data }
        })
    }

    const fn total(self) -> u64 {
        self.connecting + self.data
    }

    fn says(self) -> String {
        let mut parts = Vec::new();
        if self.connecting > 0 {
            parts.push(format!(
                "{} arrivals could not connect: the target or the network refused them (see the failures of kind \
                 connect, tls, dns and timeout)",
                count(self.connecting)
            ));
        }
        if self.data > 0 {
            parts.push(format!(
                "{} arrivals had no record of a feeder, or one without a value they need: see the failures of kind data",
                count(self.data)
            ));
        }
        parts.join("; ")
    }
}

/// Whether connections were at their cap in most of the periods that left a backlog.
fn connections_in_use(periods: &[LoadPeriod], scenario: &Scenario) -> bool {
    let cap = scenario.load.max_connections as u64;
    let waiting = periods.iter().filter(|p| p.backlog > 0);
    let (full, all) = waiting.fold((0, 0), |(full, all), p| {
        (full + usize::from(p.connections.max(p.in_flight) * 100 >= cap * 95), all + 1)
    });
    all > 0 && full * 2 > all
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(s, n), v| (s + v, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn run_delay(readings: &GeneratorReadings) -> ValidityCheck {
    let shares =
        readings.periods.iter().filter_map(|p| Some(p.run_delay_nanos? as f64 / p.wall_nanos.max(1) as f64));
    at_most(
        "run-queue delay of load threads",
        mean_of(shares),
        RUN_DELAY_LIMIT,
        Unit::Ratio,
        CheckOutcome::Strained,
        "load threads waited for a CPU: generator and target share cores; pin them apart",
    )
}

fn steal(readings: &GeneratorReadings) -> ValidityCheck {
    at_most(
        "CPU time stolen by the hypervisor",
        mean_of(readings.periods.iter().filter_map(|p| p.steal)),
        STEAL_LIMIT,
        Unit::Ratio,
        CheckOutcome::Strained,
        "neighbours on the host took CPU time: repeat on a dedicated machine before comparing runs",
    )
}

fn descriptors(readings: &GeneratorReadings) -> ValidityCheck {
    let most = readings.periods.iter().filter_map(|p| p.fds).max();
    let value = most.zip(readings.fds_limit).map(|(n, limit)| n as f64 / limit.max(1) as f64);
    at_most(
        "open file descriptors",
        value,
        FDS_LIMIT,
        Unit::Ratio,
        CheckOutcome::Failed,
        "the limit of open files is near: raise it with `ulimit -n`, or lower `load.max-connections`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{period, scenario};

    fn healthy() -> (Vec<LoadPeriod>, GeneratorReadings) {
        let mut periods: Vec<LoadPeriod> = (0..40).map(|i| period(i, &[(100, 2_000_000, 0)])).collect();
        for p in &mut periods {
            p.lateness.record_n(80_000, 100).expect("in range");
        }
        let reading = GeneratorPeriod {
            wall_nanos: 1_000_000_000,
            busiest_cpu_nanos: Some(300_000_000),
            run_delay_nanos: Some(5_000_000),
            steal: Some(0.0),
            fds: Some(80),
        };
        (periods, GeneratorReadings { periods: vec![reading; 40], fds_limit: Some(1024), shortage: None })
    }

    fn outcome(v: &Validity, name: &str) -> CheckOutcome {
        v.checks.iter().find(|c| c.name == name).expect("checked").outcome
    }

    fn make_late(periods: &mut [LoadPeriod]) {
        for p in periods {
            p.lateness.record_n(50_000_000, 20).expect("in range");
        }
    }

    fn make_short(periods: &mut [LoadPeriod], connections: u64) {
        for p in periods {
            (p.sent, p.backlog, p.connections) = (70, 30, connections);
        }
    }

    #[test]
    fn a_calm_generator_passes_and_an_unread_one_is_unknown() {
        let (periods, readings) = healthy();
        let got = validity(&periods, &readings, &scenario(&["list"]));
        assert!(got.valid && got.checks.iter().all(|c| c.outcome == CheckOutcome::Passed), "{got:?}");
        let got = validity(&periods, &GeneratorReadings::default(), &scenario(&["list"]));
        assert!(got.valid);
        assert_eq!(outcome(&got, "open file descriptors"), CheckOutcome::Unknown);
    }

    #[test]
    fn a_starved_generator_is_invalid_even_with_all_connections_in_use() {
        let (mut periods, readings) = healthy();
        make_short(&mut periods, 64);
        make_late(&mut periods[10..]);
        let got = validity(&periods, &readings, &scenario(&["list"]));
        assert!(!got.valid);
        assert_eq!(outcome(&got, "sent / asked"), CheckOutcome::Failed);
        assert_eq!(outcome(&got, "late periods"), CheckOutcome::Failed);
    }

    #[test]
    fn a_slow_target_strains_and_free_connections_fail() {
        let (mut periods, readings) = healthy();
        make_short(&mut periods[20..], 64);
        let got = validity(&periods, &readings, &scenario(&["list"]));
        assert!(got.valid, "{got:?}");
        assert_eq!(outcome(&got, "sent / asked"), CheckOutcome::Strained);
        make_short(&mut periods[20..], 9);
        assert!(!validity(&periods, &readings, &scenario(&["list"])).valid);
    }

    /// Of 100 hits of each period, `n` end without having been sent, with this kind of failure.
    fn block(periods: &mut [LoadPeriod], kind: Failure, n: u32) {
        for p in periods {
            p.sent = u64::from(100 - n);
            let r = &mut p.requests[0];
            (r.passed, r.failed[kind as usize]) = (p.sent, u64::from(n));
            r.service = crate::run::period::new_latency();
            r.service.record_n(2_000_000, 100 - n).expect("in range");
        }
    }

    #[test]
    fn who_refuses_connections_is_the_target() {
        let (mut periods, mut readings) = healthy();
        block(&mut periods[20..], Failure::Connect, 100);
        let judge = |periods: &[LoadPeriod], readings: &GeneratorReadings| {
            let got = validity(periods, readings, &scenario(&["list"]));
            (got.valid, outcome(&got, SENT), got.checks[0].remedy.clone())
        };
        let (valid, outcome, says) = judge(&periods, &readings);
        assert!(valid && outcome == CheckOutcome::Strained, "{says}");
        assert!(
            says.starts_with("2,000 arrivals could not connect: the target or the network refused"),
            "{says}"
        );
        // A limit of this machine is not the target's.
        readings.shortage = Some("connecting failed: Cannot assign requested address (os error 99)".into());
        let (valid, outcome, says) = judge(&periods, &readings);
        assert!(!valid && outcome == CheckOutcome::Failed && says.contains("os error 99"), "{says}");
        // Nor is a generator that is late.
        readings.shortage = None;
        make_late(&mut periods[10..]);
        assert!(!judge(&periods, &readings).0);
    }

    #[test]
    fn what_never_had_its_turn_was_not_refused() {
        let (mut periods, readings) = healthy();
        block(&mut periods[20..], Failure::Timeout, 60);
        block(&mut periods[..20], Failure::Data, 3);
        let got = validity(&periods, &readings, &scenario(&["list"]));
        let says = &got.checks[0].remedy;
        assert!(got.valid && says.starts_with("1,200 arrivals could not connect"), "{says}");
        assert!(says.contains("; 60 arrivals had no record of a feeder"), "{says}");
        block(&mut periods[20..], Failure::Unsent, 60);
        assert!(!validity(&periods, &readings, &scenario(&["list"])).valid);
    }

    #[test]
    fn errors_of_the_system_tell_whose_limit_it_was() {
        for own in ["connecting failed: Too many open files (os error 24)", "x (os error 99)"] {
            assert!(is_own_shortage(own), "{own}");
        }
        for others in ["connecting failed: Connection refused (os error 111)", "name look-up failed", ""] {
            assert!(!is_own_shortage(others), "{others}");
        }
    }

    #[test]
    fn one_late_period_is_a_hiccup_and_three_are_not() {
        let (mut periods, readings) = healthy();
        make_late(&mut periods[5..6]);
        assert_eq!(
            outcome(&validity(&periods, &readings, &scenario(&["a"])), "late periods"),
            CheckOutcome::Passed
        );
        let short = validity(&periods[..10], &readings, &scenario(&["a"]));
        assert_eq!(outcome(&short, "late periods"), CheckOutcome::Strained, "1 of 10");
        assert!(short.valid);
        make_late(&mut periods[8..10]);
        assert!(!validity(&periods, &readings, &scenario(&["a"])).valid);
    }

    #[test]
    fn a_full_core_fails_and_shared_machines_strain() {
        let (periods, mut readings) = healthy();
        for r in &mut readings.periods {
            (r.run_delay_nanos, r.steal) = (Some(200_000_000), Some(0.2));
        }
        let got = validity(&periods, &readings, &scenario(&["a"]));
        assert!(got.valid);
        assert_eq!(outcome(&got, "CPU time stolen by the hypervisor"), CheckOutcome::Strained);
        for r in &mut readings.periods[..10] {
            r.busiest_cpu_nanos = Some(990_000_000);
        }
        assert!(!validity(&periods, &readings, &scenario(&["a"])).valid);
        readings.periods.truncate(40);
        readings.periods.iter_mut().for_each(|r| (r.busiest_cpu_nanos, r.fds) = (Some(1), Some(1000)));
        assert!(!validity(&periods, &readings, &scenario(&["a"])).valid, "descriptors");
    }
}
