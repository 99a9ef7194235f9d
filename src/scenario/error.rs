//! What is wrong with a scenario: where, what was found, what to do.

use std::fmt;

/// At most this many problems are told at once.
pub const MAX_PROBLEMS: usize = 10;

/// Everything found wrong with a scenario, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The problems, at least one and at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

/// One thing wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub origin: Origin,
    /// Path of keys, e.g. `load.constant-arrival-rate.rate`; empty where none applies.
    pub key: String,
    /// The value as it was written, shortened; empty where none applies or where it may be a secret.
    pub found: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file as a whole, e.g. because it cannot be read.
    File {
        /// Name of the file.
        file: String,
    },
    /// A line of the file.
    Line {
        /// Name of the file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// Characters to underline.
        width: usize,
        /// Text of the line; empty where it may hold a secret.
        text: String,
    },
    /// An override of the command line, secrets masked.
    Override(String),
}

impl ScenarioError {
    /// An error of a file as a whole.
    #[must_use]
    pub(super) fn of_file(file: &str, message: String) -> Self {
        let origin = Origin::File { file: file.to_owned() };
        Self {
            problems: vec![Problem { origin, key: String::new(), found: String::new(), message }],
            more: 0,
        }
    }

    /// The first problem.
    #[must_use]
    pub fn first(&self) -> &Problem {
        &self.problems[0]
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ScenarioError {}

impl fmt::Display for Problem {
    /// `scenario.toml:12: load.x.rate = "-5/s": must be above 0`, then the line with a caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { file } => write!(f, "{file}: ")?,
            Origin::Line { file, line, .. } => write!(f, "{file}:{line}: ")?,
            Origin::Override(text) => write!(f, "--set {text}: ")?,
        }
        let at = match (self.key.as_str(), self.found.as_str()) {
            ("", "") => String::new(),
            (key, "") => format!("{key}: "),
            ("", found) => format!("{found}: "),
            (key, found) => format!("{key} = {found}: "),
        };
        write!(f, "{at}{}", self.message)?;
        match &self.origin {
            Origin::Line { line, column, width, text, .. } if !text.is_empty() => {
                write_line(f, *line, *column, *width, text)
            }
            _ => Ok(()),
        }
    }
}

fn write_line(
    f: &mut fmt::Formatter<'_>,
    line: usize,
    column: usize,
    width: usize,
    text: &str,
) -> fmt::Result {
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    // Tabs stay tabs below, so that the caret stands under its character whatever the tab width.
    let indent: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    write!(f, "\n{gutter} |\n{number} | {text}\n{gutter} | {indent}{}", "^".repeat(width))
}
