//! From violations to the beginning and the end of an anomaly: one state machine for both front ends.

/// Calm periods in a row that end an anomaly.
pub const CALM: usize = 3;

/// What a period changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// Enough violations in a row; the first of them was period `onset`.
    Began { onset: usize },
    /// Calm again since period `end`.
    Ended { end: usize },
}

/// Counts violations and calm periods of one series.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    need: usize,
    /// Periods of the present row of violations and its side.
    row: Vec<usize>,
    side: f64,
    active: bool,
    calm: usize,
    calm_from: usize,
}

impl Tracker {
    pub(super) fn new(need: usize) -> Self {
        Self { need: need.max(1), row: Vec::new(), side: 0.0, active: false, calm: 0, calm_from: 0 }
    }

    /// Whether an anomaly lasts.
    pub(super) const fn active(&self) -> bool {
        self.active
    }

    /// Whether the reference must stand still: an anomaly lasts or may be beginning.
    pub(super) fn frozen(&self) -> bool {
        self.active || !self.row.is_empty()
    }

    /// The violating periods that have not become an anomaly yet.
    pub(super) fn row(&self) -> &[usize] {
        &self.row
    }

    /// Takes period `i`, which violates on a side or does not. A period without a value is not given: it
    /// neither violates nor calms.
    pub(super) fn step(&mut self, i: usize, violated: Option<f64>) -> Option<Transition> {
        match violated {
            Some(side) => self.worse(i, side),
            None => self.better(i),
        }
    }

    fn worse(&mut self, i: usize, side: f64) -> Option<Transition> {
        self.calm = 0;
        if self.active {
            return None;
        }
        if side != self.side {
            self.row.clear();
        }
        self.side = side;
        self.row.push(i);
        if self.row.len() < self.need {
            return None;
        }
        self.active = true;
        let onset = self.row[0];
        self.row.clear();
        Some(Transition::Began { onset })
    }

    fn better(&mut self, i: usize) -> Option<Transition> {
        self.row.clear();
        if !self.active {
            return None;
        }
        if self.calm == 0 {
            self.calm_from = i;
        }
        self.calm += 1;
        if self.calm < CALM {
            return None;
        }
        self.active = false;
        self.calm = 0;
        Some(Transition::Ended { end: self.calm_from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pattern: &str) -> Vec<(usize, Transition)> {
        let mut t = Tracker::new(3);
        let side = |c| match c {
            '+' => Some(1.0),
            '-' => Some(-1.0),
            _ => None,
        };
        pattern.chars().enumerate().filter_map(|(i, c)| t.step(i, side(c)).map(|e| (i, e))).collect()
    }

    #[test]
    fn three_in_a_row_begin_and_three_calm_end() {
        assert_eq!(run("..++.+.++"), []);
        assert_eq!(
            run("..+++.+..+...+"),
            [(4, Transition::Began { onset: 2 }), (12, Transition::Ended { end: 10 })]
        );
    }

    #[test]
    fn a_row_is_on_one_side() {
        assert_eq!(run("++-+--"), []);
        assert_eq!(run("+---"), [(3, Transition::Began { onset: 1 })]);
    }
}
