use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use zbridge_core::Estimate;

/// The number of bins of the histogram.
pub const UNIFORMITY_BINS: usize = 20;

/// The number of terms of a series; for any λ far fewer have all digits.
const TERMS: i32 = 20;

/// How far values in 0..1 are from uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uniformity {
    /// The number of values.
    pub count: usize,
    /// Their mean; ½ if they are uniform.
    pub mean: f64,
    /// The standard error of the mean.
    pub standard_error: f64,
    /// The number of values in each of [`UNIFORMITY_BINS`] bins of equal width.
    pub bins: Vec<usize>,
    /// Kolmogorov–Smirnov distance sup |F_n(u) − u|, 0 … 1.
    pub ks_distance: f64,
    /// Probability of at least this distance for uniform values: small ones reject uniformity.
    pub ks_p_value: f64,
}

impl Uniformity {
    /// Returns the uniformity of at least one value; the p-value is that of the limit with
    /// Stephens' correction, which holds from n = 5 on.
    ///
    /// # Source
    /// Stephens (1970), *Use of the Kolmogorov–Smirnov, Cramér–von Mises and related statistics
    /// without extensive tables*.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let count = values.len();
        let ks_distance = distance_from_uniform(&values);
        let root = (count as f64).sqrt();
        Self {
            count,
            mean: values.iter().sum::<f64>() / count as f64,
            standard_error: Estimate::of(values.iter().copied()).standard_error,
            bins: histogram(&values),
            ks_distance,
            ks_p_value: kolmogorov_tail((root + 0.12 + 0.11 / root) * ks_distance),
        }
    }
}

fn histogram(values: &[f64]) -> Vec<usize> {
    let mut bins = vec![0; UNIFORMITY_BINS];
    for &value in values {
        bins[bin_of(value)] += 1;
    }
    bins
}

fn bin_of(value: f64) -> usize {
    // A value of exactly 1 belongs to the last bin.
    ((value * UNIFORMITY_BINS as f64) as usize).min(UNIFORMITY_BINS - 1)
}

/// Returns sup |F_n(u) − u| of sorted values.
fn distance_from_uniform(sorted: &[f64]) -> f64 {
    let count = sorted.len() as f64;
    let mut distance: f64 = 0.0;
    for (i, value) in sorted.iter().enumerate() {
        // F_n jumps at a value: the supremum is on one of its sides.
        let (before, after) = (i as f64 / count, (i as f64 + 1.0) / count);
        distance = distance.max((after - value).max(value - before));
    }
    distance
}

/// Returns P(K > λ) of the Kolmogorov distribution.
///
/// Two series converge to it, one fast for small λ, the other for large λ.
fn kolmogorov_tail(lambda: f64) -> f64 {
    // For λ this small the tail is 1 to all digits, and the series divides by λ.
    if lambda < 1e-3 {
        return 1.0;
    }
    if lambda < 1.0 {
        return 1.0 - (2.0 * PI).sqrt() / lambda * theta_sum(lambda);
    }
    (2.0 * alternating_sum(lambda)).clamp(0.0, 1.0)
}

/// Returns Σ e^(−(2j−1)²π²/8λ²).
fn theta_sum(lambda: f64) -> f64 {
    let term = |j: i32| {
        let odd_square = f64::from((2 * j - 1).pow(2));
        (-odd_square * PI.powi(2) / (8.0 * lambda * lambda)).exp()
    };
    (1..=TERMS).map(term).sum()
}

/// Returns Σ (−1)^(j−1) e^(−2j²λ²).
fn alternating_sum(lambda: f64) -> f64 {
    let term = |j: i32| {
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        (-2.0 * f64::from(j * j) * lambda * lambda).exp() * sign
    };
    (1..=TERMS).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_uniform::open_uniform;
    use zbridge_core::RandomStream;

    #[test]
    fn the_tail_has_tabulated_values() {
        // Critical values of the limit: 1.2238 (10 %), 1.3581 (5 %), 1.6276 (1 %); the median
        // 0.8276.
        for (lambda, tail) in [(1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01), (0.8276, 0.5)] {
            assert!((kolmogorov_tail(lambda) - tail).abs() < 1e-4, "{lambda}");
        }
        assert!((kolmogorov_tail(1.0 - 1e-9) - kolmogorov_tail(1.0)).abs() < 1e-8);
        assert_eq!(kolmogorov_tail(0.0), 1.0);
    }

    #[test]
    fn p_values_of_uniform_values_are_uniform() {
        let p_value = |seed| {
            let mut stream = RandomStream::named(seed, "uniformity");
            Uniformity::of((0..100).map(|_| open_uniform(&mut stream))).ks_p_value
        };
        let p_values = Uniformity::of((0..500).map(p_value));
        assert!(p_values.ks_p_value > 0.001, "{p_values:?}");
    }

    #[test]
    fn four_values_worked_out_by_hand() {
        let found = Uniformity::of(vec![0.5, 0.1, 0.2, 0.3]);
        assert!((found.ks_distance - 0.5).abs() < 1e-12 && (found.mean - 0.275).abs() < 1e-12);
        assert_eq!(
            (
                found.bins[2],
                found.bins[10],
                found.bins.iter().sum::<usize>()
            ),
            (1, 1, 4)
        );
    }
}
