//! Which processes of this machine a service is.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::{FDTarget, Process, all_processes};

use super::read;
use crate::formats::kernel::listeners;
use crate::scenario::TargetProcess;

/// Where control groups are.
pub(super) const CGROUPS: &str = "/sys/fs/cgroup";
/// Processes of one service at the most.
const MAX_PROCESSES: usize = 512;
/// Folders that are looked at for a unit's control group, at the most.
const MAX_FOLDERS: usize = 20_000;
/// Bytes of a socket table.
const TABLE: u64 = 64 << 20;

/// The processes, in order of their ids.
///
/// # Errors
/// What was looked for, and the remedy.
pub(super) fn find(which: &TargetProcess) -> Result<Vec<Process>, String> {
    let mut found = match which {
        TargetProcess::Pid(pid) => vec![of_pid(*pid)?],
        TargetProcess::Port(port) => of_port(*port)?,
        TargetProcess::Unit(unit) => of_unit(unit)?,
    };
    found.sort_by_key(Process::pid);
    found.truncate(MAX_PROCESSES);
    Ok(found)
}

fn of_pid(pid: u32) -> Result<Process, String> {
    let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
    process.ok_or_else(|| format!("there is no process {pid} on this machine: correct `pid`"))
}

fn of_port(port: u16) -> Result<Vec<Process>, String> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| read(Path::new(path), TABLE).unwrap_or_default());
    let sockets: Vec<u64> =
        tables.iter().flat_map(|text| listeners(text)).filter(|l| l.port == port).map(|l| l.inode).collect();
    if sockets.is_empty() {
        return Err(format!(
            "nothing listens on port {port} of this machine: correct `port`, or start the service"
        ));
    }
    let owners: Vec<Process> = processes().filter(|p| owns(p, &sockets)).collect();
    if owners.is_empty() {
        return Err(format!(
            "a process that this user may not look into listens on port {port}: run loadprof as the same user, or name \
             the process by `pid`"
        ));
    }
    Ok(owners)
}

fn processes() -> impl Iterator<Item = Process> {
    all_processes().into_iter().flatten().flatten()
}

fn owns(process: &Process, sockets: &[u64]) -> bool {
    let socket = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if sockets.contains(inode));
    process.fd().is_ok_and(|fds| fds.flatten().any(|fd| socket(&fd.target)))
}

fn of_unit(unit: &str) -> Result<Vec<Process>, String> {
    let inside = !unit.split('/').any(|part| part == "..");
    let direct = Path::new(CGROUPS).join(unit.trim_start_matches('/'));
    let folder = Some(direct).filter(|d| inside && d.is_dir()).or_else(|| folder_named(unit));
    let Some(folder) = folder else {
        return Err(format!("there is no unit or control group `{unit}` below {CGROUPS}: correct `unit`"));
    };
    let found: Vec<Process> = members(&folder).into_iter().filter_map(|pid| Process::new(pid).ok()).collect();
    if found.is_empty() { Err(format!("unit `{unit}` has no process: start it")) } else { Ok(found) }
}

/// The folder of a unit, wherever its slice is.
fn folder_named(unit: &str) -> Option<PathBuf> {
    walk(Path::new(CGROUPS)).find(|folder| folder.file_name().is_some_and(|name| name == unit))
}

/// Ids of the processes of a control group and those below it.
fn members(folder: &Path) -> Vec<i32> {
    let lists = walk(folder).filter_map(|folder| read(&folder.join("cgroup.procs"), 1 << 20));
    lists.flat_map(|text| text.lines().filter_map(|l| l.parse().ok()).collect::<Vec<_>>()).collect()
}

/// A folder and those below it, a bounded number of them.
fn walk(top: &Path) -> impl Iterator<Item = PathBuf> {
    let mut open = vec![top.to_owned()];
    let next = move || {
        let folder = open.pop()?;
        let below = fs::read_dir(&folder).into_iter().flatten().flatten();
        open.extend(below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        Some(folder)
    };
    std::iter::from_fn(next).take(MAX_FOLDERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> u32 {
        std::process::id()
    }

    #[test]
    fn a_process_is_found_by_its_id_and_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        for which in [TargetProcess::Pid(me()), TargetProcess::Port(port)] {
            let found = find(&which).expect("this process");
            assert!(found.iter().any(|p| p.pid() as u32 == me()), "{which:?}");
        }
        drop(listener);
        let gone = find(&TargetProcess::Port(port)).expect_err("closed");
        assert!(gone.contains("nothing listens on port"), "{gone}");
    }

    #[test]
    fn what_is_not_there_is_told_with_the_key_to_correct() {
        for (which, words) in [
            (TargetProcess::Pid(4_194_300), "correct `pid`"),
            (TargetProcess::Unit("no-such.service".into()), "correct `unit`"),
            (TargetProcess::Unit("../../etc".into()), "correct `unit`"),
        ] {
            let problem = find(&which).map(|_| ()).expect_err("nothing");
            assert!(problem.contains(words), "{problem}");
        }
    }
}
