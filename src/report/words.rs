//! Words for the enums of an analysis: one label and one plain definition each.

use crate::analysis::{
    BaselineOutcome, CauseKind, Caveat, CheckOutcome, ConfirmationOutcome, ReadingKind, State, Verdict,
};

use super::quantity;

/// Label of a state in tables and charts.
pub(crate) const fn state(state: State) -> &'static str {
    match state {
        State::ClientQueue => "generator queue",
        State::ClientConnect => "connecting",
        State::ClientTransfer => "sending and receiving",
        State::Unread => "sent, not yet read",
        State::Cpu => "on CPU",
        State::RunQueue => "waiting for a CPU",
        State::Lock => "waiting for a lock",
        State::ChannelSend => "channel send",
        State::ChannelReceive => "channel receive",
        State::Select => "select",
        State::Sync => "synchronisation",
        State::ConnectionPool => "connection pool",
        State::Dial => "opening a connection",
        State::Downstream => "downstream call",
        State::Database => "database",
        State::Cache => "cache",
        State::Network => "network",
        State::Syscall => "system call",
        State::Sleep => "sleep",
        State::GarbageCollection => "garbage collection",
        State::Handler => "in handlers",
        State::OtherWait => "other wait",
        State::Unattributed => "unattributed",
    }
}

/// Label of a reading of a service's machine.
pub(crate) const fn reading(kind: ReadingKind) -> &'static str {
    match kind {
        ReadingKind::CoresUsed => "cores in use",
        ReadingKind::Cores => "cores that it may run on",
        ReadingKind::CoresBusy => "of these busy, whoever uses them",
        ReadingKind::TasksWaiting => "threads ready and waiting for a core, on average",
        ReadingKind::CpuQuota => "cores that the control group may use",
        ReadingKind::ThrottledPeriods => "share of the quota's periods in which it had to stop",
        ReadingKind::Stopped => "share of the time of its cores in which it was stopped",
        ReadingKind::CpuPressure => "share of the time in which a task of the group waited for a CPU",
        ReadingKind::MemoryPressure => "share of the time in which a task of the group waited for memory",
        ReadingKind::IoPressure => "share of the time in which a task of the group waited for a disk",
        ReadingKind::ResidentMemory => "resident memory",
        ReadingKind::MemoryLimit => "the same, of what its control group may use",
        ReadingKind::Threads => "threads",
        ReadingKind::OpenFds => "open descriptors",
        ReadingKind::FdLimit => "the same, of how many it may open",
        ReadingKind::AcceptQueue => "connections waiting to be accepted",
        ReadingKind::ListenOverflows => "connections lost because the accept queue was full",
        ReadingKind::Retransmits => "TCP segments sent again",
    }
}

/// What a state means.
pub(crate) const fn state_means(state: State) -> &'static str {
    match state {
        State::ClientQueue => {
            "time in the load generator before sending: late, or waiting for a free connection"
        }
        State::ClientConnect => "name look-up, TCP connect and TLS handshake, seen by the generator",
        State::ClientTransfer => "writing the request and reading the answer, seen by the generator",
        State::Unread => {
            "the request has arrived at the machine of the service, which has not read it yet: it is short of CPU"
        }
        State::Cpu => "executing instructions",
        State::RunQueue => "ready to run, but every CPU it may use is busy",
        State::Lock => "blocked until another part of the program releases a mutex",
        State::ChannelSend => "blocked handing a value over on a channel, for example until a worker is free",
        State::ChannelReceive => "blocked until a value arrives on a channel, for example a worker's result",
        State::Select => "blocked in a select over several channels",
        State::Sync => "blocked on a condition variable, wait group or semaphore",
        State::ConnectionPool => "waiting for a free connection of a pool",
        State::Dial => "opening a connection to another service, a database or a cache",
        State::Downstream => "waiting for another service's answer over HTTP or gRPC",
        State::Database => "waiting for a database's answer",
        State::Cache => "waiting for a cache's answer",
        State::Network => "waiting for the network, for what is not known",
        State::Syscall => "inside a system call, for example reading a file",
        State::Sleep => "sleeping on purpose",
        State::GarbageCollection => "helping the garbage collector, or stopped by it",
        State::Handler => {
            "in the service's handlers by its own count of request durations, beyond what other rows have of it"
        }
        State::OtherWait => "waiting, for what is not known",
        State::Unattributed => {
            "measured time that no row explains; negative if the rows explain more than was measured"
        }
    }
}

