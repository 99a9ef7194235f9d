//! Ports of loopback that stay what a test takes them for while other tests run beside it.

#![allow(dead_code, unreachable_pub, reason = "each user needs a part of it")]

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Below the ports that the kernel gives to connections and to listeners that ask for any (32,768 and up).
const KEPT: std::ops::Range<u16> = 12_000..32_000;

/// A port for a server that is started later: no other test's listener or connection is given it meanwhile.
pub fn free_port() -> u16 {
    let mut any = (0..1000_u64).map(|n| RandomState::new().hash_one(n) % (KEPT.len() as u64));
    let port = any.find_map(|n| {
        let port = KEPT.start + u16::try_from(n).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    });
    port.expect("a port of thousands")
}

/// An address at which nobody listens, for as long as this process lives: bound, and connections to it are refused.
pub fn nobody() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("loopback");
    let address = socket.local_addr().ok().and_then(|a| a.as_socket()).expect("bound");
    std::mem::forget(socket);
    address
}
