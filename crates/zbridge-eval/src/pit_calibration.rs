use crate::open_uniform::open_uniform;
use crate::rows::{each_row, expect_at_least, expect_log_densities};
use crate::{EvalError, LatentPairs, Uniformity};
use serde::{Deserialize, Serialize};
use zbridge_core::{ConditionalDensity, DensityError, RandomStream};

/// How much to draw for each pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PitSettings {
    /// L, draws from q(·|s_i) for each pair: a hundred or more.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Whether targets fall where q(·|source) says, by probability-integral transforms.
///
/// Each target gets its rank among L draws from q(·|its source), as a number in 0..1. Were the
/// target such a draw too, that number would be uniform, *exactly and for any L*: ties and the gaps
/// between ranks are filled with random numbers. Departures say how q errs:
///
/// | histogram | of a dimension | of the highest-density level |
/// |---|---|---|
/// | piled up at both ends | q too narrow there | – |
/// | piled up in the middle | q too wide there | – |
/// | leaning to one side | q shifted: mean above ½, targets lie above the draws | mean below ½: targets in regions of too low density, q too narrow or misplaced; above ½: q too wide |
///
/// Uniform transforms do not make q the true conditional: its own marginal, with the source
/// ignored, passes as well. Read it beside the [gain](crate::LatentGain).
///
/// # Source
/// Talts, Betancourt, Simpson, Vehtari, Gelman (2018), *Validating Bayesian inference algorithms
/// with simulation-based calibration*, theorem 1; Zhao, Dalmasso, Izbicki, Lee (2021), *Diagnostics
/// for conditional density models and Bayesian inference algorithms* (highest-density levels);
/// Hermans et al. (2022) for their use as expected coverage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PitCalibration {
    /// L.
    pub draws: usize,
    /// How many pairs.
    pub count: usize,
    /// For each dimension of the target, where its coordinate stands among those of the draws.
    pub per_dimension: Vec<Uniformity>,
    /// The smallest p-value of a dimension times their number (Bonferroni), at most 1: one test of
    /// all dimensions.
    pub dimensions_p_value: f64,
    /// Share of draws with a *lower* density than the target's.
    pub highest_density: Uniformity,
}

impl PitCalibration {
    /// The transforms of these pairs under `density`.
    ///
    /// Pair `i` uses the stream `("evaluate/pit", seed).child(i)`; the result does not depend on
    /// the number of threads. `progress` hears how many pairs are done.
    ///
    /// # Errors
    /// [`EvalError::Setting`] without draws, [`EvalError::Mismatch`] when the pairs lie in other
    /// latent spaces, [`EvalError::NotALogDensity`] naming pair and draw (the last is the target)
    /// where the density is NaN or +∞.
    pub fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        settings: &PitSettings,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, EvalError> {
        expect_at_least("draws", 1, settings.draws)?;
        pairs.expect_dims(density.dims())?;
        let streams = RandomStream::named(settings.seed, "evaluate/pit");
        let rows = each_row(pairs.count(), progress, |row| {
            Transforms::of(
                density,
                pairs,
                row,
                settings.draws,
                streams.child(row as u64),
            )
        })?;
        let column = |column: usize| {
            Uniformity::of(rows.iter().map(|row| row.coordinates[column]).collect())
        };
        let per_dimension: Vec<Uniformity> = (0..pairs.targets().dim()).map(column).collect();
        let least = per_dimension
            .iter()
            .map(|dimension| dimension.ks_p_value)
            .fold(1.0, f64::min);
        Ok(Self {
            draws: settings.draws,
            count: pairs.count(),
            dimensions_p_value: (least * per_dimension.len() as f64).min(1.0),
            per_dimension,
            highest_density: Uniformity::of(rows.iter().map(|row| row.density_level).collect()),
        })
    }
}

/// The transforms of one target.
struct Transforms {
    coordinates: Vec<f64>,
    density_level: f64,
}

impl Transforms {
    fn of(
        density: &(dyn ConditionalDensity + Sync),
        pairs: &LatentPairs,
        row: usize,
        draws: usize,
        mut stream: RandomStream,
    ) -> Result<Self, EvalError> {
        let points =
            points(density, pairs, row, draws, &mut stream).map_err(EvalError::at_row(row))?;
        let (dim, truth) = (pairs.targets().dim(), pairs.targets().row(row));
        let mut level = |truth: f64, drawn: &mut dyn Iterator<Item = f64>| {
            randomised_rank(truth, drawn, &mut stream)
        };
        let nats = expect_log_densities("log q(target|source)", row, 0, draws + 1, points.nats)?;
        let of_column = |(column, &truth): (usize, &f32)| {
            level(
                f64::from(truth),
                &mut points
                    .values
                    .iter()
                    .skip(column)
                    .step_by(dim)
                    .map(|&z| f64::from(z)),
            )
        };
        let coordinates = truth.iter().enumerate().map(of_column).collect();
        Ok(Self {
            coordinates,
            density_level: level(nats[draws], &mut nats[..draws].iter().copied()),
        })
    }
}

/// The draws for one pair, `[draws, dim]`, and the log densities of these and of the target,
/// `[draws + 1]`.
struct Points {
    values: Vec<f32>,
    nats: Vec<f64>,
}

fn points(
    density: &(dyn ConditionalDensity + Sync),
    pairs: &LatentPairs,
    row: usize,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Points, DensityError> {
    let drawn = density
        .given(&pairs.sources().select(&[row]))?
        .sample_each(draws, stream)?;
    let every = zbridge_core::Latents::from_vec(
        [drawn.values(), pairs.targets().row_values(row)].concat(),
        drawn.dim(),
    )?;
    let nats = density
        .given(&pairs.sources().select(&vec![row; draws + 1]))?
        .log_prob(&every)?;
    Ok(Points {
        values: drawn.into_vec(),
        nats,
    })
}

/// (values below + V · (values equal + 1)) / (L + 1) with V uniform: uniform when the truth is one
/// of L + 1 exchangeable values.
fn randomised_rank(
    truth: f64,
    drawn: &mut dyn Iterator<Item = f64>,
    stream: &mut RandomStream,
) -> f64 {
    let (mut below, mut equal, mut all) = (0, 0, 0);
    for value in drawn {
        below += usize::from(value < truth);
        equal += usize::from(value == truth);
        all += 1;
    }
    (below as f64 + open_uniform(stream) * (equal + 1) as f64) / (all + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_lies_between_those_of_its_neighbours() {
        let mut stream = RandomStream::named(1, "rank");
        let mut rank = |truth: f64, drawn: &[f64]| {
            randomised_rank(truth, &mut drawn.iter().copied(), &mut stream)
        };
        for _ in 0..100 {
            let two_below = rank(2.5, &[1.0, 2.0, 3.0, 4.0]);
            assert!(two_below > 0.4 && two_below < 0.6);
            let tied = rank(2.0, &[1.0, 2.0, 2.0, 4.0]);
            assert!(tied > 0.2 && tied < 0.8);
        }
    }
}
