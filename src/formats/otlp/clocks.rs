//! Clocks of the machines that send, and how far they are off.

use std::collections::HashMap;

use super::value::{Resource, Value, find};

/// What is added to the times of a machine's clock to set it right; nothing where that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    offsets: HashMap<String, i64>,
}

impl Resource {
    /// Name of its clock: everything on one machine shares one. Who does not name the machine has one per service.
    #[must_use]
    pub fn clock(&self) -> &str {
        find(&self.attributes, "host.name").and_then(Value::text).unwrap_or(&self.service)
    }
}

impl Clocks {
    /// A moment of a process's clock on the clock that all are held against. 0, "not known", stays.
    #[must_use]
    pub fn right(&self, process: &Resource, unix_nanos: u64) -> u64 {
        let known = || self.offsets.get(process.clock()).copied().unwrap_or(0);
        if self.offsets.is_empty() || unix_nanos == 0 {
            return unix_nanos;
        }
        unix_nanos.saturating_add_signed(known())
    }

    /// The clocks that are off and by how much they are behind, nanoseconds; sorted by name.
    #[must_use]
    pub fn offsets(&self) -> Vec<(&str, i64)> {
        let mut all: Vec<_> = self.offsets.iter().map(|(name, by)| (name.as_str(), *by)).collect();
        all.sort_unstable();
        all
    }
}

impl FromIterator<(String, i64)> for Clocks {
    fn from_iter<T: IntoIterator<Item = (String, i64)>>(offsets: T) -> Self {
        Self { offsets: offsets.into_iter().filter(|(_, by)| *by != 0).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_set_right_by_the_clock_of_their_machine() {
        let process = |service: &str, host: Option<&str>| Resource {
            service: service.into(),
            attributes: host.map(|h| ("host.name".to_owned(), Value::Text(h.into()))).into_iter().collect(),
        };
        let clocks: Clocks =
            [("b".to_owned(), -40), ("stock".to_owned(), 7), ("c".to_owned(), 0)].into_iter().collect();
        assert_eq!(clocks.right(&process("shop", Some("b")), 100), 60);
        assert_eq!(clocks.right(&process("shop", Some("b")), 10), 0, "before 1970 there is nothing");
        assert_eq!(clocks.right(&process("stock", None), 100), 107);
        assert_eq!(clocks.right(&process("stock", Some("a")), 100), 100);
        assert_eq!(clocks.right(&process("stock", None), 0), 0, "not known");
        assert_eq!(clocks.offsets(), [("b", -40), ("stock", 7)]);
    }
}
