use crate::EvalError;
use crate::checks::{at_row, checked_log_densities, expect_items};
use zbridge_core::{LatentModel, Latents, Observations};

/// Log likelihoods of observations under a model: log p(x_row|z) at latents z.
#[derive(Clone, Copy)]
pub(crate) struct ObservationLikelihoods<'a> {
    model: &'a dyn LatentModel,
    observations: &'a Observations,
}

impl<'a> ObservationLikelihoods<'a> {
    /// Returns the likelihoods of these observations.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] without observations.
    pub(crate) fn new(
        model: &'a dyn LatentModel,
        observations: &'a Observations,
    ) -> Result<Self, EvalError> {
        expect_items("observations to evaluate", 1, observations.rows())?;
        Ok(Self {
            model,
            observations,
        })
    }

    /// Returns the number of observations.
    pub(crate) fn rows(&self) -> usize {
        self.observations.rows()
    }

    /// Returns the number of dimensions of the latent space.
    pub(crate) fn latent_dim(&self) -> usize {
        self.model.latent_dim()
    }

    /// Returns log p(x_row|z) in nats at each of `points`, `[points]`; `first` is the number of the
    /// first of them among the draws of the observation.
    ///
    /// # Errors
    /// [`EvalError::Row`] with an error of the model; [`EvalError::NotALogDensity`] for NaN or +∞.
    pub(crate) fn at(
        &self,
        row: usize,
        first: usize,
        points: &Latents,
    ) -> Result<Vec<f64>, EvalError> {
        // One call for all points: a decoder is fast on batches only.
        let observation = self.observations.select(&[row]);
        let nats = self
            .model
            .log_likelihood_nats(&observation, points)
            .map_err(at_row(row))?;
        let nats = nats.into_iter().map(f64::from).collect();
        let draws = first..first + points.rows();
        checked_log_densities("log p(x|z)", row, draws, nats)
    }
}
