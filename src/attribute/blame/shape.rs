//! Whether some functions cost more, or all of them alike.
//!
//! On a machine that others share, or that gets hot, everything takes longer for a while. The profile keeps its shape then: each
//! function has the part that it had before. Growth that is spread over many functions is to blame only if the parts have
//! changed by more than chance, which is Pearson's chi-squared test of homogeneity of the two profiles' samples.

use std::collections::{BTreeMap, BTreeSet};

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::Case;
use super::cpu::{growth_of, is_work, total_growth};
use crate::attribute::rows::sample_nanos;
use crate::attribute::side::ServiceSide;
use crate::attribute::stacks::plain;
use crate::attribute::{names, stack};

/// Part of the growth that a function must have, with what it calls in libraries, for it not to be spread.
const MOST: f64 = 0.7;
/// Samples on both sides together below which a function is counted with others (Cochran's rule for expected counts).
const FEW: f64 = 10.0;
/// Chance of parts that differ as much.
const CHANCE: f64 = 0.01;

/// Whether `at` has no more of the growth than others, and all functions have the parts that they had.
pub(super) fn is_alike(case: &Case, at: &str) -> bool {
    let Some((now, before)) = case.entry().zip(case.entry_before()) else { return false };
    let own = growth_of(case, |stack| is_work(stack) && owner(stack) == at);
    own < MOST * total_growth(case) && is_same_shape(&samples(before), &samples(now))
}

fn owner<'a>(stack: &[&'a str]) -> &'a str {
    names::enclosing(stack::read(stack).owner)
}

/// Samples of each function with what it calls in libraries.
fn samples(service: &ServiceSide) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let each = sample_nanos(service).max(1.0);
    for (stack, nanos) in service.cpu.iter().flat_map(|cpu| cpu.totals.iter()) {
        let names = plain(stack);
        if is_work(&names) {
            *all.entry(owner(&names).to_owned()).or_default() += nanos as f64 / each;
        }
    }
    all
}

fn is_same_shape(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> bool {
    let of = |side: &BTreeMap<String, f64>, name: &str| side.get(name).copied().unwrap_or(0.0);
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let all = names.into_iter().map(|name| (of(before, name), of(now, name)));
    let (few, mut cells): (Vec<_>, Vec<_>) = all.partition(|(before, now)| before + now < FEW);
    let sum = |pairs: &[(f64, f64)]| pairs.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    cells.extend(Some(sum(&few)).filter(|(before, now)| before + now >= FEW));
    if cells.len() < 2 {
        return true;
    }
    let (before, now) = sum(&cells);
    let scale = (now / before).sqrt();
    let squares: f64 = cells.iter().map(|(b, n)| (b * scale - n / scale).powi(2) / (b + n)).sum();
    let Ok(law) = ChiSquared::new(cells.len() as f64 - 1.0) else { return true };
    squares.is_finite() && law.sf(squares) >= CHANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(samples: &[u32]) -> BTreeMap<String, f64> {
        samples.iter().enumerate().map(|(i, n)| (format!("shop.f{i}"), f64::from(*n))).collect()
    }

    #[test]
    fn a_profile_that_grew_evenly_has_its_shape() {
        let before = profile(&[100, 60, 40, 20, 12, 4, 3, 3]);
        assert!(is_same_shape(&before, &profile(&[118, 66, 51, 19, 16, 3, 5, 4])), "a fifth more of all");
        assert!(
            !is_same_shape(&before, &profile(&[104, 58, 110, 21, 10, 4, 2, 4])),
            "one has nearly three times as much"
        );
        assert!(!is_same_shape(&before, &profile(&[100, 60, 40, 20, 12, 4, 3, 3, 40])), "one is new");
        assert!(is_same_shape(&profile(&[100]), &profile(&[200])), "there is only one");
        assert!(!is_same_shape(&profile(&[]), &profile(&[90, 40])), "there was none");
    }
}
