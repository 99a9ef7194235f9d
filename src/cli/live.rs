//! What is shown while a run lasts: a small screen redrawn each period, one plain line per period, or nothing.
//!
//! The screen is inline: no alternate screen and no raw mode, and the cursor stays visible on an empty last
//! row. So there is nothing to restore: after a panic, Ctrl-C or `kill -9` the last state stays readable and
//! the next output begins below it. Showing must never hurt the measurement: once a write fails, the view
//! stays silent.

mod plain;
mod screen;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::time::RunTime;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A screen of 16 rows on a terminal.
    Tty,
    /// One line per period.
    Plain,
    /// Nothing.
    Quiet,
}

/// A run at the end of a period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveState {
    /// Name of the scenario.
    pub scenario: String,
    /// Time since the load started.
    pub elapsed: RunTime,
    /// Planned length of the load.
    pub planned: RunTime,
    /// What goes on, e.g. `warm-up` or `200/s for 30s`.
    pub stage: String,
    /// Arrivals per second asked for in the last period; none in the closed model.
    pub asked: Option<f64>,
    /// Requests sent per second in the last period.
    pub sent: f64,
    /// Hits that passed so far.
    pub passed: u64,
    /// Hits that failed so far.
    pub failed: u64,
    /// Hits that failed in the last period.
    pub failed_in_period: u64,
    /// Named checks that failed so far, those that failed most often first.
    pub checks: Vec<LiveCheck>,
    /// Median response time of the last period in nanoseconds; none without an answer.
    pub p50: Option<u64>,
    /// 95 % response time of the last period in nanoseconds.
    pub p95: Option<u64>,
    /// 99 % response time of the last period in nanoseconds.
    pub p99: Option<u64>,
    /// Arrivals that wait for a connection.
    pub backlog: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Open connections.
    pub connections: u64,
    /// Active virtual users (closed model).
    pub vus: u64,
    /// Evidence sources.
    pub collectors: Vec<LiveCollector>,
    /// Anomalies so far, oldest first.
    pub anomalies: Vec<LiveAnomaly>,
    /// 95 % response times of the periods so far, oldest first; as many as there are, the view takes the last.
    pub p95_history: Vec<Option<u64>>,
}

/// A named check that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCheck {
    /// Its request and its name, as in the scenario.
    pub name: String,
    /// Answers that failed it so far.
    pub failed: u64,
}

/// An evidence source while it records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCollector {
    /// Service it speaks of.
    pub service: String,
    /// Its name, e.g. `go-pprof/goroutine`.
    pub name: String,
    /// What it does now, e.g. `CPU profile until 00:20` or `execution trace`.
    pub doing: String,
    /// Files written so far.
    pub files: u64,
    /// How long the last fetch took, nanoseconds.
    pub last_fetch: Option<u64>,
    /// Whether all is well.
    pub health: LiveHealth,
}

/// Whether a collector works as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveHealth {
    /// As planned.
    Good,
    /// Slowed down, because fetching got costly.
    Slowed,
    /// The last fetch failed.
    Failed,
}

/// An anomaly as the live detector sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAnomaly {
    /// Name of the series, e.g. `p95`.
    pub series: String,
    /// When it began.
    pub since: RunTime,
    /// When it ended; none while it lasts.
    pub until: Option<RunTime>,
    /// Size in words, e.g. `12 ms to 48 ms`; may be empty.
    pub detail: String,
}

/// Shows a run while it lasts.
#[derive(Debug)]
pub struct LiveView(View);

#[derive(Debug)]
enum View {
    Screen(Box<screen::Screen>),
    Plain(plain::Plain),
    Quiet,
}

impl LiveView {
    /// A view on `out`. Without a terminal that answers, [`Mode::Tty`] becomes [`Mode::Plain`].
    #[must_use]
    pub fn new(mode: Mode, out: Box<dyn Write + Send>) -> Self {
        let out = Output(Arc::new(Mutex::new(out)));
        Self(match mode {
            Mode::Quiet => View::Quiet,
            Mode::Plain => View::Plain(plain::Plain::new(out)),
            Mode::Tty => match screen::Screen::new(out.clone()) {
                Ok(screen) => View::Screen(Box::new(screen)),
                Err(_) => View::Plain(plain::Plain::new(out)),
            },
        })
    }

    /// Shows the state at the end of a period.
    pub fn update(&mut self, state: &LiveState) {
        let shown = match &mut self.0 {
            View::Screen(screen) => screen.update(state),
            View::Plain(plain) => plain.update(state),
            View::Quiet => Ok(()),
        };
        if shown.is_err() {
            self.0 = View::Quiet;
        }
    }

    /// Leaves the last state on screen; later output begins below it.
    pub fn finish(self) {
        if let View::Screen(screen) = self.0 {
            // A terminal that is gone has nothing left to tidy.
            let _ = screen.finish();
        }
    }
}

/// The writer, shared so that it survives a terminal that could not be set up.
#[derive(Clone)]
struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer whose bytes a test can read, or one that always fails.
    #[derive(Clone, Default)]
    struct Tape {
        bytes: Arc<Mutex<Vec<u8>>>,
        broken: bool,
        writes: Arc<Mutex<usize>>,
    }

    impl Tape {
        fn text(&self) -> String {
            String::from_utf8(self.bytes.lock().expect("tape").clone()).expect("text")
        }
    }

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.writes.lock().expect("tape") += 1;
            if self.broken {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.bytes.lock().expect("tape").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn quiet_writes_nothing_and_plain_writes_one_line_per_period() {
        let state = screen::tests::state();
        for (mode, lines) in [(Mode::Quiet, 0), (Mode::Plain, 2)] {
            let tape = Tape::default();
            let mut view = LiveView::new(mode, Box::new(tape.clone()));
            view.update(&state);
            view.update(&state);
            view.finish();
            assert_eq!(tape.text().lines().count(), lines, "{mode:?}");
        }
    }

    #[test]
    fn a_check_that_fails_is_told_once() {
        let mut state = screen::tests::state();
        let tape = Tape::default();
        let mut view = LiveView::new(Mode::Plain, Box::new(tape.clone()));
        for failed in [0, 3, 9] {
            if failed > 0 {
                state.checks = vec![LiveCheck { name: "buy: has a price".into(), failed }];
            }
            view.update(&state);
        }
        let told: Vec<bool> =
            tape.text().lines().map(|l| l.contains("[check buy: has a price fails]")).collect();
        assert_eq!(told, [false, true, false]);
    }

    #[test]
    fn a_closed_pipe_silences_the_view() {
        let tape = Tape { broken: true, ..Tape::default() };
        let mut view = LiveView::new(Mode::Plain, Box::new(tape.clone()));
        for _ in 0..5 {
            view.update(&screen::tests::state());
        }
        view.finish();
        assert_eq!(*tape.writes.lock().expect("tape"), 1, "no second try");
    }
}
