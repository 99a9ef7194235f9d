//! The scenarios and the schema that are shipped hold what they promise.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{EnvPolicy, Scenario, schema};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn shipped() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder of scenarios");
    let mut files: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    assert!(files.len() >= 7, "{files:?}");
    files
}

#[test]
fn every_shipped_scenario_parses() {
    for path in shipped() {
        let (scenario, text) =
            Scenario::load(&path, &[], EnvPolicy::Keep).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(text.starts_with("#:schema ./scenario.schema.json\n"), "{}", path.display());
        assert_eq!(path.file_stem().and_then(|s| s.to_str()), Some(scenario.name.as_str()));
    }
}

#[test]
fn the_data_of_the_shipped_journey_fits_it() {
    use super::parse::{Surroundings, parse};

    let path = folder().join("journey.toml");
    let text = std::fs::read_to_string(&path).expect("a scenario");
    let env = |name: &str| (name == "SHOP_PASSWORD").then(|| "hunter2".to_owned());
    let around = Surroundings { base_dir: &folder(), policy: EnvPolicy::Require, env: &env };
    let (scenario, copy) = parse(&super::source::Source::new("journey.toml", &text, &[]), &around)
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(!scenario.feeders.is_empty() && !scenario.setup.is_empty() && !copy.contains("hunter2"));
}

#[test]
fn every_shipped_scenario_and_the_fullest_one_fit_the_schema() {
    let schema = schema();
    for path in shipped().into_iter().chain([folder().join("../src/scenario/tests/full.toml")]) {
        let text = std::fs::read_to_string(&path).expect("a scenario");
        let file: toml::Value = toml::from_str(&text).expect("TOML");
        let file = serde_json::to_value(file).expect("JSON");
        let mut wrong = Vec::new();
        fits(&schema, &schema, &file, "", &mut wrong);
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
    for (text, part) in [
        ("{\"target\":{\"demo\":{}},\"load\":{\"seed\":{}}}", "load.seed: type"),
        ("{\"target\":{},\"load\":{},\"x\":1}", "x: unknown"),
        ("{\"target\":{}}", "load: missing"),
        ("{\"target\":{\"timeout\":\"5 parsecs\"},\"load\":{}}", "target.timeout: pattern"),
        ("{\"target\":{},\"load\":{\"sampled\":2}}", "load.sampled: bounds"),
    ] {
        let mut wrong = Vec::new();
        fits(&schema, &schema, &serde_json::from_str(text).expect("JSON"), "", &mut wrong);
        assert!(wrong.iter().any(|w| w == part), "{text}: {wrong:?}");
    }
}

/// The part of JSON Schema that ours uses.
fn fits(root: &Value, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        fits(root, &root["$defs"][name], value, path, wrong);
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::String(_) => "string",
        Value::Number(n) if n.is_i64() && !types.contains(&"number") => "integer",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    if !types.is_empty() && !types.contains(&kind) {
        wrong.push(format!("{path}: type"));
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
        && !regex::Regex::new(pattern).expect("a pattern").is_match(text)
    {
        wrong.push(format!("{path}: pattern"));
    }
    if let Some(number) = value.as_f64()
        && (schema["minimum"].as_f64().is_some_and(|m| number < m)
            || schema["maximum"].as_f64().is_some_and(|m| number > m))
    {
        wrong.push(format!("{path}: bounds"));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        wrong.push(format!("{path}: enum"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(root, &schema["items"], item, path, wrong);
    }
    if let Some(table) = value.as_object() {
        fits_table(root, schema, table, path, wrong);
    }
}

fn fits_table(
    root: &Value,
    schema: &Value,
    table: &serde_json::Map<String, Value>,
    path: &str,
    wrong: &mut Vec<String>,
) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in table {
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(property), _) => fits(root, property, value, &at(key), wrong),
            (None, Value::Bool(false)) => wrong.push(format!("{}: unknown", at(key))),
            (None, other) => fits(root, other, value, &at(key), wrong),
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    wrong.extend(required.filter(|key| !table.contains_key(*key)).map(|key| format!("{}: missing", at(key))));
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = folder().join("scenario.schema.json");
    let text = format!("{:#}\n", schema());
    if std::env::var_os("BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, &text).expect("the schema is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} is out of date: run this test with BLESS=1", path.display());
}

#[test]
fn every_key_of_the_schema_is_described_and_in_the_reference() {
    let reference = include_str!("../../docs/scenario.md");
    let schema = schema();
    let mut tables = vec![schema.clone()];
    tables.extend(schema["$defs"].as_object().into_iter().flatten().map(|(_, table)| table.clone()));
    for table in tables {
        for (key, property) in table["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{key} has no description");
            assert!(reference.contains(&format!("`{key}")), "{key} is not in docs/scenario.md");
        }
    }
}

#[test]
fn every_example_of_the_reference_parses() {
    let reference = include_str!("../../docs/scenario.md");
    let examples: Vec<&str> =
        reference.split("```toml\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert_eq!(examples.len(), 5);
    for text in examples {
        let parsed = Scenario::parse(text, "docs/scenario.md", Path::new("."), &[], EnvPolicy::Keep);
        assert!(parsed.is_ok(), "{text}\n{}", parsed.expect_err("wrong"));
    }
}
