//! `[[evidence.otlp]]`: the receiver of what services send themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;

use super::super::scalar::Checked;
use super::super::units::{Size, Time};
use super::super::{EvidenceKind, EvidenceSource, Location, wire};
use super::Check;

/// Ports that OpenTelemetry's exporters send to unless told otherwise.
const GRPC: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4317);
const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4318);
const BUDGET: u64 = 512 << 20;
const SMALLEST: u64 = 1 << 20;
const LINGER: Duration = Duration::from_secs(6);
/// Collectors that have not ended ten seconds after the load are given up.
const LONGEST: Duration = Duration::from_secs(8);
/// Stands for the services: what they send says which one each is.
const SERVICE: &str = "otlp";

impl Check<'_, '_> {
    pub(super) fn otlp(&mut self, wire: wire::Otlp) -> Option<EvidenceSource> {
        let neither = wire.grpc.is_none() && wire.http.is_none();
        let grpc = self.listening(wire.grpc).or(neither.then_some(GRPC));
        let http = self.listening(wire.http).or(neither.then_some(HTTP));
        let (budget, linger) = (self.budget(wire.budget), self.linger(wire.linger));
        // Both can only be missing if what was written is no address, which is told.
        let location = Url::parse(&format!("http://{}/", http.or(grpc)?)).ok()?;
        Some(EvidenceSource {
            service: SERVICE.into(),
            kind: EvidenceKind::Otlp { grpc, http, budget, linger },
            location: Location::Url(location),
            headers: Vec::new(),
            ca: None,
        })
    }

    fn listening(&mut self, address: Option<Checked<String>>) -> Option<SocketAddr> {
        let (text, span) = self.findings.take(address)?;
        let address = text.parse::<SocketAddr>().ok().filter(|a| a.port() > 0);
        if address.is_none() {
            self.findings.value(
                &span,
                "is no address with a port to listen on: write e.g. \"127.0.0.1:4317\", or \"0.0.0.0:4317\" to \
                 be reached from other machines",
            );
        }
        address
    }

    fn budget(&mut self, size: Option<Checked<Size>>) -> u64 {
        let Some((size, span)) = self.findings.take(size) else { return BUDGET };
        if size.0 < SMALLEST {
            self.findings.value(&span, "is less than 1MiB, which a few requests fill: write e.g. \"512MiB\"");
        }
        size.0
    }

    fn linger(&mut self, time: Option<Checked<Time>>) -> Duration {
        let Some((time, span)) = self.findings.take(time) else { return LINGER };
        if time.0 > LONGEST {
            self.findings.value(&span, "is longer than 8s: have the services export more often");
        }
        time.0
    }
}
