//! Switches the intervention on and off while the load goes on, and notes which stretches count.
//!
//! The order is A B B A A B B A ..: neighbours make a pair, a steady drift of the target cancels over two pairs,
//! and there is one switch per pair. The state that was found is A: apply and revert alternate strictly and
//! nothing runs before the first apply, so that `DROP INDEX` never meets a table without its index.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Left;
use super::command::{Command, Ended};
use crate::record::StopFlag;
use crate::run::event::EventKind;
use crate::run::reader::Recording;
use crate::run::writer::RunWriter;
use crate::time::{RunTime, Window, nanos};

/// Answers of before a switch are waited for this long; a target that is still busy with them then has no window.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the user's stop is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A period of the load, as far as it matters here.
#[derive(Debug)]
pub(super) struct Tick {
    /// The period.
    pub window: Window,
    /// The longest response time that ended in it, nanoseconds.
    pub slowest: u64,
    /// The folder being written.
    pub out: RunWriter,
}

/// A window with the state of the target in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Number of its pair, from 1.
    pub pair: u64,
    /// Whether the intervention was applied.
    pub applied: bool,
    /// Whole periods, after what was left over from the other state.
    pub window: Window,
    /// Why it does not count.
    pub left_out: Option<String>,
}

/// When to switch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Pairs of windows.
    pub pairs: u64,
    /// Length of a window.
    pub hold: Duration,
    /// Pause after a switch.
    pub settle: Duration,
    /// Leading part of the load without windows.
    pub warm_up: Duration,
}

impl Timing {
    /// How long it takes if the commands take no time.
    pub(super) fn shortest(&self) -> Duration {
        self.warm_up + self.windows() + self.settle * self.switches()
    }

    /// How long it takes at the most, with commands of at most `limit`.
    pub(super) fn longest(&self, limit: Duration, period: Duration) -> Duration {
        // A window begins and ends with whole periods.
        let whole = period * 3 * (2 * self.count() + 1);
        self.shortest() + (limit + LOOK + DRAIN) * self.switches() + whole
    }

    fn windows(&self) -> Duration {
        self.hold * 2 * self.count()
    }

    /// One per pair, and one that takes the intervention back after an odd number of them.
    fn switches(&self) -> u32 {
        self.count() + self.count() % 2
    }

    fn count(&self) -> u32 {
        u32::try_from(self.pairs).unwrap_or(u32::MAX)
    }
}

/// The states of the two windows of a pair (from 1), in order.
const fn order(pair: u64) -> [bool; 2] {
    if pair % 2 == 1 { [false, true] } else { [true, false] }
}

/// What a conductor shares with the load and with whoever watches.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// The user's stop.
    pub stop: StopFlag,
    /// Ends the load.
    pub end: StopFlag,
    /// Set before `end` if all windows were had.
    pub enough: StopFlag,
    /// What goes on, in words.
    pub doing: Arc<Mutex<String>>,
}

impl Shared {
    fn say(&self, doing: String) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }
}

/// Why there are not all windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The user stopped it.
    Interrupted,
    /// The load ended before.
    Ended,
    /// One of the commands failed.
    Command {
        /// `apply` or `revert`.
        name: &'static str,
        /// As it may be shown.
        command: String,
        /// How it failed.
        why: String,
        /// The last line it printed.
        said: String,
    },
}

/// How it went.
#[derive(Debug)]
pub(super) struct Conducted {
    /// Windows in order.
    pub marks: Result<Vec<Mark>, Failed>,
    /// How the target was left.
    pub left: Left,
}

impl Conducted {
    /// Of a conductor that did not come to its end.
    pub(super) const fn lost() -> Self {
        Self { marks: Err(Failed::Ended), left: Left::Unknown }
    }
}

/// Runs on a thread of its own from the first period to the last switch.
pub(super) struct Conductor {
    timing: Timing,
    apply: Command,
    revert: Command,
    shared: Shared,
    ticks: Receiver<Tick>,
    target: Option<String>,
    out: Option<RunWriter>,
    /// Whether the intervention is applied, or may be.
    applied: bool,
    /// Windows begin from here on.
    ready: RunTime,
    /// Requests of before are those of the other state.
    switched: RunTime,
}

impl Conductor {
    /// Starts the thread.
    pub(super) fn start(
        timing: Timing,
        (apply, revert): (Command, Command),
        shared: Shared,
        ticks: Receiver<Tick>,
    ) -> thread::JoinHandle<Conducted> {
        thread::spawn(move || {
            let (target, out, applied) = (None, None, false);
            let (ready, switched) = (RunTime::ZERO, RunTime::ZERO);
            Self { timing, apply, revert, shared, ticks, target, out, applied, ready, switched }.conduct()
        })
    }

