//! Variables: what a user knows while it goes through a journey.
//!
//! Names become numbers when the scenario is compiled ([`Names`]); a user's values ([`Values`]) lie in
//! strings that are used again, so that a journey in steady state allocates nothing.

use std::fmt;
use std::sync::Arc;

use super::feeder::{Feeder, Pick};
use crate::load::choice::{draw, mix};
use crate::scenario::AtEnd;
use crate::scenario::text::MAX_VALUE;

/// Where the value of a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Number of an extracted value.
    Extracted(usize),
    /// A column of the record that the journey was given.
    Column { feeder: usize, column: usize },
}

/// A feeder as far as texts name it.
#[derive(Clone, Debug)]
struct FeederNames {
    name: Arc<str>,
    /// Columns that some text uses; others are not kept in memory.
    columns: Vec<Arc<str>>,
}

/// Names of variables and the numbers that stand for them; made once, when the scenario is compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    extracted: Vec<Arc<str>>,
    feeders: Vec<FeederNames>,
    places: u64,
}

impl Names {
    /// The number of an extracted variable; a new one for a new name.
    pub(crate) fn define(&mut self, name: &str) -> usize {
        let known = self.extracted.iter().position(|n| **n == *name);
        known.unwrap_or_else(|| {
            self.extracted.push(name.into());
            self.extracted.len() - 1
        })
    }

    /// Makes the columns of a feeder known under `name.column`; feeders are numbered in order of the calls.
    pub(crate) fn define_feeder(&mut self, name: &str) {
        self.feeders.push(FeederNames { name: name.into(), columns: Vec::new() });
    }

    /// Where a variable's value is; none if nothing gives it one. A column is noted as used.
    pub(crate) fn find(&mut self, name: &str) -> Option<Slot> {
        let Some((feeder, column)) = name.split_once('.') else {
            return self.extracted.iter().position(|n| **n == *name).map(Slot::Extracted);
        };
        let feeder = self.feeders.iter().position(|f| *f.name == *feeder)?;
        let columns = &mut self.feeders[feeder].columns;
        let known = columns.iter().position(|c| **c == *column);
        let column = known.unwrap_or_else(|| {
            columns.push(column.into());
            columns.len() - 1
        });
        Some(Slot::Column { feeder, column })
    }

    /// A number of its own for each place at which the generator makes a value.
    pub(crate) fn place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    /// Columns of a feeder that some text uses.
    pub(crate) fn columns(&self, feeder: usize) -> &[Arc<str>] {
        &self.feeders[feeder].columns
    }
}

/// What all users share: names and records.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) names: Names,
    pub(crate) feeders: Vec<Feeder>,
}

/// Values that setup requests extracted, by number of the variable.
#[derive(Default)]
pub(crate) struct Globals(Vec<Option<String>>);

impl fmt::Debug for Globals {
    /// Never the values: a token is one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Globals").field("known", &self.0.iter().flatten().count()).finish_non_exhaustive()
    }
}

/// Why a text cannot be filled in. Values are not shown: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    /// No answer has given the variable a value.
    #[error("variable `{0}` has no value: nothing before this request extracted it")]
    Variable(Arc<str>),
    /// The record has no such column.
    #[error("feeder `{feeder}`, line {line}: there is no value for column `{column}`")]
    Column { feeder: Arc<str>, line: u32, column: Arc<str> },
    /// All records were given.
    #[error("feeder `{0}` has no record left")]
    NoRecord(Arc<str>),
    /// The value would break the request apart.
    #[error("the value of `{0}` holds control characters, which a header cannot carry")]
    Control(Arc<str>),
}

/// An extracted value is longer than [`MAX_VALUE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// How a journey begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Every feeder gave a record.
    Ready,
    /// A feeder is at its end, and the scenario says that journeys fail then.
    Fail(Missing),
    /// A feeder is at its end, and the scenario says that the run ends then.
    Stop,
}

