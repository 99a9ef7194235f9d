//! Notices that the parent process is gone.

use std::io::Read;

use tokio::sync::oneshot;

/// Done when `input` is closed. A parent that holds the other end of a pipe closes it however it ends, even
/// by `kill -9`; what it writes is ignored.
pub(super) fn when_closed(mut input: impl Read + Send + 'static) -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    // A thread of its own: a blocking read cannot be cancelled, and must not hold up a runtime's end.
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        loop {
            match input.read(&mut ignored) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody waits if the target ended first.
        let _ = closed.send(());
    });
    receiver
}
