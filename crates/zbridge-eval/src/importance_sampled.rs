use crate::checks::{expect_count, expect_items};
use crate::observation_likelihoods::ObservationLikelihoods;
use crate::parallel_rows::each_row;
use crate::target_density::checked_log_prob;
use crate::{
    EvalError, ImportanceSettings, LogWeights, Proposal, Proposed, RowEstimate, RowProposal,
    TargetDensity, TargetEstimate,
};
use zbridge_core::{LatentModel, Observations, Observer, RandomStream, Stage};

/// Returns log p_t(x_i) = log ∫ p(x_i|z) p_t(z|context_i) dz for each observation `i` and each
/// target `t`, in nats.
///
/// log p_t(x_i) ≈ log (1/K) Σ_k p(x_i|z_ik) p_t(z_ik|context_i) / r(z_ik|x_i), z_ik ~ r(·|x_i).
/// With the prior as the target this is log p(x); with a bridge's q(z_x|z_y) it is log p(x|y). All
/// targets share the draws and the one decoder evaluation of each, so that differences between
/// targets have less noise than the estimates themselves.
///
/// `proposal` is a [`DiagonalGaussian`](zbridge_core::DiagonalGaussian), row `i` being p(z|x_i), or
/// a [`MixtureProposal`](crate::MixtureProposal) if p(z|x_i) misses mass of a target. 1/K Σ w is
/// unbiased for p_t(x_i); its logarithm is too low by about half a row's squared standard error
/// (Jensen).
///
/// Memory does not grow with K: weights are summed as they come. Observations are computed in
/// parallel, each with the stream `("importance", seed).child(i)`; the result depends neither on
/// the number of threads nor on the size of chunks. `observer` is called after each observation,
/// and after each chunk of draws.
///
/// # Shapes
/// `observations` `[n, event]`, `proposal` `[n, latent]`.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0, [`EvalError::TooFew`] without observations or targets,
/// [`EvalError::Mismatch`] and [`EvalError::Row`] for shapes, [`EvalError::NotALogDensity`] with
/// the observation and draw at which the model or a target returned NaN or +∞,
/// [`EvalError::Interrupted`] if the observer stops the computation.
///
/// # Source
/// Rezende, Mohamed, Wierstra (2014), appendix D; Burda, Grosse, Salakhutdinov (2016), eq. 8.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{LatentModel, Unobserved};
/// use zbridge_eval::{ImportanceSettings, LinearGaussianModel, PriorTarget, importance_sampled};
///
/// // One latent, two pixels.
/// let model = LinearGaussianModel::new(array![[1.0, 0.5]], array![0.0, 0.1], 0.5)?;
/// let images = model.observations(array![[0.3, -0.2], [1.0, 0.5]])?;
/// let posterior = model.posterior(&images)?;
/// let prior = PriorTarget::new("log p(x)");
/// let settings = ImportanceSettings { draws: 100, chunk: 50, seed: 7 };
///
/// let estimates = importance_sampled(
///     &model, &images, &posterior.moments(), &[&prior], &settings, &Unobserved,
/// )?;
/// let exact = model.log_marginal_nats(&images)?;
/// assert!((estimates[0].per_row[0].log_mean_nats - exact[0]).abs() < 1e-4);
/// assert_eq!(estimates[0].summary().warning, None);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn importance_sampled(
    model: &dyn LatentModel,
    observations: &Observations,
    proposal: &dyn Proposal,
    targets: &[&dyn TargetDensity],
    settings: &ImportanceSettings,
    observer: &dyn Observer,
) -> Result<Vec<TargetEstimate>, EvalError> {
    settings.check()?;
    expect_items("targets of importance sampling", 1, targets.len())?;
    let likelihoods = ObservationLikelihoods::new(model, observations)?;
    expect_fitting(proposal, &likelihoods)?;
    let rows = likelihoods.rows();
    let stage = Stage::new(observer, "importance sampling", rows as u64);
    let stream = RandomStream::named(settings.seed, "importance");
    let per_row = each_row(rows, &stage, |row| {
        let mut draws = proposal.of_row(row, settings.draws, stream.child(row as u64))?;
        let sampler = RowSampler {
            likelihoods,
            row,
            targets,
            stage: &stage,
        };
        sampler.estimates(settings, draws.as_mut())
    })?;
    let mut estimates = Vec::with_capacity(targets.len());
    for (number, target) in targets.iter().enumerate() {
        let of_target = column(&per_row, number);
        estimates.push(TargetEstimate::new(
            target.name(),
            settings.draws,
            of_target,
        ));
    }
    Ok(estimates)
}

/// Returns the estimate of target `number` for each observation.
fn column(per_row: &[Vec<RowEstimate>], number: usize) -> Vec<RowEstimate> {
    per_row.iter().map(|estimates| estimates[number]).collect()
}

/// Checks that there is a proposal in the model's latent space for each observation.
///
/// # Errors
/// [`EvalError::Mismatch`] otherwise.
fn expect_fitting(
    proposal: &dyn Proposal,
    likelihoods: &ObservationLikelihoods<'_>,
) -> Result<(), EvalError> {
    let (proposals, dim) = proposal.extent();
    expect_count(
        "proposals, one per observation",
        likelihoods.rows(),
        proposals,
    )?;
    expect_count("dimensions of the proposal", likelihoods.latent_dim(), dim)
}

/// Importance sampling for one observation.
struct RowSampler<'a> {
    likelihoods: ObservationLikelihoods<'a>,
    row: usize,
    targets: &'a [&'a dyn TargetDensity],
    stage: &'a Stage<'a>,
}

impl RowSampler<'_> {
    /// Returns the estimate of each target, from one stream of weights per target and stratum.
    fn estimates(
        &self,
        settings: &ImportanceSettings,
        proposal: &mut dyn RowProposal,
    ) -> Result<Vec<RowEstimate>, EvalError> {
        let no_weights = vec![LogWeights::default(); proposal.strata()];
        let mut weights = vec![no_weights; self.targets.len()];
        for draws in settings.chunks() {
            // Between chunks, so that an observation with many draws can be stopped too.
            self.stage.check()?;
            let drawn = proposal.draw(draws.len())?;
            let (row, first, points) = (self.row, draws.start, &drawn.points);
            let likelihoods = self.likelihoods.at(row, first, points)?;
            for (target, strata) in self.targets.iter().zip(&mut weights) {
                let densities = checked_log_prob(*target, row, first, points)?;
                push_weights(strata, &drawn, &likelihoods, &densities);
            }
        }
        Ok(weights
            .iter()
            .map(|strata| RowEstimate::of_strata(strata))
            .collect())
    }
}

/// Adds log w = log p(x|z) + log p_t(z|context) − log r(z|x) of each draw to its stratum.
fn push_weights(
    strata: &mut [LogWeights],
    drawn: &Proposed,
    likelihoods: &[f64],
    densities: &[f64],
) {
    for (k, &stratum) in drawn.strata.iter().enumerate() {
        strata[stratum].push(likelihoods[k] + densities[k] - drawn.log_densities_nats[k]);
    }
}
