//! A receiver of OTLP: services send their spans, log records and metrics to the generator's machine, over
//! gRPC or HTTP, while the load goes on.
//!
//! What comes in is checked, freed of secrets and appended to `otlp/<signal>.jsonl`, one request a line. One
//! request is decoded at a time and one thread writes; when they are behind, senders are told to come again.
//! Files stop growing at their budget. `otlp/receiver.json` counts what became of everything.

mod counters;
mod grpc;
mod http;
mod intake;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Collector, Context};
use crate::formats::otlp::Signal;
use crate::run::event::EventKind;
use crate::run::layout;
use crate::run::writer::RunWriter;
use counters::{Counters, add};
use intake::{Intake, Job};

/// Time that a request may take to arrive; over HTTP as long again until it is decoded.
const TIME: Duration = Duration::from_secs(10);
/// When a sender that was turned away may come again.
const RETRY_SECONDS: u32 = 1;
/// Time between two writings of the counts.
const COUNTS_APART: Duration = Duration::from_secs(5);
/// Nothing for so long: no exporter sends here.
const SILENCE: Duration = Duration::from_secs(15);
/// Time for open requests to end when the receiver stops.
const CLOSING: Duration = Duration::from_millis(500);
/// Bytes that are appended at a time: the writer is shared with the load's own record.
const CHUNK: usize = 1 << 20;
/// Name of the collector in events; also stands for the services, whose own names are in what they send.
const NAME: &str = "otlp";

/// Receives OTLP.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// Where gRPC is listened for.
    pub(super) grpc: Option<SocketAddr>,
    /// Where HTTP is listened for.
    pub(super) http: Option<SocketAddr>,
    /// Most bytes of each of the three files.
    pub(super) budget: u64,
    /// Time that is listened on after the load: exporters hold spans back for some seconds.
    pub(super) linger: Duration,
}

impl Collector for Receiver {
    fn name(&self) -> String {
        NAME.into()
    }

    fn service(&self) -> &str {
        NAME
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let listeners = self.listen(&context.out).await;
            self.record(listeners, context).await;
        })
    }
}

/// Open sockets.
struct Listeners {
    grpc: Option<TcpListener>,
    http: Option<TcpListener>,
}

impl Receiver {
    async fn listen(&self, out: &RunWriter) -> Listeners {
        Listeners {
            grpc: bind(self.grpc, "gRPC", "grpc", out).await,
            http: bind(self.http, "HTTP", "http", out).await,
        }
    }

    async fn record(&self, listeners: Listeners, context: Context) {
        let Context { out, stop, .. } = context;
        let counters = Arc::new(Counters::default());
        let teller = out.clone();
        let (intake, jobs) = Intake::new(self.budget, Arc::clone(&counters), move |words| {
            fault(&teller, words);
        });
        let intake = Arc::new(intake);
        let (closing, closed) = watch::channel(false);
        let mut servers = JoinSet::new();
        if let Some(listener) = listeners.grpc {
            servers.spawn(grpc::serve(listener, Arc::clone(&intake), closed.clone()));
        }
        if let Some(listener) = listeners.http {
            servers.spawn(http::serve(listener, Arc::clone(&intake), closed));
        }
        if servers.is_empty() {
            // Told by `bind`.
            return;
        }
        let (writes, counts) = (out.clone(), Arc::clone(&counters));
        let writer = tokio::task::spawn_blocking(move || write(jobs, &writes, &counts));
        self.wait(stop, &out, &counters).await;
        // Both servers have ended if nobody hears this.
        let _ = closing.send(true);
        let open = async { while servers.join_next().await.is_some() {} };
        // Requests still open after that are cut off; their senders see it.
        let _ = tokio::time::timeout(CLOSING, open).await;
        servers.abort_all();
        intake.close();
        let _ = writer.await;
        keep_counts(&out, &counters).await;
        tell_losses(&out, &counters);
    }

    /// Until the load has ended and late spans have come, or the disk is full.
    async fn wait(&self, stop: watch::Receiver<bool>, out: &RunWriter, counters: &Arc<Counters>) {
        let began = Instant::now();
        let mut end = std::pin::pin!(async {
            ended(stop).await;
            // Who was silent for so long will not begin now.
            if counters.any() || began.elapsed() < SILENCE {
                tokio::time::sleep(self.linger).await;
            }
        });
        loop {
            tokio::select! {
                () = &mut end => return,
                () = tokio::time::sleep(COUNTS_APART) => keep_counts(out, counters).await,
            }
            if out.stopped().is_some() {
                return;
            }
        }
    }
}

/// Resolves when the flag turns true; a sender that is gone counts, as nobody could say it any more.
async fn ended(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn bind(at: Option<SocketAddr>, what: &str, key: &str, out: &RunWriter) -> Option<TcpListener> {
    let at = at?;
    match TcpListener::bind(at).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            fault(
                out,
                format!(
                    "{at} cannot be listened on for {what} ({error}): stop what listens there, perhaps a \
                     collector, or write another address into `{key}` of [[evidence.otlp]] and into \
                     OTEL_EXPORTER_OTLP_ENDPOINT of the services"
                ),
            );
            None
        }
    }
}

/// Writes lines until the queue ends. A thread of its own: the disk may be slow.
fn write(mut jobs: mpsc::Receiver<Job>, out: &RunWriter, counters: &Counters) {
    while let Some(job) = jobs.blocking_recv() {
        let file = layout::otlp(job.signal.name());
        let counts = counters.of(job.signal);
        let written = job.line.chunks(CHUNK).try_for_each(|chunk| out.append(&file, chunk));
        match written {
            Ok(()) => {
                add(&counts.written, job.items);
                add(&counts.bytes, job.line.len() as u64);
            }
            Err(_) => add(&counts.lost, job.items),
        }
    }
}

async fn keep_counts(out: &RunWriter, counters: &Arc<Counters>) {
    let (out, counters) = (out.clone(), Arc::clone(counters));
    let kept = tokio::task::spawn_blocking(move || {
        let text = serde_json::to_vec_pretty(&counters.tally()).expect("string keys");
        // A full disk is told by the writer of the run.
        let _ = out.put(layout::OTLP_COUNTS, &text);
    });
    let _ = kept.await;
}

fn tell_losses(out: &RunWriter, counters: &Counters) {
    if !counters.any() {
        fault(
            out,
            "nothing was received: point the services at the receiver, e.g. with \
             OTEL_EXPORTER_OTLP_ENDPOINT, and have them record the sampled requests"
                .into(),
        );
    }
    for signal in Signal::ALL {
        if let Some(words) = counters.of(signal).tally().losses(signal) {
            fault(out, words);
        }
    }
}

fn fault(out: &RunWriter, problem: String) {
    out.event(EventKind::CollectorFault { service: NAME.into(), collector: NAME.into(), problem });
}
