//! Durations, rates, shares and counts as people write them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Rate;
use super::scalar::{Raw, Scalar};

/// Longest duration a scenario may name: 30 days, so that no sum of stages overflows a clock.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Highest rate a scenario may name, per second; beyond it one machine cannot send anyway.
const FASTEST: f64 = 10_000_000.0;

/// Units of durations with their length in nanoseconds; longer spellings first.
const UNITS: [(&str, f64); 12] = [
    ("min", 60e9),
    ("ms", 1e6),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ns", 1.0),
    ("sec", 1e9),
    ("s", 1e9),
    ("m", 60e9),
    ("hr", 3600e9),
    ("h", 3600e9),
    ("d", 86_400e9),
];

/// Reads `250ms`, `1m30s`, `0.5s`: numbers, each with its unit (`ns us ms s m h d`), largest first or not.
///
/// # Errors
/// Says what is wrong and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const REMEDY: &str = "write a number and a unit, e.g. \"250ms\", \"30s\" or \"1m30s\"";
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err("must not be negative (write e.g. \"30s\")".into());
    }
    if rest.is_empty() {
        return Err(format!("is empty: {REMEDY}"));
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| format!("is no duration: {REMEDY}"))?;
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if unit.is_empty() {
            return Err(format!("has no unit: {REMEDY}"));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("has an unknown unit `{unit}`: use ns, us, ms, s, m, h or d"));
        };
        nanos += number * factor;
        rest = tail.trim_start();
    }
    if nanos > LONGEST.as_nanos() as f64 {
        return Err("is longer than 30 days: write a shorter duration".into());
    }
    // Not negative and at most 30 days, so the nanoseconds fit.
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Reads `200/s`, `3000/m`, `100/h` or a plain number of arrivals per second.
///
/// # Errors
/// Says what is wrong and what to write.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let (number, unit) = text.split_once('/').map_or((text, "s"), |(n, u)| (n, u.trim()));
    let per = match unit {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("has an unknown unit `/{unit}`: use /s, /m or /h, e.g. \"200/s\"")),
    };
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| "is no rate: write arrivals per second, minute or hour, e.g. \"200/s\"".to_owned())?;
    rate(number / per)
}

fn rate(per_second: f64) -> Result<Rate, String> {
    if per_second < 0.0 {
        return Err("must be above 0 (write e.g. \"200/s\")".into());
    }
    if !per_second.is_finite() || per_second > FASTEST {
        return Err("is more than 10,000,000 a second: write a rate one machine can send".into());
    }
    Ok(Rate(per_second))
}

/// Units of sizes; longer spellings first.
const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];
/// Largest size a scenario may name.
const LARGEST: u64 = 1 << 40;

/// Reads `512MiB`, `1GB`: a whole number and its unit.
fn parse_size(text: &str) -> Result<u64, String> {
    const REMEDY: &str = "write a whole number and a unit, e.g. \"512MiB\"";
    let text = text.trim();
    let Some((number, factor)) =
        SIZES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
    else {
        return Err(format!("has no unit of a size: {REMEDY} (KiB, MiB, GiB, kB, MB, GB, B)"));
    };
    let number: u64 = number.trim().parse().map_err(|_| format!("is no size: {REMEDY}"))?;
    let bytes = number.checked_mul(factor).filter(|bytes| *bytes <= LARGEST);
    bytes.ok_or_else(|| "is more than 1024GiB: write a smaller size".into())
}

/// A size of a scenario file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl Scalar for Size {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => parse_size(&text).map(Self),
            Raw::Int(n) => Err(format!("has no unit: write e.g. \"{n}MiB\"")),
            other => Err(format!("is {}: write a size, e.g. \"512MiB\"", other.kind())),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and its unit: B, kB, MB, GB, KiB, MiB or GiB.",
            "type": "string",
            "pattern": r"^\s*[0-9]+\s*(KiB|MiB|GiB|kB|MB|GB|B)\s*$|\$\{[A-Z_][A-Z0-9_]*\}",
            "examples": ["512MiB", "1GB"],
        })
    }
}

/// A duration of a scenario file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Time(pub(super) Duration);

impl Scalar for Time {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => parse_duration(&text).map(Self),
            Raw::Int(n) if n < 0 => Err("must not be negative (write e.g. \"30s\")".into()),
            Raw::Int(n) => Err(format!("has no unit: write \"{n}s\" or \"{n}ms\"")),
            Raw::Float(n) => Err(format!("has no unit: write \"{n}s\" or \"{n}ms\"")),
            other => Err(format!("is {}: write a duration, e.g. \"30s\"", other.kind())),
        }
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Numbers, each with its unit: ns, us, ms, s, m, h or d. At most 30 days.",
            "type": "string",
            "pattern": r"^\s*([0-9]*\.?[0-9]+\s*(ns|us|\u00b5s|\u03bcs|ms|s|sec|m|min|h|hr|d)\s*)+$|\$\{[A-Z_][A-Z0-9_]*\}",
            "examples": ["250ms", "30s", "1m30s", "0.5s"],
        })
    }
}

