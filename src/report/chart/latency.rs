//! Response time quantiles on a log axis over time, and the throughput below.

use crate::analysis::{Analysis, TimelinePoint};
use crate::report::quantity;
use crate::report::svg::{Anchor, Area, FAINT, GRID, INK, Scale, Stroke, Svg, clock_ticks, text_width, thin};
use crate::time::{RunTime, SECOND, Window};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
const LATENCY: Area = Area { x: 76.0, y: 66.0, width: 864.0, height: 270.0 };
const RATE: Area = Area { x: 76.0, y: 408.0, width: 864.0, height: 110.0 };
const ANOMALY: &str = "#d1242f";
const WARM_UP: &str = "#8c959f";

/// A line of the chart: its name, look, and value of a period.
struct Series {
    name: &'static str,
    stroke: Stroke,
    value: fn(&TimelinePoint) -> Option<f64>,
}

const LATENCIES: [Series; 5] = [
    Series { name: "p50", stroke: Stroke::solid("#1f77b4", 1.6), value: |p| p.p50.map(|v| v as f64) },
    Series { name: "p95", stroke: Stroke::solid("#e36209", 2.0), value: |p| p.p95.map(|v| v as f64) },
    Series { name: "p99", stroke: Stroke::solid("#8250df", 1.6), value: |p| p.p99.map(|v| v as f64) },
    Series {
        name: "EWMA of p95",
        stroke: Stroke::dashed("#24292f", 1.4),
        value: |p| p.ewma.map(|v| v as f64),
    },
    Series {
        name: "dynamic threshold",
        stroke: Stroke { colour: ANOMALY, width: 1.4, dashes: "2 3" },
        value: |p| p.threshold.map(|v| v as f64),
    },
];

const RATES: [Series; 3] = [
    Series { name: "offered", stroke: Stroke::dashed("#57606a", 1.6), value: |p| Some(p.offered) },
    Series { name: "sent", stroke: Stroke::solid("#1f77b4", 1.6), value: |p| Some(p.sent) },
    Series { name: "passed", stroke: Stroke::solid("#2da44e", 2.0), value: |p| Some(p.passed) },
];

/// The picture; none without a period.
pub(crate) fn latency(a: &Analysis) -> Option<String> {
    let first = a.timeline.first()?;
    let whole = Window::new(first.at, a.timeline.last()?.at.plus(period(&a.timeline)));
    let mut svg = Svg::new(WIDTH, HEIGHT, "Response time and throughput over time");
    let x = Scale::linear(whole.from.as_secs_f64(), whole.to.as_secs_f64(), LATENCY.x, LATENCY.right());
    let open = a.load.open_model;
    svg.bold((LATENCY.x, 22.0), Anchor::Start, 14.0, "Response time per period (log axis)");
    legend(&mut svg, 46.0, present(&LATENCIES, a), true, a);
    for area in [LATENCY, RATE] {
        bands(&mut svg, a, &x, area);
    }
    latency_axis(&mut svg, a, &x);
    svg.bold((RATE.x, 372.0), Anchor::Start, 14.0, "Requests per second");
    let rates: Vec<&Series> = RATES.iter().filter(|s| open || s.name != "offered").collect();
    legend(&mut svg, 394.0, rates.clone(), false, a);
    rate_axis(&mut svg, a, &x, &rates);
    time_axis(&mut svg, whole, &x);
    labels(&mut svg, a, &x);
    Some(svg.finish())
}

/// Length of a period: the usual distance of two neighbours.
fn period(timeline: &[TimelinePoint]) -> u64 {
    let mut distances: Vec<u64> = timeline.windows(2).map(|w| w[1].at.since(w[0].at)).collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied().filter(|d| *d > 0).unwrap_or(SECOND)
}

fn present<'s>(series: &'s [Series], a: &Analysis) -> Vec<&'s Series> {
    series.iter().filter(|s| a.timeline.iter().any(|p| (s.value)(p).is_some())).collect()
}

fn legend(svg: &mut Svg, y: f64, series: Vec<&Series>, bands: bool, a: &Analysis) {
    let mut x = LATENCY.x;
    for s in series {
        svg.line((x, y - 4.0), (x + 24.0, y - 4.0), s.stroke);
        svg.text((x + 30.0, y), Anchor::Start, 12.0, INK, s.name);
        x += 30.0 + text_width(s.name, 12.0) + 18.0;
    }
    let marks = [
        (bands && !a.anomalies.is_empty(), "anomaly", ANOMALY, 0.13),
        (bands && a.timeline.iter().any(|p| p.warm_up), "warm-up", WARM_UP, 0.22),
    ];
    for (_, name, colour, opacity) in marks.into_iter().filter(|m| m.0) {
        svg.rect(Area { x, y: y - 11.0, width: 24.0, height: 13.0 }, colour, opacity);
        svg.text((x + 30.0, y), Anchor::Start, 12.0, INK, name);
        x += 30.0 + text_width(name, 12.0) + 18.0;
    }
}

/// Shades the warm-up and every stretch in which an anomaly lasts, each stretch once.
fn bands(svg: &mut Svg, a: &Analysis, x: &Scale, area: Area) {
    let band = |svg: &mut Svg, w: Window, colour: &str, opacity: f64| {
        let from = x.at(w.from.as_secs_f64()).clamp(area.x, area.right());
        let to = x.at(w.to.as_secs_f64()).clamp(area.x, area.right());
        svg.rect(Area { x: from, width: to - from, ..area }, colour, opacity);
    };
    let length = period(&a.timeline);
    for w in union(a.timeline.iter().filter(|p| p.warm_up).map(|p| Window::new(p.at, p.at.plus(length)))) {
        band(svg, w, WARM_UP, 0.22);
    }
    for w in union(a.anomalies.iter().map(|x| x.window)) {
        band(svg, w, ANOMALY, 0.13);
    }
}

