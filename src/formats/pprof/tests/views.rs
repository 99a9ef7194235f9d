//! Tables, neighbours, parts and texts.

use super::*;

#[test]
fn the_value_shown_by_default() {
    let types = [("alloc_space", "bytes"), ("space", "bytes")];
    let mut profile = ProfileBuilder::new(&types, 1).finish(0, 0);
    let index = |p: &Profile, asked: &str| p.sample_index(asked);
    assert_eq!(index(&profile, ""), Some(1), "the last");
    profile.default_sample_type = "alloc_space".to_owned();
    assert_eq!(index(&profile, ""), Some(0), "the named one");
    profile.default_sample_type = "gone".to_owned();
    assert_eq!(index(&profile, ""), Some(1), "the last if it is not there");
    assert_eq!(index(&profile, "inuse_space"), Some(1), "as older profiles name it");
    let others = ["0", "1", "2", "-1", "cpu"].map(|asked| index(&profile, asked));
    assert_eq!(others, [Some(0), Some(1), None, None, None]);
}

#[test]
fn small_functions_are_left_out_and_counted() {
    let profile = stacks(&["main;big = 990", "main;small = 9", "main;tiny = 1"]);
    let names = |t: &Table| t.rows.iter().map(|r| r.function.clone()).collect::<Vec<_>>();
    let table = profile.table(0, 1000, &Layout::default());
    assert_eq!(names(&table), ["big", "small", "main"]);
    assert_eq!((table.dropped, table.dropped_below, table.shown, table.functions), (1, 5, 999, 3));
    let two = Layout { order: Order::Cum, node_fraction: 0.0, node_count: 2 };
    let table = profile.table(0, 1000, &two);
    assert_eq!((names(&table), table.dropped, table.functions), (vec!["main".into(), "big".into()], 0, 4));
}

#[test]
fn neighbours_of_a_function() {
    let profile = stacks(&["main;f;f;g = 4", "other;f = 2", "main; f = 1", "main;g = 8"]);
    let peek = profile.peek(0, "f").expect("it is there");
    assert_eq!((peek.own.flat, peek.own.cum), (3, 7));
    let calls = |calls: &[Call]| calls.iter().map(|c| (c.function.clone(), c.value)).collect::<Vec<_>>();
    assert_eq!(calls(&peek.callers), [("main".to_owned(), 5), ("other".to_owned(), 2)]);
    assert_eq!(calls(&peek.callees), [("g".to_owned(), 4)], "calls of itself are left out");
    assert!(!peek.callers[0].inlined, "one call of two was no inlined one");
    assert_eq!(profile.peek(0, "nowhere"), None);
}

#[test]
fn parts_hold_only_what_they_name() {
    let profile = stacks(&["main;a = 1 id=x", "main;b = 2 id=y id=z", "main;c = 4"]);
    let parts = profile.by_label("id");
    assert_eq!(parts.keys().copied().collect::<Vec<_>>(), [None, Some("x"), Some("y"), Some("z")]);
    let part = profile.part(&parts[&Some("y")]);
    assert_eq!((shown(&part), part.locations.len()), (vec!["main;b = 2".to_owned()], 2));
}

#[test]
fn values_and_shares_as_text() {
    for (value, from, to, expected) in [
        (1536, "bytes", "auto", "1.50kB"),
        (-1536, "bytes", "kb", "-1.50kB"),
        (2_000_000, "nanoseconds", "ms", "2ms"),
        (90_000_000_000, "nanoseconds", "auto", "90s"),
        (999, "microseconds", "hours", "0"),
        (5, "nanoseconds", "bytes", "0"),
        (7, "count", "count", "7"),
        (7, "widgets", "widgets", "7widgets"),
        (0, "bytes", "bytes", "0"),
        (i64::MIN, "count", "count", "-9223372036854775808"),
    ] {
        assert_eq!(label(value, from, to), expected, "{value} {from} {to}");
    }
    for (value, total, expected) in [
        (1, 1, "100%"),
        (9_994, 10_000, "99.94%"),
        (9_996, 10_000, "100%"),
        (-1, 4, "25.00%"),
        (1, 200, "0.5%"),
        (1, 300, "0.33%"),
        (999, 100_000, "1%"),
        (1, 40_000_000, "2.5e-06%"),
        (1, 100_000_000, "1e-06%"),
        (0, 5, "0%"),
        (5, 0, "0%"),
    ] {
        assert_eq!(percentage(value, total), expected, "{value} of {total}");
    }
}

#[test]
fn names_are_shortened_for_display() {
    for (name, short) in [
        ("main.main", "main.main"),
        ("net/http.(*conn).serve", "http.(*conn).serve"),
        ("github.com/jackc/pgx/v5.(*Conn).Query", "pgx.(*Conn).Query"),
        ("example.com/a/v2/b.F", "b.F"),
        ("example.com/a/v1/b.F", "b.F"),
        ("slices.Sort[go.shape.string,example.com/a.T]", "slices.Sort[go.shape.string,example.com/a.T]"),
        ("a/b.F[c/d.T]", "b.F[c/d.T]"),
        ("java.util.concurrent.ThreadPoolExecutor.runWorker", "ThreadPoolExecutor.runWorker"),
        ("com.shop.Cart.<init>(int, String)", "Cart.<init>"),
        ("std::vector", "std::vector"),
        ("ns::inner::Class::method<int>(char)", "Class::method<int>"),
        ("ns::_Impl::~_Impl", "_Impl::~_Impl"),
        ("(anonymous namespace)::run", "run"),
        ("", ""),
    ] {
        assert_eq!(short_name(name), short, "{name}");
    }
}
