//! The messages of `profile.proto`, and the checks between them and the domain value.

use std::collections::HashMap;

use super::{Frame, PprofError, Sample, ValueType};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<WireValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<WireSample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<WireValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireSample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

impl TryFrom<Profile> for super::Profile {
    type Error = PprofError;

    fn try_from(wire: Profile) -> Result<Self, PprofError> {
        if wire.sample_type.is_empty() {
            return Err(PprofError::Invalid("no sample types"));
        }
        if wire.string_table.first().is_none_or(|s| !s.is_empty()) {
            return Err(PprofError::Invalid("the string table does not begin with \"\""));
        }
        let mut frames = Interner::default();
        let locations = unfold_locations(&wire, &mut frames)?;
        let samples =
            wire.sample.iter().map(|s| decode_sample(&wire, s, &locations)).collect::<Result<_, _>>()?;
        Ok(Self {
            sample_types: wire.sample_type.iter().map(|t| wire.value_type(t)).collect::<Result<_, _>>()?,
            default_sample_type: wire.text(wire.default_sample_type)?.to_owned(),
            frames: frames.list,
            samples,
            time_nanos: wire.time_nanos,
            duration_nanos: wire.duration_nanos,
            period_type: wire.value_type(&wire.period_type.unwrap_or_default())?,
            period: wire.period,
        })
    }
}

impl Profile {
    fn text(&self, index: i64) -> Result<&str, PprofError> {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.string_table.get(i))
            .map(String::as_str)
            .ok_or(PprofError::Invalid("a string index is outside the table"))
    }

    fn value_type(&self, t: &WireValueType) -> Result<ValueType, PprofError> {
        Ok(ValueType { kind: self.text(t.kind)?.to_owned(), unit: self.text(t.unit)?.to_owned() })
    }
}

/// Frames of each location, innermost inlined call first.
fn unfold_locations(wire: &Profile, frames: &mut Interner) -> Result<HashMap<u64, Vec<u32>>, PprofError> {
    let functions: HashMap<u64, &Function> = wire.function.iter().map(|f| (f.id, f)).collect();
    let mut locations = HashMap::with_capacity(wire.location.len());
    for location in &wire.location {
        let mut unfolded = Vec::with_capacity(location.line.len().max(1));
        for line in &location.line {
            let function = functions
                .get(&line.function_id)
                .ok_or(PprofError::Invalid("a line names an unknown function"))?;
            unfolded.push(frames.intern(Frame {
                function: wire.text(function.name)?.to_owned(),
                file: wire.text(function.filename)?.to_owned(),
                line: line.line,
            }));
        }
        if unfolded.is_empty() {
            let function = format!("{:#x}", location.address);
            unfolded.push(frames.intern(Frame { function, file: String::new(), line: 0 }));
        }
        locations.insert(location.id, unfolded);
    }
    Ok(locations)
}

fn decode_sample(
    wire: &Profile,
    sample: &WireSample,
    locations: &HashMap<u64, Vec<u32>>,
) -> Result<Sample, PprofError> {
    if sample.value.len() != wire.sample_type.len() {
        return Err(PprofError::Invalid("a sample has not one value per sample type"));
    }
    let mut stack = Vec::with_capacity(sample.location_id.len());
    for id in &sample.location_id {
        let frames = locations.get(id).ok_or(PprofError::Invalid("a sample names an unknown location"))?;
        stack.extend_from_slice(frames);
    }
    let mut labels = Vec::new();
    for label in sample.label.iter().filter(|l| l.str != 0) {
        labels.push((wire.text(label.key)?.to_owned(), wire.text(label.str)?.to_owned()));
    }
    Ok(Sample { stack, values: sample.value.clone(), labels })
}

#[derive(Default)]
struct Interner {
    index: HashMap<Frame, u32>,
    list: Vec<Frame>,
}

impl Interner {
    fn intern(&mut self, frame: Frame) -> u32 {
        let next = u32::try_from(self.list.len()).expect("a profile of at most 256 MiB has fewer frames");
        *self.index.entry(frame).or_insert_with_key(|f| {
            self.list.push(f.clone());
            next
        })
    }
}

impl From<&super::Profile> for Profile {
    fn from(profile: &super::Profile) -> Self {
        let mut strings = Strings::default();
        strings.of("");
        let function = profile
            .frames
            .iter()
            .zip(1..)
            .map(|(f, id)| {
                let name = strings.of(&f.function);
                Function { id, name, system_name: name, filename: strings.of(&f.file) }
            })
            .collect();
        let location = profile
            .frames
            .iter()
            .zip(1..)
            .map(|(f, id)| Location { id, address: 0, line: vec![Line { function_id: id, line: f.line }] })
            .collect();
        let sample = profile
            .samples
            .iter()
            .map(|s| WireSample {
                location_id: s.stack.iter().map(|&i| u64::from(i) + 1).collect(),
                value: s.values.clone(),
                label: s
                    .labels
                    .iter()
                    .map(|(k, v)| Label { key: strings.of(k), str: strings.of(v) })
                    .collect(),
            })
            .collect();
        Self {
            sample_type: profile.sample_types.iter().map(|t| strings.value_type(t)).collect(),
            sample,
            location,
            function,
            time_nanos: profile.time_nanos,
            duration_nanos: profile.duration_nanos,
            period_type: Some(strings.value_type(&profile.period_type)),
            period: profile.period,
            default_sample_type: strings.of(&profile.default_sample_type),
            string_table: strings.list,
        }
    }
}

#[derive(Default)]
struct Strings {
    index: HashMap<String, i64>,
    list: Vec<String>,
}

impl Strings {
    fn of(&mut self, text: &str) -> i64 {
        if let Some(&i) = self.index.get(text) {
            return i;
        }
        let i = i64::try_from(self.list.len()).expect("fewer strings than i64");
        self.index.insert(text.to_owned(), i);
        self.list.push(text.to_owned());
        i
    }

    fn value_type(&mut self, t: &ValueType) -> WireValueType {
        WireValueType { kind: self.of(&t.kind), unit: self.of(&t.unit) }
    }
}
