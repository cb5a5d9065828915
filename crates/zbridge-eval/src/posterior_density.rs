use crate::checks::at_draw;
use crate::target_density::expect_row;
use crate::{EvalError, LatentSampler, TargetDensity};
use std::ops::Range;
use zbridge_core::{DiagonalGaussian, LatentDistribution, Latents, RandomStream};

/// p(z|x_i) of an encoder as a density of observation `i`: row `i` of the batch.
///
/// It can be a part of a [`MixtureProposal`](crate::MixtureProposal), or the start of
/// [`annealed`](crate::annealed) on a shorter path than that from the prior.
#[derive(Debug, Clone)]
pub struct PosteriorDensity<'a> {
    name: String,
    posterior: &'a DiagonalGaussian,
}

impl<'a> PosteriorDensity<'a> {
    /// Returns the posteriors, called `name` in errors.
    pub fn new(name: impl Into<String>, posterior: &'a DiagonalGaussian) -> Self {
        let name = name.into();
        Self { name, posterior }
    }

    /// Returns (number of observations, dimensions of the latent space).
    pub(crate) fn extent(&self) -> (usize, usize) {
        self.posterior.shape()
    }
}

impl TargetDensity for PosteriorDensity<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        expect_row(self.posterior, row)?;
        // Row i of a batch is the density of point i: repeat the one row.
        let every_point = self.posterior.select(&vec![row; points.rows()]);
        let nats = every_point.log_prob(points);
        nats.map_err(at_draw(&self.name, row, 0))
    }
}

impl LatentSampler for PosteriorDensity<'_> {
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        self.posterior.draw(row, draws, stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_and_draws_are_those_of_the_row() {
        let mean = DiagonalGaussian::standard(3, 4).sample(&mut RandomStream::named(1, "mean"));
        let batch = DiagonalGaussian::new(mean, Latents::filled(3, 4, -1.3)).unwrap();
        let density = PosteriorDensity::new("p(z|x)", &batch);
        let points = density
            .draw(2, 0..5, &mut RandomStream::named(2, "draws"))
            .unwrap();
        let own = batch.select(&[2, 2, 2, 2, 2]);
        assert_eq!(
            density.log_prob(2, &points).unwrap(),
            own.log_prob(&points).unwrap()
        );
        assert!(matches!(
            density.log_prob(3, &points),
            Err(EvalError::UnknownRow {
                row: 3,
                available: 3,
                ..
            })
        ));
        assert_eq!((density.name(), density.extent()), ("p(z|x)", (3, 4)));
    }
}
