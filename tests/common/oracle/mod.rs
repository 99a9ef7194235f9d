//! A server whose answers follow a known law and that keeps its own books: when it had read each request and
//! when it had written each answer, on the machine's monotonic clock. The generator is judged against these
//! books, so the noise of the machine is part of the truth and not of the error.

mod books;
mod conn;
mod frames;
mod handle;
mod http1;
mod http2;
mod judge;
mod law;
mod machine;
mod run;
mod server;
mod setup;
mod truth;
mod wire;

pub use judge::{all_counted, both_clocks, closed_clocks, holds};
pub use law::Law;
pub use run::Measured;
pub use setup::{Load, Manner, Setup};
pub use truth::{Bounds, Difference, Figures, compare};
