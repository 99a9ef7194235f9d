//! Metrics that services sent over OTLP as series, named as a Prometheus server would name them.
//!
//! `go.goroutine.count` is `go_goroutine_count`, `http.server.request.duration` in `s` is
//! `http_server_request_duration_seconds` with `_bucket`, `_sum` and `_count`, a sum that never falls ends in `_total`.
//! What counts since the last point is added up, so that all counters count since the start.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::formats::openmetrics::{Family, Kind, Labels, Sample};
use crate::formats::otlp::{Attributes, Clocks, Measure, Point, Resource, Signal, Temporality, find};
use crate::run::history::MetricHistory;
use crate::run::reader::Recording;
use crate::run::writer::RunError;
use crate::time::RunTime;

/// Most services told apart.
const MAX_SERVICES: usize = 1000;
/// Most values that are kept, over all services.
const MAX_VALUES: usize = 20_000_000;
/// Most text of one series' labels, what a series takes besides its labels, and what all series may take, in bytes.
const MAX_LABEL_TEXT: usize = 16 << 10;
const SERIES_BYTES: usize = 400;
const MAX_SERIES_BYTES: usize = 128 << 20;
/// Most series that are added up.
const MAX_ADDED: usize = 200_000;
/// Most names that are remembered.
const MAX_NAMES: usize = 10_000;
/// Attributes by which instances of a service are told apart, the surest first.
const INSTANCE: [&str; 4] = ["service.instance.id", "k8s.pod.name", "host.name", "process.pid"];

impl Recording {
    /// Loads the metrics that `keep` asks for by service, in one reading: the file may be far larger than memory. Times
    /// are those of the points, set right by `clocks`. Points from before the run are left out.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn otlp_series(
        &self,
        clocks: &Clocks,
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<BTreeMap<String, MetricHistory>, RunError> {
        let mut all = BTreeMap::new();
        let (mut sums, mut names) = (Sums::default(), Names::default());
        let (mut values, mut room) = (0_usize, MAX_SERIES_BYTES);
        let start = self.manifest.started_unix_nanos;
        self.read_otlp(Signal::Metrics, |batch| {
            for point in batch.into_points().0 {
                let at = clocks.right(&point.resource, point.at_unix_nanos);
                let Some(nanos) = at.checked_sub(start) else { continue };
                let service = &point.resource.service;
                if all.len() >= MAX_SERVICES && !all.contains_key(service) {
                    continue;
                }
                let family = names.family(&point);
                for mut sample in samples(&point, family) {
                    if !keep(family, &sample) {
                        continue;
                    }
                    let text: usize = sample.labels.iter().map(|(k, v)| k.len() + v.len()).sum();
                    let history: &mut MetricHistory = all.entry(service.clone()).or_default();
                    if text > MAX_LABEL_TEXT || room == 0 || values >= MAX_VALUES {
                        history.left_out += 1;
                        continue;
                    }
                    if !sums.since_start(&point, &mut sample) {
                        continue;
                    }
                    let before = history.series.len();
                    history.push(RunTime::from_nanos(nanos), family.kind, &sample);
                    values += 1;
                    // Its labels are kept three times: as they are, in its key, and in that of its sum.
                    room = room.saturating_sub((history.series.len() - before) * (3 * text + SERIES_BYTES));
                }
            }
        })?;
        Ok(all)
    }
}

/// Families by name, unit and kind: most points are of few metrics.
#[derive(Default)]
struct Names(HashMap<(String, String, Kind), Family<'static>>);

impl Names {
    fn family(&mut self, point: &Point) -> &Family<'static> {
        let kind = kind(&point.measure);
        let key = (point.name.to_string(), point.unit.to_string(), kind);
        if self.0.len() >= MAX_NAMES {
            self.0.clear();
        }
        self.0.entry(key).or_insert_with(|| Family::new(name(&point.name, &point.unit, kind), kind, ""))
    }
}

/// Running sums of what counts since the last point.
#[derive(Default)]
struct Sums(HashMap<String, f64>);

impl Sums {
    /// Makes the value one since the start; false if that cannot be known.
    fn since_start(&mut self, point: &Point, sample: &mut Sample<'_>) -> bool {
        let (Measure::Sum { temporality, .. } | Measure::Histogram { temporality, .. }) = point.measure
        else {
            return true;
        };
        if temporality != Temporality::Delta {
            return true;
        }
        let key = format!("{} {} {:?}", point.resource.service, sample.name, sample.labels);
        if self.0.len() >= MAX_ADDED && !self.0.contains_key(&key) {
            return false;
        }
        let sum = self.0.entry(key).or_default();
        *sum += sample.value;
        sample.value = *sum;
        true
    }
}

