use crate::posterior_density::expect_row;
use crate::prior_target::standard_normal_log_prob;
use crate::{EvalError, LatentSampler, TargetDensity};
use std::borrow::Cow;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// Where importance sampling takes its draws for each observation, with the density that they have.
///
/// [`DiagonalGaussian`] is the plain one, p(z|x_i) in row `i`;
/// [`MixtureProposal`](crate::MixtureProposal) adds draws from the targets themselves.
pub trait Proposal: Sync {
    /// (for how many observations, dimensions of the latent space).
    fn extent(&self) -> (usize, usize);

    /// The source of all `draws` draws for observation `row`; it owns its random stream.
    ///
    /// # Errors
    /// [`EvalError::UnknownRow`] when there is no such row.
    fn of_row<'a>(
        &'a self,
        row: usize,
        draws: usize,
        stream: RandomStream,
    ) -> Result<Box<dyn RowProposal + 'a>, EvalError>;
}

/// The draws for one observation, in order.
pub trait RowProposal {
    /// How many strata the draws come from: 1 unless their numbers are fixed beforehand for each of
    /// several densities.
    fn strata(&self) -> usize {
        1
    }

    /// The next `count` draws.
    ///
    /// Drawing 2 and then 3 must give the same five points in each stratum as drawing 5 at once, so
    /// that results do not depend on the size of chunks.
    ///
    /// # Errors
    /// [`EvalError`] when a draw is not finite or has no density.
    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError>;
}

/// Draws with their log densities and strata.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// `[count, dim]`.
    pub points: Latents,
    /// log density of the whole proposal at each point in nats, `[count]`.
    pub log_densities_nats: Vec<f64>,
    /// From which stratum each point comes, `[count]`.
    pub strata: Vec<usize>,
}

/// A density that can be evaluated and drawn from, for each observation: a part of a mixture of
/// proposals, the start of annealing.
pub trait DrawableDensity: TargetDensity + LatentSampler {}

impl<T: TargetDensity + LatentSampler + ?Sized> DrawableDensity for T {}

impl Proposal for DiagonalGaussian {
    fn extent(&self) -> (usize, usize) {
        (self.rows(), self.dim())
    }

    fn of_row<'a>(
        &'a self,
        row: usize,
        _draws: usize,
        stream: RandomStream,
    ) -> Result<Box<dyn RowProposal + 'a>, EvalError> {
        expect_row(self, row)?;
        let log_var = self.log_var().row_values(row);
        Ok(Box::new(GaussianRow {
            row,
            stream,
            mean: self.mean().row_values(row),
            sd: log_var.iter().map(|v| (0.5 * v).exp()).collect(),
            log_volume: 0.5 * log_var.iter().map(|&v| f64::from(v)).sum::<f64>(),
        }))
    }
}

/// What [`Posterior::moments`](zbridge_core::Posterior::moments) gives is a proposal as it comes.
impl Proposal for Cow<'_, DiagonalGaussian> {
    fn extent(&self) -> (usize, usize) {
        self.as_ref().extent()
    }

    fn of_row<'a>(
        &'a self,
        row: usize,
        draws: usize,
        stream: RandomStream,
    ) -> Result<Box<dyn RowProposal + 'a>, EvalError> {
        self.as_ref().of_row(row, draws, stream)
    }
}

/// r(z|x_i) = N(mean, diag(sd²)) of one observation.
struct GaussianRow<'a> {
    row: usize,
    stream: RandomStream,
    mean: &'a [f32],
    sd: Vec<f32>,
    /// Σ log sd: what the change from noise to z takes off the noise's log density.
    log_volume: f64,
}

impl RowProposal for GaussianRow<'_> {
    /// z = mean + sd·ε, and the log densities −½ Σ (ε² + log sd² + ln 2π) straight from the noise.
    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError> {
        let dim = self.mean.len();
        let mut values = vec![0.0; count * dim];
        self.stream.fill_standard_normal(&mut values);
        let log_density = |noise| standard_normal_log_prob(noise) - self.log_volume;
        let log_densities_nats = values.chunks_exact(dim).map(log_density).collect();
        for draw in values.chunks_exact_mut(dim) {
            for ((value, mean), sd) in draw.iter_mut().zip(self.mean).zip(&self.sd) {
                *value = mean + sd * *value;
            }
        }
        let points = Latents::from_vec(values, dim).map_err(EvalError::at_row(self.row))?;
        Ok(Proposed {
            points,
            log_densities_nats,
            strata: vec![0; count],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PosteriorDensity;

    #[test]
    fn densities_from_the_noise_are_those_of_the_points() {
        let mean = DiagonalGaussian::standard(3, 4).sample(&mut RandomStream::named(1, "mean"));
        let gaussians = DiagonalGaussian::new(mean, Latents::filled(3, 4, -1.3)).unwrap();
        let drawn = gaussians
            .of_row(2, 50, RandomStream::named(2, "draws"))
            .unwrap()
            .draw(50)
            .unwrap();
        let by_points = PosteriorDensity::new("p(z|x)", &gaussians)
            .log_prob(2, &drawn.points)
            .unwrap();
        assert!(
            drawn
                .log_densities_nats
                .iter()
                .zip(by_points)
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }

    #[test]
    fn a_row_that_is_not_there_is_refused() {
        let gaussians = DiagonalGaussian::standard(3, 4);
        let refused = gaussians.of_row(3, 1, RandomStream::named(1, "x")).err();
        assert!(matches!(
            refused,
            Some(EvalError::UnknownRow {
                row: 3,
                available: 3,
                ..
            })
        ));
    }
}
