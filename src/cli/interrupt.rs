//! Ctrl-C: once stops the load and still writes the report, twice ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::gate::Exit;

/// Installs the handler; the flag turns true at the first interrupt.
///
/// It must be the process's first handler: goose would install its own, which ends the process while the
/// record is still open.
pub(super) fn flag() -> Arc<AtomicBool> {
    flag_and(|| {})
}

/// The same; `first` is called at the first interrupt, on a thread of its own.
pub(super) fn flag_and(first: impl Fn() + Send + 'static) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let handler = move || {
        if seen.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        first();
    };
    // A second handler in one process is refused; the first one goes on working.
    let _ = ctrlc::set_handler(handler);
    flag
}
