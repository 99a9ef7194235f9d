//! A small SVG writer: shapes, text, hatching. No script, no outside fonts, a white background of its own, so
//! that a picture reads the same on light and dark pages. All text is escaped here.

mod scale;
mod thin;

pub(crate) use scale::{Scale, clock_ticks};
pub(crate) use thin::thin;

use std::fmt::Write;

use super::escape;

/// Ink of text and axes.
pub(crate) const INK: &str = "#24292f";
/// Secondary text.
pub(crate) const FAINT: &str = "#57606a";
/// Grid lines.
pub(crate) const GRID: &str = "#e3e6ea";
/// Mean width of a character of the sans-serif fonts in use, as a share of the font size; on the wide side,
/// so that estimated text never overlaps its neighbour.
const CHARACTER_WIDTH: f64 = 0.58;

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> f64 {
        self.y + self.height
    }
}

/// How a line looks.
#[derive(Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) colour: &'static str,
    pub(crate) width: f64,
    pub(crate) dashes: &'static str,
}

impl Stroke {
    pub(crate) const fn solid(colour: &'static str, width: f64) -> Self {
        Self { colour, width, dashes: "" }
    }

    pub(crate) const fn dashed(colour: &'static str, width: f64) -> Self {
        Self { colour, width, dashes: "6 4" }
    }

    fn attributes(self) -> String {
        let dashes = if self.dashes.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{}\"", self.dashes)
        };
        format!("stroke=\"{}\" stroke-width=\"{}\"{dashes}", self.colour, number(self.width))
    }
}

/// A picture while it is drawn.
pub(crate) struct Svg {
    body: String,
    width: f64,
    height: f64,
    clips: usize,
}

impl Svg {
    /// An empty white picture with a title for people who cannot see it.
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self { body: String::new(), width, height, clips: 0 };
        let _ = writeln!(svg.body, "<title>{}</title>", escape::xml(title));
        svg.body.push_str(
            "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#fff\"/><line x1=\"0\" y1=\"0\" \
             x2=\"0\" y2=\"6\" stroke=\"#8c959f\" stroke-width=\"2\"/></pattern></defs>\n",
        );
        svg.rect(Area { x: 0.0, y: 0.0, width, height }, "#ffffff", 1.0);
        svg
    }

    /// A filled rectangle.
    pub(crate) fn rect(&mut self, a: Area, fill: &str, opacity: f64) {
        let opacity = if opacity < 1.0 { format!(" fill-opacity=\"{opacity:.2}\"") } else { String::new() };
        let (x, y, w, h) = (number(a.x), number(a.y), number(a.width.max(0.0)), number(a.height.max(0.0)));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{fill}\"{opacity}/>"
        );
    }

    /// A hatched rectangle with an outline: something that is not known.
    pub(crate) fn hatch(&mut self, a: Area) {
        let (x, y, w, h) = (number(a.x), number(a.y), number(a.width.max(0.0)), number(a.height.max(0.0)));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"url(#hatch)\" stroke=\"#8c959f\"/>"
        );
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let (x1, y1, x2, y2) = (number(from.0), number(from.1), number(to.0), number(to.1));
        let look = stroke.attributes();
        let _ = writeln!(self.body, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {look}/>");
    }

    /// A line through points; a single point becomes a dot.
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        match points {
            [] => {}
            [(x, y)] => {
                let (x, y) = (number(*x), number(*y));
                let _ =
                    writeln!(self.body, "<circle cx=\"{x}\" cy=\"{y}\" r=\"2\" fill=\"{}\"/>", stroke.colour);
            }
            points => {
                let list: Vec<String> =
                    points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
                let _ = writeln!(
                    self.body,
                    "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>",
                    list.join(" "),
                    stroke.attributes()
                );
            }
        }
    }

    /// Text with its baseline at `y`; `size` in pixels.
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, size: f64, colour: &str, text: &str) {
        self.styled_text(at, anchor, size, colour, "", text);
    }

    /// Bold text.
    pub(crate) fn bold(&mut self, at: (f64, f64), anchor: Anchor, size: f64, text: &str) {
        self.styled_text(at, anchor, size, INK, " font-weight=\"bold\"", text);
    }

    fn styled_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        colour: &str,
        style: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size) = (number(at.0), number(at.1), number(size));
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{colour}\"{style}>{}</text>",
            escape::xml(text)
        );
    }

    /// Draws inside an area only.
    pub(crate) fn clipped(&mut self, a: Area, draw: impl FnOnce(&mut Self)) {
        self.clips += 1;
        let id = self.clips;
        let (x, y, w, h) = (number(a.x), number(a.y), number(a.width), number(a.height));
        let _ = writeln!(
            self.body,
            "<clipPath id=\"c{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>\n\
             <g clip-path=\"url(#c{id})\">"
        );
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// The file.
    pub(crate) fn finish(self) -> String {
        let (w, h) = (number(self.width), number(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" font-family=\"-apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, \
             sans-serif\">\n{}</svg>\n",
            self.body
        )
    }
}

/// Estimated width of a text in pixels.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_WIDTH
}

/// A coordinate with at most one decimal; what is not a number becomes 0.
fn number(v: f64) -> String {
    if !v.is_finite() {
        return "0".into();
    }
    let text = format!("{v:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_always_numbers() {
        assert_eq!([1.04, -0.01, 12.55, f64::NAN, f64::INFINITY].map(number), ["1", "0", "12.6", "0", "0"]);
    }

    #[test]
    fn text_is_escaped_and_there_is_no_script() {
        let mut svg = Svg::new(10.0, 10.0, "</title><script>");
        svg.text((0.0, 0.0), Anchor::Start, 12.0, INK, "<script>alert('1')</script>\u{1b}");
        let file = svg.finish();
        assert!(!file.contains("<script") && !file.contains('\u{1b}'));
        assert!(file.contains("&lt;script&gt;alert(&#39;1&#39;)"));
    }
}
