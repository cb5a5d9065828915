use crate::{EvalError, TargetDensity};
use zbridge_core::{LN_TWO_PI, Latents};

/// The standard normal prior of a VAE, p(z) = N(0, I): the target whose estimate is log p(x).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorTarget {
    name: String,
}

impl PriorTarget {
    /// The prior, called `name` in reports.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl TargetDensity for PriorTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, _row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        Ok(points.values().chunks_exact(points.dim()).map(standard_normal_log_prob).collect())
    }
}

/// log N(point; 0, I) = −½ Σ (z² + ln 2π).
pub(crate) fn standard_normal_log_prob(point: &[f32]) -> f64 {
    -0.5 * point.iter().map(|&z| f64::from(z) * f64::from(z) + LN_TWO_PI).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, LatentDistribution, RandomStream};

    #[test]
    fn agrees_with_the_standard_gaussian() {
        let standard = DiagonalGaussian::standard(20, 5);
        let points = standard.sample(&mut RandomStream::named(1, "points"));
        let ours = PriorTarget::new("p").log_prob(0, &points).unwrap();
        let theirs = standard.log_prob(&points).unwrap();
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-10));
    }
}
