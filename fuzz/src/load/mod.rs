//! The codecs of the load engine, without what needs a scenario.

pub mod http1;
pub mod http2;
