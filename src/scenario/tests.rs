//! Scenario files as people write them, right and wrong.

mod databases;
mod metrics;
mod otlp;
mod script;
mod transport;

use std::path::Path;
use std::time::Duration;

use super::*;

const TARGET: &str = "[target]\nurl = \"http://127.0.0.1:8080\"\n";
const LOAD: &str = "[load.constant-arrival-rate]\nrate = \"200/s\"\nfor = \"30s\"\n";

fn with_env(
    text: &str,
    overrides: &[&str],
    policy: EnvPolicy,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Scenario, String), ScenarioError> {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    let base_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    parse::parse(&Source::new("s.toml", text, &overrides), &Surroundings { base_dir, policy, env })
}

fn parsed(text: &str, overrides: &[&str]) -> Result<Scenario, ScenarioError> {
    with_env(text, overrides, EnvPolicy::Require, &|_| None).map(|(scenario, _)| scenario)
}

fn good(text: &str, overrides: &[&str]) -> Scenario {
    parsed(text, overrides).unwrap_or_else(|e| panic!("{e}\nin {text}"))
}

/// First lines of all problems of a wrong scenario.
fn problems(text: &str, overrides: &[&str]) -> Vec<String> {
    let error = parsed(text, overrides).expect_err(text);
    error.problems.iter().map(|p| p.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_target_and_a_load_are_enough() {
    let s = good(&format!("{TARGET}{LOAD}"), &[]);
    assert_eq!(s.name, "s");
    assert!(matches!(&s.target.endpoint, Endpoint::Url(url) if url.as_str() == "http://127.0.0.1:8080/"));
    assert_eq!((s.target.timeout, s.target.keep_alive), (Duration::from_secs(10), true));
    assert_eq!((s.load.warm_up, s.load.graceful_stop), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!((s.load.max_connections, s.load.seed, s.load.sampled), (2000, 1, 0.01));
    assert!(s.load.threads >= 1);
    let [request] = s.requests.as_slice() else { panic!("one request") };
    assert_eq!(
        (request.name.as_str(), request.method.as_str(), request.path.as_str()),
        ("GET /", "GET", "/")
    );
    assert_eq!(s.detect, Detect::default());
}

#[test]
fn every_key_reaches_its_place() {
    let s = good(include_str!("tests/full.toml"), &[]);
    let Executor::RampingArrivalRate { start, stages } = &s.load.executor else { panic!("the executor") };
    assert_eq!(*start, Rate(10.0));
    assert_eq!(stages[0], Stage { duration: Duration::from_secs(30), to: Rate(200.0), hold: true });
    assert_eq!(stages[1], Stage { duration: Duration::from_secs(120), to: Rate(1500.0), hold: false });
    assert_eq!((s.load.max_connections, s.load.threads, s.load.seed, s.load.sampled), (64, 3, 7, 0.5));
    assert_eq!((s.load.warm_up, s.load.graceful_stop), (Duration::from_secs(5), Duration::from_secs(1)));
    assert_eq!(
        s.target.headers,
        [("x-b".into(), "2".into()), ("accept".into(), "a/b".into())],
        "order as written"
    );
    assert_eq!((s.target.timeout, s.target.keep_alive), (Duration::from_millis(2500), true));
    assert_eq!(s.target.allow, ["shop.example.com"]);
    let [list, add, ..] = s.requests.as_slice() else { panic!("two requests") };
    assert_eq!(
        (list.slug.as_str(), list.weight, list.path.as_str()),
        ("list-products", 3, "/products?page=${pages.page}")
    );
    assert_eq!(list.expect.status, [200, 404]);
    assert_eq!(list.expect.body_contains.as_deref(), Some("items"));
    assert!(list.expect.body_matches.as_ref().is_some_and(|r| r.is_match(b"id 12")));
    assert_eq!(list.thresholds, [Threshold { metric: Metric::Percentile(500), limit: 20e6 }]);
    assert_eq!(
        (add.name.as_str(), add.method.as_str(), add.timeout),
        ("POST /cart", "POST", Some(Duration::from_secs(4)))
    );
    assert_eq!(add.body.as_deref(), Some(&b"{}"[..]));
    let limits: Vec<_> = s.thresholds.iter().map(|t| (t.metric.key(), t.limit)).collect();
    let expected = [("p95", 250e6), ("p99.9", 1e9), ("error-rate", 0.01), ("rate", 990.0), ("mean", 50e6)];
    assert_eq!(limits, expected.map(|(k, v)| (k.to_owned(), v)));
    assert_eq!((s.detect.periods, s.detect.sigma, s.detect.rule), (4, 2.5, Rule::Plain));
    let kinds: Vec<_> = s.evidence.iter().map(|e| (e.kind.name(), e.service.as_str())).collect();
    assert_eq!(kinds, [("prometheus", "shop"), ("go-pprof", "shop"), ("pprof", "edge")], "order of the file");
    assert!(matches!(&s.evidence[0].location, Location::OnTarget(path) if path == "/metrics"));
    let EvidenceKind::GoPprof { snapshots_per_second, cpu_window, captures, .. } = s.evidence[1].kind else {
        panic!("go-pprof")
    };
    assert_eq!((snapshots_per_second, cpu_window, captures), (5.0, Duration::from_secs(3), false));
    assert_eq!(s.expect, Some(Expect { cause: "lock".into(), at: Some("Reload".into()) }));
}

#[test]
fn each_mistake_is_named_with_line_key_value_and_remedy() {
    for (text, expected) in [
        (
            "[load.constant-arrival-rate]\nrate = \"-5/s\"\nfor = \"1m\"",
            "s.toml:4: load.constant-arrival-rate.rate = \"-5/s\": must be above 0 (write e.g. \"200/s\")",
        ),
        (
            "[load.constant-arrival-rate]\nrate = 0\nfor = \"1m\"",
            "s.toml:4: load.constant-arrival-rate.rate = 0: must be above 0 (write e.g. \"200/s\")",
        ),
        (
            "[load.constant-arrival-rate]\nrtae = 5\nrate = 5\nfor = \"1m\"",
            "s.toml:4: load.constant-arrival-rate.rtae: there is no such key: did you mean `rate`? Known here: rate, for",
        ),
        (
            "[load.constant-arrival-rate]\nrate = 5\nfor = 30",
            "s.toml:5: load.constant-arrival-rate.for = 30: has no unit: write \"30s\" or \"30ms\"",
        ),
        (
            "[load.constant-arrival-rate]\nrate = 5",
            "s.toml:3: load.constant-arrival-rate: `for` is missing: write e.g. for = \"30s\"",
        ),
        (
            "[load.constant-vus]\nvus = -1\nfor = \"1m\"",
            "s.toml:4: load.constant-vus.vus = -1: must not be negative",
        ),
        (
            "[load.constant-vus]\nvus = \"many\"\nfor = \"1m\"",
            "s.toml:4: load.constant-vus.vus = \"many\": is no whole number: write e.g. 10",
        ),
        (
            "[load]\nseed = 1",
            "s.toml:3: load: has no executor: write one of [load.constant-arrival-rate], [load.ramping-arrival-rate], [load.constant-connections], [load.constant-vus], [load.ramping-vus]",
        ),
        (
            "[load.constant-vus]\nvus = 1\nfor = \"1m\"\n[load.ramping-vus]\nstages = []",
            "s.toml:6: load.ramping-vus: a second executor: a scenario has exactly one, remove the others",
        ),
        (
            "[load.ramping-vus]\nstages = []",
            "s.toml:3: load.ramping-vus: has no stages: write stages = [{ for = \"30s\", to = 50 }]",
        ),
        (
            "[load.ramping-vus]\nstages = [{ for = \"1s\", to = 1, vus = 2 }]",
            "s.toml:4: load.ramping-vus.stages[0].to = 1: a stage has `vus` or `to`, not both: remove one",
        ),
        (
            "[load.ramping-vus]\nstages = [{ for = \"1s\", to = 0 }]",
            "s.toml:3: load.ramping-vus: never leaves 0: raise a stage, e.g. { for = \"30s\", to = 50 }",
        ),
        (
            "[load.ramping-arrival-rate]\nstages = [{ for = \"10s\" }]",
            "s.toml:4: load.ramping-arrival-rate.stages[0]: has no value: write `rate` to jump and hold, or `to` to go there linearly",
        ),
        ("load = 5", "s.toml:3: target.load: there is no such key"),
    ] {
        let text = format!("{TARGET}{text}\n");
        let found = problems(&text, &[]);
        assert!(
            found.iter().any(|p| p.starts_with(expected)),
            "{text}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn mistakes_outside_the_load_are_named_too() {
    for (text, expected) in [
        (
            "[[request]]\nname = \"a\"\nget = \"/\"\n[[request]]\nname = \"a\"\nget = \"/b\"",
            "s.toml:10: request[1].name = \"a\": a request of line 6 is named \"a\" too: give each request its own name",
        ),
        ("[[request]]\nget = \"/\"\npost = \"/\"", "s.toml:8: request[0].post = \"/\": a second method"),
        ("[[request]]\nname = \"x\"", "s.toml:6: request[0]: has no method: write e.g. get = \"/products\""),
        (
            "[[request]]\nget = \"products\"",
            "s.toml:7: request[0].get = \"products\": must begin with a slash: write \"/products\"",
        ),
        (
            "[[request]]\nget = \"http://a/b\"",
            "s.toml:7: request[0].get = \"http://a/b\": is an address: write only the path",
        ),
        ("[[request]]\nget = \"/a b\"", "s.toml:7: request[0].get = \"/a b\": holds ' '"),
        (
            "[[request]]\nget = \"/\"\nexpect = { body-matches = \"(\" }",
            "s.toml:8: request[0].expect.body-matches = \"(\": is no regular expression: unclosed group",
        ),
        (
            "[[request]]\nget = \"/\"\nexpect = { status = 200 }",
            "s.toml:8: request[0].expect.status = 200: is an integer, not an array",
        ),
        (
            "[[request]]\nget = \"/\"\nexpect = { status = [2000] }",
            "s.toml:8: request[0].expect.status[0] = 2000: must be a whole number from 100 to 599",
        ),
        (
            "[[request]]\nget = \"/\"\nheaders = { \"a b\" = \"c\" }",
            "s.toml:8: request[0].headers.\"a b\": is no header name",
        ),
        (
            "[[request]]\nget = \"/\"\nheaders = { a = \"x\\ny\" }",
            "s.toml:8: request[0].headers.a = \"x\\ny\": is no header value",
        ),
        (
            "[[request]]\nget = \"/\"\nheaders = { Content-Length = \"5\" }",
            "s.toml:8: request[0].headers.Content-Length: loadprof sets this header itself",
        ),
        (
            "[[request]]\nput = \"/\"\nbody-file = \"no/such.json\"",
            "s.toml:8: request[0].body-file = \"no/such.json\": there is no file",
        ),
        (
            "[[request]]\nput = \"/\"\nbody = \"a\"\nbody-file = \"Cargo.toml\"",
            "s.toml:9: request[0].body-file = \"Cargo.toml\": a second body",
        ),
        ("[request]\nget = \"/\"", "s.toml:6: request: is a table, not an array"),
        ("[thresholds]\np99.9 = \"1s\"", "s.toml:7: thresholds.p99"),
        (
            "[thresholds]\nerror-rate = \"120%\"",
            "s.toml:7: thresholds.error-rate = \"120%\": must lie between 0 and 1",
        ),
        ("[thresholds]\np94 = \"1s\"", "s.toml:7: thresholds.p94: there is no such key: did you mean `p9"),
        (
            "[detect]\nrule = \"frosen\"",
            "s.toml:7: detect.rule = \"frosen\": did you mean \"frozen\"? Known are: frozen, plain",
        ),
        ("[detect]\nalpha = 1.5", "s.toml:7: detect.alpha = 1.5: must be above 0 and at most 1"),
        ("[[evidence.pprof]]\nurl = \"/p\"", "s.toml:6: evidence.pprof[0]: `service` is missing"),
        (
            "[[evidence.pprof]]\nservice = \"a\"\nurl = \"gopher://x\"",
            "s.toml:8: evidence.pprof[0].url = \"gopher://x\": has the scheme gopher",
        ),
        (
            "[[evidence.pprof]]\nservice = \"../a\"\nurl = \"/p\"",
            "s.toml:7: evidence.pprof[0].service = \"../a\": is also a folder's name",
        ),
        (
            "[[evidence.pprof]]\nservice = \"a\"\nurl = \"/p\"\ncpu-window = \"500ms\"",
            "s.toml:9: evidence.pprof[0].cpu-window = \"500ms\": must be whole seconds",
        ),
        (
            "[[evidence.prometheus]]\nservice = \"a\"\nurl = \"/p\"\n[[evidence.prometheus]]\nservice = \"a\"\nurl = \"/q\"",
            "s.toml:9: evidence.prometheus[1]: prometheus of service \"a\" is there already",
        ),
        ("[expect]\nat = \"x\"", "s.toml:6: expect: `cause` is missing"),
        ("[expect]\ncause = \"x\"\n[expect]", "s.toml:8: this is not TOML: duplicate key"),
    ] {
        let text = format!("{TARGET}{LOAD}{text}\n");
        let found = problems(&text, &[]);
        assert!(
            found.iter().any(|p| p.starts_with(expected)),
            "{text}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn targets_are_checked_before_anything_is_sent() {
    for (target, expected) in [
        ("url = \"ftp://127.0.0.1\"", "s.toml:2: target.url = \"ftp://127.0.0.1\": has the scheme ftp"),
        ("url = \"127.0.0.1:80\"", "s.toml:2: target.url = \"127.0.0.1:80\": is no address"),
        ("url = \"http://127.0.0.1/api\"", "s.toml:2: target.url = \"http://127.0.0.1/api\": has a path"),
        (
            "url = \"http://a:b@127.0.0.1\"",
            "s.toml:2: target.url = \"http://masked@127.0.0.1\": holds credentials",
        ),
        (
            "url = \"http://8.8.8.8\"",
            "s.toml:2: target.url = \"http://8.8.8.8\": 8.8.8.8 is neither this machine",
        ),
        (
            "url = \"http://[2001:db8::1]\"",
            "s.toml:2: target.url = \"http://[2001:db8::1]\": [2001:db8::1] is neither",
        ),
        (
            "url = \"http://a\"\nallow = [\"http://a\"]",
            "s.toml:3: target.allow[0] = \"http://a\": is no host",
        ),
        ("timeout = \"1s\"", "s.toml:1: target: has no address"),
        (
            "url = \"http://a\"\n[target.demo]",
            "s.toml:2: target.url = \"http://a\": [target.demo] is there too",
        ),
        (
            "[target.demo]\nswitch = \"repice\"",
            "s.toml:3: target.demo.switch = \"repice\": did you mean \"reprice\"?",
        ),
        ("[target.demo]\nat = \"30s\"", "s.toml:3: target.demo.at = \"30s\": is not before the end"),
    ] {
        let text = format!("[target]\n{target}\n{LOAD}");
        let found = problems(&text, &[]);
        assert!(found[0].starts_with(expected), "{text}\nexpected {expected}\nfound {found:#?}");
    }
    good(&format!("[target]\nurl = \"http://8.8.8.8\"\nallow = [\"8.8.8.8\"]\n{LOAD}"), &[]);
    good(&format!("[target]\nurl = \"https://[::1]:8443\"\n{LOAD}"), &[]);
    assert_eq!(
        problems(LOAD, &[]),
        ["s.toml: [target] is missing: write [target] with url = \"http://127.0.0.1:8080\""]
    );
}

#[test]
fn a_demo_target_switches_half_way_by_default() {
    let s = good(&format!("[target.demo]\nswitch = \"stock-audit\"\n{LOAD}"), &[]);
    let Endpoint::Demo(demo) = s.target.endpoint else { panic!("a demo target") };
    assert_eq!((demo.switch.as_deref(), demo.at), (Some("stock-audit"), Duration::from_secs(15)));
}

#[test]
fn several_mistakes_are_told_at_once_with_their_lines() {
    let text =
        "[target]\nurl = \"ftp://x\"\ncolour = 1\n[load.constant-vus]\nvus = 0\nfor = \"5\"\n[detectt]\n";
    let error = parsed(text, &[]).expect_err("wrong");
    let lines: Vec<String> = error.problems.iter().map(|p| p.key.clone()).collect();
    assert_eq!(
        lines,
        ["target.url", "target.colour", "load.constant-vus.vus", "load.constant-vus.for", "detectt"]
    );
    let shown = "s.toml:5: load.constant-vus.vus = 0: must be a whole number from 1 to 60000\n  |\n5 | vus = 0\n  |       ^";
    assert_eq!(error.problems[2].to_string(), shown);
    let many: String = (0..20).map(|i| format!("unknown{i:02} = 1\n")).collect();
    let error = parsed(&many, &[]).expect_err("wrong");
    assert_eq!(error.problems.len(), MAX_PROBLEMS);
    assert!(error.more >= 1 && error.to_string().ends_with("more"));
}

#[test]
fn overrides_reach_any_key_and_leave_lines_alone() {
    let text = format!("{TARGET}{LOAD}[[request]]\nname = \"list it\"\nget = \"/\"\n");
    let s = good(
        &text,
        &[
            "load.rate=50/s",
            "load.for=1m",
            "load.max-connections=7",
            "request.0.get=/a?b=c",
            "request.\"list it\".weight=4",
            "request.1.get=/second",
            "thresholds.\"p99.9\"=1s",
            "target.headers.accept=a=b",
            "target.allow=[\"x\", \"y\"]",
            "name=other",
        ],
    );
    assert!(
        matches!(s.load.executor, Executor::ConstantArrivalRate { rate: Rate(50.0), duration } if duration.as_secs() == 60)
    );
    assert_eq!((s.load.max_connections, s.name.as_str()), (7, "other"));
    assert_eq!((s.requests[0].path.as_str(), s.requests[0].weight), ("/a?b=c", 4));
    assert_eq!(s.requests[1].path, "/second");
    assert_eq!(s.thresholds, [Threshold { metric: Metric::Percentile(999), limit: 1e9 }]);
    assert_eq!(s.target.headers, [("accept".into(), "a=b".into())]);
    assert_eq!(s.target.allow, ["x", "y"]);
    let stages = good("[load.ramping-vus]\n[target.demo]\n", &["load.stages=[{for='5s',vus=3}]"]);
    assert!(matches!(&stages.load.executor, Executor::RampingVus { stages, .. } if stages[0].to == 3));
}

#[test]
fn wrong_overrides_are_named_and_secrets_in_them_are_not() {
    let text = format!("{TARGET}{LOAD}");
    for (set, expected) in [
        ("load.rate=-5/s", "--set load.rate=-5/s: load.constant-arrival-rate.rate: must be above 0"),
        (
            "load.vus=5",
            "--set load.vus=5: load.constant-arrival-rate.vus: there is no such key: known here are rate, for",
        ),
        ("load.rate", "--set load.rate: has no value: write key=value"),
        ("=5", "--set =5: has an empty key"),
        ("target.url.x=5", "--set target.url.x=5: `url` is string, not a table"),
        ("request.3.get=/", "--set request.3.get=/: "),
        (
            "taget.url=http://a",
            "--set taget.url=http://a: taget: there is no such key: did you mean `target`?",
        ),
        (
            "target.headers.Authorization=a\nb",
            "--set target.headers.Authorization=***: target.headers.Authorization: is no header value",
        ),
    ] {
        let found = problems(&text, &[set]);
        assert!(found[0].starts_with(expected), "{set}\nexpected {expected}\nfound {found:#?}");
    }
    let two = format!("{text}[load.constant-vus]\nvus = 1\nfor = \"9s\"\n");
    assert!(problems(&two, &["load.for=1s"]).iter().any(|p| p.contains("several executors")));
    assert!(problems(TARGET, &["load.rate=1"]).iter().any(|p| p.contains("no executor")));
}

#[test]
fn variables_are_filled_and_missing_ones_named() {
    let text = "[target]\nurl = \"${URL}\"\nheaders = { authorization = \"Bearer ${TOKEN}\", x-api-key = \"literal\" }\n\
                [load.constant-arrival-rate]\nrate = \"${RATE}/s\"\nfor = \"20s\"\n[[request]]\nget = \"/${seq}\"\n";
    let env = |name: &str| match name {
        "URL" => Some("http://127.0.0.1:9".to_owned()),
        "TOKEN" => Some("s3cret".to_owned()),
        "RATE" => Some("75".to_owned()),
        _ => None,
    };
    let (s, copy) = with_env(text, &[], EnvPolicy::Require, &env).expect("a scenario");
    assert_eq!(s.target.headers[0].1, "Bearer s3cret");
    assert_eq!(s.requests[0].path, "/${seq}");
    assert!(copy.contains("rate = \"75/s\"") && copy.contains("url = \"http://127.0.0.1:9\""), "{copy}");
    assert!(copy.contains("Bearer ${TOKEN}") && copy.contains("x-api-key = \"***\""), "{copy}");
    let (again, _) = with_env(&copy, &[], EnvPolicy::Keep, &|_| None).expect("the copy is analysed anywhere");
    assert_eq!(format!("{:?}", again.load), format!("{:?}", s.load));

    let error = with_env(text, &[], EnvPolicy::Require, &|_| None).expect_err("no variables");
    let text = error.to_string();
    assert!(text.contains("s.toml:2: target.url = \"${URL}\": the environment has no URL: set it"), "{text}");
    assert!(text.contains("s.toml:3: target.headers.authorization: the environment has no TOKEN"), "{text}");
    assert!(!text.contains("literal"), "a line with secrets is not shown: {text}");
}

#[test]
fn a_finished_run_needs_neither_variables_nor_files() {
    let text = format!(
        "[target]\nurl = \"${{URL}}\"\nca = \"gone.pem\"\n{LOAD}[[request]]\npost = \"/\"\nbody-file = \"gone\"\n"
    );
    let (s, _) = with_env(&text, &[], EnvPolicy::Keep, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(s.requests[0].body, Some(Vec::new()));
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let error = Scenario::load(Path::new("no/such/file.toml"), &[], EnvPolicy::Require).expect_err("missing");
    assert!(error.to_string().starts_with("no/such/file.toml: cannot be opened"), "{error}");
    let error = Scenario::load(Path::new("/"), &[], EnvPolicy::Require).expect_err("a folder");
    assert!(error.to_string().contains("cannot be"), "{error}");
    for text in ["", "[", "a = ", "\u{0}", "a.b.c = {", "[[[", "x = \"\u{1f600}", "'''"] {
        assert!(parsed(text, &[]).is_err(), "{text:?}");
    }
}

#[test]
fn damaged_files_and_overrides_are_refused_and_never_panic() {
    use rand::{RngExt, SeedableRng};

    let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
    let full = include_str!("tests/full.toml");
    let lines: Vec<&str> = full.lines().collect();
    let odd = ["[", "]", "\"", "${A}", "=", "\u{1f600}", "-1", "{", "\n", "[[request]]\n", ".", "1e999", "'"];
    for _ in 0..2000 {
        let mut text = full.to_owned();
        for _ in 0..rng.random_range(1..4) {
            let at =
                (0..=rng.random_range(0..text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
            let end = (at..=text.len()).find(|&i| text.is_char_boundary(i) && i > at).unwrap_or(at);
            text.replace_range(at..end, odd[rng.random_range(0..odd.len())]);
        }
        let line = lines[rng.random_range(0..lines.len())];
        for overrides in [vec![], vec![line]] {
            if let Err(error) = parsed(&text, &overrides) {
                assert!(!error.problems.is_empty() && error.to_string().contains(": "), "{text}");
            }
        }
    }
}
