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

/// Most messages and strings directly in a profile.
const MAX_ENTRIES: usize = 2_000_000;
/// Most frames of all stacks together, after inlined calls are unfolded.
const MAX_STACK_FRAMES: usize = 32_000_000;
/// Most bytes of text that names of frames and labels may take.
const MAX_TEXT: usize = 256 << 20;

/// Counts the fields of the outer message. An empty sub-message has two bytes on the wire and a hundred in
/// memory, so a small file could fill the memory if it were decoded first and looked at later.
pub(super) fn check_size(mut bytes: &[u8]) -> Result<(), PprofError> {
    let broken = |e: prost::DecodeError| PprofError::Protobuf(e.to_string());
    for _ in 0..MAX_ENTRIES {
        if bytes.is_empty() {
            return Ok(());
        }
        let (tag, kind) = prost::encoding::decode_key(&mut bytes).map_err(broken)?;
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(kind, tag, &mut bytes, context).map_err(broken)?;
    }
    Err(PprofError::Invalid("more than two million entries"))
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
        let mut reader = Reader::new(&wire);
        let locations = reader.unfold_locations()?;
        let samples = wire.sample.iter().map(|s| reader.sample(s, &locations)).collect::<Result<_, _>>()?;
        Ok(Self {
            samples,
            frames: reader.frames,
            sample_types: wire.sample_type.iter().map(|t| wire.value_type(t)).collect::<Result<_, _>>()?,
            default_sample_type: wire.text(wire.default_sample_type)?.to_owned(),
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

/// Turns the wire's indices into values, within the limits.
struct Reader<'a> {
    wire: &'a Profile,
    frames: Vec<Frame>,
    /// By name, file and line as strings of the table: a frame's text is copied once, however often used.
    by_index: HashMap<(i64, i64, i64), u32>,
    by_value: HashMap<Frame, u32>,
    text_left: usize,
    stack_left: usize,
}

impl<'a> Reader<'a> {
    fn new(wire: &'a Profile) -> Self {
        Self {
            wire,
            frames: Vec::new(),
            by_index: HashMap::new(),
            by_value: HashMap::new(),
            text_left: MAX_TEXT,
            stack_left: MAX_STACK_FRAMES,
        }
    }

    /// Frames of each location, innermost inlined call first.
    fn unfold_locations(&mut self) -> Result<HashMap<u64, Vec<u32>>, PprofError> {
        let functions: HashMap<u64, &Function> = self.wire.function.iter().map(|f| (f.id, f)).collect();
        let mut locations = HashMap::with_capacity(self.wire.location.len());
        for location in &self.wire.location {
            let mut unfolded = Vec::with_capacity(location.line.len().max(1));
            for line in &location.line {
                let function = functions
                    .get(&line.function_id)
                    .ok_or(PprofError::Invalid("a line names an unknown function"))?;
                unfolded.push(self.frame(function, line.line)?);
            }
            if unfolded.is_empty() {
                let function = format!("{:#x}", location.address);
                unfolded.push(self.intern(Frame { function, file: String::new(), line: 0 })?);
            }
            locations.insert(location.id, unfolded);
        }
        Ok(locations)
    }

    fn frame(&mut self, function: &Function, line: i64) -> Result<u32, PprofError> {
        let key = (function.name, function.filename, line);
        if let Some(&i) = self.by_index.get(&key) {
            return Ok(i);
        }
        let function_name = self.text(function.name)?;
        let file = self.text(function.filename)?;
        let i = self.intern(Frame { function: function_name, file, line })?;
        self.by_index.insert(key, i);
        Ok(i)
    }

    fn intern(&mut self, frame: Frame) -> Result<u32, PprofError> {
        if let Some(&i) = self.by_value.get(&frame) {
            return Ok(i);
        }
        let i = u32::try_from(self.frames.len()).map_err(|_| PprofError::Invalid("too many frames"))?;
        self.by_value.insert(frame.clone(), i);
        self.frames.push(frame);
        Ok(i)
    }

    /// A copy of a string, charged to the text that may be copied.
    fn text(&mut self, index: i64) -> Result<String, PprofError> {
        let text = self.wire.text(index)?;
        self.text_left = self
            .text_left
            .checked_sub(text.len())
            .ok_or(PprofError::Invalid("its names take too much memory"))?;
        Ok(text.to_owned())
    }

    fn sample(
        &mut self,
        sample: &WireSample,
        locations: &HashMap<u64, Vec<u32>>,
    ) -> Result<Sample, PprofError> {
        if sample.value.len() != self.wire.sample_type.len() {
            return Err(PprofError::Invalid("a sample has not one value per sample type"));
        }
        let mut stack = Vec::with_capacity(sample.location_id.len());
        for id in &sample.location_id {
            let frames =
                locations.get(id).ok_or(PprofError::Invalid("a sample names an unknown location"))?;
            self.stack_left = self
                .stack_left
                .checked_sub(frames.len())
                .ok_or(PprofError::Invalid("its stacks take too much memory"))?;
            stack.extend_from_slice(frames);
        }
        let mut labels = Vec::new();
        for label in sample.label.iter().filter(|l| l.str != 0) {
            labels.push((self.text(label.key)?, self.text(label.str)?));
        }
        Ok(Sample { stack, values: sample.value.clone(), labels })
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
