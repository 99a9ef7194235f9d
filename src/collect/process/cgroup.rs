//! The control group of a process and those above it: CPU quota and throttling, memory limit, pressure.

use std::path::{Path, PathBuf};

use super::find::CGROUPS;
use super::read;
use crate::collect::health::HealthSample;
use crate::formats::kernel::{cpu_max, memberships, pairs, pressure};

/// Groups above each other that are looked at.
const MAX_DEPTH: usize = 12;
/// Bytes of one file.
const FILE: u64 = 64 << 10;

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    /// Its path below the root, for people.
    name: String,
    folder: PathBuf,
}

/// The groups of a process, its own first: the controllers of version 1 may have different ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    cpu: Vec<Group>,
    memory: Vec<Group>,
}

impl Groups {
    pub(super) fn of(pid: i32) -> Self {
        let text = read(&PathBuf::from(format!("/proc/{pid}/cgroup")), FILE).unwrap_or_default();
        Self { cpu: hierarchy(&text, "cpu"), memory: hierarchy(&text, "memory") }
    }

    /// Cores that the tightest of them allows.
    pub(super) fn quota(&self) -> Option<f64> {
        self.cpu.iter().filter_map(Group::quota).reduce(f64::min)
    }

    /// What they say: the process's own, and those above it that limit something.
    pub(super) fn sample(&self, all: &mut Vec<HealthSample>) {
        for (depth, group) in self.cpu.iter().enumerate() {
            let quota = group.quota();
            if depth == 0 || quota.is_some() {
                group.cpu(quota, all);
            }
        }
        for (depth, group) in self.memory.iter().enumerate() {
            if depth == 0 || group.memory_limit().is_some() {
                group.memory(all);
            }
        }
        self.memory.iter().take(1).for_each(|group| group.pressure(all));
    }
}

/// The groups of one controller, from a process's own up to the root; of version 2 where version 1 has it not.
fn hierarchy(text: &str, controller: &str) -> Vec<Group> {
    let path_of = |wanted: &str| memberships(text).find(|m| m.controllers.split(',').any(|c| c == wanted));
    let (root, path) = match (path_of(controller), path_of("")) {
        (Some(own), _) => (Path::new(CGROUPS).join(controller), own.path),
        (None, Some(own)) => (Path::new(CGROUPS).to_owned(), own.path),
        (None, None) => return Vec::new(),
    };
    let group = |path: &Path| {
        let folder = root.join(path.strip_prefix("/").unwrap_or(path));
        Group { name: path.display().to_string(), folder }
    };
    Path::new(path).ancestors().take(MAX_DEPTH).map(group).filter(|g| g.folder.is_dir()).collect()
}

impl Group {
    fn push(&self, all: &mut Vec<HealthSample>, name: &'static str, value: f64) {
        all.push(HealthSample::labelled(name, "cgroup", self.name.clone(), value));
    }

    /// Cores that the group may use at the most.
    fn quota(&self) -> Option<f64> {
        if let Some(text) = read(&self.folder.join("cpu.max"), FILE) {
            return cpu_max(&text);
        }
        let number = |file| read(&self.folder.join(file), FILE);
        cpu_max(&format!("{} {}", number("cpu.cfs_quota_us")?.trim(), number("cpu.cfs_period_us")?.trim()))
    }

    fn cpu(&self, quota: Option<f64>, all: &mut Vec<HealthSample>) {
        if let Some(cores) = quota {
            self.push(all, "cgroup_cpu_quota_cores", cores);
        }
        let Some(text) = read(&self.folder.join("cpu.stat"), FILE) else { return };
        for (name, value) in pairs(&text) {
            let (metric, value) = match name {
                "usage_usec" => ("cgroup_cpu_usage_seconds_total", value as f64 / 1e6),
                "nr_periods" => ("cgroup_cpu_periods_total", value as f64),
                "nr_throttled" => ("cgroup_cpu_throttled_periods_total", value as f64),
                "throttled_usec" => ("cgroup_cpu_throttled_seconds_total", value as f64 / 1e6),
                // v1 counts nanoseconds.
                "throttled_time" => ("cgroup_cpu_throttled_seconds_total", value as f64 / 1e9),
                _ => continue,
            };
            self.push(all, metric, value);
        }
    }

