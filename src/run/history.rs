//! All pages of metrics of a service, and what a Prometheus server said of it, as time series.

use std::collections::HashMap;
use std::path::Path;

use super::files::{self, TimedFile};
use super::layout;
use super::promql::{self, Asked};
use super::writer::RunError;
use crate::formats::openmetrics::{self, Exposition, Family, Kind, OpenMetricsError, Sample};
use crate::formats::{expvar, promql as answers};
use crate::time::{RunTime, Window};

/// Most series kept; further ones are counted in [`MetricHistory::left_out`].
pub const MAX_SERIES: usize = 200_000;
/// Most points kept over all series.
pub const MAX_POINTS: usize = 20_000_000;

/// Metrics of one service over a run.
#[derive(Clone, Debug, Default)]
pub struct MetricHistory {
    /// Series in the order they first appeared.
    pub series: Vec<MetricSeries>,
    /// Moments of the scrapes that could be read.
    pub scrapes: Vec<RunTime>,
    /// Lines that were no metrics, over all scrapes.
    pub skipped_lines: usize,
    /// Values left out because of [`MAX_SERIES`] or [`MAX_POINTS`].
    pub left_out: usize,
    /// What was wrong with scrapes that could not be read, and with the first skipped line.
    pub problems: Vec<String>,
    points: usize,
    by_key: HashMap<String, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

/// One metric with one set of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    /// Full name, with suffix.
    pub name: String,
    /// Labels sorted by name.
    pub labels: Vec<(String, String)>,
    /// Type of its family.
    pub kind: Kind,
    /// Values by time of scrape; a scrape without it leaves a gap.
    pub points: Vec<(RunTime, f64)>,
}

impl MetricSeries {
    /// Value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Growth of a counter between the readings inside the windows, and the seconds between them. A counter that falls
    /// began anew: what it had lost by then is not known and not counted; nor is a step that is no number.
    #[must_use]
    pub fn growth(&self, windows: &[Window]) -> Option<(f64, f64)> {
        let (mut grown, mut seconds, mut pairs) = (0.0, 0.0, 0);
        for pair in self.points.windows(2) {
            let ((from, before), (to, after)) = (pair[0], pair[1]);
            let step = after - before;
            if windows.iter().any(|w| w.covers(Window::new(from, to))) && step >= 0.0 && step.is_finite() {
                grown += step;
                seconds += to.as_secs_f64() - from.as_secs_f64();
                pairs += 1;
            }
        }
        (pairs > 0).then_some((grown, seconds))
    }

    /// Part of the time between the readings inside the windows in which a counter grew.
    #[must_use]
    pub fn growing(&self, windows: &[Window]) -> f64 {
        let inside = |p: &&[(RunTime, f64)]| windows.iter().any(|w| w.covers(Window::new(p[0].0, p[1].0)));
        let seconds = |p: &[(RunTime, f64)]| p[1].0.as_secs_f64() - p[0].0.as_secs_f64();
        let (mut grew, mut all) = (0.0, 0.0);
        for pair in self.points.windows(2).filter(inside) {
            all += seconds(pair);
            grew += if pair[1].1 > pair[0].1 { seconds(pair) } else { 0.0 };
        }
        if all > 0.0 { grew / all } else { 0.0 }
    }

    /// Growth of a counter per second, as [`Self::growth`] has it.
    #[must_use]
    pub fn rate(&self, windows: &[Window]) -> Option<f64> {
        let (grown, seconds) = self.growth(windows)?;
        (seconds > 0.0).then(|| grown / seconds)
    }

    /// Mean of the readings inside the windows; those that are no numbers (nothing happened, 0 / 0) are left out.
    #[must_use]
    pub fn mean(&self, windows: &[Window]) -> Option<f64> {
        let inside = |(t, v): &&(RunTime, f64)| v.is_finite() && windows.iter().any(|w| w.contains(*t));
        let (sum, n) =
            self.points.iter().filter(inside).fold((0.0, 0_u32), |(sum, n), (_, v)| (sum + v, n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }
}

/// Problems that are kept in words.
const MAX_PROBLEMS: usize = 5;

impl MetricHistory {
    /// All series of a metric.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a MetricSeries> + use<'a> {
        self.by_name.get(name).into_iter().flatten().map(|&i| &self.series[i])
    }

    /// The first series of a metric that has all of these labels.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<&MetricSeries> {
        self.named(name).find(|s| labels.iter().all(|(k, v)| s.label(k) == Some(v)))
    }