/// An extracted value; the text outlives it, so that the next one needs no memory of its own.
#[derive(Clone, Default)]
struct Kept {
    text: String,
    known: bool,
}

/// Who makes a journey.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taker<'a> {
    /// A virtual user, by its index.
    User(u64),
    /// An arrival; for each feeder how many arrivals before it take a record. Empty: as many as its number.
    Arrival(&'a [u64]),
}

/// The variables of one user.
#[derive(Clone)]
pub(crate) struct Values {
    shared: Arc<Shared>,
    globals: Arc<Globals>,
    extracted: Vec<Kept>,
    /// Record of each feeder, if the journey was given one.
    records: Vec<Option<u32>>,
}

impl Values {
    /// A user that knows nothing but what setup found out.
    pub(crate) fn new(shared: Arc<Shared>, globals: Arc<Globals>) -> Self {
        let extracted = vec![Kept::default(); shared.names.extracted.len()];
        let records = vec![None; shared.feeders.len()];
        Self { shared, globals, extracted, records }
    }

    /// Forgets what the last journey extracted and takes a record from each of `feeders`.
    ///
    /// `journey` is the number of the arrival, or of the user's own journey.
    pub(crate) fn begin_journey(&mut self, feeders: &[usize], journey: u64, taker: Taker<'_>) -> Begin {
        self.extracted.iter_mut().for_each(|kept| kept.known = false);
        self.records.fill(None);
        for &number in feeders {
            let feeder = &self.shared.feeders[number];
            let pick = match taker {
                Taker::User(user) => feeder.pick(journey, Some(user)),
                Taker::Arrival(turns) => feeder.pick(turns.get(number).copied().unwrap_or(journey), None),
            };
            match pick {
                Pick::Record(record) => self.records[number] = Some(record),
                Pick::End if feeder.at_end() == AtEnd::Stop => return Begin::Stop,
                Pick::End => return Begin::Fail(Missing::NoRecord(feeder.name().clone())),
            }
        }
        Begin::Ready
    }

    /// Keeps an extracted value.
    ///
    /// # Errors
    /// [`TooLong`] beyond [`MAX_VALUE`]; the variable has no value then.
    pub(crate) fn set(&mut self, number: usize, value: &str) -> Result<(), TooLong> {
        let kept = &mut self.extracted[number];
        kept.known = value.len() <= MAX_VALUE;
        if !kept.known {
            return Err(TooLong);
        }
        kept.text.clear();
        kept.text.push_str(value);
        Ok(())
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// [`Missing`] where there is none.
    pub(crate) fn get(&self, slot: Slot) -> Result<&str, Missing> {
        match slot {
            Slot::Extracted(number) => self.extracted(number),
            Slot::Column { feeder, column } => self.column(feeder, column),
        }
    }

    /// Name of a variable, as texts write it.
    pub(crate) fn name(&self, slot: Slot) -> Arc<str> {
        let names = &self.shared.names;
        match slot {
            Slot::Extracted(number) => names.extracted[number].clone(),
            Slot::Column { feeder, column } => {
                let feeder = &names.feeders[feeder];
                format!("{}.{}", feeder.name, feeder.columns[column]).into()
            }
        }
    }

    /// What every other user shall know from now on: all that these values hold.
    pub(crate) fn to_globals(&self) -> Globals {
        let known = |number| self.extracted(number).ok().map(str::to_owned);
        Globals((0..self.extracted.len()).map(known).collect())
    }

    fn extracted(&self, number: usize) -> Result<&str, Missing> {
        let kept = &self.extracted[number];
        let own = kept.known.then_some(kept.text.as_str());
        let global = || self.globals.0.get(number)?.as_deref();
        own.or_else(global).ok_or_else(|| Missing::Variable(self.shared.names.extracted[number].clone()))
    }

    fn column(&self, feeder: usize, column: usize) -> Result<&str, Missing> {
        let records = &self.shared.feeders[feeder];
        let record = self.records[feeder].ok_or_else(|| Missing::NoRecord(records.name().clone()))?;
        records.cell(record, column).ok_or_else(|| Missing::Column {
            feeder: records.name().clone(),
            line: records.line(record),
            column: self.shared.names.feeders[feeder].columns[column].clone(),
        })
    }
}

impl fmt::Debug for Values {
    /// Never the values: a token is one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("records", &self.records).finish_non_exhaustive()
    }
}