    /// Bytes that the group may use at the most; a v1 group without a limit says almost 2^63.
    fn memory_limit(&self) -> Option<f64> {
        let text =
            ["memory.max", "memory.limit_in_bytes"].iter().find_map(|f| read(&self.folder.join(f), FILE))?;
        text.trim().parse().ok().filter(|bytes| *bytes < 2_f64.powi(60))
    }

    fn memory(&self, all: &mut Vec<HealthSample>) {
        let used =
            ["memory.current", "memory.usage_in_bytes"].iter().find_map(|f| read(&self.folder.join(f), FILE));
        if let Some(bytes) = used.and_then(|text| text.trim().parse().ok()) {
            self.push(all, "cgroup_memory_bytes", bytes);
        }
        if let Some(bytes) = self.memory_limit() {
            self.push(all, "cgroup_memory_limit_bytes", bytes);
        }
        let events = read(&self.folder.join("memory.events"), FILE).unwrap_or_default();
        for (event, count) in pairs(&events) {
            let metric = match event {
                "high" => "cgroup_memory_high_events_total",
                "max" => "cgroup_memory_max_events_total",
                "oom_kill" => "cgroup_memory_oom_kills_total",
                _ => continue,
            };
            self.push(all, metric, count as f64);
        }
    }

    fn pressure(&self, all: &mut Vec<HealthSample>) {
        for (file, metric) in [
            ("cpu.pressure", "cgroup_cpu_stalled_seconds_total"),
            ("memory.pressure", "cgroup_memory_stalled_seconds_total"),
            ("io.pressure", "cgroup_io_stalled_seconds_total"),
        ] {
            let text = read(&self.folder.join(file), FILE).unwrap_or_default();
            if let Some(some) = pressure(&text).find(|p| p.share == "some") {
                self.push(all, metric, some.micros as f64 / 1e6);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("written");
        }
        let folder = dir.path().to_owned();
        (dir, Group { name: "/shop".into(), folder })
    }

    fn values(group: &Group) -> Vec<(&'static str, f64)> {
        let mut all = Vec::new();
        let one = vec![group.clone()];
        Groups { cpu: one.clone(), memory: one }.sample(&mut all);
        assert!(all.iter().all(|s| s.labels == [("cgroup", "/shop".to_owned())]));
        all.iter().map(|s| (s.name, s.value)).collect()
    }

    #[test]
    fn throttling_limits_and_pressure_of_version_two() {
        let (_dir, group) = group(&[
            ("cpu.max", "50000 100000\n"),
            ("cpu.stat", "usage_usec 7000000\nnr_periods 120\nnr_throttled 90\nthrottled_usec 4500000\n"),
            ("memory.current", "1048576\n"),
            ("memory.max", "2097152\n"),
            ("memory.events", "low 0\nhigh 3\nmax 2\noom 1\noom_kill 1\n"),
            ("cpu.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=2500000\n"),
        ]);
        let expected = [
            ("cgroup_cpu_quota_cores", 0.5),
            ("cgroup_cpu_usage_seconds_total", 7.0),
            ("cgroup_cpu_periods_total", 120.0),
            ("cgroup_cpu_throttled_periods_total", 90.0),
            ("cgroup_cpu_throttled_seconds_total", 4.5),
            ("cgroup_memory_bytes", 1_048_576.0),
            ("cgroup_memory_limit_bytes", 2_097_152.0),
            ("cgroup_memory_high_events_total", 3.0),
            ("cgroup_memory_max_events_total", 2.0),
            ("cgroup_memory_oom_kills_total", 1.0),
            ("cgroup_cpu_stalled_seconds_total", 2.5),
        ];
        assert_eq!(values(&group), expected);
    }

    #[test]
    fn throttled_time_of_version_one_is_nanoseconds() {
        let (_dir, group) = group(&[
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 1500000000\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let all = values(&group);
        assert!(all.contains(&("cgroup_cpu_throttled_seconds_total", 1.5)), "{all:?}");
        assert!(all.iter().all(|(name, _)| !name.contains("quota") && !name.contains("limit")), "{all:?}");
    }
}
