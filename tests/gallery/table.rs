//! The table at the end.

use std::fmt;

use serde_json::json;

use crate::baselines::{Answer, METHODS};
use crate::clocks::Comparison;
use crate::controls::Passed;
use crate::pairs::Both;
use crate::removed::Removed;
use crate::score::{Score, median, share};

/// Everything that was run.
#[derive(Default)]
pub struct Results {
    pub scores: Vec<Score>,
    /// Runs of the short set that were made once more, with what they had said.
    pub attempts: Vec<Score>,
    /// Cases that could not be run.
    pub broken: Vec<&'static str>,
    /// False alarms of controls that were made once more.
    pub alarms: usize,
    pub baselines: Vec<[Answer; METHODS.len()]>,
    pub controls: Vec<Passed>,
    /// Two faults at once.
    pub pairs: Vec<Both>,
    /// What was said of the same recordings without a part of their evidence.
    pub removed: Vec<Removed>,
    /// Rows that a clock of the service counts, too.
    pub compared: usize,
    /// What the clocks contradict.
    pub clocks: Vec<String>,
}

/// Part of the faults that must hurt, and part of these that must be named first: one run in five may be spoiled.
const NAMED: f64 = 0.8;
/// One control in so many may end with a word that blames nobody and is not the right one.
const CALM: usize = 5;
/// Part of the comparisons with the services' clocks that may disagree.
const DISAGREE: f64 = 0.15;

impl Results {
    /// Whether nearly every fault hurt and was named first, no healthy run was blamed on anybody, nothing wrong was said
    /// with certainty (in no attempt), and the books agree with the services' clocks. On a machine that is shared one run
    /// or the other is spoiled.
    pub fn passed(&self) -> bool {
        let hurt = self.hurt().count();
        let named = self.hurt().filter(|(s, _)| s.rank == Some(1)).count();
        let sure = |s: &Score| s.hurt && s.verdict == "strong" && s.rank != Some(1);
        let calm = self.alarms == 0
            && self.controls.iter().all(|c| c.valid && !c.blamed)
            && self.controls.iter().filter(|c| c.alarmed).count() <= self.controls.len() / CALM;
        let wrong =
            self.removed.iter().any(Removed::is_wrong) || self.scores.iter().chain(&self.attempts).any(sure);
        let wrong = wrong || self.pairs.iter().any(Both::is_wrong);
        let agree = self.clocks.len() as f64 <= DISAGREE * self.compared as f64;
        let part = |of: usize, all: usize| of as f64 >= NAMED * all as f64;
        part(hurt, self.scores.len())
            && part(named, hurt)
            && calm
            && !wrong
            && agree
            && self.broken.is_empty()
    }

    /// Whether most faults hurt and were named first, and nobody was blamed where nothing changed.
    pub fn mostly(&self) -> bool {
        let hurt = self.hurt().count();
        let named = self.hurt().filter(|(s, _)| s.rank == Some(1)).count();
        let calm = !self.controls.iter().any(|c| c.name == "nothing changes" && c.valid && c.blamed);
        2 * hurt > self.scores.len() && 2 * named > hurt && calm
    }

    /// Writes everything so far, if a file is named.
    pub fn save(&self, path: Option<&std::path::Path>) {
        if let Some(path) = path {
            std::fs::write(path, self.json()).expect("the results are written");
        }
    }

    /// Takes the comparisons of one run with the service's clocks.
    pub fn compare(&mut self, all: Vec<Comparison>) {
        self.compared += all.len();
        self.clocks.extend(all.into_iter().flatten());
    }

