//! The table at the end.

use std::fmt;

use crate::baselines::{Answer, METHODS};
use crate::journal::{Journal, Tried};
use crate::pairs::Both;
use crate::removed::Removed;
use crate::score::{Score, median, share};

/// Everything that was run.
pub struct Results<'a>(pub &'a Journal);

/// Part of the faults that must hurt, and part of these that must be named first: one run in five may be spoiled.
const NAMED: f64 = 0.8;
/// One control in so many may end with a word that blames nobody and is not the right one.
const CALM: usize = 5;
/// Part of the comparisons with the services' clocks that may disagree.
const DISAGREE: f64 = 0.15;

/// How many times longer p95 became, by the clock.
const HURT: [(&str, f64, f64); 3] = [
    ("p95 up to x1.65", 0.0, 1.65),
    ("p95 x1.65 to x3.5", 1.65, 3.5),
    ("p95 beyond x3.5", 3.5, f64::INFINITY),
];

impl Results<'_> {
    /// Whether nearly every fault hurt and was named first, no healthy run was blamed on anybody, nothing wrong was said
    /// with certainty (in no attempt), and the books agree with the services' clocks. On a machine that is shared one run
    /// or the other is spoiled.
    pub fn passed(&self) -> bool {
        let hurt = self.hurt().count();
        let named = self.named();
        let sure = |s: &Score| s.hurt && s.verdict == "strong" && s.rank != Some(1);
        let controls = || self.0.controls();
        let calm = self.0.alarms().count() == 0
            && controls().all(|c| c.valid && !c.blamed)
            && controls().filter(|c| c.alarmed).count() <= controls().count() / CALM;
        let wrong = self.removed().any(Removed::is_wrong)
            || self.0.faults().map(|t| &t.score).chain(self.0.again()).any(sure)
            || self.0.pairs().any(Both::is_wrong);
        let (compared, clocks) = self.clocks();
        let agree = clocks.len() as f64 <= DISAGREE * compared as f64;
        let part = |of: usize, all: usize| of as f64 >= NAMED * all as f64;
        part(hurt, self.0.faults().count())
            && part(named, hurt)
            && calm
            && !wrong
            && agree
            && self.misplaced().next().is_none()
            && part(self.seen(), self.in_code())
            && self.0.broken().count() == 0
    }

    /// Whether most faults hurt and were named first, and nobody was blamed where nothing changed.
    pub fn mostly(&self) -> bool {
        let hurt = self.hurt().count();
        let calm = !self.0.controls().any(|c| c.name == "nothing changes" && c.valid && c.blamed);
        2 * hurt > self.0.faults().count() && 2 * self.named() > hurt && calm
    }

    /// Runs that were measurements and in which somebody was hurt.
    fn hurt(&self) -> impl Iterator<Item = &Tried> {
        self.0.faults().filter(|t| t.score.hurt && t.score.valid)
    }

    /// Those named first that are to be seen in a source, and those of them one of whose lines is that one.
    fn in_code(&self) -> usize {
        self.hurt().filter(|t| t.score.rank == Some(1) && t.score.lines.code).count()
    }

    fn seen(&self) -> usize {
        self.hurt().filter(|t| t.score.rank == Some(1) && t.score.lines.seen).count()
    }

    /// Lines of code that are not where they are said to be.
    fn misplaced(&self) -> impl Iterator<Item = &String> {
        self.hurt().flat_map(|t| &t.score.lines.wrong)
    }

    fn named(&self) -> usize {
        self.hurt().filter(|t| t.score.rank == Some(1)).count()
    }

    fn removed(&self) -> impl Iterator<Item = &Removed> {
        self.0.faults().flat_map(|t| &t.removed)
    }

    /// How many rows were compared with clocks, and which disagree.
    fn clocks(&self) -> (usize, Vec<&String>) {
        let all = || self.0.faults().flat_map(|t| &t.clocks);
        (all().count(), all().flatten().collect())
    }

    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nFaults\n")?;
        self.0.faults().try_for_each(|t| writeln!(f, "{}", t.score.line()))?;
        let hurt: Vec<&Score> = self.hurt().map(|t| &t.score).collect();
        let count = |keep: &dyn Fn(&&&Score) -> bool| hurt.iter().filter(keep).count();
        let n = hurt.len();
        self.0.broken().try_for_each(|b| writeln!(f, "could not be run: {b}"))?;
        writeln!(f, "\n{n} of {} runs hurt somebody; of these:", self.0.faults().count())?;
        let again = self.0.again().filter(|s| s.hurt && s.valid).count();
        writeln!(f, "  runs that hurt and were made once more because of what they said: {again}")?;
        for (name, from, to) in HURT {
            let within = |s: &Score| (from..to).contains(&s.slower);
            let of = count(&|s| within(s));
            if of > 0 {
                let first = count(&|s| within(s) && s.rank == Some(1));
                writeln!(f, "  right first, {name:<22} {}", share(first, of))?;
            }
        }
        writeln!(f, "  right first           {}", share(count(&|s| s.rank == Some(1)), n))?;
        writeln!(f, "  right kind first      {}", share(count(&|s| s.kind), n))?;
        let expected = count(&|s| s.met.is_some());
        let met = count(&|s| s.met == Some(true));
        writeln!(
            f,
            "  as [expect] has it    {} (the usual one of several right kinds)",
            share(met, expected)
        )?;
        writeln!(f, "  right among first 3   {}", share(count(&|s| s.rank.is_some_and(|r| r <= 3)), n))?;
        let strong = count(&|s| s.verdict == "strong");
        let right = count(&|s| s.verdict == "strong" && s.rank == Some(1));
        writeln!(f, "  STRONG and right      {}", share(right, strong))?;
        writeln!(f, "  books within 10 %     {}", share(count(&|s| s.open.abs() <= 0.1), n))?;
        let doubtful = count(&|s| s.open.abs() <= s.doubt.max(0.1));
        writeln!(f, "  ... or their doubt    {}", share(doubtful, n))?;
        writeln!(f, "  the very line of code {}", share(self.seen(), self.in_code()))?;
        let known: usize = hurt.iter().map(|s| s.lines.known).sum();
        writeln!(f, "  lines in their function {} of {known}", known - self.misplaced().count())?;
        self.misplaced().try_for_each(|line| writeln!(f, "    elsewhere: {line}"))?;
        let off: Vec<f64> = hurt.iter().filter_map(|s| s.off.map(f64::abs)).collect();
        let of = off.len();
        if let Some(off) = median(off) {
            writeln!(f, "  added ms, median off  {:.0} % (of {of} right ones)", 100.0 * off)?;
        }
        let wrong = self.removed().filter(|r| r.is_wrong()).count();
        let right = self.removed().filter(|r| r.right).count();
        let of = self.removed().count();
        writeln!(
            f,
            "  evidence removed: wrong and STRONG {}; still right {}",
            share(wrong, of),
            share(right, of)
        )
    }

    fn methods(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.hurt().count().max(1) as f64;
        writeln!(f, "\n{:<20} {:>10} {:>22}", "method", "right kind", "kind and place")?;
        let of = |good: usize| 100.0 * good as f64 / n;
        let kind = of(self.hurt().filter(|t| t.score.kind).count());
        let whole = of(self.named());
        writeln!(f, "{:<20} {kind:>8.0} % {whole:>20.0} %", "loadprof")?;
        for (i, method) in METHODS.iter().enumerate() {
            let sum =
                |of: fn(&Answer) -> f64| 100.0 * self.hurt().map(|t| of(&t.baselines[i])).sum::<f64>() / n;
            writeln!(f, "{method:<20} {:>8.0} % {:>20.0} %", sum(|a| a.kind), sum(|a| a.whole))?;
        }
        Ok(())
    }
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.faults().next().is_some() {
            self.faults(f)?;
            self.methods(f)?;
        }
        if self.0.pairs().next().is_some() {
            writeln!(f, "\nTwo faults at once\n")?;
            self.0.pairs().try_for_each(|p| writeln!(f, "{}", p.line()))?;
        }
        if self.0.controls().next().is_some() {
            writeln!(f, "\nControls\n")?;
            let controls = || self.0.controls();
            controls().try_for_each(|c| writeln!(f, "{}", c.line()))?;
            let valid = controls().filter(|c| c.valid).count();
            let blamed = controls().filter(|c| c.valid && c.blamed).count();
            let alarmed = controls().filter(|c| c.valid && c.alarmed && !c.blamed).count();
            writeln!(f, "\n  a cause in the service named  {}", share(blamed, valid))?;
            writeln!(f, "  another verdict, nobody blamed {}", share(alarmed, valid))?;
        }
        let (compared, clocks) = self.clocks();
        writeln!(f, "\nrows beside the services' clocks: {} of {compared} disagree", clocks.len())?;
        clocks.iter().try_for_each(|c| writeln!(f, "  {c}"))
    }
}
