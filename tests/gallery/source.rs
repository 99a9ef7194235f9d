//! Whether the lines of code that a cause is seen at lie in the function that it names, by the sources themselves.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the lines of the first cause are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// Whether it is a function of a service.
    pub function: bool,
    /// How many there are whose source is here, and those that are elsewhere than they are said to be.
    pub known: usize,
    pub wrong: Vec<String>,
}

impl Lines {
    pub fn of(cause: &Value) -> Self {
        let at = cause["at"].as_str().unwrap_or_default();
        let mut found = Self { function: at.contains(".(") || at.contains("::"), ..Self::default() };
        for line in cause["lines"].as_array().into_iter().flatten() {
            let Some(inside) = is_inside(line) else { continue };
            found.known += 1;
            if !inside {
                found.wrong.push(line.to_string());
            }
        }
        found
    }
}

/// None if the source is not here.
fn is_inside(line: &Value) -> Option<bool> {
    let number = usize::try_from(line["line"].as_u64()?).ok()?;
    let text = std::fs::read_to_string(path(line["file"].as_str()?)).ok()?;
    Some(begins(&text, number).is_some_and(|head| declares(head, line["function"].as_str().unwrap_or("?"))))
}

/// Compilers name files by their whole path, or from where they were called.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The head of the function that a line is in.
fn begins(text: &str, number: usize) -> Option<&str> {
    let is_head = |line: &&str| {
        let outermost = line.split('(').next().unwrap_or_default();
        outermost.starts_with("func") || outermost.split(' ').any(|word| word == "fn")
    };
    let before: Vec<&str> = text.lines().take(number).collect();
    (before.len() == number).then(|| before.into_iter().rev().find(is_head))?
}

fn declares(head: &str, function: &str) -> bool {
    let name = function.rsplit(['.', ':']).next().unwrap_or(function);
    ["(", "[", "<"].iter().any(|after| head.contains(&format!(" {name}{after}")))
}

#[test]
fn a_line_is_inside_the_function_whose_head_is_nearest_above() {
    let text =
        "package a\n\nfunc (s *Store) Reload() {\n\tgo func() {\n\t}()\n}\n\nfunc walk[T any]() {\n}\n";
    let at = |number| begins(text, number).map_or("", |head| head);
    assert!(declares(at(5), "example.com/a.(*Store).Reload"), "a closure is part of it");
    assert!(!declares(at(5), "example.com/a.walk"));
    assert!(declares(at(9), "example.com/a.walk"));
    assert_eq!((at(1), at(99)), ("", ""), "before the first, and behind the end");
}
