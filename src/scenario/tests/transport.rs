//! Connections, credentials, and what is masked of them.

use super::*;

#[test]
fn connections_are_as_written() {
    let t = good(include_str!("full.toml"), &[]).target.transport;
    assert_eq!(t.http, HttpVersion::Http2 { streams: 10 });
    assert_eq!(t.resolve, ["10.0.0.8:8080".parse().expect("v4"), "[::1]:8080".parse().expect("v6")]);
    assert_eq!(t.server_name.as_deref(), Some("shop.internal"));
    assert!(t.ca.is_some_and(|ca| ca.ends_with("Cargo.toml")));
    let (certificate, key) = t.identity.expect("an identity");
    assert!(certificate.ends_with("Cargo.toml") && key.ends_with("Cargo.lock"));
    assert_eq!((t.insecure, t.cookies, t.redirects), (true, false, 3));
    assert_eq!(t.compression, [Coding::Zstd, Coding::Gzip]);
    let s = good(
        &format!("{TARGET}http-version = \"2\"\nresolve = []\nproxy = \"http://a:b@10.1.1.1:3128\"\n{LOAD}")
            .replace("http://127.0.0.1", "https://127.0.0.1"),
        &[],
    );
    assert_eq!(s.target.transport.http, HttpVersion::Http2 { streams: 100 });
    assert_eq!(
        s.target.transport.proxy.map(|p| (p.username().to_owned(), p.port())),
        Some(("a".to_owned(), Some(3128)))
    );
    let t = good(&format!("{TARGET}{LOAD}"), &[]).target.transport;
    assert!(t.cookies && !t.insecure && t.redirects == 0 && t.compression.is_empty());
    let t = good(&format!("{TARGET}resolve = \"[::1]:80\"\nkeep-alive = false\n{LOAD}"), &[]).target;
    assert_eq!((t.transport.resolve.len(), t.keep_alive), (1, false));
    let t = good(&format!("{TARGET}http-version = \"2\"\nkeep-alive = true\n{LOAD}"), &[]).target;
    assert!(t.keep_alive);
}

#[test]
fn mistakes_in_connections_are_named() {
    for (text, expected) in [
        ("http-version = \"3\"", "http-version = \"3\": did you mean \"2\"? Known are: 1.1, 2"),
        ("streams = 5", "streams = 5: HTTP/1.1 has no streams: write http-version = \"2\""),
        ("http-version = \"2\"\nstreams = 0", "streams = 0: must be a whole number from 1 to 1000"),
        ("resolve = \"127.0.0.1\"", "resolve = \"127.0.0.1\": is no address with a port"),
        (
            "resolve = [\"::1:80\"]",
            "resolve[0] = \"::1:80\": is no address with a port: write e.g. \"127.0.0.1:8443\" or \"[::1]:8443\"",
        ),
        ("resolve = [\"8.8.8.8:80\"]", "resolve[0] = \"8.8.8.8:80\": 8.8.8.8 is neither this machine"),
        ("resolve = 5", "resolve = 5: is an integer: write a string"),
        ("resolve = [5]", "resolve[0] = 5: is an integer: write a string"),
        ("resolve = {}", "resolve = {}: is a table: write a string, or an array"),
        ("server-name = \"a b\"", "server-name = \"a b\": is no host name"),
        ("client-key = \"Cargo.toml\"", "client-key = \"Cargo.toml\": needs `client-certificate` beside it"),
        ("client-certificate = \"Cargo.toml\"", "client-certificate = \"Cargo.toml\": needs `client-key`"),
        ("compression = [\"gzip\", \"brotli\"]", "compression[1] = \"brotli\": Known are: gzip, br, zstd"),
        ("compression = [\"gzip\", \"gzip\"]", "compression[1] = \"gzip\": is there already"),
        ("redirects = 21", "redirects = 21: must be a whole number from 0 to 20"),
        ("proxy = \"https://10.0.0.1\"", "proxy: only proxies that are spoken to by http"),
        ("proxy = \"http://10.0.0.1/x\"", "proxy: has a path"),
        ("proxy = \"http://8.8.8.8:1\"", "proxy: 8.8.8.8 is neither this machine"),
        ("proxy = \"http://10.0.0.1:1\"\nhttp-version = \"2\"", "proxy: takes no HTTP/2 without TLS"),
        (
            "proxy = \"http://10.0.0.1:1\"\nresolve = \"127.0.0.1:1\"",
            "proxy: looks the host up itself, so that `resolve` does nothing: remove one of the two",
        ),
        (
            "http-version = \"2\"\nkeep-alive = false",
            "keep-alive = false: HTTP/2 keeps its connections for many requests: write http-version = \"1.1\", or",
        ),
        ("auth = {}", "auth: is empty: write { bearer"),
        ("auth = { bearer = \"\" }", "auth.bearer: must not be empty"),
        (
            "auth = { bearer = \"a\", basic = { user = \"b\", password = \"c\" } }",
            "auth.bearer: `basic` is there too",
        ),
        (
            "auth = { basic = { user = \"a:b\", password = \"c\" } }",
            "auth.basic.user = \"a:b\": holds a colon",
        ),
        ("auth = { basic = { user = \"a\" } }", "auth.basic: `password` is missing"),
        (
            "auth = { bearer = \"a\" }\nheaders = { Authorization = \"b\" }",
            "auth: the target's headers have an",
        ),
    ] {
        let text = format!("[target]\nurl = \"http://127.0.0.1:1\"\n{text}\n{LOAD}");
        let found = problems(&text, &[]);
        let fits =
            found.iter().any(|p| p.split_once("target.").is_some_and(|(_, rest)| rest.starts_with(expected)));
        assert!(fits, "{text}\nexpected {expected}\nfound {found:#?}");
    }
    let text = format!("{TARGET}allow = [\"8.8.8.8\"]\nproxy = \"http://8.8.8.8:1\"\n{LOAD}");
    good(&text, &[]);
    for (text, expected) in [
        (
            "auth = { bearer = \"a\" }\n",
            "s.toml:7: request[0]: has a header `authorization`, and target.auth makes another",
        ),
        ("", "s.toml:9: request[0].auth: its headers have an `authorization` as well"),
    ] {
        let own = if text.is_empty() { "auth = { bearer = \"x\" }\n" } else { "" };
        let text = format!(
            "{TARGET}{text}{LOAD}[[request]]\nget = \"/\"\nheaders = {{ authorization = \"b\" }}\n{own}"
        );
        let found = problems(&text, &[]);
        assert!(found.iter().any(|p| p.starts_with(expected)), "{found:#?}");
    }
}

