//! A server whose answers follow a known law and that keeps its own books: when it had read each request and
//! when it had written each answer, on the machine's monotonic clock. The generator is judged against these
//! books, so the noise of the machine is part of the truth and not of the error.

mod law;
mod machine;
mod run;
mod server;
mod truth;

pub use law::Law;
pub use run::{Measured, Setup, measure};
pub use truth::{Bounds, Difference, Figures, compare};
