//! Stacked bars: where the mean response time goes, healthy against anomalous, with a legend that is a table.

use crate::analysis::{Analysis, Breakdown, BreakdownRow, State};
use crate::report::svg::{Anchor, Area, FAINT, GRID, INK, Scale, Stroke, Svg, text_width};
use crate::report::{names, quantity, words};

const WIDTH: f64 = 960.0;
const BAR: Area = Area { x: 130.0, y: 52.0, width: 790.0, height: 38.0 };
const GAP: f64 = 22.0;
const LINE: f64 = 22.0;
/// Rows with a colour of their own; the smaller ones share one.
const MOST_ROWS: usize = 10;
const OTHERS: &str = "#d0d7de";
/// Columns of the legend: right edges of the three numbers.
const COLUMNS: [f64; 3] = [700.0, 790.0, 920.0];

/// One part of the bars.
struct Part {
    label: String,
    at: String,
    colour: &'static str,
    /// Lighter for the second row of the same state, and so on.
    opacity: f64,
    hatched: bool,
    reference: f64,
    judged: f64,
}

/// The picture; none without a breakdown.
pub(crate) fn breakdown(a: &Analysis) -> Option<String> {
    let b = a.breakdown.as_ref()?;
    let parts = parts(b);
    let bars = if b.reference.is_some() { 2.0 } else { 1.0 };
    let axis = BAR.y + bars * (BAR.height + GAP) - GAP + 8.0;
    let table = axis + 52.0;
    let height = table + LINE * (parts.len() as f64 + 2.0) + 8.0;
    let mut svg = Svg::new(WIDTH, height, "Where the mean response time of a request goes");
    svg.bold((16.0, 24.0), Anchor::Start, 14.0, "Where the mean response time of a request goes");
    let scale = Scale::from_zero(longest(b, &parts), BAR.x, BAR.right());
    for tick in scale.ticks(6) {
        let x = scale.at(tick);
        svg.line((x, BAR.y - 8.0), (x, axis), Stroke::solid(GRID, 1.0));
        svg.text((x, axis + 14.0), Anchor::Middle, 11.0, FAINT, &quantity::millis(tick));
    }
    svg.text((BAR.right(), axis + 30.0), Anchor::End, 11.0, FAINT, "milliseconds per request");
    let mut y = BAR.y;
    if let Some(reference) = &b.reference {
        bar(&mut svg, &scale, y, "reference", &parts, |p| p.reference, reference.mean as f64);
        y += BAR.height + GAP;
    }
    let name = if b.reference.is_some() { "now" } else { "judged" };
    bar(&mut svg, &scale, y, name, &parts, |p| p.judged, b.judged.mean as f64);
    legend(&mut svg, b, &parts, table);
    Some(svg.finish())
}

/// Parts from left to right: rows, the sum of small ones, what is unattributed.
fn parts(b: &Breakdown) -> Vec<Part> {
    let shown = b.rows.len().min(MOST_ROWS);
    let (large, small) = b.rows.split_at(shown);
    let mut parts: Vec<Part> = Vec::new();
    for r in large {
        let before = large.iter().take(parts.len()).filter(|other| other.state == r.state).count();
        parts.push(Part { opacity: 1.0 / (1.0 + 0.45 * before as f64), ..part(r) });
    }
    if !small.is_empty() {
        let sum = |of: fn(&BreakdownRow) -> i64| small.iter().map(|r| of(r) as f64).sum();
        parts.push(Part {
            label: format!("{} smaller rows", small.len()),
            at: String::new(),
            colour: OTHERS,
            opacity: 1.0,
            hatched: false,
            reference: sum(|r| r.reference.map_or(0, |e| e.value)),
            judged: sum(|r| r.judged.value),
        });
    }
    parts.push(Part { hatched: true, ..part(&b.unattributed) });
    parts
}

fn part(r: &BreakdownRow) -> Part {
    let at = names::short(&r.at);
    let at = if r.service.is_empty() || at.is_empty() { at } else { format!("{at} ({})", r.service) };
    Part {
        label: words::state(r.state).to_owned(),
        at,
        colour: words::state_colour(r.state),
        opacity: 1.0,
        hatched: r.state == State::Unattributed,
        reference: r.reference.map_or(0.0, |e| e.value as f64),
        judged: r.judged.value as f64,
    }
}

