//! Keeps secrets out of run folders, reports and messages.

use toml::de::DeValue;

use super::source::each_string_of;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Whether a key names a secret, e.g. `authorization`, `x-api-key`, `db_password`.
#[must_use]
pub fn looks_secret(key: &str) -> bool {
    const PARTS: [&str; 8] =
        ["authorization", "token", "password", "passwd", "secret", "cookie", "apikey", "credential"];
    let key = key.to_lowercase();
    PARTS.iter().any(|part| key.contains(part))
        || key.split(['-', '_', '.', '"', ' ']).any(|word| word == "key")
}

/// An override as it may be written down: `key=value`, the value masked if its key looks secret. What comes
/// out can be applied again.
#[must_use]
pub fn mask_override(text: &str) -> String {
    let Some((key, value)) = text.split_once('=') else {
        return if looks_secret(text) { MASK.to_owned() } else { text.to_owned() };
    };
    if looks_secret(key) {
        return format!("{key}={MASK}");
    }
    let Ok(mut tree) = DeValue::parse(value) else { return text.to_owned() };
    let mut spans = Vec::new();
    each_string_of(&mut tree, &mut |path, value| {
        if path.iter().any(|key| looks_secret(key)) {
            spans.push(value.span());
        }
    });
    spans.sort_by_key(|span| std::cmp::Reverse(span.start));
    let mut masked = value.to_owned();
    for span in spans {
        masked.replace_range(span, &format!("\"{MASK}\""));
    }
    format!("{key}={masked}")
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
        ] {
            assert_eq!(mask_override(text), masked);
        }
        assert!(!looks_secret("keep-alive") && !looks_secret("monkey"));
    }
}
