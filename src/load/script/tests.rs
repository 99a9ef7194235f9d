//! Whole scripts: from a scenario to requests and judged answers.

use std::io::Write as _;
use std::time::Instant;

use regex::bytes::Regex;

use super::judge::Judged;
use super::*;
use crate::load::testing::{constant, scenario};
use crate::run::period::Failure;
use crate::scenario::{
    AnswerSource, AtEnd, Auth, Check, Condition, Expectation, Extract, Feeder, FeederFormat, Journey, Order,
};

fn base() -> Url {
    Url::parse("http://127.0.0.1:8080/").expect("valid")
}

fn json(path: &str) -> AnswerSource {
    AnswerSource::Json(path.into())
}

fn check(name: &str, of: AnswerSource, is: Condition) -> Check {
    Check { name: name.into(), of, is }
}

fn extract(variable: &str, from: AnswerSource) -> Extract {
    Extract { variable: variable.into(), from, default: None }
}

fn users(file: &tempfile::NamedTempFile) -> Feeder {
    Feeder {
        name: "user".into(),
        path: file.path().into(),
        format: FeederFormat::Csv,
        order: Order::Sequential,
        at_end: AtEnd::Fail,
    }
}

/// Log in once; then: list as a user of the file, and buy what was listed.
fn shop(file: &tempfile::NamedTempFile) -> Scenario {
    let login =
        Request { extract: vec![extract("token", json("$.token"))], ..Request::new("POST", "/login") };
    let list = Request {
        auth: Some(Auth::Bearer("${token}".into())),
        extract: vec![extract("id", json("$.items[0].id"))],
        checks: vec![
            check("owner", json("$.owner"), Condition::Equals("${user.name}".into())),
            check("some", json("$.items"), Condition::Exists),
        ],
        think_time: Pause { from: Duration::from_millis(100), to: Duration::from_millis(200) },
        ..Request::new("GET", "/items?user=${user.name}&n=${seq}")
    };
    let buy = Request {
        body: Some(b"{\"id\":${id},\"key\":\"${uuid}\"}".to_vec()),
        body_template: true,
        ..Request::new("POST", "/buy/${id}")
    };
    let journey = Journey { name: "shop".into(), steps: 0..2, weight: 1 };
    let requests = vec![list, buy];
    Scenario {
        setup: vec![login],
        feeders: vec![users(file)],
        journeys: vec![journey],
        requests,
        ..scenario(constant(1.0, 1))
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn answer(body: &str) -> Answer<'_> {
    Answer { status: 200, head: b"content-type: application/json\r\n", body: body.as_bytes(), cut: false }
}

/// As a run judges an answer with nothing expected of it but the usual status.
fn judged<'t>(
    judge: &Judge,
    answer: Answer<'_>,
    values: &mut Values,
    context: &Context,
    tools: &'t mut Tools,
) -> Judged<'t> {
    let len = answer.body.len() as u64;
    judge.judge(&Expectation::default(), (answer, len), Some((values, context)), tools)
}

