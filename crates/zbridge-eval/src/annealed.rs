use crate::annealing_move::Moves;
use crate::annealing_path::AnnealingPath;
use crate::checks::expect_setting;
use crate::observation_likelihoods::ObservationLikelihoods;
use crate::parallel_rows::{chunks, each_row};
use crate::{
    DrawableDensity, EstimateWarning, EvalError, LikelihoodSummary, LogWeights, RowEstimate,
    TargetDensity, TargetEstimate,
};
use serde::{Deserialize, Serialize};
use zbridge_core::{LatentModel, Observations, Observer, RandomStream, Stage};

/// How steep the schedule is: 4 puts most temperatures near both ends (Wu et al. 2017, section 5).
const SCHEDULE_STEEPNESS: f64 = 4.0;
/// Below this share of accepted transitions chains count as stuck.
const STUCK_ACCEPTANCE: f64 = 0.02;

/// How long to anneal for each observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnealingSettings {
    /// K, chains for each observation; each gives one weight.
    pub chains: usize,
    /// Steps of the path from the start to the target: more steps make the weights more even.
    /// Hundreds to thousands.
    pub temperatures: usize,
    /// Metropolis transitions at each temperature, of random walks and Crank–Nicolson proposals in
    /// turn; at least 2 give both.
    pub transitions: usize,
    /// Chains of the pilot run, which finds the means and scales of proposals and is then
    /// discarded; at least 2, 16 are enough.
    pub pilot_chains: usize,
    /// Chains that go through the decoder at once: memory and speed, never the result.
    pub chunk: usize,
    /// Seed of all draws.
    pub seed: u64,
}

/// A likelihood by annealing, with the acceptance of its chains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnealedEstimate {
    /// The estimate; its `draws` are chains, its errors and effective sample sizes are over chains.
    pub estimate: TargetEstimate,
    /// Share of accepted transitions for each observation, 0 … 1; below about 0.05 the chains
    /// hardly moved.
    pub acceptance_per_row: Vec<f64>,
    /// Mean of these.
    pub mean_acceptance: f64,
    /// The smallest of these.
    pub least_acceptance: f64,
}

