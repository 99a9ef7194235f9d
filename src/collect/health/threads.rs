//! CPU time and run-queue delay of the threads, from `schedstat` of each task.

use std::collections::{BTreeMap, HashMap};

use procfs::process::{Process, Task};

use super::HealthSample;

/// Names of load threads begin with this.
const LOAD: &str = "load-";

/// What a thread has used, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Used {
    cpu: u64,
    delay: u64,
}

/// Counters over threads that come and go.
///
/// `schedstat` of a process speaks of its main thread alone, so all tasks are summed; a thread that has
/// ended takes its figures with it, so differences per thread are added up here and the sums never fall.
#[derive(Debug, Default)]
pub(in crate::collect) struct Threads {
    seen: HashMap<i32, Used>,
    delay: u64,
    load: BTreeMap<String, Used>,
}

impl Threads {
    pub(super) fn sample(&mut self, process: &Process, all: &mut Vec<HealthSample>) {
        let Ok(tasks) = process.tasks() else { return };
        // A task that ends while it is looked at is one that has ended.
        let now: Vec<_> = tasks.flatten().filter_map(|t| observe(&t)).collect();
        self.add(now);
        self.tell(all);
    }

    /// Looks at all threads of some processes; gives the time that they, and those that have ended meanwhile, were ready
    /// but waited for a core since the first look, nanoseconds.
    pub(in crate::collect) fn waited(&mut self, processes: &[Process]) -> u64 {
        let first = self.seen.is_empty();
        let tasks = processes.iter().filter_map(|p| p.tasks().ok()).flatten().flatten();
        self.add(tasks.filter_map(|t| observe(&t)).collect());
        if first {
            self.delay = 0;
        }
        self.delay
    }

    fn add(&mut self, now: Vec<(i32, Option<String>, Used)>) {
        let before = std::mem::take(&mut self.seen);
        for (tid, load, used) in now {
            let past = before.get(&tid).copied().unwrap_or_default();
            // Smaller figures mean another thread that got the same number.
            let past = if used.cpu < past.cpu || used.delay < past.delay { Used::default() } else { past };
            self.delay += used.delay - past.delay;
            if let Some(name) = load {
                let sum = self.load.entry(name).or_default();
                sum.cpu += used.cpu - past.cpu;
                sum.delay += used.delay - past.delay;
            }
            self.seen.insert(tid, used);
        }
    }

    fn tell(&self, all: &mut Vec<HealthSample>) {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        all.push(HealthSample::plain("loadprof_run_queue_delay_seconds_total", seconds(self.delay)));
        for (name, used) in &self.load {
            let of = |metric, nanos| HealthSample::labelled(metric, "thread", name.clone(), seconds(nanos));
            all.push(of("loadprof_thread_cpu_seconds_total", used.cpu));
            all.push(of("loadprof_thread_run_queue_delay_seconds_total", used.delay));
        }
    }
}

/// Thread id, name if it is a load thread, and what it has used.
fn observe(task: &Task) -> Option<(i32, Option<String>, Used)> {
    let schedstat = task.schedstat().ok()?;
    let name = task.stat().ok()?.comm;
    let used = Used { cpu: schedstat.sum_exec_runtime, delay: schedstat.run_delay };
    Some((task.tid, name.starts_with(LOAD).then_some(name), used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_never_fall_when_threads_end_or_numbers_are_used_again() {
        let used = |cpu, delay| Used { cpu, delay };
        let load = || Some("load-0".to_owned());
        let mut threads = Threads::default();
        threads.add(vec![(1, None, used(5, 10)), (2, load(), used(100, 20))]);
        assert_eq!(threads.delay, 30);
        threads.add(vec![(1, None, used(6, 15))]);
        assert_eq!(threads.delay, 35, "thread 2 has ended, its delay stays");
        threads.add(vec![(1, load(), used(2, 1))]);
        assert_eq!(threads.delay, 36, "another thread with the number 1");
        assert_eq!(threads.load["load-0"], used(102, 21));
    }
}
