/// A stream of importance weights, given by their logarithms and summed without overflow.
///
/// It keeps m = max log w, Σ e^{log w − m} and Σ e^{2(log w − m)}: constant memory in the number of
/// weights. A weight of zero (log weight −∞) counts like any other. NaN and +∞ are no weights: with
/// one of them, all results are NaN. The estimators of this crate refuse them before.
///
/// ```
/// let mut weights = zbridge_eval::LogWeights::default();
/// weights.push(1000.0);
/// weights.push(1000.0 + 3f64.ln());
/// assert!((weights.log_mean() - (1000.0 + 2f64.ln())).abs() < 1e-12);
/// assert!((weights.effective_sample_size() - 16.0 / 10.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogWeights {
    count: usize,
    /// m, the largest log weight.
    largest: f64,
    /// Σ e^{log w − m}.
    sum: f64,
    /// Σ e^{2(log w − m)}.
    sum_of_squares: f64,
}

impl Default for LogWeights {
    fn default() -> Self {
        Self {
            count: 0,
            largest: f64::NEG_INFINITY,
            sum: 0.0,
            sum_of_squares: 0.0,
        }
    }
}

impl FromIterator<f64> for LogWeights {
    fn from_iter<I: IntoIterator<Item = f64>>(log_weights: I) -> Self {
        let mut weights = Self::default();
        for log_weight in log_weights {
            weights.push(log_weight);
        }
        weights
    }
}

impl LogWeights {
    /// Adds a weight, by its logarithm in nats.
    pub fn push(&mut self, log_weight: f64) {
        self.merge(&Self {
            count: 1,
            largest: log_weight,
            sum: 1.0,
            sum_of_squares: 1.0,
        });
    }

    /// Adds all weights of another stream.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        // Weights of zero add nothing; below, (−∞) − (−∞) would be NaN.
        if other.largest == f64::NEG_INFINITY {
            return;
        }
        // Not `f64::max`, which would drop a NaN.
        let largest = if other.largest > self.largest {
            other.largest
        } else {
            self.largest
        };
        let own = (self.largest - largest).exp();
        let their = (other.largest - largest).exp();
        self.sum = self.sum * own + other.sum * their;
        self.sum_of_squares =
            self.sum_of_squares * own * own + other.sum_of_squares * their * their;
        self.largest = largest;
    }

    /// Returns the number of weights.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns log (1/K) Σ w_k in nats; −∞ if every weight is zero, NaN if there are none.
    pub fn log_mean(&self) -> f64 {
        match self.count {
            0 => f64::NAN,
            count => self.largest + (self.sum / count as f64).ln(),
        }
    }

    /// Returns log Σ w_k in nats; −∞ if every weight is zero or there are none.
    pub fn log_sum(&self) -> f64 {
        match self.count {
            0 => f64::NEG_INFINITY,
            _ => self.largest + self.sum.ln(),
        }
    }

    /// Returns (Σ w)² / Σ w²: the number of equal weights with the same precision, 1 … K; 0 if
    /// every weight is zero.
    ///
    /// # Source
    /// Kong (1992), *A note on importance sampling using standardized weights*.
    pub fn effective_sample_size(&self) -> f64 {
        if self.sum_of_squares == 0.0 {
            return 0.0;
        }
        self.sum * self.sum / self.sum_of_squares
    }

    /// Returns the standard error of [`log_mean`](Self::log_mean) in nats; NaN for fewer than two
    /// weights or if every weight is zero.
    ///
    /// It is the delta method: sd(log w̄) ≈ sd(w̄)/w̄ = sqrt((K/ESS − 1)/(K − 1)), with the
    /// unbiased variance of w. With one dominant weight it is 1 nat whatever the truth is: read it
    /// together with the effective sample size.
    pub fn standard_error(&self) -> f64 {
        let effective = self.effective_sample_size();
        if self.count < 2 || effective == 0.0 {
            return f64::NAN;
        }
        let count = self.count as f64;
        // Rounding can make this negative for equal weights. `clamp` keeps NaN, `max` would not.
        let relative_variance = (count / effective - 1.0).clamp(0.0, f64::INFINITY);
        (relative_variance / (count - 1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbridge_core::{Moments, log_sum_exp};

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
        let nan = weights(&[0.0, f64::NAN, 1.0]);
        assert!(nan.standard_error().is_nan() && nan.effective_sample_size().is_nan());
        assert!(weights(&[0.0, f64::NAN]).log_mean().is_nan());
        assert!(weights(&[f64::NAN, 0.0]).log_mean().is_nan());
        assert!(weights(&[0.0, f64::INFINITY]).log_mean().is_nan());
    }

    proptest! {
        #[test]
        fn agrees_with_the_direct_formulae(logs in proptest::collection::vec(-5.0..5.0f64, 2..60)) {
            let stream = weights(&logs);
            let plain: Vec<f64> = logs.iter().map(|w| w.exp()).collect();
            let sum: f64 = plain.iter().sum();
            let squares: f64 = plain.iter().map(|w| w * w).sum();
            let mut moments = Moments::default();
            plain.iter().for_each(|&w| moments.push(w));
            prop_assert!(close(stream.log_mean(), moments.mean().ln()));
            prop_assert!(close(stream.log_mean(), log_sum_exp(&logs) - (logs.len() as f64).ln()));
            prop_assert!(close(stream.effective_sample_size(), sum * sum / squares));
            prop_assert!(close(stream.standard_error(), moments.standard_error() / moments.mean()));
        }

        #[test]
        fn merging_parts_is_pushing_everything(
            logs in proptest::collection::vec(
                prop_oneof![-800.0..800.0f64, Just(f64::NEG_INFINITY)],
                0..60,
            ),
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
            let effective = own.effective_sample_size();
            prop_assert!((moved.effective_sample_size() - effective).abs() < 1e-6);
            prop_assert!(1.0 - 1e-9 <= effective && effective <= logs.len() as f64 + 1e-9);
        }
    }
}
