//! Keeps secrets out of run folders, reports and messages.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use toml::de::DeValue;

use super::env::has_reference;
use super::source::each_string_of;
use super::text::has_variables;

/// What stands in the place of a secret value.
pub const MASK: &str = "***";
/// What stands in the place of a secret within an address; it must still be one.
const MASK_WITHIN: &str = "masked";
/// Keys below which variables, headers and cookies are named by what they hold, not by their secrets.
const NAMING: [&str; 2] = ["extract", "check"];

/// Whether a key names a secret, e.g. `authorization`, `x-api-key`, `db_password`.
#[must_use]
pub fn looks_secret(key: &str) -> bool {
    const PARTS: [&str; 9] = [
        "authorization",
        "bearer",
        "token",
        "password",
        "passwd",
        "secret",
        "cookie",
        "apikey",
        "credential",
    ];
    let key = key.to_lowercase();
    PARTS.iter().any(|part| key.contains(part))
        || key.split(['-', '_', '.', '"', ' ']).any(|word| word == "key")
}

/// Whether the value at a path of keys, such as `request[0].headers.cookie`, is a secret.
pub(super) fn is_secret<'k>(path: impl IntoIterator<Item = &'k str>) -> bool {
    let path: Vec<&str> = path.into_iter().map(|key| key.split('[').next().unwrap_or_default()).collect();
    if let ["target", "cookies" | "client-key"] = path.as_slice() {
        return false;
    }
    let of_request = matches!(path.first(), Some(&("request" | "journey" | "setup" | "teardown")));
    match path.iter().position(|key| NAMING.contains(key) || *key == "headers").filter(|_| of_request) {
        // The place of a token is no token; what stands in for it may be one.
        Some(at) if path[at] == "extract" => {
            path.last() == Some(&"default") && path.get(at + 1).is_some_and(|name| looks_secret(name))
        }
        Some(at) if path[at] == "check" => false,
        _ => path.iter().any(|key| looks_secret(key)),
    }
}

/// Whether the value at a path of keys is sent as an address or a body, which may hold secrets by its own
/// syntax.
fn is_sent(path: &[&str]) -> bool {
    const SENT: [&str; 11] =
        ["get", "post", "put", "patch", "delete", "head", "options", "url", "proxy", "dsn", "body"];
    path.last().is_some_and(|key| SENT.contains(key)) && !path.contains(&"headers")
}

/// A text with the secrets that its syntax shows taken out: credentials of addresses, and parameters of
/// queries and forms whose names look secret. Values that come from variables stay.
pub(super) fn mask_within(text: &str) -> Cow<'_, str> {
    static CREDENTIALS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"://([^\s/?#"']*)@"#).expect("tested below"));
    static PARAMETER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(^|[?&"'])([^\s=?&#"']+)=([^\s&#"']+)"#).expect("tested below"));
    let masked = CREDENTIALS.replace_all(text, |found: &Captures<'_>| {
        if is_plain(&found[1]) { format!("://{MASK_WITHIN}@") } else { found[0].to_owned() }
    });
    let parameter = |found: &Captures<'_>| {
        if looks_secret(&found[2]) && is_plain(&found[3]) {
            format!("{}{}={MASK_WITHIN}", &found[1], &found[2])
        } else {
            found[0].to_owned()
        }
    };
    match masked {
        Cow::Borrowed(text) => PARAMETER.replace_all(text, parameter),
        Cow::Owned(text) => Cow::Owned(PARAMETER.replace_all(&text, parameter).into_owned()),
    }
}

/// Whether a text holds no variable.
pub(super) fn is_plain(text: &str) -> bool {
    !has_variables(text) && !has_reference(text)
}

/// The text that may be kept of the value at a path of keys; none if it may be kept as it is.
pub(super) fn masked_at(path: &[&str], text: &str) -> Option<String> {
    if is_secret(path.iter().copied()) {
        return is_plain(text).then(|| MASK.to_owned());
    }
    if path.last() == Some(&"dsn") && !text.contains("://") {
        // `password=..` may stand anywhere in it, in quotes of its own.
        return is_plain(text).then(|| MASK.to_owned());
    }
    if !is_sent(path) {
        return None;
    }
    match mask_within(text) {
        Cow::Owned(masked) if masked != text => Some(masked),
        _ => None,
    }
}

