use crate::EvalError;
use crate::checks::at_row;
use crate::prior_target::standard_normal_log_prob;
use crate::target_density::expect_row;
use ndarray::ArrayView1;
use std::borrow::Cow;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// Where importance sampling takes its draws for each observation, with their densities.
///
/// [`DiagonalGaussian`] is the plain one, p(z|x_i) in row `i`;
/// [`MixtureProposal`](crate::MixtureProposal) adds draws from the targets themselves.
pub trait Proposal: Sync {
    /// Returns (number of observations, dimensions of the latent space).
    fn extent(&self) -> (usize, usize);

    /// Returns the source of all `draws` draws for observation `row`; it owns its random stream.
    ///
    /// # Errors
    /// [`EvalError::UnknownRow`] if the row does not exist.
    fn of_row<'a>(
        &'a self,
        row: usize,
        draws: usize,
        stream: RandomStream,
    ) -> Result<Box<dyn RowProposal + 'a>, EvalError>;
}

/// The draws for one observation, in order.
pub trait RowProposal {
    /// Returns the number of strata of the draws: 1, unless each of several densities has a number
    /// of draws that is fixed beforehand.
    fn strata(&self) -> usize {
        1
    }

    /// Returns the next `count` draws.
    ///
    /// Drawing 2 and then 3 must give the same five points in each stratum as drawing 5 at once, so
    /// that results do not depend on the size of chunks.
    ///
    /// # Errors
    /// [`EvalError`] if a draw is not finite or has no density.
    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError>;
}

/// Draws with their log densities and strata.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The points, `[count, dim]`.
    pub points: Latents,
    /// The log density of the whole proposal at each point in nats, `[count]`.
    pub log_densities_nats: Vec<f64>,
    /// The stratum of each point, `[count]`.
    pub strata: Vec<usize>,
}

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
        let log_var = self.log_var().row(row);
        let log_volume: f64 = log_var.iter().map(|&v| f64::from(v)).sum();
        // What does not depend on the draws is computed once per observation.
        Ok(Box::new(GaussianRow {
            row,
            stream,
            mean: self.mean().row(row),
            sd: log_var.iter().map(|v| (0.5 * v).exp()).collect(),
            log_volume: 0.5 * log_volume,
        }))
    }
}

/// The result of [`Posterior::moments`](zbridge_core::Posterior::moments) is a proposal.
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
    mean: ArrayView1<'a, f32>,
    sd: Vec<f32>,
    /// Σ log sd: the difference of the log densities of noise and z.
    log_volume: f64,
}

impl RowProposal for GaussianRow<'_> {
    /// z = mean + sd·ε, with the log densities −½ Σ (ε² + log sd² + ln 2π).
    fn draw(&mut self, count: usize) -> Result<Proposed, EvalError> {
        let dim = self.mean.len();
        let mut values = vec![0.0; count * dim];
        self.stream.fill_standard_normal(&mut values);
        let mut log_densities_nats = Vec::with_capacity(count);
        for draw in values.chunks_exact_mut(dim) {
            // From the noise itself: to recover it from z would lose digits where sd is small.
            log_densities_nats.push(standard_normal_log_prob(draw) - self.log_volume);
            for ((value, mean), sd) in draw.iter_mut().zip(&self.mean).zip(&self.sd) {
                *value = mean + sd * *value;
            }
        }
        let points = Latents::from_vec(values, dim).map_err(at_row(self.row))?;
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
    use crate::{PosteriorDensity, TargetDensity};

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
    fn a_row_that_does_not_exist_is_an_error() {
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