/// Longest of bars and means.
fn longest(b: &Breakdown, parts: &[Part]) -> f64 {
    let stacked = |of: fn(&Part) -> f64| parts.iter().map(|p| of(p).max(0.0)).sum::<f64>();
    let reference = b.reference.as_ref().map_or(0.0, |r| stacked(|p| p.reference).max(r.mean as f64));
    reference.max(stacked(|p| p.judged)).max(b.judged.mean as f64).max(1e3)
}

fn bar(svg: &mut Svg, scale: &Scale, y: f64, name: &str, parts: &[Part], of: fn(&Part) -> f64, mean: f64) {
    svg.text((BAR.x - 10.0, y + 16.0), Anchor::End, 13.0, INK, name);
    svg.text((BAR.x - 10.0, y + 33.0), Anchor::End, 11.0, FAINT, &quantity::duration(mean));
    let mut sum = 0.0;
    // Negative parts (more explained than measured) have no width: the line of the measured mean shows them.
    for p in parts.iter().filter(|p| of(p) > 0.0) {
        let (from, to) = (scale.at(sum), scale.at(sum + of(p)));
        let area = Area { x: from, y, width: to - from, height: BAR.height };
        if p.hatched {
            svg.hatch(area);
        } else {
            svg.rect(area, p.colour, p.opacity);
        }
        number(svg, area, of(p), p.hatched);
        sum += of(p);
    }
    let x = scale.at(mean);
    svg.line((x, y - 5.0), (x, y + BAR.height + 5.0), Stroke::solid(INK, 2.0));
}

/// The value inside its part, if it fits.
fn number(svg: &mut Svg, area: Area, value: f64, hatched: bool) {
    let text = quantity::millis(value);
    let width = text_width(&text, 12.0) + 6.0;
    if area.width < width {
        return;
    }
    let middle = (area.x + area.width / 2.0, area.y + area.height / 2.0);
    // A plate keeps the number readable on every colour and on the hatching.
    let plate = Area { x: middle.0 - width / 2.0, y: middle.1 - 9.0, width, height: 18.0 };
    svg.rect(plate, "#ffffff", if hatched { 1.0 } else { 0.8 });
    svg.text((middle.0, middle.1 + 4.0), Anchor::Middle, 12.0, INK, &text);
}

fn legend(svg: &mut Svg, b: &Breakdown, parts: &[Part], top: f64) {
    let heads: [&str; 3] =
        if b.reference.is_some() { ["reference ms", "now ms", "change ms"] } else { ["", "", "ms"] };
    for (x, head) in COLUMNS.into_iter().zip(heads) {
        svg.text((x, top), Anchor::End, 11.0, FAINT, head);
    }
    let mut y = top;
    for p in parts {
        y += LINE;
        let swatch = Area { x: 16.0, y: y - 11.0, width: 16.0, height: 13.0 };
        if p.hatched {
            svg.hatch(swatch);
        } else {
            svg.rect(swatch, p.colour, p.opacity);
        }
        svg.text((40.0, y), Anchor::Start, 12.0, INK, &p.label);
        svg.text((190.0, y), Anchor::Start, 12.0, FAINT, &names::cut(&p.at, 58));
        numbers(svg, b, y, p.reference, p.judged);
    }
    y += LINE;
    svg.line((24.0, y - 14.0), (24.0, y + 2.0), Stroke::solid(INK, 2.0));
    svg.bold((40.0, y), Anchor::Start, 12.0, "measured mean");
    numbers(svg, b, y, b.reference.as_ref().map_or(0.0, |r| r.mean as f64), b.judged.mean as f64);
}

fn numbers(svg: &mut Svg, b: &Breakdown, y: f64, reference: f64, judged: f64) {
    let mut put = |x: f64, text: String| svg.text((x, y), Anchor::End, 12.0, INK, &text);
    if b.reference.is_some() {
        put(COLUMNS[0], quantity::millis(reference));
        put(COLUMNS[1], quantity::millis(judged));
        put(COLUMNS[2], quantity::signed_millis(judged - reference));
    } else {
        put(COLUMNS[2], quantity::millis(judged));
    }
}
