//! From the domain value to the messages. Ids are the indices of the tables, plus one.

use std::collections::HashMap;

use super::super::model;
use super::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

impl From<&model::Profile> for Profile {
    fn from(profile: &model::Profile) -> Self {
        let mut strings = Strings::default();
        // The format asks for "" at index 0.
        strings.of("");
        Self {
            sample_type: profile.sample_types.iter().map(|t| strings.value_type(t)).collect(),
            sample: profile.samples.iter().map(|s| strings.sample(s)).collect(),
            mapping: profile.mappings.iter().zip(1..).map(|(m, id)| strings.mapping(m, id)).collect(),
            location: profile.locations.iter().zip(1..).map(|(l, id)| location(l, id)).collect(),
            function: profile.symbols.iter().zip(1..).map(|(s, id)| strings.function(s, id)).collect(),
            drop_frames: strings.of(&profile.drop_frames),
            keep_frames: strings.of(&profile.keep_frames),
            time_nanos: profile.time_nanos,
            duration_nanos: profile.duration_nanos,
            period_type: Some(strings.value_type(&profile.period_type)),
            period: profile.period,
            comment: profile.comments.iter().map(|c| strings.of(c)).collect(),
            default_sample_type: strings.of(&profile.default_sample_type),
            doc_url: strings.of(&profile.doc_url),
            string_table: strings.list,
        }
    }
}

fn id(index: u32) -> u64 {
    u64::from(index) + 1
}

fn location(location: &model::Location, number: u64) -> Location {
    let line = |l: &model::Line| Line { function_id: id(l.symbol), line: l.line, column: l.column };
    Location {
        id: number,
        mapping_id: location.mapping.map_or(0, id),
        address: location.address,
        line: location.lines.iter().map(line).collect(),
        is_folded: location.folded,
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

    fn value_type(&mut self, t: &model::ValueType) -> ValueType {
        ValueType { kind: self.of(&t.kind), unit: self.of(&t.unit) }
    }

    fn sample(&mut self, sample: &model::Sample) -> Sample {
        let mut label = Vec::with_capacity(sample.labels.len() + sample.numbers.len());
        for (key, value) in &sample.labels {
            label.push(Label { key: self.of(key), str: self.of(value), num: 0, num_unit: 0 });
        }
        for n in &sample.numbers {
            label.push(Label { key: self.of(&n.key), str: 0, num: n.value, num_unit: self.of(&n.unit) });
        }
        let location_id = sample.stack.iter().map(|&i| id(i)).collect();
        Sample { location_id, value: sample.values.clone(), label }
    }

    fn mapping(&mut self, m: &model::Mapping, id: u64) -> Mapping {
        Mapping {
            id,
            memory_start: m.start,
            memory_limit: m.limit,
            file_offset: m.offset,
            filename: self.of(&m.file),
            build_id: self.of(&m.build_id),
            has_functions: m.has_functions,
            has_filenames: m.has_filenames,
            has_line_numbers: m.has_line_numbers,
            has_inline_frames: m.has_inline_frames,
        }
    }

    fn function(&mut self, s: &model::Symbol, id: u64) -> Function {
        let (name, system_name) = (self.of(&s.name), self.of(&s.system_name));
        Function { id, name, system_name, filename: self.of(&s.file), start_line: s.start_line }
    }
}
