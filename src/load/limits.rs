//! How many connections the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::LoadError;

/// Descriptors left to everything else: run folder, collectors, terminal.
const RESERVE: u64 = 128;
/// Descriptors of a load thread besides its connections: epoll, waker, timer.
const PER_THREAD: u64 = 4;

/// Raises the soft limit of descriptors to the hard one and cuts `wanted` to what then fits.
pub(crate) fn connections(wanted: usize, threads: usize) -> Result<usize, LoadError> {
    let limit = raise();
    let needed = RESERVE + (threads as u64) * (PER_THREAD + 1);
    if limit < needed {
        return Err(LoadError::Descriptors { limit, needed });
    }
    let room = limit - RESERVE - threads as u64 * PER_THREAD;
    Ok(wanted.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

/// The limit now in force; `u64::MAX` if there is none.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return maximum.unwrap_or(u64::MAX);
    }
    current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_descriptors() {
        let limit = raise();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), limit);
        assert_eq!(connections(10, 2).expect("a small load fits"), 10);
        let most = connections(usize::MAX, 2).expect("cut to what fits") as u64;
        assert!(most <= limit - RESERVE);
    }
}
