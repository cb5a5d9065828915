use crate::{
    DiagonalGaussian, Estimate, LatentModel, LatentModelError, Observations, RandomStream,
};
use serde::{Deserialize, Serialize};

/// The evidence lower bound of a model and its two terms, each a mean over observations in nats.
///
/// # Source
/// Kingma & Welling (2014), *Auto-encoding variational Bayes*, eq. 3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elbo {
    /// E log p(x|z) over z ~ p(z|x), estimated from one draw per observation.
    ///
    /// This is no likelihood: it leaves out what z costs. For labels it can exceed −ln(classes),
    /// which no likelihood of balanced labels can; the paper's table 2 is such a term.
    pub reconstruction_nats: Estimate,
    /// KL(p(z|x) ‖ N(0, I)), in closed form from the mean and variance of p(z|x).
    pub kl_nats: Estimate,
    /// The bound: reconstruction − KL, at most log p(x). Its standard error is that of the
    /// difference.
    pub elbo_nats: Estimate,
}

impl Elbo {
    /// Returns the bound of `model` over `observations`, with one posterior draw per observation.
    ///
    /// The mean of the bound is −∞ if one observation has a likelihood of zero.
    ///
    /// # Errors
    /// [`LatentModelError`] if the observations are not of the model's event, or if the model has
    /// no encoder or no likelihood.
    pub fn of(
        model: &dyn LatentModel,
        observations: &Observations,
        stream: &mut RandomStream,
    ) -> Result<Self, LatentModelError> {
        let posterior = model.posterior(observations)?;
        let prior = DiagonalGaussian::standard(posterior.rows(), posterior.dim());
        // Posteriors that are known by draws count as Gaussians of the same moments.
        let kl = posterior.moments().kl_divergence_nats(&prior)?;
        let draws = posterior.sample(stream);
        let log_likelihoods = model.log_likelihood_nats(observations, &draws)?;
        let reconstruction: Vec<f64> = log_likelihoods.into_iter().map(f64::from).collect();
        // Term by term, so that the standard error is that of the difference.
        let bound = reconstruction.iter().zip(&kl).map(|(term, kl)| term - kl);
        Ok(Self {
            reconstruction_nats: Estimate::of_log_densities(reconstruction.iter().copied()),
            kl_nats: Estimate::of(kl.iter().copied()),
            elbo_nats: Estimate::of_log_densities(bound),
        })
    }
}
