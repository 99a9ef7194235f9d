//! The domain value: samples over tables of places.

/// What a value of a sample counts, e.g. `cpu`/`nanoseconds`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueType {
    /// What is counted.
    pub kind: String,
    /// In which unit.
    pub unit: String,
}

/// A frame as [`super::ProfileBuilder`] takes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Full name of the function.
    pub function: String,
    /// Source file; may be empty.
    pub file: String,
    /// Line that was being executed; 0 if not known.
    pub line: i64,
}

/// A binary or library as it lay in the memory of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub limit: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// File; may be empty.
    pub file: String,
    /// Id of the build; may be empty.
    pub build_id: String,
    /// Whether its locations have functions.
    pub has_functions: bool,
    /// Whether its functions have files.
    pub has_filenames: bool,
    /// Whether its locations have lines.
    pub has_line_numbers: bool,
    /// Whether its locations have inlined calls.
    pub has_inline_frames: bool,
    /// `[last part of the file]`: the name of places in it that have no function.
    pub(super) shown: String,
}

impl Mapping {
    /// Name of places in it that have no function: its file's in brackets.
    pub(super) fn shown(&self) -> &str {
        if self.file.is_empty() { UNKNOWN } else { &self.shown }
    }
}

/// A function as named in a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Symbol {
    /// Full name; may be empty.
    pub name: String,
    /// Name as the linker knows it.
    pub system_name: String,
    /// Source file; may be empty.
    pub file: String,
    /// Line where it begins; 0 if not known.
    pub start_line: i64,
}

/// A call at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Index into [`Profile::symbols`].
    pub symbol: u32,
    /// Line of its source; 0 if not known.
    pub line: i64,
    /// Column of that line; 0 if not known.
    pub column: i64,
}

/// A place in the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// Index into [`Profile::mappings`].
    pub mapping: Option<u32>,
    /// Address; 0 if not known.
    pub address: u64,
    /// The calls there, innermost inlined one first; none if only the address is known.
    pub lines: Vec<Line>,
    /// Whether the linker laid several functions here, so that the name is one of many.
    pub folded: bool,
}

/// A label that is a number, e.g. the size of the objects of a heap profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// Name.
    pub key: String,
    /// Value in the unit.
    pub value: i64,
    /// Unit; empty if not given.
    pub unit: String,
}

/// One stack with its values and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Indices into [`Profile::locations`], leaf first.
    pub stack: Vec<u32>,
    /// One value per [`Profile::sample_types`].
    pub values: Vec<i64>,
    /// String labels (`pprof.Do`), in the order of the file.
    pub labels: Vec<(String, String)>,
    /// Numeric labels, in the order of the file.
    pub numbers: Vec<Number>,
}

impl Sample {
    /// Whether it has a label `key` of this value.
    #[must_use]
    pub fn has_label(&self, key: &str, value: &str) -> bool {
        self.labels.iter().any(|(k, v)| k == key && v == value)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.values.iter().all(|&v| v == 0)
    }
}

/// A decoded, checked profile: every index is inside its table, every sample has one value per type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What the values of each sample count.
    pub sample_types: Vec<ValueType>,
    /// The type shown when none is asked for; empty means the last.
    pub default_sample_type: String,
    /// Binaries, the main one first.
    pub mappings: Vec<Mapping>,
    /// Functions.
    pub symbols: Vec<Symbol>,
    /// Places in the code.
    pub locations: Vec<Location>,
    /// Stacks.
    pub samples: Vec<Sample>,
    /// Regular expression of functions whose frames are not worth showing; see [`Profile::pruned`].
    pub drop_frames: String,
    /// Regular expression of functions that are shown even so.
    pub keep_frames: String,
    /// Free text about the profile.
    pub comments: Vec<String>,
    /// Page that explains the profile; may be empty.
    pub doc_url: String,
    /// Wall clock of the collection, nanoseconds since 1970 UTC; 0 if not given.
    pub time_nanos: i64,
    /// Length of the collection; 0 if not given.
    pub duration_nanos: i64,
    /// What the period counts.
    pub period_type: ValueType,
    /// Events between two samples.
    pub period: i64,
}

/// Name of a place of which neither the function nor the binary is known.
pub(super) const UNKNOWN: &str = "<unknown>";

impl Profile {
    /// Index of the value of type `kind`; none if there is none.
    #[must_use]
    pub fn value_index(&self, kind: &str) -> Option<usize> {
        self.sample_types.iter().position(|t| t.kind == kind)
    }

    /// Index of the value shown by default, as `go tool pprof` chooses it: the named one, else the last.
    #[must_use]
    pub fn default_index(&self) -> usize {
        let named = Some(&self.default_sample_type).filter(|t| !t.is_empty());
        let last = self.sample_types.len().saturating_sub(1);
        named.and_then(|t| self.value_index(t)).unwrap_or(last)
    }

    /// Index of the value that `-sample_index=asked` of `go tool pprof` means: a type, with or without
    /// `inuse_`, a number, or nothing for the default. None if there is no such value.
    #[must_use]
    pub fn sample_index(&self, asked: &str) -> Option<usize> {
        if asked.is_empty() {
            return Some(self.default_index());
        }
        if let Ok(index) = asked.parse::<i64>() {
            return usize::try_from(index).ok().filter(|&i| i < self.sample_types.len());
        }
        let bare = asked.strip_prefix("inuse_").unwrap_or(asked);
        self.sample_types.iter().position(|t| t.kind == asked || t.kind == bare)
    }

    /// Function names of a sample, leaf first, inlined calls included. A place without one has the name of
    /// its binary in brackets, as `go tool pprof` shows it.
    pub fn functions<'a>(&'a self, sample: &'a Sample) -> impl DoubleEndedIterator<Item = &'a str> {
        sample.stack.iter().flat_map(|&i| self.names_at(&self.locations[i as usize]))
    }

    /// Lines of a sample with the file each is in, in the order of [`Profile::functions`]; no file and 0 where none is known.
    pub fn lines<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = (&'a str, i64)> {
        sample.stack.iter().flat_map(|&i| {
            let at = &self.locations[i as usize];
            let unnamed = at.lines.is_empty().then_some(("", 0));
            at.lines.iter().map(|l| (self.symbols[l.symbol as usize].file.as_str(), l.line)).chain(unnamed)
        })
    }

    /// Sum of the values at `index` over all samples.
    #[must_use]
    pub fn total(&self, index: usize) -> i64 {
        self.samples.iter().fold(0, |sum: i64, s| sum.saturating_add(s.values[index]))
    }

    /// Names at a place, innermost first; at least one.
    pub(super) fn names_at<'a>(&'a self, at: &'a Location) -> impl DoubleEndedIterator<Item = &'a str> {
        let unnamed = at.lines.is_empty().then(|| self.unnamed(at));
        let named = at.lines.iter().map(|l| match self.symbols[l.symbol as usize].name.as_str() {
            "" => self.unnamed(at),
            name => name,
        });
        named.chain(unnamed)
    }

    fn unnamed(&self, at: &Location) -> &str {
        at.mapping.map_or(UNKNOWN, |i| self.mappings[i as usize].shown())
    }
}
