//! Writes OpenMetrics 1.0 text.

use std::fmt::Write as _;

use super::{Family, Labels, Sample, is_plain_name};

/// The exposition of the families, ended by `# EOF`. Family names must be unique, and samples be called by
/// their family's name and a suffix of its type, or [`super::parse`] will sort them otherwise.
#[must_use]
pub fn encode(families: &[Family<'_>]) -> String {
    let mut out = String::new();
    for family in families {
        let mut name = String::new();
        put_name(&mut name, &family.name);
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "# TYPE {name} {}", family.kind.name());
        if !family.unit.is_empty() {
            let _ = writeln!(out, "# UNIT {name} {}", family.unit);
        }
        if !family.help.is_empty() {
            let _ = write!(out, "# HELP {name} ");
            put_escaped(&mut out, &family.help);
            out.push('\n');
        }
        family.samples.iter().for_each(|s| put_sample(&mut out, s));
    }
    out.push_str("# EOF\n");
    out
}

fn put_sample(out: &mut String, sample: &Sample<'_>) {
    let plain = is_plain_name(&sample.name);
    if plain {
        out.push_str(&sample.name);
        if !sample.labels.is_empty() {
            put_labels(out, None, &sample.labels);
        }
    } else {
        put_labels(out, Some(&sample.name), &sample.labels);
    }
    put_value(out, sample.value, sample.timestamp);
    if let Some(exemplar) = &sample.exemplar {
        out.push_str(" # ");
        put_labels(out, None, &exemplar.labels);
        put_value(out, exemplar.value, exemplar.timestamp);
    }
    out.push('\n');
}

fn put_labels(out: &mut String, metric: Option<&str>, labels: &Labels<'_>) {
    out.push('{');
    let mut separator = "";
    if let Some(metric) = metric {
        put_quoted(out, metric);
        separator = ",";
    }
    for (name, value) in labels {
        out.push_str(separator);
        put_name(out, name);
        out.push('=');
        put_quoted(out, value);
        separator = ",";
    }
    out.push('}');
}

fn put_name(out: &mut String, name: &str) {
    if is_plain_name(name) { out.push_str(name) } else { put_quoted(out, name) }
}

fn put_quoted(out: &mut String, text: &str) {
    out.push('"');
    put_escaped(out, text);
    out.push('"');
}

fn put_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
}

fn put_value(out: &mut String, value: f64, timestamp: Option<f64>) {
    out.push(' ');
    put_number(out, value);
    if let Some(timestamp) = timestamp {
        out.push(' ');
        put_number(out, timestamp);
    }
}

/// The shortest text that reads back as the same number.
fn put_number(out: &mut String, n: f64) {
    let _ = match n {
        n if n.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        n if n != 0.0 && !(1e-5..1e17).contains(&n.abs()) => write!(out, "{n:e}"),
        n => write!(out, "{n}"),
    };
}
