//! The one place that turns values into words for people. Files keep integer nanoseconds.
//!
//! Three significant digits throughout: a load test that claims a fourth is guessing. Units adapt, except in
//! tables whose rows are compared with each other, which use [`millis`].

use jiff::Timestamp;

use crate::analysis::{Estimate, Unit};
use crate::time::{RunTime, SECOND};

/// Nanoseconds in the units of [`duration`], with the largest value (three digits, rounded) each can show.
const TIME_UNITS: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")];

/// A duration in nanoseconds with its unit: `850 us`, `12.3 ms`, `1.20 s`, `23.1 min`.
#[must_use]
pub fn duration(nanos: f64) -> String {
    let (divisor, unit) = time_unit(nanos.abs());
    if nanos == 0.0 || !nanos.is_finite() {
        return if nanos == 0.0 { "0 ms".into() } else { "unknown".into() };
    }
    let decimals = if unit == "ns" { 0 } else { decimals(nanos.abs() / divisor) };
    format!("{:.decimals$} {unit}", nanos / divisor)
}

/// A duration for narrow lines: `1.2ms`, `850us`, `12ms`; two significant digits, no space.
#[must_use]
pub fn compact(nanos: u64) -> String {
    let (divisor, unit) = time_unit(nanos as f64);
    let value = nanos as f64 / divisor;
    let decimals = usize::from(unit != "ns" && value < 9.95 && nanos != 0);
    format!("{value:.decimals$}{unit}")
}

/// Nanoseconds as a plain number of milliseconds, for columns headed `ms`: `171`, `56.1`, `8.00`, `0.708`.
#[must_use]
pub fn millis(nanos: f64) -> String {
    number(nanos / 1e6)
}

/// A plain number with three digits that count: `31.0`, `1.00`, `0.250`; below half a thousandth it is `0`.
#[must_use]
pub fn number(v: f64) -> String {
    let decimals = match v.abs() {
        x if x < 0.0005 => return "0".into(),
        x if x < 0.9995 => 3,
        x => decimals(x),
    };
    format!("{v:.decimals$}")
}

/// At most so many characters of a text, `..` in the place of the rest.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}

/// A number of unknown size: whole ones above 1000 with separators, small ones with three digits that count.
#[must_use]
pub fn plain(v: f64) -> String {
    match v.abs() {
        x if x >= 1000.0 && v >= 0.0 => count(v.round() as u64),
        x if x >= 1000.0 => format!("-{}", count(x.round() as u64)),
        x if x >= 0.01 || x == 0.0 => number(v),
        _ => format!("{v:.2e}"),
    }
}

/// A signed [`millis`]: `+5.10`, `-0.200`.
#[must_use]
pub fn signed_millis(nanos: f64) -> String {
    let text = millis(nanos);
    if nanos > 0.0 && text != "0" { format!("+{text}") } else { text }
}

/// A signed change with its 90 % interval as plain numbers of milliseconds: `+5.10 (3.90 to 6.40)`.
#[must_use]
pub fn millis_change(e: Estimate, signed: bool) -> String {
    let largest = [e.value, e.low, e.high].into_iter().map(i64::unsigned_abs).max().unwrap_or(0) as f64 / 1e6;
    let decimals = if largest < 0.9995 { 3 } else { decimals(largest) };
    let n = |v: i64| format!("{:.decimals$}", v as f64 / 1e6);
    let sign = if signed && e.value > 0 { "+" } else { "" };
    format!("{sign}{} ({} to {})", n(e.value), n(e.low), n(e.high))
}

/// An estimate with its 90 % interval: `5.10 ms (3.90 to 6.40)`.
#[must_use]
pub fn estimate(e: Estimate) -> String {
    with_interval(e, "")
}

/// A change with its sign and 90 % interval: `+5.10 ms (3.90 to 6.40)`.
#[must_use]
pub fn change(e: Estimate) -> String {
    with_interval(e, if e.value > 0 { "+" } else { "" })
}

/// A change in the base of a unit: nanoseconds, parts per million for ratios, else whole units.
#[must_use]
pub fn change_in(e: Estimate, unit: Unit) -> String {
    let sign = if e.value > 0 { "+" } else { "" };
    let points = |ppm: i64| format!("{:.2}", ppm as f64 / 1e4);
    match unit {
        Unit::Nanoseconds => change(e),
        Unit::Ratio => {
            format!("{sign}{} percentage points ({} to {})", points(e.value), points(e.low), points(e.high))
        }
        _ => {
            let tail = if matches!(unit, Unit::PerSecond | Unit::BytesPerSecond) { "/s" } else { "" };
            let whole = |v: i64| signed_group(v);
            format!("{sign}{}{tail} ({} to {})", whole(e.value), whole(e.low), whole(e.high))
        }
    }
}

