use crate::row_estimate::LogLikelihoodMoments;
use crate::rows::{Questions, expect_log_densities};
use crate::{
    EstimateWarning, EvalError, LikelihoodSummary, LogWeights, Proposal, RowEstimate, RowProposal,
    TargetDensity,
};
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, LatentModel, Observations, RandomStream};

/// Below this effective sample size an estimate rests on so few draws that its standard error means
/// little.
pub const LOW_EFFECTIVE_SAMPLE_SIZE: f64 = 10.0;

/// How much to draw for each observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportanceSettings {
    /// K, draws for each observation.
    pub draws: usize,
    /// Draws that go through the decoder at once: memory and speed, never the result of a model
    /// that treats its rows one by one.
    pub chunk: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// The log marginal likelihood of each observation under one target, and their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetEstimate {
    /// The target's name.
    pub name: String,
    /// K, draws (or chains of annealing) for each observation.
    pub draws: usize,
    /// One estimate for each observation, in their order.
    pub per_row: Vec<RowEstimate>,
    /// Mean over the observations in nats; its standard error is that between observations, which
    /// already holds the noise of the draws (not their bias: log of a mean is too low by about half
    /// a row's squared standard error).
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

/// log p_t(x_i) = log ∫ p(x_i|z) p_t(z|context_i) dz for each observation `i` and each target `t`,
/// in nats.
///
/// log p_t(x_i) ≈ log (1/K) Σ_k p(x_i|z_ik) p_t(z_ik|context_i) / r(z_ik|x_i), z_ik ~ r(·|x_i).
/// With the prior as the target this is log p(x); with a bridge's q(z_x|z_y) it is log p(x|y). All
/// targets share the draws and the one decoder evaluation of each, so that differences between
/// targets have less noise than each of them.
///
/// `proposal` is a [`DiagonalGaussian`](zbridge_core::DiagonalGaussian), row `i` being p(z|x_i), or
/// a [`MixtureProposal`](crate::MixtureProposal) where that one misses what a target holds. 1/K Σ w
/// is unbiased for p_t(x_i); its logarithm is too low by about half a row's squared standard error
/// (Jensen).
///
/// Memory does not grow with K: weights are summed as they come. Observations are worked on in
/// parallel, each with the stream `("importance", seed).child(i)`; the result depends neither on
/// the number of threads nor on the size of chunks. `progress` hears how many observations are
/// done.
///
/// # Shapes
/// `observations` `[n, event]`, `proposal` `[n, latent]`.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0, [`EvalError::Empty`] without observations or targets,
/// [`EvalError::Mismatch`] and [`EvalError::Row`] for shapes, [`EvalError::NotALogDensity`] with
/// the observation and draw at which the model or a target returned NaN or +∞.
///
/// # Source
/// Rezende, Mohamed, Wierstra (2014), appendix D; Burda, Grosse, Salakhutdinov (2016), eq. 8.
pub fn importance_sampled(
    model: &dyn LatentModel,
    observations: &Observations,
    proposal: &dyn Proposal,
    targets: &[&dyn TargetDensity],
    settings: &ImportanceSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<TargetEstimate>, EvalError> {
    settings.check()?;
    if targets.is_empty() {
        return Err(EvalError::Empty {
            what: "targets of importance sampling",
        });
    }
    let questions = Questions::new(model, observations)?;
    let ((rows, dim), (proposals, proposal_dim)) = (questions.extent(), proposal.extent());
    EvalError::expect_count("proposals, one per observation", rows, proposals)?;
    EvalError::expect_count("dimensions of the proposal", dim, proposal_dim)?;
    let stream = RandomStream::named(settings.seed, "importance");
    let per_row = questions.each_row(progress, |row| {
        let draws = proposal.of_row(row, settings.draws, stream.child(row as u64))?;
        RowSampler {
            questions,
            row,
            targets,
        }
        .estimates(settings, draws)
    })?;
    let of_target = |t: usize| {
        per_row
            .iter()
            .map(move |row: &Vec<RowEstimate>| row[t])
            .collect()
    };
    Ok((0..targets.len())
        .map(|t| TargetEstimate::new(targets[t].name(), settings.draws, of_target(t)))
        .collect())
}

impl TargetEstimate {
    /// From at least one row, each of `draws` draws.
    pub(crate) fn new(name: &str, draws: usize, per_row: Vec<RowEstimate>) -> Self {
        Self {
            name: name.to_owned(),
            draws,
            mean: LogLikelihoodMoments::of(per_row.iter().map(|row| row.log_mean_nats)).estimate(),
            effective_sample_size: EffectiveSampleSize::over(&per_row),
            per_row,
        }
    }

    /// The same estimates over these observations only.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without rows, [`EvalError::UnknownRow`] for one that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Self, EvalError> {
        if rows.is_empty() {
            return Err(EvalError::Empty {
                what: "observations of an estimate",
            });
        }
        let of_row =
            |&row: &usize| EvalError::entry_of_row("the estimate", &self.per_row, row).copied();
        Ok(Self::new(
            &self.name,
            self.draws,
            rows.iter().map(of_row).collect::<Result<_, _>>()?,
        ))
    }

    /// The number of draws, mean, interval, effective sample size and warning, for tables and JSON.
    pub fn summary(&self) -> LikelihoodSummary {
        LikelihoodSummary::of(self)
    }

    /// What makes this estimate not to be believed, if anything does.
    pub fn warning(&self) -> Option<EstimateWarning> {
        self.summary().warning
    }
}

