//! What the tests of several modules need.

use crate::{RowEstimate, TargetEstimate};

/// An estimate of log p(x|y) by 1000 draws with these effective sample sizes; row `i` is −i.
pub(crate) fn estimate(effective: &[f64]) -> TargetEstimate {
    let row = |(i, &effective_sample_size): (usize, &f64)| RowEstimate {
        log_mean_nats: -(i as f64),
        standard_error: 0.2,
        effective_sample_size,
    };
    let rows = effective.iter().enumerate().map(row);
    TargetEstimate::new("log p(x|y)", 1000, rows.collect())
}