/// Returns log p_t(x_i) = log ∫ p(x_i|z) p_t(z|context_i) dz for each observation, in nats, by
/// annealed importance sampling.
///
/// Each chain starts at z ~ s(z) and follows the path π_β(z) ∝ s(z)^(1−β) · (p(x|z) p_t(z))^β,
/// β = 0 … 1. Its weight is Π_t (π_βt/π_βt−1)(z_t−1), with Metropolis transitions that have π_βt as
/// their stationary distribution between the factors. `start` is the target itself (the usual path,
/// from the prior to the posterior) or p(z|x) of an encoder, which is a shorter path.
///
/// **Bias**: 1/K Σ w is unbiased for p_t(x), however badly the chains mix; so the logarithm is too
/// low on average, a stochastic lower bound. Transitions are random walks and Crank–Nicolson
/// proposals, whose means and scales at each temperature come from pilot chains with draws of their
/// own and are fixed for the chains that count: adapting those would bias the weights.
///
/// It calls the model for likelihoods only (no gradients), about `temperatures · transitions ·
/// (chains + pilot_chains)` times for each observation. Observation `i` has the stream
/// `("annealed", seed).child(i)`, its pilot the child 0 of that, chain `c` the child `c + 1`: the
/// result depends neither on the number of threads nor on the size of chunks. `observer` is called
/// after each observation, and at each temperature.
///
/// # Shapes
/// `observations` `[n, event]`; start and target have rows `0 … n − 1` in the model's latent space.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0 (or a single pilot chain), [`EvalError::TooFew`]
/// without observations, [`EvalError::Row`] and [`EvalError::Mismatch`] for shapes,
/// [`EvalError::NotALogDensity`] with the chain at which the model or a density returned NaN or +∞,
/// [`EvalError::Interrupted`] if the observer stops the computation.
///
/// # Source
/// Neal (2001), *Annealed importance sampling*, eqs. 2–6; Wu, Burda, Salakhutdinov, Grosse (2017),
/// *On the quantitative analysis of decoder-based generative models*. The Crank–Nicolson proposals:
/// Rudolf & Sprungk (2018), *On a generalization of the preconditioned Crank–Nicolson Metropolis
/// algorithm*.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::Unobserved;
/// use zbridge_eval::{AnnealingSettings, LinearGaussianModel, PriorTarget, annealed};
///
/// let model = LinearGaussianModel::new(array![[1.0, 0.5]], array![0.0, 0.1], 0.5)?;
/// let images = model.observations(array![[0.3, -0.2]])?;
/// let prior = PriorTarget::new("log p(x)").drawable(1);
/// let settings = AnnealingSettings {
///     chains: 50,
///     temperatures: 100,
///     transitions: 2,
///     pilot_chains: 16,
///     chunk: 50,
///     seed: 7,
/// };
/// let found = annealed(&model, &images, &prior, &prior, &settings, &Unobserved)?;
/// let exact = model.log_marginal_nats(&images)?;
/// assert!((found.estimate.mean.mean - exact[0]).abs() < 0.1);
/// assert!(found.least_acceptance > 0.1);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn annealed(
    model: &dyn LatentModel,
    observations: &Observations,
    start: &dyn DrawableDensity,
    target: &dyn TargetDensity,
    settings: &AnnealingSettings,
    observer: &dyn Observer,
) -> Result<AnnealedEstimate, EvalError> {
    settings.check()?;
    let likelihoods = ObservationLikelihoods::new(model, observations)?;
    let stage = Stage::new(observer, "annealing", likelihoods.rows() as u64);
    let streams = RandomStream::named(settings.seed, "annealed");
    let schedule = settings.schedule();
    let rows = each_row(likelihoods.rows(), &stage, |row| {
        let path = AnnealingPath {
            likelihoods,
            row,
            start,
            target,
            schedule: &schedule,
            transitions: settings.transitions,
            stage: &stage,
        };
        AnnealedRow::of(&path, settings, &streams.child(row as u64))
    })?;
    Ok(AnnealedEstimate::new(target.name(), settings.chains, &rows))
}

impl AnnealingSettings {
    fn check(&self) -> Result<(), EvalError> {
        expect_setting("chains", 1, self.chains)?;
        expect_setting("temperatures", 1, self.temperatures)?;
        expect_setting("transitions", 1, self.transitions)?;
        expect_setting("pilot_chains", 2, self.pilot_chains)?;
        expect_setting("chunk", 1, self.chunk)
    }

