//! Values with units as `go tool pprof` reads and prints them.

/// A unit of a family, with the names it may have in a profile.
struct Unit {
    shown: &'static str,
    names: &'static [&'static str],
    factor: f64,
}

/// Units that convert into each other. A value asked for in a unit of another family is given in `default`.
struct Family {
    units: &'static [Unit],
    default: (&'static str, f64),
}

const fn unit(shown: &'static str, names: &'static [&'static str], factor: f64) -> Unit {
    Unit { shown, names, factor }
}

const KIB: f64 = 1024.0;

const BYTES: Family = Family {
    units: &[
        unit("B", &["b", "byte"], 1.0),
        unit("kB", &["kb", "kbyte", "kilobyte"], KIB),
        unit("MB", &["mb", "mbyte", "megabyte"], KIB * KIB),
        unit("GB", &["gb", "gbyte", "gigabyte"], KIB * KIB * KIB),
        unit("TB", &["tb", "tbyte", "terabyte"], KIB * KIB * KIB * KIB),
        unit("PB", &["pb", "pbyte", "petabyte"], KIB * KIB * KIB * KIB * KIB),
    ],
    default: ("B", 1.0),
};

const TIME: Family = Family {
    units: &[
        unit("ns", &["ns", "nanosecond"], 1.0),
        unit("us", &["μs", "us", "microsecond"], 1e3),
        unit("ms", &["ms", "millisecond"], 1e6),
        unit("s", &["s", "sec", "second"], 1e9),
        unit("hrs", &["hour", "hr"], 3.6e12),
    ],
    default: ("s", 1e9),
};

const FAMILIES: [Family; 2] = [BYTES, TIME];

impl Family {
    fn find(&self, name: &str) -> Option<&Unit> {
        let name = name.to_lowercase();
        let singular = if name.len() > 2 { name.strip_suffix('s').unwrap_or(&name) } else { &name };
        self.units.iter().find(|u| u.names.contains(&singular))
    }

    /// The largest unit in which the base value is at least 1, else the default.
    fn best(&self, base: f64) -> (&'static str, f64) {
        let fits = self.units.iter().filter(|u| base / u.factor >= 1.0);
        fits.max_by(|a, b| a.factor.total_cmp(&b.factor)).map_or(self.default, |u| (u.shown, u.factor))
    }

    fn convert(&self, value: f64, from: &str, to: &str) -> Option<(f64, String)> {
        let base = value * self.find(from)?.factor;
        let (shown, factor) = match to {
            "minimum" | "auto" => self.best(base),
            to => self.find(to).map_or(self.default, |u| (u.shown, u.factor)),
        };
        Some((base / factor, shown.to_owned()))
    }
}

/// A value in another unit, and the unit's short name; empty if it goes without saying.
pub(super) fn scale(value: i64, from: &str, to: &str) -> (f64, String) {
    if let Some(positive) = value.checked_neg().filter(|_| value < 0) {
        let (scaled, unit) = scale(positive, from, to);
        return (-scaled, unit);
    }
    let value = value as f64;
    let known = FAMILIES.iter().find_map(|f| f.convert(value, from, to));
    known.unwrap_or_else(|| match to {
        "count" | "sample" | "unit" | "minimum" | "auto" => (value, String::new()),
        to => (value, to.to_owned()),
    })
}

/// A value as text, at most two decimals: `label(1536, "bytes", "auto")` is `1.50kB`. `to` is a unit, or
/// `auto` for one that fits.
#[must_use]
pub fn label(value: i64, from: &str, to: &str) -> String {
    let (scaled, unit) = scale(value, from, to);
    let text = format!("{scaled:.2}");
    match text.strip_suffix(".00").unwrap_or(&text) {
        "0" | "-0" => "0".to_owned(),
        number => format!("{number}{unit}"),
    }
}

/// The share of `value` in `total` as text, without sign: two decimals from 1 % on, else two digits.
#[must_use]
pub fn percentage(value: i64, total: i64) -> String {
    let percent = if total == 0 { 0.0 } else { (value as f64 / total as f64).abs() * 100.0 };
    if (99.95..=100.05).contains(&percent) {
        "100%".to_owned()
    } else if percent >= 1.0 {
        format!("{percent:.2}%")
    } else {
        format!("{}%", two_digits(percent))
    }
}

/// C's `%.2g` of a number from 0 to below 1.
fn two_digits(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.1e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 {
        let digits = digits.strip_suffix(".0").unwrap_or(digits);
        return format!("{digits}e-{:02}", -exponent);
    }
    let decimals = usize::try_from(1 - exponent).unwrap_or(0);
    let fixed = format!("{number:.decimals$}");
    fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
}
