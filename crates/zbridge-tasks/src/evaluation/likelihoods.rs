use super::HeldOutPairs;
use crate::Error;
use crate::evaluation::pairs::SideOfPairs;
use serde::Serialize;
use zbridge_bridge::{Conditional, Direction};
use zbridge_core::{
    DiagonalGaussian, Estimate, LatentModel, Latents, Observations, Observer, RandomStream,
};
use zbridge_eval::{
    BridgeTarget, EstimateWarning, ImportanceSettings, JointFactors, JointLikelihood,
    LOW_EFFECTIVE_SAMPLE_SIZE, LikelihoodSummary, MixtureProposal, PriorTarget, TargetEstimate,
    importance_sampled,
};

/// Draws of the source's posterior over which q(z_target|z_source) is averaged for each pair.
const SOURCE_DRAWS: usize = 4;
/// Draws that go through a decoder at once.
const CHUNK: usize = 250;
/// Share of the draws that a bridge's own density gives where p(z|target) is the other proposal.
const OWN_SHARE: f64 = 0.5;

/// Likelihoods of held-out observations of both sides, importance-sampled, in nats.
#[derive(Debug, Clone, Serialize)]
pub struct Likelihoods {
    /// log p(x) of the given model of x.
    pub x: LikelihoodSummary,
    /// log p(x|y) across the bridge.
    pub x_given_y: LikelihoodSummary,
    /// log p(x|y) − log p(x), pair by pair: what knowing y is worth.
    pub x_gain_nats: Estimate,
    /// log p(y) of the given model of y.
    pub y: LikelihoodSummary,
    /// log p(y|x) across the bridge.
    pub y_given_x: LikelihoodSummary,
    /// log p(y|x) − log p(y), pair by pair.
    pub y_gain_nats: Estimate,
    /// log p(x, y) by both factorisations.
    pub joint: Joint,
}

/// log p(x, y) by both factorisations, means over pairs in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Joint {
    /// log p(x) + log p(y|x).
    pub by_x_first_nats: Estimate,
    /// log p(y) + log p(x|y).
    pub by_y_first_nats: Estimate,
    /// The first less the second.
    pub gap_nats: Estimate,
    /// Its absolute value: 0 only if both agree on every pair.
    pub absolute_gap_nats: Estimate,
}

