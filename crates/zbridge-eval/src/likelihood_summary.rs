use crate::accuracy::NORMAL_975;
use crate::target_estimate::{low_share, sorted_sample_sizes};
use crate::{EstimateWarning, RowEstimate, TargetEstimate};
use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// What a table or a JSON file contains of a mean log likelihood that is estimated from weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodSummary {
    /// The name of the target.
    pub name: String,
    /// K, draws (or chains) for each observation.
    pub draws: usize,
    /// Mean over observations in nats. Its standard error is that between observations, which
    /// contains the noise of the draws; with one observation it is that of its draws.
    pub log_likelihood_nats: Estimate,
    /// 95 % interval (low, high) of the mean under a normal approximation, in nats.
    pub interval_95_nats: (f64, f64),
    /// The part of the standard error that more draws would remove: sqrt(Σ se_i²)/n, in nats.
    pub monte_carlo_error_nats: f64,
    /// The approximate bias of the mean, because the logarithm of a mean is too low: −½ mean se_i²,
    /// in nats, never positive. It holds while the errors of rows are well below 1 nat. It is *not*
    /// subtracted from the mean.
    pub monte_carlo_bias_nats: f64,
    /// Effective sample sizes over the observations.
    pub effective_sample_size: EffectiveSampleSizeRange,
    /// A reason not to trust the numbers above, if there is one.
    pub warning: Option<EstimateWarning>,
}

/// The distribution of effective sample sizes over observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EffectiveSampleSizeRange {
    /// The smallest.
    pub least: f64,
    /// A quarter of the observations have at most this.
    pub lower_quartile: f64,
    /// The lower median.
    pub median: f64,
    /// Share of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`](crate::LOW_EFFECTIVE_SAMPLE_SIZE).
    pub low_share: f64,
}

impl TargetEstimate {
    /// Returns the number of draws, mean, interval, effective sample sizes and warning.
    pub fn summary(&self) -> LikelihoodSummary {
        let count = self.per_row.len() as f64;
        let squared_errors = self.sum_of_squared_errors();
        let monte_carlo_error_nats = squared_errors.sqrt() / count;
        let mut mean = self.mean;
        if self.per_row.len() == 1 {
            // A single observation has no spread between observations.
            mean.standard_error = monte_carlo_error_nats;
        }
        let half = NORMAL_975 * mean.standard_error;
        LikelihoodSummary {
            name: self.name.clone(),
            draws: self.draws,
            log_likelihood_nats: mean,
            interval_95_nats: (mean.mean - half, mean.mean + half),
            monte_carlo_error_nats,
            monte_carlo_bias_nats: -0.5 * squared_errors / count,
            effective_sample_size: EffectiveSampleSizeRange::over(&self.per_row),
            warning: self.warning(),
        }
    }

    fn sum_of_squared_errors(&self) -> f64 {
        let errors = self.per_row.iter().map(|row| row.standard_error);
        errors.map(|error| error.powi(2)).sum()
    }
}

impl EffectiveSampleSizeRange {
    /// Returns the range over at least one row.
    fn over(rows: &[RowEstimate]) -> Self {
        let sizes = sorted_sample_sizes(rows);
        let quartile = |number: usize| sizes[(sizes.len() - 1) * number / 4];
        Self {
            least: quartile(0),
            lower_quartile: quartile(1),
            median: quartile(2),
            low_share: low_share(&sizes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::estimate;

    #[test]
    fn a_summary_has_what_a_table_needs() {
        let summary = estimate(&[500.0, 100.0, 200.0, 400.0, 300.0]).summary();
        assert_eq!(
            (
                summary.draws,
                summary.log_likelihood_nats.mean,
                summary.warning
            ),
            (1000, -2.0, None)
        );
        assert!((summary.monte_carlo_error_nats - 0.2 / 5f64.sqrt()).abs() < 1e-12);
        assert!((summary.monte_carlo_bias_nats + 0.02).abs() < 1e-12);
        let (low, high) = summary.interval_95_nats;
        assert!((high - low - 2.0 * 1.96 * 0.5f64.sqrt()).abs() < 1e-3);
        let sizes = summary.effective_sample_size;
        assert_eq!(
            (
                sizes.least,
                sizes.lower_quartile,
                sizes.median,
                sizes.low_share
            ),
            (100.0, 200.0, 300.0, 0.0)
        );
    }

    #[test]
    fn one_observation_has_the_error_of_its_draws() {
        let summary = estimate(&[500.0]).summary();
        assert_eq!(summary.log_likelihood_nats.standard_error, 0.2);
        assert!(summary.interval_95_nats.1 > 0.39);
    }
}
