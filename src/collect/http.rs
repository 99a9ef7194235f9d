//! The one way evidence is fetched: bounded in size and time, without retries, redirects or surprises.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder, Response, redirect, retry};
use url::{Host, Url};

pub use super::fetch_error::{FetchError, Problem};
use super::mask::{Secrets, masked};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Kept-alive connections are dropped after this: without retries, one that the server closed meanwhile
/// would count as a failure of the source.
const IDLE: Duration = Duration::from_millis(1500);

/// Bounds of one fetch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body in bytes.
    pub bytes: usize,
    /// From asking to the last byte.
    pub time: Duration,
}

/// An answer, of whatever status.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, empty if there was none.
    pub content_type: String,
    /// The whole body as it came; nothing is decompressed.
    pub body: Bytes,
    /// When it was asked for.
    pub began: Instant,
    /// When the last byte had come.
    pub ended: Instant,
}

impl Fetched {
    /// From asking to the last byte.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }

    /// Whether this is a page for people.
    #[must_use]
    pub fn is_html(&self) -> bool {
        let start = self.body.trim_ascii_start();
        let tag = |t: &[u8]| start.get(..t.len()).is_some_and(|s| s.eq_ignore_ascii_case(t));
        self.content_type.starts_with("text/html") || tag(b"<!doctype html") || tag(b"<html")
    }
}

/// Why a fetcher could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of the own certificate authority.
    #[error("{path}: {problem}: `ca` must name a PEM file with at least one certificate")]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A header that HTTP does not allow. Its value is not shown: it may be a secret.
    #[error("header `{0}`: its name or value holds characters that HTTP does not allow")]
    Header(String),
    /// The HTTP client refused its settings.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    /// The address of a database. It is not shown: it may hold a password.
    #[error("{0}")]
    Address(&'static str),
    /// The settings of TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Fetches from one evidence source.
#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    secrets: Arc<Secrets>,
}

