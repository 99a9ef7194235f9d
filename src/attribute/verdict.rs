//! How much may be said: from the candidates to a verdict.

use super::blame::{Candidate, LOADED};
use super::books::Line;
use super::measure::Measured;
use crate::analysis::{CauseKind, LEADING_SHARE, Verdict};

/// A cause stands out if it explains this many times what the next one does.
const STANDS_OUT: f64 = 2.0;
/// Part of the change that a verdict of [`Verdict::Strong`] must explain.
const MOST: f64 = 0.5;
/// Part of the change that may stay unexplained for a verdict of [`Verdict::Strong`].
const OPEN: f64 = 0.35;

/// What a cause may explain at the most, for each part of the change that there is.
const BEYOND: f64 = 1.25;
/// Part of the change that a smaller cause must explain to be named beside the first.
const BESIDES: f64 = 0.1;
/// What a cause that stands out and smaller ones beside it may explain together, for each part of the change that there is.
const ROOM: f64 = 1.1;
/// Causes that are named at once.
const SEVERAL: usize = 3;

/// What is judged.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// Candidates, the one that explains most first.
    pub candidates: &'a [Candidate],
    /// Change of the mean response time, or its level.
    pub change: Measured,
    /// Part of it that no row explains.
    pub rest: &'a Line,
    /// Mean response time of the reference and of the judged part.
    pub means: (f64, f64),
    /// Changes below this are noise.
    pub floor: f64,
    /// Whether a growth of goroutines is what went wrong.
    pub growth: bool,
    /// Whether the queue still grew: milliseconds then say little.
    pub saturated: bool,
    /// Part of the change that requests spend in the generator's queue.
    pub queued: f64,
    /// Growth of the waits for a CPU that no work of the service is to blame for.
    pub unowned: f64,
    /// Change of the offered rate as a share.
    pub load_change: f64,
    /// Part of the change that a change of the mix explains.
    pub mix: f64,
}

/// The verdict and the places of the candidates it names.
pub(super) fn judge(q: &Question) -> (Verdict, Vec<usize>) {
    if q.growth && q.candidates.first().is_some_and(|c| c.kind == CauseKind::GoroutineLeak) {
        return (Verdict::Strong, vec![0]);
    }
    if q.mix.abs() > 0.5 * q.change.value.abs() && q.mix.abs() > q.floor {
        return (Verdict::Mix, Vec::new());
    }
    // More load makes every queue longer: only who is known to be waited for is to blame besides.
    let known = |c: &Candidate| c.owned || c.kind == CauseKind::BlockedWorker;
    if q.load_change > LOADED && !q.candidates.iter().any(|c| known(c) && explains_enough(q, c)) {
        return (Verdict::Load, Vec::new());
    }
    let leads = |c: &&Candidate| q.saturated || !slower_too(q, c);
    let Some(first) = q.candidates.first().filter(|c| explains_enough(q, c)).filter(leads) else {
        return (Verdict::NotFound, Vec::new());
    };
    // More than there is: requests are counted several times, as where one process plays several services.
    let impossible = !q.saturated && first.explains.low() > BEYOND * q.change.high();
    if !first.owned || impossible {
        return (Verdict::Mechanism, vec![0]);
    }
    let second = q.candidates.get(1).map_or(0.0, |c| c.explains.value);
    let stands_out = first.explains.value >= STANDS_OUT * second;
    let most = first.explains.value >= MOST * whole(q);
    if stands_out && most && closed(q) && first.tiers() >= 2 && !first.unsure {
        return (Verdict::Strong, [0].into_iter().chain(besides(q, first)).take(SEVERAL).collect());
    }
    let named = |c: &&Candidate| c.owned && (explains_enough(q, c) || adds(q, c));
    let several = q.candidates.iter().take(SEVERAL).take_while(named).count().max(1);
    let places = (0..several).filter(|&i| i == 0 || !slower_too(q, &q.candidates[i]));
    (Verdict::Likely, places.collect())
}

/// Most of it is the machine's, and what is seen from one side only is slower on such a machine, too.
fn slower_too(q: &Question, c: &Candidate) -> bool {
    let machine = matches!(c.kind, CauseKind::Neighbour | CauseKind::CpuLimit);
    c.unsure && !machine && c.explains.value < q.unowned
}

