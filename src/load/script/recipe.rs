//! Requests with variables: compiled once, filled in for every hit into buffers that are used again.
//!
//! What comes out suits HTTP/1.1 and HTTP/2 alike: path, headers in order, body. Writing the head, with
//! `content-length`, `traceparent` and `connection`, is up to the protocol.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::text::{Safety, Text, UnknownVariable};
use super::values::{Context, Missing, Names, Values};
use crate::load::http1::request::{RequestError, check_line, headers};
use crate::load::http2::request::check_field;
use crate::scenario::{Auth, Coding, HttpVersion, Request, Target};

/// Why a request cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadRecipe {
    /// Something that no request can hold.
    Request(RequestError),
    /// A variable without a source.
    Variable(UnknownVariable),
    /// Variables are to be replaced in a body that is no text.
    BodyEncoding,
}

impl From<UnknownVariable> for BadRecipe {
    fn from(unknown: UnknownVariable) -> Self {
        Self::Variable(unknown)
    }
}

/// A request of the scenario, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    method: String,
    path: Text,
    headers: Vec<(String, Field)>,
    body: Body,
}

/// The value of a header.
#[derive(Clone, Debug)]
enum Field {
    Text(Text),
    /// RFC 7617: user and password.
    Basic(Text, Text),
}

#[derive(Clone)]
enum Body {
    None,
    Fixed(Vec<u8>),
    Template(Text),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(..)",
            Self::Template(_) => "Template(..)",
        })
    }
}

/// A request filled in.
#[derive(Default)]
pub(crate) struct Rendered {
    /// Path and query with the base's path before them.
    pub(crate) path: Vec<u8>,
    /// Values of the headers that have variables, one behind the other.
    text: Vec<u8>,
    ranges: Vec<Range<usize>>,
    body: Vec<u8>,
    /// User and password before they are encoded.
    pair: Vec<u8>,
}

impl std::fmt::Debug for Rendered {
    /// Never the bytes: a token is among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered").field("body", &self.body.len()).finish_non_exhaustive()
    }
}

impl Recipe {
    /// Compiles a request to the target at `base`.
    ///
    /// # Errors
    /// [`BadRecipe`].
    pub(crate) fn compile(
        base: &Url,
        target: &Target,
        request: &Request,
        names: &mut Names,
    ) -> Result<Self, BadRecipe> {
        check_line(request).map_err(BadRecipe::Request)?;
        let path = format!("{}{}", base.path().trim_end_matches('/'), request.path);
        let mut fields = Vec::new();
        let auth = auth(target, request);
        let http2 = matches!(target.transport.http, HttpVersion::Http2 { .. });
        for (mut name, value) in headers(base, target, request).map_err(BadRecipe::Request)? {
            if http2 {
                name.make_ascii_lowercase();
                check_field(&name, &value).map_err(BadRecipe::Request)?;
            }
            if auth.is_none() || !name.eq_ignore_ascii_case("authorization") {
                fields.push((name, Field::Text(Text::compile(&value, names)?)));
            }
        }
        let codings = target.transport.compression.iter().copied().map(Coding::name).collect::<Vec<_>>();
        if !codings.is_empty() && !fields.iter().any(|(n, _)| n.eq_ignore_ascii_case("accept-encoding")) {
            fields.push(("accept-encoding".into(), Field::Text(Text::compile(&codings.join(", "), names)?)));
        }
        if let Some(auth) = auth {
            fields.push(("authorization".into(), Field::of_auth(auth, names)?));
        }
        let body = Body::compile(request, names)?;
        Ok(Self { method: request.method.clone(), path: Text::compile(&path, names)?, headers: fields, body })
    }

    /// Whether every hit sends the same bytes.
    pub(crate) fn is_fixed(&self) -> bool {
        let fixed = |(_, field): &(String, Field)| field.fixed().is_some();
        self.path.fixed().is_some()
            && self.headers.iter().all(fixed)
            && !matches!(self.body, Body::Template(_))
    }

    /// Upper case.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Whether it has a header of that name.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// Feeders whose columns it uses.
    pub(crate) fn feeders(&self) -> impl Iterator<Item = usize> {
        let fields = self.headers.iter().flat_map(|(_, field)| field.texts());
        let body = match &self.body {
            Body::Template(text) => Some(text),
            _ => None,
        };
        fields.chain(body).chain([&self.path]).flat_map(Text::feeders)
    }

    /// Fills in the variables.
    ///
    /// # Errors
    /// [`Missing`] names the first variable without a value, or whose value a header cannot carry.
    pub(crate) fn render(
        &self,
        values: &Values,
        context: &Context,
        out: &mut Rendered,
    ) -> Result<(), Missing> {
        out.path.clear();
        out.text.clear();
        out.ranges.clear();
        out.body.clear();
        self.path.render(values, context, &mut out.path, Safety::Path)?;
        for (_, field) in &self.headers {
            if field.literal().is_none() {
                let start = out.text.len();
                field.render(values, context, out)?;
                out.ranges.push(start..out.text.len());
            }
        }
        match &self.body {
            Body::Template(text) => text.render(values, context, &mut out.body, Safety::Body),
            _ => Ok(()),
        }
    }

