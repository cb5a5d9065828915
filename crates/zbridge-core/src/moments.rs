/// The running mean and variance of a stream of values, in one pass and constant memory.
///
/// ```
/// let mut moments = zbridge_core::Moments::default();
/// for value in [1.0, 2.0, 6.0] {
///     moments.push(value);
/// }
/// assert_eq!((moments.mean(), moments.variance()), (3.0, 7.0));
/// ```
///
/// # Source
/// Welford (1962), *Note on a method for calculating corrected sums of squares and products*:
/// stable where the mean is large against the deviations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: usize,
    mean: f64,
    /// Σ (value − mean)² over the values so far.
    squares: f64,
}

impl Moments {
    /// Adds a value.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let gap = value - self.mean;
        self.mean += gap / self.count as f64;
        // One factor with the old mean and one with the new: their product is never negative.
        self.squares += gap * (value - self.mean);
    }

    /// Returns the number of values.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the mean; NaN if there are no values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// Returns the unbiased variance; 0 for fewer than two values.
    pub fn variance(&self) -> f64 {
        if self.count < 2 {
            0.0
        } else {
            self.squares / (self.count - 1) as f64
        }
    }

    /// Returns the standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        (self.variance() / self.count.max(1) as f64).sqrt()
    }
}
