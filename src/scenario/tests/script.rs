//! Journeys, feeders, values and checks.

use super::super::script::{Condition, Source as Place};
use super::*;

const FEEDER: &str = "[[feeder]]\nname = \"page\"\nfile = \"src/scenario/tests/pages.csv\"\n";

/// A problem of a scenario whose own text begins in line 6.
fn expect_problem(text: &str, expected: &str) {
    let text = format!("{TARGET}{LOAD}{text}\n");
    let found = problems(&text, &[]);
    assert!(found.iter().any(|p| p.starts_with(expected)), "{text}\nexpected {expected}\nfound {found:#?}");
}

#[test]
fn journeys_follow_the_requests_and_share_their_weights() {
    let s = good(include_str!("full.toml"), &[]);
    let names: Vec<&str> = s.requests.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["list products", "POST /cart", "buy: GET /search", "order"]);
    assert_eq!(s.requests[2].slug, "buy-get-search");
    let journeys: Vec<_> = s.journeys.iter().map(|j| (j.name.as_str(), j.steps.clone(), j.weight)).collect();
    assert_eq!(journeys, [("list products", 0..1, 3), ("POST /cart", 1..2, 1), ("buy", 2..4, 2)]);
    assert_eq!((s.requests[2].weight, s.requests[3].weight), (2, 2));
    let ms = Duration::from_millis;
    let pauses = [&s.requests[2], &s.requests[3]].map(|r| (r.think_time.from, r.think_time.to));
    assert_eq!(pauses, [(ms(1000), ms(3000)), (ms(500), ms(500))]);
    assert_eq!(s.setup.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["log in"]);
    assert_eq!(s.teardown.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["POST /logout"]);
    let only = good(&format!("{TARGET}{LOAD}[[journey]]\nname = \"a\"\nstep = [{{ get = \"/x\" }}]\n"), &[]);
    assert_eq!((only.requests.len(), only.journeys.len()), (1, 1), "no GET / beside a journey");
    assert_eq!(only.requests[0].name, "a: GET /x");
}

#[test]
fn feeders_values_and_checks_reach_their_places() {
    let s = good(include_str!("full.toml"), &[]);
    let [pages, person] = s.feeders.as_slice() else { panic!("two feeders") };
    assert_eq!((pages.order, pages.at_end, pages.format), (Order::Unique, AtEnd::Stop, FeederFormat::Csv));
    assert!(pages.path.ends_with("src/scenario/tests/pages.csv"));
    assert_eq!((person.order, person.at_end), (Order::Sequential, AtEnd::Repeat));
    assert_eq!(person.format, FeederFormat::JsonLines);
    let [token, sid] = s.setup[0].extract.as_slice() else { panic!("two values") };
    assert!(matches!(&token.from, Place::Json(path) if path == "$.token") && token.default.is_none());
    assert!(matches!(&sid.from, Place::Cookie(name) if name == "sid"));
    assert_eq!((sid.variable.as_str(), sid.default.as_deref()), ("sid", Some("none")));
    let [id, to, code] = s.requests[2].extract.as_slice() else { panic!("three values") };
    assert!(matches!(&id.from, Place::Regex(regex) if regex.is_match(b"id=7")));
    assert!(matches!(&to.from, Place::Header(name) if name == "location"));
    assert!(matches!(code.from, Place::Status));
    let order = &s.requests[3];
    assert!(
        order.body_template && order.body.as_ref().is_some_and(|b| b.starts_with(b"{ \"product\": \"${id}"))
    );
    let [exists, equals, most, created, regex] = order.checks.as_slice() else { panic!("five checks") };
    assert!(matches!(exists.is, Condition::Exists));
    assert!(matches!(&equals.is, Condition::Equals(text) if text == "${person.user}"));
    assert!(matches!(most.is, Condition::AtMost(limit) if limit == 3.0));
    assert!(matches!((&created.of, &created.is), (Place::Status, Condition::Equals(text)) if text == "201"));
    assert!(matches!((&regex.of, &regex.is), (Place::Regex(_), Condition::Exists)));
    assert_eq!(s.setup[0].auth, Some(Auth::Basic { user: "load".into(), password: "${uuid}".into() }));
    assert_eq!(s.teardown[0].auth, Some(Auth::Bearer("${token}".into())));
}

