//! What a page of Go's `expvar` must not bring into a run folder: its `cmdline` may name passwords, and services
//! publish what they like.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::scenario::MASK;

/// A page with every text masked but the program's name: texts are no metrics. Numbers and the rest stay, one
/// variable a line as Go writes them.
///
/// # Errors
/// In words, if the page is no JSON object: what cannot be read cannot be freed of secrets either.
pub(super) fn masked(page: &[u8]) -> Result<Bytes, String> {
    let page: Map<String, Value> = serde_json::from_slice(page).map_err(|e| {
        format!(
            "the answer is no JSON object ({e}): correct the path to end in `/debug/vars`, or the variable at that \
             place (Go writes NaN as it is)"
        )
    })?;
    let line = |(key, mut value): (String, Value)| {
        let program = value.get(0).filter(|_| key == "cmdline").cloned();
        mask(&mut value);
        if let (Some(program), Some(first)) = (program, value.get_mut(0)) {
            *first = program;
        }
        format!("{}: {value}", Value::String(key))
    };
    let lines: Vec<String> = page.into_iter().map(line).collect();
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")).into())
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(map) => map.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_masked_and_numbers_stay() {
        let page = br#"{"cmdline": ["/srv/shop","-password=hunter2","hunter2"], "n": 18446744073709551615,
            "f": 0.1, "conf": {"dsn": "postgres://ann:hunter2@db/x", "m": [["hunter2", 1.5]], "on": true}}"#;
        let text = String::from_utf8(masked(page).expect("JSON").to_vec()).expect("text");
        assert!(!text.contains("hunter2"), "{text}");
        for kept in
            ["\"/srv/shop\"", "\"n\": 18446744073709551615", "\"f\": 0.1", "[[\"***\",1.5]]", "\"on\":true"]
        {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        serde_json::from_str::<Value>(&text).expect("still JSON");
        assert!(masked(b"[1]").is_err() && masked(b"{\"x\": NaN}").is_err());
    }
}