/// What the generator's own values are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// Number of the arrival (open model) or of the user's own journey (closed model).
    pub(crate) seq: u64,
    /// Index of the virtual user; 0 in the open model.
    pub(crate) vu: u64,
    /// Seed of the run.
    pub(crate) seed: u64,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
}

impl Context {
    /// A number of the journey's own among all users' journeys; the arrival's number in the open model.
    pub(crate) const fn journey(&self) -> u64 {
        self.seq.wrapping_add(mix(self.vu))
    }

    /// A draw for one purpose; repeats with the seed, the user and the journey.
    pub(crate) const fn draw(&self, purpose: u64) -> u64 {
        draw(self.seed, purpose, self.journey())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(names: Names) -> Arc<Shared> {
        Arc::new(Shared { names, feeders: Vec::new() })
    }

    #[test]
    fn a_journey_forgets_what_the_last_one_extracted_but_not_what_setup_found() {
        let mut names = Names::default();
        let (token, id) = (names.define("token"), names.define("id"));
        assert_eq!((names.define("token"), names.find("id")), (token, Some(Slot::Extracted(id))));
        assert_eq!((names.find("other"), names.find("no.column")), (None, None));
        let shared = shared(names);
        let mut setup = Values::new(shared.clone(), Arc::default());
        setup.set(token, "secret").expect("short");
        let globals = Arc::new(setup.to_globals());
        assert!(!format!("{globals:?} {setup:?}").contains("secret"));

        let mut user = Values::new(shared, globals);
        assert_eq!(user.get(Slot::Extracted(id)), Err(Missing::Variable("id".into())));
        user.set(id, "7").expect("short");
        user.set(token, "own").expect("short");
        assert_eq!(user.get(Slot::Extracted(id)), Ok("7"));
        assert_eq!(user.get(Slot::Extracted(token)), Ok("own"));
        assert_eq!(user.begin_journey(&[], 1, Taker::Arrival(&[])), Begin::Ready);
        assert_eq!(user.get(Slot::Extracted(token)), Ok("secret"));
        assert!(user.get(Slot::Extracted(id)).is_err());
    }

    #[test]
    fn values_are_bounded_and_their_memory_is_used_again() {
        let mut names = Names::default();
        let id = names.define("id");
        let mut user = Values::new(shared(names), Arc::default());
        user.set(id, &"x".repeat(MAX_VALUE)).expect("just short enough");
        let at = user.extracted[id].text.as_ptr();
        assert_eq!(user.set(id, &"x".repeat(MAX_VALUE + 1)), Err(TooLong));
        assert!(user.get(Slot::Extracted(id)).is_err(), "neither the old value nor half of the new one");
        user.set(id, "y").expect("short");
        assert_eq!((user.get(Slot::Extracted(id)), user.extracted[id].text.as_ptr()), (Ok("y"), at));
    }

    #[test]
    fn journeys_of_different_users_draw_differently() {
        let context = Context { seed: 1, seq: 3, ..Context::default() };
        assert_eq!(context.journey(), 3);
        assert_eq!(context.draw(9), context.draw(9));
        for other in
            [Context { vu: 1, ..context }, Context { seq: 4, ..context }, Context { seed: 2, ..context }]
        {
            assert_ne!(other.draw(9), context.draw(9), "{other:?}");
        }
        assert_ne!(context.draw(8), context.draw(9));
    }
}
