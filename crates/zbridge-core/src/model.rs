use crate::{
    DensityError, EventKind, LatentModelError, Latents, Observations, Posterior, RandomStream,
};

/// A batch of distributions over a latent space; row `i` is a distribution of its own.
pub trait LatentDistribution {
    /// Returns (number of distributions, dimensions of the latent space).
    fn shape(&self) -> (usize, usize);

    /// Returns `draws` points from each distribution, `[batch · draws, dim]`; the draws of a
    /// distribution are consecutive rows.
    ///
    /// # Errors
    /// [`DensityError::Shape`] with the place of a draw that is NaN.
    fn sample_each(&self, draws: usize, stream: &mut RandomStream)
    -> Result<Latents, DensityError>;

    /// Returns the log density of `points` row by row, in nats, `[batch]`.
    ///
    /// # Shapes
    /// `points` `[batch, dim]`: point `i` is evaluated under distribution `i`.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if `points` is not `[batch, dim]`; [`DensityError::NotANumber`] with
    /// the row of a log density that is NaN or +∞.
    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError>;

    /// Returns the mean of each distribution, `[batch, dim]`; `None` if it has no closed form.
    ///
    /// # Errors
    /// [`DensityError::Shape`] with the place of a mean that is NaN.
    fn means(&self) -> Result<Option<Latents>, DensityError> {
        Ok(None)
    }
}

/// A function from a context to an ordinary distribution: q(target | source).
///
/// ```
/// use zbridge_core::{
///     ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution, Latents,
/// };
///
/// /// q(t|s) = N(s, I).
/// struct Copying;
///
/// impl ConditionalDensity for Copying {
///     fn dims(&self) -> (usize, usize) {
///         (2, 2)
///     }
///
///     fn given(
///         &self,
///         source: &Latents,
///     ) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
///         let log_var = Latents::filled(source.rows(), 2, 0.0);
///         Ok(Box::new(DiagonalGaussian::new(source.clone(), log_var)?))
///     }
/// }
///
/// let source = Latents::filled(3, 2, 0.5);
/// let nats = Copying.given(&source)?.log_prob(&source)?;
/// assert!((nats[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// # Ok::<(), DensityError>(())
/// ```
pub trait ConditionalDensity {
    /// Returns (dimensions of the source, dimensions of the target).
    fn dims(&self) -> (usize, usize);

    /// Returns q(· | source_i) for each row: `[batch]` distributions over the target's latent
    /// space.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if the source has another dimension.
    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError>;

    /// Returns what this density is to be given of each posterior of a source, `draws` rows for
    /// each, side by side: draws of it, unless the density was fitted on something else.
    fn sources(&self, posterior: &Posterior, draws: usize, stream: &mut RandomStream) -> Latents {
        posterior.sample_each(draws, stream)
    }

    /// Returns how many numbers [`sources`](Self::sources) has of each posterior: the dimensions of
    /// the source, unless the density is given more than a point.
    fn source_width(&self) -> usize {
        self.dims().0
    }
}

/// A given generative model of one modality, trained elsewhere and never changed here.
///
/// Estimators call it from several threads.
pub trait LatentModel: Send + Sync {
    /// Returns the name that users know the model by.
    fn name(&self) -> &str;

    /// Returns the number of dimensions of its latent space.
    fn latent_dim(&self) -> usize;

    /// Returns the kind of its observations.
    fn event(&self) -> &EventKind;

    /// Returns p(z|x_i) for each observation, `[batch]` distributions over `[dim]`: the encoder.
    ///
    /// # Errors
    /// [`LatentModelError`] if the observations are not of the model's [`event`](Self::event), or
    /// if the model has no encoder.
    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError>;

    /// Returns the expected observation under p(x|z_i), `[batch, event]`: pixel means, class
    /// probabilities.
    ///
    /// # Errors
    /// [`LatentModelError`] if the latents are not of the model's dimension, or if the model has no
    /// decoder.
    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError>;

    /// Returns log p(x_i|z_ij) in nats, `[n · draws]`.
    ///
    /// # Shapes
    /// `observations` `[n, event]`, `latents` `[n · draws, dim]`, the latents of an observation in
    /// consecutive rows.
    ///
    /// # Errors
    /// [`LatentModelError`] if the shapes do not belong together, or if the model has no
    /// likelihood.
    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError>;
}
