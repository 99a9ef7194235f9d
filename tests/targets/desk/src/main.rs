//! The help desk of a shop: a small service on an asynchronous runtime of two workers.
//!
//! Prints `listening http://127.0.0.1:PORT`.

mod desk;
mod metrics;
mod profile;
mod routes;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Threads that poll tasks.
const WORKERS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(serve(Options::read(std::env::args().skip(1))?))
}

/// What holds from start to end.
struct Options {
    listen: SocketAddr,
    /// Folder of the archive.
    archive: PathBuf,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { listen: ([127, 0, 0, 1], 0).into(), archive: std::env::temp_dir() };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--listen" => options.listen = value.parse().map_err(|e| format!("--listen {value}: {e}"))?,
                "--archive" => options.archive = value.into(),
                _ => return Err(format!("unexpected argument {flag}; known are: --listen, --archive")),
            }
        }
        Ok(options)
    }
}

async fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let desk = Arc::new(desk::Desk::open(&options.archive)?);
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("listening http://{}", listener.local_addr()?);
    axum::serve(listener, routes::all(desk)).with_graceful_shutdown(ended()).await?;
    Ok(())
}

async fn ended() {
    let mut term =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
    term.recv().await;
}
