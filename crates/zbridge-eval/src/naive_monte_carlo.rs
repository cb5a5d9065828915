use crate::observation_likelihoods::ObservationLikelihoods;
use crate::parallel_rows::each_row;
use crate::{EvalError, ImportanceSettings, LatentSampler, LogWeights, RowEstimate};
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, LatentModel, Observations, Observer, RandomStream, Stage};

/// Naive Monte Carlo estimates: latents are drawn from the conditional itself, whatever the
/// observation is.
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

impl NaiveEstimate {
    /// Returns the estimate over these observations.
    fn over(per_row: Vec<NaiveRow>) -> Self {
        let logs = per_row.iter().map(|row| row.mean_log_likelihood.mean);
        let means = per_row
            .iter()
            .map(|row| row.log_mean_likelihood.log_mean_nats);
        Self {
            mean_log_likelihood: Estimate::of_log_densities(logs),
            log_mean_likelihood: Estimate::of_log_densities(means),
            per_row,
        }
    }
}

impl NaiveRow {
    /// Returns the estimates from log p(x|z_k) of each draw.
    fn of(log_likelihoods: &[f64]) -> Self {
        let weights: LogWeights = log_likelihoods.iter().copied().collect();
        Self {
            mean_log_likelihood: Estimate::of_log_densities(log_likelihoods.iter().copied()),
            log_mean_likelihood: RowEstimate::from(&weights),
        }
    }
}

/// Returns E_{z~q(z|context)} log p(x|z) and log E_{z~q(z|context)} p(x|z) for each observation, in
/// nats.
///
/// They are here to compare with the paper; for a likelihood take
/// [`importance_sampled`](crate::importance_sampled). Observation `i` uses the stream
/// `("naive", seed).child(i)`; the result depends neither on the number of threads nor on the size
/// of chunks. `observer` is called after each observation, and after each chunk of draws.
///
/// # Shapes
/// `observations` `[n, event]`; `sampler` has rows `0 … n − 1`.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0, the sampler's errors, [`EvalError::Row`] for shapes,
/// [`EvalError::NotALogDensity`] with the observation and draw at which the model returned NaN or
/// +∞, [`EvalError::Interrupted`] if the observer stops the computation.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{DiagonalGaussian, Unobserved};
/// use zbridge_eval::{ImportanceSettings, LinearGaussianModel, naive_monte_carlo};
///
/// let model = LinearGaussianModel::new(array![[1.0, 0.5]], array![0.0, 0.1], 0.5)?;
/// let images = model.observations(array![[0.3, -0.2]])?;
/// // q(z|context) is the prior here.
/// let context = DiagonalGaussian::standard(1, 1);
/// let settings = ImportanceSettings { draws: 1000, chunk: 100, seed: 7 };
/// let naive = naive_monte_carlo(&model, &images, &context, &settings, &Unobserved)?;
/// assert!(naive.mean_log_likelihood.mean < naive.log_mean_likelihood.mean);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn naive_monte_carlo(
    model: &dyn LatentModel,
    observations: &Observations,
    sampler: &dyn LatentSampler,
    settings: &ImportanceSettings,
    observer: &dyn Observer,
) -> Result<NaiveEstimate, EvalError> {
    settings.check()?;
    let likelihoods = ObservationLikelihoods::new(model, observations)?;
    let stage = Stage::new(observer, "naive estimates", likelihoods.rows() as u64);
    let streams = RandomStream::named(settings.seed, "naive");
    let per_row = each_row(likelihoods.rows(), &stage, |row| {
        let mut stream = streams.child(row as u64);
        let mut log_likelihoods = Vec::new();
        for draws in settings.chunks() {
            // Between chunks, so that an observation with many draws can be stopped too.
            stage.check()?;
            let first = draws.start;
            let points = sampler.draw(row, draws, &mut stream)?;
            log_likelihoods.extend(likelihoods.at(row, first, &points)?);
        }
        Ok(NaiveRow::of(&log_likelihoods))
    })?;
    Ok(NaiveEstimate::over(per_row))
}
