//! `loadprof analyze RUN`.

use super::args::AnalyzeArgs;
use super::{Failure, output};
use crate::gate::Exit;

pub(super) fn analyze(args: &AnalyzeArgs) -> Result<Exit, Failure> {
    output::report(&args.run, args.baseline.as_deref(), None)
}
