use super::*;
use crate::analysis::Unit;
use crate::time::SECOND;

fn at(i: usize) -> RunTime {
    RunTime::from_nanos(i as u64 * SECOND)
}

fn window(i: usize) -> Window {
    Window::new(at(i), at(i + 1))
}

/// A gentle, repeatable ripple of 3 %.
fn ripple(i: usize) -> f64 {
    1.0 + 0.03 * ((i * 7 % 5) as f64 - 2.0) / 2.0
}

fn points(n: usize, value: impl Fn(usize) -> Option<f64>) -> Vec<Point> {
    (0..n).map(|i| Point { window: window(i), value: value(i), count: 500 }).collect()
}

fn p95(n: usize, value: impl Fn(usize) -> f64) -> Series {
    Series::latency(Percentile::P95, None, points(n, |i| Some(value(i) * ripple(i))))
}

fn run(series: &[Series], rate: impl Fn(usize) -> f64) -> Detection {
    let offered: Vec<_> = (0..series[0].points.len()).map(|i| (window(i), rate(i))).collect();
    let settings = Detect::default();
    detect(&Input {
        series,
        offered: &offered,
        concurrency: &[],
        settings: &settings,
        warm_up: at(5),
        baseline: None,
        seed: 7,
    })
}

fn spans(found: &[Anomaly]) -> Vec<(f64, f64)> {
    found.iter().map(|a| (a.window.from.as_secs_f64(), a.window.to.as_secs_f64())).collect()
}

#[test]
fn an_anomaly_has_its_onset_its_end_and_its_sizes() {
    let series = [p95(60, |i| if (30..42).contains(&i) { 90e6 } else { 30e6 })];
    let found = run(&series, |_| 500.0);
    assert_eq!(spans(&found.moments), [(30.0, 42.0)]);
    let moment = &found.moments[0];
    assert!(!moment.ongoing && moment.unit == Unit::Nanoseconds);
    assert!((moment.reference / 30e6 - 1.0).abs() < 0.05 && (moment.observed / 90e6 - 1.0).abs() < 0.05);
    assert!((moment.score - 3.0_f64.ln() / 0.1).abs() < 0.5, "{}", moment.score);
    let band = found.band("p95", None).expect("judged");
    assert_eq!(band.points.iter().filter(|p| p.anomalous).count(), 12);
    assert!(band.points[29].threshold.is_some_and(|t| t > 35e6 && t < 50e6));
    assert_eq!(band.points[35].threshold, band.points[30].threshold, "the reference stands still");
    assert!(band.points[9].threshold.is_none(), "warm-up and four healthy periods");
    assert!(found.notes.is_empty());
}

#[test]
fn a_step_that_lasts_is_never_learnt() {
    let found = run(&[p95(300, |i| if i < 30 { 30e6 } else { 60e6 })], |_| 500.0);
    assert_eq!(spans(&found.moments), [(30.0, 300.0)]);
    assert!(found.moments[0].ongoing);
}

#[test]
fn periods_without_a_value_neither_violate_nor_calm() {
    let value = |i: usize| match i {
        20 | 22 | 24 => Some(90e6),
        21 | 23 => None,
        _ => Some(30e6 * ripple(i)),
    };
    let series = [Series::latency(Percentile::P95, None, points(40, value))];
    assert_eq!(spans(&run(&series, |_| 500.0).moments), [(20.0, 25.0)]);
    let few = [Series {
        points: points(40, value).into_iter().map(|p| Point { count: 39, ..p }).collect(),
        ..series[0].clone()
    }];
    let found = run(&few, |_| 500.0);
    assert!(found.moments.is_empty(), "a p95 of 39 hits is not judged");
    assert_eq!(found.notes, [Caveat::NoReference]);
}

#[test]
fn another_rate_has_another_reference() {
    // 200/s at 10 ms, then 800/s at 30 ms, which is what that rate costs; the fault begins at 50.
    let level = |i: usize| match i {
        0..25 => 10e6,
        25..50 => 30e6,
        _ => 60e6,
    };
    let found = run(&[p95(70, level)], |i| if i < 25 { 200.0 } else { 800.0 });
    assert_eq!(spans(&found.moments), [(50.0, 70.0)]);
    let cut = windows(&found, Window::new(at(0), at(70))).expect("an anomaly");
    assert_eq!((cut.reference, cut.judged), (vec![Window::new(at(25), at(47))], Window::new(at(53), at(70))));
}