#[test]
fn a_journey_goes_from_setup_to_its_last_step() {
    let file = file("name,age\nann lee,3\nbob\n");
    let mut script = Script::compile(&shop(&file), &base()).expect("valid");
    let (mut tools, mut rendered) = (Tools::default(), Rendered::default());
    let context = Context { seed: 1, ..Context::default() };

    let mut values = script.values();
    let login = &script.setup.0[0];
    assert!(!login.is_plain() && login.judge.needs_head() && login.judge.needs_body());
    let of_login = judged(&login.judge, answer(r#"{"token":"t0k"}"#), &mut values, &context, &mut tools);
    assert_eq!(of_login, Judged { failed: &[], fault: None });
    script.keep_globals(&values);

    let mut values = script.values();
    let course = script.journeys[0].clone();
    assert_eq!((course.steps.clone(), course.feeders.as_slice()), (0..2, [0].as_slice()));
    assert_eq!(values.begin_journey(&course.feeders, 0, Taker::Arrival(&[])), Begin::Ready);
    let [list, buy] = script.steps.as_slice() else { panic!("two steps") };
    list.recipe.render(&values, &context, &mut rendered).expect("all known");
    assert_eq!(rendered.path, b"/items?user=ann%20lee&n=0");
    assert!(list.recipe.headers(&rendered).any(|h| h == ("authorization", b"Bearer t0k")));
    let missing = buy.recipe.render(&values, &context, &mut rendered).expect_err("nothing bought yet");
    assert_eq!(Fault::from(missing).failure(), Failure::Data);

    let found = answer(r#"{"owner":"ann lee","items":[{"id":17}]}"#);
    assert_eq!(judged(&list.judge, found, &mut values, &context, &mut tools).fault, None);
    buy.recipe.render(&values, &context, &mut rendered).expect("all known");
    assert_eq!(rendered.path, b"/buy/17");
    let body = buy.recipe.body(Some(&rendered)).expect("a body");
    assert!(
        body.starts_with(b"{\"id\":17,\"key\":\"") && body.len() == 16 + 36 + 2,
        "{}",
        body.escape_ascii()
    );

    // The next journey knows another user and no item; the third finds the file at its end.
    assert_eq!(values.begin_journey(&course.feeders, 1, Taker::Arrival(&[])), Begin::Ready);
    list.recipe.render(&values, &context, &mut rendered).expect("all known");
    assert_eq!(rendered.path, b"/items?user=bob&n=0");
    assert!(buy.recipe.render(&values, &context, &mut rendered).is_err());
    let Begin::Fail(missing) = values.begin_journey(&course.feeders, 2, Taker::Arrival(&[])) else {
        panic!("no third record")
    };
    assert_eq!(missing.to_string(), "feeder `user` has no record left");
}

#[test]
fn checks_come_before_extractions_and_all_are_counted() {
    let file = file("name\nann\n");
    let script = Script::compile(&shop(&file), &base()).expect("valid");
    let (mut values, mut tools) = (script.values(), Tools::default());
    let context = Context::default();
    assert_eq!(values.begin_journey(&[0], 0, Taker::Arrival(&[])), Begin::Ready);
    let judge = &script.steps[0].judge;
    let mut judge_it = |answer: Answer<'_>| {
        let judged = judged(judge, answer, &mut values, &context, &mut tools);
        let fault = judged.fault.map(|f| (f.failure(), f.to_string()));
        (judged.failed.to_vec(), fault)
    };
    let fails = |failure, text: &str| Some((failure, text.to_owned()));
    assert_eq!(
        judge_it(answer(r#"{"owner":"bob"}"#)),
        (vec![0, 1], fails(Failure::Check, "2 of 2 checks failed, first `owner`"))
    );
    assert_eq!(
        judge_it(answer(r#"{"owner":"ann","items":[]}"#)),
        (
            vec![],
            fails(
                Failure::Extract,
                "variable `id` could not be extracted from JSONPath `$.items[0].id`: nothing is there"
            )
        )
    );
    assert_eq!(judge_it(answer(r#"{"owner":"ann","items":[{"id":1}]}"#)), (vec![], None));
    let coded = Answer { head: b"content-encoding: rot13\r\n", ..answer("{}") };
    let (failed, fault) = judge_it(coded);
    assert_eq!((failed, fault.map(|f| f.0)), (vec![0, 1], Some(Failure::Body)));
}

#[test]
fn the_cause_of_a_failure_comes_before_its_consequences_and_every_check_counts() {
    let mut names = Names::default();
    let checks = [
        check("typed", AnswerSource::Header("content-type".into()), Condition::Exists),
        check("fine", AnswerSource::Status, Condition::AtMost(299.0)),
        check("named", json("$.name"), Condition::Exists),
        check("anything", AnswerSource::Regex(Regex::new("^").expect("valid")), Condition::Exists),
    ];
    let extracts = [extract("id", json("$.id"))];
    let judge = Judge::compile(&checks, &extracts, &mut names).expect("valid");
    let shared = Arc::new(Shared { names, feeders: Vec::new() });
    let (mut values, mut tools) = (Values::new(shared, Arc::default()), Tools::default());
    let texts = Expectation { body_contains: Some("ann".into()), ..Expectation::default() };
    let broken: &[u8] = b"content-type: a/b\r\ncontent-encoding: deflate\r\n";
    let plain: &[u8] = b"content-type: a/b\r\n";
    for (status, head, body, kind, failed) in [
        (503, broken, "oh", Some(Failure::Status), vec![1, 2, 3]),
        (503, plain, "{\"name\":1}", Some(Failure::Status), vec![1]),
        (200, broken, "oh", Some(Failure::Body), vec![2, 3]),
        (200, plain, "{\"name\":1}", Some(Failure::Body), vec![]),
        (200, plain, "{\"nane\":\"ann\"}", Some(Failure::Check), vec![2]),
        (200, plain, "{\"name\":\"ann\"}", Some(Failure::Extract), vec![]),
        (200, plain, "{\"name\":\"ann\",\"id\":1}", None, vec![]),
    ] {
        let answer = Answer { status, head, body: body.as_bytes(), cut: false };
        let user = Some((&mut values, &Context::default()));
        let judged = judge.judge(&texts, (answer, body.len() as u64), user, &mut tools);
        let found = (judged.fault.as_ref().map(Fault::failure), judged.failed.to_vec());
        assert_eq!(found, (kind, failed), "{status} {body}: {:?}", judged.fault);
    }
}

#[test]
fn what_cannot_be_compiled_is_named_with_its_request() {
    let compile = |request: Request| {
        let scenario = Scenario { requests: vec![request], ..scenario(constant(1.0, 1)) };
        Script::compile(&scenario, &base()).expect_err("must be refused").to_string()
    };
    for (request, words) in [
        (Request::new("GET", "/${nobody}"), "request `GET /${nobody}`: nothing gives `${nobody}` a value"),
        (Request::new("GET", "/${user.name}"), "nothing gives `${user.name}` a value"),
        (Request::new("GET", "/ü${seq}"), "the path must begin with `/`"),
        (
            Request { extract: vec![extract("a", json("$.["))], ..Request::new("GET", "/") },
            "`$.[` is not a JSONPath",
        ),
        (
            Request { checks: vec![check("c", json("x"), Condition::Exists)], ..Request::new("GET", "/") },
            "`x` is not a JSONPath",
        ),
        (
            Request { body: Some(vec![0xff]), body_template: true, ..Request::new("PUT", "/") },
            "in UTF-8 only",
        ),
    ] {
        let error = compile(request);
        assert!(error.contains(words), "{error}");
    }
    let file = file("id\n1\n");
    let error = Script::compile(&shop(&file), &base()).expect_err("no such column").to_string();
    assert!(error.contains("line 1: there is no column `name`; the first line names `id`"), "{error}");
}

#[test]
fn plain_steps_are_known_as_such() {
    let plain = |request: Request| {
        let scenario = Scenario { requests: vec![request], ..scenario(constant(1.0, 1)) };
        let script = Script::compile(&scenario, &base()).expect("valid");
        let step = &script.steps[0];
        (step.is_plain(), step.judge.needs_head(), step.judge.needs_body())
    };
    let get = || Request::new("GET", "/");
    assert_eq!(plain(get()), (true, false, false));
    assert_eq!(plain(Request::new("GET", "/${seq}")), (false, false, false));
    let with = |source| Request { checks: vec![check("c", source, Condition::Exists)], ..get() };
    assert_eq!(plain(with(AnswerSource::Status)), (false, false, false));
    assert_eq!(plain(with(AnswerSource::Header("a".into()))), (false, true, false));
    assert_eq!(plain(with(AnswerSource::Regex(Regex::new("a").expect("valid")))), (false, true, true));
}

#[test]
fn pauses_are_drawn_evenly_and_repeat() {
    let requests: Vec<Request> =
        [3, 1, 0, 6].map(|weight| Request { weight, ..Request::new("GET", "/") }).into();
    let journeys = Journey::single(&requests);
    let mut scenario = Scenario { requests, journeys, ..scenario(constant(1.0, 1)) };
    scenario.requests[0].think_time = Pause { from: Duration::from_millis(1), to: Duration::from_millis(3) };
    scenario.requests[1].think_time = Pause { from: Duration::from_secs(1), to: Duration::from_secs(1) };
    let script = Script::compile(&scenario, &base()).expect("valid");
    let at = |seq| Context { seed: 7, seq, ..Context::default() };
    let pauses: Vec<Duration> = (0..10_000).map(|n| script.pause(0, &at(n))).collect();
    assert!(pauses.iter().all(|p| (1000..=3000).contains(&p.as_micros())));
    let mean = pauses.iter().sum::<Duration>() / 10_000;
    // Standard deviation of the mean: 5.8 us.
    assert!((1970..2030).contains(&mean.as_micros()), "{mean:?}");
    assert_eq!(script.pause(0, &at(5)), pauses[5]);
    assert_eq!(script.pause(1, &at(5)), Duration::from_secs(1));
    assert_eq!(script.pause(2, &at(5)), Duration::ZERO);
    assert!(!script.keeps_cookies(0, false) && script.keeps_cookies(0, true));
}

/// Printed, not judged: what a step with three variables and one extraction costs.
#[test]
#[expect(clippy::print_stdout, reason = "a figure to look at")]
fn the_cost_of_a_step_is_shown() {
    let file = file("name\nann\n");
    let mut scenario = shop(&file);
    scenario.feeders[0].at_end = AtEnd::Repeat;
    scenario.requests[0].checks.clear();
    let script = Script::compile(&scenario, &base()).expect("valid");
    let (mut values, mut tools, mut rendered) = (script.values(), Tools::default(), Rendered::default());
    values.begin_journey(&[], 0, Taker::Arrival(&[]));
    let mut seeded = script.values();
    judged(
        &script.setup.0[0].judge,
        answer(r#"{"token":"t"}"#),
        &mut seeded,
        &Context::default(),
        &mut tools,
    );
    let mut script = script;
    script.keep_globals(&seeded);
    let mut values = script.values();
    let items: Vec<String> =
        (0..10).map(|n| format!(r#"{{"id":{n},"name":"item {n}","price":9.5,"tags":["a","b"]}}"#)).collect();
    let body = format!(r#"{{"owner":"ann","items":[{}]}}"#, items.join(","));
    let (step, hits) = (&script.steps[0], 20_000);
    let (mut render, mut judge) = (Duration::ZERO, Duration::ZERO);
    for seq in 0..hits {
        let context = Context { seq, ..Context::default() };
        let start = Instant::now();
        values.begin_journey(&[0], seq, Taker::Arrival(&[]));
        step.recipe.render(&values, &context, &mut rendered).expect("all known");
        let made = Instant::now();
        assert_eq!(judged(&step.judge, answer(&body), &mut values, &context, &mut tools).fault, None);
        (render, judge) = (render + (made - start), judge + made.elapsed());
    }
    let nanos = |d: Duration| d.as_nanos() / u128::from(hits);
    println!("render {} ns, extract from {} bytes of JSON {} ns", nanos(render), body.len(), nanos(judge));
}
