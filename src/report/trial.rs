//! What would confirm a cause: the intervention to try, and what it should do.

use serde::Serialize;

use crate::analysis::{Analysis, Cause, CauseKind, Caveat};

use super::{confirmation, quantity};

/// An intervention that a user can make, for `loadprof confirm`.
#[derive(Serialize)]
pub(super) struct Trial {
    /// What the command takes away.
    take: &'static str,
    /// The command.
    command: String,
    /// What should happen.
    predicts: String,
}

/// The trial of a cause; none where none decides anything, or one has decided.
pub(super) fn of(a: &Analysis, number: usize, cause: &Cause) -> Option<Trial> {
    let open = a.verdict.names_by_evidence() && confirmation::of(a, cause).is_none();
    // What a queue without a bound grows to is repeated by no window of a few seconds (docs/confirm.md, limits).
    let bounded = !a.caveats.iter().any(|c| matches!(c, Caveat::Saturated { .. }));
    let take = take(cause.kind).filter(|_| open && bounded && cause.explains.value > 0)?;
    let which = if number > 1 { format!(" --cause {number}") } else { String::new() };
    Some(Trial {
        take,
        command: format!("loadprof confirm RUN{which} --apply COMMAND --revert COMMAND"),
        predicts: quantity::estimate(cause.explains),
    })
}

/// None of leaks: what they left is gone with the restart, and comes back slowly.
const fn take(kind: CauseKind) -> Option<&'static str> {
    Some(match kind {
        CauseKind::Cpu => "switches that work off, or brings the version from before it",
        CauseKind::Lock => "takes that work out of the lock, or switches it off",
        CauseKind::Pool => "makes the pool larger",
        CauseKind::Downstream => "switches that call off, or answers it from a cache",
        CauseKind::Database => "takes that wait away, as the remedy above has it",
        CauseKind::Cache => "takes that wait away: a smaller value, another command, fewer calls",
        CauseKind::Allocation => "uses the memory again, or switches that work off",
        CauseKind::MemoryLeak | CauseKind::GoroutineLeak => return None,
        CauseKind::Wait => "switches that wait off",
        CauseKind::CpuSaturation => "gives the service more cores",
        CauseKind::Connect => "keeps connections open",
        CauseKind::CpuLimit => "raises the quota",
        CauseKind::Neighbour => "stops those processes, or moves them to other cores",
        CauseKind::Network => "takes another way to that service",
        CauseKind::Disk => "writes in the background, or to a faster disk",
        CauseKind::Retry => "makes the called service answer, or leaves out the further attempts",
        CauseKind::BlockedWorker => "moves the blocking call off the workers",
        CauseKind::Span => "switches off what that span does",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Verdict;
    use crate::report::golden::load;

    #[test]
    fn a_trial_is_told_while_it_can_decide() {
        let mut a = load("go-lock").0;
        let cause = a.causes[0].clone();
        let first = of(&a, 1, &cause).expect("a trial");
        assert_eq!(first.command, "loadprof confirm RUN --apply COMMAND --revert COMMAND");
        assert_eq!(first.predicts, "171 ms (163 to 179)");
        assert!(of(&a, 2, &cause).expect("a trial").command.contains(" --cause 2 "));
        let leak = Cause { kind: CauseKind::MemoryLeak, ..cause.clone() };
        assert!(of(&a, 1, &leak).is_none(), "no few seconds repeat it");
        a.verdict = Verdict::Mechanism;
        assert!(of(&a, 1, &cause).is_none(), "`confirm` takes STRONG and LIKELY only");
        let tried = load("confirmed").0;
        assert!(of(&tried, 1, &tried.causes[0]).is_none(), "it is decided");
    }
}