impl Scalar for Rate {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => parse_rate(&text),
            Raw::Int(n) => rate(n as f64),
            Raw::Float(n) => rate(n),
            other => Err(format!("is {}: write a rate, e.g. \"200/s\"", other.kind())),
        }
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Arrivals per second, minute or hour; a plain number counts per second.",
            "type": ["string", "number"],
            "pattern": r"^\s*[0-9]*\.?[0-9]+\s*(/\s*(s|sec|m|min|h))?\s*$|\$\{[A-Z_][A-Z0-9_]*\}",
            "minimum": 0,
            "maximum": FASTEST,
            "examples": ["200/s", "3000/m", 50],
        })
    }
}

/// A share between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) f64);

impl Scalar for Share {
    fn read(raw: Raw) -> Result<Self, String> {
        const REMEDY: &str = "write a percentage such as \"1%\" or a ratio such as 0.01";
        let share = match raw {
            Raw::Text(text) => {
                let (number, scale) =
                    text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |n| (n, 100.0));
                number.trim().parse::<f64>().map_err(|_| format!("is no share: {REMEDY}"))? / scale
            }
            Raw::Int(n) => n as f64,
            Raw::Float(n) => n,
            other => return Err(format!("is {}: {REMEDY}", other.kind())),
        };
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("must lie between 0 and 1 (0% and 100%): {REMEDY}"))
        }
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of the whole: a percentage or a ratio between 0 and 1.",
            "type": ["string", "number"],
            "pattern": r"^\s*[0-9]*\.?[0-9]+\s*%?\s*$|\$\{[A-Z_][A-Z0-9_]*\}",
            "minimum": 0,
            "maximum": 1,
            "examples": ["1%", 0.01],
        })
    }
}

/// A whole number, 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl Scalar for Count {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Int(n) => u64::try_from(n).map(Self).map_err(|_| "must not be negative".into()),
            // The environment has only strings.
            Raw::Text(text) => {
                text.trim().parse().map(Self).map_err(|_| "is no whole number: write e.g. 10".to_owned())
            }
            other => Err(format!("is {}: write a whole number, e.g. 10", other.kind())),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number; as a string where it comes from the environment.",
            "type": ["integer", "string"],
            "pattern": r"^\s*[0-9]+\s*$|\$\{[A-Z_][A-Z0-9_]*\}",
            "minimum": 0,
        })
    }
}

/// A plain number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Scalar for Number {
    fn read(raw: Raw) -> Result<Self, String> {
        let number = match raw {
            Raw::Int(n) => n as f64,
            Raw::Float(n) => n,
            Raw::Text(text) => text.trim().parse().map_err(|_| "is no number: write e.g. 3.0".to_owned())?,
            other => return Err(format!("is {}: write a number, e.g. 3.0", other.kind())),
        };
        if number.is_finite() { Ok(Self(number)) } else { Err("must be finite".into()) }
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number; as a string where it comes from the environment.",
            "type": ["number", "string"],
        })
    }
}

impl Scalar for String {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Ok(text),
            other => Err(format!("is {}: write a string in quotes", other.kind())),
        }
    }
}

impl Scalar for bool {
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Bool(v) => Ok(v),
            Raw::Text(text) if text == "true" || text == "false" => Ok(text == "true"),
            other => Err(format!("is {}: write true or false", other.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let table = [
            ("250ms", 250_000_000),
            ("0.5s", 500_000_000),
            ("1m30s", 90_000_000_000),
            ("1m 30 s", 90_000_000_000),
            ("2min", 120_000_000_000),
            ("10us", 10_000),
            ("10\u{b5}s", 10_000),
            ("1h", 3_600_000_000_000),
            ("0s", 0),
        ];
        for (text, nanos) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, part) in [
            ("10", "no unit"),
            ("-5s", "negative"),
            ("5 parsecs", "unknown unit `parsecs`"),
            ("10 20s", "no unit"),
            ("", "empty"),
            ("soon", "no duration"),
            ("1.2.3s", "no duration"),
            ("31d", "30 days"),
            ("1e9d", "unknown unit `e`"),
        ] {
            let message = parse_duration(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn rates_count_per_second() {
        for (text, per_second) in
            [("200/s", 200.0), ("3000/m", 50.0), ("36/h", 0.01), ("7.5", 7.5), ("0/s", 0.0)]
        {
            assert_eq!(parse_rate(text), Ok(Rate(per_second)), "{text}");
        }
        for (text, part) in
            [("-5/s", "above 0"), ("5/day", "`/day`"), ("fast", "no rate"), ("1e12/s", "10,000,000")]
        {
            let message = parse_rate(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(parse_rate("NaN/s").is_err() && parse_rate("inf").is_err());
    }

    #[test]
    fn shares_are_percentages_or_ratios() {
        assert_eq!(Share::read(Raw::Text("1%".into())), Ok(Share(0.01)));
        assert_eq!(Share::read(Raw::Float(0.5)), Ok(Share(0.5)));
        assert_eq!(Share::read(Raw::Int(1)), Ok(Share(1.0)));
        for raw in [
            Raw::Text("101%".into()),
            Raw::Float(-0.1),
            Raw::Float(f64::NAN),
            Raw::Text("x".into()),
            Raw::Array,
        ] {
            assert!(Share::read(raw.clone()).is_err(), "{raw:?}");
        }
    }
}
