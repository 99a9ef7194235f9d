//! Values an operator can change at run time.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Most that a duration may be.
const MOST: Duration = Duration::from_secs(60);

/// All of them.
pub struct Settings {
    answer_micros: AtomicU64,
    dry_micros: AtomicU64,
    archive: AtomicBool,
}

/// A change that was checked.
enum Change {
    Answer(u64),
    Dry(u64),
    Archive(bool),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            answer_micros: AtomicU64::new(2000),
            dry_micros: AtomicU64::new(0),
            archive: AtomicBool::new(false),
        }
    }
}

impl Settings {
    /// How long the clerk takes for a ticket.
    pub fn answer(&self) -> Duration {
        Duration::from_micros(self.answer_micros.load(Ordering::Relaxed))
    }

    /// How long a stamp takes to dry.
    pub fn dry(&self) -> Duration {
        Duration::from_micros(self.dry_micros.load(Ordering::Relaxed))
    }

    /// Whether letters go to the archive.
    pub fn archive(&self) -> bool {
        self.archive.load(Ordering::Relaxed)
    }

    /// All by name, as texts that `change` accepts.
    pub fn read(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("answer", format!("{}us", self.answer().as_micros())),
            ("dry", format!("{}us", self.dry().as_micros())),
            ("archive", if self.archive() { "always" } else { "never" }.to_owned()),
        ])
    }

    /// Applies all the values, or none if one of them is bad.
    pub fn change(&self, values: &HashMap<String, String>) -> Result<(), String> {
        if values.is_empty() {
            return Err("no setting given; known are: answer, archive, dry".to_owned());
        }
        let changes: Result<Vec<_>, _> = values.iter().map(|(name, value)| check(name, value)).collect();
        for change in changes? {
            match change {
                Change::Answer(micros) => self.answer_micros.store(micros, Ordering::Relaxed),
                Change::Dry(micros) => self.dry_micros.store(micros, Ordering::Relaxed),
                Change::Archive(always) => self.archive.store(always, Ordering::Relaxed),
            }
        }
        Ok(())
    }
}

fn check(name: &str, value: &str) -> Result<Change, String> {
    match (name, value) {
        ("answer", _) => micros(value).map(Change::Answer),
        ("dry", _) => micros(value).map(Change::Dry),
        ("archive", "always") => Ok(Change::Archive(true)),
        ("archive", "never") => Ok(Change::Archive(false)),
        ("archive", _) => Err(format!("setting \"archive\": {value:?} is neither never nor always")),
        _ => Err(format!("unknown setting {name:?}; known are: answer, archive, dry")),
    }
}

/// Microseconds of a text such as `20ms`, `500us`, `1s`.
fn micros(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a duration such as 20ms");
    let digits = text.trim_end_matches(char::is_alphabetic);
    let factor = match &text[digits.len()..] {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let micros = number.checked_mul(factor).ok_or_else(bad)?;
    if u128::from(micros) > MOST.as_micros() {
        return Err(format!("{text} is not between 0s and {MOST:?}"));
    }
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(settings: &Settings, values: &[(&str, &str)]) -> Result<(), String> {
        settings.change(&values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn good_values_are_applied() {
        let settings = Settings::default();
        change(&settings, &[("dry", "5ms"), ("archive", "always"), ("answer", "300us")]).expect("good");
        assert_eq!(settings.dry(), Duration::from_millis(5));
        assert!(settings.archive());
        assert_eq!(settings.read()["answer"], "300us");
    }

    #[test]
    fn one_bad_value_changes_nothing() {
        for bad in [("dry", "5"), ("dry", "61s"), ("archive", "yes"), ("colour", "red"), ("dry", "")] {
            let settings = Settings::default();
            assert!(change(&settings, &[("answer", "1s"), bad]).is_err(), "{bad:?}");
            assert_eq!(settings.read()["answer"], "2000us");
        }
        assert!(change(&Settings::default(), &[]).is_err());
    }
}
