/// A stream of importance weights, given by their logarithms and summed without overflow.
///
/// Keeps m = max log w, Σ e^{log w − m} and Σ e^{2(log w − m)}: constant memory in the number of
/// weights. A weight of zero (log weight −∞) counts like any other. NaN and +∞ are no weights: the
/// results are then NaN, and [`importance_sampled`](crate::importance_sampled) refuses them before
/// they come here.
///
/// ```
/// let mut weights = zbridge_eval::LogWeights::default();
/// [1000.0, 1000.0 + 3f64.ln()].into_iter().for_each(|w| weights.push(w));
/// assert!((weights.log_mean() - (1000.0 + 2f64.ln())).abs() < 1e-12);
/// assert!((weights.effective_sample_size() - 16.0 / 10.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogWeights {
    count: usize,
    greatest: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl Default for LogWeights {
    fn default() -> Self {
        Self {
            count: 0,
            greatest: f64::NEG_INFINITY,
            sum: 0.0,
            sum_of_squares: 0.0,
        }
    }
}

impl LogWeights {
    /// Takes one more weight in, by its logarithm in nats.
    pub fn push(&mut self, log_weight: f64) {
        self.merge(&Self {
            count: 1,
            greatest: log_weight,
            sum: 1.0,
            sum_of_squares: 1.0,
        });
    }

    /// Takes all weights of another stream in.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        if other.greatest == f64::NEG_INFINITY {
            return;
        }
        let greatest = if other.greatest > self.greatest {
            other.greatest
        } else {
            self.greatest
        };
        let (own, their) = (
            (self.greatest - greatest).exp(),
            (other.greatest - greatest).exp(),
        );
        self.sum = self.sum * own + other.sum * their;
        self.sum_of_squares =
            self.sum_of_squares * own * own + other.sum_of_squares * their * their;
        self.greatest = greatest;
    }

    /// How many weights came.
    pub fn count(&self) -> usize {
        self.count
    }

    /// log (1/K) Σ w_k in nats; −∞ when every weight is zero, NaN when there are none.
    pub fn log_mean(&self) -> f64 {
        match self.count {
            0 => f64::NAN,
            count => self.greatest + (self.sum / count as f64).ln(),
        }
    }

    /// log Σ w_k in nats; −∞ when every weight is zero or there are none.
    pub fn log_sum(&self) -> f64 {
        if self.count == 0 {
            f64::NEG_INFINITY
        } else {
            self.greatest + self.sum.ln()
        }
    }

    /// (Σ w)² / Σ w²: of how many equal weights these have the precision, 1 … K; 0 when every
    /// weight is zero.
    ///
    /// # Source
    /// Kong (1992), *A note on importance sampling using standardized weights*.
    pub fn effective_sample_size(&self) -> f64 {
        if self.sum_of_squares == 0.0 {
            0.0
        } else {
            self.sum * self.sum / self.sum_of_squares
        }
    }

    /// Standard error of [`log_mean`](Self::log_mean) in nats; NaN for fewer than two weights or
    /// only zeros.
    ///
    /// Delta method: sd(log w̄) ≈ sd(w̄)/w̄ = sqrt((K/ESS − 1)/(K − 1)), with the unbiased variance
    /// of w. With one dominant weight it says 1 nat whatever the truth is: read it beside the
    /// effective sample size.
    pub fn standard_error(&self) -> f64 {
        let effective = self.effective_sample_size();
        if self.count < 2 || effective == 0.0 {
            return f64::NAN;
        }
        let count = self.count as f64;
        ((count / effective - 1.0).max(0.0) / (count - 1.0)).sqrt()
    }
}

/// log Σ e^{terms} in nats without overflow; −∞ for no terms.
pub fn log_sum_exp(terms: &[f64]) -> f64 {
    let greatest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    greatest
        + terms
            .iter()
            .map(|term| (term - greatest).exp())
            .sum::<f64>()
            .ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbridge_core::Moments;

    fn weights(log_weights: &[f64]) -> LogWeights {
        let mut weights = LogWeights::default();
        log_weights.iter().for_each(|&w| weights.push(w));
        weights
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + a.abs())
    }

    #[test]
    fn zero_weights_count_and_only_zero_weights_give_minus_infinity() {
        let none = weights(&[f64::NEG_INFINITY; 4]);
        assert_eq!(
            (none.count(), none.log_mean(), none.effective_sample_size()),
            (4, f64::NEG_INFINITY, 0.0)
        );
        assert!(none.standard_error().is_nan());
        let one = weights(&[f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]);
        assert!(close(one.log_mean(), -(4f64.ln())) && close(one.effective_sample_size(), 1.0));
        assert!(close(one.standard_error(), 1.0));
    }

    #[test]
    fn no_weights_have_no_mean() {
        let empty = LogWeights::default();
        assert!(empty.log_mean().is_nan() && empty.standard_error().is_nan());
        assert_eq!((empty.count(), empty.effective_sample_size()), (0, 0.0));
    }

    #[test]
    fn nan_and_infinity_stay_visible() {
        assert!(weights(&[0.0, f64::NAN]).log_mean().is_nan());
        assert!(weights(&[f64::NAN, 0.0]).log_mean().is_nan());
        assert!(weights(&[0.0, f64::INFINITY]).log_mean().is_nan());
    }

    proptest! {
        #[test]
        fn agrees_with_the_direct_formulae(logs in proptest::collection::vec(-5.0..5.0f64, 2..60)) {
            let stream = weights(&logs);
            let plain: Vec<f64> = logs.iter().map(|w| w.exp()).collect();
            let (sum, squares) = (plain.iter().sum::<f64>(), plain.iter().map(|w| w * w).sum::<f64>());
            let mut moments = Moments::default();
            plain.iter().for_each(|&w| moments.push(w));
            prop_assert!(close(stream.log_mean(), moments.mean().ln()));
            prop_assert!(close(stream.log_mean(), log_sum_exp(&logs) - (logs.len() as f64).ln()));
            prop_assert!(close(stream.effective_sample_size(), sum * sum / squares));
            prop_assert!(close(stream.standard_error(), moments.standard_error() / moments.mean()));
        }

        #[test]
        fn merging_parts_is_pushing_everything(
            logs in proptest::collection::vec(prop_oneof![-800.0..800.0f64, Just(f64::NEG_INFINITY)], 0..60),
            cut in 0..60usize,
        ) {
            let (left, right) = logs.split_at(cut.min(logs.len()));
            let (mut merged, whole) = (weights(left), weights(&logs));
            merged.merge(&weights(right));
            prop_assert_eq!(merged.count(), whole.count());
            let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || close(a, b);
            prop_assert!(same(merged.log_mean(), whole.log_mean()));
            prop_assert!(same(merged.effective_sample_size(), whole.effective_sample_size()));
        }

        #[test]
        fn a_common_factor_moves_the_mean_and_nothing_else(
            logs in proptest::collection::vec(-50.0..50.0f64, 1..60), shift in -1e4..1e4f64,
        ) {
            let shifted: Vec<f64> = logs.iter().map(|w| w + shift).collect();
            let (own, moved) = (weights(&logs), weights(&shifted));
            prop_assert!(close(moved.log_mean(), own.log_mean() + shift));
            prop_assert!((moved.effective_sample_size() - own.effective_sample_size()).abs() < 1e-6);
            let effective = own.effective_sample_size();
            prop_assert!(1.0 - 1e-9 <= effective && effective <= logs.len() as f64 + 1e-9);
        }
    }
}
