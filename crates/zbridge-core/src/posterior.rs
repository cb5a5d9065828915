use crate::{DiagonalGaussian, Latents, Moments, RandomStream, ShapeError};
use ndarray::{Array2, ArrayView2, Axis};
use std::borrow::Cow;

/// The least variance of a posterior that is known by samples: that of equal draws.
const LEAST_VARIANCE: f64 = 1e-10;

/// A batch of distributions over latents as an encoder returns them: p(z|x_i) for row `i`.
///
/// The family matters: the paper's bridge gives its target the family of the target's posterior
/// (eq. 1), and closed-form divergences exist between Gaussians only. Everything else needs draws,
/// which every posterior has.
///
/// ```
/// use zbridge_core::{Latents, Posterior, PosteriorSamples, RandomStream};
///
/// // Two draws from each of three posteriors over one dimension.
/// let draws = Latents::from_vec(vec![0.0, 1.0, 5.0, 7.0, -1.0, -1.0], 1)?;
/// let posterior = Posterior::from(PosteriorSamples::new(draws, 2)?);
/// assert_eq!((posterior.rows(), posterior.dim()), (3, 1));
/// assert_eq!(posterior.moments().mean().values(), [0.5, 6.0, -1.0]);
/// let again = posterior.sample_each(4, &mut RandomStream::named(1, "example"));
/// assert_eq!(again.rows(), 12);
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Posterior {
    /// A Gaussian with diagonal covariance: what a VAE's encoder returns.
    DiagonalGaussian(DiagonalGaussian),
    /// Draws only: what ALI or another stochastic encoder returns.
    Samples(PosteriorSamples),
}

/// A batch of posteriors that are known by draws from them, `[rows, draws, dim]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PosteriorSamples {
    /// `[rows · draws, dim]`; the draws of a posterior are consecutive rows.
    points: Latents,
    draws: usize,
}

impl PosteriorSamples {
    /// Returns the batch with these points, of which each posterior has `draws` consecutive rows.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if `draws` is 0, [`ShapeError::Ragged`] if the number of points is no
    /// multiple of `draws`.
    pub fn new(points: Latents, draws: usize) -> Result<Self, ShapeError> {
        if draws == 0 {
            let what = "draws of a posterior";
            return Err(ShapeError::Empty { what });
        }
        if !points.rows().is_multiple_of(draws) {
            return Err(ShapeError::Ragged {
                values: points.rows(),
                dim: draws,
            });
        }
        Ok(Self { points, draws })
    }

    /// Returns all points, `[rows · draws, dim]`.
    pub fn points(&self) -> &Latents {
        &self.points
    }

    /// Returns the number of draws of each posterior.
    pub fn draws(&self) -> usize {
        self.draws
    }

    fn rows(&self) -> usize {
        self.points.rows() / self.draws
    }

    fn select(&self, rows: &[usize]) -> Self {
        let points = rows
            .iter()
            .flat_map(|row| row * self.draws..(row + 1) * self.draws);
        Self {
            points: self.points.select(&points.collect::<Vec<_>>()),
            draws: self.draws,
        }
    }

    /// Returns `draws` points of each posterior, taken with replacement, `[rows · draws, dim]`.
    fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        let mut points = Vec::with_capacity(self.rows() * draws);
        for row in 0..self.rows() {
            let first = row * self.draws;
            points.extend((0..draws).map(|_| first + stream.below(self.draws)));
        }
        self.points.select(&points)
    }

    /// Returns Gaussians of the same mean and variance, of at least [`LEAST_VARIANCE`].
    fn moments(&self) -> DiagonalGaussian {
        let (rows, dim) = (self.rows(), self.points.dim());
        let mut mean = Array2::zeros((rows, dim));
        let mut log_var = Array2::zeros((rows, dim));
        for row in 0..rows {
            for (column, values) in self.points_of(row).columns().into_iter().enumerate() {
                let mut moments = Moments::default();
                for &value in values {
                    moments.push(f64::from(value));
                }
                // The variance of a single draw is unknown, and 0 has no logarithm.
                let variance = moments.variance().max(LEAST_VARIANCE);
                mean[[row, column]] = moments.mean() as f32;
                log_var[[row, column]] = variance.ln() as f32;
            }
        }
        DiagonalGaussian::of_finite(mean, log_var)
    }

    /// Returns the draws of posterior `row`, `[draws, dim]`.
    fn points_of(&self, row: usize) -> ArrayView2<'_, f32> {
        let first = row * self.draws;
        let mut points = self.points.view();
        points.slice_axis_inplace(Axis(0), (first..first + self.draws).into());
        points
    }
}

