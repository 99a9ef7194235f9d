//! In hindsight: a step that never stood out.
//!
//! The running rule asks of each period whether it is beyond what was healthy before. Out of a short and unsteady
//! reference a step can be small enough to be taken for health itself, period by period: each widens what the next is held
//! against. With the whole record at hand the question can be put directly: is there a moment that parts the series into
//! two levels?

use super::calibrate::FALSE_ALARM;
use super::rates::same_rate;
use super::reference::{Reference, fixed_floor, sides};
use super::series::{Class, Scale, Series};
use super::span::Span;
use crate::scenario::Detect;
use crate::stats::{effective_size, mean, median, normal_quantile, std_dev, student_factor};
use crate::time::RunTime;

/// Fewest values on either side.
const SIDE: usize = 8;
/// Part of the values, the nearest to their median, that tell how far they spread: spikes are among the others.
const NEAREST: f64 = 0.9;
/// What a deviation that is taken so is worth, compared with that of all values if they are normal.
const SPREADS_WORTH: f64 = 0.8;
/// Standard errors that must be there however many values there are.
const CERTAIN: f64 = 5.0;
/// Smallest step that is told, relative to the level before, and in the unit of the series.
const STEP: f64 = 0.2;
const STEP_NANOS: f64 = 200_000.0;
/// Values that are looked at: of longer series, medians of neighbours.
const VALUES: usize = 600;
/// Moments that are tried before the best one's neighbours are.
const COARSE: usize = 64;
/// Error of the median of normal values over that of their mean.
const MEDIANS_ERROR: f64 = 1.2533;

/// How much must be so before something is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands {
    /// Deviations that make a violation; three as a rule.
    pub(super) sigma: f64,
    /// Series that are asked.
    pub(super) series: usize,
    /// Periods that make an anomaly.
    pub(super) periods: usize,
    pub(super) warm_up: RunTime,
}

impl Demands {
    pub(super) fn of<'a>(
        settings: &Detect,
        warm_up: RunTime,
        asked: impl Iterator<Item = &'a Series>,
    ) -> Self {
        let series = asked.filter(|s| s.class == Class::Symptom && s.scale == Scale::Log).count();
        Self { sigma: settings.sigma, series, periods: settings.periods, warm_up }
    }
}

/// A level that rose and stayed; none if there is none, or the load changed meanwhile.
pub(super) fn shift(series: &Series, rates: &[Option<f64>], demands: Demands) -> Option<Span> {
    let judged = |i: &usize| {
        let point = &series.points[*i];
        point.window.from >= demands.warm_up && series.judged(point).is_some()
    };
    let at: Vec<usize> = (0..series.points.len()).filter(judged).collect();
    let scaled: Vec<f64> =
        at.iter().filter_map(|&i| series.points[i].value).map(|v| series.scaled(v)).collect();
    let split = step(series, &scaled, demands)?;
    let usual = |part: &[usize]| median(&part.iter().filter_map(|i| rates[*i]).collect::<Vec<_>>());
    if !same_rate(usual(&at[..split]), usual(&at[split..])) {
        return None;
    }
    let reference = Reference::of(series, &scaled[..split])?;
    Some(Span { onset: at[split], end: series.points.len(), ongoing: true, reference, by_baseline: false })
}

/// Where the scaled values of a series step up and stay; none if they do not.
pub(super) fn step(series: &Series, scaled: &[f64], demands: Demands) -> Option<usize> {
    if series.scale != Scale::Log {
        return None;
    }
    let group = scaled.len().div_ceil(VALUES).max(1);
    let values: Vec<f64> = scaled.chunks(group).filter_map(median).collect();
    let side = SIDE.max(demands.periods.div_ceil(group));
    let split = best_split(&values, side)?;
    let (before, after) = values.split_at(split);
    // What came down again is no step.
    let stayed = median(&after[after.len() - side..])?;
    let (low, high) = (median(before)?, median(after)?.min(stayed));
    let rise = (high - low) * sides(series.direction)[0];
    let told = rise >= (1.0 + STEP).ln()
        && series.unscaled(high) - series.unscaled(low) >= STEP_NANOS
        && rise >= demands.sigma / 3.0 * difference(series, before, after, demands.series)?;
    told.then_some(split * group)
}

