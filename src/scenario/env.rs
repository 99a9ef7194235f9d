//! `${NAME}` in string values, filled from the environment.

use toml::de::DeValue;

use super::findings::Findings;
use super::secret::{MASK, looks_secret};
use super::source::{Source, Tree, each_string};

/// What to do about `${NAME}` when the environment has no such variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvPolicy {
    /// It is an error: the run would send the wrong thing.
    Require,
    /// It stays as it is: a finished run is analysed, perhaps elsewhere, and sends nothing. Files that the
    /// scenario names need not exist either.
    Keep,
}

/// Fills all values and returns the text for the run folder: values that decide the shape of the load are
/// written out (a later analysis must see the same scenario), secrets are not.
pub(super) fn fill(
    tree: &mut Tree<'_>,
    source: &Source,
    policy: EnvPolicy,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> String {
    let mut edits = Vec::new();
    each_string(tree.get_mut(), &mut Vec::new(), &mut |path, value| {
        let span = value.span();
        let DeValue::String(text) = value.get_mut() else { return };
        let secret = path.iter().any(|key| looks_secret(key));
        let filled = expand(text, env);
        if policy == EnvPolicy::Require {
            for name in &filled.missing {
                findings.value(&span, missing(name));
            }
        }
        if filled.used && is_fact(path) && !secret {
            edits.push((span, toml::Value::String(filled.text.clone()).to_string()));
        } else if secret && !filled.used && filled.missing.is_empty() {
            edits.push((span, format!("\"{MASK}\"")));
        }
        *text = filled.text.into();
    });
    edits.retain(|(span, _)| source.in_file(span));
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut copy = source.text().to_owned();
    for (span, text) in edits {
        copy.replace_range(span, &text);
    }
    copy
}

fn missing(name: &str) -> String {
    format!(
        "the environment has no {name}: set it (export {name}=...), or write $${{{name}}} for the text itself"
    )
}

/// Whether a value is a plain fact of the run and never a credential.
fn is_fact(path: &[String]) -> bool {
    let first = path.first().map_or("", String::as_str);
    let last = path.last().map_or("", String::as_str);
    match first {
        "name" | "load" | "detect" | "thresholds" => true,
        "target" => last == "url" || last == "timeout" || last == "keep-alive",
        "request" => last == "timeout" || last == "weight" || path.iter().any(|k| k == "thresholds"),
        "evidence" => !matches!(last, "url" | "ca") && !path.iter().any(|k| k == "headers"),
        _ => false,
    }
}

struct Filled {
    text: String,
    used: bool,
    missing: Vec<String>,
}

/// Replaces `${NAME}` (upper case only: `${page}` belongs to data feeds); `$${` stands for `${`.
fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut filled = Filled { text: String::with_capacity(text.len()), used: false, missing: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("$${") {
            filled.text.push_str("${");
            rest = tail;
            continue;
        }
        let Some((name, tail)) = reference(rest) else {
            filled.text.push('$');
            rest = &rest[1..];
            continue;
        };
        match env(name) {
            Some(value) => {
                filled.used = true;
                filled.text.push_str(&value);
            }
            None => {
                filled.missing.push(name.to_owned());
                filled.text.push_str(&rest[..rest.len() - tail.len()]);
            }
        }
        rest = tail;
    }
    filled.text.push_str(rest);
    filled
}

/// The name at the front of `${NAME}...` and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = text.strip_prefix("${")?.split_once('}')?;
    let upper = |b: u8| b.is_ascii_uppercase() || b == b'_';
    let valid =
        name.bytes().next().is_some_and(upper) && name.bytes().all(|b| upper(b) || b.is_ascii_digit());
    valid.then_some((name, tail))
}

/// Whether a text still holds a reference that was not filled.
pub(super) fn has_reference(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| reference(&text[at..]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_names_are_filled_and_the_rest_stays() {
        let env = |name: &str| (name == "HOST_1").then(|| "shop".to_owned());
        for (text, filled) in [
            ("http://${HOST_1}:80", "http://shop:80"),
            ("${HOST_1}${HOST_1}", "shopshop"),
            ("$${HOST_1}", "${HOST_1}"),
            ("${page}", "${page}"),
            ("${1A} $5 ${ $", "${1A} $5 ${ $"),
            ("caf\u{e9} ${HOST_1}", "caf\u{e9} shop"),
        ] {
            let result = expand(text, &env);
            assert_eq!((result.text.as_str(), result.missing.len()), (filled, 0), "{text}");
        }
        let result = expand("a ${NOT_SET} b", &env);
        assert_eq!((result.text.as_str(), result.missing), ("a ${NOT_SET} b", vec!["NOT_SET".to_owned()]));
        assert!(has_reference("x${A}") && !has_reference("x${a}"));
    }
}