    /// Runs that were measurements and in which somebody was hurt.
    fn hurt(&self) -> impl Iterator<Item = (&Score, &[Answer; METHODS.len()])> {
        self.scores.iter().zip(&self.baselines).filter(|(s, _)| s.hurt && s.valid)
    }

    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nFaults\n")?;
        self.scores.iter().try_for_each(|s| writeln!(f, "{}", s.line()))?;
        let hurt: Vec<&Score> = self.hurt().map(|(s, _)| s).collect();
        let count = |keep: &dyn Fn(&&&Score) -> bool| hurt.iter().filter(keep).count();
        let n = hurt.len();
        self.broken.iter().try_for_each(|b| writeln!(f, "could not be run: {b}"))?;
        writeln!(f, "\n{n} of {} runs hurt somebody; of these:", self.scores.len())?;
        let again = self.attempts.iter().filter(|s| s.hurt && s.valid).count();
        writeln!(f, "  runs that hurt and were made once more because of what they said: {again}")?;
        for dose in ["x1.3", "x2", "x5"] {
            let of = count(&|s| s.dose == dose);
            if of > 0 {
                let first = count(&|s| s.dose == dose && s.rank == Some(1));
                writeln!(f, "  right first at {dose:<5} {}", share(first, of))?;
            }
        }
        writeln!(f, "  right first           {}", share(count(&|s| s.rank == Some(1)), n))?;
        writeln!(f, "  right kind first      {}", share(count(&|s| s.kind), n))?;
        writeln!(f, "  right among first 3   {}", share(count(&|s| s.rank.is_some_and(|r| r <= 3)), n))?;
        let strong = count(&|s| s.verdict == "strong");
        let right = count(&|s| s.verdict == "strong" && s.rank == Some(1));
        writeln!(f, "  STRONG and right      {}", share(right, strong))?;
        writeln!(f, "  books within 10 %     {}", share(count(&|s| s.open.abs() <= 0.1), n))?;
        if let Some(off) = median(hurt.iter().filter_map(|s| s.off.map(f64::abs)).collect()) {
            writeln!(f, "  added ms, median off  {:.0} %", 100.0 * off)?;
        }
        let wrong = self.removed.iter().filter(|r| r.is_wrong()).count();
        let right = self.removed.iter().filter(|r| r.right).count();
        let of = self.removed.len();
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
        let kind = of(self.hurt().filter(|(s, _)| s.kind).count());
        let whole = of(self.hurt().filter(|(s, _)| s.rank == Some(1)).count());
        writeln!(f, "{:<20} {kind:>8.0} % {whole:>20.0} %", "loadprof")?;
        for (i, method) in METHODS.iter().enumerate() {
            let sum = |of: fn(&Answer) -> f64| 100.0 * self.hurt().map(|(_, b)| of(&b[i])).sum::<f64>() / n;
            writeln!(f, "{method:<20} {:>8.0} % {:>20.0} %", sum(|a| a.kind), sum(|a| a.whole))?;
        }
        Ok(())
    }

    /// Every score, for machines.
    pub fn json(&self) -> String {
        let scores: Vec<_> = self
            .scores
            .iter()
            .map(|s| {
                json!({
                    "number": s.number, "name": s.name, "dose": s.dose, "load": s.load, "slower": s.slower,
                    "hurt": s.hurt, "verdict": s.verdict, "rank": s.rank, "kind": s.kind, "said": s.said,
                    "wrong": s.wrong, "off": s.off, "open": s.open,
                })
            })
            .collect();
        let controls: Vec<_> = self
            .controls
            .iter()
            .map(|c| json!({ "name": c.name, "verdict": c.verdict, "blamed": c.blamed, "alarmed": c.alarmed, "said": c.said, "valid": c.valid }))
            .collect();
        let pairs: Vec<_> = self
            .pairs
            .iter()
            .map(|p| json!({ "name": p.name, "verdict": p.verdict, "named": p.named, "said": p.said, "valid": p.valid }))
            .collect();
        let removed: Vec<_> = self
            .removed
            .iter()
            .map(|r| json!({ "number": r.number, "without": r.what, "verdict": r.verdict, "said": r.said, "right": r.right }))
            .collect();
        let all = json!({ "removed": removed, "faults": scores, "pairs": pairs, "controls": controls, "clocks": self.clocks });
        serde_json::to_string_pretty(&all).expect("plain values") + "\n"
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scores.is_empty() {
            self.faults(f)?;
            self.methods(f)?;
        }
        if !self.pairs.is_empty() {
            writeln!(f, "\nTwo faults at once\n")?;
            self.pairs.iter().try_for_each(|p| writeln!(f, "{}", p.line()))?;
        }
        if !self.controls.is_empty() {
            writeln!(f, "\nControls\n")?;
            self.controls.iter().try_for_each(|c| writeln!(f, "{}", c.line()))?;
            let valid = self.controls.iter().filter(|c| c.valid).count();
            let blamed = self.controls.iter().filter(|c| c.valid && c.blamed).count();
            let alarmed = self.controls.iter().filter(|c| c.valid && c.alarmed && !c.blamed).count();
            writeln!(f, "\n  a cause in the service named  {}", share(blamed, valid))?;
            writeln!(f, "  another verdict, nobody blamed {}", share(alarmed, valid))?;
        }
        writeln!(
            f,
            "\nrows beside the services' clocks: {} of {} disagree",
            self.clocks.len(),
            self.compared
        )?;
        self.clocks.iter().try_for_each(|c| writeln!(f, "  {c}"))
    }
}
