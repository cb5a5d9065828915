use crate::EvalError;
use crate::accuracy::wilson_interval;
use crate::distances::Panels;
use crate::rows::chunks;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::Latents;

/// The quantile of held-out distances below which an output counts as suspiciously close.
pub const CLOSE_QUANTILE: f64 = 0.01;
/// Levels of the table of quantiles.
const LEVELS: [f64; 9] = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
/// Rows that one task works on.
const BLOCK: usize = 16;

/// Whether generated observations lie closer to the training set than held-out real ones do:
/// memorised outputs.
///
/// Real observations that were never trained on are close to some training observation too; they
/// set the scale. If outputs were as new as these, about 1 % of them would lie below the 1st
/// percentile of held-out distances.
///
/// **Bias**: the nearest distance falls with the size of the training set, for both sets alike.
/// With n held-out rows the percentile is their ⌈n/100⌉-th smallest distance, so that its own noise
/// is not in the interval of the share: for n = 100 it is the smallest of them. A blurred or
/// typical output (a class mean) is close to everything without being a copy: look at the closest
/// pairs before saying "memorised".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestTraining {
    /// The [`CLOSE_QUANTILE`] quantile of the held-out observations' distances.
    pub threshold: f64,
    /// How many generated observations are closer than that.
    pub close_count: usize,
    /// Of how many.
    pub generated_count: usize,
    /// close_count / generated_count.
    pub close_share: f64,
    /// Its 95 % Wilson interval, the threshold taken as given.
    pub close_share_interval_95: (f64, f64),
    /// How many generated observations equal a training observation exactly.
    pub exact_copies: usize,
    /// How many held-out observations the threshold rests on.
    pub held_out_count: usize,
    /// Quantiles of both sets' distances, from the least to the greatest.
    pub quantiles: Vec<DistanceQuantile>,
    /// The generated observations that are closest to the training set, closest first.
    pub closest: Vec<NearestPair>,
}

/// A quantile of the distances to the nearest training observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DistanceQuantile {
    /// 0 is the least, 0.5 the lower median, 1 the greatest.
    pub level: f64,
    /// Among generated observations.
    pub generated: f64,
    /// Among held-out observations.
    pub held_out: f64,
}

/// A generated observation and the training observation nearest to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NearestPair {
    /// Row of the generated set.
    pub generated: usize,
    /// Row of the training set; the first of several at the same distance.
    pub training: usize,
    /// Their Euclidean distance.
    pub distance: f64,
}

/// Distances of generated and of held-out observations to their nearest training observations,
/// compared.
///
/// Exact, in f32 and in parallel: (generated + held-out) · training distances. `closest` is how
/// many pairs to keep.
///
/// # Shapes
/// `generated` `[n, features]`, `held_out` `[m, features]`, `training` `[t, features]`: features,
/// or pixels as they are.
///
/// # Errors
/// [`EvalError::Mismatch`] when the widths differ, [`EvalError::Empty`] when a set has no rows.
///
/// # Source
/// The comparison of nearest distances with those of held-out data: Meehan, Chaudhuri, Dasgupta
/// (2020), *A non-parametric test to detect data-copying in generative models*; here as a share
/// below a quantile in place of their rank test.
pub fn nearest_training(
    generated: &Latents,
    held_out: &Latents,
    training: &Latents,
    closest: usize,
) -> Result<NearestTraining, EvalError> {
    EvalError::expect_count(
        "features of the generated set",
        training.dim(),
        generated.dim(),
    )?;
    EvalError::expect_count(
        "features of the held-out set",
        training.dim(),
        held_out.dim(),
    )?;
    for (what, set) in [
        ("generated observations", generated),
        ("held-out observations", held_out),
    ] {
        if set.rows() == 0 {
            return Err(EvalError::Empty { what });
        }
    }
    if training.rows() == 0 {
        return Err(EvalError::Empty {
            what: "training observations",
        });
    }
    let panels = Panels::of(training);
    let (mut pairs, held_out) = (
        nearest_pairs(generated, &panels),
        nearest_pairs(held_out, &panels),
    );
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    let held_out = sorted(held_out.iter().map(|pair| pair.distance));
    Ok(NearestTraining::new(pairs, &held_out, closest))
}

