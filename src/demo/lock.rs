//! A mutex that bills the waiting of others to whoever held it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::contention::Contention;

/// A [`Mutex`] whose contention is recorded.
#[derive(Debug)]
pub(super) struct ProfiledMutex<T> {
    inner: Mutex<T>,
    queue: Mutex<Queue>,
    contention: Arc<Contention>,
}

/// Waiting so far: the sum over all threads of the time each waited, kept as the area under the number of
/// waiting threads. What was added since the last unlock is the bill of the present holder. Unlike the
/// waiting of the thread that comes next, this counts everybody in the queue, and the bills add up to the
/// whole of the waiting.
#[derive(Debug)]
struct Queue {
    waiting: u32,
    changed: Instant,
    area: Duration,
    billed: Duration,
}

impl Queue {
    fn change(&mut self, by: i32) {
        let now = Instant::now();
        self.area += now.saturating_duration_since(self.changed) * self.waiting;
        self.changed = now;
        self.waiting = self.waiting.saturating_add_signed(by);
    }

    fn bill(&mut self) -> Duration {
        self.change(0);
        let bill = self.area - self.billed;
        self.billed = self.area;
        bill
    }
}

impl<T> ProfiledMutex<T> {
    pub(super) fn new(value: T, contention: Arc<Contention>) -> Self {
        let (area, billed) = (Duration::ZERO, Duration::ZERO);
        let queue = Queue { waiting: 0, changed: Instant::now(), area, billed };
        Self { inner: Mutex::new(value), queue: Mutex::new(queue), contention }
    }

    /// Waits for the mutex. A holder that panicked left consistent data: every change is one assignment.
    pub(super) fn lock(&self) -> ProfiledGuard<'_, T> {
        let inner = self.inner.try_lock().unwrap_or_else(|_| {
            self.queue().change(1);
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            self.queue().change(-1);
            inner
        });
        ProfiledGuard { mutex: self, inner: Some(inner) }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mutex while it is held.
#[derive(Debug)]
pub(super) struct ProfiledGuard<'a, T> {
    mutex: &'a ProfiledMutex<T>,
    /// There until the guard is dropped.
    inner: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for ProfiledGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_deref().expect("held until dropped")
    }
}

impl<T> DerefMut for ProfiledGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_deref_mut().expect("held until dropped")
    }
}

impl<T> Drop for ProfiledGuard<'_, T> {
    fn drop(&mut self) {
        let bill = self.mutex.queue().bill();
        // Free first: recording must not make the others wait longer.
        self.inner = None;
        if !bill.is_zero() {
            self.mutex.contention.record(bill);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[inline(never)]
    fn hold_on(mutex: &ProfiledMutex<u32>, held: &mpsc::Sender<()>, until: mpsc::Receiver<()>) {
        let mut value = mutex.lock();
        held.send(()).expect("somebody listens");
        until.recv().expect("told to go on");
        *value += 1;
    }

    #[test]
    fn the_holder_is_billed_the_waiting_of_all() {
        let contention = Arc::new(Contention::default());
        let mutex = ProfiledMutex::new(0, Arc::clone(&contention));
        let ((held, is_held), (go, until)) = (mpsc::channel(), mpsc::channel());
        let shared = &mutex;
        let mut waited = Vec::new();
        std::thread::scope(|scope| {
            let holder = scope.spawn(move || hold_on(shared, &held, until));
            is_held.recv().expect("the lock is held");
            let wait = || {
                let start = Instant::now();
                *mutex.lock() += 1;
                start.elapsed()
            };
            let others: Vec<_> = (0..3).map(|_| scope.spawn(wait)).collect();
            while mutex.queue().waiting < 3 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(20));
            go.send(()).expect("the holder listens");
            holder.join().expect("the holder");
            waited.extend(others.into_iter().map(|t| t.join().expect("a waiter")));
        });
        assert_eq!(*mutex.lock(), 4);
        let profile = contention.profile();
        let delay = profile.value_index("delay").expect("delays");
        let total = Duration::from_nanos(u64::try_from(profile.total(delay)).expect("not negative"));
        let truth: Duration = waited.iter().sum();
        assert!(total >= Duration::from_millis(60) && total <= truth, "{total:?} of {truth:?}");
        let top = profile.samples.iter().max_by_key(|s| s.values[delay]).expect("a sample");
        let names: Vec<_> = profile.functions(top).collect();
        assert!(names[0].contains("hold_on"), "{names:?}");
    }
}
