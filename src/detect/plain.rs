//! The rule as it was asked for first: moving average plus/minus sigma deviations of the last ten periods.
//!
//! The arithmetic is that of `s.ewm(alpha).mean()` and `s.rolling(10).std()` in pandas, both with the judged
//! value inside. That is also why it misses sustained steps (see `docs/detection.md`).

use super::reference::{Reference, sides};
use super::series::Series;
use super::span::{BandPoint, Judged, Span};
use super::tracker::{Tracker, Transition};
use crate::scenario::Detect;
use crate::stats::{ewma, rolling_std};
use crate::time::RunTime;

/// Periods of the moving deviation.
pub const PLAIN_WINDOW: usize = 10;

/// On which side `value` lies beyond `centre` by more than `reach`, if the series is judged on that side.
pub(super) fn beyond(series: &Series, value: f64, centre: f64, reach: f64) -> Option<f64> {
    sides(series.direction).iter().copied().find(|side| (value - centre) * side > reach)
}

/// Judges every point after the warm-up in order.
pub(super) fn judge(series: &Series, settings: &Detect, warm_up: RunTime) -> Judged {
    let values: Vec<Option<f64>> = series
        .points
        .iter()
        .map(|p| if p.window.from >= warm_up { series.judged(p) } else { None })
        .collect();
    let (averages, deviations) = (ewma(&values, settings.alpha), rolling_std(&values, PLAIN_WINDOW));
    let mut tracker = Tracker::new(settings.periods);
    let (mut bands, mut spans, mut judged) = (Vec::new(), Vec::<Span>::new(), 0);
    for (i, point) in series.points.iter().enumerate() {
        let reach = deviations[i].map(|d| settings.sigma * d);
        let threshold =
            averages[i].zip(reach).map(|(centre, reach)| centre + sides(series.direction)[0] * reach);
        bands.push(BandPoint { window: point.window, ewma: averages[i], threshold, anomalous: false });
        let (Some(value), Some(centre), Some(reach)) = (values[i], averages[i], reach) else { continue };
        judged += 1;
        match tracker.step(i, beyond(series, value, centre, reach)) {
            Some(Transition::Began { onset }) => {
                let before = onset.saturating_sub(1);
                let reference = Reference {
                    level: series.scaled(averages[before].unwrap_or(centre)),
                    spread: (series.scaled(centre + reach) - series.scaled(centre)).abs().max(1e-12)
                        / settings.sigma.max(1e-12),
                    periods: onset,
                };
                let end = series.points.len();
                spans.push(Span { onset, end, ongoing: true, reference, by_baseline: false });
            }
            Some(Transition::Ended { end }) => {
                if let Some(open) = spans.last_mut() {
                    (open.end, open.ongoing) = (end, false);
                }
            }
            None => {}
        }
    }
    Judged::new(series, bands, spans, judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Percentile, Point};
    use crate::scenario::Rule;
    use crate::time::{SECOND, Window};

    // pandas 3.1.1: s = pd.Series(X); s.ewm(alpha=0.3).mean() + 2 * s.rolling(10).std()
    const X: [f64; 12] = [12.0, 15.5, 11.2, 13.9, 40.1, 12.7, 14.4, 13.3, 12.1, 16.8, 15.0, 13.6];

    fn series(values: &[f64]) -> Series {
        let at = |s: usize| RunTime::from_nanos(s as u64 * SECOND);
        let point = |(i, &v): (usize, &f64)| Point {
            window: Window::new(at(i), at(i + 1)),
            value: Some(v),
            count: 1000,
        };
        Series::latency(Percentile::P50, None, values.iter().enumerate().map(point).collect())
    }

    #[test]
    fn its_bands_are_those_of_pandas() {
        let settings = Detect { sigma: 2.0, rule: Rule::Plain, ..Detect::default() };
        let judged = judge(&series(&X), &settings, RunTime::ZERO);
        let upper: Vec<f64> = judged.bands.iter().filter_map(|b| b.threshold).collect();
        let expected =
            [15.57512483633498 + 2.0 * 8.568028426138135, 15.399106936427142 + 2.0 * 8.456424250894175];
        assert_eq!(upper.len(), 3);
        assert!(upper.iter().zip(expected).all(|(u, e)| (u - e).abs() < 1e-9), "{upper:?}");
    }

    #[test]
    fn it_misses_a_sustained_step_of_five_times() {
        let mut values = vec![10e6; 40];
        for (i, v) in values.iter_mut().enumerate() {
            *v *= if i < 20 { 1.0 } else { 5.0 } * (1.0 + 0.02 * ((i * 7 % 5) as f64 - 2.0));
        }
        let settings = Detect { sigma: 2.0, rule: Rule::Plain, ..Detect::default() };
        assert!(judge(&series(&values), &settings, RunTime::ZERO).anomalies.is_empty());
    }
}
