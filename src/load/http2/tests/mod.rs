//! The codec against vectors, malformed bytes, a real server in the process, and nginx.

#[expect(unreachable_pub, reason = "public in the fuzz crate")]
mod check;
mod framing;
mod hpack;
mod nginx;
mod pieces;
mod requests;
mod rig;
mod server;