impl fmt::Debug for Fetcher {
    /// Without headers and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher for URLs below `url`, sending `headers`, trusting the certificate authority in `ca`
    /// besides those of the machine.
    ///
    /// # Errors
    /// If the file or a header is not usable.
    pub fn new(url: &Url, headers: &[(String, String)], ca: Option<&Path>) -> Result<Self, SetupError> {
        let mut builder = Client::builder()
            .default_headers(header_map(headers)?)
            .redirect(redirect::Policy::none())
            // The client repeats some requests by default; that would hide failures and load the target.
            .retry(retry::never())
            .http1_only()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE);
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        builder = match (url.scheme(), ca) {
            (_, Some(path)) => builder.tls_certs_merge(certificates(path)?),
            ("https", None) => builder,
            // Plain HTTP must work on a machine without any certificate installed.
            _ => builder.tls_certs_only([]),
        };
        let client = builder.build().map_err(|e| SetupError::Client(e.to_string()))?;
        Ok(Self { client, secrets: Arc::new(Secrets::of(url, headers)) })
    }

    /// Fetches a URL; any status is an answer.
    ///
    /// # Errors
    /// If no whole answer came within the limits.
    pub async fn fetch(&self, url: &Url, limits: Limits) -> Result<Fetched, FetchError> {
        self.exchange(self.client.get(url.clone()), url, limits).await
    }

    /// Posts a form; any status is an answer.
    ///
    /// # Errors
    /// If no whole answer came within the limits.
    pub async fn post(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Fetched, FetchError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let form = "application/x-www-form-urlencoded";
        let request = self.client.post(url.clone()).header(reqwest::header::CONTENT_TYPE, form).body(body);
        self.exchange(request, url, limits).await
    }

    async fn exchange(
        &self,
        request: RequestBuilder,
        url: &Url,
        limits: Limits,
    ) -> Result<Fetched, FetchError> {
        let began = Instant::now();
        let mut body = Vec::new();
        let exchange = async {
            let mut response = send(request).await?;
            read_body(&mut response, limits.bytes, &mut body).await?;
            Ok(response)
        };
        let outcome = tokio::time::timeout(limits.time, exchange).await;
        let response = match outcome {
            Ok(answered) => answered,
            Err(_) => Err(Problem::Timeout { limit: limits.time, got: body.len() }),
        }
        .map_err(|problem| FetchError { url: masked(url), problem })?;
        self.refuse_redirect(url, &response)?;
        let content_type = header(&response, &reqwest::header::CONTENT_TYPE).to_ascii_lowercase();
        let status = response.status().as_u16();
        Ok(Fetched { status, content_type, body: body.into(), began, ended: Instant::now() })
    }

    /// Fetches a URL that must give data: errors of the service, pages for people and empty answers are
    /// told apart and refused.
    ///
    /// # Errors
    /// If no whole answer came within the limits, or not the kind asked for.
    pub async fn fetch_data(&self, url: &Url, limits: Limits) -> Result<Fetched, FetchError> {
        let fetched = self.fetch(url, limits).await?;
        match self.objection(&fetched) {
            None => Ok(fetched),
            Some(problem) => Err(FetchError { url: masked(url), problem }),
        }
    }

    /// Status of a URL without reading its body, and the time to it.
    ///
    /// # Errors
    /// If no answer began within `time`.
    pub async fn status(&self, url: &Url, time: Duration) -> Result<(u16, Duration), FetchError> {
        let began = Instant::now();
        let fail = |problem| FetchError { url: masked(url), problem };
        let response = tokio::time::timeout(time, send(self.client.get(url.clone())))
            .await
            .map_err(|_| fail(Problem::Timeout { limit: time, got: 0 }))?
            .map_err(fail)?;
        Ok((response.status().as_u16(), began.elapsed()))
    }

    /// A redirect leads where nobody agreed to send the source's headers.
    fn refuse_redirect(&self, url: &Url, response: &Response) -> Result<(), FetchError> {
        let status = response.status();
        let to = header(response, &LOCATION);
        if !status.is_redirection() || to.is_empty() {
            return Ok(());
        }
        let to =
            url.join(to).map_or_else(|_| String::new(), |to| self.secrets.excerpt(masked(&to).as_bytes()));
        Err(FetchError { url: masked(url), problem: Problem::Redirect { status: status.as_u16(), to } })
    }

    /// The beginning of a text, without control characters and the source's secrets.
    pub(super) fn excerpt(&self, text: &str) -> String {
        self.secrets.excerpt(text.as_bytes())
    }

    pub(super) fn objection(&self, fetched: &Fetched) -> Option<Problem> {
        let status = fetched.status;
        if !(200..300).contains(&status) {
            let said =
                if fetched.is_html() { "a web page".to_owned() } else { self.secrets.excerpt(&fetched.body) };
            let busy = said.contains("already in use") || said.starts_with("Could not enable tracing");
            return Some(if busy { Problem::Busy(said) } else { Problem::Status { status, said } });
        }
        if fetched.body.trim_ascii_start().is_empty() {
            return Some(Problem::Empty { status });
        }
        fetched.is_html().then_some(Problem::Html)
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Problem> {
    request.send().await.map_err(|e| Problem::of_client(&e.without_url()))
}

async fn read_body(response: &mut Response, limit: usize, body: &mut Vec<u8>) -> Result<(), Problem> {
    if response.content_length().is_some_and(|n| n > limit as u64) {
        return Err(Problem::TooLarge { limit });
    }
    while let Some(chunk) = response.chunk().await.map_err(|e| Problem::of_client(&e.without_url()))? {
        if body.len() + chunk.len() > limit {
            return Err(Problem::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, SetupError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = || SetupError::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let bad = |problem: String| SetupError::Ca { path: path.to_owned(), problem };
    let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|e| bad(e.to_string()))?;
    if found.is_empty() { Err(bad("holds no certificate".into())) } else { Ok(found) }
}

/// Whether a URL names this machine: a proxy of the environment must not get between.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The URL of `last` below `base`, keeping the base's query and adding `query`.
#[must_use]
pub fn below(base: &Url, last: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{last}", base.path().trim_end_matches('/')));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::testing::{Reply, Server, nobody};

    const LIMITS: Limits = Limits { bytes: 64 << 10, time: Duration::from_millis(400) };

    async fn problem_of(reply: Reply) -> Problem {
        let server = Server::start(move |_| reply.clone()).await;
        let url = server.url("/x?token=hunter2");
        let fetcher = Fetcher::new(&url, &[], None).expect("a fetcher");
        let error = fetcher.fetch_data(&url, LIMITS).await.expect_err("a problem");
        assert!(error.url.ends_with("/x?token=***"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        error.problem
    }

    #[tokio::test]
    async fn every_misbehaviour_has_its_own_name() {
        let got = problem_of(Reply::text(200, "text/html; charset=utf-8", "<p>log in</p>")).await;
        assert_eq!(got, Problem::Html);
        assert_eq!(problem_of(Reply::text(200, "", " <!DOCTYPE HTML>..")).await, Problem::Html);
        assert_eq!(problem_of(Reply::text(200, "", "")).await, Problem::Empty { status: 200 });
        let got = problem_of(Reply::text(500, "text/plain", "token hunter2 is bad")).await;
        assert_eq!(got, Problem::Status { status: 500, said: "token *** is bad".into() });
        let busy = "Could not enable CPU profiling: cpu profiling already in use";
        assert_eq!(problem_of(Reply::text(500, "text/plain", busy)).await, Problem::Busy(busy.into()));
        assert!(matches!(problem_of(Reply::Endless).await, Problem::TooLarge { limit: 65_536 }));
        assert!(matches!(problem_of(Reply::Hang).await, Problem::Timeout { got: 0, .. }));
        assert!(matches!(problem_of(Reply::Garbage).await, Problem::Broken(_)));
        let got = problem_of(Reply::redirect("http://elsewhere/y?token=hunter2")).await;
        let to = "http://elsewhere/y?token=***".to_owned();
        assert_eq!(got, Problem::Redirect { status: 302, to });
    }

    #[tokio::test]
    async fn nobody_there_is_told_as_refused() {
        let url = nobody();
        let fetcher = Fetcher::new(&url, &[], None).expect("a fetcher");
        let error = fetcher.fetch(&url, LIMITS).await.expect_err("refused");
        assert_eq!(error.problem, Problem::Refused, "{error}");
    }

    #[tokio::test]
    async fn headers_and_user_are_sent_and_data_comes_back_unchanged() {
        let server = Server::start(|request| Reply::text(200, "text/plain", &request.head)).await;
        let mut url = server.url("/data");
        url.set_username("ann").expect("a host");
        url.set_password(Some("word")).expect("a host");
        let headers = [("X-Key".to_owned(), "k1".to_owned())];
        let got = Fetcher::new(&url, &headers, None).expect("a fetcher").fetch_data(&url, LIMITS).await;
        let text = String::from_utf8_lossy(&got.expect("data").body).to_ascii_lowercase();
        assert!(text.contains("x-key: k1"), "{text}");
        assert!(text.contains("authorization: basic yw5uondvcmq="), "{text}");
        assert!(!text.contains("accept-encoding"), "compression would cost the target: {text}");
    }

    #[tokio::test]
    async fn an_own_certificate_authority_is_trusted_when_named() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), made.cert.pem()).expect("written");
        let url = tls_server(&made).await;
        let strict = Fetcher::new(&url, &[], None).expect("a fetcher").fetch_data(&url, TLS_LIMITS).await;
        let problem = strict.expect_err("an unknown issuer").problem;
        assert!(matches!(problem, Problem::Tls(_)), "{problem}");
        let fetcher = Fetcher::new(&url, &[], Some(file.path())).expect("a fetcher");
        assert_eq!(fetcher.fetch_data(&url, TLS_LIMITS).await.expect("data").body, "ok");
    }

    const TLS_LIMITS: Limits = Limits { bytes: 1 << 20, time: Duration::from_secs(5) };

    async fn tls_server(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Url {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a key that fits");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 2048]).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        format!("https://localhost:{port}/").parse().expect("a URL")
    }

    #[test]
    fn unusable_settings_are_refused_without_showing_secrets() {
        let url = Url::parse("https://h/").expect("a URL");
        let bad = [("X-Key".to_owned(), "line\nbreak".to_owned())];
        let error = Fetcher::new(&url, &bad, None).expect_err("a bad header").to_string();
        assert!(error.contains("X-Key") && !error.contains("break"), "{error}");
        let error = Fetcher::new(&url, &[], Some(Path::new("/no/such.pem"))).expect_err("no file");
        assert!(error.to_string().starts_with("/no/such.pem: "), "{error}");
    }

    #[test]
    fn urls_below_a_base_keep_its_query() {
        let base = Url::parse("http://h/debug/pprof/?token=t").expect("a URL");
        let url = below(&base, "profile", &[("seconds", "5")]);
        assert_eq!(url.as_str(), "http://h/debug/pprof/profile?token=t&seconds=5");
        let base = Url::parse("http://h/debug/pprof").expect("a URL");
        assert_eq!(below(&base, "", &[]).as_str(), "http://h/debug/pprof/");
    }
}
