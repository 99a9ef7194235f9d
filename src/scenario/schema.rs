//! The JSON Schema of scenario files (draft 2020-12), made from the wire types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::wire;

/// The schema that `loadprof schema` prints and editors use through a `#:schema` line.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let mut schema = generator.into_root_schema_for::<wire::Scenario>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: a key that may be left out is left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            unfold_optional(map);
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

/// `anyOf: [X, null]` is X.
fn unfold_optional(map: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = map.get("anyOf") else { return };
    let real: Vec<Value> = choices.iter().filter(|c| c["type"] != "null").cloned().collect();
    if let ([Value::Object(only)], true) = (real.as_slice(), choices.len() == 2) {
        map.remove("anyOf");
        for (key, value) in only {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}
