//! The target of a run: a service that runs already, or the demo shop as a process of its own.
//!
//! The demo target is a child process, so that its CPU profile shows the shop and not the generator.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use url::Url;

use super::RecordError;
use crate::scenario::{DemoTarget, Endpoint};

/// A target while a run lasts.
#[derive(Debug)]
pub(super) struct Target {
    /// Its address.
    pub url: Url,
    /// Setting to switch on, and when.
    pub switch: Option<(String, Duration)>,
    child: Option<Child>,
}

impl Target {
    /// Starts the demo target, or takes the address as it is.
    pub(super) fn open(endpoint: &Endpoint) -> Result<Self, RecordError> {
        match endpoint {
            Endpoint::Url(url) => Ok(Self { url: url.clone(), switch: None, child: None }),
            Endpoint::Demo(demo) => Self::start(demo).map_err(RecordError::Demo),
        }
    }

    fn start(demo: &DemoTarget) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut child = Command::new(program)
            .args(["demo", "--exit-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal is meant for the load, which still needs its target to end in order.
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("its output could not be read")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|e| e.to_string())?;
        let url = line.trim().strip_prefix("listening ").and_then(|u| Url::parse(u).ok());
        let Some(url) = url else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it did not say where it listens but {:?}", line.trim()));
        };
        let switch = demo.switch.clone().map(|name| (name, demo.at));
        Ok(Self { url, switch, child: Some(child) })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
