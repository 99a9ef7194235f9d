//! One request: method and path, name, body, expectations.

use super::super::env::EnvPolicy;
use super::super::scalar::{Checked, Span};
use super::super::text::has_variables;
use super::super::{Expectation, Request, wire};
use super::Check;
use super::variables::Scope;

/// Largest body that is read from a file.
const MAX_BODY: u64 = 16 << 20;

/// A request that is checked but for its name.
pub(super) struct Named {
    pub(super) request: Request,
    /// Where its name stands, if it was written.
    pub(super) named_at: Option<Span>,
}

/// A method with its path, and the path as it was written, which is a name that holds no secret.
struct Line {
    method: &'static str,
    path: String,
    written: String,
}

impl Check<'_, '_> {
    /// A request with the keys that all have. Its variables are judged by what `scope` knows; what it
    /// extracts is known afterwards. `journey` stands before a name that is made up.
    pub(super) fn request(
        &mut self,
        mut wire: wire::Common,
        span: &Span,
        scope: &mut Scope<'_>,
        journey: Option<&str>,
    ) -> Option<Named> {
        self.texts.clear();
        let name = self.name(wire.name.take());
        let headers = self.headers(wire.headers.take());
        let auth = self.auth(wire.auth.take());
        self.one_authorization(&headers, auth.as_ref().map(|(_, at)| at), span);
        let body = self.body(&mut wire);
        let expect = self.expectation(wire.expect.take());
        let checks = self.checks(wire.check.take());
        let extract = self.extracts(wire.extract.take());
        let timeout = self.positive(wire.timeout.take());
        let line = self.line(wire, span);
        let texts = std::mem::take(&mut self.texts);
        self.judge(&texts, scope, None);
        let shown = name.as_ref().map(|(name, _)| name.clone()).or(line.as_ref().map(Line::name));
        self.judge_targets_texts(scope, shown.as_deref().unwrap_or("a request"), auth.is_some());
        // Also of a request that is wrong elsewhere: nothing follows from that.
        scope.extracted.extend(extract.iter().map(|e| e.variable.clone()));
        let line = line?;
        let (name, named_at) = match (name, journey) {
            (Some((name, at)), _) => (name, Some(at)),
            (None, Some(journey)) => (format!("{journey}: {}", line.name()), None),
            (None, None) => (line.name(), None),
        };
        let (body, body_template) = body.map_or((None, false), |(body, template)| (Some(body), template));
        let request = Request {
            name,
            headers,
            body,
            body_template,
            auth: auth.map(|(auth, _)| auth),
            expect,
            checks,
            extract,
            timeout,
            ..Request::new(line.method, &line.path)
        };
        Some(Named { request, named_at })
    }

    /// Two `authorization` headers would leave it to the target which one counts.
    fn one_authorization(&mut self, headers: &[(String, String)], auth: Option<&Span>, span: &Span) {
        let own = super::has_authorization(headers);
        match auth {
            Some(at) if own || self.target_sends.authorization => {
                let whose = if own { "its headers have" } else { "the target's headers have" };
                self.findings
                    .place(at, format_args!("{whose} an `authorization` as well: remove one of the two"));
            }
            None if own && self.target_sends.auth => self.findings.place(
                span,
                "has a header `authorization`, and target.auth makes another: write auth = {..} here instead",
            ),
            _ => {}
        }
    }

    /// Texts of the target go with every request.
    pub(super) fn judge_targets_texts(&mut self, scope: &Scope<'_>, name: &str, own_auth: bool) {
        let texts = self.target_sends.header_texts.clone();
        self.judge(&texts, scope, Some(name));
        if !own_auth {
            let texts = self.target_sends.auth_texts.clone();
            self.judge(&texts, scope, Some(name));
        }
    }

    fn line(&mut self, wire: wire::Common, span: &Span) -> Option<Line> {
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
        let written = self.as_written(&span);
        let path = self.path(path, &span)?;
        self.note_text(&path, &span);
        Some(Line { method, path, written })
    }

    /// A string as it stands in the file, before the environment filled it.
    fn as_written(&self, span: &Span) -> String {
        let slice = self.source.slice(span);
        let parsed = toml::de::DeValue::parse(slice).ok();
        let text = parsed.as_ref().and_then(|value| value.get_ref().as_str());
        // Overrides need no quotes.
        text.unwrap_or(slice).to_owned()
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

    /// The body, and whether variables in it are replaced.
    fn body(&mut self, wire: &mut wire::Common) -> Option<(Vec<u8>, bool)> {
        let (text, file, template) = (wire.body.take(), wire.body_file.take(), wire.body_template.take());
        let given: Vec<&Checked<String>> = [&text, &file, &template].into_iter().flatten().collect();
        if let Some(second) = given.iter().map(|given| &given.span).max_by_key(|span| span.start)
            && given.len() > 1
        {
            self.findings
                .value(second, "a second body: a request has one of body, body-file and body-template");
        }
        if let Some((text, span)) = self.findings.take(text) {
            self.note_text(&text, &span);
            let template = has_variables(&text);
            return Some((text.into_bytes(), template));
        }
        if let Some(file) = file {
            return self.body_file(file).map(|(bytes, _)| (bytes, false));
        }
        let (bytes, span) = self.body_file(template?)?;
        let Ok(text) = String::from_utf8(bytes) else {
            self.findings.value(&span, "is not UTF-8: convert it, or use body-file to send it as it is");
            return None;
        };
        self.note_text(&text, &span);
        Some((text.into_bytes(), true))
    }

    fn body_file(&mut self, file: Checked<String>) -> Option<(Vec<u8>, Span)> {
        let (path, span) = self.file(Some(file))?;
        if self.around.policy == EnvPolicy::Keep {
            // Nothing is sent any more, and the file may be gone.
            return Some((Vec::new(), span));
        }
        let size = path.metadata().map(|m| m.len());
        match size.and_then(|size| if size > MAX_BODY { Ok(None) } else { std::fs::read(&path).map(Some) }) {
            Ok(Some(bytes)) => return Some((bytes, span)),
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
        let body_matches = self.pattern(wire.body_matches);
        Expectation { status, body_contains, body_matches }
    }
}

impl Line {
    /// The name of a request that has none.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.written.split('?').next().unwrap_or_default())
    }
}
