//! From the messages to the domain value, with every index checked.

use std::collections::HashMap;

use super::super::model::{self, Number, Symbol};
use super::super::{PprofError, names};
use super::{Location, Profile, Sample, ValueType};

/// Most frames of all stacks together, with inlined calls: what a view walks.
const MAX_STACK_FRAMES: usize = 32_000_000;
/// Most bytes of names of those frames: what a view writes that prints every stack.
const MAX_STACK_TEXT: usize = 2 << 30;
/// Most bytes of text that names of functions and labels may take.
const MAX_TEXT: usize = 256 << 20;

impl TryFrom<Profile> for model::Profile {
    type Error = PprofError;

    fn try_from(wire: Profile) -> Result<Self, PprofError> {
        if wire.sample_type.is_empty() {
            return Err(PprofError::Invalid("no sample types"));
        }
        if wire.string_table.first().is_none_or(|s| !s.is_empty()) {
            return Err(PprofError::Invalid("the string table does not begin with \"\""));
        }
        let mut reader = Reader::new(&wire);
        let (mappings, mapping_ids) = reader.mappings()?;
        let (symbols, symbol_ids) = reader.symbols()?;
        let (locations, location_ids) = reader.locations(&mapping_ids, &symbol_ids)?;
        let costs: Vec<Cost> = locations.iter().map(|l| Cost::of(l, &symbols)).collect();
        let samples =
            wire.sample.iter().map(|s| reader.sample(s, &location_ids, &costs)).collect::<Result<_, _>>()?;
        Ok(Self {
            sample_types: wire.sample_type.iter().map(|t| reader.value_type(t)).collect::<Result<_, _>>()?,
            default_sample_type: reader.text(wire.default_sample_type)?,
            mappings,
            symbols,
            locations,
            samples,
            drop_frames: reader.text(wire.drop_frames)?,
            keep_frames: reader.text(wire.keep_frames)?,
            comments: wire.comment.iter().map(|&c| reader.text(c)).collect::<Result<_, _>>()?,
            doc_url: reader.text(wire.doc_url)?,
            time_nanos: wire.time_nanos,
            duration_nanos: wire.duration_nanos,
            period_type: reader.value_type(&wire.period_type.unwrap_or_default())?,
            period: wire.period,
        })
    }
}

/// A table with the index of each id.
type Table<T> = (Vec<T>, HashMap<u64, u32>);

/// What a location adds to a stack that is printed.
#[derive(Clone, Copy)]
struct Cost {
    frames: usize,
    text: usize,
}

impl Cost {
    fn of(location: &model::Location, symbols: &[Symbol]) -> Self {
        let names = location.lines.iter().map(|l| symbols[l.symbol as usize].name.len());
        Self { frames: location.lines.len().max(1), text: names.fold(0, usize::saturating_add) }
    }

    fn less(self, used: Self) -> Option<Self> {
        let frames = self.frames.checked_sub(used.frames)?;
        Some(Self { frames, text: self.text.checked_sub(used.text)? })
    }
}

/// Turns the wire's indices into values, within the limits.
struct Reader<'a> {
    wire: &'a Profile,
    text_left: usize,
    stacks_left: Cost,
}

impl<'a> Reader<'a> {
    fn new(wire: &'a Profile) -> Self {
        Self {
            wire,
            text_left: MAX_TEXT,
            stacks_left: Cost { frames: MAX_STACK_FRAMES, text: MAX_STACK_TEXT },
        }
    }

    fn mappings(&mut self) -> Result<Table<model::Mapping>, PprofError> {
        let ids = ids(self.wire.mapping.iter().map(|m| m.id), "a mapping has no id of its own")?;
        let mut mappings = Vec::with_capacity(self.wire.mapping.len());
        for m in &self.wire.mapping {
            let file = self.text(m.filename)?;
            mappings.push(model::Mapping {
                start: m.memory_start,
                limit: m.memory_limit,
                offset: m.file_offset,
                shown: names::of_binary(&file),
                file,
                build_id: self.text(m.build_id)?,
                has_functions: m.has_functions,
                has_filenames: m.has_filenames,
                has_line_numbers: m.has_line_numbers,
                has_inline_frames: m.has_inline_frames,
            });
        }
        Ok((mappings, ids))
    }

