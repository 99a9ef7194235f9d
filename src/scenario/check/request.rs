//! `[[request]]`: method and path, names, bodies, expectations.

use std::collections::HashMap;

use super::super::env::EnvPolicy;
use super::super::scalar::{Checked, Placed, Span};
use super::super::source::Place;
use super::super::{Expectation, Request, slug, wire};
use super::Check;

/// Largest body that is read from a file.
const MAX_BODY: u64 = 16 << 20;
/// Largest weight; sums of weights stay inside 32 bits.
const MAX_WEIGHT: u64 = 1_000_000;
/// Most requests of a scenario.
const MAX_REQUESTS: usize = 1000;

impl Check<'_, '_> {
    /// All requests; one `GET /` where none is written.
    pub(super) fn requests(&mut self, wire: Option<Vec<Placed<wire::Request>>>) -> Vec<Request> {
        let wire = wire.unwrap_or_default();
        if wire.is_empty() {
            return vec![Request::new("GET", "/")];
        }
        if let Some(beyond) = wire.get(MAX_REQUESTS) {
            self.findings
                .place(&beyond.span(), format_args!("more than {MAX_REQUESTS} requests: merge some"));
        }
        let mut requests = Vec::new();
        let mut names: HashMap<String, String> = HashMap::new();
        for (wire, span) in wire.into_iter().map(Placed::into_parts) {
            let Some((mut request, named_at)) = self.request(wire, &span) else { continue };
            let place = self.where_is(&span);
            if let Some(first) = names.insert(request.name.clone(), place) {
                let remedy = "give each request its own name";
                let message = format!("a request of {first} is named {:?} too: {remedy}", request.name);
                match named_at {
                    Some(at) => self.findings.value(&at, message),
                    None => self.findings.place(&span, message),
                }
            }
            request.slug = unique_slug(&request.name, &requests);
            requests.push(request);
        }
        requests
    }

    fn where_is(&self, span: &Span) -> String {
        match self.source.place(span) {
            Place::File { line, .. } => format!("line {line}"),
            Place::Override(_) => "an override".into(),
        }
    }

    /// The request and where its name stands.
    fn request(&mut self, mut wire: wire::Request, span: &Span) -> Option<(Request, Option<Span>)> {
        let name = self.name(wire.name.take());
        let headers = self.headers(wire.headers.take());
        let body = self.body(wire.body.take(), wire.body_file.take());
        let weight = self.count_in(wire.weight.take(), 1, MAX_WEIGHT).unwrap_or(1);
        let expect = self.expectation(wire.expect.take());
        let timeout = self.positive(wire.timeout.take());
        let thresholds = self.thresholds(wire.thresholds.take());
        let (method, path) = self.method(wire, span)?;
        let (name, named_at) = match name {
            Some((name, at)) => (name, Some(at)),
            None => (format!("{method} {}", path.split('?').next().unwrap_or_default()), None),
        };
        let request = Request {
            name,
            headers,
            body,
            // At most MAX_WEIGHT.
            weight: u32::try_from(weight).unwrap_or(1),
            expect,
            timeout,
            thresholds,
            ..Request::new(method, &path)
        };
        Some((request, named_at))
    }

    fn method(&mut self, wire: wire::Request, span: &Span) -> Option<(&'static str, String)> {
        let given: Vec<(&'static str, Checked<String>)> = [
            ("GET", wire.get),
            ("POST", wire.post),
            ("PUT", wire.put),
            ("PATCH", wire.patch),
            ("DELETE", wire.delete),
            ("HEAD", wire.head),
            ("OPTIONS", wire.options),
        ]
        .into_iter()
        .filter_map(|(method, path)| Some((method, path?)))
        .collect();
        if let [_, (_, second), ..] = given.as_slice() {
            self.findings
                .value(&second.span, "a second method: a request has exactly one, write two [[request]]s");
            return None;
        }
        let Some((method, path)) = given.into_iter().next() else {
            self.findings.place(span, "has no method: write e.g. get = \"/products\"");
            return None;
        };
        let (path, span) = self.findings.take(Some(path))?;
        self.path(path, &span).map(|path| (method, path))
    }

    fn path(&mut self, path: String, span: &Span) -> Option<String> {
        let problem = if self.is_unfilled(&path) {
            None
        } else if path.contains("://") && !path.starts_with('/') {
            Some("is an address: write only the path, the host comes from target.url".to_owned())
        } else if !path.starts_with('/') {
            Some(format!("must begin with a slash: write \"/{path}\""))
        } else if path.contains('#') {
            Some("has a fragment (#..), which is never sent: remove it, or write %23".to_owned())
        } else {
            let odd = path.chars().find(|c| !('!'..='~').contains(c));
            odd.map(|c| format!("holds {c:?}, which a request line cannot carry: percent-encode it"))
        };
        match problem {
            Some(problem) => {
                self.findings.value(span, problem);
                None
            }
            None => Some(path),
        }
    }

    fn body(&mut self, text: Option<Checked<String>>, file: Option<Checked<String>>) -> Option<Vec<u8>> {
        if let (Some(_), Some(file)) = (&text, &file) {
            self.findings
                .value(&file.span, "`body` is there too: a request has one body, remove one of the two");
        }
        if let Some((text, _)) = self.findings.take(text) {
            return Some(text.into_bytes());
        }
        let (path, span) = self.file(file)?;
        if self.around.policy == EnvPolicy::Keep {
            // Nothing is sent any more, and the file may be gone.
            return Some(Vec::new());
        }
        let size = path.metadata().map(|m| m.len());
        match size.and_then(|size| if size > MAX_BODY { Ok(None) } else { std::fs::read(&path).map(Some) }) {
            Ok(Some(bytes)) => return Some(bytes),
            Ok(None) => self.findings.value(&span, "is larger than 16 MiB: use a smaller body"),
            Err(e) => self.findings.value(&span, format_args!("cannot be read: {e}")),
        }
        None
    }

    fn expectation(&mut self, wire: Option<wire::Expectation>) -> Expectation {
        let Some(wire) = wire else { return Expectation::default() };
        let mut status = Vec::new();
        for code in wire.status.into_iter().flatten() {
            status.extend(self.count_in(Some(code), 100, 599).and_then(|code| u16::try_from(code).ok()));
        }
        let body_contains = self.findings.take(wire.body_contains).map(|(text, _)| text);
        let pattern = self.findings.take(wire.body_matches);
        let body_matches = pattern.and_then(|(pattern, span)| match regex::bytes::Regex::new(&pattern) {
            Ok(regex) => Some(regex),
            Err(e) => {
                self.findings
                    .value(&span, format_args!("is no regular expression: {}", last_line(&e.to_string())));
                None
            }
        });
        Expectation { status, body_contains, body_matches }
    }
}

/// The reason; the lines above it draw the pattern, which our own message shows already.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// Names that differ only in punctuation get numbers.
fn unique_slug(name: &str, others: &[Request]) -> String {
    let plain = slug(name);
    let taken = |slug: &str| others.iter().any(|r| r.slug == slug);
    let numbered = (2..).map(|n| format!("{plain}-{n}"));
    std::iter::once(plain.clone()).chain(numbered).find(|slug| !taken(slug)).unwrap_or(plain)
}