#[test]
fn a_body_is_a_template_only_if_it_has_variables() {
    for (body, template) in [("plain $5 {a}", false), ("n = ${seq}", true), ("$${seq}", true)] {
        let s = good(&format!("{TARGET}{LOAD}[[request]]\npost = \"/\"\nbody = '{body}'\n"), &[]);
        assert_eq!(
            (s.requests[0].body_template, s.requests[0].body.as_deref()),
            (template, Some(body.as_bytes()))
        );
    }
    let raw = "[[request]]\npost = \"/\"\nbody-file = \"src/scenario/tests/order.json\"\n";
    let s = good(&format!("{TARGET}{LOAD}{raw}"), &[]);
    assert!(!s.requests[0].body_template && s.requests[0].body.is_some(), "a raw file stays raw");
}

#[test]
fn variables_must_be_known_where_they_stand() {
    let ahead = "s.toml:7: request[0].get = ";
    for (path, expected) in [
        ("/${pag}", "nothing gives ${pag} here: known here are seq, vu, uuid, random, now. Extract it"),
        ("/${sqe}", "nothing gives ${sqe} here: did you mean `seq`?"),
        (
            "/${page.id}",
            "there is no feeder `page`: write [[feeder]] with name = \"page\", or write $${page.id}",
        ),
    ] {
        expect_problem(&format!("[[request]]\nget = \"{path}\""), &format!("{ahead}\"{path}\": {expected}"));
    }
    let with = |rest: &str| format!("{FEEDER}{rest}");
    expect_problem(
        &with("[[request]]\nget = \"/${page.pge}\""),
        "s.toml:10: request[0].get = \"/${page.pge}\": feeder `page` has no column `pge`: did you mean `page`? its columns are page, name",
    );
    let folder = tempfile::tempdir().expect("a scratch folder");
    let bare = folder.path().join("bare.csv");
    std::fs::write(&bare, "ann,hunter2\nbob,secret\n").expect("written");
    let bare = FEEDER.replace("src/scenario/tests/pages.csv", &bare.display().to_string());
    expect_problem(
        &format!("{bare}[[request]]\nget = \"/${{page.hunter}}\""),
        "s.toml:10: request[0].get = \"/${page.hunter}\": feeder `page` has no column `hunter`: the first line of its file must name the columns, and not all of its 2 cells look like names",
    );
    expect_problem(
        &with("[[request]]\nget = \"/${pages.page}\""),
        "s.toml:10: request[0].get = \"/${pages.page}\": there is no feeder `pages`: did you mean `page`?",
    );
    expect_problem(
        &with("[[setup]]\nget = \"/${page.page}\""),
        "s.toml:10: setup[0].get = \"/${page.page}\": ${page.page} is a column of a feeder, and records are given to journeys only",
    );
    for (text, key) in [
        ("[[request]]\nget = \"/\"\nheaders = { a = \"${x}\" }", "s.toml:8: request[0].headers.a = "),
        ("[[request]]\npost = \"/\"\nbody = \"${x}\"", "s.toml:8: request[0].body = "),
        (
            "[[request]]\npost = \"/\"\nbody-template = \"src/scenario/tests/order.json\"",
            "s.toml:8: request[0].body-template = ",
        ),
        (
            "[[request]]\nget = \"/\"\nauth = { bearer = \"${x}\" }",
            "s.toml:8: request[0].auth.bearer: nothing gives ${x}",
        ),
        (
            "[[request]]\nget = \"/\"\ncheck = [{ name = \"a\", json = \"$\", equals = \"${x}\" }]",
            "s.toml:8: request[0].check[0].equals = ",
        ),
        (
            "[[request]]\nget = \"/\"\ncheck = [{ name = \"a\", json = \"$\", contains = \"${x}\" }]",
            "s.toml:8: request[0].check[0].contains = ",
        ),
    ] {
        expect_problem(text, key);
    }
}

