//! An HTTP/2 client codec of our own: strict, bounded, without allocation per request in the steady state.
//!
//! [`mux`] (what we send), [`receive`] and [`control`] (what the server sends) are one pure state machine over
//! bytes (RFC 9113, RFC 7541); [`link`] moves bytes between it and a stream and takes the times. A connection
//! is either one user's ([`conn`]) or shared by tasks of one thread ([`shared`]). [`request`] builds a header
//! block once and patches the trace id in place.
//!
//! The dynamic table is switched off on our side and not used on the server's, so blocks are independent of
//! each other, and values that nobody asks for are skipped without decoding them. Nothing here retries, follows
//! redirects or decompresses.

pub(crate) mod conn;
pub(crate) mod control;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod hpack;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod mux;
pub(crate) mod receive;
pub(crate) mod request;
pub(crate) mod shared;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
