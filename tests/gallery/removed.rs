//! The same recording with a part of its evidence gone: less may be said then, and nothing wrong with certainty.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cases::Case;
use crate::common::{analysis, copy_of, finish, loadprof, printed};
use crate::run::Outcome;
use crate::score;

/// What is taken away, as folders of a run; `*` stands for any service.
const PARTS: [(&str, &[&str]); 5] = [
    ("all profiles", &["profiles"]),
    ("snapshots", &["profiles/*/goroutine"]),
    ("all but snapshots", &["profiles/*/cpu", "profiles/*/mutex", "profiles/*/heap", "host", "metrics/shop"]),
    ("databases and host", &["db", "redis", "host"]),
    ("everything but the load", &["profiles", "db", "redis", "host", "metrics/shop", "captures"]),
];

/// What was said without a part of the evidence.
#[derive(Serialize, Deserialize)]
pub struct Removed {
    pub what: String,
    pub verdict: String,
    pub said: String,
    pub right: bool,
}

impl Removed {
    /// Whether something wrong was said with certainty.
    pub fn is_wrong(&self) -> bool {
        self.verdict == "strong" && !self.right
    }
}

pub fn check(case: &Case, outcome: &Outcome) -> Vec<Removed> {
    PARTS.iter().filter_map(|(what, parts)| without(case, outcome, what, parts)).collect()
}

fn without(case: &Case, outcome: &Outcome, what: &str, parts: &[&str]) -> Option<Removed> {
    let (_dir, copy) = copy_of(&outcome.folder);
    let found: Vec<_> = parts.iter().flat_map(|part| matching(&copy, part)).collect();
    if found.is_empty() {
        return None;
    }
    for path in found {
        std::fs::remove_dir_all(path).expect("removed");
    }
    let output = finish(loadprof().arg("analyze").arg(&copy), Duration::from_secs(60));
    assert!(!printed(&output).contains("panicked"), "{}", printed(&output));
    let a = analysis(&copy);
    let first = &a["causes"][0];
    let removed = Removed {
        what: what.to_owned(),
        verdict: a["verdict"].as_str().unwrap_or("none").to_owned(),
        said: format!("{} at {}", first["kind"], first["at"]),
        right: score::wrong(case, first).is_none(),
    };
    let named = matches!(removed.verdict.as_str(), "strong" | "likely");
    if named && !removed.right {
        eprintln!("  without {what}: {} and WRONG: {}", removed.verdict, removed.said);
    }
    Some(removed)
}

fn matching(root: &Path, part: &str) -> Vec<std::path::PathBuf> {
    let Some((before, after)) = part.split_once("/*/") else {
        let path = root.join(part);
        return if path.is_dir() { vec![path] } else { Vec::new() };
    };
    let services = std::fs::read_dir(root.join(before)).into_iter().flatten().flatten();
    services.map(|s| s.path().join(after)).filter(|p| p.is_dir()).collect()
}