/// Places of the smaller causes beside one that stands out. Beyond the whole there is only what follows from it.
fn besides(q: &Question, first: &Candidate) -> impl Iterator<Item = usize> {
    let mut left = ROOM * whole(q) - first.explains.value;
    let smaller = q.candidates.iter().enumerate().skip(1).filter(|(_, c)| adds(q, c));
    smaller.map_while(move |(i, c)| {
        left -= c.explains.value;
        (left >= 0.0).then_some(i)
    })
}

/// Whether the rows add up: to the change, and on each side to nothing that contradicts it. Equal errors on both sides
/// would cancel in the change.
fn closed(q: &Question) -> bool {
    let fits = |rest: Measured, scale: f64| rest.value.abs() <= OPEN * scale.max(whole(q).abs());
    let (before, now) = q.means;
    fits(q.rest.change(), 0.0) && fits(q.rest.judged, now) && q.rest.reference.is_none_or(|r| fits(r, before))
}

/// Beyond noise, and a part of the whole that is worth naming.
fn explains_enough(q: &Question, c: &Candidate) -> bool {
    c.explains.low() > q.floor && c.explains.value >= LEADING_SHARE * whole(q)
}

/// A smaller cause beside the first: beyond noise, sure of itself, and not so small that nobody would ask for it.
fn adds(q: &Question, c: &Candidate) -> bool {
    let sure = c.owned && !c.unsure && c.tiers() >= 2;
    sure && c.explains.low() > q.floor && c.explains.value >= BESIDES * whole(q)
}

