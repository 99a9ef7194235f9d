//! Small real servers, a real Go service and a run folder for the tests of collectors.

mod go_service;
mod rig;
mod server;

use crate::formats::pprof::{Frame, ProfileBuilder};
use crate::scenario::{EvidenceKind, EvidenceSource, Location};
use url::Url;

pub(crate) use go_service::GoService;
pub(crate) use rig::Rig;
pub(crate) use server::{Reply, Server};

/// An evidence source of the service `shop` without authentication.
pub(crate) fn source(kind: EvidenceKind, url: Url) -> EvidenceSource {
    let location = Location::Url(url);
    EvidenceSource { service: "shop".into(), kind, location, headers: Vec::new(), ca: None }
}

/// A small CPU profile, encoded.
pub(crate) fn cpu_profile() -> Vec<u8> {
    let mut builder = ProfileBuilder::new(&[("samples", "count"), ("cpu", "nanoseconds")], 10_000_000);
    let frame = Frame { function: "work".into(), file: "work.rs".into(), line: 1 };
    builder.add([frame], &[3, 30_000_000]);
    builder.finish(0, 1_000_000_000).encode()
}

/// A URL on loopback at which nobody listens.
pub(crate) fn nobody() -> Url {
    let address = crate::ports::nobody();
    format!("http://{address}/debug/pprof").parse().expect("a URL")
}
