use crate::Moments;
use serde::{Deserialize, Serialize};

/// An estimated mean with its uncertainty.
///
/// ```
/// let estimate = zbridge_core::Estimate::of([1.0, 2.0, 6.0]);
/// assert_eq!((estimate.mean, estimate.count), (3.0, 3));
/// let (low, high) = estimate.interval();
/// assert!(low < 0.02 && high > 5.9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard error of the mean over the averaged items.
    pub standard_error: f64,
    /// The number of averaged items.
    pub count: usize,
}

impl Estimate {
    /// Returns the mean and standard error of `items`; a mean of NaN if there are none.
    pub fn of(items: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Moments::default();
        for item in items {
            moments.push(item);
        }
        Self::from(&moments)
    }

    /// Returns the mean and standard error of log densities, of which some may be −∞: then the mean
    /// is −∞ and the standard error NaN.
    ///
    /// [`of`](Self::of) would give NaN as the mean, from −∞ less −∞.
    pub fn of_log_densities(items: impl IntoIterator<Item = f64>) -> Self {
        let (mut finite, mut impossible) = (Moments::default(), 0);
        for item in items {
            if item == f64::NEG_INFINITY {
                impossible += 1;
            } else {
                finite.push(item);
            }
        }
        if impossible == 0 {
            return Self::from(&finite);
        }
        Self {
            mean: f64::NEG_INFINITY,
            standard_error: f64::NAN,
            count: finite.count() + impossible,
        }
    }

    /// Returns the 95 % interval (low, high) of the mean under a normal approximation.
    pub fn interval(&self) -> (f64, f64) {
        let half = 1.959_964 * self.standard_error;
        (self.mean - half, self.mean + half)
    }
}

impl From<&Moments> for Estimate {
    fn from(moments: &Moments) -> Self {
        Self {
            mean: moments.mean(),
            standard_error: moments.standard_error(),
            count: moments.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_error_agree_with_the_two_pass_formula() {
        let items = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 4.0];
        let estimate = Estimate::of(items);
        assert!((estimate.mean - (1e9 + 7.0 / 3.0)).abs() < 1e-6);
        assert!((estimate.standard_error - (7.0f64 / 3.0 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn one_impossible_item_makes_the_mean_minus_infinity() {
        let estimate = Estimate::of_log_densities([-1.0, f64::NEG_INFINITY, -3.0]);
        assert_eq!((estimate.mean, estimate.count), (f64::NEG_INFINITY, 3));
        assert!(estimate.standard_error.is_nan());
        let finite = [-1.0, -3.0];
        assert_eq!(Estimate::of_log_densities(finite), Estimate::of(finite));
        assert!(Estimate::of_log_densities([f64::NAN, -1.0]).mean.is_nan());
    }
}
