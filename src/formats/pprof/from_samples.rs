//! Builds a profile stack by stack, for sources that are not pprof themselves.

use std::collections::HashMap;

use super::{Frame, Line, Location, Profile, Sample, Symbol, ValueType};

/// Collects stacks and their values into a [`Profile`]; equal stacks are added up.
#[derive(Debug)]
pub struct ProfileBuilder {
    profile: Profile,
    /// By name and file.
    symbol_index: HashMap<(String, String), u32>,
    /// By symbol and line.
    location_index: HashMap<(u32, i64), u32>,
    stack_index: HashMap<Vec<u32>, usize>,
}

impl ProfileBuilder {
    /// A builder for samples of the given `(kind, unit)` types; `period` events of the last type lie
    /// between two samples.
    #[must_use]
    pub fn new(types: &[(&str, &str)], period: i64) -> Self {
        let sample_types: Vec<_> = types
            .iter()
            .map(|(kind, unit)| ValueType { kind: (*kind).to_owned(), unit: (*unit).to_owned() })
            .collect();
        let period_type = sample_types.last().cloned().expect("at least one sample type");
        let profile = Profile { sample_types, period_type, period, ..Profile::default() };
        let (symbol_index, location_index) = (HashMap::new(), HashMap::new());
        Self { profile, symbol_index, location_index, stack_index: HashMap::new() }
    }

    /// Adds `values` to the stack, leaf first.
    pub fn add(&mut self, stack: impl IntoIterator<Item = Frame>, values: &[i64]) {
        let stack: Vec<u32> = stack.into_iter().map(|f| self.location(f)).collect();
        if let Some(&i) = self.stack_index.get(&stack) {
            let sample = &mut self.profile.samples[i];
            sample.values.iter_mut().zip(values).for_each(|(a, b)| *a = a.saturating_add(*b));
            return;
        }
        self.stack_index.insert(stack.clone(), self.profile.samples.len());
        let (labels, numbers) = (Vec::new(), Vec::new());
        self.profile.samples.push(Sample { stack, values: values.to_vec(), labels, numbers });
    }

    /// The profile, with the wall clock of its start and its length.
    #[must_use]
    pub fn finish(mut self, time_nanos: i64, duration_nanos: i64) -> Profile {
        self.profile.time_nanos = time_nanos;
        self.profile.duration_nanos = duration_nanos;
        self.profile
    }

    fn location(&mut self, frame: Frame) -> u32 {
        let line = frame.line;
        let symbol = self.symbol(frame);
        let next = u32::try_from(self.profile.locations.len()).expect("fewer places than u32");
        *self.location_index.entry((symbol, line)).or_insert_with(|| {
            let lines = vec![Line { symbol, line, column: 0 }];
            self.profile.locations.push(Location { lines, ..Location::default() });
            next
        })
    }

    fn symbol(&mut self, frame: Frame) -> u32 {
        let next = u32::try_from(self.profile.symbols.len()).expect("fewer functions than u32");
        *self.symbol_index.entry((frame.function, frame.file)).or_insert_with_key(|(name, file)| {
            let (name, system_name) = (name.clone(), name.clone());
            self.profile.symbols.push(Symbol { name, system_name, file: file.clone(), start_line: 0 });
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> Frame {
        Frame { function: name.into(), file: format!("{name}.rs"), line: 7 }
    }

    #[test]
    fn equal_stacks_add_up_and_survive_the_codec() {
        let mut builder = ProfileBuilder::new(&[("samples", "count"), ("cpu", "nanoseconds")], 10_000_000);
        builder.add([frame("leaf"), frame("root")], &[1, 10]);
        builder.add([frame("leaf"), frame("root")], &[2, 20]);
        builder.add([frame("root")], &[1, 10]);
        let profile = builder.finish(5, 6);
        assert_eq!(profile.samples.len(), 2);
        assert_eq!(profile.total(profile.default_index()), 40);
        assert_eq!(Profile::decode(&profile.encode()), Ok(profile));
    }

    #[test]
    fn foreign_bytes_are_named() {
        use super::super::PprofError;
        assert_eq!(Profile::decode(b" \n"), Err(PprofError::Empty));
        assert_eq!(Profile::decode(b"<!doctype html>"), Err(PprofError::Html));
        assert!(matches!(Profile::decode(&[0x1f, 0x8b, 1, 2]), Err(PprofError::Gzip(_))));
        assert!(matches!(Profile::decode(b"goroutine 1 [running]:"), Err(PprofError::Protobuf(_))));
    }
}
