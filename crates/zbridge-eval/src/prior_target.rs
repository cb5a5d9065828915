use crate::checks::{at_row, expect_count};
use crate::{EvalError, LatentSampler, TargetDensity};
use std::ops::Range;
use zbridge_core::{LN_TWO_PI, Latents, RandomStream};

/// The standard normal prior of a VAE, p(z) = N(0, I): the target whose estimate is log p(x).
///
/// ```
/// use zbridge_core::Latents;
/// use zbridge_eval::{PriorTarget, TargetDensity};
///
/// let prior = PriorTarget::new("log p(x)");
/// let nats = prior.log_prob(0, &Latents::filled(1, 2, 0.0))?;
/// assert!((nats[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorTarget {
    name: String,
}

impl PriorTarget {
    /// Returns the prior; its estimate is called `name` in reports.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Returns the same prior over `dim` dimensions, from which draws can be taken.
    pub fn drawable(self, dim: usize) -> DrawablePrior {
        DrawablePrior { prior: self, dim }
    }
}

impl TargetDensity for PriorTarget {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, _row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        let rows = points.values().chunks_exact(points.dim());
        Ok(rows.map(standard_normal_log_prob).collect())
    }
}

/// The standard normal prior with its number of dimensions: a density and its draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawablePrior {
    prior: PriorTarget,
    dim: usize,
}

impl TargetDensity for DrawablePrior {
    fn name(&self) -> &str {
        self.prior.name()
    }

    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        expect_count(
            "dimensions of the points under the prior",
            self.dim,
            points.dim(),
        )?;
        self.prior.log_prob(row, points)
    }
}

impl LatentSampler for DrawablePrior {
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        let mut values = vec![0.0; draws.len() * self.dim];
        stream.fill_standard_normal(&mut values);
        Latents::from_vec(values, self.dim).map_err(at_row(row))
    }
}

/// Returns log N(point; 0, I) = −½ Σ (z² + ln 2π).
pub(crate) fn standard_normal_log_prob(point: &[f32]) -> f64 {
    let terms = point
        .iter()
        .map(|&z| f64::from(z) * f64::from(z) + LN_TWO_PI);
    -0.5 * terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, LatentDistribution};

    #[test]
    fn agrees_with_the_standard_gaussian() {
        let standard = DiagonalGaussian::standard(20, 5);
        let points = standard.sample(&mut RandomStream::named(1, "points"));
        let ours = PriorTarget::new("p").log_prob(0, &points).unwrap();
        let theirs = standard.log_prob(&points).unwrap();
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-10));
    }

    #[test]
    fn draws_are_those_of_the_standard_gaussian() {
        let drawn = PriorTarget::new("p")
            .drawable(3)
            .draw(0, 0..4, &mut RandomStream::named(1, "x"))
            .unwrap();
        let expected =
            DiagonalGaussian::standard(1, 3).sample_each(4, &mut RandomStream::named(1, "x"));
        assert_eq!(drawn, expected);
    }
}