/// An override as it may be written down: `key=value`, the value masked if its key looks secret. What comes
/// out can be applied again.
#[must_use]
pub fn mask_override(text: &str) -> String {
    let Some((key, value)) = text.split_once('=') else {
        return if looks_secret(text) { MASK.to_owned() } else { text.to_owned() };
    };
    let keys: Vec<&str> = key.split('.').map(|key| key.trim_matches(['"', '\'', ' '])).collect();
    if is_secret(keys.iter().copied()) {
        return format!("{key}={MASK}");
    }
    let Ok(mut tree) = DeValue::parse(value) else {
        return masked_at(&keys, value).map_or(text.to_owned(), |masked| format!("{key}={masked}"));
    };
    let mut edits = Vec::new();
    each_string_of(&mut tree, &mut |path, value| {
        let text = value.get_ref().as_str().unwrap_or_default();
        let path: Vec<&str> = keys.iter().copied().chain(path.iter().map(String::as_str)).collect();
        edits.extend(masked_at(&path, text).map(|masked| (value.span(), masked)));
    });
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut masked = value.to_owned();
    for (span, text) in edits {
        masked.replace_range(span, &toml::Value::String(text).to_string());
    }
    format!("{key}={masked}")
}

/// A command of the shell, or what one printed, as it may be written down: values of names that look secret
/// (`PGPASSWORD=..`, `--token ..`, `Authorization: Bearer ..`), users of `-u`, and what [`mask_override`] masks in
/// addresses. Variables (`$TOKEN`) stay, so a secret is kept best in one.
#[must_use]
pub fn mask_command(text: &str) -> String {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let value = r#""[^"]*"|'[^']*'|[^\s"';|&]+"#;
        Regex::new(&format!(r#"(?i)([\w.-]+)(["']?\s*[:=]\s*|\s+)((?:bearer|basic|token)\s+)?({value})"#))
            .expect("tested below")
    });
    static USER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"((?:^|\s)(?:-u|--user)[\s=]*["']?)([^\s"'$:]+:[^\s"'$]+)"#).expect("tested below")
    });
    let masked = mask_within(text);
    let masked = USER.replace_all(&masked, |found: &Captures<'_>| format!("{}{MASK}", &found[1]));
    let mut out = String::with_capacity(masked.len());
    let mut rest = &*masked;
    // Of `echo Authorization: x` the first pair is no secret and ends within the second one: the search goes on
    // after the name alone.
    while let Some(found) = NAMED.captures(rest) {
        let (Some(name), Some(value)) = (found.get(1), found.get(4)) else { break };
        let bare = found[2].trim().is_empty();
        let secret = looks_secret(name.as_str()) && (!bare || name.as_str().starts_with("--"));
        let kept = ["$", "\"$", "'$", MASK].iter().any(|p| value.as_str().starts_with(p));
        if secret && !kept {
            out.push_str(&rest[..value.start()]);
            out.push_str(MASK);
            rest = &rest[value.end()..];
        } else {
            out.push_str(&rest[..name.end()]);
            rest = &rest[name.end()..];
        }
    }
    out + rest
}

/// Keys of a scenario's text and of the overrides beside it whose values were masked, as an override would name them:
/// what a run folder does not keep. Those that are `given` again are left out.
#[must_use]
pub fn masked_keys(text: &str, kept: &[String], given: &[String]) -> Vec<String> {
    let key_of = |o: &String| o.split('=').next().map(|key| key.trim().to_owned());
    let overridden = kept.iter().filter(|o| o.split_once('=').is_some_and(|(_, value)| is_masked(value)));
    let mut masked: Vec<String> = overridden.filter_map(key_of).collect();
    if let Ok(table) = text.parse::<toml::Table>() {
        find_masked(&toml::Value::Table(table), "", &mut masked);
    }
    masked.retain(|key| !given.iter().any(|o| key_of(o).as_ref() == Some(key)));
    masked
}

/// Whether something in a value was masked.
fn is_masked(value: &str) -> bool {
    let within = [format!("://{MASK_WITHIN}@"), format!("={MASK_WITHIN}")];
    value.contains(MASK) || within.iter().any(|w| value.contains(w.as_str()))
}

