//! The table of functions, as `go tool pprof -top` counts it.

use super::Profile;
use super::combine::BASE_LABEL;
use super::nodes::Nodes;

/// A function's share of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// Full name.
    pub function: String,
    /// Sum of the samples whose leaf it is.
    pub flat: i64,
    /// Sum of the samples it is in, each counted once, however deep it recurses.
    pub cum: i64,
}

/// Which value a table is sorted by, largest first and then by name. Negative values count by their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the function's own value.
    #[default]
    Flat,
    /// By the value of the function and what it called.
    Cum,
}

/// Which rows a table has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Order of the rows.
    pub order: Order,
    /// Functions whose cumulative value is below this share of all flat values are left out.
    pub node_fraction: f64,
    /// Most rows; 0 for no limit.
    pub node_count: usize,
}

impl Default for Layout {
    /// As `go tool pprof -top` without options: by flat value, from 0.5 % on.
    fn default() -> Self {
        Self { order: Order::Flat, node_fraction: 0.005, node_count: 0 }
    }
}

/// Functions of a profile, and what is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The rows.
    pub rows: Vec<Top>,
    /// What percentages refer to.
    pub total: i64,
    /// Sum of the flat values of the rows ("accounting for").
    pub shown: i64,
    /// Functions left out for their small cumulative value.
    pub dropped: usize,
    /// The value that the tool prints as the bound of those left out.
    pub dropped_below: i64,
    /// Functions that had a value large enough, before the limit of rows.
    pub functions: usize,
}

impl Profile {
    /// What percentages of a view of this profile refer to: the sum of all values at `index` without their
    /// signs, or that of a compared base alone if the profile has one. To be taken before filtering, unless
    /// percentages of what is left are wanted.
    #[must_use]
    pub fn reference_total(&self, index: usize) -> i64 {
        let (key, value) = BASE_LABEL;
        let (mut all, mut base) = (0_i64, 0_i64);
        for sample in &self.samples {
            let size = sample.values[index].saturating_abs();
            all = all.saturating_add(size);
            if sample.has_label(key, value) {
                base = base.saturating_add(size);
            }
        }
        if base > 0 { base } else { all }
    }

    /// All functions that have a value at `index`, in the tool's order.
    #[must_use]
    pub fn top(&self, index: usize) -> Vec<Top> {
        let mut rows = self.count(index);
        sort(&mut rows, Order::Flat);
        rows
    }

    /// Functions by their values at `index`, against the `total` from [`Profile::reference_total`].
    #[must_use]
    pub fn table(&self, index: usize, total: i64, layout: &Layout) -> Table {
        let mut rows = self.count(index);
        let before = rows.len();
        let cutoff = share(sum_of_flat(&rows), layout.node_fraction);
        rows.retain(|r| r.cum.unsigned_abs() >= cutoff.unsigned_abs());
        let functions = rows.len();
        sort(&mut rows, layout.order);
        if layout.node_count > 0 {
            rows.truncate(layout.node_count);
        }
        // The tool cuts by the values it counted and prints the bound by the total; a filter lies in between.
        let dropped_below = share(total, layout.node_fraction);
        let shown = sum_of_flat(&rows);
        Table { rows, total, shown, dropped: before - functions, dropped_below, functions }
    }

    fn count(&self, index: usize) -> Vec<Top> {
        let nodes = Nodes::of(self);
        let mut values = vec![(0_i64, 0_i64); nodes.names.len()];
        // The last sample that counted towards a node: a function that recurses is counted once.
        let mut counted = vec![usize::MAX; nodes.names.len()];
        for (number, sample) in self.samples.iter().enumerate() {
            let value = sample.values[index];
            for (depth, (node, _)) in nodes.frames(sample).enumerate() {
                let (flat, cum) = &mut values[node as usize];
                if depth == 0 {
                    *flat = flat.saturating_add(value);
                }
                if std::mem::replace(&mut counted[node as usize], number) != number {
                    *cum = cum.saturating_add(value);
                }
            }
        }
        let rows = nodes.names.iter().zip(values).filter(|(_, values)| *values != (0, 0));
        rows.map(|(name, (flat, cum))| Top { function: (*name).to_owned(), flat, cum }).collect()
    }
}

fn sum_of_flat(rows: &[Top]) -> i64 {
    rows.iter().fold(0, |sum: i64, r| sum.saturating_add(r.flat))
}

/// A share of a total, cut to a whole number as the tool cuts it, without its sign.
fn share(total: i64, fraction: f64) -> i64 {
    ((total as f64 * fraction) as i64).saturating_abs()
}

fn sort(rows: &mut [Top], order: Order) {
    let size = |r: &Top| match order {
        Order::Flat => r.flat.unsigned_abs(),
        Order::Cum => r.cum.unsigned_abs(),
    };
    rows.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.function.cmp(&b.function)));
}