    fn symbols(&mut self) -> Result<Table<Symbol>, PprofError> {
        let ids = ids(self.wire.function.iter().map(|f| f.id), "a function has no id of its own")?;
        let mut symbols = Vec::with_capacity(self.wire.function.len());
        for f in &self.wire.function {
            symbols.push(Symbol {
                name: self.text(f.name)?,
                system_name: self.text(f.system_name)?,
                file: self.text(f.filename)?,
                start_line: f.start_line,
            });
        }
        Ok((symbols, ids))
    }

    fn locations(
        &self,
        mappings: &HashMap<u64, u32>,
        symbols: &HashMap<u64, u32>,
    ) -> Result<Table<model::Location>, PprofError> {
        let ids = ids(self.wire.location.iter().map(|l| l.id), "a location has no id of its own")?;
        let read = |l: &Location| location(l, mappings, symbols);
        Ok((self.wire.location.iter().map(read).collect::<Result<_, _>>()?, ids))
    }

    fn sample(
        &mut self,
        sample: &Sample,
        locations: &HashMap<u64, u32>,
        costs: &[Cost],
    ) -> Result<model::Sample, PprofError> {
        if sample.value.len() != self.wire.sample_type.len() {
            return Err(PprofError::Invalid("a sample has not one value per sample type"));
        }
        let mut stack = Vec::with_capacity(sample.location_id.len());
        for id in &sample.location_id {
            let &i = locations.get(id).ok_or(PprofError::Invalid("a sample names an unknown location"))?;
            let left = self.stacks_left.less(costs[i as usize]);
            self.stacks_left = left.ok_or(PprofError::Invalid("its stacks take too much memory"))?;
            stack.push(i);
        }
        let (mut labels, mut numbers) = (Vec::new(), Vec::new());
        for label in &sample.label {
            let key = self.text(label.key)?;
            let (value, unit) = (self.text(label.str)?, self.text(label.num_unit)?);
            // The format cannot say "empty" or "zero of no unit", so neither is a label.
            if !value.is_empty() {
                labels.push((key, value));
            } else if label.num != 0 || !unit.is_empty() {
                numbers.push(Number { key, value: label.num, unit });
            }
        }
        Ok(model::Sample { stack, values: sample.value.clone(), labels, numbers })
    }

    fn value_type(&mut self, t: &ValueType) -> Result<model::ValueType, PprofError> {
        Ok(model::ValueType { kind: self.text(t.kind)?, unit: self.text(t.unit)? })
    }

    /// A copy of a string, charged to the text that may be copied.
    fn text(&mut self, index: i64) -> Result<String, PprofError> {
        let text = usize::try_from(index).ok().and_then(|i| self.wire.string_table.get(i));
        let text = text.ok_or(PprofError::Invalid("a string index is outside the table"))?;
        let left = self.text_left.checked_sub(text.len());
        self.text_left = left.ok_or(PprofError::Invalid("its names take too much memory"))?;
        Ok(text.clone())
    }
}

fn location(
    wire: &Location,
    mappings: &HashMap<u64, u32>,
    symbols: &HashMap<u64, u32>,
) -> Result<model::Location, PprofError> {
    let line = |l: &super::Line| {
        let symbol = symbols.get(&l.function_id).copied();
        let symbol = symbol.ok_or(PprofError::Invalid("a line names an unknown function"))?;
        Ok(model::Line { symbol, line: l.line, column: l.column })
    };
    Ok(model::Location {
        mapping: mappings.get(&wire.mapping_id).copied(),
        address: wire.address,
        lines: wire.line.iter().map(line).collect::<Result<_, PprofError>>()?,
        folded: wire.is_folded,
    })
}

/// Index of each id; an id of 0 stands for "none" in messages that point there.
fn ids(all: impl Iterator<Item = u64>, problem: &'static str) -> Result<HashMap<u64, u32>, PprofError> {
    let mut ids = HashMap::new();
    for (id, index) in all.zip(0..) {
        if id == 0 || ids.insert(id, index).is_some() {
            return Err(PprofError::Invalid(problem));
        }
    }
    Ok(ids)
}
