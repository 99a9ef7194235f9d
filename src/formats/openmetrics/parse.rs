//! From lines to families.

use std::borrow::Cow;
use std::collections::HashMap;

use super::line::{self, Line};
use super::{
    Exposition, Family, Kind, MAX_BYTES, MAX_FAMILIES, MAX_LABELS_IN_ALL, MAX_SAMPLES, OpenMetricsError,
    Problem, Sample,
};

/// Milliseconds in a second: Prometheus text states times in milliseconds.
const MILLIS: f64 = 1e3;

/// Parses a page of metrics.
///
/// # Errors
/// Only if it is larger than [`MAX_BYTES`]; bad lines are counted in [`Exposition::skipped`].
pub fn parse(bytes: &[u8]) -> Result<Exposition<'_>, OpenMetricsError> {
    if bytes.len() > MAX_BYTES {
        return Err(OpenMetricsError::TooLarge(bytes.len()));
    }
    let mut families = Families::default();
    let mut page = Exposition::default();
    for (line, number) in bytes.split(|&b| b == b'\n').zip(1..) {
        if let Err(what) = families.read(line, &mut page.eof) {
            page.skipped += 1;
            page.first_problem.get_or_insert(Problem { line: number, what });
        }
    }
    page.families = families.list;
    if !page.eof {
        let samples = page.families.iter_mut().flat_map(|f| &mut f.samples);
        samples.filter_map(|s| s.timestamp.as_mut()).for_each(|t| *t /= MILLIS);
    }
    Ok(page)
}

#[derive(Default)]
struct Families<'a> {
    list: Vec<Family<'a>>,
    by_name: HashMap<Cow<'a, str>, usize>,
    samples: usize,
    labels: usize,
}

impl<'a> Families<'a> {
    fn read(&mut self, line: &'a [u8], eof: &mut bool) -> Result<(), &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
        let line = line::parse(line)?;
        if *eof && line != Line::Ignored {
            return Err("something follows # EOF");
        }
        match line {
            Line::Ignored => {}
            Line::Eof => *eof = true,
            Line::Help(name, text) => self.declare(name)?.help = text,
            Line::Unit(name, unit) => self.declare(name)?.unit = unit,
            Line::Type(name, kind) => {
                let family = self.declare(name)?;
                if family.kind != Kind::Unknown {
                    return Err("a second type of the same family");
                }
                family.kind = kind;
            }
            Line::Sample(sample) => self.add(sample)?,
        }
        Ok(())
    }

    fn add(&mut self, sample: Sample<'a>) -> Result<(), &'static str> {
        self.samples += 1;
        self.labels += sample.labels.len();
        if self.samples > MAX_SAMPLES {
            return Err("too many samples");
        }
        if self.labels > MAX_LABELS_IN_ALL {
            return Err("too many labels in all");
        }
        let family = match self.owner(&sample.name) {
            Some(i) => &mut self.list[i],
            None => self.declare(sample.name.clone())?,
        };
        family.samples.push(sample);
        Ok(())
    }

    /// The family of that name, made if need be.
    fn declare(&mut self, name: Cow<'a, str>) -> Result<&mut Family<'a>, &'static str> {
        let next = self.list.len();
        let i = match self.by_name.get(&name) {
            Some(&i) => i,
            None if next == MAX_FAMILIES => return Err("too many families"),
            None => {
                self.by_name.insert(name.clone(), next);
                self.list.push(Family::new(name, Kind::Unknown, ""));
                next
            }
        };
        Ok(&mut self.list[i])
    }

    /// The family a sample belongs to: the one of its name, or of its name without a suffix of the type.
    fn owner(&self, sample: &str) -> Option<usize> {
        if let Some(&i) = self.by_name.get(sample) {
            return Some(i);
        }
        let cut = sample.rfind('_')?;
        let (base, suffix) = sample.split_at(cut);
        let &i = self.by_name.get(base)?;
        self.list[i].kind.suffixes().contains(&suffix).then_some(i)
    }
}
