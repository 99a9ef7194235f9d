//! Sums and differences on stacks small enough to be read.

use super::*;

#[test]
fn headers_of_sums() {
    let mut one = Profile { time_nanos: 0, duration_nanos: 5, period: 3, ..stacks(&["a = 1"]) };
    one.comments = vec!["x".to_owned(), "y".to_owned()];
    let mut two = Profile { time_nanos: 7, duration_nanos: 6, period: 2, ..stacks(&["a = 1"]) };
    two.comments = vec!["y".to_owned(), "z".to_owned()];
    two.doc_url = "http://docs".to_owned();
    let sum = merge([&one, &two]).expect("of one kind");
    assert_eq!((sum.time_nanos, sum.duration_nanos, sum.period), (7, 11, 3));
    assert_eq!((sum.comments.join(""), sum.doc_url.as_str()), ("xyz".to_owned(), "http://docs"));
}

#[test]
fn samples_are_one_if_stack_and_labels_are() {
    let one = stacks(&["main;a = 1 k=v", "main;a = 2 k=w", "main;a = 4"]);
    let two = stacks(&["main;a = 8 k=v", "main; a = 16", "main;a = -4"]);
    let sum = merge([&one, &two]).expect("of one kind");
    assert_eq!(
        shown(&sum),
        ["main;a = 9", "main;a = 2", "main;a = 16"],
        "zero sums go, inlined is another place"
    );
    assert_eq!(sum.locations.len(), 3);
    let gone = diff(&one, &one, Base::Subtracted, false).expect("of one kind");
    assert_eq!(
        (gone.samples.len(), gone.locations.len(), gone.symbols.len()),
        (0, 0, 0),
        "with their places"
    );
}

#[test]
fn percentages_refer_to_a_compared_base() {
    let (now, base) = (stacks(&["a = 30", "b = 5"]), stacks(&["a = 10", "b = 10"]));
    let total = |how, normalize| {
        let diff = diff(&now, &base, how, normalize).expect("of one kind");
        (diff.reference_total(0), diff.top(0).into_iter().map(|t| (t.function, t.flat)).collect::<Vec<_>>())
    };
    let rows = |a, b| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(total(Base::Subtracted, false), (25, rows(20, -5)));
    assert_eq!(total(Base::Compared, false), (20, rows(20, -5)));
    // 20 / 35 of 30 and of 5, rounded.
    assert_eq!(total(Base::Compared, true), (20, rows(7, -7)));
}

#[test]
fn a_restart_between_snapshots_is_noticed() {
    let snapshot = |contentions: i64| {
        let mut builder = ProfileBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")], 1);
        builder.add([Frame { function: "f".into(), file: String::new(), line: 1 }], &[contentions, 0]);
        builder.finish(contentions, 0)
    };
    let (earlier, later) = (snapshot(3), snapshot(8));
    let grown = delta(&later, &earlier).expect("of one kind");
    assert_eq!((grown.total(0), grown.duration_nanos, went_back(&grown)), (5, 5, false));
    assert!(went_back(&delta(&earlier, &later).expect("of one kind")));
    let natures = later.sample_types.iter().map(ValueType::nature).collect::<Vec<_>>();
    assert_eq!(natures, [Nature::Cumulative; 2]);
    assert_eq!(ValueType { kind: "inuse_space".into(), unit: "bytes".into() }.nature(), Nature::Snapshot);
}