impl NearestTraining {
    fn new(mut pairs: Vec<NearestPair>, held_out: &[f64], closest: usize) -> Self {
        let distances: Vec<f64> = pairs.iter().map(|pair| pair.distance).collect();
        let threshold = quantile(held_out, CLOSE_QUANTILE);
        let close_count = distances.partition_point(|&distance| distance < threshold);
        let close_share = close_count as f64 / distances.len() as f64;
        let at_level = |level| DistanceQuantile {
            level,
            generated: quantile(&distances, level),
            held_out: quantile(held_out, level),
        };
        pairs.truncate(closest);
        Self {
            threshold,
            close_count,
            generated_count: distances.len(),
            close_share,
            close_share_interval_95: wilson_interval(close_share, distances.len()),
            exact_copies: distances.partition_point(|&distance| distance == 0.0),
            held_out_count: held_out.len(),
            quantiles: LEVELS.map(at_level).to_vec(),
            closest: pairs,
        }
    }
}

/// The ⌈level · n⌉-th smallest of sorted values, the smallest for level 0.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = (level * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The nearest training row of each point, in the order of the points.
fn nearest_pairs(points: &Latents, training: &Panels) -> Vec<NearestPair> {
    let blocks: Vec<(usize, usize)> = chunks(points.rows(), BLOCK).collect();
    let of_block = |(first, count): (usize, usize)| {
        let mut best = vec![(f32::INFINITY, 0); count];
        training.for_each(points, first, count, |i, j, square| {
            if square < best[i - first].0 {
                best[i - first] = (square, j);
            }
        });
        let pair = move |(i, (square, training)): (usize, (f32, usize))| NearestPair {
            generated: first + i,
            training,
            distance: f64::from(square).sqrt(),
        };
        best.into_iter().enumerate().map(pair)
    };
    blocks.into_par_iter().flat_map_iter(of_block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    fn normal(rows: usize, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * 5];
        RandomStream::named(seed, "nearest").fill_standard_normal(&mut values);
        Latents::from_vec(values, 5).unwrap()
    }

    #[test]
    fn new_draws_of_the_same_distribution_are_no_closer_than_held_out_ones() {
        let found =
            nearest_training(&normal(2000, 1), &normal(2000, 2), &normal(1000, 3), 5).unwrap();
        let (low, high) = found.close_share_interval_95;
        assert!(low < 0.013 && high > 0.007, "{found:?}");
        assert_eq!(
            (
                found.exact_copies,
                found.closest.len(),
                found.held_out_count
            ),
            (0, 5, 2000)
        );
        let median = found.quantiles[5];
        assert!(
            (median.generated / median.held_out - 1.0).abs() < 0.05,
            "{median:?}"
        );
    }

    #[test]
    fn copies_and_near_copies_are_found_with_their_originals() {
        let training = normal(1000, 3);
        let mut values = normal(200, 1).into_vec();
        values[..10].copy_from_slice(&[training.row_values(77), training.row_values(5)].concat());
        let near: Vec<f32> = training.row(400).iter().map(|z| z + 1e-3).collect();
        values[10..15].copy_from_slice(&near);
        let generated = Latents::from_vec(values, 5).unwrap();
        let found = nearest_training(&generated, &normal(500, 2), &training, 3).unwrap();
        assert_eq!((found.exact_copies, found.closest.len()), (2, 3));
        let rows: Vec<_> = found
            .closest
            .iter()
            .map(|pair| (pair.generated, pair.training))
            .collect();
        assert_eq!(rows, [(0, 77), (1, 5), (2, 400)]);
        assert!(found.close_count >= 3 && found.close_count < 15);
    }

    #[test]
    fn quantiles_are_order_statistics() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            [0.0, 0.01, 0.011, 0.5, 1.0].map(|level| quantile(&values, level)),
            [1.0, 1.0, 2.0, 50.0, 100.0]
        );
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        let set = normal(4, 1);
        let none = Latents::filled(0, 5, 0.0);
        for sets in [
            [&none, &set, &set],
            [&set, &none, &set],
            [&set, &set, &none],
        ] {
            assert!(matches!(
                nearest_training(sets[0], sets[1], sets[2], 1),
                Err(EvalError::Empty { .. })
            ));
        }
        let narrow = Latents::filled(4, 2, 0.0);
        assert!(matches!(
            nearest_training(&narrow, &set, &set, 1),
            Err(EvalError::Mismatch { .. })
        ));
    }
}