/// The change that is to be explained. A queue that grows without bound grows with the time that is looked at, and belongs
/// to whatever the requests before it wait for.
fn whole(q: &Question) -> f64 {
    let queued = if q.saturated { q.queued.max(0.0) } else { 0.0 };
    let left = q.change.value - queued;
    if left.abs() > q.floor { left } else { q.floor.copysign(left) }
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
            more_calls: false,
        }
    }

    /// 10 ms more than 2 ms.
    fn question<'a>(candidates: &'a [Candidate], rest: &'a Line) -> Question<'a> {
        Question {
            candidates,
            change: Measured::new(10e6, 0.05e6),
            rest,
            means: (2e6, 12e6),
            floor: 0.1e6,
            growth: false,
            saturated: false,
            queued: 0.0,
            unowned: 0.0,
            load_change: 0.0,
            mix: 0.0,
        }
    }

    fn verdict(candidates: &[Candidate], change_ms: f64, rest_ms: f64) -> (Verdict, usize) {
        with(candidates, change_ms, rest_ms, (0.0, 0.0))
    }

    /// With the generator's queue in ms and the change of the load.
    fn with(
        candidates: &[Candidate],
        change_ms: f64,
        rest_ms: f64,
        (queued, load_change): (f64, f64),
    ) -> (Verdict, usize) {
        let rest = Line {
            state: State::Unattributed,
            at: String::new(),
            reference: Some(Measured::default()),
            judged: Measured::new(rest_ms * 1e6, 0.0),
        };
        let (verdict, named) = judge(&Question {
            change: Measured::new(change_ms * 1e6, 0.05e6),
            means: (2e6, 2e6 + change_ms * 1e6),
            saturated: queued > 0.0,
            queued: queued * 1e6,
            load_change,
            ..question(candidates, &rest)
        });
        (verdict, named.len())
    }

    #[test]
    fn strong_needs_a_lead_two_witnesses_and_closed_books() {
        let two = ["snapshots", "mutex"];
        let lead = [candidate("a", 8.0, &two), candidate("b", 0.9, &two)];
        assert_eq!(verdict(&lead, 10.0, 1.0), (Verdict::Strong, 1));
        assert_eq!(verdict(&[candidate("a", 8.0, &["snapshots"])], 10.0, 1.0), (Verdict::Likely, 1));
        assert_eq!(verdict(&lead, 16.0, 7.0).0, Verdict::Likely, "open books");
        assert_eq!(verdict(&[candidate("a", 4.5, &two)], 10.0, 1.0).0, Verdict::Likely, "less than half");
        assert_eq!(
            verdict(&[candidate("a", 16.0, &two)], 10.0, -6.0).0,
            Verdict::Mechanism,
            "more than there is"
        );
        let tied = [candidate("a", 4.0, &two), candidate("b", 4.0, &two), candidate("c", 0.9, &two)];
        assert_eq!(verdict(&tied, 10.0, 1.0), (Verdict::Likely, 2));
        let small = [candidate("a", 7.0, &two), candidate("b", 1.8, &two), candidate("c", 0.5, &two)];
        assert_eq!(verdict(&small, 10.0, 0.5), (Verdict::Strong, 2), "a smaller one besides");
        let between = [candidate("a", 7.0, &two), candidate("b", 1.8, &["x"]), candidate("c", 1.5, &two)];
        let rest = Line {
            state: State::Unattributed,
            at: String::new(),
            reference: Some(Measured::default()),
            judged: Measured::default(),
        };
        assert_eq!(judge(&question(&between, &rest)), (Verdict::Strong, vec![0, 2]), "one is not sure");
        let full = [candidate("a", 9.8, &two), candidate("b", 1.8, &two)];
        assert_eq!(verdict(&full, 10.0, 0.0), (Verdict::Strong, 1), "it follows from the first");
        let one_witness = [candidate("a", 7.0, &two), candidate("b", 1.8, &["snapshots"])];
        assert_eq!(verdict(&one_witness, 10.0, 1.0), (Verdict::Strong, 1));
        let both = [candidate("a", 5.5, &two), candidate("b", 3.5, &two)];
        assert_eq!(verdict(&both, 10.0, 1.0), (Verdict::Likely, 2), "two causes at once");
    }

    #[test]
    fn rows_that_are_wrong_on_both_sides_close_no_books() {
        let own = [candidate("a", 8.0, &["snapshots", "mutex"])];
        let rest = Line {
            state: State::Unattributed,
            at: String::new(),
            reference: Some(Measured::new(-400e6, 0.0)),
            judged: Measured::new(-401e6, 0.0),
        };
        assert_eq!(judge(&question(&own, &rest)).0, Verdict::Likely);
    }

    #[test]
    fn what_a_slow_machine_makes_slower_is_not_to_blame() {
        let mut own = [candidate("a", 3.5, &["snapshots", "clock"])];
        own[0].unsure = true;
        let rest = Line {
            state: State::Unattributed,
            at: String::new(),
            reference: Some(Measured::default()),
            judged: Measured::default(),
        };
        let with = |unowned| judge(&Question { unowned, ..question(&own, &rest) }).0;
        assert_eq!((with(2e6), with(6e6)), (Verdict::Likely, Verdict::NotFound));
        // The same beside whoever makes the machine slower.
        let neighbour = Candidate { kind: CauseKind::Neighbour, ..candidate("others", 5.0, &["host"]) };
        let both = [neighbour, own[0].clone()];
        let named = |unowned| judge(&Question { unowned, ..question(&both, &rest) });
        assert_eq!(named(5e6), (Verdict::Likely, vec![0]));
        assert_eq!(named(2e6), (Verdict::Likely, vec![0, 1]), "more than such waits");
    }

    #[test]
    fn a_queue_without_bound_hides_no_cause() {
        let own = [candidate("a", 8.0, &["snapshots", "mutex"])];
        assert_eq!(verdict(&own, 100.0, 0.0).0, Verdict::NotFound);
        assert_eq!(with(&own, 100.0, 0.0, (85.0, 0.0)), (Verdict::Strong, 1));
        assert_eq!(with(&own, 100.0, 0.0, (10.0, 0.0)).0, Verdict::NotFound);
        assert_eq!(with(&own, 100.0, 0.0, (80.0, 0.0)).0, Verdict::Likely, "less than half of the rest");
        assert_eq!(with(&own, 100.0, 7.0, (85.0, 0.0)).0, Verdict::Likely, "open books");
    }

    #[test]
    fn little_is_not_a_cause() {
        let two = ["snapshots", "mutex"];
        assert_eq!(verdict(&[candidate("a", 0.12, &two)], 10.0, 9.0), (Verdict::NotFound, 0));
        assert_eq!(verdict(&[], 10.0, 10.0), (Verdict::NotFound, 0));
        let mut ownerless = candidate("a", 8.0, &two);
        ownerless.owned = false;
        assert_eq!(with(std::slice::from_ref(&ownerless), 10.0, 1.0, (0.0, 0.3)), (Verdict::Load, 0));
        assert_eq!(verdict(&[ownerless], 10.0, 1.0), (Verdict::Mechanism, 1));
    }
}