#[test]
fn a_ramp_whose_latency_grows_with_the_rate_is_healthy() {
    let rate = |i: usize| 100.0 + 20.0 * i as f64;
    let found = run(&[p95(60, |i| 10e6 / (1.0 - rate(i) / 2600.0))], rate);
    assert!(found.moments.is_empty(), "{:?}", spans(&found.moments));
}

#[test]
fn an_anomaly_goes_on_when_the_rate_leaves_its_reference() {
    let rate = |i: usize| if i < 40 { 500.0 } else { 500.0 + 30.0 * (i - 40) as f64 };
    let found = run(&[p95(60, |i| if i < 35 { 30e6 } else { 120e6 })], rate);
    assert_eq!(spans(&found.moments), [(35.0, 60.0)]);
}

#[test]
fn a_fault_from_the_start_needs_a_baseline() {
    let (slow, healthy) = ([p95(40, |_| 80e6)], [p95(40, |_| 30e6)]);
    assert!(run(&slow, |_| 500.0).moments.is_empty());
    let offered: Vec<_> = (0..40).map(|i| (window(i), 500.0)).collect();
    let settings = Detect::default();
    let with = |series: &[Series], rate: &[(Window, f64)]| {
        let baseline = Some(Baseline { series: &healthy, offered: &offered, warm_up: at(5) });
        let (warm_up, seed) = (at(5), 7);
        detect(&Input {
            series,
            offered: rate,
            concurrency: &[],
            settings: &settings,
            warm_up,
            baseline,
            seed,
        })
    };
    assert_eq!(spans(&with(&slow, &offered).moments), [(5.0, 40.0)]);
    assert!(with(&[p95(40, |_| 36e6)], &offered).moments.is_empty(), "runs differ by that much");
    let other: Vec<_> = (0..40).map(|i| (window(i), 900.0)).collect();
    assert!(with(&slow, &other).moments.is_empty(), "another rate");
}

#[test]
fn an_early_anomaly_says_that_its_reference_is_short() {
    let found = run(&[p95(40, |i| if i < 12 { 30e6 } else { 200e6 })], |_| 500.0);
    assert_eq!(spans(&found.moments), [(12.0, 40.0)]);
    assert_eq!(found.notes, [Caveat::ShortReference { nanos: 7 * SECOND }]);
}

#[test]
fn errors_and_lost_throughput_are_symptoms_and_the_inside_is_not() {
    let share = |bad: f64| points(40, move |i| Some(if i < 20 { 0.0 } else { bad }));
    let cpu = Series::resource(
        "cpu",
        "shop",
        Unit::Ratio,
        Direction::Both,
        points(40, |i| Some(if i < 20 { 0.4 } else { 0.9 } * ripple(i))),
    );
    let found = run(&[Series::error_rate(None, share(0.05)), cpu.clone()], |_| 500.0);
    assert_eq!(spans(&found.moments), [(20.0, 40.0)]);
    assert_eq!(found.moments[0].series, "error-rate");
    assert_eq!(found.changes.len(), 1);
    let inside = run(&[Series::error_rate(None, share(0.004)), cpu], |_| 500.0);
    assert!(inside.anomalies().is_empty(), "0.4 % is below the minimum effect");
    let achieved = points(40, |i| Some(if i < 20 { 1.0 } else { 0.8 }));
    assert_eq!(spans(&run(&[Series::achieved(achieved)], |_| 500.0).moments), [(20.0, 40.0)]);
}

#[test]
fn equal_input_gives_equal_output() {
    let series = [p95(60, |i| if (30..42).contains(&i) { 55e6 } else { 30e6 })];
    let text = |d: &Detection| format!("{d:?}");
    assert_eq!(text(&run(&series, |_| 500.0)), text(&run(&series, |_| 500.0)));
}

#[test]
fn nothing_and_odd_values_do_not_panic() {
    assert!(run(&[p95(1, |_| 1.0)], |_| 0.0).moments.is_empty());
    let odd = points(40, |i| Some([f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300][i % 5]));
    let series = [
        Series::latency(Percentile::P50, None, odd.clone()),
        Series::error_rate(None, odd.clone()),
        Series::growth("g", "s", Unit::Count, odd),
    ];
    let _ = run(&series, |i| [f64::NAN, 0.0, -5.0][i % 3]);
}
