//! Keeps secrets out of messages and files: passwords and tokens in URLs, their echoes in answers, and what a
//! service's own texts tell.

mod text;

use url::Url;

use crate::scenario::MASK;
pub(super) use text::{mask_value, masked_text};

/// Query keys whose values are no secret and help to understand a message.
const HARMLESS: [&str; 3] = ["seconds", "debug", "gc"];
/// Shorter values are too common in ordinary text to be searched for.
const SHORTEST: usize = 4;

/// A URL as messages may show it: user, password and every query value that is not known to be harmless
/// are masked.
#[must_use]
pub fn masked(url: &Url) -> String {
    let mut shown = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Refused only for URLs without a host, which have no user either.
        let _ = shown.set_username(MASK);
        let _ = shown.set_password(None);
    }
    if url.query().is_some() {
        let pairs: Vec<_> = url.query_pairs().map(|(k, v)| shown_pair(&k, &v)).collect();
        shown.set_query(Some(&pairs.join("&")));
    }
    shown.set_fragment(None);
    shown.to_string()
}

fn shown_pair(key: &str, value: &str) -> String {
    match (HARMLESS.contains(&key), value.is_empty()) {
        (true, _) => format!("{key}={value}"),
        (false, true) => key.to_owned(),
        (false, false) => format!("{key}={MASK}"),
    }
}

/// The secrets of one evidence source, to be struck out of whatever a server answers.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Secrets in the URL and in the headers.
    pub(super) fn of(url: &Url, headers: &[(String, String)]) -> Self {
        let mut all: Vec<String> = vec![url.username().to_owned()];
        all.extend(url.password().map(str::to_owned));
        let query = url.query_pairs().filter(|(k, _)| !HARMLESS.contains(&k.as_ref()));
        all.extend(query.map(|(_, v)| v.into_owned()));
        for (_, value) in headers {
            // `Bearer abc`: the token alone is as secret as the whole.
            all.extend(value.split_whitespace().map(str::to_owned));
        }
        all.retain(|s| s.len() >= SHORTEST);
        all.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Self(all)
    }

    /// The beginning of an answer as a message may show it: one line, bounded, without control characters
    /// and secrets.
    pub(super) fn excerpt(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(&body[..body.len().min(2048)]);
        let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        let struck = self.0.iter().fold(clean, |text, secret| text.replace(secret, MASK));
        struck.chars().take(160).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_password_and_tokens_never_show() {
        let url = Url::parse("http://me:pass%20word@h:1/debug/pprof/profile?token=abc123&seconds=5&raw#x")
            .expect("a URL");
        assert_eq!(masked(&url), "http://***@h:1/debug/pprof/profile?token=***&seconds=5&raw");
        assert_eq!(masked(&Url::parse("http://h/a").expect("a URL")), "http://h/a");
    }

    #[test]
    fn echoes_of_secrets_are_struck_out_of_answers() {
        let url = Url::parse("http://h/?token=abc123").expect("a URL");
        let secrets = Secrets::of(&url, &[("Authorization".into(), "Bearer s3cr3t".into())]);
        let said = secrets.excerpt(b"\r\n bad token abc123 for \x1b[31mBearer s3cr3t\nsecond line");
        assert_eq!(said, "bad token *** for [31m*** ***");
    }
}
