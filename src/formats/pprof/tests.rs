use prost::encoding::{encode_key, encode_varint};

use super::*;

/// A length-delimited field.
fn field(tag: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut out);
    encode_varint(body.len() as u64, &mut out);
    out.extend(body);
    out
}

/// A number field.
fn number(tag: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(tag, prost::encoding::WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

const STRINGS: [&str; 4] = ["", "cpu", "nanoseconds", "main"];

/// A profile of one value type with the given further fields.
fn message(fields: &[Vec<u8>]) -> Vec<u8> {
    let mut out = field(1, &[number(1, 1), number(2, 2)].concat());
    STRINGS.iter().for_each(|s| out.extend(field(6, s.as_bytes())));
    out.extend(fields.concat());
    out
}

fn function() -> Vec<u8> {
    field(5, &[number(1, 1), number(2, 3)].concat())
}

fn location(lines: usize) -> Vec<u8> {
    let line = field(4, &number(1, 1));
    field(4, &[number(1, 1), line.repeat(lines)].concat())
}

fn sample(locations: usize, value: u64) -> Vec<u8> {
    field(2, &[field(1, &vec![1; locations]), number(2, value)].concat())
}

#[test]
fn messages_that_break_the_rules_are_named() {
    use PprofError::Invalid;
    for (fields, problem) in [
        (vec![sample(1, 1)], "a sample names an unknown location"),
        (vec![location(1)], "a line names an unknown function"),
        (
            vec![field(2, &[number(2, 1), number(2, 2)].concat())],
            "a sample has not one value per sample type",
        ),
        (vec![number(14, 9)], "a string index is outside the table"),
        (vec![number(14, u64::MAX)], "a string index is outside the table"),
        (
            vec![field(2, &[number(2, 1), field(3, &number(2, 77))].concat())],
            "a string index is outside the table",
        ),
    ] {
        assert_eq!(Profile::decode(&message(&fields)), Err(Invalid(problem)));
    }
    assert_eq!(Profile::decode(&field(6, b"")), Err(Invalid("no sample types")));
    let no_empty = [field(1, &number(1, 0)), field(6, b"cpu")].concat();
    assert_eq!(Profile::decode(&no_empty), Err(Invalid("the string table does not begin with \"\"")));
}

#[test]
fn hostile_sizes_are_refused_before_they_cost_memory() {
    let entries = message(&[[0x12, 0].repeat(2_000_001)]);
    assert_eq!(Profile::decode(&entries), Err(PprofError::Invalid("more than two million entries")));
    // 10,000 stacks of 100 locations of 100 inlined calls: 150 KB packed, 100 million frames unfolded.
    let stacks = message(&[function(), location(100), sample(100, 1).repeat(10_000)]);
    assert_eq!(Profile::decode(&stacks), Err(PprofError::Invalid("its stacks take too much memory")));
    // One long name of many functions, a copy for each.
    let name = "x".repeat(1 << 20);
    let functions: Vec<u8> =
        (1..400).flat_map(|n| field(5, &[number(1, n), number(2, 4)].concat())).collect();
    let long = [field(6, name.as_bytes()), functions];
    assert_eq!(Profile::decode(&message(&long)), Err(PprofError::Invalid("its names take too much memory")));
    // A label of two bytes has forty in memory.
    let labels = message(&[field(2, &[0x1a, 0].repeat(16_000_001))]);
    assert_eq!(Profile::decode(&labels), Err(PprofError::Invalid("its samples have too many fields")));
    assert_eq!(Profile::decode(&vec![1; MAX_BYTES as usize + 1]), Err(PprofError::TooLarge));
}

#[test]
fn sums_of_extreme_values_do_not_overflow() {
    let bytes = message(&[function(), location(1), sample(1, i64::MAX as u64).repeat(3)]);
    let profile = Profile::decode(&bytes).expect("valid");
    assert_eq!(profile.total(0), i64::MAX);
    assert_eq!(profile.top(0)[0].flat, i64::MAX);
    assert_eq!(merge([&profile, &profile]).map(|p| p.total(0)), Ok(i64::MAX));
    assert_eq!(profile.fold(0, |_| true), [("main".to_owned(), i64::MAX)]);
}

#[test]
fn recursion_counts_once_and_inlined_calls_are_frames() {
    let bytes = message(&[function(), location(2), sample(3, 10)]);
    let profile = Profile::decode(&bytes).expect("valid");
    assert_eq!(profile.samples[0].stack, [0; 3]);
    assert_eq!(profile.functions(&profile.samples[0]).collect::<Vec<_>>(), ["main"; 6]);
    assert_eq!(profile.top(0), [Top { function: "main".to_owned(), flat: 10, cum: 10 }]);
}

#[test]
fn folded_names_hold_no_separators() {
    let frame = |name: &str| Frame { function: name.to_owned(), file: String::new(), line: 0 };
    let mut builder = ProfileBuilder::new(&[("cpu", "nanoseconds")], 1);
    builder.add([frame("<T as Trait>::run"), frame("a;b\n"), frame("")], &[3]);
    builder.add([frame("zero")], &[0]);
    let folded = builder.finish(0, 0).fold(0, |_| true);
    assert_eq!(folded, [("<unknown>;a:b_;<T_as_Trait>::run".to_owned(), 3)]);
}
