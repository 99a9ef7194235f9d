//! `${NAME}` in string values, filled from the environment.

use toml::de::DeValue;

use super::findings::Findings;
use super::secret::{is_secret, masked_at};
use super::source::{Source, Tree, each_string};
use super::text::{has_variables, is_variable};

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
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let filled = expand(text, env, is_template(&keys));
        if policy == EnvPolicy::Require {
            for name in &filled.missing {
                findings.value(&span, missing(name));
            }
        }
        let kept = if filled.used && is_fact(&keys) && !is_secret(keys.iter().copied()) {
            Some(filled.text.clone())
        } else {
            masked_at(&keys, text)
        };
        edits.extend(kept.map(|kept| (span, toml::Value::String(kept).to_string())));
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
fn is_fact(path: &[&str]) -> bool {
    const TARGET: [&str; 12] = [
        "url",
        "timeout",
        "keep-alive",
        "http-version",
        "streams",
        "resolve",
        "server-name",
        "insecure",
        "compression",
        "cookies",
        "redirects",
        "allow",
    ];
    const REQUEST: [&str; 10] =
        ["name", "timeout", "weight", "think-time", "from", "to", "at-least", "at-most", "status", "exists"];
    let (first, last) = (path.first().copied().unwrap_or(""), path.last().copied().unwrap_or(""));
    match first {
        "name" | "load" | "detect" | "thresholds" => true,
        "feeder" => last != "file",
        "target" => path.len() == 2 && TARGET.contains(&last),
        "request" | "journey" | "setup" | "teardown" => {
            !path.contains(&"headers") && (REQUEST.contains(&last) || path.contains(&"thresholds"))
        }
        "evidence" => !matches!(last, "url" | "dsn" | "ca") && !path.contains(&"headers"),
        _ => false,
    }
}

/// Whether variables of the run may stand in a value, so that `$${` is theirs to read.
fn is_template(path: &[&str]) -> bool {
    const TEXTS: [&str; 10] =
        ["get", "post", "put", "patch", "delete", "head", "options", "body", "equals", "contains"];
    let sent = path.contains(&"headers") || path.contains(&"auth");
    match path.first() {
        Some(&"target") => sent,
        Some(&("request" | "journey" | "setup" | "teardown")) => {
            sent || path.last().is_some_and(|key| TEXTS.contains(key))
        }
        _ => false,
    }
}

struct Filled {
    text: String,
    used: bool,
    missing: Vec<String>,
}

/// Replaces `${NAME}` (upper case only: `${page}` is a variable of the run); `$${` stands for `${`. In a
/// template, `$${page}` stays for those who read the template.
fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>, template: bool) -> Filled {
    let mut filled = Filled { text: String::with_capacity(text.len()), used: false, missing: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("$${") {
            filled.text.push_str(if template && begins_variable(tail) { "$${" } else { "${" });
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
                // What the environment says is no template.
                let escape = template && has_variables(&value);
                filled.text.push_str(&if escape { value.replace("${", "$${") } else { value });
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

/// Whether a text goes on as `page}...`.
fn begins_variable(text: &str) -> bool {
    text.split_once('}').is_some_and(|(name, _)| is_variable(name))
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
            let result = expand(text, &env, false);
            assert_eq!((result.text.as_str(), result.missing.len()), (filled, 0), "{text}");
        }
        let odd = |_: &str| Some("a${page}".to_owned());
        for (text, filled, template) in [
            ("$${page} ${page}", "${page} ${page}", false),
            ("$${page} ${page} $${X}", "$${page} ${page} ${X}", true),
            ("${X}", "a${page}", false),
            ("${X}", "a$${page}", true),
        ] {
            assert_eq!(expand(text, &odd, template).text, filled, "{text}");
        }
        let result = expand("a ${NOT_SET} b", &env, false);
        assert_eq!((result.text.as_str(), result.missing), ("a ${NOT_SET} b", vec!["NOT_SET".to_owned()]));
        assert!(has_reference("x${A}") && !has_reference("x${a}"));
    }
}
