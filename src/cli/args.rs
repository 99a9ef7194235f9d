//! Verbs and flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// A load test that says why.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Drive load, record both sides, write the report.
    Run(RunArgs),
    /// Make the report of a run folder again.
    Analyze(AnalyzeArgs),
    /// Ask the target and every evidence source what they give.
    Check(ScenarioArgs),
    /// Find the highest rate within the thresholds, and what limits it.
    Capacity(CapacityArgs),
    /// Repeat the load of a run with an intervention switched on and off: is the cause that it names the root cause?
    Confirm(ConfirmArgs),
    /// Print the JSON Schema of scenario files.
    Schema,
    /// Serve the demo shop alone.
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ScenarioArgs {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Set a key for this run, e.g. `--set load.rate=500/s`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// Folder of the run; must not exist or be empty [default: runs/<scenario>-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Earlier run to compare with.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<PathBuf>,
    /// Print nothing while the run lasts.
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct AnalyzeArgs {
    /// The run folder.
    pub run: PathBuf,
    /// Earlier run to compare with.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CapacityArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// Folder of the search; must not exist or be empty [default: runs/<scenario>-capacity-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// First rate to try, e.g. 100/s [default: the scenario's own rate, else 50/s].
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub from: Option<f64>,
    /// Highest rate to try.
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "100000/s")]
    pub to: f64,
    /// How long each rate is held.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub hold: Duration,
    /// Stop when the last rate that held and the first that failed are this close.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub precision: f64,
    /// Print nothing while the search lasts.
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfirmArgs {
    /// Folder of a run whose report names a cause.
    pub run: PathBuf,
    /// Command that takes the cause away; run by `sh -c` with the target's address in LOADPROF_TARGET.
    #[arg(long, value_name = "COMMAND")]
    pub apply: String,
    /// Command that puts the target back as it was found.
    #[arg(long, value_name = "COMMAND")]
    pub revert: String,
    /// Number of the cause in the report.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cause: usize,
    /// Pairs of windows: one without the intervention, one with it.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub windows: u64,
    /// Length of a window.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub hold: Duration,
    /// Pause after each switch before the next window begins.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    pub settle: Duration,
    /// Time limit of a command.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub limit: Duration,
    /// The scenario file, if the copy in the run folder is not enough (masked secrets, files that it names).
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Set a key of the scenario, after those that were set for the run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of the run with the windows; must not exist or be empty [default: runs/<scenario>-confirm-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The baseline of RUN, if it is no longer where RUN says.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<PathBuf>,
    /// Print nothing while it lasts.
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Setting to switch on: reprice or stock-audit.
    #[arg(long)]
    pub switch: Option<String>,
    /// When to switch it on, from the start.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub at: Duration,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::scenario::parse_duration(text)
}

fn rate(text: &str) -> Result<f64, String> {
    crate::scenario::parse_rate(text).map(|r| r.0)
}
