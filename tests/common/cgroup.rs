//! A limit on the CPU time of a running process: a control group of its own, version 1 or 2.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the kernel shows control groups.
const ROOT: &str = "/sys/fs/cgroup";
/// The kernel's own period.
const PERIOD: Duration = Duration::from_millis(100);

/// A process in a group of its own; it goes back to where it was when this is dropped.
pub struct Quota {
    group: PathBuf,
    /// The group that the process was in.
    home: PathBuf,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    /// `cpu.cfs_quota_us`
    One,
    /// `cpu.max`
    Two,
}

impl Quota {
    /// Puts a process into a new group, without a limit yet. None if this machine does not let us: no root, no
    /// control groups, or (version 2) a group that has processes of its own beside ours.
    pub fn of(pid: u32) -> Option<Self> {
        let memberships = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let (home, version) = home(&memberships)?;
        let group = home.join(format!("loadprof-test-{pid}"));
        fs::create_dir(&group).ok()?;
        // Removes the folder again, whatever fails from here on.
        let quota = Self { group, home, version };
        if matches!(version, Version::Two) {
            fs::write(quota.home.join("cgroup.subtree_control"), "+cpu").ok()?;
        }
        fs::write(quota.group.join("cgroup.procs"), pid.to_string()).ok()?;
        quota.write(None).then_some(quota)
    }

    /// Allows this many CPUs, 0.25 for a quarter of one, from now on.
    pub fn set(&self, cpus: f64) {
        assert!(self.write(Some(cpus)), "no quota of {cpus} for {}", self.group.display());
    }

    /// Allows all there are.
    pub fn lift(&self) {
        assert!(self.write(None), "the quota of {} stays", self.group.display());
    }

    /// How often the process was stopped at its limit, in periods.
    pub fn throttled(&self) -> u64 {
        let stat = fs::read_to_string(self.group.join("cpu.stat")).expect("the group's numbers");
        let number = stat.lines().find_map(|l| l.strip_prefix("nr_throttled "));
        number.expect("nr_throttled").parse().expect("a number")
    }

    fn write(&self, cpus: Option<f64>) -> bool {
        let quota = cpus.map(|cpus| PERIOD.mul_f64(cpus).as_micros().to_string());
        let period = PERIOD.as_micros();
        let put = |file, text: String| fs::write(self.group.join(file), text).is_ok();
        match self.version {
            Version::One => {
                put("cpu.cfs_period_us", period.to_string())
                    && put("cpu.cfs_quota_us", quota.unwrap_or_else(|| "-1".to_owned()))
            }
            Version::Two => put("cpu.max", format!("{} {period}", quota.unwrap_or_else(|| "max".to_owned()))),
        }
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // One at a time, as the kernel takes them; those that have ended are gone already.
        let members = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines() {
            let _ = fs::write(self.home.join("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.group);
    }
}

/// The group that rules over the CPU time of a process, from its `/proc/PID/cgroup`.
fn home(memberships: &str) -> Option<(PathBuf, Version)> {
    let group = |controllers: &str| {
        let of = |line: &str| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            let own = names.split(',').any(|name| name == controllers);
            own.then(|| path.trim_start_matches('/').to_owned())
        };
        memberships.lines().find_map(of)
    };
    if let Some(path) = group("cpu") {
        return Some((Path::new(ROOT).join("cpu").join(path), Version::One));
    }
    group("").map(|path| (Path::new(ROOT).join(path), Version::Two))
}

#[cfg(test)]
#[allow(clippy::print_stderr, reason = "what was not tested belongs in the log")]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;

    /// A shell that never rests.
    struct Busy(Child);

    impl Busy {
        fn start() -> Self {
            let mut command = Command::new("sh");
            Self(command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().expect("a shell"))
        }

        /// CPU time so far, in ticks.
        fn used(&self) -> u64 {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it runs");
            let fields: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
            fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
        }

        fn used_in(&self, time: Duration) -> u64 {
            let before = self.used();
            sleep(time);
            self.used() - before
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_quota_is_set_and_lifted_while_the_process_runs() {
        let busy = Busy::start();
        let Some(quota) = Quota::of(busy.0.id()) else {
            eprintln!("this machine allows no groups");
            return;
        };
        let second = Duration::from_secs(1);
        quota.set(0.1);
        sleep(second / 4);
        let limited = busy.used_in(second);
        assert!((5..=20).contains(&limited), "{limited} ticks of a second with a tenth of a CPU");
        assert!(quota.throttled() > 5);
        quota.lift();
        let free = busy.used_in(second);
        assert!(free > 2 * limited, "{free} ticks without a quota, {limited} with one");
        let group = quota.group.clone();
        drop(quota);
        assert!(!group.exists());
        assert!(busy.used_in(second / 2) > 0, "it does not run any more");
    }

    #[test]
    fn the_group_of_the_cpu_is_found_in_both_versions() {
        let one = "4:memory:/m\n1:cpu,cpuacct:/pods/a\n0::/\n";
        let (path, version) = home(one).expect("a group");
        assert!(matches!(version, Version::One) && path.ends_with("cpu/pods/a"), "{}", path.display());
        let (path, version) = home("0::/user.slice/x\n").expect("a group");
        assert!(
            matches!(version, Version::Two) && path.ends_with("cgroup/user.slice/x"),
            "{}",
            path.display()
        );
        assert!(home("7:blkio:/\n").is_none());
    }
}
