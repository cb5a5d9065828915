use serde::{Deserialize, Serialize};

/// An estimated mean with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate itself.
    pub mean: f64,
    /// Standard error over the items that were averaged.
    pub standard_error: f64,
    /// How many items were averaged.
    pub count: usize,
}

impl Estimate {
    /// Mean and standard error of `items`; NaN when there are none.
    pub fn of(items: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Moments::default();
        items.into_iter().for_each(|item| moments.push(item));
        Self {
            mean: moments.mean(),
            standard_error: moments.standard_error(),
            count: moments.count(),
        }
    }

    /// The 95 % interval under a normal approximation.
    pub fn interval(&self) -> (f64, f64) {
        let half = 1.959_964 * self.standard_error;
        (self.mean - half, self.mean + half)
    }
}

/// Running mean and variance in one pass (Welford 1962): stable for long streams.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one more value in.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let gap = value - self.mean;
        self.mean += gap / self.count as f64;
        self.squares += gap * (value - self.mean);
    }

    /// How many values came.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their mean; NaN when there were none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// Their unbiased variance; 0 for fewer than two.
    pub fn variance(&self) -> f64 {
        if self.count < 2 {
            0.0
        } else {
            self.squares / (self.count - 1) as f64
        }
    }

    /// Standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        (self.variance() / self.count.max(1) as f64).sqrt()
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
}