impl EffectiveSampleSize {
    /// Over at least one row.
    pub(crate) fn over(rows: &[RowEstimate]) -> Self {
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.effective_sample_size).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let low = sizes.partition_point(|&size| size < LOW_EFFECTIVE_SAMPLE_SIZE);
        Self {
            median: sizes[(sizes.len() - 1) / 2],
            low_ess_share: low as f64 / sizes.len() as f64,
        }
    }
}

/// Everything that the draws of one observation need.
struct RowSampler<'a> {
    questions: Questions<'a>,
    row: usize,
    targets: &'a [&'a dyn TargetDensity],
}

impl RowSampler<'_> {
    /// The estimate of each target, from one stream of weights for each target and stratum.
    fn estimates(
        &self,
        settings: &ImportanceSettings,
        mut draws: Box<dyn RowProposal + '_>,
    ) -> Result<Vec<RowEstimate>, EvalError> {
        let mut weights = vec![vec![LogWeights::default(); draws.strata()]; self.targets.len()];
        for (first, count) in settings.chunks() {
            self.take_chunk(first, count, draws.as_mut(), &mut weights)?;
        }
        Ok(weights
            .iter()
            .map(|strata| RowEstimate::of_strata(strata))
            .collect())
    }

    /// log w = log p(x|z) − log r(z|x) + log p_t(z|context), the first two shared by all targets.
    fn take_chunk(
        &self,
        first: usize,
        count: usize,
        draws: &mut dyn RowProposal,
        weights: &mut [Vec<LogWeights>],
    ) -> Result<(), EvalError> {
        let drawn = draws.draw(count)?;
        let log_likelihoods = self
            .questions
            .log_likelihoods(self.row, first, &drawn.points)?;
        for (target, weights) in self.targets.iter().zip(weights) {
            let log_targets = target.log_prob(self.row, &drawn.points)?;
            let log_targets =
                expect_log_densities(target.name(), self.row, first, count, log_targets)?;
            let log_weights = log_likelihoods
                .iter()
                .zip(log_targets)
                .zip(&drawn.log_densities_nats);
            for (((likelihood, target), proposal), stratum) in log_weights.zip(&drawn.strata) {
                weights[*stratum].push(likelihood + target - proposal);
            }
        }
        Ok(())
    }
}