impl Posterior {
    /// Returns the number of distributions.
    pub fn rows(&self) -> usize {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.rows(),
            Self::Samples(samples) => samples.rows(),
        }
    }

    /// Returns the number of dimensions of the latent space.
    pub fn dim(&self) -> usize {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.dim(),
            Self::Samples(samples) => samples.points.dim(),
        }
    }

    /// Returns the posteriors at `rows`, in that order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::DiagonalGaussian(gaussian) => Self::DiagonalGaussian(gaussian.select(rows)),
            Self::Samples(samples) => Self::Samples(samples.select(rows)),
        }
    }

    /// Returns one draw from each posterior, `[batch, dim]`: step 1 of the paper's section 3.1.
    pub fn sample(&self, stream: &mut RandomStream) -> Latents {
        self.sample_each(1, stream)
    }

    /// Returns `draws` points from each posterior, `[batch · draws, dim]`, in consecutive rows;
    /// from samples they are taken with replacement.
    pub fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.sample_each(draws, stream),
            Self::Samples(samples) => samples.sample_each(draws, stream),
        }
    }

    /// Returns the Gaussians of a diagonal-Gaussian posterior; `None` if it is known by samples
    /// only.
    pub fn as_diagonal(&self) -> Option<&DiagonalGaussian> {
        match self {
            Self::DiagonalGaussian(gaussian) => Some(gaussian),
            Self::Samples(_) => None,
        }
    }

    /// Returns diagonal Gaussians with the means and variances of the posteriors: the posteriors
    /// themselves if they are diagonal Gaussians.
    pub fn moments(&self) -> Cow<'_, DiagonalGaussian> {
        match self {
            Self::DiagonalGaussian(gaussian) => Cow::Borrowed(gaussian),
            Self::Samples(samples) => Cow::Owned(samples.moments()),
        }
    }
}

impl From<DiagonalGaussian> for Posterior {
    fn from(gaussian: DiagonalGaussian) -> Self {
        Self::DiagonalGaussian(gaussian)
    }
}

impl From<PosteriorSamples> for Posterior {
    fn from(samples: PosteriorSamples) -> Self {
        Self::Samples(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_the_moments_of_the_posterior_that_they_are_drawn_from() {
        let gaussian = DiagonalGaussian::new(
            Latents::from_vec(vec![1.0, -2.0, 5.0, 0.0], 2).unwrap(),
            Latents::from_vec(vec![0.0, -1.0, 0.5, 0.2], 2).unwrap(),
        )
        .unwrap();
        let mut stream = RandomStream::named(1, "samples");
        let samples = PosteriorSamples::new(gaussian.sample_each(4000, &mut stream), 4000).unwrap();
        let posterior = Posterior::from(samples);
        assert_eq!((posterior.rows(), posterior.dim()), (2, 2));
        assert!(posterior.as_diagonal().is_none());
        let moments = posterior.moments();
        for (a, b) in moments.mean().values().iter().zip(gaussian.mean().values()) {
            assert!((a - b).abs() < 0.1);
        }
        for (a, b) in moments
            .log_var()
            .values()
            .iter()
            .zip(gaussian.log_var().values())
        {
            assert!((a - b).abs() < 0.1);
        }
        let second = posterior.select(&[1]).sample_each(50, &mut stream);
        assert!(
            second.values().chunks_exact(2).all(|draw| draw[0] > 0.0),
            "draws of row 1 only"
        );
        assert!(PosteriorSamples::new(Latents::filled(5, 2, 0.0), 2).is_err());
        assert!(PosteriorSamples::new(Latents::filled(5, 2, 0.0), 0).is_err());
    }

    #[test]
    fn the_variance_of_a_single_draw_is_tiny() {
        let samples = PosteriorSamples::new(Latents::filled(3, 2, 0.7), 1).unwrap();
        let posterior = Posterior::from(samples);
        assert!(
            posterior
                .moments()
                .log_var()
                .values()
                .iter()
                .all(|v| v.is_finite() && *v < -20.0)
        );
    }
}