/// A value with its unit.
#[must_use]
pub fn value(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds => duration(v),
        Unit::Ratio => ratio(v),
        Unit::PerSecond => rate(v),
        Unit::Count => count_f64(v),
        Unit::Bytes => bytes(v),
        Unit::BytesPerSecond => format!("{}/s", bytes(v)),
    }
}

/// Events per second: `1,200/s`, `99.5/s`, `0.50/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", count_f64(per_second))
}

/// A share of 1 in percent: `1.23 %`; never rounded to 0 or 100 when it is neither.
#[must_use]
pub fn ratio(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if !p.is_finite() => "unknown".into(),
        0.0 => "0 %".into(),
        p if p > 0.0 && p < 0.01 => "<0.01 %".into(),
        p if (99.95..100.0).contains(&p) => {
            let floor = (p * 100.0).floor() / 100.0;
            format!("{floor:.2} %")
        }
        100.0 => "100 %".into(),
        p => format!("{:.*} %", decimals(p.abs()), p),
    }
}

/// A share in whole percent, for prose: `62 %`.
#[must_use]
pub fn share(share: f64) -> String {
    // Adding zero makes a rounded -0 a 0.
    if share.is_finite() { format!("{:.0} %", (share * 100.0).round() + 0.0) } else { "unknown".into() }
}

