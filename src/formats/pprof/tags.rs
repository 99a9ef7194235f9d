//! Filters by label: expressions for texts, ranges with units for numbers.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::filter::pattern;
use super::units::scale;
use super::{PprofError, Profile, Sample};

/// Which labels of a sample match.
#[derive(Clone, Debug)]
pub(super) struct TagFilter {
    /// Label that is looked at; all if none.
    key: Option<String>,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// Numbers, in one unit.
    Range { low: Option<f64>, high: Option<f64>, unit: String },
    /// Texts: under a key one expression has to match, without a key all have to.
    Texts(Vec<Regex>),
}

/// A number with its unit, anywhere in a text.
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("([+-]?[0-9]+)([A-Za-z]+)?").expect("an expression of our own"));

impl TagFilter {
    /// Reads `value` or `key=value`. A value that is a number or a range of numbers is one of numeric labels;
    /// any other is a list of expressions, separated by commas.
    pub(super) fn parse(option: &str, text: &str) -> Result<Self, PprofError> {
        let (key, value) = text.split_once('=').map_or(("", text), |(key, value)| (key, value));
        let key = Some(key.to_owned()).filter(|k| !k.is_empty());
        let wanted = match range(option, value)? {
            Some(range) => range,
            None => Wanted::Texts(value.split(',').map(|t| pattern(option, t)).collect::<Result<_, _>>()?),
        };
        Ok(Self { key, wanted })
    }

    pub(super) fn matches(&self, sample: &Sample, units: &HashMap<String, String>) -> bool {
        match &self.wanted {
            Wanted::Range { low, high, unit } => {
                sample.numbers.iter().filter(|n| self.is_key(&n.key)).any(|n| {
                    let (value, own) = scale(n.value, units.get(&n.key).map_or("", String::as_str), unit);
                    own == *unit
                        && low.is_none_or(|low| value >= low)
                        && high.is_none_or(|high| value <= high)
                })
            }
            Wanted::Texts(texts) if self.key.is_some() => {
                let values = sample.labels.iter().filter(|(k, _)| self.is_key(k)).map(|(_, v)| v);
                values.into_iter().any(|v| texts.iter().any(|t| t.is_match(v)))
            }
            Wanted::Texts(texts) => {
                let pairs: Vec<String> = sample.labels.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                texts.iter().all(|t| pairs.iter().any(|pair| t.is_match(pair)))
            }
        }
    }

    fn is_key(&self, key: &str) -> bool {
        self.key.as_deref().is_none_or(|own| own == key)
    }
}

/// The range that a text stands for: `32kb`, `:64kb`, `4mb:` or `12kb:64mb`, bounds included.
fn range(option: &str, text: &str) -> Result<Option<Wanted>, PprofError> {
    let found: Vec<_> = NUMBER.captures_iter(text).take(2).collect();
    let mut bounds = Vec::with_capacity(2);
    for number in &found {
        let value = number[1].parse::<i64>().map_err(|e| PprofError::Pattern {
            option: option.to_owned(),
            text: text.to_owned(),
            problem: e.to_string(),
        })?;
        let from = number.get(2).map_or("", |unit| unit.as_str());
        // Both bounds are in the unit of the first.
        let to = bounds.first().map_or(from, |(_, unit): &(f64, String)| unit.as_str());
        bounds.push(scale(value, from, to));
    }
    let (low, high) = match (found.as_slice(), bounds.as_slice()) {
        ([one], [(value, _)]) if text == &one[0] => (Some(*value), Some(*value)),
        ([one], [(value, _)]) if text.strip_suffix(':') == Some(&one[0]) => (Some(*value), None),
        ([one], [(value, _)]) if text.strip_prefix(':') == Some(&one[0]) => (None, Some(*value)),
        ([one, two], [(low, unit), (high, other)])
            if text.split_once(':') == Some((&one[0], &two[0])) && unit == other =>
        {
            (Some(*low), Some(*high))
        }
        _ => return Ok(None),
    };
    let unit = bounds.first().map(|(_, unit)| unit.clone()).unwrap_or_default();
    Ok(Some(Wanted::Range { low, high, unit }))
}

impl Profile {
    /// The unit of each key of numeric labels: the first that is given, else what the key stands for.
    #[must_use]
    pub fn number_units(&self) -> HashMap<String, String> {
        let mut units = HashMap::<String, String>::new();
        for number in self.samples.iter().flat_map(|s| &s.numbers) {
            match units.get_mut(&number.key) {
                Some(unit) if unit.is_empty() => unit.clone_from(&number.unit),
                Some(_) => {}
                None => drop(units.insert(number.key.clone(), number.unit.clone())),
            }
        }
        for (key, unit) in units.iter_mut().filter(|(_, unit)| unit.is_empty()) {
            let known = matches!(key.as_str(), "alignment" | "request");
            if known { "bytes" } else { key }.clone_into(unit);
        }
        units
    }
}