#[test]
fn trace_headers_are_asked_for_by_name_and_written_once() {
    let sent = |text: &str| good(&format!("{TARGET}{text}{LOAD}"), &[]).target.trace_headers;
    assert_eq!(sent(""), TraceHeaders::default());
    let (both, one) =
        (TraceHeaders { x_trace_id: true, baggage: true }, TraceHeaders { x_trace_id: true, baggage: false });
    assert_eq!(sent("trace-headers = [\"x-trace-id\"]\n"), one);
    assert_eq!(sent("trace-headers = [\"baggage\", \"x-trace-id\"]\n"), both);
    // Who does not ask for them may write them; another service's are no business of the target's.
    good(
        &format!(
            "{TARGET}headers = {{ X-Trace-Id = \"a\", baggage = \"b=c\", tracestate = \"d=e\" }}\n{LOAD}"
        ),
        &[],
    );
    let evidence =
        "[[evidence.prometheus]]\nservice = \"a\"\nurl = \"/m\"\nheaders = { baggage = \"b=c\" }\n";
    good(&format!("{TARGET}trace-headers = [\"baggage\"]\n{LOAD}{evidence}"), &[]);
    let header = "loadprof sets this header itself because of trace-headers: remove it here or there";
    for (text, more, expected) in [
        (
            "trace-headers = [\"x-trace\"]\n",
            "",
            "target.trace-headers[0] = \"x-trace\": did you mean \"x-trace-id\"? Known are: x-trace-id, baggage",
        ),
        (
            "trace-headers = [\"baggage\", \"baggage\"]\n",
            "",
            "target.trace-headers[1] = \"baggage\": is there already: remove one",
        ),
        (
            "headers = { X-Trace-ID = \"a\" }\ntrace-headers = [\"x-trace-id\"]\n",
            "",
            &format!("target.headers.X-Trace-ID: {header}"),
        ),
        (
            "trace-headers = [\"baggage\"]\n",
            "[[request]]\nget = \"/\"\nheaders = { Baggage = \"a=b\" }\n",
            &format!("request[0].headers.Baggage: {header}"),
        ),
        (
            "trace-headers = [\"baggage\"]\n",
            "[[setup]]\nget = \"/\"\nheaders = { Baggage = \"a=b\" }\n",
            &format!("setup[0].headers.Baggage: {header}"),
        ),
    ] {
        let found = problems(&format!("{TARGET}{text}{LOAD}{more}"), &[]);
        assert!(found.iter().any(|p| p.contains(expected)), "expected {expected}\nfound {found:#?}");
    }
}

