//! The embedded demo target: a small real shop over HTTP on loopback, with metrics, profiles, and settings
//! that make it slow while it runs.
//!
//! | path | answer |
//! |---|---|
//! | `GET /products?page=N` | a page of the catalogue, with prices and availability |
//! | `GET /products/{id}` | one product |
//! | `POST /cart` | reserves `{"product": id, "quantity": n}` in the stock |
//! | `GET /healthz` | `ok` |
//! | `GET /metrics` | Prometheus text |
//! | `GET /debug/pprof/profile?seconds=N` | CPU profile, 1 to 60 whole seconds |
//! | `GET /debug/pprof/mutex` | contention profile since the start: holders of locks and the waiting they caused |
//! | `POST /admin/set?key=value` | `reprice=on`, `stock-audit=on` or `=off`; with `after=SECONDS` later |
//!
//! Settings: `reprice` works the prices of every page out anew (about 2 ms of CPU); `stock-audit` walks the
//! whole stock inside each reservation, under the one lock of the stock (about 4.5 ms), so that every other
//! request waits for it.
//!
//! Handlers that compute or take the stock's lock run inside `block_in_place`: a worker that blocks would
//! hold up the other connections it serves, so tokio moves those to another thread first. It keeps the
//! handler on the stack, unlike `spawn_blocking`, so profiles show the whole path of a request; the price is
//! that the runtime must be the multi-thread one.

mod catalogue;
mod contention;
mod cpu_profile;
mod lock;
mod metrics;
mod parent;
mod pricing;
mod routes;
mod settings;
mod stock;
mod symbols;
mod work;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use settings::{SWITCHES, Switch};

/// Why the demo target cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The admin call has no authentication.
    #[error("the demo target listens on loopback only, not on {0}: choose e.g. 127.0.0.1:0")]
    NotLoopback(SocketAddr),
    /// Unknown setting.
    #[error("the demo target has no setting `{0}`: known are reprice and stock-audit")]
    UnknownSwitch(String),
    /// The address is taken or not allowed.
    #[error("the demo target cannot listen on {0}: {1}; choose another address, port 0 for any free port")]
    Listen(SocketAddr, std::io::Error),
    /// No threads.
    #[error("the demo target cannot start its threads: {0}")]
    Runtime(std::io::Error),
    /// Serving ended.
    #[error("the demo target stopped serving: {0}")]
    Serve(String),
}

/// How the demo target runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Loopback address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Setting that is switched on by itself; the admin call can switch any at any time.
    pub switch: Option<String>,
    /// When it is switched on, counted from the moment the target listens. A caller whose load starts
    /// later uses `POST /admin/set?reprice=on&after=SECONDS` instead.
    pub at: Duration,
    /// Worker threads.
    pub workers: usize,
    /// Whether to end when stdin is closed: a parent that is killed leaves no orphan.
    pub exit_with_parent: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            switch: None,
            at: Duration::ZERO,
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            exit_with_parent: false,
        }
    }
}

/// A demo target that serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ended: Option<oneshot::Receiver<Result<(), String>>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a demo target; it answers when this returns.
    ///
    /// # Errors
    /// [`DemoError`] says why it cannot serve.
    pub fn start(options: &Options) -> Result<Self, DemoError> {
        if !options.listen.ip().is_loopback() {
            return Err(DemoError::NotLoopback(options.listen));
        }
        let switch = options.switch.as_deref().map(Switch::named).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.workers.max(1))
            .thread_name("shop")
            .enable_all()
            .build()
            .map_err(DemoError::Runtime)?;
        let listener = runtime
            .block_on(TcpListener::bind(options.listen))
            .map_err(|e| DemoError::Listen(options.listen, e))?;
        let address = listener.local_addr().map_err(|e| DemoError::Listen(options.listen, e))?;
        symbols::warm_up();
        let shop = Arc::new(routes::Shop::new());
        let (end, ended) = oneshot::channel();
        runtime.spawn({
            let app = routes::router(Arc::clone(&shop));
            async move {
                let served = axum::serve(listener, app).await.map_err(|e| e.to_string());
                // Nobody listens any more once the server is dropped.
                let _ = end.send(served);
            }
        });
        if let Some(switch) = switch {
            runtime.spawn(settings::later(shop, switch, true, options.at));
        }
        Ok(Self { address, ended: Some(ended), runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it fails or `stop` is done.
    fn wait(mut self, stop: oneshot::Receiver<()>) -> Result<(), DemoError> {
        let (Some(ended), Some(runtime)) = (self.ended.take(), self.runtime.as_ref()) else { return Ok(()) };
        let stopped = async {
            // A sender that is gone without a word asks for nothing.
            if stop.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        runtime.block_on(async {
            tokio::select! {
                served = ended => served.unwrap_or(Ok(())).map_err(DemoError::Serve),
                () = stopped => Ok(()),
            }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Requests under way are cut off: a target that ends is what a test may need.
            runtime.shutdown_background();
        }
    }
}

/// Runs a demo target until it fails or, if asked for, stdin is closed. `ready` is told the address as soon
/// as it answers.
///
/// # Errors
/// [`DemoError`] says why it cannot serve.
pub fn serve(options: &Options, ready: impl FnOnce(SocketAddr)) -> Result<(), DemoError> {
    let server = Server::start(options)?;
    let stop =
        if options.exit_with_parent { parent::when_closed(std::io::stdin()) } else { oneshot::channel().1 };
    ready(server.address());
    server.wait(stop)
}
