//! Lines of code of causes: what grew, who holds, who waits; and what is no such line.

use super::*;
use crate::analysis::LineFinding;
use crate::attribute::blame;

/// Lines of the first candidate, in short.
fn seen(before: &Evidence, now: &Evidence, one_run: bool) -> Vec<(LineFinding, String, i64, bool)> {
    let (before, now) = (side(before), side(now));
    let lines = lines(Some(&rows(&before, &now)), &rows(&now, &now));
    let case = Case {
        reference: Some(&before),
        judged: &now,
        lines: &lines,
        databases: &[],
        readings: &[],
        spans: None,
        requests: &[],
        load_change: 0.0,
        one_run,
        saturated: false,
        floor: 50_000.0,
    };
    let first = candidates(&case).into_iter().next().expect("a candidate");
    let lines = blame::lines(&case, &first).into_iter();
    lines.map(|l| (l.finding, l.function, l.line, l.added)).collect()
}

const PAGE: &str = "shop.(*Store).Page";

#[test]
fn the_line_that_grew_is_named_and_not_the_one_that_was_dear_before() {
    let old = "sort.Slice shop.(*Store).Page@50";
    let new = "regexp.MustCompile shop.(*Store).Page@60";
    let (alone, both) = ([(old, 2.0)], [(old, 2.0), (new, 1.0)]);
    let work = |mean_ms, on| Evidence { mean_ms, requests: on, cpu: on, ..Evidence::default() };
    let (before, now) = (work(2.2, &alone), work(3.4, &both));
    let grown = seen(&before, &now, true);
    assert_eq!(grown, [(LineFinding::Works, PAGE.to_owned(), 60, true)]);
    // Another build has other lines: what the function has now is told as such.
    let level: Vec<_> =
        seen(&before, &now, false).into_iter().map(|(_, _, line, added)| (line, added)).collect();
    assert_eq!(level, [(50, false), (60, false)]);
}

#[test]
fn a_lock_has_the_lines_that_hold_it_give_it_back_and_wait_for_it() {
    let held = "runtime.gopark internal/poll.runtime_pollWait net/http.(*Client).do shop.(*Client).get@9 shop.(*Notes).renew@27";
    let waits = "runtime.gopark sync.runtime_SemacquireMutex sync.(*Mutex).Lock shop.(*Notes).renew@24";
    // Another lock, of another package, for which requests wait longer as well.
    let other = "runtime.gopark sync.runtime_SemacquireMutex sync.(*Mutex).Lock basket.(*Basket).add@80";
    let before = Evidence { mean_ms: 1.6, requests: &[(held, 0.5), (other, 1.0)], ..Evidence::default() };
    let now = Evidence {
        mean_ms: 10.1,
        requests: &[(held, 0.9), (waits, 6.0), (other, 3.0)],
        mutex: &[("sync.(*Mutex).Unlock shop.(*Notes).renew@35 shop.(*Shop).page@7", 6.0)],
        ..Evidence::default()
    };
    let renew = |finding, line, added| (finding, "shop.(*Notes).renew".to_owned(), line, added);
    let all = seen(&before, &now, true);
    assert_eq!(
        all,
        [
            renew(LineFinding::Holds, 27, false),
            renew(LineFinding::Unlocks, 35, false),
            renew(LineFinding::Waits, 24, true),
        ]
    );
}

#[test]
fn who_calls_again_is_seen_where_it_calls_and_where_it_pauses() {
    let call = "runtime.gopark runtime.selectgo net/http.(*persistConn).roundTrip net/http.(*Client).do \
                shop/recommend.(*Client).ask@69 shop/recommend.(*Client).Pieces@58";
    let pause = "runtime.gopark time.Sleep shop/recommend.rest@83 shop/recommend.(*Client).Pieces@62";
    let before = Evidence { mean_ms: 1.5, requests: &[(call, 1.0)], ..Evidence::default() };
    let again = Evidence { mean_ms: 9.5, requests: &[(call, 1.5), (pause, 7.5)], ..Evidence::default() };
    let lines: Vec<_> =
        seen(&before, &again, true).into_iter().map(|(_, function, line, _)| (function, line)).collect();
    assert_eq!(lines[0], ("shop/recommend.(*Client).Pieces".to_owned(), 58));
    assert!(lines.contains(&("shop/recommend.rest".to_owned(), 83)), "{lines:?}");
}
