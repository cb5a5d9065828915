use crate::{Conditional, Directions, SourceReading};
use serde::{Deserialize, Serialize};
use zbridge_core::{ConditionalDensity, DensityError, Estimate, Latents, Posterior, RandomStream};

/// What each direction says that the latents of a pair tell of each other, and how far the two are
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
const MAX_PAIRS: usize = 200;
/// Numbers of latents that are in memory at once, about.
const NUMBERS_AT_ONCE: usize = 1 << 24;

impl DirectionGap {
    /// Returns the gap between two directions on pairs: on those of `x` and `y`, row by row, or on
    /// the first 200 of them.
    ///
    /// # Errors
    /// [`DensityError::Shape`] if the posteriors are of other latent spaces,
    /// [`DensityError::NotANumber`] if a log density is NaN.
    pub fn between(
        directions: &Directions<Conditional>,
        x: &Posterior,
        y: &Posterior,
        seed: u64,
    ) -> Result<Self, DensityError> {
        let rows: Vec<usize> = (0..x.rows().min(y.rows()).min(MAX_PAIRS)).collect();
        let mut stream = RandomStream::named(seed, "bridge/gap");
        let (x, y) = (x.select(&rows), y.select(&rows));
        let (x_draws, y_draws) = (x.sample(&mut stream), y.sample(&mut stream));
        let pairs = Directions {
            x_to_y: (&x, &x_draws, &y_draws),
            y_to_x: (&y, &y_draws, &x_draws),
        };
        let information = pairs
            .join(|direction, (source, draws, targets)| {
                let density = directions.get(direction);
                let sources = match density.reading() {
                    // The same draws that the other direction has as targets.
                    SourceReading::Draw => draws.clone(),
                    // Nothing is drawn.
                    reading => reading.of(source, 1, &mut stream.clone()),
                };
                information_nats(density, &sources, targets)
            })
            .transpose()?;
        let (forward, backward) = (information.x_to_y, information.y_to_x);
        let gaps = forward.iter().zip(&backward).map(|(a, b)| (a - b).abs());
        Ok(Self {
            gap_nats: Estimate::of(gaps),
            x_to_y_information_nats: Estimate::of(forward.iter().copied()),
            y_to_x_information_nats: Estimate::of(backward),
        })
    }
}

/// Returns log q(t_i|s_i) − log mean_j q(t_i|s_j) for each pair.
fn information_nats(
    density: &Conditional,
    sources: &Latents,
    targets: &Latents,
) -> Result<Vec<f64>, DensityError> {
    let count = sources.rows();
    let nats = cross_log_densities(density, sources, targets)?;
    let mut information = Vec::with_capacity(count);
    for (pair, of_target) in nats.chunks_exact(count).enumerate() {
        let highest = of_target.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = of_target
            .iter()
            .map(|nats| (nats - highest).exp())
            .sum::<f64>()
            / count as f64;
        information.push(of_target[pair] - highest - mean.ln());
    }
    DensityError::check(information)
}

/// Returns log q(t_i|s_j) for every target and source, `[targets · sources]`.
fn cross_log_densities(
    density: &Conditional,
    sources: &Latents,
    targets: &Latents,
) -> Result<Vec<f64>, DensityError> {
    let count = sources.rows();
    // A density that is one Gaussian for each source is evaluated once for each source, not once
    // for each pair.
    if let Some(network) = density.as_gaussian() {
        return Ok(network.gaussians(sources)?.cross_log_prob(targets)?);
    }
    // Others get all pairs at once: what they compute for a source or a target, they compute once.
    // Only where that would fill the memory, some targets at a time.
    let numbers_of_target = (count * targets.dim().max(sources.dim())).max(1);
    let at_once = (NUMBERS_AT_ONCE / numbers_of_target).clamp(1, count.max(1));
    let mut nats = Vec::with_capacity(count * count);
    let rows: Vec<usize> = (0..count).collect();
    for rows in rows.chunks(at_once) {
        let every_source: Vec<usize> = (0..rows.len() * count).map(|i| i % count).collect();
        let given = density.given(&sources.select(&every_source))?;
        let targets = targets.select(rows).repeat_each(count);
        nats.extend(given.log_prob(&targets)?);
    }
    Ok(nats)
}
