use crate::checks::{entry_of_row, expect_items};
use crate::{EvalError, RowEstimate};
use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// Below this effective sample size an estimate rests on too few draws for its standard error to
/// mean much.
pub const LOW_EFFECTIVE_SAMPLE_SIZE: f64 = 10.0;

/// The log marginal likelihood of each observation under one target, and their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetEstimate {
    /// The name of the target.
    pub name: String,
    /// K, draws (or chains of annealing) for each observation.
    pub draws: usize,
    /// One estimate for each observation, in their order.
    pub per_row: Vec<RowEstimate>,
    /// Mean over the observations in nats. Its standard error is that between observations, which
    /// already contains the noise of the draws, but not their bias: the log of a mean is too low by
    /// about half a row's squared standard error.
    pub mean: Estimate,
    /// Effective sample sizes over the observations.
    pub effective_sample_size: EffectiveSampleSize,
}

/// Effective sample sizes over observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EffectiveSampleSize {
    /// The lower median.
    pub median: f64,
    /// Share of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
    // The alias reads the metadata of models that were stored before the name changed.
    #[serde(alias = "low_ess_share")]
    pub low_share: f64,
}

impl TargetEstimate {
    /// Returns the estimate from at least one row, each of `draws` draws.
    pub(crate) fn new(name: &str, draws: usize, per_row: Vec<RowEstimate>) -> Self {
        let nats = per_row.iter().map(|row| row.log_mean_nats);
        Self {
            name: name.to_owned(),
            draws,
            mean: Estimate::of_log_densities(nats),
            effective_sample_size: EffectiveSampleSize::over(&per_row),
            per_row,
        }
    }

    /// Returns the estimate over the observations at `rows` only.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] without rows, [`EvalError::UnknownRow`] for a row that does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self, EvalError> {
        expect_items("observations of an estimate", 1, rows.len())?;
        let mut per_row = Vec::with_capacity(rows.len());
        for &row in rows {
            per_row.push(*entry_of_row("the estimate", &self.per_row, row)?);
        }
        Ok(Self::new(&self.name, self.draws, per_row))
    }
}

impl EffectiveSampleSize {
    /// Returns the sizes over at least one row.
    fn over(rows: &[RowEstimate]) -> Self {
        let sizes = sorted_sample_sizes(rows);
        Self {
            median: sizes[(sizes.len() - 1) / 2],
            low_share: low_share(&sizes),
        }
    }
}

/// Returns the effective sample sizes of the rows, the smallest first.
pub(crate) fn sorted_sample_sizes(rows: &[RowEstimate]) -> Vec<f64> {
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.effective_sample_size).collect();
    // A total order, so that a NaN from a deserialised estimate cannot panic.
    sizes.sort_unstable_by(f64::total_cmp);
    sizes
}

/// Returns the share of sorted sizes below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
pub(crate) fn low_share(sorted: &[f64]) -> f64 {
    let low = sorted.partition_point(|&size| size < LOW_EFFECTIVE_SAMPLE_SIZE);
    low as f64 / sorted.len() as f64
}

#[cfg(test)]
mod tests {
    use crate::tests::estimate;

    #[test]
    fn a_selection_is_the_estimate_of_its_rows() {
        let found = estimate(&[500.0, 3.0, 200.0]).select(&[2, 0]).unwrap();
        assert_eq!(
            (
                found.mean.mean,
                found.mean.count,
                found.effective_sample_size.median
            ),
            (-1.0, 2, 200.0)
        );
        assert!(estimate(&[1.0]).select(&[1]).is_err() && estimate(&[1.0]).select(&[]).is_err());
    }
}
