//! Why a load cannot start.

use std::io;

use super::connect::ConnectError;
use super::script::ScriptError;

/// Why a load cannot start; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target cannot be reached by any request.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Journeys, data or checks of the scenario cannot be prepared.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// A setup request failed; no load was sent.
    #[error("setup request `{name}` failed: {problem}; no load was sent")]
    Setup {
        /// Name of the request.
        name: String,
        /// Why.
        problem: String,
    },
    /// Stopped while the setup requests were under way.
    #[error("interrupted during setup; no load was sent")]
    Interrupted,
    /// Each user has a record of its own, and there are fewer records than users.
    #[error(
        "feeder `{feeder}` has {records} records for {users} users, and each is to have its own (order = \"unique\"): \
         add records, ask for fewer users, or let users share them (at-end = \"repeat\")"
    )]
    FewRecords {
        /// Name of the feeder.
        feeder: String,
        /// Records in its file.
        records: u64,
        /// Users at work at the same time, at the most.
        users: u64,
    },
    /// No request has a weight above 0.
    #[error("no request has a weight above 0: there is nothing to send")]
    NoRequest,
    /// The schedule holds no arrival, or no user ever starts.
    #[error("the load's stages hold no arrival and no user: raise a rate, a number of users or a length")]
    NoArrival,
    /// The run id is not 16 hex digits, or all zeros.
    #[error("run id `{0}`: must be 16 hex digits, not all zeros")]
    RunId(String),
    /// File descriptors do not allow for a load.
    #[error("the limit of open files is {limit}; at least {needed} are needed: raise it (`ulimit -n`)")]
    Descriptors {
        /// Descriptors that the process may have.
        limit: u64,
        /// What the smallest load needs.
        needed: u64,
    },
    /// Every user has a connection (and `constant-connections` means what it says); descriptors do not allow for so many.
    #[error(
        "{users} users or connections at the same time; the limit of open files allows {connections}: raise it (`ulimit -n`)"
    )]
    TooManyUsers {
        /// Users at work, or connections in use, at the same time.
        users: usize,
        /// Connections that may be open.
        connections: usize,
    },
    /// A load thread could not be set up.
    #[error("a load thread cannot start: {0}")]
    Thread(#[source] io::Error),
    /// goose refused its configuration.
    #[error("virtual users cannot start: {0}")]
    Users(String),
}
