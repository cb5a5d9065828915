//! The direction gap: how far the joints that the two directions imply are apart.

use crate::{Bridge, Conditional, Direction};
use serde::{Deserialize, Serialize};
use zbridge_core::{ConditionalDensity, DensityError, Estimate, Latents, Posterior, RandomStream};

/// What each direction says the latents of a pair tell of each other, and how far the two are
/// apart.
///
/// A joint fixes the information of a point, i(x, y) = log p(z_y|z_x) − log p(z_y) = log p(z_x|z_y)
/// − log p(z_x). Two directions that were fitted apart give two values: each with its own
/// conditional, and with the marginal that this conditional implies, q(z_y) = mean_j q(z_y|z_x,j)
/// over the pairs. They are equal everywhere if and only if the two directions belong to joints of
/// one dependence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionGap {
    /// Mean of i over pairs by q(z_y|z_x), in nats: its estimate of the mutual information.
    pub x_to_y_information_nats: Estimate,
    /// The same by q(z_x|z_y).
    pub y_to_x_information_nats: Estimate,
    /// Mean over pairs of |i by one direction − i by the other|, in nats.
    pub gap_nats: Estimate,
}

/// Pairs on which the gap is measured at most: every source meets every target.
const MOST_PAIRS: usize = 200;

impl DirectionGap {
    /// The gap of a bridge on pairs: those of `x` and `y`, row by row, or the first of them.
    ///
    /// # Errors
    /// [`DensityError`] when the posteriors are not of the bridge's latent spaces.
    pub fn on(
        bridge: &Bridge,
        x: &Posterior,
        y: &Posterior,
        seed: u64,
    ) -> Result<Self, DensityError> {
        let rows: Vec<usize> = (0..x.rows().min(y.rows()).min(MOST_PAIRS)).collect();
        let mut stream = RandomStream::named(seed, "bridge/gap");
        let (x, y) = (
            x.select(&rows).sample(&mut stream),
            y.select(&rows).sample(&mut stream),
        );
        let (forward, backward) = rayon::join(
            || information(bridge.density(Direction::XToY), &x, &y),
            || information(bridge.density(Direction::YToX), &y, &x),
        );
        let (forward, backward) = (forward?, backward?);
        let gaps = forward.iter().zip(&backward).map(|(a, b)| (a - b).abs());
        Ok(Self {
            gap_nats: Estimate::of(gaps),
            x_to_y_information_nats: Estimate::of(forward.iter().copied()),
            y_to_x_information_nats: Estimate::of(backward),
        })
    }
}

/// log q(t_i|s_i) − log mean_j q(t_i|s_j) for each pair.
fn information(
    density: &Conditional,
    sources: &Latents,
    targets: &Latents,
) -> Result<Vec<f64>, DensityError> {
    let count = sources.rows();
    let of_pair = |(i, row): (usize, &[f64])| {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = row.iter().map(|nats| (nats - highest).exp()).sum::<f64>() / count as f64;
        row[i] - highest - mean.ln()
    };
    let nats = every_pair(density, sources, targets)?;
    Ok(nats.chunks_exact(count).enumerate().map(of_pair).collect())
}

/// log q(t_i|s_j) for every target and source, `[targets, sources]`.
fn every_pair(
    density: &Conditional,
    sources: &Latents,
    targets: &Latents,
) -> Result<Vec<f64>, DensityError> {
    let count = sources.rows();
    // A density that is one Gaussian for each source is asked for it once, not once for each
    // target.
    if let Some(network) = density.as_gaussian() {
        return Ok(network.gaussians(sources)?.cross_log_prob(targets)?);
    }
    // Others are asked for everything together: what they work out for a source or a target, they
    // work out once.
    let every_source: Vec<usize> = (0..count * count).map(|i| i % count).collect();
    density
        .given(&sources.select(&every_source))?
        .log_prob(&targets.repeat_each(count))
}
