//! What a Redis server says of itself: commands and their time, latencies, slow commands, clients, memory.
//!
//! The types of the JSON lines under `redis/<service>/` in a run folder, and what can be read from them. Values
//! and arguments are never kept: only the name of a command and the pattern of its first key.

pub mod deltas;
pub mod lines;
pub mod mask;
