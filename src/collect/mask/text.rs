//! Secrets in what a service says: its log lines, and the values that it sends over OTLP.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::scenario::MASK;

/// Parts of names whose values are secret.
const NAMES: &str =
    "authorization|cookie|passw|passphrase|pwd|secret|token|credential|(?:api|access|private)[-_.]?key";

/// What every pattern of [`SECRETS`] needs, except for `://` and `@`. Most texts hold none of it, and this looks at
/// them many times faster.
#[expect(clippy::unwrap_used, reason = "a constant, tried by the tests")]
static HINTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("(?i)bearer|basic|{NAMES}")).unwrap());

#[expect(clippy::unwrap_used, reason = "a constant, tried by the tests")]
static TELLING: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("(?i){NAMES}")).unwrap());

/// A name of a secret with its value, in JSON (escaped or not), logfmt, headers, queries and connection strings: the
/// scheme of an authentication stays, and of cookies all pairs are meant. Credentials without a name. User and
/// password of an address.
#[expect(clippy::unwrap_used, reason = "a constant, tried by the tests")]
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(
        r#"(?isx)
        ( cookie [\w.-]* \s* [:=] \s* ) ( [^\s=;,"]+ = [^\s;,"]* (?: ; \s* [^\s=;,"]+ = [^\s;,"]* )* )
        | ( (?: {NAMES} ) [\w.-]* \\? ["']? \s* [:=] \s*
            (?: (?: bearer | basic | digest | negotiate | token ) \s+ )? )
          ( \\" (?: [^"\\] | \\ [^"] )* (?: \\" )?
          | " (?: [^"\\] | \\ . )* "?
          | ' [^']* '
          | [^\s,;&"}}\]]+ )
        | (?<scheme> \b (?: bearer | basic ) \s+ ) [a-z0-9._~+/=-]{{8,}}
        | (?<address> :// ) [^/\s?\#"<>]+ @
        "#
    );
    Regex::new(&pattern).unwrap()
});

/// A text without the values of names that tell of secrets, without credentials, and without users and passwords in
/// addresses. Quotes stay, so that JSON stays JSON.
pub(in crate::collect) fn masked_text(text: &str) -> Cow<'_, str> {
    let address = || text.contains('@') && text.contains("://");
    if !HINTS.is_match(text) && !address() {
        return Cow::Borrowed(text);
    }
    SECRETS.replace_all(text, |found: &Captures<'_>| {
        let group = |name| found.name(name).map(|m| m.as_str());
        if group("address").is_some() {
            return format!("://{MASK}@");
        }
        let name = found.get(1).or(found.get(3)).map(|m| m.as_str()).or(group("scheme")).unwrap_or_default();
        match found.get(4).and_then(|value| value.as_str().chars().next()) {
            Some(quote @ ('"' | '\'')) => format!("{name}{quote}{MASK}{quote}"),
            Some('\\') if found[4].starts_with("\\\"") => format!("{name}\\\"{MASK}\\\""),
            _ => format!("{name}{MASK}"),
        }
    })
}

/// Masks a value under its name: all of it if the name tells of a secret, else what is one within it.
pub(in crate::collect) fn mask_value(name: &str, value: &mut String) {
    if TELLING.is_match(name) {
        MASK.clone_into(value);
    } else if let Cow::Owned(masked) = masked_text(value) {
        *value = masked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(name: &str, value: &str) -> String {
        let mut value = value.to_owned();
        mask_value(name, &mut value);
        value
    }

    #[test]
    fn values_under_telling_names_are_masked() {
        for name in [
            "http.request.header.authorization",
            "Set-Cookie",
            "db.password",
            "x-api-key",
            "ID_TOKEN",
            "aws.access-key",
            "PRIVATE_KEY",
        ] {
            assert_eq!(masked(name, "abc"), "***", "{name}");
        }
        assert_eq!(masked("http.route", "/products/{id}"), "/products/{id}");
    }

    #[test]
    fn secrets_within_texts_are_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("GET /a?page=3&access_token=abc123&x=1", "GET /a?page=3&access_token=***&x=1"),
            ("GET /a?api_key=17&x=1", "GET /a?api_key=***&x=1"),
            ("postgres://me:hunter2@db:5432/shop", "postgres://***@db:5432/shop"),
            ("postgres://ann:hun@ter2@db/shop", "postgres://***@db/shop"),
            ("clone https://ghp_abc@code/x", "clone https://***@code/x"),
            ("sent Authorization: Bearer eyJhbGciOi.x.y ok", "sent Authorization: Bearer *** ok"),
            ("Authorization: Token abc.def.ghi next", "Authorization: Token *** next"),
            ("curl -H 'Bearer eyJhbGciOi.x.y'", "curl -H 'Bearer ***'"),
            ("sent bearer abcdefgh1234 to shop", "sent bearer *** to shop"),
            (r#"{"password": "a b", "n": 1}"#, r#"{"password": "***", "n": 1}"#),
            (r#"{"password":"hun\"ter2","user":"ann"}"#, r#"{"password":"***","user":"ann"}"#),
            (r#""{\"password\":\"hun ter2\",\"n\":1}""#, r#""{\"password\":\"***\",\"n\":1}""#),
            ("{'password': 'a b', 'n': 1}", "{'password': '***', 'n': 1}"),
            ("token=\"a\nb\" n=1", "token=\"***\" n=1"),
            ("host=db password=hunter2 port=1", "host=db password=*** port=1"),
            ("db_password=hunter2 user=ann", "db_password=*** user=ann"),
            ("AWS_SECRET_ACCESS_KEY=abc/def x", "AWS_SECRET_ACCESS_KEY=*** x"),
            ("Cookie: a=1; sid=hunter2 next", "Cookie: *** next"),
            ("select * from products where id = 5", "select * from products where id = 5"),
            ("nothing here, 12:30:05 http://shop/a:b", "nothing here, 12:30:05 http://shop/a:b"),
            (r#"{"url":"http://shop","to":"a@b"}"#, r#"{"url":"http://shop","to":"a@b"}"#),
        ] {
            assert_eq!(masked("body", text), shown);
            assert_eq!(masked_text(shown), shown, "masked once is masked for good");
        }
    }
}