    /// The headers of a request filled in, in order: names as the scenario writes them.
    pub(crate) fn headers<'a>(&'a self, rendered: &'a Rendered) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut ranges = rendered.ranges.iter();
        self.headers.iter().map(move |(name, field)| {
            let made = || ranges.next().map(|range| &rendered.text[range.clone()]);
            (name.as_str(), field.literal().or_else(made).unwrap_or_default())
        })
    }

    /// The body of a request, if it has one; one with variables as it was filled in.
    pub(crate) fn body<'a>(&'a self, rendered: Option<&'a Rendered>) -> Option<&'a [u8]> {
        match &self.body {
            Body::None => None,
            Body::Fixed(body) => Some(body),
            Body::Template(_) => rendered.map(|rendered| rendered.body.as_slice()),
        }
    }
}

/// Who sends the request, if a header does not say so already: the request's own word before the target's.
fn auth<'a>(target: &'a Target, request: &'a Request) -> Option<&'a Auth> {
    let set =
        |headers: &[(String, String)]| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("authorization"));
    if set(&request.headers) {
        return None;
    }
    let of_target = || target.auth.as_ref().filter(|_| !set(&target.headers));
    request.auth.as_ref().or_else(of_target)
}

impl Field {
    fn of_auth(auth: &Auth, names: &mut Names) -> Result<Self, UnknownVariable> {
        match auth {
            Auth::Bearer(token) => Text::compile(&format!("Bearer {token}"), names).map(Self::Text),
            Auth::Basic { user, password } => {
                let pair = Self::Basic(Text::compile(user, names)?, Text::compile(password, names)?);
                pair.fixed().map_or(Ok(pair.clone()), |fixed| {
                    Text::compile(&String::from_utf8_lossy(&fixed), names).map(Self::Text)
                })
            }
        }
    }

    /// The value that every hit sends, if it is in memory.
    fn literal(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => text.fixed(),
            Self::Basic(..) => None,
        }
    }

    /// The value that every hit sends.
    fn fixed(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Text(text) => text.fixed().map(Cow::Borrowed),
            Self::Basic(user, password) => {
                let mut out = Vec::new();
                basic(&[user.fixed()?, b":", password.fixed()?].concat(), &mut out);
                Some(out.into())
            }
        }
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        match self {
            Self::Text(text) => [Some(text), None],
            Self::Basic(user, password) => [Some(user), Some(password)],
        }
        .into_iter()
        .flatten()
    }

    fn render(&self, values: &Values, context: &Context, out: &mut Rendered) -> Result<(), Missing> {
        match self {
            Self::Text(text) => text.render(values, context, &mut out.text, Safety::Header),
            Self::Basic(user, password) => {
                let pair = &mut out.pair;
                pair.clear();
                user.render(values, context, pair, Safety::Header)?;
                pair.push(b':');
                password.render(values, context, pair, Safety::Header)?;
                basic(pair, &mut out.text);
                Ok(())
            }
        }
    }
}

/// RFC 7617, section 2.
fn basic(pair: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Basic ");
    let start = out.len();
    out.resize(start + pair.len().div_ceil(3) * 4, 0);
    let encoded = STANDARD.encode_slice(pair, &mut out[start..]);
    encoded.expect("four characters for every three bytes begun");
}