/// The moment whose two medians are nearest to all values, in absolute deviations: spikes pull it nowhere.
fn best_split(values: &[f64], side: usize) -> Option<usize> {
    let last = values.len().checked_sub(side)?;
    let cost = |split: usize| {
        let (before, after) = values.split_at(split);
        deviations(before) + deviations(after)
    };
    let best = |all: &mut dyn Iterator<Item = usize>| {
        let inside = all.filter(|s| (side..=last).contains(s)).map(|s| (cost(s), s));
        inside.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, s)| s)
    };
    let step = (values.len() / COARSE).max(1);
    let near = best(&mut (side..=last).step_by(step))?;
    best(&mut (near.saturating_sub(step)..=near + step))
}

fn deviations(values: &[f64]) -> f64 {
    median(values).map_or(0.0, |m| values.iter().map(|v| (v - m).abs()).sum())
}

/// The difference of two medians that chance makes in one of a hundred runs, anywhere in any of `asked` series: as many
/// standard errors as Student's distribution has at that share of each possible moment. The error is from the robust
/// deviation of each side and from how alike neighbours are.
fn difference(series: &Series, before: &[f64], after: &[f64], asked: usize) -> Option<f64> {
    let (low, high) = (median(before)?, median(after)?);
    let rest: Vec<f64> = before.iter().map(|v| v - low).chain(after.iter().map(|v| v - high)).collect();
    let independent = independent(&rest);
    let side = |part: &[f64], level: f64| -> Option<f64> {
        let spread = spread(part, level)?.max(fixed_floor(series, level));
        Some(spread / (part.len() as f64 * independent).sqrt())
    };
    let error = MEDIANS_ERROR * side(before, low)?.hypot(side(after, high)?);
    // Neighbouring moments part the series alike.
    let moments = (rest.len() / SIDE * asked).max(1) as f64;
    let normal = normal_quantile(1.0 - FALSE_ALARM / moments);
    let freedom = SPREADS_WORTH * (rest.len() as f64 * independent - 2.0);
    Some((normal * student_factor(normal, freedom)).max(CERTAIN) * error)
}

/// Deviation of values around their median from the mean of the smaller distances to it, as of normal values.
fn spread(part: &[f64], median: f64) -> Option<f64> {
    let mut apart: Vec<f64> = part.iter().map(|v| (v - median).abs()).collect();
    apart.sort_by(f64::total_cmp);
    apart.truncate((NEAREST * part.len() as f64).floor() as usize);
    let kept = apart.len() as f64 / part.len().max(1) as f64;
    let edge = normal_quantile((1.0 + kept) / 2.0);
    // Mean of a normal value's size below the edge that so many stay below.
    let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let expected = 2.0 * (density(0.0) - density(edge)) / kept;
    mean(&apart).map(|m| m / expected)
}

/// Part of the values that counts as independent: by the resemblance of neighbours, and, for what wanders slowly below
/// it, by the spread of means over blocks.
fn independent(rest: &[f64]) -> f64 {
    /// Blocks below which their spread says nothing.
    const BLOCKS: usize = 8;
    let by_neighbours = effective_size(rest) / rest.len().max(1) as f64;
    let length = rest.len().isqrt();
    let means: Vec<f64> =
        rest.chunks_exact(length.max(1)).map(|b| b.iter().sum::<f64>() / b.len() as f64).collect();
    let by_blocks = match (std_dev(rest), std_dev(&means)) {
        (Some(all), Some(of_means)) if means.len() >= BLOCKS && of_means > 0.0 => {
            (all / of_means).powi(2) / length as f64
        }
        _ => 1.0,
    };
    by_neighbours.min(by_blocks)
}
