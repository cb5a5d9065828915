use super::side_of_pairs::SideOfPairs;
use super::{HeldOutPairs, LeftOut};
use crate::Error;
use serde::Serialize;
use zbridge_bridge::{Conditional, Direction};
use zbridge_core::{
    ConditionalDensity, DiagonalGaussian, Estimate, LatentModel, Latents, Observations, Observer,
    Posterior, RandomStream,
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

/// How many likelihoods are estimated, and from how many draws.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LikelihoodPlan {
    /// Pairs, the first ones.
    pub(crate) pairs: usize,
    /// Draws for each of them.
    pub(crate) draws: usize,
    pub(crate) seed: u64,
}

impl Likelihoods {
    /// Returns the likelihoods of the first pairs; `None`, with the reason added to `left_out`,
    /// unless both models and both observations are at hand.
    ///
    /// # Errors
    /// [`Error`] if an estimate fails, or the observer stops the work.
    pub(crate) fn of(
        pairs: &HeldOutPairs,
        plan: LikelihoodPlan,
        observer: &dyn Observer,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<Self>, Error> {
        let rows: Vec<usize> = (0..pairs.count().min(plan.pairs)).collect();
        let sides = observed_sides(pairs, &rows, plan);
        let (x, y) = match sides {
            Ok(sides) => sides,
            Err(reason) => {
                left_out.push(LeftOut::new("likelihoods", reason));
                return Ok(None);
            }
        };
        let settings = ImportanceSettings {
            draws: plan.draws,
            chunk: CHUNK.min(plan.draws),
            seed: plan.seed,
        };
        let estimate = |direction, source, target| {
            let density = pairs.bridge.density(direction);
            let names = names(direction);
            let crossing = Crossing {
                density,
                source,
                target,
                names,
            };
            crossing.estimate(&settings, observer)
        };
        let of_x = estimate(Direction::YToX, &y, &x)?;
        let of_y = estimate(Direction::XToY, &x, &y)?;
        Ok(Some(Self::of_estimates(&of_x, &of_y)?))
    }

    fn of_estimates(x: &SideEstimates, y: &SideEstimates) -> Result<Self, Error> {
        let joint = JointLikelihood::of(&JointFactors {
            x: &x.marginal,
            y_given_x: &y.conditional,
            y: &y.marginal,
            x_given_y: &x.conditional,
        })?;
        Ok(Self {
            x: x.marginal.summary(),
            x_given_y: x.conditional.summary(),
            x_gain_nats: x.gain(),
            y: y.marginal.summary(),
            y_given_x: y.conditional.summary(),
            y_gain_nats: y.gain(),
            joint: Joint {
                by_x_first_nats: joint.by_x_first_nats,
                by_y_first_nats: joint.by_y_first_nats,
                gap_nats: joint.gap_nats,
                absolute_gap_nats: joint.absolute_gap_nats,
            },
        })
    }

    /// Returns the four estimates: of x, of x given y, of y, of y given x.
    pub(crate) fn summaries(&self) -> [&LikelihoodSummary; 4] {
        [&self.x, &self.x_given_y, &self.y, &self.y_given_x]
    }

    /// Returns why some of these are not to be trusted, in words; estimates from few effective
    /// draws share one sentence.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let (mut warnings, mut low) = (vec![], vec![]);
        for summary in self.summaries() {
            match &summary.warning {
                Some(EstimateWarning::LowEffectiveSampleSize { .. }) => low.push(summary),
                Some(other) => warnings.push(other.to_string()),
                None => {}
            }
        }
        warnings.extend(low_effective_sample_sizes(&low));
        warnings
    }
}

fn low_effective_sample_sizes(summaries: &[&LikelihoodSummary]) -> Option<String> {
    let draws = summaries.first()?.draws;
    let mut named = vec![];
    for summary in summaries {
        let size = &summary.effective_sample_size;
        named.push(format!(
            "{} ({:.0} % of the pairs; median {:.0})",
            summary.name,
            100.0 * size.low_share,
            size.median
        ));
    }
    Some(format!(
        "fewer than {LOW_EFFECTIVE_SAMPLE_SIZE} of {draws} draws carry the estimate of {}: those \
         are most likely too low, and their standard errors cannot be believed; take more draws",
        named.join(" and ")
    ))
}

