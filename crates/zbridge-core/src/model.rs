use crate::{
    DensityError, EventKind, LatentModelError, Latents, Observations, Posterior, RandomStream,
};

/// A batch of distributions over a latent space; row `i` is a distribution of its own.
pub trait LatentDistribution {
    /// `[batch, dim]`.
    fn shape(&self) -> (usize, usize);

    /// `draws` points from each distribution, `[batch · draws, dim]`; the draws of a row stand side
    /// by side.
    ///
    /// # Errors
    /// [`DensityError::Shape`] with the place of a draw that is NaN.
    fn sample_each(&self, draws: usize, stream: &mut RandomStream)
    -> Result<Latents, DensityError>;

    /// log density of `points` row by row, in nats, `[batch]`.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if `points` is not `[batch, dim]`; [`DensityError::NotANumber`] with
    /// the row of a log density that is NaN or +∞.
    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError>;
}

/// A given generative model of one modality: trained elsewhere, never changed here. Estimators work
/// on it from several cores.
pub trait LatentModel: Send + Sync {
    /// What users call it.
    fn name(&self) -> &str;

    /// Dimensions of its latent space.
    fn latent_dim(&self) -> usize;

    /// What it models.
    fn event(&self) -> &EventKind;

    /// p(z|x_i) for each observation, `[batch]` distributions over `[dim]`: the encoder.
    ///
    /// # Errors
    /// [`LatentModelError`] if the observations are not of the model's [`event`](Self::event).
    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError>;

    /// The expected observation under p(x|z_i), `[batch, event]`: pixel means, class probabilities.
    ///
    /// # Errors
    /// [`LatentModelError`] if the latents are not of the model's dimension.
    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError>;

    /// log p(x_i|z_ij) in nats, `[n · draws]`, for `draws = latents.rows() / n` latents an
    /// observation, those of one observation side by side.
    ///
    /// # Errors
    /// [`LatentModelError`] if shapes do not belong together.
    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError>;
}

/// A function from a context to an ordinary distribution: q(target | source).
pub trait ConditionalDensity {
    /// (source dimensions, target dimensions).
    fn dims(&self) -> (usize, usize);

    /// q(· | source_i) for each row: `[batch]` distributions over the target's latent space.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if the source has another dimension.
    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError>;
}
