//! Keeps secrets of the services out of the run folder: values under telling names, and what looks like one
//! within a text.

use std::sync::LazyLock;

use regex::Regex;

use crate::scenario::MASK;

/// Parts of names whose values are secret.
const TELLING: [&str; 12] = [
    "authorization",
    "cookie",
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "credential",
    "private_key",
];

/// `Bearer abc...` and `Basic abc...`, wherever they stand.
static CREDENTIALS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\b(bearer|basic)\s+[a-z0-9+/=._~-]{8,}").expect("it compiles"));
/// User and password of a URL.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"://[^/@\s?#]+@").expect("it compiles"));
/// A telling name, its separator, its value: in queries, connection strings, JSON and log lines.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let names = TELLING.join("|");
    let pattern = format!(
        r#"(?i)([a-z0-9_.-]*(?:{names})[a-z0-9_.-]*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^&\s;,"'}})\]]+)"#
    );
    Regex::new(&pattern).expect("it compiles")
});

/// Whether the values under a name are secret.
fn is_telling(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    TELLING.iter().any(|part| key.contains(part))
}

/// Masks a value, or what is secret in it.
pub(super) fn mask(key: &str, text: &mut String) {
    if is_telling(key) {
        MASK.clone_into(text);
        return;
    }
    for (pattern, instead) in [(&CREDENTIALS, "$1 ***"), (&USER_INFO, "://***@"), (&PAIR, "${1}***")] {
        if let std::borrow::Cow::Owned(masked) = pattern.replace_all(text, instead) {
            *text = masked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(key: &str, text: &str) -> String {
        let mut text = text.to_owned();
        mask(key, &mut text);
        text
    }

    #[test]
    fn values_under_telling_names_are_masked() {
        for key in ["http.request.header.authorization", "Set-Cookie", "db.password", "x-api-key", "ID_TOKEN"]
        {
            assert_eq!(masked(key, "abc"), "***", "{key}");
        }
        assert_eq!(masked("http.route", "/products/{id}"), "/products/{id}");
    }

    #[test]
    fn secrets_within_texts_are_masked() {
        for (text, shown) in [
            ("GET /a?page=3&access_token=abc123&x=1", "GET /a?page=3&access_token=***&x=1"),
            ("postgres://me:hunter2@db:5432/shop", "postgres://***@db:5432/shop"),
            ("sent Authorization: Bearer eyJhbGciOi.x.y ok", "sent Authorization: *** *** ok"),
            ("curl -H 'Bearer eyJhbGciOi.x.y'", "curl -H 'Bearer ***'"),
            (r#"{"password": "a b", "n": 1}"#, r#"{"password": ***, "n": 1}"#),
            ("host=db password=hunter2 port=1", "host=db password=*** port=1"),
            ("select * from products where id = 5", "select * from products where id = 5"),
        ] {
            assert_eq!(masked("body", text), shown);
        }
    }
}