#[test]
fn closed_connections_and_poisson_arrivals() {
    let closed = "[load.constant-connections]\nconnections = 64\nfor = \"10s\"\n";
    let s = good(&format!("{TARGET}{closed}"), &["load.connections=3000"]);
    assert!(
        matches!(s.load.executor, Executor::ConstantConnections { connections: 3000, duration } if duration.as_secs() == 10)
    );
    assert_eq!((s.load.max_connections, s.load.arrivals), (3000, Arrivals::Even));
    let s = good(&format!("{TARGET}[load]\narrivals = \"poisson\"\n{LOAD}"), &[]);
    assert_eq!(s.load.arrivals, Arrivals::Poisson);
    for kind in ["go-pprof", "pprof", "prometheus"] {
        let evidence = format!("[[evidence.{kind}]]\nservice = \"shop\"\nurl = \"/evidence\"\n");
        let s = good(&format!("{TARGET}{LOAD}{evidence}"), &[]);
        let profiled = kind != "prometheus";
        assert_eq!(s.load.arrivals, if profiled { Arrivals::Jittered } else { Arrivals::Even }, "{kind}");
        assert!(s.in_step().is_none());
        let s = good(&format!("{TARGET}{LOAD}{evidence}"), &["load.arrivals=even"]);
        assert_eq!((s.load.arrivals, s.in_step().is_some()), (Arrivals::Even, profiled), "{kind}");
    }
    for (text, expected) in [
        (
            format!("[load]\narrivals = \"poisson\"\n{closed}"),
            "s.toml:4: load.arrivals = \"poisson\": constant-connections has no arrivals of its own",
        ),
        (
            format!("[load]\nmax-connections = 8\n{closed}"),
            "s.toml:4: load.max-connections = 8: is less than the 64 connections",
        ),
        (
            closed.replace("64", "0"),
            "s.toml:4: load.constant-connections.connections = 0: must be a whole number from 1",
        ),
        (
            "[load.constant-connections]\n".into(),
            "s.toml:3: load.constant-connections: `connections` is missing",
        ),
    ] {
        let found = problems(&format!("{TARGET}{text}"), &[]);
        assert!(found.iter().any(|p| p.starts_with(expected)), "expected {expected}\nfound {found:#?}");
    }
}

/// Secrets written out at every place that is known to hold them.
const SECRETS: &str = "[target]\nurl = \"https://127.0.0.1:1\"\nauth = { basic = { user = \"u\", password = \"s3cret1\" } }\n\
    proxy = \"http://user:s3cret2@10.0.0.1:3128\"\nclient-certificate = \"Cargo.toml\"\nclient-key = \"Cargo.lock\"\n\
    [load.constant-arrival-rate]\nrate = 1\nfor = \"9s\"\n\
    [[request]]\nget = \"/a?page=1&api_key=s3cret3\"\nauth = { bearer = \"s3cret4\" }\n\
    extract = { token = { json = \"$.token\", default = \"s3cret5\" }, sid = { cookie = \"sid\" } }\n\
    check = [{ name = \"has a token\", header = \"x-token\" }]\n\
    [[request]]\npost = \"/login\"\nbody = \"user=a&password=s3cret6\"\nauth = { bearer = \"${TOKEN}\" }\n";

#[test]
fn secrets_are_masked_in_the_copy_and_the_copy_reads_the_same() {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret7".to_owned());
    let (s, copy) = with_env(SECRETS, &[], EnvPolicy::Require, &env).unwrap_or_else(|e| panic!("{e}"));
    assert!(!copy.contains("s3cret"), "{copy}");
    for kept in [
        "password = \"***\"",
        "http://masked@10.0.0.1:3128",
        "client-key = \"Cargo.lock\"",
        "/a?page=1&api_key=masked",
        "bearer = \"***\"",
        "bearer = \"${TOKEN}\"",
        "json = \"$.token\"",
        "default = \"***\"",
        "cookie = \"sid\"",
        "header = \"x-token\"",
        "user=a&password=masked",
    ] {
        assert!(copy.contains(kept), "{kept} in {copy}");
    }
    let (again, _) = with_env(&copy, &[], EnvPolicy::Keep, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    let slugs = |s: &Scenario| s.requests.iter().map(|r| r.slug.clone()).collect::<Vec<_>>();
    assert_eq!(slugs(&again), slugs(&s));
    assert!(!format!("{:?}", s.requests[1].auth).contains("s3cret"));
}

#[test]
fn secrets_are_in_no_message() {
    for (from, to) in [
        ("api_key=s3cret3", "api_key=s3cret3 x"),
        ("10.0.0.1:3128", "10.0.0.1:x"),
        ("http://user:s3cret2@", "http://us/er:s3cret2@"),
        ("bearer = \"s3cret4\"", "bearer = \"s3cret4\\n\""),
        ("user = \"u\"", "user = 5"),
        ("\"s3cret5\"", "\"s3cret5\", status = true"),
        ("user=a&password=s3cret6\"", "user=a&password=s3cret6&${x}\""),
    ] {
        let text = SECRETS.replace(from, to).replace("${TOKEN}", "s3cret7");
        assert_ne!(text, SECRETS);
        let error = parsed(&text, &[]).expect_err(to).to_string();
        assert!(!error.contains("s3cret"), "{to}\n{error}");
    }
}

#[test]
fn dollars_escape_variables_in_templates_and_elsewhere() {
    let env = |_: &str| Some("v${seq}".to_owned());
    let text = format!(
        "{TARGET}headers = {{ a = \"$${{x}} ${{E}}\" }}\n{LOAD}[[request]]\nname = \"$${{n}} ${{m}}\"\nget = \"/$${{page}}/${{seq}}\"\n"
    );
    let (s, _) = with_env(&text, &[], EnvPolicy::Require, &env).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(s.target.headers[0].1, "$${x} v$${seq}", "what the environment says is text");
    assert_eq!((s.requests[0].name.as_str(), s.requests[0].path.as_str()), ("${n} ${m}", "/$${page}/${seq}"));
    let parts = text::parts(&s.requests[0].path);
    assert_eq!(parts, [text::Part::Literal("/${page}/".into()), text::Part::Builtin(text::Builtin::Seq)]);
}
