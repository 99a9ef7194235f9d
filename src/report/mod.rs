//! One [`Analysis`] becomes files for people and for tools: Markdown, JSON, charts, flame graphs, JUnit and a
//! CI job summary. The same input gives the same bytes: no clock, no random colours, no machine paths.
//!
//! Everything a target can influence (function names, URLs, error texts, metric names) is hostile text and
//! passes through `escape`.

mod chart;
mod code;
mod confirmation;
mod escape;
mod failing;
mod flame;
mod headline;
mod junit;
mod markdown;
mod names;
mod onset;
mod svg;
mod trial;
mod view;
mod words;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, quantity};
use crate::run::layout;

pub use confirmation::line as confirmation_line;
pub(crate) use escape::line as one_line;
pub use markdown::{headlines, job_summary};

/// Names of the derived files, below [`layout::ANALYSIS_DIR`].
const ANALYSIS_JSON: &str = "analysis.json";
const LATENCY: &str = "latency.svg";
const BREAKDOWN: &str = "breakdown.svg";
const FLAME_REFERENCE: &str = "flame-reference.svg";
const FLAME_JUDGED: &str = "flame-judged.svg";
const FLAME_DIFF: &str = "flame-diff.svg";
const JUNIT: &str = "junit.xml";

/// Stacks of the two windows, folded: frames from root to leaf joined by `;`, and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// Stacks of the reference window; empty if there is none.
    pub reference: Vec<(String, u64)>,
    /// Stacks of the judged window.
    pub judged: Vec<(String, u64)>,
    /// Unit of the values, e.g. `CPU ns per request` or `samples`.
    pub unit: String,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written or removed.
    #[error(
        "{path}: {source}; check the free space and the rights of the run folder, then run `loadprof analyze` on it"
    )]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A template of this program is wrong.
    #[error("report template: {0}; this is a defect of loadprof, the recording itself is not affected")]
    Template(#[from] tera::Error),
    /// The analysis could not be written as JSON.
    #[error("analysis.json: {0}; this is a defect of loadprof, the recording itself is not affected")]
    Json(#[from] serde_json::Error),
    /// The JUnit file could not be made.
    #[error("junit.xml: {0}; this is a defect of loadprof, the recording itself is not affected")]
    Junit(#[from] quick_junit::SerializeError),
    /// A flame graph could not be drawn.
    #[error("flame graph: {0}; this is a defect of loadprof, the recording itself is not affected")]
    Flame(io::Error),
}

/// Which pictures a report can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pictures {
    latency: bool,
    breakdown: bool,
    flame_reference: bool,
    flame_judged: bool,
    flame_diff: bool,
}

/// Writes `report.md` and everything below `analysis/` into the run folder `dir`, and removes pictures of an
/// earlier analysis that this one has no material for. Returns the paths written, relative to `dir`.
///
/// # Errors
/// If a file cannot be written; what was written before stays.
pub fn render(analysis: &Analysis, folded: &Folded, dir: &Path) -> Result<Vec<String>, ReportError> {
    let drawn = draw(analysis, folded)?;
    let mut pictures = Pictures::default();
    for (name, shown) in [
        (LATENCY, &mut pictures.latency),
        (BREAKDOWN, &mut pictures.breakdown),
        (FLAME_REFERENCE, &mut pictures.flame_reference),
        (FLAME_JUDGED, &mut pictures.flame_judged),
        (FLAME_DIFF, &mut pictures.flame_diff),
    ] {
        *shown = drawn.iter().any(|(drawn, content)| *drawn == name && content.is_some());
    }
    let report = markdown::report(analysis, pictures)?;
    let sub = dir.join(layout::ANALYSIS_DIR);
    fs::create_dir_all(&sub).map_err(|source| ReportError::Write { path: sub.clone(), source })?;
    let mut written = vec![layout::REPORT.to_owned()];
    write(&dir.join(layout::REPORT), report.as_bytes())?;
    for (name, content) in drawn {
        let path = sub.join(name);
        match content {
            Some(content) => {
                write(&path, content.as_bytes())?;
                written.push(format!("{}/{name}", layout::ANALYSIS_DIR));
            }
            None => remove(&path)?,
        }
    }
    Ok(written)
}

/// Every file below `analysis/`, by name; none where there is no material.
fn draw(a: &Analysis, folded: &Folded) -> Result<Vec<(&'static str, Option<String>)>, ReportError> {
    let mut json = serde_json::to_string_pretty(a)?;
    json.push('\n');
    let flames = flame::draw(folded).map_err(ReportError::Flame)?;
    Ok(vec![
        (ANALYSIS_JSON, Some(json)),
        (LATENCY, chart::latency(a)),
        (BREAKDOWN, chart::breakdown(a)),
        (FLAME_REFERENCE, flames.reference),
        (FLAME_JUDGED, flames.judged),
        (FLAME_DIFF, flames.difference),
        (JUNIT, Some(junit::junit(a)?)),
    ])
}

fn write(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    fs::write(path, content).map_err(|source| ReportError::Write { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), ReportError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(ReportError::Write { path: path.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}
