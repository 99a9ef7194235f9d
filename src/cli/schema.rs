//! `loadprof schema`.

use super::{Failure, output};
use crate::gate::Exit;
use crate::scenario;

pub(super) fn schema() -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(&scenario::schema()).map_err(Failure::unexpected)?;
    output::say(&text);
    Ok(Exit::Pass)
}
