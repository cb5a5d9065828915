use crate::Error;
use serde::Serialize;
use zbridge_bridge::Conditional;
use zbridge_core::{ConditionalDensity, Estimate, Posterior};
use zbridge_eval::{CrossDensities, LatentPairs, PitCalibration, PitSettings, Retrieval};

/// Pairs whose every target meets every source, at most: the cost grows with their square.
const MOST_CANDIDATES: usize = 300;
/// Pairs whose targets are ranked among draws, at most.
const MOST_RANKED: usize = 1000;
/// Draws among which a target is ranked.
const RANKING_DRAWS: usize = 99;

/// A direction's figures on held-out pairs, in latent space: what can be said where no given model
/// can be opened.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionFigures {
    /// Mean log q(z_target|z_source) of posterior draws, in nats.
    pub log_density_nats: Estimate,
    /// Mean KL(q ‖ p) of q(z_target|z_source) from the target's posterior, in nats: the paper's
    /// objective, where it has a closed form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_kl_nats: Option<Estimate>,
    /// What knowing the source is worth: log q(z_target|own source) − log of its mean over held-out
    /// sources, in nats.
    pub gain_over_marginal_nats: Estimate,
    /// The most that the gain can be with so many pairs.
    pub gain_ceiling_nats: f64,
    /// How well the true target is found among held-out ones.
    pub retrieval: Retrieval,
    /// Whether targets fall where the density says.
    pub calibration: PitCalibration,
}

impl DirectionFigures {
    /// The figures of `density` from `source` to `target`, row by row.
    ///
    /// # Errors
    /// [`Error`] when dimensions do not belong together or there is a single pair.
    pub(crate) fn of(
        density: &Conditional,
        source: &Posterior,
        target: &Posterior,
        seed: u64,
    ) -> Result<Self, Error> {
        let pairs = LatentPairs::draw(source, target, seed)?;
        let closed_form = density.as_gaussian().zip(target.as_diagonal());
        let reverse_kl = closed_form.map(|(density, target)| {
            density
                .gaussians(pairs.sources())?
                .kl_divergence_nats(target)
        });
        let crossed = CrossDensities::of(density, &pairs.at_most(MOST_CANDIDATES, seed)?, &|_| ())?;
        let gain = crossed.gain();
        let settings = PitSettings {
            draws: RANKING_DRAWS,
            seed,
        };
        Ok(Self {
            log_density_nats: Estimate::of(
                density.given(pairs.sources())?.log_prob(pairs.targets())?,
            ),
            reverse_kl_nats: reverse_kl.transpose()?.map(Estimate::of),
            gain_over_marginal_nats: gain.gain_nats,
            gain_ceiling_nats: gain.ceiling_nats,
            retrieval: crossed.retrieve_targets(),
            calibration: PitCalibration::of(
                density,
                &pairs.at_most(MOST_RANKED, seed)?,
                &settings,
                &|_| (),
            )?,
        })
    }
}
