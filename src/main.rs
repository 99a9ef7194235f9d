//! The `loadprof` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadprof::cli::main()
}
