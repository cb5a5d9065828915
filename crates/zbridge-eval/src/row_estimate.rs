use crate::LogWeights;
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
            0 => Estimate { mean: self.finite.mean(), standard_error: self.finite.standard_error(), count },
            _ => Estimate { mean: f64::NEG_INFINITY, standard_error: f64::NAN, count },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_impossible_item_makes_the_mean_minus_infinity() {
        let estimate = LogLikelihoodMoments::of([-1.0, f64::NEG_INFINITY, -3.0]).estimate();
        assert_eq!((estimate.mean, estimate.count), (f64::NEG_INFINITY, 3));
        assert!(estimate.standard_error.is_nan());
        assert_eq!(LogLikelihoodMoments::of([-1.0, -3.0]).estimate(), Estimate::of([-1.0, -3.0]));
    }
}
