use crate::row_estimate::LogLikelihoodMoments;
use crate::rows::Questions;
use crate::{EvalError, ImportanceSettings, LatentSampler, LogWeights, RowEstimate};
use serde::{Deserialize, Serialize};
use zbridge_core::{DiagonalGaussian, Estimate, LatentModel, Observations, RandomStream};

/// Naive Monte Carlo estimates: latents drawn from the conditional itself, whatever the observation
/// is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NaiveEstimate {
    /// One estimate for each observation, in their order.
    pub per_row: Vec<NaiveRow>,
    /// Mean over observations of E_{z~q(z|context)} log p(x|z), in nats: what table 1 of the paper
    /// seems to show. It compares x with *other* images of its class, so it rewards blurred means;
    /// it is no likelihood of x, only a lower bound of one.
    pub mean_log_likelihood: Estimate,
    /// Mean over observations of log (1/K) Σ p(x|z_k), z_k ~ q(z|context), in nats: right in the
    /// limit K → ∞, far too low for any K that a high-dimensional latent space allows.
    pub log_mean_likelihood: Estimate,
}

/// Naive Monte Carlo estimates of one observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NaiveRow {
    /// (1/K) Σ log p(x|z_k) in nats, with its standard error over the draws.
    pub mean_log_likelihood: Estimate,
    /// log (1/K) Σ p(x|z_k) in nats.
    pub log_mean_likelihood: RowEstimate,
}

/// The evidence lower bound and its two terms, each a mean over observations in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elbo {
    /// E_{z~p(z|x)} log p(x|z).
    pub reconstruction: Estimate,
    /// KL(p(z|x) ‖ N(0, I)), in closed form.
    pub kl_to_prior: Estimate,
    /// reconstruction − KL ≤ log p(x), with the standard error of the difference.
    pub elbo: Estimate,
}

/// E_{z~q(z|context)} log p(x|z) and log E_{z~q(z|context)} p(x|z) for each observation, in nats.
///
/// Observation `i` uses the stream `("naive", seed).child(i)`; the result depends neither on
/// threads nor on the size of chunks. `progress` hears how many observations are done.
///
/// # Shapes
/// `observations` `[n, event]`; the sampler answers for rows `0 … n − 1`.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0, the sampler's errors, [`EvalError::Row`] for shapes,
/// and [`EvalError::NotALogDensity`] with the observation and draw at which the model returned NaN
/// or +∞.
pub fn naive_monte_carlo(
    model: &dyn LatentModel,
    observations: &Observations,
    sampler: &dyn LatentSampler,
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<NaiveEstimate, EvalError> {
    let questions = Questions::new(model, observations)?;
    let per_row = likelihoods_of_draws("naive", questions, sampler, settings, progress)?;
    let mean_of =
        |part: fn(&NaiveRow) -> f64| LogLikelihoodMoments::of(per_row.iter().map(part)).estimate();
    Ok(NaiveEstimate {
        mean_log_likelihood: mean_of(|row| row.mean_log_likelihood.mean),
        log_mean_likelihood: mean_of(|row| row.log_mean_likelihood.log_mean_nats),
        per_row,
    })
}

/// E_{z~p(z|x)} log p(x|z), mean over observations in nats: how well the model repeats what it has
/// just seen.
///
/// Not a likelihood: it leaves out what z costs. For labels it can exceed −ln(classes), which no
/// likelihood of balanced labels can; the paper's table 2 is such a term.
///
/// # Shapes
/// `observations` `[n, event]`, `posterior` `[n, latent]`.
///
/// # Errors
/// Those of [`naive_monte_carlo`]; [`EvalError::Mismatch`] unless there is one posterior per
/// observation.
pub fn reconstruction_term(
    model: &dyn LatentModel,
    observations: &Observations,
    posterior: &DiagonalGaussian,
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Estimate, EvalError> {
    let rows = reconstruction_terms(model, observations, posterior, settings, progress)?;
    Ok(LogLikelihoodMoments::of(rows).estimate())
}

/// KL(p(z|x_i) ‖ N(0, I)) in nats for each observation, `[n]`; closed form ½ Σ (μ² + σ² − log σ² −
/// 1).
///
/// # Errors
/// None that depend on values; [`EvalError::Shape`] is passed on.
pub fn kl_to_prior_nats(posterior: &DiagonalGaussian) -> Result<Vec<f64>, EvalError> {
    Ok(posterior.kl_divergence_nats(&DiagonalGaussian::standard(
        posterior.rows(),
        posterior.dim(),
    ))?)
}

/// The evidence lower bound E_{z~p(z|x)} log p(x|z) − KL(p(z|x) ‖ N(0, I)) and its terms, means
/// over observations.
///
/// # Shapes
/// `observations` `[n, event]`, `posterior` `[n, latent]`.
///
/// # Errors
/// Those of [`reconstruction_term`].
pub fn elbo(
    model: &dyn LatentModel,
    observations: &Observations,
    posterior: &DiagonalGaussian,
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Elbo, EvalError> {
    let reconstructions = reconstruction_terms(model, observations, posterior, settings, progress)?;
    let divergences = kl_to_prior_nats(posterior)?;
    let differences = reconstructions
        .iter()
        .zip(&divergences)
        .map(|(term, divergence)| term - divergence);
    Ok(Elbo {
        elbo: LogLikelihoodMoments::of(differences).estimate(),
        reconstruction: LogLikelihoodMoments::of(reconstructions).estimate(),
        kl_to_prior: Estimate::of(divergences),
    })
}

/// (1/K) Σ log p(x_i|z_ik), z_ik ~ p(z|x_i), for each observation.
fn reconstruction_terms(
    model: &dyn LatentModel,
    observations: &Observations,
    posterior: &DiagonalGaussian,
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<f64>, EvalError> {
    EvalError::expect_count(
        "posteriors, one per observation",
        observations.rows(),
        posterior.rows(),
    )?;
    let questions = Questions::new(model, observations)?;
    let rows = likelihoods_of_draws("reconstruction", questions, posterior, settings, progress)?;
    Ok(rows
        .iter()
        .map(|row| row.mean_log_likelihood.mean)
        .collect())
}

/// Both means of log p(x_i|z) over draws of z, with the streams of `purpose`.
fn likelihoods_of_draws(
    purpose: &str,
    questions: Questions<'_>,
    sampler: &dyn LatentSampler,
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<NaiveRow>, EvalError> {
    settings.check()?;
    let streams = RandomStream::named(settings.seed, purpose);
    questions.each_row(progress, |row| {
        let mut stream = streams.child(row as u64);
        let (mut logs, mut weights) = (LogLikelihoodMoments::default(), LogWeights::default());
        for (first, count) in settings.chunks() {
            let points = sampler.draw(row, first, count, &mut stream)?;
            for log_likelihood in questions.log_likelihoods(row, first, &points)? {
                logs.push(log_likelihood);
                weights.push(log_likelihood);
            }
        }
        Ok(NaiveRow {
            mean_log_likelihood: logs.estimate(),
            log_mean_likelihood: RowEstimate::from(&weights),
        })
    })
}
