//! CPU profiles of this process in pprof's format, by the `pprof` crate.

use std::io::Write;
use std::time::Duration;

use pprof::protos::Message;

/// Samples per second of CPU time.
const FREQUENCY: i32 = 100;
/// Code that must not be unwound from inside a signal handler.
const BLOCKLIST: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// Profiles the process for a while; gzipped protobuf.
pub async fn record(length: Duration) -> Result<Vec<u8>, String> {
    let guard = pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&BLOCKLIST).build();
    let guard = guard.map_err(|e| format!("Could not enable CPU profiling: {e}"))?;
    tokio::time::sleep(length).await;
    // Looks the names up, which takes CPU time.
    tokio::task::spawn_blocking(move || pack(&guard)).await.map_err(|e| e.to_string())?
}

fn pack(guard: &pprof::ProfilerGuard<'_>) -> Result<Vec<u8>, String> {
    let report = guard.report().build().map_err(|e| e.to_string())?;
    let profile = report.pprof().map_err(|e| e.to_string())?;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&profile.encode_to_vec()).and_then(|()| packed.finish()).map_err(|e| e.to_string())
}