/// Windows merged where they touch or overlap, in order.
fn union(windows: impl Iterator<Item = Window>) -> Vec<Window> {
    let mut sorted: Vec<Window> = windows.collect();
    sorted.sort_by_key(|w| (w.from, w.to));
    let mut merged: Vec<Window> = Vec::new();
    for w in sorted {
        match merged.last_mut() {
            Some(last) if w.from <= last.to => last.to = last.to.max(w.to),
            _ => merged.push(w),
        }
    }
    merged
}

fn latency_axis(svg: &mut Svg, a: &Analysis, x: &Scale) {
    let quantiles = LATENCIES[..3].iter().flat_map(|s| a.timeline.iter().filter_map(s.value));
    let (low, high) = range(quantiles).unwrap_or((1e6, 1e7));
    // A threshold far above everything measured would squeeze the measurements: it may leave the picture.
    let guides = LATENCIES[3..].iter().flat_map(|s| a.timeline.iter().filter_map(s.value));
    let top = range(guides.filter(|v| *v <= high * 4.0)).map_or(high, |(_, top)| top.max(high));
    let y = Scale::log(low, top, LATENCY.bottom(), LATENCY.y);
    for tick in y.ticks(9) {
        grid(svg, LATENCY, y.at(tick), &quantity::duration(tick));
    }
    svg.clipped(LATENCY, |svg| {
        for s in &LATENCIES {
            draw(svg, a, s, x, &y);
        }
    });
    frame(svg, LATENCY);
}

fn rate_axis(svg: &mut Svg, a: &Analysis, x: &Scale, series: &[&Series]) {
    let values = series.iter().flat_map(|s| a.timeline.iter().filter_map(s.value));
    let high = range(values).map_or(1.0, |(_, high)| high);
    let y = Scale::from_zero(high, RATE.bottom(), RATE.y);
    for tick in y.ticks(5) {
        grid(svg, RATE, y.at(tick), &quantity::rate(tick));
    }
    svg.clipped(RATE, |svg| {
        for s in series {
            draw(svg, a, s, x, &y);
        }
    });
    frame(svg, RATE);
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// Draws a series in the middle of its periods, broken where a period has no value.
fn draw(svg: &mut Svg, a: &Analysis, s: &Series, x: &Scale, y: &Scale) {
    let half = period(&a.timeline) / 2;
    let mut stretch: Vec<(f64, f64)> = Vec::new();
    for p in &a.timeline {
        match (s.value)(p).filter(|v| v.is_finite()) {
            Some(v) => stretch.push((x.at(p.at.plus(half).as_secs_f64()), y.at(v))),
            None => svg.polyline(&thin(&std::mem::take(&mut stretch)), s.stroke),
        }
    }
    svg.polyline(&thin(&stretch), s.stroke);
}

fn grid(svg: &mut Svg, area: Area, y: f64, label: &str) {
    svg.line((area.x, y), (area.right(), y), Stroke::solid(GRID, 1.0));
    svg.text((area.x - 8.0, y + 4.0), Anchor::End, 11.0, FAINT, label);
}

fn frame(svg: &mut Svg, area: Area) {
    svg.line((area.x, area.bottom()), (area.right(), area.bottom()), Stroke::solid(FAINT, 1.0));
    svg.line((area.x, area.y), (area.x, area.bottom()), Stroke::solid(FAINT, 1.0));
}

fn time_axis(svg: &mut Svg, whole: Window, x: &Scale) {
    for tick in clock_ticks(whole.from, whole.to, 12) {
        let at = x.at(tick.as_secs_f64());
        for area in [LATENCY, RATE] {
            svg.line((at, area.bottom()), (at, area.bottom() + 5.0), Stroke::solid(FAINT, 1.0));
        }
        svg.text((at, RATE.bottom() + 18.0), Anchor::Middle, 11.0, FAINT, &quantity::clock(tick));
    }
    svg.text((LATENCY.right(), HEIGHT - 8.0), Anchor::End, 11.0, FAINT, "time since the start of the run");
}

/// Names the series of each anomalous stretch, where there is room.
fn labels(svg: &mut Svg, a: &Analysis, x: &Scale) {
    let mut free_from = LATENCY.x;
    for stretch in union(a.anomalies.iter().map(|x| x.window)) {
        let at = (x.at(stretch.from.as_secs_f64()) + 4.0).max(free_from);
        let text = names(a, stretch);
        let width = text_width(&text, 11.0);
        let at = if at + width > LATENCY.right() { LATENCY.right() - width } else { at };
        if at < free_from {
            continue;
        }
        svg.text((at, LATENCY.y + 12.0), Anchor::Start, 11.0, ANOMALY, &text);
        free_from = at + width + 8.0;
    }
}

fn names(a: &Analysis, stretch: Window) -> String {
    let mut series: Vec<(RunTime, &str)> = a
        .anomalies
        .iter()
        .filter(|x| stretch.covers(x.window))
        .map(|x| (x.window.from, x.series.as_str()))
        .collect();
    series.sort_unstable();
    let mut seen: Vec<&str> = Vec::new();
    for (_, name) in series {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    let shown: Vec<String> = seen.iter().take(3).map(|n| crate::report::names::cut(n, 28)).collect();
    let more = if seen.len() > 3 { format!(" +{}", seen.len() - 3) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
