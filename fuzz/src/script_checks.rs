//! What must hold for any answer and any feeder file. Used by the fuzz targets and, on mutated real ones, by
//! the tests of `src/load/script`.

use std::sync::{Arc, LazyLock};

use regex::bytes::Regex;

use crate::load::script::answer::Answer;
use crate::load::script::cookies::{Jar, Site};
use crate::load::script::decode::Decoder;
use crate::load::script::judge::{Judge, Judged, Tools};
use crate::load::script::records::Records;
use crate::load::script::values::{Context, Names, Shared, Slot, Values};
use crate::scenario::text::MAX_VALUE;
use crate::scenario::{AnswerSource, Check, Condition, Expectation, Extract, FeederFormat};

/// Bytes of a body that the engine keeps.
const KEEP_LIMIT: usize = 1024 * 1024;

fn places() -> Vec<AnswerSource> {
    let json = |path: &str| AnswerSource::Json(path.to_owned());
    let regex = |pattern: &str| AnswerSource::Regex(Regex::new(pattern).expect("valid"));
    vec![
        json("$.items[0].id"),
        json("$.items[-1]"),
        json("$..id"),
        json("$.items[?@.price > 5 && @.name != 'x'].id"),
        json("$[::-2]"),
        json("$"),
        regex("id=(\\d+)"),
        regex("(?s)a.*b"),
        AnswerSource::Header("content-type".into()),
        AnswerSource::Cookie("session".into()),
        AnswerSource::Status,
    ]
}

/// A step that looks everywhere, and the names of its variables.
static STEP: LazyLock<(Judge, Arc<Shared>)> = LazyLock::new(|| {
    let mut names = Names::default();
    let conditions = [
        Condition::Exists,
        Condition::Equals("${v0}".into()),
        Condition::Contains("${v8}".into()),
        Condition::Matches(Regex::new("^[a-z]+$").expect("valid")),
        Condition::AtLeast(1.0),
        Condition::AtMost(1e300),
    ];
    for number in 0..places().len() {
        names.define(&format!("v{number}"));
    }
    let checks: Vec<Check> = places()
        .into_iter()
        .flat_map(|of| conditions.clone().map(|is| Check { name: "c".into(), of: of.clone(), is }))
        .collect();
    let judge = Judge::compile(&checks, &[], &mut names).expect("valid");
    (judge, Arc::new(Shared { names, feeders: Vec::new() }))
});

/// Each extraction alone, so that one that finds nothing does not end the others.
static EXTRACTIONS: LazyLock<Vec<Judge>> = LazyLock::new(|| {
    let mut names = Names::default();
    let one = |(n, from): (usize, AnswerSource)| {
        let extract = Extract { variable: format!("v{n}"), from, default: None };
        Judge::compile(&[], &[extract], &mut names).expect("valid")
    };
    places().into_iter().enumerate().map(one).collect()
});

/// An answer, head and body parted by a blank line, is decoded, judged and mined for cookies: bounded, twice
/// the same, and no fault repeats a byte of it that the scenario did not name.
pub fn script_answer(bytes: &[u8]) {
    let parted = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (head, body) = bytes.split_at(parted);
    for cut in [false, true] {
        let answer = Answer { status: 200, head, body, cut };
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(answer).map(|a| (a.body.to_vec(), a.cut));
        if let Ok((body, _)) = &decoded {
            assert!(body.len() <= KEEP_LIMIT.max(bytes.len()));
        }
        let again = decoder.decode(answer).map(|a| (a.body.to_vec(), a.cut));
        assert_eq!(again, decoded, "the buffers hold nothing of the answer before");
        judge(answer);
    }
    cookies(&Answer { status: 200, head, body, cut: false });
}

fn judge(answer: Answer<'_>) {
    let (checks, shared) = &*STEP;
    let (mut values, mut tools) = (Values::new(shared.clone(), Arc::default()), Tools::default());
    let context = Context::default();
    for (number, extraction) in EXTRACTIONS.iter().enumerate() {
        let judged = judged(extraction, answer, &mut values, &context, &mut tools);
        let known = values.get(Slot::Extracted(number)).map(str::len);
        assert_eq!(known.is_ok(), judged.fault.is_none(), "{number}");
        assert!(known.unwrap_or(0) <= MAX_VALUE);
    }
    let first = judged(checks, answer, &mut values, &context, &mut tools);
    let (failed, fault) = (first.failed.to_vec(), first.fault);
    assert!(fault.is_some() || failed.is_empty());
    if let Some(fault) = &fault {
        assert!(fault.to_string().len() < 300, "{fault}");
    }
    let second = judged(checks, answer, &mut values, &context, &mut tools);
    assert_eq!((second.failed, second.fault), (failed.as_slice(), fault));
}

/// As a run judges an answer.
fn judged<'t>(
    judge: &Judge,
    answer: Answer<'_>,
    values: &mut Values,
    context: &Context,
    tools: &'t mut Tools,
) -> Judged<'t> {
    let expect = Expectation { body_contains: Some("i".into()), ..Expectation::default() };
    judge.judge(&expect, (answer, answer.body.len() as u64), Some((values, context)), tools)
}

/// Cookies that are kept make one header that splits nothing.
fn cookies(answer: &Answer<'_>) {
    let site = Site { host: "shop.test", path: b"/cart/items", secure: true };
    let (mut jar, mut header) = (Jar::default(), Vec::new());
    jar.store(answer, &site, 1_700_000_000_000);
    jar.header(&site, 1_700_000_000_000, &mut header);
    assert!(!header.iter().any(|b| *b == b'\r' || *b == b'\n' || *b == 0));
    assert!(header.len() <= 50 * 4098);
    jar.clear();
    assert!(!jar.header(&site, 0, &mut Vec::new()));
}

/// A feeder file that is read has its cells in reach; its errors are short.
pub fn script_feeder(bytes: &[u8]) {
    let columns: [Arc<str>; 2] = ["id".into(), "name".into()];
    for format in [FeederFormat::Csv, FeederFormat::JsonLines] {
        match Records::parse(bytes, format, &columns) {
            Ok(records) => {
                let mut before = 0;
                for record in 0..records.len() {
                    let line = records.line(record);
                    // Equal after a carriage return alone, which ends a record and no line.
                    assert!(line >= before && line > 0, "line {line} after {before}");
                    before = line;
                    let cells = (0..columns.len()).filter_map(|column| records.cell(record, column));
                    assert!(cells.map(str::len).all(|len| len <= MAX_VALUE));
                }
                assert!(before as usize <= bytes.iter().filter(|b| **b == b'\n').count() + 1);
            }
            Err((_, problem)) => assert!(problem.to_string().len() < 8192),
        }
    }
}
