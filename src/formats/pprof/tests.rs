mod differences;
mod filters;
mod views;

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
        (vec![location(0), location(0)], "a location has no id of its own"),
        (vec![function(), function()], "a function has no id of its own"),
        (vec![field(3, &number(5, 3))], "a mapping has no id of its own"),
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
    // A name of a megabyte in each of three thousand frames.
    let mut strings = message(&[field(6, name.as_bytes())]);
    strings.extend(field(5, &[number(1, 1), number(2, 4)].concat()));
    strings.extend([location(100), sample(30, 1)].concat());
    assert_eq!(Profile::decode(&strings), Err(PprofError::Invalid("its stacks take too much memory")));
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

/// A profile of one value from stacks as `root;leaf = 5`, with labels `root;leaf = 5 key=value`. A name with a
/// blank before it is inlined into the one before: `root; leaf`.
fn stacks(lines: &[&str]) -> Profile {
    let kind = |kind: &str, unit: &str| ValueType { kind: kind.to_owned(), unit: unit.to_owned() };
    let mut profile = Profile { sample_types: vec![kind("cpu", "nanoseconds")], ..Profile::default() };
    for line in lines {
        let (stack, rest) = line.rsplit_once(" = ").expect("a stack and a value");
        let mut words = rest.split(' ');
        let value = words.next().and_then(|v| v.parse().ok()).expect("a value");
        let label = |w: &str| w.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut places: Vec<Vec<&str>> = Vec::new();
        for name in stack.split(';') {
            match (name.strip_prefix(' '), places.last_mut()) {
                (Some(inlined), Some(place)) => place.insert(0, inlined),
                _ => places.push(vec![name]),
            }
        }
        let stack = places.iter().rev().map(|names| place(&mut profile, names)).collect();
        let labels = words.filter_map(label).collect();
        profile.samples.push(Sample { stack, values: vec![value], labels, numbers: Vec::new() });
    }
    profile
}

/// Index of the location with these calls, innermost first.
fn place(profile: &mut Profile, names: &[&str]) -> u32 {
    let mut lines = Vec::new();
    for name in names {
        let known = profile.symbols.iter().position(|s| s.name == *name);
        let symbol = known.unwrap_or_else(|| {
            profile.symbols.push(Symbol { name: (*name).to_owned(), ..Symbol::default() });
            profile.symbols.len() - 1
        });
        lines.push(Line { symbol: symbol as u32, line: 1, column: 0 });
    }
    let location = Location { lines, ..Location::default() };
    let known = profile.locations.iter().position(|l| *l == location);
    known.unwrap_or_else(|| {
        profile.locations.push(location);
        profile.locations.len() - 1
    }) as u32
}

/// Stacks of a profile as `root;leaf = 5`.
fn shown(profile: &Profile) -> Vec<String> {
    let names = |s: &Sample| profile.functions(s).rev().collect::<Vec<_>>().join(";");
    profile.samples.iter().map(|s| format!("{} = {}", names(s), s.values[0])).collect()
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
