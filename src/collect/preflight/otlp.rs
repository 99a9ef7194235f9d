//! Whether the receiver of OTLP will find its ports free.

use std::net::{SocketAddr, TcpListener};

use super::SourceCheck;
use crate::formats::otlp::Signal;

/// Listens on both addresses for a moment.
pub(super) fn check(grpc: Option<SocketAddr>, http: Option<SocketAddr>, check: &mut SourceCheck) {
    let mut taken = Vec::new();
    for (address, what) in [(grpc, "gRPC"), (http, "HTTP")] {
        let Some(address) = address else { continue };
        match TcpListener::bind(address) {
            Ok(_) => check.notes.push(listens(address, what)),
            Err(error) => taken.push(format!(
                "{address} cannot be listened on for {what} ({error}): stop what listens there, perhaps a \
                 collector, or write another address"
            )),
        }
    }
    check.facts.reachable = taken.is_empty();
    if taken.is_empty() {
        check.facts.gives = Signal::ALL.iter().map(|s| s.name().to_owned()).collect();
    } else {
        check.facts.problem = Some(taken.join("; "));
    }
}

fn listens(address: SocketAddr, what: &str) -> String {
    let reach = if address.ip().is_loopback() {
        "reached from this machine only"
    } else {
        "open: whoever reaches this address may send to it"
    };
    format!("will listen on {address} for {what}, {reach}; what services send is seen once the load goes on")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::manifest::SourceFacts;

    #[test]
    fn a_taken_port_is_told_before_the_load() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
        let mut found = SourceCheck {
            service: "otlp".into(),
            kind: "otlp",
            url: String::new(),
            facts: SourceFacts::default(),
            notes: Vec::new(),
        };
        check(taken.local_addr().ok(), None, &mut found);
        let problem = found.facts.problem.clone().expect("a problem");
        assert!(problem.contains("for gRPC") && problem.contains("another address"), "{problem}");
        let address = taken.local_addr().ok();
        drop(taken);
        check(None, address, &mut found);
        assert!(found.facts.reachable && found.facts.gives == ["traces", "logs", "metrics"]);
    }
}
