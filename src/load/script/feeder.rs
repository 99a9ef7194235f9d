//! Which record of a feeder a journey gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::records::{FeederError, Records};
use crate::load::choice::{below, draw, mix};
use crate::scenario::{self, AtEnd, Order};

/// Keeps the draws for different purposes apart.
const RECORD: u64 = 0x7265_636f_7264_0000;

/// A feeder with its records in memory; all users share it.
#[derive(Debug)]
pub(crate) struct Feeder {
    name: Arc<str>,
    order: Order,
    at_end: AtEnd,
    records: Records,
    /// The run's seed and the feeder's number.
    seed: u64,
    /// Records given so far; used where users go through a file together.
    given: AtomicU64,
}

/// The record of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Its number.
    Record(u32),
    /// All were given.
    End,
}

impl Feeder {
    /// Reads the columns that are used; `number` is the feeder's own in the scenario.
    ///
    /// # Errors
    /// [`FeederError`] names the file, the line and the remedy.
    pub(crate) fn load(
        feeder: &scenario::Feeder,
        columns: &[Arc<str>],
        seed: u64,
        number: usize,
    ) -> Result<Self, FeederError> {
        let records = Records::load(&feeder.path, feeder.format, columns)?;
        Ok(Self {
            name: feeder.name.as_str().into(),
            order: feeder.order,
            at_end: feeder.at_end,
            records,
            seed: seed ^ mix(RECORD + number as u64),
            given: AtomicU64::new(0),
        })
    }

    /// The record of a journey. In the open model (`user` is none) it depends on `journey` alone, which is the
    /// arrival's number among those that take a record of this feeder; in the closed model users take records
    /// one after the other, and each calls this once a journey.
    pub(crate) fn pick(&self, journey: u64, user: Option<u64>) -> Pick {
        let records = u64::from(self.records.len());
        let n = match (self.order, user) {
            (Order::Random, user) => {
                let journey = journey.wrapping_add(mix(user.unwrap_or(0)));
                below(draw(self.seed, RECORD, journey), records)
            }
            (Order::Sequential, Some(_)) => self.given.fetch_add(1, Ordering::Relaxed),
            (Order::Unique, Some(user)) => user,
            (Order::Sequential | Order::Unique, None) => journey,
        };
        match self.at_end {
            AtEnd::Repeat => Pick::Record((n % records) as u32),
            AtEnd::Fail | AtEnd::Stop if n < records => Pick::Record(n as u32),
            AtEnd::Fail | AtEnd::Stop => Pick::End,
        }
    }

    /// How many records there are, if so many users cannot have one each and are to.
    pub(crate) fn too_few(&self, users: u64) -> Option<u64> {
        let records = u64::from(self.records.len());
        let each_its_own = self.order == Order::Unique && self.at_end != AtEnd::Repeat;
        (each_its_own && records < users).then_some(records)
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) const fn at_end(&self) -> AtEnd {
        self.at_end
    }

    /// A cell of a record; none if the record lacks it.
    pub(crate) fn cell(&self, record: u32, column: usize) -> Option<&str> {
        self.records.cell(record, column)
    }

