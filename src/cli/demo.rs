//! `loadprof demo`.

use super::args::DemoArgs;
use super::{Failure, output};
use crate::demo::{self, Options};
use crate::gate::Exit;

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let options = Options {
        listen: args.listen,
        switch: args.switch.clone(),
        at: args.at,
        exit_with_parent: args.exit_with_parent,
        ..Options::default()
    };
    demo::serve(&options, |address| output::say(&format!("listening http://{address}")))
        .map_err(Failure::usage)?;
    Ok(Exit::Pass)
}