/// Colour of a state in charts: one hue per family (generator greys, CPU oranges, locks reds, channels
/// purples, other services blues and greens), so that a picture reads alike in every report.
pub(crate) const fn state_colour(state: State) -> &'static str {
    match state {
        State::ClientQueue => "#7f7f7f",
        State::ClientConnect => "#a3a3a3",
        State::ClientTransfer => "#c7c7c7",
        State::Unread => "#d9a066",
        State::Cpu => "#f28e2b",
        State::RunQueue => "#a0722a",
        State::Lock => "#d62728",
        State::ChannelSend => "#9467bd",
        State::ChannelReceive => "#c5b0d5",
        State::Select => "#b07aa1",
        State::Sync => "#e377c2",
        State::ConnectionPool => "#8c564b",
        State::Dial => "#aec7e8",
        State::Downstream => "#1f77b4",
        State::Database => "#2ca02c",
        State::Cache => "#86bc86",
        State::Network => "#9ecae1",
        State::Syscall => "#bcbd22",
        State::Sleep => "#59a4a9",
        State::GarbageCollection => "#edc948",
        State::Handler => "#6b8e9f",
        State::OtherWait => "#4e4e6a",
        State::Unattributed => "#ffffff",
    }
}

/// The verdict in capitals.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "HEALTHY",
        Verdict::Confirmed => "CONFIRMED",
        Verdict::Strong => "STRONG",
        Verdict::Likely => "LIKELY",
        Verdict::Refuted => "REFUTED",
        Verdict::Mechanism => "MECHANISM",
        Verdict::Load => "LOAD",
        Verdict::Mix => "MIX",
        Verdict::Generator => "GENERATOR",
        Verdict::Failing => "FAILING",
        Verdict::NotFound => "NOT FOUND",
    }
}

/// What the verdict claims, and no more.
pub(crate) const fn verdict_means(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "nothing went wrong in this run, so there is nothing to explain",
        Verdict::Confirmed => "root cause: an intervention took away the time that this cause predicts",
        Verdict::Strong => "very likely this: two kinds of evidence agree and the times add up",
        Verdict::Likely => "probably this, but the evidence does not rule out every rival",
        Verdict::Refuted => {
            "an intervention did not take away the time that the named cause predicts: it is not the cause, or the \
             intervention does not reach it"
        }
        Verdict::Mechanism => "what requests wait for is known, who is to blame is not",
        Verdict::Load => "not the service: more load was offered, and each request costs what it did",
        Verdict::Mix => "not the service: the mix of requests changed, and each kind costs what it did",
        Verdict::Generator => "the load generator was the limit, so this run says nothing about the target",
        Verdict::Failing => "requests failed, and how long they took is not what went wrong",
        Verdict::NotFound => "something went wrong, and no cause could be shown",
    }
}

/// What an intervention showed, in capitals.
pub(crate) const fn confirmation(outcome: ConfirmationOutcome) -> &'static str {
    match outcome {
        ConfirmationOutcome::Confirmed => "CONFIRMED",
        ConfirmationOutcome::Partly => "PARTLY",
        ConfirmationOutcome::Beyond => "BEYOND",
        ConfirmationOutcome::Refuted => "REFUTED",
        ConfirmationOutcome::Inconclusive => "INCONCLUSIVE",
        ConfirmationOutcome::NotReproduced => "NOT REPRODUCED",
        ConfirmationOutcome::Failing => "FAILING",
        ConfirmationOutcome::Invalid => "INVALID",
    }
}