    pub(super) fn read(
        scrapes: &[TimedFile],
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<Self, RunError> {
        let mut history = Self::default();
        history.extend(scrapes, keep)?;
        Ok(history)
    }

    /// Adds pages of another kind.
    pub(super) fn extend(
        &mut self,
        scrapes: &[TimedFile],
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<(), RunError> {
        for scrape in scrapes {
            let bytes = match files::read(&scrape.path, openmetrics::MAX_BYTES as u64) {
                Ok(bytes) => bytes,
                Err(RunError::Broken { path, problem }) => {
                    self.problem(format!("{}: {problem}", path.display()));
                    continue;
                }
                Err(e) => return Err(e),
            };
            self.add(scrape, &bytes, &keep);
        }
        Ok(())
    }

    fn add(&mut self, scrape: &TimedFile, bytes: &[u8], keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool) {
        let page = match decode(&scrape.path, bytes) {
            Ok(page) => page,
            Err(e) => return self.problem(format!("{}: {e}", scrape.path.display())),
        };
        if let Some(first) = page.first_problem.filter(|_| self.skipped_lines == 0) {
            self.problem(format!("{} line {}: {}", scrape.path.display(), first.line, first.what));
        }
        self.skipped_lines += page.skipped;
        self.scrapes.push(scrape.window.to);
        for (family, sample) in page.samples().filter(|(f, s)| keep(f, s)) {
            self.push(scrape.window.to, family.kind, sample);
        }
    }

    /// Adds what a Prometheus server said. A series is called by its query; that the query keeps the name of a metric
    /// or not stays in its labels.
    pub(super) fn add_answers(
        &mut self,
        dir: &Path,
        service: &str,
        started_unix_nanos: u64,
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) -> Result<(), RunError> {
        for asked in promql::asked(dir, service)? {
            let Some(path) = files::inside(dir, &layout::promql(service, &asked.name, asked.window)) else {
                continue;
            };
            // Its writer was killed before the answer.
            if !path.is_file() {
                continue;
            }
            let read = files::read(&path, answers::MAX_BYTES as u64).and_then(|bytes| {
                let broken =
                    |e: answers::PromqlError| RunError::Broken { path: path.clone(), problem: e.to_string() };
                answers::parse(&bytes).map_err(broken)
            });
            match read {
                Ok(answer) => self.add_answer(&asked, &answer, started_unix_nanos, &keep),
                Err(RunError::Broken { path, problem }) => {
                    self.problem(format!("{}: {problem}", path.display()));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn add_answer(
        &mut self,
        asked: &Asked,
        answer: &answers::Answer,
        started_unix_nanos: u64,
        keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool,
    ) {
        self.left_out += answer.left_out;
        for series in &answer.series {
            let name = format!("{}{}", asked.name, series.part);
            let metric = series.labels.get("__name__");
            let kind = match (series.part, metric) {
                ("", _) => kind_of(metric.unwrap_or(&name)),
                // Counts of a native histogram as it is; of what a function made of one, they are no counters.
                (_, Some(_)) => Kind::Counter,
                (_, None) => Kind::Unknown,
            };
            let family = Family::new(name.as_str(), kind, "");
            let labels = series.labels.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
            let mut sample =
                Sample { name: name.as_str().into(), labels, value: 0.0, timestamp: None, exemplar: None };
            for &(at, value) in &series.points {
                sample.value = value;
                if let Some(at) = asked.run_time(at, started_unix_nanos).filter(|_| keep(&family, &sample)) {
                    self.push(at, family.kind, &sample);
                }
            }
        }
    }

    /// Adds a value; one that is not later than the last of its series is left out.
    pub(super) fn push(&mut self, at: RunTime, kind: Kind, sample: &Sample<'_>) {
        let mut labels: Vec<(&str, &str)> =
            sample.labels.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        labels.sort_unstable();
        // Debug text quotes and escapes, so that different names and labels never give the same key.
        let key = format!("{} {labels:?}", sample.name);
        let known = self.by_key.get(&key).copied();
        if self.points >= MAX_POINTS || (known.is_none() && self.series.len() >= MAX_SERIES) {
            self.left_out += 1;
            return;
        }
        let i = known.unwrap_or_else(|| self.new_series(key, &labels, kind, sample));
        let points = &mut self.series[i].points;
        // A page that names the same series twice: the first value stands.
        if points.last().is_none_or(|(last, _)| *last < at) {
            points.push((at, sample.value));
            self.points += 1;
        }
    }

    fn new_series(&mut self, key: String, labels: &[(&str, &str)], kind: Kind, sample: &Sample<'_>) -> usize {
        let i = self.series.len();
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let name = sample.name.to_string();
        self.by_key.insert(key, i);
        self.by_name.entry(name.clone()).or_default().push(i);
        self.series.push(MetricSeries { name, labels, kind, points: Vec::new() });
        i
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Reads a page in the format that its name tells.
fn decode<'b>(path: &Path, bytes: &'b [u8]) -> Result<Exposition<'b>, OpenMetricsError> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("pb") => openmetrics::decode_protobuf(bytes),
        Some("json") => expvar::parse(bytes),
        _ => openmetrics::parse(bytes),
    }
}

/// Answers have no types; names of counters end as they must.
fn kind_of(metric: &str) -> Kind {
    let counts = ["_total", "_count", "_sum", "_bucket"].iter().any(|end| metric.ends_with(end));
    if counts { Kind::Counter } else { Kind::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    fn at(seconds: u64) -> RunTime {
        RunTime::from_nanos(seconds * SECOND)
    }

    fn series(values: &[f64]) -> MetricSeries {
        let points = values.iter().enumerate().map(|(s, v)| (at(s as u64), *v)).collect();
        MetricSeries { name: "x".into(), labels: Vec::new(), kind: Kind::Counter, points }
    }

    #[test]
    fn growth_is_taken_inside_the_windows_and_not_over_a_restart() {
        let counter = series(&[0.0, 1.0, 3.0, 6.0, 1.0, 2.0, 9.0]);
        let growth = |from, to| counter.growth(&[Window::new(at(from), at(to))]);
        assert_eq!(growth(0, 3), Some((6.0, 3.0)));
        assert_eq!(growth(2, 5), Some((4.0, 2.0)), "3 to 6, and 1 to 2 after it began anew");
        assert_eq!(growth(0, 0), None);
        let two = [Window::new(at(0), at(1)), Window::new(at(5), at(6))];
        assert_eq!(counter.growth(&two), Some((8.0, 2.0)));
        assert_eq!(counter.mean(&[Window::new(at(1), at(3))]), Some(2.0));
    }

    #[test]
    fn a_counter_that_begins_late_grows_in_a_part_of_the_time() {
        let counter = series(&[0.0, 0.0, 0.0, 5.0, 9.0]);
        let growing = |from, to| counter.growing(&[Window::new(at(from), at(to))]);
        assert_eq!((growing(0, 4), growing(2, 4), growing(0, 2), growing(1, 1)), (0.5, 1.0, 0.0, 0.0));
    }

    #[test]
    fn a_rate_is_of_the_steps_that_count() {
        let counter = series(&[0.0, 1.0, 3.0, 0.5, 1.5, 9.0]);
        let rate = |from, to| counter.rate(&[Window::new(at(from), at(to))]);
        assert_eq!(rate(0, 2), Some(1.5));
        assert_eq!(rate(1, 4), Some(1.5), "2 in one second, 1 in another");
        assert_eq!(rate(2, 3), None);
        let endless = series(&[1.0, f64::INFINITY, f64::INFINITY, 2.0]);
        assert_eq!(endless.rate(&[Window::new(at(0), at(3))]), None);
    }
}