const fn kind(measure: &Measure) -> Kind {
    match measure {
        Measure::Sum { monotonic: true, .. } => Kind::Counter,
        Measure::Gauge(_) | Measure::Sum { .. } => Kind::Gauge,
        Measure::Histogram { .. } => Kind::Histogram,
    }
}

fn samples<'a>(point: &'a Point, family: &Family<'_>) -> Vec<Sample<'a>> {
    let sample = |suffix: &str, labels, value| Sample {
        name: Cow::Owned(format!("{}{suffix}", family.name)),
        labels,
        value,
        timestamp: None,
        exemplar: None,
    };
    let labels = labels(&point.attributes, &point.resource);
    match &point.measure {
        Measure::Gauge(value) | Measure::Sum { value, monotonic: false, .. } => {
            vec![sample("", labels, *value)]
        }
        Measure::Sum { value, .. } => vec![sample("_total", labels, *value)],
        Measure::Histogram { count, sum, bounds, buckets, .. } => {
            let mut all = vec![sample("_count", labels.clone(), *count as f64)];
            all.extend(sum.map(|sum| sample("_sum", labels.clone(), sum)));
            let ends = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
            let mut below = 0_u64;
            all.extend(ends.zip(buckets).map(|(end, n)| {
                below = below.saturating_add(*n);
                let mut labels = labels.clone();
                labels.push(("le".into(), end.into()));
                sample("_bucket", labels, below as f64)
            }));
            all
        }
    }
}

fn labels<'a>(attributes: &'a Attributes, resource: &'a Resource) -> Labels<'a> {
    let mut all: Labels<'a> =
        attributes.iter().map(|(key, value)| (plain(key).into(), value.to_text())).collect();
    let instance = INSTANCE.iter().find_map(|key| find(&resource.attributes, key));
    all.extend(instance.map(|value| ("instance".into(), value.to_text())));
    // Their order says nothing, and running sums are told apart by them.
    all.sort_unstable();
    all
}

/// The name of a metric: plain characters, its unit, and of ratios that they are.
fn name(name: &str, unit: &str, kind: Kind) -> String {
    let mut all = plain(name);
    let parts = unit.split_once('/').map_or((unit, None), |(unit, per)| (unit, Some(per)));
    let unit = match parts.0 {
        "1" if kind == Kind::Gauge && parts.1.is_none() => "ratio",
        unit => word(unit),
    };
    let per = parts
        .1
        .map(word)
        .filter(|per| !per.is_empty())
        .map(|per| format!("per_{}", per.trim_end_matches('s')));
    let words = [plain(unit), per.map(|per| plain(&per)).unwrap_or_default()];
    for word in words.iter().map(|w| w.trim_matches('_')).filter(|w| !w.is_empty()) {
        if !all.split('_').any(|part| part == word) {
            all = format!("{}_{word}", all.trim_end_matches('_'));
        }
    }
    if kind == Kind::Counter {
        all = all.strip_suffix("_total").map(str::to_owned).unwrap_or(all);
    }
    all
}

/// A unit of UCUM in full; annotations in braces, and the unit 1, are none.
fn word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        braced if braced.starts_with('{') => "",
        other => other,
    }
}

/// Characters that names may have, underscores in the place of others, never two in a row.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
        if plain.is_empty() && c.is_ascii_digit() {
            plain.push('_');
        }
        if c != '_' || !plain.ends_with('_') {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_a_prometheus_server_would() {
        for (given, unit, kind, expected) in [
            ("go.goroutine.count", "{goroutine}", Kind::Gauge, "go_goroutine_count"),
            ("http.server.request.duration", "s", Kind::Histogram, "http_server_request_duration_seconds"),
            ("shop.requests", "{request}", Kind::Counter, "shop_requests"),
            ("requests_total", "", Kind::Counter, "requests"),
            ("process.memory.usage", "By", Kind::Gauge, "process_memory_usage_bytes"),
            ("cpu.utilization", "1", Kind::Gauge, "cpu_utilization_ratio"),
            ("network.io", "By/s", Kind::Gauge, "network_io_bytes_per_second"),
            ("time.in.seconds", "s", Kind::Gauge, "time_in_seconds"),
            ("2nd--try", "x{y}", Kind::Gauge, "_2nd_try_x_y"),
        ] {
            assert_eq!(name(given, unit, kind), expected);
        }
    }
}