/// What an outcome claims.
pub(crate) const fn confirmation_means(outcome: ConfirmationOutcome) -> &'static str {
    match outcome {
        ConfirmationOutcome::Confirmed => "it took away the time that the cause predicts",
        ConfirmationOutcome::Partly => {
            "it took away something, but less than half of what the cause predicts"
        }
        ConfirmationOutcome::Beyond => {
            "it took away more than the cause predicts: it changes something else besides, or the prediction is too low"
        }
        ConfirmationOutcome::Refuted => "it took away less than half of what the cause predicts",
        ConfirmationOutcome::Inconclusive => "the windows differ too much among themselves to say",
        ConfirmationOutcome::NotReproduced => "the trouble was not there, so nothing could be taken away",
        ConfirmationOutcome::Failing => {
            "requests failed while it was applied, so their times are no measure: it is no cure"
        }
        ConfirmationOutcome::Invalid => "the generator was the limit, so nothing is said",
    }
}

/// A kind of cause in words.
pub(crate) const fn cause(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Cpu => "CPU time",
        CauseKind::Lock => "lock held too long",
        CauseKind::Pool => "pool too small for its work",
        CauseKind::Downstream => "slow downstream service",
        CauseKind::Database => "slow database",
        CauseKind::Cache => "slow cache",
        CauseKind::Allocation => "allocation",
        CauseKind::MemoryLeak => "memory that is kept",
        CauseKind::GoroutineLeak => "goroutine leak",
        CauseKind::Wait => "wait",
        CauseKind::CpuSaturation => "CPUs saturated",
        CauseKind::Connect => "connecting",
        CauseKind::CpuLimit => "limit of the control group",
        CauseKind::Neighbour => "other processes on the machine",
        CauseKind::Network => "the way between two services",
        CauseKind::Disk => "writes that wait for a disk",
        CauseKind::Retry => "calls made again",
        CauseKind::BlockedWorker => "blocking call on an asynchronous worker",
        CauseKind::Span => "time inside a span",
    }
}

/// Outcome of a check of the generator.
pub(crate) const fn check(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Strained => "**strained**",
        CheckOutcome::Failed => "**failed**",
        CheckOutcome::Unknown => "could not be read",
    }
}

/// Outcome of a comparison with the baseline.
pub(crate) const fn baseline(outcome: BaselineOutcome) -> &'static str {
    match outcome {
        BaselineOutcome::Same => "same",
        BaselineOutcome::Regressed => "**worse**",
        BaselineOutcome::Improved => "better",
        BaselineOutcome::Inconclusive => "too few samples to say",
    }
}

/// A failure kind of the load engine in words; unknown ones as they are.
pub(crate) fn failure(kind: &str) -> &str {
    match kind {
        "dns" => "name not resolved",
        "connect" => "connection refused, reset or unreachable",
        "tls" => "TLS handshake failed",
        "timeout" => "not done within the time limit",
        "closed" => "connection closed before the answer was whole",
        "protocol" => "answer was not HTTP, or too large",
        "status" => "unexpected status",
        "body" => "unexpected body",
        "check" => "a named check did not hold",
        "extract" => "a value that later steps need was not in the answer",
        "data" => "no record of a feeder, or a value missing in it",
        "redirect" => "too many redirects, or one to another origin",
        "unsent" => "never sent: the run ended while it waited for a connection",
        other => other,
    }
}

/// A client phase in words, with its place in the order of things; unknown ones come last.
pub(crate) fn phase(name: &str) -> (usize, &str) {
    match name {
        "queue" => (0, "waiting in the generator"),
        "dns" => (1, "name look-up"),
        "connect" => (2, "TCP connect"),
        "tls" => (3, "TLS handshake"),
        "send" => (4, "writing the request"),
        "wait" => (5, "waiting for the first byte"),
        "receive" => (6, "first byte to last byte"),
        other => (7, other),
    }
}