    /// Returns 0 = β_0 < … < β_T = 1: a sigmoid, stretched to reach both ends.
    fn schedule(&self) -> Vec<f64> {
        let (low, high) = (sigmoid(-SCHEDULE_STEEPNESS), sigmoid(SCHEDULE_STEEPNESS));
        let mut schedule = vec![0.0];
        for step in 1..self.temperatures {
            let place = 2.0 * step as f64 / self.temperatures as f64 - 1.0;
            schedule.push((sigmoid(SCHEDULE_STEEPNESS * place) - low) / (high - low));
        }
        // Both ends are exact, whatever the rounding: at 0 and 1 a density drops out.
        schedule.push(1.0);
        schedule
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn sigmoid(t: f64) -> f64 {
    1.0 / (1.0 + (-t).exp())
}

/// The estimate of one observation, with the share of transitions that were accepted.
struct AnnealedRow {
    estimate: RowEstimate,
    acceptance: f64,
}

impl AnnealedRow {
    fn of(
        path: &AnnealingPath<'_>,
        settings: &AnnealingSettings,
        stream: &RandomStream,
    ) -> Result<Self, EvalError> {
        // Child 0 belongs to the pilot, so that chains have the same draws whatever its size.
        let moves = path.moves(settings.pilot_chains, &stream.child(0))?;
        let (mut weights, mut accepted) = (LogWeights::default(), 0);
        for chains in chunks(settings.chains, settings.chunk) {
            let first = chains.start;
            let streams = chains.map(|chain| stream.child(chain as u64 + 1));
            let run = path.run(first, streams.collect(), &moves)?;
            accepted += run.accepted;
            // In the order of chains: the sum does not depend on the size of chunks.
            for log_weight in run.log_weights {
                weights.push(log_weight);
            }
        }
        Ok(Self {
            estimate: RowEstimate::from(&weights),
            acceptance: acceptance(accepted, settings, &moves),
        })
    }
}

/// Returns the share of accepted transitions; 1 for a path of one step, which has none.
fn acceptance(accepted: usize, settings: &AnnealingSettings, moves: &[Moves]) -> f64 {
    match settings.chains * settings.transitions * moves.len() {
        0 => 1.0,
        proposed => accepted as f64 / proposed as f64,
    }
}

impl AnnealedEstimate {
    fn new(name: &str, chains: usize, rows: &[AnnealedRow]) -> Self {
        let per_row = rows.iter().map(|row| row.estimate).collect();
        let acceptance_per_row: Vec<f64> = rows.iter().map(|row| row.acceptance).collect();
        Self {
            estimate: TargetEstimate::new(name, chains, per_row),
            mean_acceptance: mean(&acceptance_per_row),
            least_acceptance: smallest(&acceptance_per_row),
            acceptance_per_row,
        }
    }

    /// Returns the number of chains, mean, interval, effective sample sizes and warning.
    pub fn summary(&self) -> LikelihoodSummary {
        LikelihoodSummary {
            warning: self.warning(),
            ..self.estimate.summary()
        }
    }

    /// Returns a reason not to trust this estimate, with the remedies that chains have; `None` if
    /// there is none.
    pub fn warning(&self) -> Option<EstimateWarning> {
        match self.estimate.warning() {
            // The remedies of draws do not help chains.
            Some(EstimateWarning::LowEffectiveSampleSize {
                name,
                low,
                observations,
                median,
                draws,
            }) => Some(EstimateWarning::UnevenChains {
                name,
                low,
                observations,
                median,
                chains: draws,
            }),
            // Chains that never move have the weights of the naive estimate, which can look even.
            None if self.least_acceptance < STUCK_ACCEPTANCE => {
                Some(EstimateWarning::StuckChains {
                    name: self.estimate.name.clone(),
                    least_acceptance: self.least_acceptance,
                })
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::estimate;

    #[test]
    fn a_schedule_climbs_from_zero_to_one() {
        for temperatures in [1, 2, 3, 100] {
            let settings = AnnealingSettings {
                chains: 1,
                temperatures,
                transitions: 1,
                pilot_chains: 2,
                chunk: 1,
                seed: 1,
            };
            let schedule = settings.schedule();
            assert_eq!(
                (schedule.len(), schedule[0], schedule[temperatures]),
                (temperatures + 1, 0.0, 1.0)
            );
            assert!(schedule.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn annealed_chains_have_remedies_of_their_own() {
        let annealed = |estimate, acceptance: f64| AnnealedEstimate {
            estimate,
            acceptance_per_row: vec![acceptance],
            mean_acceptance: acceptance,
            least_acceptance: acceptance,
        };
        let warning = annealed(estimate(&[2.0]), 0.3).summary().warning.unwrap();
        assert!(matches!(
            warning,
            EstimateWarning::UnevenChains {
                low: 1,
                chains: 1000,
                ..
            }
        ));
        assert!(
            warning.to_string().contains("take more temperatures"),
            "{warning}"
        );
        let warning = annealed(estimate(&[200.0]), 0.011).warning().unwrap();
        assert!(
            warning
                .to_string()
                .contains("only 1.1 % of their transitions"),
            "{warning}"
        );
        assert_eq!(annealed(estimate(&[200.0]), 0.3).warning(), None);
    }
}
