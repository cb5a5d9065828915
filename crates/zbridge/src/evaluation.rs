//! The figures of a bridge on held-out pairs that need no given model.

use crate::{Error, translate_mean};
use ndarray::Array2;
use rayon::prelude::*;
use serde::Serialize;
use zbridge_bridge::{Bridge, Conditional};
use zbridge_core::{
    ConditionalDensity, Estimate, Latents, Observer, Posterior, RandomStream, Stage,
};
use zbridge_eval::{
    CrossDensities, LatentPairs, MeanAccuracy, PitCalibration, PitSettings, Retrieval,
};

/// The largest number of pairs of which every target is evaluated under every source: the cost
/// grows with the square.
const MOST_CROSSED_PAIRS: usize = 300;
/// The largest number of pairs whose target is ranked among draws.
const MOST_RANKED_PAIRS: usize = 1000;
/// Draws among which a target is ranked.
const RANKING_DRAWS: usize = 99;
/// Draws of which the mean of a conditional is taken.
const MEAN_DRAWS: usize = 32;

/// The figures of both directions of a bridge on held-out pairs.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// Of q(z_y|z_x).
    pub x_to_y: DirectionFigures,
    /// Of q(z_x|z_y).
    pub y_to_x: DirectionFigures,
}

/// Returns the figures of a bridge on held-out pairs: `x` and `y` have one posterior a pair.
///
/// ```
/// use zbridge::{Bridge, BridgeConfig, DiagonalGaussian, FitData, Posterior};
/// # let x: Posterior = DiagonalGaussian::standard(40, 3).into();
/// # let y: Posterior = DiagonalGaussian::standard(40, 2).into();
/// # let mut config = zbridge::PaperConfig::default();
/// # config.steps = 10;
/// # let config = BridgeConfig::paper(config).check()?;
/// # let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &zbridge::Unobserved)?;
/// let figures = zbridge::evaluate(&bridge, &x, &y, 1, &zbridge::Unobserved)?;
/// let gain = figures.x_to_y.gain_over_marginal_nats;
/// println!("knowing x is worth {:.2} ± {:.2} nats", gain.mean, gain.standard_error);
/// # Ok::<(), zbridge::Error>(())
/// ```
///
/// # Errors
/// [`Error::Evaluation`] if dimensions do not belong together or there are fewer than two pairs;
/// [`Error::Interrupted`] if the observer stops the work.
pub fn evaluate(
    bridge: &Bridge,
    x: &Posterior,
    y: &Posterior,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Evaluation, Error> {
    Ok(Evaluation {
        x_to_y: DirectionFigures::of(bridge.x_to_y(), x, y, seed, observer)?,
        y_to_x: DirectionFigures::of(bridge.y_to_x(), y, x, seed, observer)?,
    })
}

/// The figures of one direction on held-out pairs, in latent space.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionFigures {
    /// Mean of log q(z_target|z_source) over one draw of both posteriors of each pair, in nats.
    pub log_density_nats: Estimate,
    /// Mean of KL(q(z_target|z_source) ‖ p(z_target|target)) over the pairs, in nats: the objective
    /// of the paper (equation 2). `None` if it has no closed form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_kl_nats: Option<Estimate>,
    /// Mean of log q(z_target|own source) − log mean_j q(z_target|source_j) over held-out sources
    /// j, in nats: what it is worth to know the source.
    pub gain_over_marginal_nats: Estimate,
    /// The largest gain that this number of pairs can show, in nats.
    pub gain_ceiling_nats: f64,
    /// How often the true target is found among the held-out ones.
    pub retrieval: Retrieval,
    /// How near the mean of the conditional, over 32 draws, comes to the target.
    pub means: MeanAccuracy,
    /// Whether targets fall where the density says that they do.
    pub calibration: PitCalibration,
}

impl DirectionFigures {
    /// Returns the figures of `density` from `source` to `target`, which have one posterior a pair.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn of(
        density: &Conditional,
        source: &Posterior,
        target: &Posterior,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let pairs = LatentPairs::for_density(density, source, target, seed)?;
        let log_density = density.given(pairs.sources())?.log_prob(pairs.targets())?;
        let few_pairs = pairs.at_most(MOST_CROSSED_PAIRS, seed)?;
        let crossed = CrossDensities::of(density, &few_pairs, observer)?;
        let gain = crossed.gain();
        let ranked_pairs = pairs.at_most(MOST_RANKED_PAIRS, seed)?;
        let ranking = PitSettings {
            draws: RANKING_DRAWS,
            seed,
        };
        Ok(Self {
            log_density_nats: Estimate::of(log_density),
            reverse_kl_nats: reverse_kl_nats(density, &pairs, target)?,
            gain_over_marginal_nats: gain.gain_nats,
            gain_ceiling_nats: gain.ceiling_nats,
            retrieval: crossed.retrieve_targets(),
            means: mean_accuracy(density, source, target, seed, observer)?,
            calibration: PitCalibration::of(density, &ranked_pairs, &ranking, observer)?,
        })
    }
}

/// Returns how near the means of the conditional come to the targets of at most
/// [`MOST_RANKED_PAIRS`] pairs. Pair `i` uses the stream `("evaluate/means", seed).child(i)`.
fn mean_accuracy(
    density: &Conditional,
    source: &Posterior,
    target: &Posterior,
    seed: u64,
    observer: &dyn Observer,
) -> Result<MeanAccuracy, Error> {
    let rows = at_most(MOST_RANKED_PAIRS, source.rows(), seed);
    let streams = RandomStream::named(seed, "evaluate/means");
    let stage = Stage::new(observer, "means of the conditional", rows.len() as u64);
    let predicted = |&row: &usize| -> Result<Latents, Error> {
        let mut stream = streams.child(row as u64);
        let mean = translate_mean(density, &source.select(&[row]), MEAN_DRAWS, &mut stream)?;
        stage.advance(1)?;
        Ok(mean)
    };
    let predicted: Vec<Latents> = rows.par_iter().map(predicted).collect::<Result<_, _>>()?;
    let mut predictions = Array2::zeros((rows.len(), target.dim()));
    for (mut prediction, mean) in predictions.outer_iter_mut().zip(&predicted) {
        prediction.assign(&mean.row(0));
    }
    let targets = target.select(&rows);
    let predictions = Latents::new(predictions)?;
    Ok(MeanAccuracy::of(
        &predictions,
        &targets,
        MEAN_DRAWS,
        observer,
    )?)
}

/// Returns all of `0..count`, or `most` of them taken at random, in rising order: the pairs that
/// [`LatentPairs::at_most`] takes.
fn at_most(most: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rows = RandomStream::named(seed, "evaluate/candidates").permutation(count);
    rows.truncate(most);
    rows.sort_unstable();
    rows
}

/// Returns the mean KL(q ‖ p) where q and the target's posteriors are diagonal Gaussians.
fn reverse_kl_nats(
    density: &Conditional,
    pairs: &LatentPairs,
    target: &Posterior,
) -> Result<Option<Estimate>, Error> {
    let (Some(gaussian), Some(posteriors)) = (density.as_gaussian(), target.as_diagonal()) else {
        return Ok(None);
    };
    let conditionals = gaussian.gaussians(pairs.sources())?;
    Ok(Some(Estimate::of(
        conditionals.kl_divergence_nats(posteriors)?,
    )))
}