#[test]
fn what_is_extracted_is_known_from_then_on_and_nowhere_else() {
    let journey = |first: &str, second: &str| {
        format!("[[journey]]\nname = \"j\"\n[[journey.step]]\n{first}\n[[journey.step]]\n{second}\n")
    };
    let gives = "get = \"/a\"\nextract = { id = { json = \"$.id\" } }";
    good(&format!("{TARGET}{LOAD}{}", journey(gives, "get = \"/b/${id}\"")), &[]);
    expect_problem(
        &journey("get = \"/b/${id}\"", gives),
        "s.toml:9: journey[0].step[0].get = \"/b/${id}\": nothing gives ${id} here",
    );
    let other = format!("{}[[request]]\nget = \"/c/${{id}}\"", journey(gives, "get = \"/d\""));
    expect_problem(&other, "s.toml:14: request[0].get = \"/c/${id}\": nothing gives ${id} here");
    let setup = format!(
        "[[setup]]\n{gives}\n[[setup]]\nname = \"second\"\nget = \"/a/${{id}}\"\n[[request]]\nget = \"/${{id}}\"\n[[teardown]]\ndelete = \"/${{id}}\"\n"
    );
    good(&format!("{TARGET}{LOAD}{setup}"), &[]);
    expect_problem(
        "[[setup]]\nname = \"x\"\nget = \"/${id}\"\n[[setup]]\nget = \"/a\"\nextract = { id = { status = true } }",
        "s.toml:8: setup[0].get = \"/${id}\": nothing gives ${id} here",
    );
    expect_problem(
        &format!("{}[[teardown]]\nget = \"/${{id}}\"", journey(gives, "get = \"/d\"")),
        "s.toml:14: teardown[0].get = \"/${id}\": nothing gives ${id} here",
    );
    // What follows from a mistake is not told: the extraction of a wrong request is known.
    let wrong = journey("get = \"a\"\nextract = { id = { json = \"$.id\" } }", "get = \"/b/${id}\"");
    let found = problems(&format!("{TARGET}{LOAD}{wrong}"), &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn values_of_the_target_go_with_every_request() {
    let target = "[target]\nurl = \"http://127.0.0.1:1\"\nauth = { bearer = \"${token}\" }\n";
    let login = "[[setup]]\npost = \"/login\"\nauth = { basic = { user = \"a\", password = \"${seq}\" } }\nextract = { token = { json = \"$.t\" } }\n";
    good(&format!("{target}{LOAD}{login}"), &[]);
    let bare = login.replace("auth = { basic = { user = \"a\", password = \"${seq}\" } }\n", "");
    let found = problems(&format!("{target}{LOAD}{bare}"), &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    let expected = "s.toml:3: target.auth.bearer: nothing gives ${token} here";
    assert!(
        found[0].starts_with(expected) && found[0].ends_with("(it goes with \"POST /login\" too)"),
        "{found:#?}"
    );
    let found = problems(&format!("{target}{LOAD}"), &[]);
    assert!(found[0].ends_with("(it goes with \"GET /\" too)"), "{found:#?}");
}

#[test]
fn mistakes_in_journeys_and_feeders_are_named() {
    for (text, expected) in [
        (
            "[[journey]]\nstep = [{ get = \"/\" }]",
            "s.toml:6: journey[0]: `name` is missing: write e.g. name = ",
        ),
        ("[[journey]]\nname = \"a\"", "s.toml:6: journey[0]: has no steps: write [[journey.step]]"),
        (
            "[[journey]]\nname = \"a\"\nstep = [{ get = \"/\", weight = 2 }]",
            "s.toml:8: journey[0].step[0].weight: there is no such key",
        ),
        (
            "[[journey]]\nname = \"a\"\nstep = [{ get = \"/\", think-time = 5 }]",
            "s.toml:8: journey[0].step[0].think-time = 5: has no unit",
        ),
        (
            "[[journey]]\nname = \"a\"\nstep = [{ get = \"/\", think-time = { from = \"3s\", to = \"1s\" } }]",
            "s.toml:8: journey[0].step[0].think-time.to = \"1s\": is shorter than `from`, 3s: swap them",
        ),
        (
            "[[journey]]\nname = \"a\"\nstep = [{ get = \"/\", think-time = { from = \"3s\" } }]",
            "s.toml:8: journey[0].step[0].think-time: `to` is missing",
        ),
        (
            "[[journey]]\nname = \"a\"\nstep = [{ get = \"/\", think-time = { form = \"3s\" } }]",
            "s.toml:8: journey[0].step[0].think-time.form: there is no such key: did you mean `from`?",
        ),
        (
            "[[request]]\nname = \"a\"\nget = \"/\"\n[[journey]]\nname = \"a\"\nstep = [{ get = \"/\" }]",
            "s.toml:10: journey[0].name = \"a\": is the name of another journey or request",
        ),
        (
            "[[request]]\nname = \"a\"\nget = \"/\"\n[[journey]]\nname = \"b\"\nstep = [{ name = \"a\", get = \"/\" }]",
            "s.toml:11: journey[0].step[0].name = \"a\": a request of line 6 is named \"a\" too",
        ),
        (
            "[[request]]\nget = \"/\"\nthink-time = \"1s\"",
            "s.toml:8: request[0].think-time: there is no such key",
        ),
        (
            "[[setup]]\nget = \"/\"\nthresholds = { p50 = \"1s\" }",
            "s.toml:8: setup[0].thresholds: there is no such key",
        ),
        ("[[feeder]]\nname = \"a\"", "s.toml:6: feeder[0]: `file` is missing: write e.g. file = "),
        (
            "[[feeder]]\nname = \"A b\"\nfile = \"x.csv\"",
            "s.toml:7: feeder[0].name = \"A b\": is no name of a feeder",
        ),
        (
            "[[feeder]]\nname = \"a\"\nfile = \"no.csv\"",
            "s.toml:8: feeder[0].file = \"no.csv\": there is no file",
        ),
        (
            "[[feeder]]\nname = \"a\"\nfile = \"Cargo.toml\"",
            "s.toml:8: feeder[0].file = \"Cargo.toml\": ends neither in .csv nor in .jsonl",
        ),
        (
            "[[feeder]]\nname = \"a\"\nfile = \"Cargo.toml\"\nformat = \"jsonl\"",
            "s.toml:8: feeder[0].file = \"Cargo.toml\": its first line is no JSON object",
        ),
        (
            "[[feeder]]\nname = \"a\"\nfile = \"src/scenario/tests/pages.csv\"\norder = \"random\"\nat-end = \"stop\"",
            "s.toml:10: feeder[0].at-end = \"stop\": random records never come to an end: remove it",
        ),
        (
            "[[feeder]]\nname = \"a\"\nfile = \"src/scenario/tests/pages.csv\"\norder = \"uniqe\"",
            "s.toml:9: feeder[0].order = \"uniqe\": did you mean \"unique\"?",
        ),
    ] {
        expect_problem(text, expected);
    }
    let twice = format!("{FEEDER}{FEEDER}");
    expect_problem(&twice, "s.toml:10: feeder[1].name = \"page\": is the name of another feeder");
}

#[test]
fn mistakes_in_extractions_and_checks_are_named() {
    let extract = "s.toml:8: request[0].extract";
    for (text, expected) in [
        ("a = { json = \"$[\" }", ".a.json = \"$[\": is no JSONPath (RFC 9535): write e.g."),
        ("a = { json = \"token\" }", ".a.json = \"token\": is no JSONPath"),
        ("a = { regex = \"(\" }", ".a.regex = \"(\": is no regular expression: unclosed group"),
        ("a = { header = \"a b\" }", ".a.header = \"a b\": is no header name"),
        ("a = {}", ".a: says not where the value is: write one of json, regex"),
        ("a = { json = \"$.a\", status = true }", ".a.status = true: a second place"),
        ("a = { status = false }", ".a.status = false: can only be true"),
        ("seq = { status = true }", ".seq: ${seq} is made by loadprof itself: choose another name"),
        ("\"a.b\" = { status = true }", ".\"a.b\": is no name of a variable"),
        ("Up = { status = true }", ".Up: is no name of a variable"),
        ("a = \"$.a\"", ".a = \"$.a\": is a string, not a table"),
        ("a = { jsn = \"$.a\" }", ".a.jsn: there is no such key: did you mean `json`?"),
    ] {
        expect_problem(
            &format!("[[request]]\nget = \"/\"\nextract = {{ {text} }}"),
            &format!("{extract}{expected}"),
        );
    }
    let check = "s.toml:8: request[0].check[0]";
    for (text, expected) in [
        ("json = \"$\"", ": `name` is missing: write e.g. name = "),
        ("name = \"a\"", ": says not where the value is"),
        ("name = \"a\", json = \"$\", equals = 1, contains = \"b\"", ".contains = \"b\": a second condition"),
        ("name = \"a\", json = \"$\", exists = false", ".exists = false: can only be true"),
        ("name = \"a\", json = \"$\", at-least = \"x\"", ".at-least = \"x\": is no number"),
        ("name = \"a\", json = \"$\", equals = []", ".equals = []: is an array: write a string"),
        ("name = \"a\", regex = \"b\", equals = \"b\"", ".regex = \"b\": only says whether the body matches"),
        ("name = \"a\", cookie = \"b\", matches = \"[\"", ".matches = \"[\": is no regular expression"),
    ] {
        expect_problem(
            &format!("[[request]]\nget = \"/\"\ncheck = [{{ {text} }}]"),
            &format!("{check}{expected}"),
        );
    }
    expect_problem(
        "[[request]]\nget = \"/\"\ncheck = [{ name = \"a\", json = \"$\" }, { name = \"a\", status = true }]",
        "s.toml:8: request[0].check[1].name = \"a\": is the name of another check",
    );
    // Deep nesting must not exhaust the parser's stack.
    for deep in ["(".repeat(400), "[?(".repeat(160), "!".repeat(400), "[?@".repeat(160)] {
        let text = format!("[[request]]\nget = \"/\"\nextract = {{ a = {{ json = '$[?{deep}' }} }}");
        expect_problem(&text, "s.toml:8: request[0].extract.a.json = ");
    }
}

#[test]
fn a_finished_run_needs_neither_feeders_nor_known_variables() {
    let text = format!(
        "{TARGET}{LOAD}[[feeder]]\nname = \"u\"\nfile = \"gone\"\n[[request]]\nget = \"/${{u.x}}/${{old}}\"\n\
         body-template = \"gone.json\"\nextract = {{ a = {{ json = \"${{P}}\" }}, b = {{ regex = \"${{P}}\" }} }}\n"
    );
    let (s, _) = with_env(&text, &[], EnvPolicy::Keep, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((s.feeders.len(), s.requests[0].body_template), (1, true));
}

#[test]
fn names_are_taken_from_the_path_as_written() {
    let env = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
    let text = format!("{TARGET}{LOAD}[[request]]\nget = \"/hook/${{KEY}}/x?a=b\"\n");
    let (s, copy) = with_env(&text, &[], EnvPolicy::Require, &env).expect("a scenario");
    assert_eq!(
        (s.requests[0].path.as_str(), s.requests[0].name.as_str()),
        ("/hook/s3cret/x?a=b", "GET /hook/${KEY}/x")
    );
    assert!(!copy.contains("s3cret") && !s.requests[0].slug.contains("s3cret"));
    let (again, _) = with_env(&copy, &[], EnvPolicy::Keep, &|_| None).expect("analysed anywhere");
    assert_eq!(again.requests[0].slug, s.requests[0].slug);
    let (s, _) = with_env(&format!("{TARGET}{LOAD}"), &["request.0.get=/o/${KEY}"], EnvPolicy::Require, &env)
        .expect("a scenario");
    assert_eq!(s.requests[0].name, "GET /o/${KEY}", "an override needs no quotes");
}
