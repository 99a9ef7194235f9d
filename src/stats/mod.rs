//! Statistics on plain slices: no clocks, no files, no types of the rest of the crate.
//!
//! Everything here is a pure function. What draws at random takes a seed and uses one generator whose stream
//! never changes between releases ([`rand_pcg::Pcg64`]), so equal data and equal seeds give equal bytes.
//! Distributions and rank tests come from `statrs`; what it lacks (moving averages as pandas defines them,
//! Theil-Sen, the moving-block bootstrap, Holm) is written here and held against pandas, numpy and scipy.

mod interval;
mod moving;
mod resample;
mod robust;
mod trend;

pub use interval::{
    Interval, holm, mann_whitney, mean_interval, normal_cdf, normal_quantile, poisson_interval,
    student_factor, two_sided_p,
};
pub use moving::{Ewma, ewma, rolling_std};
pub use resample::{Blocks, block_length, bootstrap, effective_size, gumbel_quantile, rng};
pub use robust::{MAD_TO_SIGMA, mad, mean, median, quantile, std_dev};
pub use trend::{Slope, autocorrelation, kendall_tau, theil_sen};