    fn conduct(mut self) -> Conducted {
        self.shared.say("warm-up".into());
        let marks = self.all_windows();
        if marks.is_err() {
            self.shared.end.store(true, Ordering::Relaxed);
        }
        let (left, reverted) = self.put_back();
        let marks = match (marks, reverted) {
            (Ok(marks), Ok(())) => Ok(marks),
            (Ok(_), Err(e)) | (Err(e), _) => Err(e),
        };
        self.shared.enough.store(marks.is_ok(), Ordering::Relaxed);
        self.shared.end.store(true, Ordering::Relaxed);
        Conducted { marks, left }
    }

    fn all_windows(&mut self) -> Result<Vec<Mark>, Failed> {
        let first = self.tick()?;
        self.ready = first.window.from.plus(nanos(self.timing.warm_up));
        let mut marks = Vec::new();
        for pair in 1..=self.timing.pairs {
            for applied in order(pair) {
                if applied != self.applied {
                    self.switch(applied)?;
                }
                let with = if applied { "with" } else { "without" };
                self.shared.say(format!("pair {pair} of {}, {with} the intervention", self.timing.pairs));
                marks.push(self.window(pair, applied)?);
            }
        }
        Ok(marks)
    }

    /// The next period.
    fn tick(&mut self) -> Result<Tick, Failed> {
        loop {
            if self.stopped() {
                return Err(Failed::Interrupted);
            }
            match self.ticks.recv_timeout(LOOK) {
                Ok(tick) => {
                    self.out.get_or_insert_with(|| tick.out.clone());
                    return Ok(tick);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Failed::Ended),
            }
        }
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// The first stretch of whole periods in which no request of the other state ended any more.
    fn window(&mut self, pair: u64, applied: bool) -> Result<Mark, Failed> {
        let mut from: Option<RunTime> = None;
        loop {
            let Tick { window, slowest, .. } = self.tick()?;
            if window.from < self.ready {
                continue;
            }
            if window.from.minus(slowest) < self.switched {
                if window.from > self.ready.plus(nanos(DRAIN)) {
                    self.ready = window.to;
                    let why =
                        format!("requests of before the switch still ended {} s after it", DRAIN.as_secs());
                    return Ok(Mark { pair, applied, window, left_out: Some(why) });
                }
                from = None;
                continue;
            }
            let begin = *from.get_or_insert(window.from);
            if window.to.since(begin) >= nanos(self.timing.hold) {
                let window = Window::new(begin, window.to);
                return Ok(Mark { pair, applied, window, left_out: None });
            }
        }
    }

    fn switch(&mut self, apply: bool) -> Result<(), Failed> {
        let stop = Arc::clone(&self.shared.stop);
        self.run(apply, move || stop.load(Ordering::Relaxed))
    }

    /// Runs one of the two commands, and notes it in the folder.
    fn run(&mut self, apply: bool, stopped: impl Fn() -> bool) -> Result<(), Failed> {
        let Some(out) = self.out.clone() else { return Err(Failed::Ended) };
        let command = if apply { self.apply.clone() } else { self.revert.clone() };
        self.shared.say(format!("{}: {}", command.name, command.shown()));
        let target = self.target(&out);
        // A command that fails may have done half of its work.
        self.applied = true;
        let from = out.clock().now();
        let (ended, output) = command.run(&target, stopped);
        let to = out.clock().now();
        let problem = match &ended {
            Ended::Well => None,
            Ended::Stopped => Some("stopped by the user".to_owned()),
            Ended::Badly(why) => Some(why.clone()),
        };
        out.event(EventKind::Intervention {
            applied: apply,
            window: Window::new(from, to),
            output: output.clone(),
            problem,
        });
        match ended {
            Ended::Well => {
                self.applied = apply;
                self.switched = to;
                self.ready = to.plus(nanos(self.timing.settle));
                Ok(())
            }
            Ended::Stopped => Err(Failed::Interrupted),
            Ended::Badly(why) => {
                let (name, said) = (command.name, last_line(&output));
                Err(Failed::Command { name, command: command.shown(), why, said })
            }
        }
    }

    /// Takes the intervention back if it is or may be applied, whatever the user wants to stop.
    fn put_back(&mut self) -> (Left, Result<(), Failed>) {
        if !self.applied {
            return (Left::AsFound, Ok(()));
        }
        match self.run(false, || false) {
            Ok(()) => (Left::TakenBack, Ok(())),
            Err(e) => (Left::Unknown, Err(e)),
        }
    }

    /// Where the load goes: the demo target's address is known once it runs.
    fn target(&mut self, out: &RunWriter) -> String {
        let read = || Recording::open(out.dir()).map(|r| r.manifest.target).unwrap_or_default();
        self.target.get_or_insert_with(read).clone()
    }
}

/// The last line that is not empty.
fn last_line(output: &str) -> String {
    let last = output.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::confirm::testing::run_folder;
    use crate::run::manifest::RunState;
    use crate::time::{RunClock, SECOND};

    const S: u64 = SECOND;

    fn at(secs: f64) -> RunTime {
        RunTime::from_nanos((secs * S as f64) as u64)
    }

    /// A conductor whose last switch ended at `switched` seconds, and who is told these periods of a second: start,
    /// longest response time in seconds.
    fn window_of(switched: f64, periods: &[(u64, f64)]) -> Result<Mark, Failed> {
        let dir = tempfile::tempdir().expect("a folder");
        let recording = run_folder(&dir.path().join("old"), "", &[]);
        let out = RunWriter::create(&dir.path().join("new"), RunClock::start(), recording.manifest, "");
        let out = out.expect("a folder");
        let (ticks, to_come) = mpsc::channel();
        for (from, slowest) in periods {
            let window = Window::new(at(*from as f64), at(*from as f64 + 1.0));
            ticks.send(Tick { window, slowest: at(*slowest).as_nanos(), out: out.clone() }).expect("listens");
        }
        drop(ticks);
        let command = |name| Command { name, text: "true".into(), limit: Duration::from_secs(1) };
        let (stop, end, enough) = Default::default();
        let mut conductor = Conductor {
            timing: timing(3),
            apply: command("apply"),
            revert: command("revert"),
            shared: Shared { stop, end, enough, doing: Arc::default() },
            ticks: to_come,
            target: None,
            out: None,
            applied: true,
            ready: at(switched + 1.0),
            switched: at(switched),
        };
        let mark = conductor.window(2, true);
        out.seal(RunState::Complete { load_nanos: 0 }).expect("sealed");
        mark
    }

    fn timing(pairs: u64) -> Timing {
        let (hold, settle) = (Duration::from_secs(2), Duration::from_secs(1));
        Timing { pairs, hold, settle, warm_up: Duration::from_secs(4) }
    }

    #[test]
    fn a_window_begins_after_the_pause_with_whole_periods() {
        let mark = window_of(3.5, &[(3, 0.1), (4, 0.1), (5, 0.1), (6, 0.1), (7, 0.1)]).expect("a window");
        assert_eq!(
            mark,
            Mark { pair: 2, applied: true, window: Window::new(at(5.0), at(7.0)), left_out: None }
        );
    }

    #[test]
    fn periods_in_which_requests_of_before_the_switch_end_are_left_out() {
        // One that ends in the second after 6 s may have begun at 0 s, before the switch at 3.5 s.
        let mark = window_of(3.5, &[(5, 0.1), (6, 6.0), (7, 0.1), (8, 0.1)]).expect("a window");
        assert_eq!(mark.window, Window::new(at(7.0), at(9.0)), "begun anew");
    }

    #[test]
    fn a_target_that_does_not_drain_has_no_window() {
        let never: Vec<(u64, f64)> = (5..60).map(|n| (n, n as f64)).collect();
        let mark = window_of(3.5, &never).expect("a window that does not count");
        assert!(mark.left_out.is_some_and(|why| why.contains("30 s")));
        assert_eq!(mark.window.from, at(35.0), "30 s after the pause");
        assert_eq!(window_of(3.5, &[(5, 0.1)]), Err(Failed::Ended), "the load ended");
    }

    #[test]
    fn states_take_turns_with_one_switch_per_pair() {
        let states: Vec<bool> = (1..=4).flat_map(order).collect();
        assert_eq!(states, [false, true, true, false, false, true, true, false]);
        let seconds = |pairs| timing(pairs).shortest().as_secs();
        assert_eq!(seconds(4), 4 + 8 * 2 + 4);
        assert_eq!(seconds(3), 4 + 6 * 2 + 4, "after an odd number the last switch comes on top");
        let longest = timing(4).longest(Duration::from_secs(10), Duration::from_secs(1));
        assert!(longest.as_secs() >= 24 + 4 * (10 + 30) && longest.as_secs() < 300, "{longest:?}");
    }

    #[test]
    fn the_last_line_is_told_without_what_terminals_obey() {
        assert_eq!(last_line("one\n\x1b[31mtwo\x07\n\n"), "[31mtwo");
        assert_eq!(last_line(""), "");
    }
}
