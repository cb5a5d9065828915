use crate::LogWeights;
use crate::accuracy::NORMAL_975;
use serde::{Deserialize, Serialize};

/// The log mean of the weights of one observation, with its error and effective sample size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowEstimate {
    /// log (1/K) Σ w_k in nats; −∞ if every weight is zero.
    pub log_mean_nats: f64,
    /// Its standard error by the delta method in nats; NaN for one draw or if every weight is zero.
    pub standard_error: f64,
    /// (Σ w)² / Σ w², between 0 and K.
    pub effective_sample_size: f64,
}

impl From<&LogWeights> for RowEstimate {
    fn from(weights: &LogWeights) -> Self {
        Self {
            log_mean_nats: weights.log_mean(),
            standard_error: weights.standard_error(),
            effective_sample_size: weights.effective_sample_size(),
        }
    }
}

impl RowEstimate {
    /// Returns the estimate from draws in strata, with a number of draws per stratum that was fixed
    /// beforehand.
    ///
    /// The weights are pooled. The standard error is that of the spread within strata, Var(w̄) =
    /// Σ_c (n_c/K)² Var_c(w)/n_c, by the delta method; it is NaN if a stratum with a positive
    /// weight has a single draw.
    ///
    /// # Source
    /// Owen & Zhou (2000), *Safe and effective importance sampling*, section 3.
    pub(crate) fn of_strata(strata: &[LogWeights]) -> Self {
        let mut pooled = LogWeights::default();
        for stratum in strata {
            pooled.merge(stratum);
        }
        let standard_error = match strata {
            [_] => pooled.standard_error(),
            _ => stratified_error(&pooled, strata),
        };
        Self {
            standard_error,
            ..Self::from(&pooled)
        }
    }

    /// Returns the 95 % interval (low, high) of the log mean in nats, under a normal approximation;
    /// NaN if there is no standard error.
    pub fn interval_95(&self) -> (f64, f64) {
        let half = NORMAL_975 * self.standard_error;
        (self.log_mean_nats - half, self.log_mean_nats + half)
    }
}

/// Returns sqrt Σ_c (n_c w̄_c / K w̄)² · (relative variance of w̄_c).
fn stratified_error(pooled: &LogWeights, strata: &[LogWeights]) -> f64 {
    let total = pooled.log_sum();
    if total == f64::NEG_INFINITY {
        return f64::NAN;
    }
    let mut variance = 0.0;
    for stratum in strata {
        // A stratum without weight has no relative error, and adds none to the sum.
        if stratum.log_sum() > f64::NEG_INFINITY {
            let share = (stratum.log_sum() - total).exp();
            variance += (share * stratum.standard_error()).powi(2);
        }
    }
    variance.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(values: &[f64]) -> LogWeights {
        values.iter().map(|w| w.ln()).collect()
    }

    #[test]
    fn one_stratum_is_a_plain_estimate() {
        let one = weights(&[1.0, 2.0, 6.0]);
        assert_eq!(RowEstimate::of_strata(&[one]), RowEstimate::from(&one));
    }

    #[test]
    fn strata_without_spread_have_no_error() {
        let found = RowEstimate::of_strata(&[weights(&[2.0, 2.0, 2.0]), weights(&[0.0, 0.0, 0.0])]);
        assert!(
            found.log_mean_nats.abs() < 1e-12 && found.standard_error < 1e-9,
            "{found:?}"
        );
        assert!((found.effective_sample_size - 3.0).abs() < 1e-12);
        let (low, high) = found.interval_95();
        assert!((high - low).abs() < 1e-9);
    }

    #[test]
    fn errors_within_strata_add_up_by_hand() {
        // Means 2 and 5, variances of the means 2/2 and 8/2; the sum of weights is 4 + 10 of 4
        // draws.
        let found = RowEstimate::of_strata(&[weights(&[1.0, 3.0]), weights(&[3.0, 7.0])]);
        let by_hand = (0.25f64 * 1.0 + 0.25 * 4.0).sqrt() / 3.5;
        assert!((found.standard_error - by_hand).abs() < 1e-12, "{found:?}");
        assert!(
            RowEstimate::of_strata(&[weights(&[1.0]), weights(&[3.0, 7.0])])
                .standard_error
                .is_nan()
        );
    }
}
