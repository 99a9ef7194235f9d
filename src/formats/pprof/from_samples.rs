//! Builds a profile stack by stack, for sources that are not pprof themselves.

use std::collections::HashMap;

use super::{Frame, Profile, Sample, ValueType};

/// Collects stacks and their values into a [`Profile`]; equal stacks are added up.
#[derive(Debug)]
pub struct ProfileBuilder {
    profile: Profile,
    frame_index: HashMap<Frame, u32>,
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
        let profile = Profile {
            sample_types,
            default_sample_type: String::new(),
            frames: Vec::new(),
            samples: Vec::new(),
            time_nanos: 0,
            duration_nanos: 0,
            period_type,
            period,
        };
        Self { profile, frame_index: HashMap::new(), stack_index: HashMap::new() }
    }

    /// Adds `values` to the stack, leaf first.
    pub fn add(&mut self, stack: impl IntoIterator<Item = Frame>, values: &[i64]) {
        let stack: Vec<u32> = stack.into_iter().map(|f| self.intern(f)).collect();
        if let Some(&i) = self.stack_index.get(&stack) {
            let sample = &mut self.profile.samples[i];
            sample.values.iter_mut().zip(values).for_each(|(a, b)| *a = a.saturating_add(*b));
            return;
        }
        self.stack_index.insert(stack.clone(), self.profile.samples.len());
        self.profile.samples.push(Sample { stack, values: values.to_vec(), labels: Vec::new() });
    }

    /// The profile, with the wall clock of its start and its length.
    #[must_use]
    pub fn finish(mut self, time_nanos: i64, duration_nanos: i64) -> Profile {
        self.profile.time_nanos = time_nanos;
        self.profile.duration_nanos = duration_nanos;
        self.profile
    }

    fn intern(&mut self, frame: Frame) -> u32 {
        let next = u32::try_from(self.profile.frames.len()).expect("fewer frames than u32");
        *self.frame_index.entry(frame).or_insert_with_key(|f| {
            self.profile.frames.push(f.clone());
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
