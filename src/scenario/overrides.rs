//! `--set key=value`: values laid over the parsed file.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::findings::Findings;
use super::scalar::Span;
use super::source::{Source, Tree};
use super::wire::EXECUTORS;

/// Keys of executors that may be written without the executor's name: `load.rate`.
const SHORT: [&str; 7] = ["rate", "for", "connections", "vus", "stages", "start", "think-time"];

/// A step of a path and where it stands in the override.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    span: Span,
}

/// Applies all overrides in order; what cannot be applied is noted.
pub(super) fn apply<'s>(tree: &mut Tree<'s>, source: &'s Source, findings: &mut Findings) {
    for (start, text) in source.overrides() {
        let whole = start..start + text.len();
        if let Err(message) = apply_one(tree.get_mut(), start, text) {
            findings.place(&whole, message);
        }
    }
}

fn apply_one<'s>(root: &mut DeTable<'s>, start: usize, text: &'s str) -> Result<(), String> {
    let (path, value_at) = split_path(text, start)?;
    let path = spell_out(path, root)?;
    let value = parse_value(&text[value_at..], start + value_at);
    set_in_table(root, &path, value)
}

/// Splits `a."b.c".0=value` into its steps and the offset of the value.
fn split_path(text: &str, start: usize) -> Result<(Vec<Step>, usize), String> {
    const REMEDY: &str = "write key=value, e.g. --set load.rate=200/s";
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'');
        let (from, len, next) = match quote {
            Some(q) => {
                let len =
                    rest[1..].find(q).ok_or_else(|| format!("the quote {q} is not closed: {REMEDY}"))?;
                (at + 1, len, at + len + 2)
            }
            None => {
                let len = rest.find(['.', '=']).ok_or_else(|| format!("has no value: {REMEDY}"))?;
                (at, len, at + len)
            }
        };
        let name = text[from..from + len].trim().to_owned();
        if name.is_empty() {
            return Err(format!("has an empty key: {REMEDY}"));
        }
        path.push(Step { name, span: start + from..start + from + len });
        match text[next..].chars().next() {
            Some('.') => at = next + 1,
            Some('=') => return Ok((path, next + 1)),
            _ => return Err(format!("has no value: {REMEDY}")),
        }
    }
}

/// `load.rate` means the key of the only executor.
fn spell_out(mut path: Vec<Step>, root: &DeTable<'_>) -> Result<Vec<Step>, String> {
    let short = path.len() >= 2 && path[0].name == "load" && SHORT.contains(&path[1].name.as_str());
    if !short {
        return Ok(path);
    }
    let load = root.get("load").and_then(|load| load.get_ref().as_table());
    let named: Vec<&str> =
        load.into_iter().flat_map(|t| EXECUTORS.into_iter().filter(|e| t.contains_key(*e))).collect();
    let key = &path[1].name;
    match named.as_slice() {
        [only] => {
            let span = path[1].span.clone();
            path.insert(1, Step { name: (*only).to_owned(), span });
            Ok(path)
        }
        [] => Err(format!("the scenario has no executor: write load.constant-arrival-rate.{key}=...")),
        several => Err(format!(
            "the scenario has several executors: write load.{}.{key}=... or keep only one",
            several[0]
        )),
    }
}

/// A TOML value if it is one, else a string, so that `200/s` needs no quotes.
fn parse_value(text: &str, at: usize) -> Spanned<DeValue<'_>> {
    match DeValue::parse(text) {
        Ok(value) if !value.get_ref().is_datetime() => shift(value, at),
        _ => Spanned::new(at..at + text.len(), DeValue::String(text.into())),
    }
}

/// Moves spans of a value parsed alone to its place in the source.
fn shift(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let moved = |span: Span| span.start + by..span.end + by;
    let span = moved(value.span());
    let value = match value.into_inner() {
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| shift(item, by)).collect()),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| (Spanned::new(moved(key.span()), key.into_inner()), shift(value, by)))
                .collect(),
        ),
        scalar => scalar,
    };
    Spanned::new(span, value)
}

fn set_in_table<'s>(
    table: &mut DeTable<'s>,
    path: &[Step],
    value: Spanned<DeValue<'s>>,
) -> Result<(), String> {
    let (step, rest) = path.split_first().expect("a path has a step");
    let key = || Spanned::new(step.span.clone(), step.name.clone().into());
    if rest.is_empty() {
        // Taken out first: inserting over an equal key would keep the old key's place.
        table.remove(step.name.as_str());
        table.insert(key(), value);
        return Ok(());
    }
    if !table.contains_key(step.name.as_str()) {
        let empty =
            if rest[0].name == "0" { DeValue::Array(DeArray::new()) } else { DeValue::Table(DeTable::new()) };
        table.insert(key(), Spanned::new(step.span.clone(), empty));
    }
    let inner = table.get_mut(step.name.as_str()).expect("inserted above");
    match inner.get_mut() {
        DeValue::Table(table) => set_in_table(table, rest, value),
        DeValue::Array(items) => set_in_array(items, &step.name, rest, value),
        other => Err(format!("`{}` is {}, not a table: it has no keys", step.name, other.type_str())),
    }
}

fn set_in_array<'s>(
    items: &mut DeArray<'s>,
    array: &str,
    path: &[Step],
    value: Spanned<DeValue<'s>>,
) -> Result<(), String> {
    let (step, rest) = path.split_first().expect("a path has a step");
    let index = index_of(items, array, &step.name)?;
    if index == items.len() {
        items.push(Spanned::new(step.span.clone(), DeValue::Table(DeTable::new())));
    }
    let item = items.get_mut(index).expect("pushed above if it was not there");
    if rest.is_empty() {
        *item = value;
        return Ok(());
    }
    match item.get_mut() {
        DeValue::Table(table) => set_in_table(table, rest, value),
        other => Err(format!("`{array}.{}` is {}, not a table: it has no keys", step.name, other.type_str())),
    }
}

/// By number, where the number after the last adds an element; or by `name` or `service`.
fn index_of(items: &DeArray<'_>, array: &str, name: &str) -> Result<usize, String> {
    let len = items.len();
    if let Ok(index) = name.parse::<usize>() {
        return if index <= len {
            Ok(index)
        } else {
            Err(format!("`{array}` has {len} elements: write a number from 0 to {len}"))
        };
    }
    let called = |item: &Spanned<DeValue<'_>>| {
        let item = item.get_ref().as_table();
        ["name", "service"].into_iter().any(|key| {
            item.and_then(|t| t.get(key)).and_then(|v| v.get_ref().as_str()).is_some_and(|v| v == name)
        })
    };
    items
        .iter()
        .position(called)
        .ok_or_else(|| format!("`{array}` has no element named {name:?}: write its name or a number from 0"))
}
