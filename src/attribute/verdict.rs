//! How much may be said: from the candidates to a verdict.

use super::blame::Candidate;
use super::books::Line;
use super::measure::Measured;
use crate::analysis::{CauseKind, Verdict};

/// A cause stands out if it explains this many times what the next one does.
const STANDS_OUT: f64 = 2.0;
/// Part of the change that a verdict of [`Verdict::Strong`] must explain.
const MOST: f64 = 0.5;
/// Part of the change that may stay unexplained for a verdict of [`Verdict::Strong`].
const OPEN: f64 = 0.35;

/// What is judged.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// Candidates, the one that explains most first.
    pub candidates: &'a [Candidate],
    /// Change of the mean response time, or its level.
    pub change: Measured,
    /// Part of it that no row explains.
    pub rest: &'a Line,
    /// Changes below this are noise.
    pub floor: f64,
    /// Whether a growth of goroutines is what went wrong.
    pub growth: bool,
    /// Whether the queue still grew: milliseconds then say little.
    pub saturated: bool,
    /// Change of the offered rate as a share.
    pub load_change: f64,
    /// Part of the change that a change of the mix explains.
    pub mix: f64,
}

/// The verdict and how many of the candidates it names.
pub(super) fn judge(q: &Question) -> (Verdict, usize) {
    if q.growth && q.candidates.first().is_some_and(|c| c.kind == CauseKind::GoroutineLeak) {
        return (Verdict::Strong, 1);
    }
    if q.mix.abs() > 0.5 * q.change.value.abs() && q.mix.abs() > q.floor {
        return (Verdict::Mix, 0);
    }
    if q.load_change > 0.1 && !q.candidates.iter().any(|c| explains_enough(q, c)) {
        return (Verdict::Load, 0);
    }
    let Some(first) = q.candidates.first().filter(|c| explains_enough(q, c)) else {
        return (Verdict::NotFound, 0);
    };
    if !first.owned {
        return (Verdict::Mechanism, 1);
    }
    let second = q.candidates.get(1).map_or(0.0, |c| c.explains.value);
    let stands_out = first.explains.value >= STANDS_OUT * second;
    let closed = q.saturated || q.rest.change().value.abs() <= OPEN * q.change.value.abs().max(q.floor);
    let most = q.saturated || first.explains.value >= MOST * q.change.value;
    if stands_out && most && closed && first.tiers() >= 2 && !first.unsure {
        return (Verdict::Strong, 1);
    }
    let tied = q
        .candidates
        .iter()
        .take(3)
        .filter(|c| c.explains.high() >= first.explains.low() && explains_enough(q, c))
        .count();
    (Verdict::Likely, tied.max(1))
}

/// Beyond noise, and a part of the whole that is worth naming.
fn explains_enough(q: &Question, c: &Candidate) -> bool {
    c.explains.low() > q.floor && c.explains.value >= 0.25 * q.change.value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Evidence, State};

    fn candidate(at: &str, ms: f64, tiers: &[&str]) -> Candidate {
        Candidate {
            kind: CauseKind::Lock,
            at: at.into(),
            doing: String::new(),
            service: "shop".into(),
            explains: Measured::new(ms * 1e6, 0.05e6),
            mechanism: String::new(),
            remedy: String::new(),
            evidence: tiers
                .iter()
                .map(|t| Evidence { tier: (*t).into(), says: String::new(), path: None })
                .collect(),
            owned: true,
            unsure: false,
        }
    }

    fn verdict(candidates: &[Candidate], change_ms: f64, rest_ms: f64) -> (Verdict, usize) {
        let rest = Line {
            state: State::Unattributed,
            at: String::new(),
            reference: Some(Measured::default()),
            judged: Measured::new(rest_ms * 1e6, 0.0),
        };
        judge(&Question {
            candidates,
            change: Measured::new(change_ms * 1e6, 0.05e6),
            rest: &rest,
            floor: 0.1e6,
            growth: false,
            saturated: false,
            load_change: 0.0,
            mix: 0.0,
        })
    }

    #[test]
    fn strong_needs_a_lead_two_witnesses_and_closed_books() {
        let two = ["snapshots", "mutex"];
        let lead = [candidate("a", 8.0, &two), candidate("b", 1.0, &two)];
        assert_eq!(verdict(&lead, 10.0, 1.0), (Verdict::Strong, 1));
        assert_eq!(verdict(&[candidate("a", 8.0, &["snapshots"])], 10.0, 1.0), (Verdict::Likely, 1));
        assert_eq!(verdict(&lead, 16.0, 7.0).0, Verdict::Likely, "open books");
        assert_eq!(verdict(&[candidate("a", 4.5, &two)], 10.0, 1.0).0, Verdict::Likely, "less than half");
        let tied = [candidate("a", 4.0, &two), candidate("b", 4.0, &two), candidate("c", 1.0, &two)];
        assert_eq!(verdict(&tied, 10.0, 1.0), (Verdict::Likely, 2));
    }

    #[test]
    fn little_is_not_a_cause() {
        let two = ["snapshots", "mutex"];
        assert_eq!(verdict(&[candidate("a", 0.12, &two)], 10.0, 9.0), (Verdict::NotFound, 0));
        assert_eq!(verdict(&[], 10.0, 10.0), (Verdict::NotFound, 0));
        let mut ownerless = candidate("a", 8.0, &two);
        ownerless.owned = false;
        assert_eq!(verdict(&[ownerless], 10.0, 1.0), (Verdict::Mechanism, 1));
    }
}