fn find_masked(value: &toml::Value, path: &str, masked: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(k, v)| find_masked(v, &below(k), masked)),
        toml::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| find_masked(v, &below(&i.to_string()), masked));
        }
        toml::Value::String(text) if is_masked(text) => masked.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_their_key() {
        for (text, masked) in [
            ("target.headers.authorization=Bearer abc", "target.headers.authorization=***"),
            ("target.headers.X-Api-Key=abc", "target.headers.X-Api-Key=***"),
            (
                "target.headers={ cookie = \"a\", accept = \"b\" }",
                "target.headers={ cookie = \"***\", accept = \"b\" }",
            ),
            ("target.keep-alive=false", "target.keep-alive=false"),
            ("load.rate=200/s", "load.rate=200/s"),
            ("my-token", "***"),
            ("evidence.postgres.0.dsn=host=h password=x", "evidence.postgres.0.dsn=***"),
            ("evidence.postgres.0.dsn=postgres://a:b@h/d", "evidence.postgres.0.dsn=postgres://masked@h/d"),
            ("evidence.redis.0.url=redis://:b@h:1", "evidence.redis.0.url=redis://masked@h:1"),
            ("target.auth.bearer=abc", "target.auth.bearer=***"),
            ("target.auth={ bearer = \"abc\" }", "target.auth={ bearer = \"***\" }"),
            ("target.auth={ bearer = \"${T}\" }", "target.auth={ bearer = \"${T}\" }"),
            ("target.proxy=http://a:b@10.0.0.1:1", "target.proxy=http://masked@10.0.0.1:1"),
            ("request.0.get=/a?b=1&api_key=xyz", "request.0.get=/a?b=1&api_key=masked"),
            ("request.0={ get = '/a?token=xyz' }", "request.0={ get = \"/a?token=masked\" }"),
            ("request.0.extract.token.json=$.t", "request.0.extract.token.json=$.t"),
        ] {
            assert_eq!(mask_override(text), masked);
        }
        for (text, masked) in [
            ("/login?user=a&password=b&x=1#f", "/login?user=a&password=masked&x=1#f"),
            ("/a?token=${token}&key=${KEY}", "/a?token=${token}&key=${KEY}"),
            ("http://${U}:${P}@h/?a=b@c", "http://${U}:${P}@h/?a=b@c"),
            ("http://u:p@h/?a=b@c", "http://masked@h/?a=b@c"),
            ("password=b&a=c", "password=masked&a=c"),
            ("/users/@me?page=2", "/users/@me?page=2"),
        ] {
            assert_eq!(mask_within(text), masked);
        }
        assert!(!is_secret(["target", "cookies"]) && !is_secret(["request", "check", "cookie"]));
        assert!(!is_secret(["journey[0]", "step[1]", "extract", "token", "json"]));
        assert!(is_secret(["setup[0]", "extract", "token", "default"]));
        assert!(is_secret(["request[0]", "headers", "cookie"]) && is_secret(["target", "auth", "bearer"]));
        assert!(!looks_secret("keep-alive") && !looks_secret("monkey"));
    }

    #[test]
    fn commands_are_kept_without_their_secrets() {
        for (text, masked) in [
            (
                "curl -H 'Authorization: Bearer abc' http://h/x",
                "curl -H 'Authorization: Bearer ***' http://h/x",
            ),
            ("curl -H \"X-Api-Key: abc\" http://h/x", "curl -H \"X-Api-Key: ***\" http://h/x"),
            ("curl -H \"Authorization: Bearer $TOKEN\" h", "curl -H \"Authorization: Bearer $TOKEN\" h"),
            ("PGPASSWORD=abc psql -c 'create index'", "PGPASSWORD=*** psql -c 'create index'"),
            ("PGPASSWORD='a b' psql; x", "PGPASSWORD=*** psql; x"),
            ("tool --token abc --verbose yes", "tool --token *** --verbose yes"),
            (
                "curl -u me:pw http://me:pw@h/?token=abc&page=2",
                "curl -u *** http://masked@h/?token=***&page=2",
            ),
            ("{\"password\": \"abc\", \"on\": true}", "{\"password\": ***, \"on\": true}"),
            (
                "curl -fsS -X POST \"$LOADPROF_TARGET/admin/set?refresh=never\"",
                "curl -fsS -X POST \"$LOADPROF_TARGET/admin/set?refresh=never\"",
            ),
            ("kubectl set env deploy/shop CACHE=on", "kubectl set env deploy/shop CACHE=on"),
        ] {
            assert_eq!(mask_command(text), masked);
        }
    }

    #[test]
    fn what_a_copy_does_not_keep_is_named() {
        let text = "[target]\nurl = \"http://h\"\nproxy = \"http://masked@h:1\"\nheaders = { cookie = \"***\", a = \"b\" }\n\
                    [[request]]\nget = \"/a?token=masked\"\n[[request]]\nget = \"/masked\"\n";
        assert_eq!(masked_keys(text, &[], &[]), ["request.0.get", "target.headers.cookie", "target.proxy"]);
        let given = ["target.headers.cookie=a=b".to_owned(), "target.proxy=http://h".to_owned()];
        assert_eq!(masked_keys(text, &[], &given), ["request.0.get"]);
        let kept =
            ["load.rate=5/s", "target.proxy=http://masked@h", "target.auth.bearer=***"].map(str::to_owned);
        assert_eq!(masked_keys("", &kept, &given), ["target.auth.bearer"]);
    }
}