/// The names of log p(target) and log p(target|source).
fn names(direction: Direction) -> [&'static str; 2] {
    match direction {
        Direction::XToY => ["log p(y)", "log p(y|x)"],
        Direction::YToX => ["log p(x)", "log p(x|y)"],
    }
}

/// A side whose observations can be scored.
struct Observed<'p> {
    model: &'p dyn LatentModel,
    observations: Observations,
    posterior: DiagonalGaussian,
}

/// Returns both sides of these pairs.
///
/// # Errors
/// The reason why there are no likelihoods.
fn observed_sides<'p>(
    pairs: &'p HeldOutPairs,
    rows: &[usize],
    plan: LikelihoodPlan,
) -> Result<(Observed<'p>, Observed<'p>), String> {
    if rows.is_empty() || plan.draws == 0 {
        return Err("none were asked for".to_owned());
    }
    let x = Observed::of("x", &pairs.x, rows)?;
    let y = Observed::of("y", &pairs.y, rows)?;
    Ok((x, y))
}

impl<'p> Observed<'p> {
    fn of(name: &str, side: &'p SideOfPairs, rows: &[usize]) -> Result<Self, String> {
        let Some(given) = &side.given else {
            return Err(side.why_no_model());
        };
        let Some(observations) = &side.observations else {
            return Err(format!(
                "the data that the latents of {name} were encoded from are not given"
            ));
        };
        Ok(Self {
            model: &*given.model,
            observations: observations.select(rows),
            posterior: side.posterior.select(rows).moments().into_owned(),
        })
    }

    /// Returns what `density` is to be given of each row: the sources over which it is averaged.
    fn contexts(&self, density: &Conditional, seed: u64) -> Vec<Latents> {
        let streams = RandomStream::named(seed, "evaluate/sources");
        let mut contexts = vec![];
        for row in 0..self.observations.rows() {
            let posterior = Posterior::from(self.posterior.select(&[row]));
            // A pair has the same draws, however many pairs there are.
            let mut stream = streams.child(row as u64);
            contexts.push(density.sources(&posterior, SOURCE_DRAWS, &mut stream));
        }
        contexts
    }
}

/// A direction of the bridge between observed pairs.
struct Crossing<'c> {
    density: &'c Conditional,
    source: &'c Observed<'c>,
    target: &'c Observed<'c>,
    names: [&'static str; 2],
}

/// Log-likelihoods of one side for each pair.
struct SideEstimates {
    /// log p(target).
    marginal: TargetEstimate,
    /// log p(target|source).
    conditional: TargetEstimate,
}

impl Crossing<'_> {
    /// Returns both estimates, from the same decoder evaluations. Half of the draws come from
    /// p(z|target), half from the bridge: if the bridge is narrower than the posterior, or beside
    /// it, the posterior alone would miss what counts.
    fn estimate(
        &self,
        settings: &ImportanceSettings,
        observer: &dyn Observer,
    ) -> Result<SideEstimates, Error> {
        let [marginal, conditional] = self.names;
        let contexts = self.source.contexts(self.density, settings.seed);
        // Each target under the source that it is paired with.
        let own_context = (0..self.target.observations.rows()).collect();
        let prior = PriorTarget::new(marginal);
        let bridge = BridgeTarget::new(conditional, self.density, &contexts, own_context)?;
        let proposal = MixtureProposal::new(&self.target.posterior).with(OWN_SHARE, &bridge)?;
        let mut found = importance_sampled(
            self.target.model,
            &self.target.observations,
            &proposal,
            &[&prior, &bridge],
            settings,
            observer,
        )?;
        // In the order of the targets; the second first, so that places stay.
        let conditional = found.remove(1);
        let marginal = found.remove(0);
        Ok(SideEstimates {
            marginal,
            conditional,
        })
    }
}

impl SideEstimates {
    /// Returns the mean of log p(target|source) − log p(target) over the pairs.
    fn gain(&self) -> Estimate {
        let rows = self.conditional.per_row.iter().zip(&self.marginal.per_row);
        Estimate::of(
            rows.map(|(conditional, marginal)| conditional.log_mean_nats - marginal.log_mean_nats),
        )
    }
}
