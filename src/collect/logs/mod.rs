//! Log files of a service on the machine of the generator, followed while the load lasts.
//!
//! Lines go to `logs/<service>/<file>.jsonl` as `{"t":<moment of the look, ns>,"line":"..."}`, without the values of
//! secrets. A look every quarter of a second dates them well enough; a service that floods its log loses lines here,
//! which is told, and nothing else.

mod follow;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::mask::masked_text;
use super::session::Session;
use super::{Collector, Context};
use crate::run::layout;
use crate::run::writer::{RunError, RunWriter};
use crate::time::RunTime;
use follow::Follow;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes kept of all files of a service.
const BUDGET: u64 = 256 << 20;

/// Follows a service's log files.
#[derive(Debug)]
pub(super) struct LogFiles {
    /// Name of the service.
    pub(super) service: String,
    /// Paths.
    pub(super) files: Vec<PathBuf>,
}

impl Collector for LogFiles {
    fn name(&self) -> String {
        "logs".into()
    }

    fn service(&self) -> &str {
        &self.service
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.record(context))
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    t: RunTime,
    line: &'a str,
}

/// A file and where its lines go.
struct Log {
    follow: Follow,
    path: PathBuf,
    rel: String,
}

/// What a look at all files came to.
#[derive(Default)]
struct Looked {
    bytes: u64,
    problems: Vec<String>,
}

impl LogFiles {
    async fn record(self: Box<Self>, context: Context) {
        let out = context.out.clone();
        let mut session = Session::new(context.out, context.stop, self.service.clone(), self.name());
        let mut logs: Option<Vec<Log>> = Some(self.logs());
        let mut left = BUDGET;
        while let Some(open) = logs.take() {
            let last = session.over();
            // Reading and writing may wait for the disk: not on a thread that serves other collectors.
            let (out, now) = (out.clone(), session.now());
            let Ok((open, looked)) = tokio::task::spawn_blocking(move || look(open, &out, now, left)).await
            else {
                break;
            };
            looked.problems.iter().for_each(|p| session.fault(p));
            left = left.saturating_sub(looked.bytes);
            if left == 0 {
                session.fault(&format!("{BUDGET} bytes of log lines were kept: those that follow are not"));
                break;
            }
            if last {
                break;
            }
            logs = Some(open);
            session.sleep_until(Instant::now() + LOOK).await;
        }
        session.finish();
    }

    fn logs(&self) -> Vec<Log> {
        let log = |(n, path): (usize, &PathBuf)| {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let rel = layout::log(&self.service, n, &name);
            Log { follow: Follow::new(path.clone()), path: path.clone(), rel }
        };
        self.files.iter().enumerate().map(log).collect()
    }
}

fn look(mut logs: Vec<Log>, out: &RunWriter, now: RunTime, left: u64) -> (Vec<Log>, Looked) {
    let mut looked = Looked::default();
    for log in &mut logs {
        match log.follow.look() {
            Ok(found) => {
                if found.passed_over > 0 {
                    looked.problems.push(format!(
                        "{}: {} bytes were passed over, the service writes faster than they are read",
                        log.path.display(),
                        found.passed_over
                    ));
                }
                match keep(out, &log.rel, now, &found.lines, left.saturating_sub(looked.bytes)) {
                    Ok(bytes) => looked.bytes += bytes,
                    // A full disk ends all recording and is told by whoever ran the run.
                    Err(e) if out.stopped().is_none() => looked.problems.push(e.to_string()),
                    Err(_) => {}
                }
            }
            Err(e) => looked.problems.push(format!("{} cannot be read: {e}", log.path.display())),
        }
    }
    (logs, looked)
}

/// Appends lines while there is room for them; gives their bytes.
fn keep(out: &RunWriter, rel: &str, t: RunTime, lines: &[Vec<u8>], left: u64) -> Result<u64, RunError> {
    let mut text = String::new();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let line = masked_text(line.trim_end_matches('\r'));
        // Plain values always become JSON.
        let Ok(entry) = serde_json::to_string(&Entry { t, line: &line }) else { continue };
        if (text.len() + entry.len()) as u64 > left {
            // Spent: whoever asked sees it by the sum.
            out.append(rel, text.as_bytes())?;
            return Ok(left);
        }
        text += &entry;
        text.push('\n');
    }
    if !text.is_empty() {
        out.append(rel, text.as_bytes())?;
    }
    Ok(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::collect::testing::Rig;

    #[tokio::test]
    async fn lines_of_the_run_are_kept_without_secrets() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("shop.log");
        std::fs::write(&path, "before the run\n").expect("written");
        let mut rig = Rig::new();
        rig.start(Box::new(LogFiles { service: "shop".into(), files: vec![path.clone()] }));
        tokio::time::sleep(Duration::from_millis(400)).await;
        let mut file = std::fs::File::options().append(true).open(&path).expect("there");
        writeln!(file, "level=error msg=\"no stock\" token=abc").expect("written");
        tokio::time::sleep(Duration::from_millis(400)).await;
        writeln!(file, "the last line").expect("written");
        rig.stop().await;
        let text = String::from_utf8(rig.read("logs/shop/0-shop.log.jsonl")).expect("text");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["line"], "level=error msg=\"no stock\" token=***");
        assert_eq!(lines[1]["line"], "the last line");
        assert!(lines[0]["t"].as_u64() < lines[1]["t"].as_u64());
        assert_eq!(rig.faults(), [""; 0]);
    }
}