impl Likelihoods {
    /// Of the first `rows` pairs, by `draws` draws each; none unless both models and both
    /// observations are at hand.
    ///
    /// # Errors
    /// [`Error`] when an estimate fails.
    pub(crate) fn of(
        pairs: &HeldOutPairs,
        (rows, draws): (usize, usize),
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Option<Self>, Error> {
        let rows: Vec<usize> = (0..pairs.count().min(rows)).collect();
        if rows.is_empty() || draws == 0 {
            return Ok(None);
        }
        let Some([x, y]) = both(|side| Observed::of(side, &rows), [&pairs.x, &pairs.y]) else {
            return Ok(None);
        };
        let settings = ImportanceSettings {
            draws,
            chunk: CHUNK.min(draws),
            seed,
        };
        let sampling = |direction, source: &Observed, target: &Observed| -> Result<_, Error> {
            estimated(
                pairs.bridge.density(direction),
                source,
                target,
                &settings,
                direction,
                observer,
            )
        };
        let (x_marginal, x_conditional) = sampling(Direction::YToX, &y, &x)?;
        let (y_marginal, y_conditional) = sampling(Direction::XToY, &x, &y)?;
        let factors = JointFactors {
            x: &x_marginal,
            y_given_x: &y_conditional,
            y: &y_marginal,
            x_given_y: &x_conditional,
        };
        let joint = JointLikelihood::of(&factors)?;
        Ok(Some(Self {
            x_gain_nats: gain(&x_conditional, &x_marginal),
            y_gain_nats: gain(&y_conditional, &y_marginal),
            x: x_marginal.summary(),
            x_given_y: x_conditional.summary(),
            y: y_marginal.summary(),
            y_given_x: y_conditional.summary(),
            joint: Joint {
                by_x_first_nats: joint.by_x_first_nats,
                by_y_first_nats: joint.by_y_first_nats,
                gap_nats: joint.gap_nats,
                absolute_gap_nats: joint.absolute_gap_nats,
            },
        }))
    }

    /// What makes some of these not to be believed, in words.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let all = [&self.x, &self.x_given_y, &self.y, &self.y_given_x];
        let (few, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .filter_map(|summary| summary.warning.as_ref().map(|warning| (summary, warning)))
            .partition(|(_, warning)| {
                matches!(warning, EstimateWarning::LowEffectiveSampleSize { .. })
            });
        let mut warnings: Vec<String> = others
            .iter()
            .map(|(_, warning)| warning.to_string())
            .collect();
        if let Some((first, _)) = few.first() {
            let named = |(summary, _): &(&LikelihoodSummary, _)| {
                let size = &summary.effective_sample_size;
                format!(
                    "{} ({:.0} % of the pairs; median {:.0})",
                    summary.name,
                    100.0 * size.low_share,
                    size.median
                )
            };
            warnings.push(format!(
                "fewer than {LOW_EFFECTIVE_SAMPLE_SIZE} of {} draws carry the estimate of {}: those are most likely too low, and their standard errors cannot be believed; take more --draws",
                first.draws,
                few.iter().map(named).collect::<Vec<_>>().join(" and ")
            ));
        }
        warnings
    }
}

fn both<T, S>(of: impl Fn(S) -> Option<T>, [a, b]: [S; 2]) -> Option<[T; 2]> {
    Some([of(a)?, of(b)?])
}

fn gain(conditional: &TargetEstimate, marginal: &TargetEstimate) -> Estimate {
    let each = conditional.per_row.iter().zip(&marginal.per_row);
    Estimate::of(
        each.map(|(conditional, marginal)| conditional.log_mean_nats - marginal.log_mean_nats),
    )
}

/// A side whose observations can be scored.
struct Observed<'p> {
    model: &'p dyn LatentModel,
    observations: Observations,
    posterior: DiagonalGaussian,
}

impl<'p> Observed<'p> {
    fn of(side: &'p SideOfPairs, rows: &[usize]) -> Option<Self> {
        let (given, observations) = (side.given.as_ref()?, side.observations.as_ref()?);
        let posterior = side.posterior.select(rows).moments().into_owned();
        Some(Self {
            model: &*given.model,
            observations: observations.select(rows),
            posterior,
        })
    }
}

/// (log p(target), log p(target|source)) of each pair, from the same decoder evaluations. Half of
/// the draws come from p(z|target), half from the bridge: where it is narrower than the posterior,
/// or beside it, the posterior alone would miss what counts.
fn estimated(
    density: &Conditional,
    source: &Observed<'_>,
    target: &Observed<'_>,
    settings: &ImportanceSettings,
    direction: Direction,
    observer: &dyn Observer,
) -> Result<(TargetEstimate, TargetEstimate), Error> {
    let (marginal, conditional) = match direction {
        Direction::XToY => ("log p(y)", "log p(y|x)"),
        Direction::YToX => ("log p(x)", "log p(x|y)"),
    };
    let streams = RandomStream::named(settings.seed, "evaluate/sources");
    let rows = target.observations.rows();
    let contexts: Vec<Latents> = (0..rows)
        .map(|row| {
            let posterior = zbridge_core::Posterior::from(source.posterior.select(&[row]));
            posterior.sample_each(SOURCE_DRAWS, &mut streams.child(row as u64))
        })
        .collect();
    let prior = PriorTarget::new(marginal);
    let bridge = BridgeTarget::new(conditional, density, &contexts, (0..rows).collect())?;
    let proposal = MixtureProposal::new(&target.posterior).with(OWN_SHARE, &bridge)?;
    let mut found = importance_sampled(
        target.model,
        &target.observations,
        &proposal,
        &[&prior, &bridge],
        settings,
        observer,
    )?;
    let conditional = found.remove(1);
    Ok((found.remove(0), conditional))
}
