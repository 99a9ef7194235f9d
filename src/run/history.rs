//! All scrapes of a service as time series.

use std::collections::HashMap;

use super::files::{self, TimedFile};
use super::writer::RunError;
use crate::formats::openmetrics::{self, Family, Kind, Sample};
use crate::time::RunTime;

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
        for scrape in scrapes {
            let bytes = match files::read(&scrape.path, openmetrics::MAX_BYTES as u64) {
                Ok(bytes) => bytes,
                Err(RunError::Broken { path, problem }) => {
                    history.problem(format!("{}: {problem}", path.display()));
                    continue;
                }
                Err(e) => return Err(e),
            };
            history.add(scrape, &bytes, &keep);
        }
        Ok(history)
    }

    fn add(&mut self, scrape: &TimedFile, bytes: &[u8], keep: impl Fn(&Family<'_>, &Sample<'_>) -> bool) {
        let page = match openmetrics::parse(bytes) {
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
