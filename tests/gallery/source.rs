//! Whether the lines of code that a cause is seen at lie in the function that it names, by the sources themselves.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the lines of the first cause are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// Whether it is to be seen in a source of the services, and whether one of the lines is that one.
    pub code: bool,
    pub seen: bool,
    /// How many there are whose source is here, and those that are elsewhere than they are said to be.
    pub known: usize,
    pub wrong: Vec<String>,
}

impl Lines {
    /// Of a cause, one of whose lines should have `code` in it.
    pub fn of(cause: &Value, code: &str) -> Self {
        let mut found = Self { code: !code.is_empty(), ..Self::default() };
        for line in cause["lines"].as_array().into_iter().flatten() {
            let Some((text, number)) = source(line) else { continue };
            found.known += 1;
            found.seen |= found.code && text.lines().nth(number - 1).is_some_and(|l| l.contains(code));
            let function = line["function"].as_str().unwrap_or("?");
            if !begins(&text, number).is_some_and(|head| declares(head, function)) {
                found.wrong.push(line.to_string());
            }
        }
        found
    }
}

/// The text of a line's file, and its number; none if the source is not here.
fn source(line: &Value) -> Option<(String, usize)> {
    let number = usize::try_from(line["line"].as_u64()?).ok().filter(|n| *n > 0)?;
    Some((std::fs::read_to_string(path(line["file"].as_str()?)).ok()?, number))
}

/// Compilers name files by their whole path, or from where they were called.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The head of the function that a line is in.
fn begins(text: &str, number: usize) -> Option<&str> {
    let is_head = |line: &&str| {
        let outermost = line.split('(').next().unwrap_or_default().trim_start();
        let comment = outermost.starts_with("//");
        !comment && (outermost.starts_with("func ") || outermost.split(' ').any(|word| word == "fn"))
    };
    let before: Vec<&str> = text.lines().take(number).collect();
    (before.len() == number).then(|| before.into_iter().rev().find(is_head))?
}

fn declares(head: &str, function: &str) -> bool {
    let name = function.rsplit(['.', ':']).next().unwrap_or(function);
    ["(", "[", "<"].iter().any(|after| head.contains(&format!(" {name}{after}")))
}

/// The rule by itself: this target has no harness that would call a test.
pub fn prove() {
    let text =
        "package a\n\nfunc (s *Store) Reload() {\n\tgo func() {\n\t}()\n}\n\nfunc walk[T any]() {\n}\n";
    let at = |number| begins(text, number).map_or("", |head| head);
    assert!(declares(at(5), "example.com/a.(*Store).Reload"), "a closure is part of it");
    assert!(!declares(at(5), "example.com/a.walk"));
    assert!(declares(at(9), "example.com/a.walk"));
    assert_eq!((at(1), at(99)), ("", ""), "before the first, and behind the end");
}
