//! The user's commands: run by `sh`, within a time limit, their output kept within bounds.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::scenario::mask_command;

/// Bytes of a command's output that are kept: the last ones, which tell how it ended.
const KEPT: usize = 4 << 10;
/// How often a command is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// What a command printed last is waited for; a process that it left behind may keep the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A command of the user's.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// `apply` or `revert`.
    pub name: &'static str,
    /// As it was typed.
    pub text: String,
    /// Time limit.
    pub limit: Duration,
}

/// How a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It ended well.
    Well,
    /// It was ended because the user stopped everything.
    Stopped,
    /// It failed: why, in words.
    Badly(String),
}

impl Command {
    /// As it may be written down.
    pub(super) fn shown(&self) -> String {
        mask_command(&self.text)
    }

    /// Runs it; also returns the end of what it printed, secrets masked. `stopped` is asked while it runs.
    pub(super) fn run(&self, target: &str, stopped: impl Fn() -> bool) -> (Ended, String) {
        let mut child = match self.start(target) {
            Ok(child) => child,
            Err(e) => return (Ended::Badly(format!("sh could not be started: {e}")), String::new()),
        };
        let printed = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            keep(child.stdout.take(), Arc::clone(&printed)),
            keep(child.stderr.take(), Arc::clone(&printed)),
        ];
        let ended = self.wait(&mut child, stopped);
        let patience = Instant::now();
        while readers.iter().any(|r| !r.is_finished()) && patience.elapsed() < LAST_WORDS {
            std::thread::sleep(LOOK);
        }
        let bytes = printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (ended, mask_command(&String::from_utf8_lossy(&bytes)))
    }

    fn start(&self, target: &str) -> std::io::Result<Child> {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(&self.text)
            .env("LOADPROF_TARGET", target.trim_end_matches('/'))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is meant for loadprof, which still needs the revert command to end in order.
            .process_group(0)
            .spawn()
    }

    fn wait(&self, child: &mut Child, stopped: impl Fn() -> bool) -> Ended {
        let begin = Instant::now();
        loop {
            let ended = match child.try_wait() {
                Ok(Some(status)) => return how(status),
                Ok(None) if stopped() => Ended::Stopped,
                Ok(None) if begin.elapsed() > self.limit => {
                    Ended::Badly(format!("it was still running after {:?}: raise --limit", self.limit))
                }
                Ok(None) => {
                    std::thread::sleep(LOOK);
                    continue;
                }
                Err(e) => Ended::Badly(e.to_string()),
            };
            // With everything that it started; it may have ended by itself meanwhile.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
            return ended;
        }
    }
}

fn how(status: ExitStatus) -> Ended {
    if status.success() { Ended::Well } else { Ended::Badly(status.to_string()) }
}

/// Reads a pipe to its end and keeps the last bytes; a full pipe would hold up the command.
fn keep(
    pipe: Option<impl Read + Send + 'static>,
    printed: Arc<Mutex<Vec<u8>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut buffer = [0; 1 << 12];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
            printed.extend_from_slice(&buffer[..n]);
            let surplus = printed.len().saturating_sub(KEPT);
            printed.drain(..surplus);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str, limit_ms: u64) -> Command {
        Command { name: "apply", text: text.to_owned(), limit: Duration::from_millis(limit_ms) }
    }

    #[test]
    fn commands_know_the_target_and_their_output_is_kept() {
        let (ended, said) = command("echo \"at $LOADPROF_TARGET\"; echo PASSWORD=abc >&2", 5_000)
            .run("http://127.0.0.1:1/", || false);
        assert_eq!(ended, Ended::Well);
        assert!(said.contains("at http://127.0.0.1:1\n") && said.contains("PASSWORD=***"), "{said}");
    }

    #[test]
    fn failures_limits_and_stops_are_told_apart() {
        let (ended, said) = command("echo no such switch; exit 3", 5_000).run("", || false);
        assert_eq!((ended, said.trim()), (Ended::Badly("exit status: 3".into()), "no such switch"));
        let begin = Instant::now();
        let (ended, _) = command("sleep 60 & wait", 100).run("", || false);
        assert!(matches!(ended, Ended::Badly(why) if why.contains("100ms") && why.contains("--limit")));
        assert_eq!(command("sleep 60", 60_000).run("", || true).0, Ended::Stopped);
        assert!(begin.elapsed() < Duration::from_secs(10), "nothing is waited for");
    }

    #[test]
    fn a_flood_is_cut_to_its_end_and_a_process_left_behind_is_not_waited_for() {
        let begin = Instant::now();
        let (ended, said) = command("sleep 5 & yes x | head -c 300000; echo done", 20_000).run("", || false);
        assert_eq!(ended, Ended::Well);
        assert!(said.len() <= KEPT && said.ends_with("done\n"), "{} bytes", said.len());
        assert!(begin.elapsed() < Duration::from_secs(4));
    }
}
