//! What is run.

use std::ops::RangeInclusive;
use std::path::PathBuf;

const HELP: &str = "\
cargo test --profile tests --test gallery -- [OPTIONS]

  --full             every fault at three doses and three loads, and the controls: hours
  --only N,N,...     these faults, by number
  --dose D,...       how many times longer p95 becomes: x1.3, x2, x5 (default x2)
  --load P,...       percent of the healthy capacity: 30, 60, 85 (default 50, of all requests alike)
  --half 0|1         faults with even or odd places in the list, two of the controls
  --lenient          fail only if most of it is wrong: on machines that others use, too
  --seeds N          repeats of everything (default 1)
  --no-controls      faults only
  --only-controls    no faults
  --keep DIR         keep the run folders there
  --again            run no load: judge what is kept in DIR once more, by the rules as they are now
  --json FILE        a line of JSON for everything that is run; what FILE holds already is not run again";

/// How many times longer p95 becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dose {
    Faint,
    Double,
    Heavy,
}

impl Dose {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faint => "x1.3",
            Self::Double => "x2",
            Self::Heavy => "x5",
        }
    }

    /// Factors of p95 that count as this dose.
    pub fn wanted(self) -> RangeInclusive<f64> {
        match self {
            Self::Faint => 1.2..=1.6,
            Self::Double => 1.7..=3.5,
            Self::Heavy => 3.5..=9.0,
        }
    }
}

pub struct Options {
    only: Vec<u8>,
    pub lenient: bool,
    /// Only every second one, from this place on.
    half: Option<usize>,
    pub doses: Vec<Dose>,
    pub loads: Vec<f64>,
    pub seeds: u64,
    /// Whether the capacity of each mix and each dose are searched; else what is usual is taken, and a dose is searched only
    /// if that hurts nobody.
    pub calibrate: bool,
    /// Whether kept recordings are judged instead of new ones.
    pub again: bool,
    faults: bool,
    pub controls: bool,
    pub keep: Option<PathBuf>,
    pub json: Option<PathBuf>,
}

impl Options {
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            only: Vec::new(),
            lenient: false,
            half: None,
            doses: vec![Dose::Double],
            loads: vec![0.5],
            seeds: 1,
            calibrate: false,
            again: false,
            faults: true,
            controls: true,
            keep: std::env::var_os("LOADPROF_KEEP").map(PathBuf::from),
            json: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--full" => {
                    options.doses = vec![Dose::Faint, Dose::Double, Dose::Heavy];
                    options.loads = vec![0.6, 0.3, 0.85];
                    options.calibrate = true;
                }
                "--only" => options.only = list(&value()?, |n| n.parse().ok())?,
                "--dose" => {
                    options.doses = list(&value()?, dose)?;
                    options.calibrate = true;
                }
                "--load" => {
                    options.loads = list(&value()?, |n| n.parse().ok().map(|p: f64| p / 100.0))?;
                    options.calibrate = true;
                }
                "--seeds" => options.seeds = value()?.parse().map_err(|_| HELP.to_owned())?,
                "--half" => options.half = Some(value()?.parse().map_err(|_| HELP.to_owned())?),
                "--lenient" => options.lenient = true,
                "--again" => options.again = true,
                "--no-controls" => options.controls = false,
                "--only-controls" => options.faults = false,
                "--keep" => options.keep = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                // Of the test harness that other tests have.
                "--nocapture" => {}
                other if other.starts_with("--test-threads") => {}
                _ => return Err(HELP.to_owned()),
            }
        }
        if options.again && options.keep.is_none() {
            return Err(format!("--again needs --keep DIR\n\n{HELP}"));
        }
        Ok(options)
    }

    /// Whether a run that went wrong may be made once more: not where figures are taken.
    pub const fn may_repeat(&self) -> bool {
        !self.calibrate && self.seeds == 1
    }

    /// Whether the one at a place in its list is run.
    pub fn has(&self, place: usize) -> bool {
        self.half.is_none_or(|half| place % 2 == half)
    }

    pub fn wants(&self, place: usize, number: u8) -> bool {
        self.faults && self.has(place) && (self.only.is_empty() || self.only.contains(&number))
    }
}

fn dose(text: &str) -> Option<Dose> {
    [Dose::Faint, Dose::Double, Dose::Heavy].into_iter().find(|d| d.name() == text)
}

fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    text.split(',')
        .map(|part| one(part.trim()).ok_or_else(|| format!("{part} is not known\n\n{HELP}")))
        .collect()
}
