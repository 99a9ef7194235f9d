//! What a service's log lines must not bring into a run folder.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::scenario::MASK;

/// A key that names a secret with its value, in JSON, logfmt, headers and URLs; schemes of authentication keep their
/// name. What stands before a colon and a slash pair is an address.
#[expect(clippy::unwrap_used, reason = "a constant, tried by the tests")]
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix)
        ( (?: authorization | cookie | passwo?r?d | passwd | pwd | secret | token | api[-_]?key | access[-_]?key | credential s? )
          [\w-]* \\? "? \s* [:=] \s* (?: bearer \s+ | basic \s+ )? )
        ( \\" (?: [^"\\] | \\ [^"] )* (?: \\" )? | " (?: [^"\\] | \\ . )* "? | [^\s,;&"}\]]+ )
        | (?<scheme> \b (?: bearer | basic ) \s+ ) [A-Za-z0-9._~+/=-]{8,}
        | (?<address> [a-z][a-z0-9+.-]* :// [^\s:@/]* : ) [^\s@/]+ @
        "#,
    )
    .unwrap()
});

/// A line without the values of keys that name secrets, of authentication, and passwords in addresses.
pub(super) fn masked(line: &str) -> Cow<'_, str> {
    SECRETS.replace_all(line, |found: &regex::Captures<'_>| {
        let group = |name| found.name(name).map_or("", |m| m.as_str());
        match found.get(1) {
            Some(key) if found.get(2).is_some_and(|v| v.as_str().starts_with('"')) => {
                format!("{}\"{MASK}\"", key.as_str())
            }
            Some(key) => format!("{}{MASK}", key.as_str()),
            None if group("address").is_empty() => format!("{}{MASK}", group("scheme")),
            None => format!("{}{MASK}@", group("address")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_masked_and_the_rest_stays() {
        for (line, expected) in [
            (
                r#"{"msg":"login","password":"hun\"ter2","user":"ann"}"#,
                r#"{"msg":"login","password":"***","user":"ann"}"#,
            ),
            ("db_password=hunter2 user=ann", "db_password=*** user=ann"),
            ("Authorization: Bearer abc.def.ghi next", "Authorization: Bearer *** next"),
            ("sent bearer abcdefgh1234 to shop", "sent bearer *** to shop"),
            ("GET /a?api_key=17&x=1", "GET /a?api_key=***&x=1"),
            ("postgres://ann:hunter2@db/shop", "postgres://ann:***@db/shop"),
            ("nothing here, 12:30:05 http://shop/a:b", "nothing here, 12:30:05 http://shop/a:b"),
        ] {
            assert_eq!(masked(line), expected);
        }
    }
}
