//! Evidence sources, one file each behind one trait. A collector writes raw bytes as they come; it never
//! parses more than it must, never stops the load, and is bounded in time, size and rate.

mod cpu_windows;
mod expvar;
mod fetch_error;
mod go_pprof;
pub mod health;
pub mod http;
mod journal;
mod lengths;
mod logs;
pub mod mask;
mod otlp;
mod pace;
pub mod postgres;
mod pprof;
pub mod preflight;
mod process;
mod prometheus;
mod promql;
mod recorder;
pub mod redis;
mod session;
mod snapshots;
mod sockets;
mod sources;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
pub mod unread;

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{broadcast, watch};

pub use sources::{CollectError, collectors_for, resolve};

use crate::run::in_flight::InFlight;
use crate::run::writer::RunWriter;

/// What a collector works with.
#[derive(Debug)]
pub struct Context {
    /// The run folder, with its clock.
    pub out: RunWriter,
    /// Turns true when the load has ended: finish what is open, write it, return.
    pub stop: watch::Receiver<bool>,
    /// Captures asked for by the live detector.
    pub triggers: broadcast::Receiver<Trigger>,
    /// How many requests are in flight.
    pub in_flight: InFlight,
}

/// Why a capture is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Early in the run, to compare with.
    Healthy,
    /// While an anomaly lasts.
    Anomaly,
}

/// One evidence source while it is recorded.
pub trait Collector: Send {
    /// Name for events and the live view, e.g. `go-pprof/goroutine`.
    fn name(&self) -> String;

    /// Service it speaks of.
    fn service(&self) -> &str;

    /// Whether it asks how many requests are in flight.
    fn looks_in_flight(&self) -> bool {
        false
    }

    /// Records until `stop` turns true. Failures become events; they are never returned.
    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
