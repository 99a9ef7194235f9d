//! A load thread: its runtime, its own task, and how it ends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::yield_now;

use super::worker::{Stage, Worker};
use crate::load::nap::Nap;
use crate::load::plan::Plan;
use crate::load::recorder::Recorder;
use crate::load::schedule::Schedule;
use crate::load::timer::Timer;
use crate::time::RunTime;

/// How often a thread looks whether the run was stopped.
const STOP_CHECK: u64 = 20_000_000;
/// How long answers are waited for after a stop, at most.
pub(crate) const STOP_GRACE: u64 = 2_000_000_000;

thread_local! {
    /// Who decides whether this thread lets answers gather, and how it sleeps then; none outside of a run.
    static GATHERS: RefCell<Option<(Rc<Worker>, Nap)>> = const { RefCell::new(None) };
}

/// What a thread's run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadOutcome {
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    /// Set if the run was stopped: when this thread saw it.
    pub(crate) stopped: Option<RunTime>,
}

/// What a thread needs to begin, sent once all threads are ready.
pub(crate) struct Go {
    pub(crate) started: RunTime,
    pub(crate) recorder: Recorder,
}

/// The body of a load thread: gets ready, says so, waits for the start, runs.
pub(crate) fn main(
    plan: Arc<Plan>,
    schedule: Option<Arc<Schedule>>,
    thread: usize,
    ready: &Sender<io::Result<()>>,
    go: &Receiver<Go>,
) -> Option<ThreadOutcome> {
    // Steps of a journey and redirects are not kept waiting for each other.
    let gathers = schedule.is_none() && plan.naps;
    let set_up = set_up(&plan, gathers);
    let (set_up, report) = match set_up {
        Ok(set_up) => (Some(set_up), Ok(())),
        Err(e) => (None, Err(e)),
    };
    ready.send(report).ok()?;
    let (runtime, timer) = set_up?;
    let Go { started, recorder } = go.recv().ok()?;
    let end = started.plus(plan.length);
    let worker = Rc::new(Worker::new(plan, schedule, thread, started, recorder));
    let nap = Nap::new(worker.plan.clock);
    if gathers {
        GATHERS.set(Some((Rc::clone(&worker), Nap::new(worker.plan.clock))));
    }
    let mut run = Run { grace: worker.plan.graceful_stop, worker, timer, nap, end, stopped: None };
    runtime.block_on(run.finish());
    GATHERS.set(None);
    let (offered, sent) = run.worker.totals();
    Some(ThreadOutcome { offered, sent, stopped: run.stopped })
}

fn set_up(plan: &Plan, gathers: bool) -> io::Result<(LocalRuntime, Timer)> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io();
    if !plan.naps {
        // For the pauses of journeys; a timer costs a little at every sleep of the thread.
        builder.enable_time();
    }
    if gathers {
        builder.on_thread_park(gather);
    }
    let runtime = builder.build_local(LocalOptions::default())?;
    let timer = runtime.block_on(async { Timer::new(&plan.clock) })?;
    Ok((runtime, timer))
}

/// Before the thread listens to its sockets: everything that could run has run.
fn gather() {
    GATHERS.with_borrow(|gathers| {
        if let Some((worker, nap)) = gathers
            && let Some(until) = worker.lull()
        {
            nap.sleep_until(until);
        }
    });
}

/// What the thread's own task does next.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Sleep until then with the whole thread.
    Nap(RunTime),
    /// Nothing more.
    Over,
}

/// The thread's own task.
struct Run {
    worker: Rc<Worker>,
    timer: Timer,
    nap: Nap,
    /// End of the schedule, or the moment of the stop.
    end: RunTime,
    grace: u64,
    stopped: Option<RunTime>,
}

impl Run {
    async fn finish(&mut self) {
        self.worker.begin();
        while let Turn::Nap(until) = poll_fn(|cx| self.poll_turn(cx)).await {
            // What is due is sent, and what came is looked at; then lanes that this woke run.
            yield_now().await;
            yield_now().await;
            // What was due may need more than that.
            if !self.worker.attention.wanted() {
                self.nap.until(until);
            }
        }
        self.worker.close();
        // Lanes that were cut off record their hits as soon as they run.
        poll_fn(|cx| self.poll_cut(cx)).await;
        // After them: to a lane a closed connection would look like one that the server closed.
        self.worker.links.close();
        yield_now().await;
        let now = self.worker.plan.clock.now();
        self.worker.tick(now);
        self.worker.finish(now);
    }

    /// Over when the schedule is and everything has ended, or when the grace is.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            let kicked = self.worker.take_kick(cx.waker());
            let now = self.worker.plan.clock.now();
            self.worker.tick(now);
            if self.worker.stage() == Stage::Running && self.worker.plan.stopped() {
                self.stop(now);
            }
            if self.plan_is_over() {
                self.worker.stop(now);
                self.end = self.end.min(now);
            }
            let last = self.end.plus(self.grace);
            if now >= self.end {
                self.worker.end_of_plan(now);
            }
            if (now >= self.end && self.worker.drained()) || now >= last {
                return Poll::Ready(Turn::Over);
            }
            if let Some(until) = self.worker.nap(now) {
                return Poll::Ready(Turn::Nap(until));
            }
            let check = now.plus(STOP_CHECK).min(if now < self.end { self.end } else { last });
            let wake = self.worker.next_moment().min(check);
            self.worker.sleeps_until(wake);
            if !self.wait(wake, cx) && !kicked {
                return Poll::Pending;
            }
        }
    }

    fn plan_is_over(&self) -> bool {
        self.worker.stage() == Stage::Running && self.worker.plan.out_of_data()
    }

    fn stop(&mut self, now: RunTime) {
        self.worker.stop(now);
        if now < self.end {
            self.stopped = Some(now);
            self.end = now;
        }
        self.grace = self.grace.min(STOP_GRACE);
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let kicked = self.worker.take_kick(cx.waker());
        if self.worker.drained() {
            return Poll::Ready(());
        }
        if kicked {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether `wake` has come; otherwise the task is woken then.
    fn wait(&mut self, wake: RunTime, cx: &mut Context<'_>) -> bool {
        match self.timer.poll_until(wake, cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                // Not seen on a descriptor that was made; spinning keeps the schedule all the same.
                cx.waker().wake_by_ref();
                false
            }
        }
    }
}
