//! Hand-made traces: one for each rule and each kind of break.

mod broken;
mod encode;
mod ordering;
mod summing;

use super::*;
use encode::{Bytes, Gen, TICK, Timed, trace};

/// What a trace gives out, and how the reading went.
#[derive(Debug, Default)]
struct Seen {
    events: Vec<Event>,
    texts: Vec<String>,
}

impl Visitor for Seen {
    fn event(&mut self, event: &Event, generation: &Generation<'_>) -> Result<(), GoTraceError> {
        self.events.push(*event);
        if let What::Goroutine { reason, .. } | What::Begin { kind: reason, .. } = event.what {
            self.texts.push(generation.text(reason).to_owned());
        }
        Ok(())
    }
}

fn read(bytes: &[u8]) -> (Result<Reading, GoTraceError>, Seen) {
    let mut seen = Seen::default();
    let reading = Reader::new(bytes).and_then(|r| r.read(&mut seen));
    (reading, seen)
}

/// The changes of state in a trace that must be whole, as `(goroutine, from, to)`.
fn changes(bytes: &[u8]) -> Vec<(Id, Option<GoState>, Option<GoState>)> {
    let (reading, seen) = read(bytes);
    assert_eq!(reading.map(|r| r.ending), Ok(Ending::Whole));
    let change = |e: &Event| match e.what {
        What::Goroutine { id, from, to, .. } => Some((id, from, to)),
        _ => None,
    };
    seen.events.iter().filter_map(change).collect()
}
