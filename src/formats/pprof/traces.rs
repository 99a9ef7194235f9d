//! Stacks one by one, as `go tool pprof -traces` lists them.

use super::{Number, Profile, Sample};

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFrame<'a> {
    /// Full name.
    pub function: &'a str,
    /// Whether the compiler put it into the next frame.
    pub inlined: bool,
}

/// A stack with its value and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The value that was asked for.
    pub value: i64,
    /// String labels.
    pub labels: &'a [(String, String)],
    /// Numeric labels.
    pub numbers: &'a [Number],
    /// Frames, leaf first; at least one.
    pub frames: Vec<TraceFrame<'a>>,
}

impl Profile {
    /// The stacks with their values at `index`, in the order of the profile. Samples without frames are left
    /// out, those with a value of 0 are not.
    pub fn traces(&self, index: usize) -> impl Iterator<Item = Trace<'_>> {
        self.samples.iter().filter(|s| !s.stack.is_empty()).map(move |s| self.trace(s, index))
    }

    fn trace<'a>(&'a self, sample: &'a Sample, index: usize) -> Trace<'a> {
        let mut frames = Vec::with_capacity(sample.stack.len());
        for &i in &sample.stack {
            let names = self.names_at(&self.locations[i as usize]);
            frames.extend(names.map(|function| TraceFrame { function, inlined: true }));
            if let Some(outermost) = frames.last_mut() {
                outermost.inlined = false;
            }
        }
        Trace { value: sample.values[index], labels: &sample.labels, numbers: &sample.numbers, frames }
    }
}
