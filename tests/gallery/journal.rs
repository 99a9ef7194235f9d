//! What was run so far, a line of JSON each: a gallery that is interrupted goes on where it was.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::baselines::{Answer, METHODS};
use crate::clocks::Comparison;
use crate::controls::Passed;
use crate::pairs::Both;
use crate::removed::Removed;
use crate::score::Score;

/// A run of a fault, and what else was tried on its recording.
#[derive(Serialize, Deserialize)]
pub struct Tried {
    pub score: Score,
    pub baselines: [Answer; METHODS.len()],
    /// What was said without a part of the evidence.
    pub removed: Vec<Removed>,
    /// Rows that a clock of the service counts, too.
    pub clocks: Vec<Comparison>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    Fault(Box<Tried>),
    /// A run of the short set that was made once more, with what it had said.
    Again(Score),
    /// A case that could not be run.
    Broken(String),
    Pair(Both),
    Control(Passed),
    /// A false alarm of a control that was made once more.
    Alarm(Passed),
}

/// Everything that was run, also in a file if one is named.
pub struct Journal {
    path: Option<PathBuf>,
    lines: Vec<Line>,
}

impl Journal {
    /// Goes on with what the file holds, if there is one.
    pub fn open(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|p| std::fs::read_to_string(p).ok()).unwrap_or_default();
        // One that was being written when the gallery was ended is not whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        if let Some(path) = path.as_ref().filter(|_| whole.len() < text.len()) {
            std::fs::write(path, whole).expect("the journal");
        }
        let one = |line| serde_json::from_str(line).expect("a line of an earlier run of the gallery");
        Self { path, lines: whole.lines().map(one).collect() }
    }

    pub fn add(&mut self, line: Line) {
        if let Some(path) = &self.path {
            let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the journal");
            let text = serde_json::to_string(&line).expect("plain values") + "\n";
            file.write_all(text.as_bytes()).expect("written");
        }
        self.lines.push(line);
    }

    pub fn has_fault(&self, number: u8, dose: &str, load: f64, seed: u64) -> bool {
        self.faults().any(|t| {
            let s = &t.score;
            (s.number, s.dose.as_str(), s.seed) == (number, dose, seed) && (s.load - load).abs() < 1e-9
        })
    }

    pub fn has_control(&self, name: &str, seed: u64) -> bool {
        self.controls().any(|c| c.name == name && c.seed == seed)
    }

    pub fn faults(&self) -> impl Iterator<Item = &Tried> {
        self.lines.iter().filter_map(|l| if let Line::Fault(t) = l { Some(&**t) } else { None })
    }

    pub fn again(&self) -> impl Iterator<Item = &Score> {
        self.lines.iter().filter_map(|l| if let Line::Again(s) = l { Some(s) } else { None })
    }

    /// Cases that could not be run, and still could not when the gallery went on.
    pub fn broken(&self) -> impl Iterator<Item = &str> {
        let all = self.lines.iter().enumerate();
        let broken =
            all.filter_map(|(i, l)| if let Line::Broken(name) = l { Some((i, name.as_str())) } else { None });
        let ran = |line: &Line, name: &str| matches!(line, Line::Fault(t) if t.score.name == name);
        broken.filter(move |(i, name)| !self.lines[*i..].iter().any(|l| ran(l, name))).map(|(_, name)| name)
    }

    pub fn pairs(&self) -> impl Iterator<Item = &Both> {
        self.lines.iter().filter_map(|l| if let Line::Pair(p) = l { Some(p) } else { None })
    }

    pub fn controls(&self) -> impl Iterator<Item = &Passed> {
        self.lines.iter().filter_map(|l| if let Line::Control(c) = l { Some(c) } else { None })
    }

    pub fn alarms(&self) -> impl Iterator<Item = &Passed> {
        self.lines.iter().filter_map(|l| if let Line::Alarm(c) = l { Some(c) } else { None })
    }
}