impl Body {
    fn compile(request: &Request, names: &mut Names) -> Result<Self, BadRecipe> {
        let Some(body) = &request.body else { return Ok(Self::None) };
        if !request.body_template {
            return Ok(Self::Fixed(body.clone()));
        }
        let text = str::from_utf8(body).map_err(|_| BadRecipe::BodyEncoding)?;
        let text = Text::compile(text, names)?;
        let fixed = text.fixed().map(<[u8]>::to_vec);
        Ok(fixed.map_or(Self::Template(text), Self::Fixed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::values::Shared;
    use super::*;
    use crate::load::testing::requests;

    fn target(headers: &[(&str, &str)], auth: Option<Auth>) -> Target {
        Target { auth, ..requests::target(headers) }
    }

    fn bearer(token: &str) -> Option<Auth> {
        Some(Auth::Bearer(token.into()))
    }

    fn basic_auth(user: &str, password: &str) -> Option<Auth> {
        Some(Auth::Basic { user: user.into(), password: password.into() })
    }

    /// Path, headers without the defaults, body.
    type Sent = (String, Vec<(String, String)>, Option<String>);

    fn sent(target: &Target, request: &Request, known: &[(&str, &str)]) -> Result<Sent, String> {
        let mut names = Names::default();
        let numbers: Vec<usize> = known.iter().map(|(name, _)| names.define(name)).collect();
        let base = Url::parse("http://h:81/api/").expect("valid");
        let recipe = Recipe::compile(&base, target, request, &mut names).map_err(|e| format!("{e:?}"))?;
        let mut values = Values::new(Arc::new(Shared { names, feeders: Vec::new() }), Arc::default());
        for (number, (_, value)) in numbers.into_iter().zip(known) {
            values.set(number, value).expect("short");
        }
        let mut out = Rendered::default();
        // Twice: nothing of the first may be left.
        let _ = recipe.render(&values, &Context::default(), &mut out);
        recipe.render(&values, &Context::default(), &mut out).map_err(|e| e.to_string())?;
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("text");
        let headers = recipe.headers(&out).map(|(n, v)| (n.to_owned(), text(v)));
        let headers =
            headers.filter(|(n, _)| !["host", "user-agent", "accept"].contains(&n.as_str())).collect();
        assert_eq!(recipe.is_fixed(), known.is_empty());
        Ok((text(&out.path), headers, recipe.body(Some(&out)).map(text)))
    }

    fn with_headers(path: &str, headers: &[(&str, &str)]) -> Request {
        requests::request("POST", path, headers, None)
    }

    fn list(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    #[test]
    fn variables_are_filled_in_everywhere() {
        let request = Request {
            body: Some(b"{\"id\": \"${id}\"}".to_vec()),
            body_template: true,
            ..with_headers(
                "/p/${id}?q=$${x}",
                &[("x-id", "<${id}>"), ("x-fixed", "1"), ("x-two", "${id}${id}")],
            )
        };
        let got = sent(&target(&[("X-Id", "no"), ("x-t", "${id}!")], None), &request, &[("id", "a b")]);
        let headers = [("x-t", "a b!"), ("x-id", "<a b>"), ("x-fixed", "1"), ("x-two", "a ba b")];
        assert_eq!(got, Ok(("/api/p/a%20b?q=${x}".into(), list(&headers), Some("{\"id\": \"a b\"}".into()))));
    }

    #[test]
    fn bodies_are_sent_as_they_are_unless_they_are_templates() {
        let plain = Request { body: Some(b"${id} $${id}".to_vec()), ..with_headers("/", &[]) };
        assert_eq!(sent(&target(&[], None), &plain, &[]).expect("valid").2.as_deref(), Some("${id} $${id}"));
        let fixed = Request { body: Some(b"$${id}".to_vec()), body_template: true, ..plain.clone() };
        assert_eq!(sent(&target(&[], None), &fixed, &[]).expect("valid").2.as_deref(), Some("${id}"));
        let binary = Request { body: Some(vec![0xff]), body_template: true, ..plain };
        assert_eq!(sent(&target(&[], None), &binary, &[]), Err("BodyEncoding".into()));
        assert_eq!(sent(&target(&[], None), &with_headers("/", &[]), &[]).expect("valid").2, None);
    }

    #[test]
    fn the_requests_own_word_on_who_sends_it_wins() {
        let authorization = |target: &Target, request: &Request, known: &[(&str, &str)]| {
            sent(target, request, known).map(|(_, headers, _)| headers)
        };
        let of_target = target(&[], basic_auth("u", "p@"));
        let plain = with_headers("/", &[]);
        assert_eq!(authorization(&of_target, &plain, &[]), Ok(list(&[("authorization", "Basic dTpwQA==")])));
        let request = Request { auth: bearer("${token}"), ..plain.clone() };
        let known = [("token", "abc")];
        assert_eq!(authorization(&of_target, &request, &known), Ok(list(&[("authorization", "Bearer abc")])));
        let header = with_headers("/", &[("Authorization", "own")]);
        assert_eq!(authorization(&of_target, &header, &[]), Ok(list(&[("Authorization", "own")])));
        let both = target(&[("Authorization", "header")], bearer("auth"));
        assert_eq!(authorization(&both, &plain, &[]), Ok(list(&[("Authorization", "header")])));
        let request = Request { auth: basic_auth("${token}", "x"), ..plain };
        assert_eq!(authorization(&both, &request, &known), Ok(list(&[("authorization", "Basic YWJjOng=")])));
    }

    #[test]
    fn codings_are_asked_for_unless_a_header_does() {
        let mut target = target(&[], None);
        target.transport.compression = vec![Coding::Gzip, Coding::Brotli];
        let headers = |request: &Request| sent(&target, request, &[]).expect("valid").1;
        assert_eq!(headers(&with_headers("/", &[])), list(&[("accept-encoding", "gzip, br")]));
        let own = [("Accept-Encoding", "zstd")];
        assert_eq!(headers(&with_headers("/", &own)), list(&own));
    }

    #[test]
    fn no_value_splits_the_request() {
        let hostile = [("id", "1\r\nx-evil: 1")];
        let path = sent(&target(&[], None), &with_headers("/${id}", &[]), &hostile).expect("encoded").0;
        assert_eq!(path, "/api/1%0D%0Ax-evil:%201");
        for request in [
            with_headers("/", &[("x", "${id}")]),
            Request { auth: bearer("${id}"), ..with_headers("/", &[]) },
            Request { auth: basic_auth("u", "${id}"), ..with_headers("/", &[]) },
        ] {
            let error = sent(&target(&[], None), &request, &hostile).expect_err("refused");
            assert_eq!(error, "the value of `id` holds control characters, which a header cannot carry");
        }
        let literal = sent(&target(&[], None), &with_headers("/", &[("x", "a\r\nb: ${id}")]), &hostile);
        assert!(literal.is_err_and(|e| e.contains("HeaderValue")));
    }
}
