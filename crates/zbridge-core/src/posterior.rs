use crate::{DiagonalGaussian, Latents, Moments, RandomStream, ShapeError};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use std::borrow::Cow;

/// A batch of distributions over latents as an encoder gives them: p(z|x_i) for row `i`.
///
/// The family matters: the paper's bridge gives its target the family of the target's posterior
/// (eq. 1), and closed-form divergences exist between Gaussians only. Everything else needs draws,
/// which every posterior has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Posterior {
    /// A Gaussian with diagonal covariance: what a VAE's encoder gives.
    DiagonalGaussian(DiagonalGaussian),
    /// Draws and nothing else: what ALI or another stochastic encoder gives.
    Samples(PosteriorSamples),
}

/// A batch of posteriors known by their draws: `[rows, draws, dim]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PosteriorSamples {
    /// `[rows · draws, dim]`, the draws of a row side by side.
    points: Latents,
    draws: usize,
}

impl PosteriorSamples {
    /// The batch with these points, `draws` to a row, side by side.
    ///
    /// # Errors
    /// [`ShapeError::Ragged`] when the points are no whole number of rows, [`ShapeError::Empty`]
    /// without draws.
    pub fn new(points: Latents, draws: usize) -> Result<Self, ShapeError> {
        match draws {
            0 => Err(ShapeError::Empty {
                what: "draws of a posterior",
            }),
            _ if !points.rows().is_multiple_of(draws) => Err(ShapeError::Ragged {
                values: points.rows(),
                dim: draws,
            }),
            _ => Ok(Self { points, draws }),
        }
    }

    /// The points, `[rows · draws, dim]`.
    pub fn points(&self) -> &Latents {
        &self.points
    }

    /// Draws of each row.
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

    /// Draws with replacement from each row's points.
    fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        let mut points = Vec::with_capacity(self.rows() * draws);
        for row in 0..self.rows() {
            points.extend((0..draws).map(|_| row * self.draws + stream.below(self.draws)));
        }
        self.points.select(&points)
    }

    /// Gaussians of the same mean and variance; where a row has one draw, or equal ones, of a
    /// variance next to none.
    fn moments(&self) -> DiagonalGaussian {
        const LEAST_VARIANCE: f64 = 1e-10;
        let (rows, dim) = (self.rows(), self.points.dim());
        let mut mean = Array2::zeros((rows, dim));
        let mut log_var = Array2::zeros((rows, dim));
        for row in 0..rows {
            let points = self.points_of(row);
            for column in 0..dim {
                let mut moments = Moments::default();
                for &value in points.column(column) {
                    moments.push(f64::from(value));
                }
                let variance = if self.draws > 1 {
                    moments.variance()
                } else {
                    0.0
                };
                mean[[row, column]] = moments.mean() as f32;
                log_var[[row, column]] = variance.max(LEAST_VARIANCE).ln() as f32;
            }
        }
        DiagonalGaussian::of_finite(mean, log_var)
    }

    /// Returns the draws of posterior `row`, `[draws, dim]`.
    fn points_of(&self, row: usize) -> ArrayView2<'_, f32> {
        let first = row * self.draws;
        let mut points = self.points.view();
        points.slice_axis_inplace(Axis(0), Slice::from(first..first + self.draws));
        points
    }
}

impl Posterior {
    /// How many distributions.
    pub fn rows(&self) -> usize {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.rows(),
            Self::Samples(samples) => samples.rows(),
        }
    }

    /// Dimensions of the latent space.
    pub fn dim(&self) -> usize {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.dim(),
            Self::Samples(samples) => samples.points.dim(),
        }
    }

    /// The posteriors named by `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::DiagonalGaussian(gaussian) => Self::DiagonalGaussian(gaussian.select(rows)),
            Self::Samples(samples) => Self::Samples(samples.select(rows)),
        }
    }

    /// One draw from each posterior, `[batch, dim]`: step 1 of the paper's section 3.1.
    pub fn sample(&self, stream: &mut RandomStream) -> Latents {
        self.sample_each(1, stream)
    }

    /// `draws` points from each posterior, `[batch · draws, dim]`, those of a row side by side;
    /// from samples, with replacement.
    pub fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian.sample_each(draws, stream),
            Self::Samples(samples) => samples.sample_each(draws, stream),
        }
    }

    /// The Gaussians of a diagonal-Gaussian posterior; none when it is known by samples only.
    pub fn as_diagonal(&self) -> Option<&DiagonalGaussian> {
        match self {
            Self::DiagonalGaussian(gaussian) => Some(gaussian),
            Self::Samples(_) => None,
        }
    }

    /// Diagonal Gaussians of the posteriors' own means and variances: the posteriors themselves
    /// where they are such.
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
    fn samples_behave_like_the_posterior_they_came_from() {
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
    fn a_single_draw_has_a_variance_next_to_none() {
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
