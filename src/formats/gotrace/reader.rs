//! Reads a trace from its first byte to its last, generation by generation.

use super::batch::{Batches, Next, Splitter};
use super::merge::{Merge, Progress};
use super::order::Order;
use super::spec::Version;
use super::tables::{Clock, Generation};
use super::{Event, GoTraceError, MAX_BYTES};

/// Most generations; they are made once a second, or when a snapshot is taken.
const MAX_GENERATIONS: u64 = 100_000;

/// Takes the events of a trace.
pub trait Visitor {
    /// A generation begins.
    ///
    /// # Errors
    /// An error ends the reading and is handed to its caller.
    fn generation(&mut self, generation: &Generation<'_>) -> Result<(), GoTraceError> {
        let _ = generation;
        Ok(())
    }

    /// The next event. Its strings and stacks are those of `generation`.
    ///
    /// # Errors
    /// An error ends the reading and is handed to its caller.
    fn event(&mut self, event: &Event, generation: &Generation<'_>) -> Result<(), GoTraceError>;
}

/// How a trace ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Whole.
    Whole,
    /// Cut off at this offset; the generation that was cut is left out.
    Cut(usize),
    /// Broken after at least one whole generation; what came before the break was read.
    Broken(GoTraceError),
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Minor number of the Go release whose format the trace has: 22, 23, 25 or 26.
    pub version: u32,
    /// Whole generations.
    pub generations: u64,
    /// Events given to the visitor.
    pub events: u64,
    /// When the trace began, nanoseconds of its clock.
    pub begin_nanos: u64,
    /// When the last event happened.
    pub end_nanos: u64,
    /// What other clocks showed in the first generation; none before Go 1.25. There, and on other systems
    /// than Windows, the trace's clock is the monotonic clock of the machine.
    pub clock: Option<Clock>,
    /// How the trace ended.
    pub ending: Ending,
}

/// Reads the bytes of one trace.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a [u8],
    version: Version,
}

impl<'a> Reader<'a> {
    /// Checks the header.
    ///
    /// # Errors
    /// If the bytes are not a trace, are too many, or of a version that is not read.
    pub fn new(file: &'a [u8]) -> Result<Self, GoTraceError> {
        let version = Version::of(file)?;
        if file.len() > MAX_BYTES {
            return Err(GoTraceError::TooLarge);
        }
        Ok(Self { file, version })
    }

    /// Gives every event to the visitor, in an order that the scheduler could have made.
    ///
    /// # Errors
    /// If no generation is whole, and whatever the visitor returns. A fault after the first whole generation
    /// is no error but an [`Ending`].
    pub fn read(&self, visitor: &mut impl Visitor) -> Result<Reading, GoTraceError> {
        let mut splitter = Splitter::new(self.file, self.version);
        let mut order = Order::default();
        let mut progress = Progress::default();
        let mut reading = Reading {
            version: self.version.0,
            generations: 0,
            events: 0,
            begin_nanos: 0,
            end_nanos: 0,
            clock: None,
            ending: Ending::Whole,
        };
        loop {
            let ending = match splitter.next() {
                Ok(Next::Generation(batches)) => {
                    match self.generation(&batches, &mut order, visitor, &mut progress, &mut reading) {
                        Ok(()) => {
                            reading.generations += 1;
                            if reading.generations < MAX_GENERATIONS {
                                continue;
                            }
                            Ending::Broken(GoTraceError::TooMany {
                                what: "generations",
                                limit: MAX_GENERATIONS as usize,
                            })
                        }
                        Err(Fault::Visitor(error)) => return Err(error),
                        // The tables are written last, so what lacks them was cut off before.
                        Err(Fault::Trace(_)) if !batches.closed && reading.generations > 0 => {
                            Ending::Cut(self.file.len())
                        }
                        Err(Fault::Trace(error)) => Ending::Broken(error),
                    }
                }
                Ok(Next::End) => Ending::Whole,
                Ok(Next::Cut(at)) => Ending::Cut(at),
                Err(error) => Ending::Broken(error),
            };
            reading.ending = ending;
            break;
        }
        (reading.events, reading.end_nanos) = (progress.events, progress.nanos);
        match (reading.generations, reading.ending) {
            (0, Ending::Broken(error)) => Err(error),
            (0, _) => Err(GoTraceError::NoGeneration),
            (_, ending) => Ok(Reading { ending, ..reading }),
        }
    }

    fn generation(
        &self,
        batches: &Batches,
        order: &mut Order,
        visitor: &mut impl Visitor,
        progress: &mut Progress,
        reading: &mut Reading,
    ) -> Result<(), Fault> {
        let tables = Generation::read(self.file, self.version, batches).map_err(Fault::Trace)?;
        if reading.generations == 0 {
            (reading.begin_nanos, reading.clock) = (tables.begin_nanos(), tables.clock());
        }
        visitor.generation(&tables).map_err(Fault::Visitor)?;
        let mut guard = Guard { visitor, failed: false };
        let merged = Merge::new(self.file, self.version, batches, &tables, order)
            .and_then(|merge| merge.run(&mut guard, progress));
        merged.map_err(|e| if guard.failed { Fault::Visitor(e) } else { Fault::Trace(e) })
    }
}

/// Whose error it is.
enum Fault {
    Trace(GoTraceError),
    Visitor(GoTraceError),
}

/// Remembers that the visitor failed, so that its errors are not taken for the trace's.
struct Guard<'v, V> {
    visitor: &'v mut V,
    failed: bool,
}

impl<V: Visitor> Visitor for Guard<'_, V> {
    #[inline]
    fn event(&mut self, event: &Event, generation: &Generation<'_>) -> Result<(), GoTraceError> {
        let result = self.visitor.event(event, generation);
        self.failed = result.is_err();
        result
    }
}