    /// Line of a record in the file.
    pub(crate) fn line(&self, record: u32) -> u32 {
        self.records.line(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::{Begin, Missing, Names, Shared, Slot, Taker, Values};
    use super::*;
    use crate::scenario::FeederFormat;

    fn feeder(text: &str, order: Order, at_end: AtEnd, columns: &[Arc<str>]) -> Feeder {
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        std::fs::write(file.path(), text).expect("written");
        let feeder = scenario::Feeder {
            name: "user".into(),
            path: file.path().into(),
            format: FeederFormat::Csv,
            order,
            at_end,
        };
        Feeder::load(&feeder, columns, 1, 0).expect("valid")
    }

    fn three(order: Order, at_end: AtEnd) -> Feeder {
        feeder("a\n1\n2\n3\n", order, at_end, &[])
    }

    fn picks(feeder: &Feeder, user: Option<u64>) -> Vec<Option<u32>> {
        let pick = |journey| match feeder.pick(journey, user) {
            Pick::Record(n) => Some(n),
            Pick::End => None,
        };
        (0..5).map(pick).collect()
    }

    #[test]
    fn arrivals_go_through_the_file_in_order() {
        for order in [Order::Sequential, Order::Unique] {
            assert_eq!(picks(&three(order, AtEnd::Repeat), None), [0, 1, 2, 0, 1].map(Some));
            for at_end in [AtEnd::Fail, AtEnd::Stop] {
                let feeder = three(order, at_end);
                assert_eq!(picks(&feeder, None), [Some(0), Some(1), Some(2), None, None]);
                assert_eq!(picks(&feeder, None)[0], Some(0), "asking leaves no trace");
            }
        }
    }

    #[test]
    fn users_share_a_sequence_or_have_a_record_each() {
        let shared = three(Order::Sequential, AtEnd::Fail);
        assert_eq!((shared.pick(0, Some(8)), shared.pick(0, Some(9))), (Pick::Record(0), Pick::Record(1)));
        assert_eq!(picks(&shared, Some(8)), [Some(2), None, None, None, None]);
        let unique = three(Order::Unique, AtEnd::Stop);
        assert_eq!(picks(&unique, Some(2)), [Some(2); 5]);
        assert_eq!(picks(&unique, Some(3)), [None; 5]);
        assert_eq!(picks(&three(Order::Unique, AtEnd::Repeat), Some(4)), [Some(1); 5]);
        assert_eq!((unique.too_few(3), unique.too_few(4)), (None, Some(3)));
        assert_eq!(three(Order::Unique, AtEnd::Repeat).too_few(4), None);
        assert_eq!(shared.too_few(4), None);
    }

    #[test]
    fn random_records_are_fair_repeat_with_the_seed_and_never_end() {
        let feeder = three(Order::Random, AtEnd::Fail);
        let mut counts = [0_i32; 3];
        for journey in 0..30_000 {
            let Pick::Record(n) = feeder.pick(journey, None) else { panic!("random has no end") };
            assert_eq!(feeder.pick(journey, None), Pick::Record(n));
            counts[n as usize] += 1;
        }
        // Standard deviation of a count: 82.
        assert!(counts.iter().all(|n| (n - 10_000).abs() < 420), "{counts:?}");
        let of_user = |user| (0..50).map(|j| feeder.pick(j, Some(user))).collect::<Vec<_>>();
        assert_ne!(of_user(1), of_user(2));
    }

    #[test]
    fn only_the_variable_that_a_record_lacks_is_missing() {
        let mut names = Names::default();
        names.define_feeder("user");
        let slots = ["user.id", "user.name"].map(|name| names.find(name).expect("a feeder's"));
        let feeder = feeder("id,name\n1,a\n2\n", Order::Sequential, AtEnd::Fail, names.columns(0));
        let mut values = Values::new(Arc::new(Shared { names, feeders: vec![feeder] }), Arc::default());
        assert_eq!(values.get(slots[0]), Err(Missing::NoRecord("user".into())));
        assert_eq!(values.begin_journey(&[0], 0, Taker::Arrival(&[])), Begin::Ready);
        assert_eq!(slots.map(|s| values.get(s).map(str::to_owned)), [Ok("1".into()), Ok("a".into())]);
        assert_eq!(values.begin_journey(&[0], 1, Taker::Arrival(&[])), Begin::Ready);
        assert_eq!(values.get(slots[0]), Ok("2"));
        let missing = values.get(slots[1]).expect_err("ragged");
        assert_eq!(missing.to_string(), "feeder `user`, line 3: there is no value for column `name`");
        assert_eq!(
            values.begin_journey(&[0], 2, Taker::Arrival(&[])),
            Begin::Fail(Missing::NoRecord("user".into()))
        );
        assert_eq!(values.begin_journey(&[], 3, Taker::Arrival(&[])), Begin::Ready);
        let Slot::Column { .. } = slots[0] else { panic!("a column") };
    }
}
