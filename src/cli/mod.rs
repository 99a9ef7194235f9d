//! The command line: one thin file per verb. Only this module prints and chooses an exit code.

mod analyze;
mod args;
mod capacity;
mod check;
mod confirm;
mod demo;
mod interrupt;
pub mod live;
mod output;
mod run;
mod schema;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::gate::Exit;
use args::{Args, Verb};

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    // One provider for every TLS connection of the process; a second call would be refused, and is not made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    let outcome = match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Analyze(args) => analyze::analyze(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Capacity(args) => capacity::capacity(&args),
        Verb::Confirm(args) => confirm::confirm(&args),
        Verb::Schema => schema::schema(),
        Verb::Demo(args) => demo::demo(&args),
    };
    let exit = outcome.unwrap_or_else(|failure| {
        output::complain(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}

/// A failure with the exit code it leads to.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A bad scenario or usage: exit 2.
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// Anything else: exit 1.
    fn unexpected(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Unexpected, error: error.into() }
    }
}
