use crate::LogWeights;
use crate::accuracy::NORMAL_975;
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, Moments};

/// The log mean of one observation's weights, with what is needed to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowEstimate {
    /// log (1/K) Σ w_k in nats; −∞ when every weight is zero.
    pub log_mean_nats: f64,
    /// Its standard error by the delta method in nats; NaN for one draw or only zeros.
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
    /// The estimate from draws whose numbers in each stratum were fixed beforehand: the weights are
    /// pooled, and the standard error is that of the spread within strata, Var(w̄) = Σ_c (n_c/K)²
    /// Var_c(w)/n_c, by the delta method.
    ///
    /// NaN as standard error when a stratum that contributes has one draw only.
    ///
    /// # Source
    /// Owen & Zhou (2000), *Safe and effective importance sampling*, section 3.
    pub(crate) fn of_strata(strata: &[LogWeights]) -> Self {
        let mut pooled = LogWeights::default();
        strata.iter().for_each(|stratum| pooled.merge(stratum));
        let standard_error = match strata {
            [_] => pooled.standard_error(),
            _ => stratified_error(&pooled, strata),
        };
        Self {
            standard_error,
            ..Self::from(&pooled)
        }
    }

    /// The 95 % interval of the log mean in nats, under a normal approximation; NaN where there is
    /// no standard error.
    pub fn interval_95(&self) -> (f64, f64) {
        let half = NORMAL_975 * self.standard_error;
        (self.log_mean_nats - half, self.log_mean_nats + half)
    }
}

/// sqrt Σ_c (n_c w̄_c / K w̄)² · (relative variance of w̄_c).
fn stratified_error(pooled: &LogWeights, strata: &[LogWeights]) -> f64 {
    let total = pooled.log_sum();
    if total == f64::NEG_INFINITY {
        return f64::NAN;
    }
    let contributing = strata
        .iter()
        .filter(|stratum| stratum.log_sum() > f64::NEG_INFINITY);
    let variance = |stratum: &LogWeights| {
        ((stratum.log_sum() - total).exp() * stratum.standard_error()).powi(2)
    };
    contributing.map(variance).sum::<f64>().sqrt()
}

/// Running mean of log likelihoods, of which some may be −∞: the mean is then −∞ and not NaN.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogLikelihoodMoments {
    finite: Moments,
    impossible: usize,
}

impl LogLikelihoodMoments {
    pub(crate) fn push(&mut self, log_likelihood_nats: f64) {
        match log_likelihood_nats {
            f64::NEG_INFINITY => self.impossible += 1,
            finite => self.finite.push(finite),
        }
    }

    pub(crate) fn of(items: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        items.into_iter().for_each(|item| moments.push(item));
        moments
    }

    /// Mean and standard error; (−∞, NaN) as soon as one item is −∞.
    pub(crate) fn estimate(&self) -> Estimate {
        let count = self.finite.count() + self.impossible;
        match self.impossible {
            0 => Estimate {
                mean: self.finite.mean(),
                standard_error: self.finite.standard_error(),
                count,
            },
            _ => Estimate {
                mean: f64::NEG_INFINITY,
                standard_error: f64::NAN,
                count,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(values: &[f64]) -> LogWeights {
        let mut weights = LogWeights::default();
        values.iter().for_each(|w| weights.push(w.ln()));
        weights
    }

    #[test]
    fn one_stratum_is_a_plain_estimate() {
        let one = weights(&[1.0, 2.0, 6.0]);
        assert_eq!(RowEstimate::of_strata(&[one]), RowEstimate::from(&one));
    }

    #[test]
    fn strata_that_differ_only_in_their_means_have_no_error() {
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

    #[test]
    fn one_impossible_item_makes_the_mean_minus_infinity() {
        let estimate = LogLikelihoodMoments::of([-1.0, f64::NEG_INFINITY, -3.0]).estimate();
        assert_eq!((estimate.mean, estimate.count), (f64::NEG_INFINITY, 3));
        assert!(estimate.standard_error.is_nan());
        assert_eq!(
            LogLikelihoodMoments::of([-1.0, -3.0]).estimate(),
            Estimate::of([-1.0, -3.0])
        );
    }
}
