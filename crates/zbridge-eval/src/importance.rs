use crate::prior_target::standard_normal_log_prob;
use crate::row_estimate::LogLikelihoodMoments;
use crate::rows::{Questions, expect_log_densities};
use crate::{EvalError, LogWeights, RowEstimate, TargetDensity};
use serde::{Deserialize, Serialize};
use zbridge_core::{DiagonalGaussian, Estimate, LatentModel, Latents, Observations, RandomStream};

/// Below this effective sample size an estimate rests on so few draws that its standard error means little.
pub const LOW_EFFECTIVE_SAMPLE_SIZE: f64 = 10.0;

/// How much to draw for each observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportanceSettings {
    /// K, draws for each observation.
    pub draws: usize,
    /// Draws that go through the decoder at once: memory and speed, never the result of a model that treats its rows
    /// one by one.
    pub chunk: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// The log marginal likelihood of each observation under one target, and their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetEstimate {
    /// The target's name.
    pub name: String,
    /// One estimate for each observation, in their order.
    pub per_row: Vec<RowEstimate>,
    /// Mean over the observations in nats; its standard error is that between observations, which already holds the
    /// noise of the draws (not their bias: log of a mean is too low by about half a row's squared standard error).
    pub mean: Estimate,
    /// How many draws really carried the estimates.
    pub effective_sample_size: EffectiveSampleSize,
}

/// Effective sample sizes over the observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EffectiveSampleSize {
    /// The lower median.
    pub median: f64,
    /// Share of observations below [`LOW_EFFECTIVE_SAMPLE_SIZE`].
    pub low_ess_share: f64,
}

/// log p_t(x_i) = log ∫ p(x_i|z) p_t(z|context_i) dz for each observation `i` and each target `t`, in nats.
///
/// log p_t(x_i) ≈ log (1/K) Σ_k p(x_i|z_ik) p_t(z_ik|context_i) / r(z_ik|x_i), z_ik ~ r(·|x_i). With the prior as the
/// target this is log p(x); with a bridge's q(z_x|z_y) it is log p(x|y). All targets share the draws and the one
/// decoder evaluation of each, so that differences between targets have less noise than each of them.
///
/// Observations are worked on in parallel, each with the stream `("importance", seed).child(i)`; the result depends
/// neither on the number of threads nor on the size of chunks. `progress` hears how many observations are done.
///
/// # Shapes
/// `observations` `[n, event]`, `proposal` `[n, latent]`.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0, [`EvalError::Empty`] without observations or targets, [`EvalError::Mismatch`] and [`EvalError::Row`] for shapes,
/// [`EvalError::NotALogDensity`] with the observation and draw at which the model or a target returned NaN or +∞.
///
/// # Source
/// Rezende, Mohamed, Wierstra (2014), appendix D; Burda, Grosse, Salakhutdinov (2016), eq. 8.
pub fn importance_sampled(
    model: &(dyn LatentModel + Sync),
    observations: &Observations,
    proposal: &DiagonalGaussian,
    targets: &[&dyn TargetDensity],
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<TargetEstimate>, EvalError> {
    settings.check()?;
    if targets.is_empty() {
        return Err(EvalError::Empty { what: "targets of importance sampling" });
    }
    let questions = Questions::new(model, observations)?;
    EvalError::expect_count("proposals, one per observation", observations.rows(), proposal.rows())?;
    EvalError::expect_count("dimensions of the proposal", model.latent_dim(), proposal.dim())?;
    let stream = RandomStream::named(settings.seed, "importance");
    let weights = questions.each_row(progress, |row| {
        let sampler = RowSampler { questions, row, proposal: Proposal::new(proposal, row), targets };
        sampler.weights(settings, stream.child(row as u64))
    })?;
    Ok((0..targets.len()).map(|t| TargetEstimate::new(targets[t].name(), weights.iter().map(|row| &row[t]))).collect())
}

impl TargetEstimate {
    fn new<'a>(name: &str, weights: impl Iterator<Item = &'a LogWeights>) -> Self {
        let per_row: Vec<RowEstimate> = weights.map(RowEstimate::from).collect();
        Self {
            name: name.to_owned(),
            mean: LogLikelihoodMoments::of(per_row.iter().map(|row| row.log_mean_nats)).estimate(),
            effective_sample_size: EffectiveSampleSize::over(&per_row),
            per_row,
        }
    }
}