/// A whole number with thousands separators: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes in binary units: `612 B`, `1.46 MiB`.
#[must_use]
pub fn bytes(n: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if !n.is_finite() {
        return "unknown".into();
    }
    let mut value = n;
    let mut unit = 0;
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 { 0 } else { decimals(value.abs()) };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A moment of the run with tenths, rounded down: `00:20.0`, `1:02:03.4`.
#[must_use]
pub fn run_time(t: RunTime) -> String {
    let tenths = t.as_nanos() % SECOND / (SECOND / 10);
    format!("{}.{tenths}", clock(t))
}

/// A moment of the run in whole seconds, rounded down: `00:20`, `1:02:03`.
#[must_use]
pub fn clock(t: RunTime) -> String {
    let seconds = t.as_nanos() / SECOND;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A wall clock time: `2026-11-23 01:02:03 UTC`.
#[must_use]
pub fn wall_clock(unix_nanos: u64) -> String {
    timestamp(unix_nanos).map_or_else(
        || "unknown".into(),
        |t| jiff::tz::TimeZone::UTC.to_datetime(t).strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A wall clock time as RFC 3339 asks for it: `2026-11-23T01:02:03Z`.
#[must_use]
pub fn rfc3339(unix_nanos: u64) -> Option<String> {
    Some(
        jiff::tz::TimeZone::UTC
            .to_datetime(timestamp(unix_nanos)?)
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
    )
}

fn timestamp(unix_nanos: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(unix_nanos)).ok()
}

/// The unit whose number stays below 999.5, so that rounding never shows `1000 us`.
fn time_unit(nanos: f64) -> (f64, &'static str) {
    let fits = TIME_UNITS.into_iter().find(|(divisor, _)| nanos / divisor < 999.5);
    if nanos == 0.0 { (1e6, "ms") } else { fits.unwrap_or((60e9, "min")) }
}

/// Decimals that leave three significant digits of a value of at least 1.
fn decimals(value: f64) -> usize {
    match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    }
}

/// Value and interval in one unit and with one number of decimals, chosen by the largest of the three: an
/// interval much wider than its value must not look precise.
fn with_interval(e: Estimate, sign: &str) -> String {
    let largest = [e.value, e.low, e.high].into_iter().map(i64::unsigned_abs).max().unwrap_or(0) as f64;
    let (divisor, unit) = time_unit(largest);
    let decimals = if unit == "ns" { 0 } else { decimals(largest / divisor) };
    let n = |v: i64| format!("{:.decimals$}", v as f64 / divisor);
    format!("{sign}{} {unit} ({} to {})", n(e.value), n(e.low), n(e.high))
}

fn signed_group(v: i64) -> String {
    let sign = if v < 0 { "-" } else { "" };
    format!("{sign}{}", count(v.unsigned_abs()))
}

fn count_f64(v: f64) -> String {
    match v.abs() {
        x if !x.is_finite() => "unknown".into(),
        0.0 => "0".into(),
        x if x >= 9e18 => format!("{v:.1e}"),
        x if x >= 999.5 => signed_group(v.round() as i64),
        x if x.fract() == 0.0 => format!("{v:.0}"),
        x if x < 0.005 => format!("{v:.1e}"),
        x => format!("{v:.*}", decimals(x)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_unknown_size_keep_three_digits() {
        let shown = [0.0, 0.000_012_3, 0.25, 31.0, -2.5, 12_345.6, -12_345.6].map(plain);
        assert_eq!(shown, ["0", "1.23e-5", "0.250", "31.0", "-2.50", "12,346", "-12,346"]);
    }

    #[test]
    fn durations_have_three_digits_and_never_a_four_digit_number() {
        let table = [
            (0.0, "0 ms"),
            (7.0, "7 ns"),
            (850_000.0, "850 us"),
            (999_400.0, "999 us"),
            (999_600.0, "1.00 ms"),
            (12_345_678.0, "12.3 ms"),
            (99_960_000.0, "100 ms"),
            (1.2e9, "1.20 s"),
            (1_386e9, "23.1 min"),
            (-5.1e6, "-5.10 ms"),
            (f64::NAN, "unknown"),
        ];
        for (nanos, want) in table {
            assert_eq!(duration(nanos), want, "{nanos}");
        }
    }

    #[test]
    fn narrow_and_tabular_durations() {
        assert_eq!([0, 900, 1_234_000, 12_400_000].map(compact), ["0ms", "900ns", "1.2ms", "12ms"]);
        let table = [(171e6, "171"), (56.14e6, "56.1"), (8e6, "8.00"), (708e3, "0.708"), (100.0, "0")];
        for (nanos, want) in table {
            assert_eq!(millis(nanos), want);
        }
        assert_eq!((signed_millis(5.1e6), signed_millis(-2e5)), ("+5.10".into(), "-0.200".into()));
    }

    #[test]
    fn changes_carry_sign_and_interval_in_one_unit() {
        let e = |value, low, high| Estimate { value, low, high };
        assert_eq!(change(e(5_100_000, 3_900_000, 6_400_000)), "+5.10 ms (3.90 to 6.40)");
        assert_eq!(change(e(-200_000, -3_000_000, 2_500_000)), "-0.20 ms (-3.00 to 2.50)");
        assert_eq!(estimate(e(171_000_000, 160_000_000, 180_000_000)), "171 ms (160 to 180)");
        assert_eq!(millis_change(e(5_100_000, -90_000, 6_400_000), true), "+5.10 (-0.09 to 6.40)");
        assert_eq!(change(e(0, 0, 0)), "0.00 ms (0.00 to 0.00)");
        assert_eq!(
            change_in(e(12_000, 5_000, 20_000), Unit::Ratio),
            "+1.20 percentage points (0.50 to 2.00)"
        );
        assert_eq!(change_in(e(-1500, -1800, -1200), Unit::PerSecond), "-1,500/s (-1,800 to -1,200)");
    }

    #[test]
    fn ratios_are_never_rounded_to_nothing_or_to_all() {
        let table = [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.0123, "1.23 %"),
            (0.625, "62.5 %"),
            (0.999_99, "99.99 %"),
            (1.0, "100 %"),
            (1.25, "125 %"),
        ];
        for (share, want) in table {
            assert_eq!(ratio(share), want, "{share}");
        }
        assert_eq!([-0.002, 0.004, 1.023].map(share), ["0 %", "0 %", "102 %"]);
    }

    #[test]
    fn counts_rates_and_bytes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.5, 99.5, 200.0, 1199.7].map(rate), ["0.50/s", "99.5/s", "200/s", "1,200/s"]);
        assert_eq!([612.0, 1_530_000.0].map(bytes), ["612 B", "1.46 MiB"]);
        assert_eq!(value(f64::INFINITY, Unit::Count), "unknown");
    }

    #[test]
    fn moments_are_rounded_down() {
        assert_eq!(run_time(RunTime::from_nanos(20_099_999_999)), "00:20.0");
        assert_eq!(run_time(RunTime::from_nanos(3_723_400_000_000)), "1:02:03.4");
        assert_eq!(wall_clock(1_795_395_723_999_999_999), "2026-11-23 01:02:03 UTC");
        assert_eq!(rfc3339(1_795_395_723_000_000_000).as_deref(), Some("2026-11-23T01:02:03Z"));
    }
}
