use serde::{Deserialize, Serialize};
use std::fmt;

/// How a network states the width of a Gaussian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// ln σ².
    LogVariance,
    /// σ².
    Variance,
    /// σ.
    StandardDeviation,
    /// ln σ.
    LogStandardDeviation,
}

/// The smallest variance: softplus can round a small σ to 0, whose logarithm is infinite.
const LEAST_VARIANCE: f32 = 1e-30;

impl Spread {
    /// Returns ln σ²; `None` for a σ that is negative or NaN.
    pub(crate) fn log_variance(self, value: f32) -> Option<f32> {
        match self {
            Self::LogVariance => Some(value),
            Self::LogStandardDeviation => Some(2.0 * value),
            // Also false for NaN, which `max` would replace.
            Self::Variance if value >= 0.0 => Some(value.max(LEAST_VARIANCE).ln()),
            Self::StandardDeviation if value >= 0.0 => {
                Some(2.0 * value.max(LEAST_VARIANCE.sqrt()).ln())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Spread {
    /// Writes the key of a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogVariance => "log-variance",
            Self::Variance => "variance",
            Self::StandardDeviation => "standard-deviation",
            Self::LogStandardDeviation => "log-standard-deviation",
        })
    }
}
