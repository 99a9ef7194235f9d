//! What lies in a run folder: each part with its number of files, bytes and state.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::layout;
use super::manifest::{Part, PartState};

/// Surveys the folder by its second level (`profiles/shop`, `load/latency.hlog`).
#[must_use]
pub(super) fn survey(dir: &Path, stopped: Option<&str>) -> BTreeMap<String, Part> {
    let mut parts = BTreeMap::new();
    for top in
        ["load", "metrics", "expvar", "promql", "profiles", "captures", "otlp", "host", "logs", "db", "redis"]
    {
        for child in names(&dir.join(top)) {
            let rel = format!("{top}/{child}");
            let (files, bytes) = weigh(&dir.join(&rel));
            let state = match (files, stopped) {
                (0, _) => PartState::Absent,
                (_, Some(_)) => PartState::Partial,
                (_, None) => PartState::Complete,
            };
            parts.insert(rel, Part { state, files, bytes, why: stopped.map(str::to_owned) });
        }
    }
    let (files, bytes) = weigh(&dir.join(layout::EVENTS));
    let state = if files == 0 { PartState::Absent } else { PartState::Complete };
    parts.insert(layout::EVENTS.to_owned(), Part { state, files, bytes, why: None });
    parts
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// Files and bytes below a path; an unreadable one counts as nothing.
fn weigh(path: &Path) -> (u64, u64) {
    match fs::metadata(path) {
        Ok(m) if m.is_file() => (1, m.len()),
        Ok(_) => names(path)
            .iter()
            .map(|n| weigh(&path.join(n)))
            .fold((0, 0), |(files, bytes), (f, b)| (files + f, bytes + b)),
        Err(_) => (0, 0),
    }
}