/// One honest sentence per doubt. Plain text: the caller escapes it.
pub(crate) fn caveat(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Partial { why } => {
            format!("The record is cut off ({why}): figures cover only what was recorded.")
        }
        Caveat::CollectorLost { service, collector, problem, times } => format!(
            "The collector {collector} of {service} lost evidence {}: {problem}. Nothing is concluded from its \
             silence.",
            if *times == 1 { "once".to_owned() } else { format!("{} times", quantity::count(*times)) }
        ),
        Caveat::BooksOpen { explained, measured } => format!(
            "The books do not close: the rows add up to {} of a measured mean of {} per request, more than 10 % \
             apart. Shares may be off by as much.",
            quantity::duration(*explained as f64),
            quantity::duration(*measured as f64)
        ),
        Caveat::TooFewSamples { what, found, needed } => format!(
            "Too few {what}: {} found, {} needed for an interval. Values that rest on them are rough.",
            quantity::count(*found),
            quantity::count(*needed)
        ),
        Caveat::NoReference => {
            "There was no healthy part at the same rate to compare with: the level of the \
             latency is explained, not a change."
                .into()
        }
        Caveat::ShortReference { nanos } => format!(
            "The trouble began early: only {} of healthy load serve as the reference.",
            quantity::duration(*nanos as f64)
        ),
        Caveat::Insensitive { series, factor } => format!(
            "Latency was too unsteady, or the run too short, to tell small changes: only a {series} of more than {} times \
             its level would have been called an anomaly. A longer run, or a baseline, sees more.",
            quantity::number(*factor)
        ),
        Caveat::GeneratorStrained { what } => {
            format!("The load generator was near its limit ({what}): part of the latency may be its own.")
        }
        Caveat::CapturesInWindow { count } => format!(
            "{} under load in the judged window; taking one slows the target for its seconds.",
            if *count == 1 {
                "One capture was taken".to_owned()
            } else {
                format!("{} captures were taken", quantity::count(*count))
            }
        ),
        Caveat::Saturated { what } => format!(
            "{what} is saturated and the queue grew without bound: milliseconds depend on how long the run went \
             on, the limit itself is the finding."
        ),
        Caveat::InStep { rate } => format!(
            "Even arrivals at {} kept step with the samples of CPU profiles: CPU time per function may be wrong \
             several times over. Leave out load.arrivals, or write arrivals = \"jittered\".",
            quantity::rate(*rate)
        ),
        Caveat::UnlikeRuns { what } => {
            format!("This run and its baseline differ in a setting ({what}): a change may come from that.")
        }
        Caveat::TeardownFailed { request, problem } => format!(
            "The teardown request {request} failed ({problem}): what this run made at the target may still be there."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_doubt_is_one_sentence_or_two_on_one_line() {
        let text = || "the reason".to_owned();
        let all = [
            Caveat::Partial { why: text() },
            Caveat::CollectorLost { service: text(), collector: text(), problem: text(), times: 1 },
            Caveat::BooksOpen { explained: 5_000_000, measured: 9_000_000 },
            Caveat::TooFewSamples { what: "snapshots".into(), found: 3, needed: 30 },
            Caveat::NoReference,
            Caveat::ShortReference { nanos: 2_000_000_000 },
            Caveat::Insensitive { series: "p50".into(), factor: 7.5 },
            Caveat::GeneratorStrained { what: text() },
            Caveat::CapturesInWindow { count: 1 },
            Caveat::Saturated { what: text() },
            Caveat::InStep { rate: 500.0 },
            Caveat::UnlikeRuns { what: text() },
            Caveat::TeardownFailed { request: text(), problem: text() },
        ];
        for doubt in &all {
            let sentence = caveat(doubt);
            assert!(sentence.ends_with('.') && !sentence.contains(['\n', '`']), "{sentence}");
            assert!(!sentence.contains("  "), "{sentence}");
        }
        assert!(caveat(&all[2]).contains("add up to 5.00 ms of a measured mean of 9.00 ms"));
    }
}
