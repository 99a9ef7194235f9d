//! Exit codes: one number for whoever only looks at that.

use crate::analysis::{BaselineComparison, ConfirmationOutcome, Expectation, ThresholdResult, Validity};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to complain about.
    Pass,
    /// An error that is nobody's verdict: a full disk, a bug.
    Unexpected,
    /// Bad scenario or usage; no load was sent.
    Usage,
    /// The run says nothing about the target: the generator was the limit, or the comparison that was asked
    /// for could not be made.
    Invalid,
    /// Worse than the baseline.
    Regression,
    /// Another cause than `[expect]` names, or none; or an intervention did not confirm the cause it was tried on.
    OtherCause,
    /// A threshold failed (k6's code, which scripts look for).
    Threshold,
    /// Stopped by a signal; the report was still written.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Invalid => 10,
            Self::Regression => 11,
            Self::OtherCause => 12,
            Self::Threshold => 99,
            Self::Interrupted => 130,
        }
    }
}

/// What the exit code is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Outcomes<'a> {
    /// Whether the run was stopped by a signal.
    pub interrupted: bool,
    /// Health of the measurement.
    pub validity: &'a Validity,
    /// Thresholds.
    pub thresholds: &'a [ThresholdResult],
    /// Comparison, if one was asked for.
    pub baseline: Option<&'a BaselineComparison>,
    /// Expected cause, if there is one.
    pub expectation: Option<&'a Expectation>,
}

/// The code of a run, strongest claim first:
///
/// 1. interrupted: everything below would speak of a part of the run;
/// 2. invalid: figures of a run in which the generator was the limit pass or fail nothing;
/// 3. threshold: an absolute promise is broken, however the baseline did;
/// 4. regression;
/// 5. invalid once more: a comparison was asked for and no row could be compared, so there is no pass;
/// 6. expectation: about the explanation, not about the service, hence last.
#[must_use]
pub fn exit_code(outcomes: &Outcomes<'_>) -> Exit {
    if outcomes.interrupted {
        Exit::Interrupted
    } else if !outcomes.validity.valid {
        Exit::Invalid
    } else if outcomes.thresholds.iter().any(|t| !t.passed) {
        Exit::Threshold
    } else if outcomes.baseline.is_some_and(|b| b.regressed) {
        Exit::Regression
    } else if outcomes.baseline.is_some_and(|b| b.incomparable.is_some()) {
        Exit::Invalid
    } else if outcomes.expectation.is_some_and(|e| !e.met) {
        Exit::OtherCause
    } else {
        Exit::Pass
    }
}

/// The code of an intervention: a decision for or against the cause, or none.
#[must_use]
pub const fn confirmation_exit(outcome: ConfirmationOutcome) -> Exit {
    use ConfirmationOutcome::{
        Beyond, Confirmed, Failing, Inconclusive, Invalid, NotReproduced, Partly, Refuted,
    };
    match outcome {
        Confirmed => Exit::Pass,
        Partly | Beyond | Refuted => Exit::OtherCause,
        Inconclusive | NotReproduced | Failing | Invalid => Exit::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{BaselineOutcome, Unit};

    #[test]
    fn the_strongest_claim_decides() {
        use BaselineOutcome::{Inconclusive, Regressed, Same};
        let threshold = |passed| ThresholdResult {
            metric: "p95".into(),
            request: None,
            limit: 1.0,
            value: None,
            unit: Unit::Nanoseconds,
            passed,
        };
        let baseline = |outcome: BaselineOutcome| BaselineComparison {
            path: String::new(),
            run_id: String::new(),
            regressed: outcome == Regressed,
            rows: Vec::new(),
            incomparable: (outcome == Inconclusive).then(|| "too few samples".into()),
        };
        let code = |interrupted, valid, held, outcome: Option<BaselineOutcome>, met| {
            let (validity, thresholds) = (Validity { valid, checks: Vec::new() }, [threshold(held)]);
            let (baseline, expectation) =
                (outcome.map(baseline), Expectation { cause: "lock".into(), at: None, met });
            exit_code(&Outcomes {
                interrupted,
                validity: &validity,
                thresholds: &thresholds,
                baseline: baseline.as_ref(),
                expectation: Some(&expectation),
            })
            .code()
        };
        assert_eq!(code(true, false, false, Some(Regressed), false), 130);
        assert_eq!(code(false, false, false, Some(Regressed), false), 10);
        assert_eq!(code(false, true, false, Some(Regressed), false), 99);
        assert_eq!(code(false, true, true, Some(Regressed), false), 11);
        assert_eq!(code(false, true, true, Some(Inconclusive), false), 10);
        assert_eq!(code(false, true, true, Some(Same), false), 12);
        assert_eq!(code(false, true, true, Some(Same), true), 0);
        assert_eq!(code(false, true, true, None, true), 0);
        assert_eq!((Exit::Unexpected.code(), Exit::Usage.code()), (1, 2));
    }
}