impl EffectiveSampleSize {
    /// Over at least one row.
    fn over(rows: &[RowEstimate]) -> Self {
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.effective_sample_size).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let low = sizes.partition_point(|&size| size < LOW_EFFECTIVE_SAMPLE_SIZE);
        Self { median: sizes[(sizes.len() - 1) / 2], low_ess_share: low as f64 / sizes.len() as f64 }
    }
}

/// r(z|x_i) = N(mean, diag(sd²)) of one observation.
struct Proposal<'a> {
    mean: &'a [f32],
    sd: Vec<f32>,
    /// Σ log sd: what the change from noise to z takes off the noise's log density.
    log_volume: f64,
}

impl<'a> Proposal<'a> {
    fn new(proposal: &'a DiagonalGaussian, row: usize) -> Self {
        let log_var = proposal.log_var().row(row);
        Self {
            mean: proposal.mean().row(row),
            sd: log_var.iter().map(|v| (0.5 * v).exp()).collect(),
            log_volume: 0.5 * log_var.iter().map(|&v| f64::from(v)).sum::<f64>(),
        }
    }

    /// `count` draws z = mean + sd·ε, and their log densities −½ Σ (ε² + log sd² + ln 2π) straight from the noise.
    fn draw(&self, count: usize, stream: &mut RandomStream) -> (Vec<f32>, Vec<f64>) {
        let dim = self.mean.len();
        let mut values = vec![0.0; count * dim];
        stream.fill_standard_normal(&mut values);
        let log_densities =
            values.chunks_exact(dim).map(|noise| standard_normal_log_prob(noise) - self.log_volume).collect();
        for draw in values.chunks_exact_mut(dim) {
            for ((value, mean), sd) in draw.iter_mut().zip(self.mean).zip(&self.sd) {
                *value = mean + sd * *value;
            }
        }
        (values, log_densities)
    }
}

/// Everything that the draws of one observation need.
struct RowSampler<'a> {
    questions: Questions<'a>,
    row: usize,
    proposal: Proposal<'a>,
    targets: &'a [&'a dyn TargetDensity],
}

impl RowSampler<'_> {
    /// The weights of all draws, one stream of them for each target.
    fn weights(&self, settings: &ImportanceSettings, mut stream: RandomStream) -> Result<Vec<LogWeights>, EvalError> {
        let mut weights = vec![LogWeights::default(); self.targets.len()];
        for (first, count) in settings.chunks() {
            self.take_chunk(first, count, &mut stream, &mut weights)?;
        }
        Ok(weights)
    }

    /// log w = log p(x|z) − log r(z|x) + log p_t(z|context), the first two shared by all targets.
    fn take_chunk(
        &self,
        first: usize,
        count: usize,
        stream: &mut RandomStream,
        weights: &mut [LogWeights],
    ) -> Result<(), EvalError> {
        let (values, log_proposal) = self.proposal.draw(count, stream);
        let points = Latents::new(values, self.proposal.mean.len()).map_err(EvalError::at_row(self.row))?;
        let log_likelihoods = self.questions.log_likelihoods(self.row, first, &points)?;
        for (target, weights) in self.targets.iter().zip(weights) {
            let log_targets = target.log_prob(self.row, &points)?;
            let log_targets = expect_log_densities(target.name(), self.row, first, count, log_targets)?;
            for ((likelihood, target), proposal) in log_likelihoods.iter().zip(log_targets).zip(&log_proposal) {
                weights.push(likelihood + target - proposal);
            }
        }
        Ok(())
    }
}
