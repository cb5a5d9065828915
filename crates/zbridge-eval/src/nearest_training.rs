use crate::EvalError;
use crate::accuracy::wilson_interval;
use crate::checks::{expect_count, expect_items};
use crate::panels::Panels;
use crate::parallel_rows::each_block;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::{Interrupted, Latents, Observer, Stage};

/// The quantile of held-out distances below which an output counts as suspiciously close.
pub const CLOSE_QUANTILE: f64 = 0.01;
/// Levels of the table of quantiles.
const LEVELS: [f64; 9] = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
/// Rows of a task: an observer is called after each task.
const BLOCK: usize = 16;

/// Whether generated observations lie closer to the training set than held-out real ones do:
/// memorised outputs.
///
/// Real observations that were never trained on are close to some training observation too; they
/// set the scale. If outputs are as new as these, about 1 % of them lie below the 1st percentile of
/// held-out distances.
///
/// **Bias**: the nearest distance falls with the size of the training set, for both sets alike.
/// With n held-out rows the percentile is their ⌈n/100⌉-th smallest distance, and its own noise is
/// not in the interval of the share: for n = 100 it is the smallest of them. A blurred or typical
/// output (a class mean) is close to everything without being a copy: look at the closest pairs
/// before you call an output memorised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestTraining {
    /// The [`CLOSE_QUANTILE`] quantile of the held-out observations' distances.
    pub threshold: f64,
    /// The number of generated observations that are closer than that.
    pub close_count: usize,
    /// The number of generated observations.
    pub generated_count: usize,
    /// close_count / generated_count.
    pub close_share: f64,
    /// Its 95 % Wilson interval, the threshold taken as given.
    pub close_share_interval_95: (f64, f64),
    /// The number of generated observations that equal a training observation exactly.
    pub exact_copies: usize,
    /// The number of held-out observations, on which the threshold rests.
    pub held_out_count: usize,
    /// Quantiles of both sets' distances, from the smallest to the largest.
    pub quantiles: Vec<DistanceQuantile>,
    /// The generated observations that are closest to the training set, closest first.
    pub closest: Vec<NearestPair>,
}

/// A quantile of the distances to the nearest training observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DistanceQuantile {
    /// 0 is the smallest distance, 0.5 the lower median, 1 the largest.
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

/// Returns a comparison of the distances of generated and of held-out observations to their nearest
/// training observations, with the `closest` closest pairs.
///
/// It is exact, in f32 and in parallel: (generated + held-out) · training distances. `observer` is
/// called after every few rows.
///
/// # Shapes
/// `generated` `[n, features]`, `held_out` `[m, features]`, `training` `[t, features]`: features,
/// or pixels as they are.
///
/// # Errors
/// [`EvalError::Mismatch`] if the widths differ, [`EvalError::TooFew`] if a set has no rows,
/// [`EvalError::Interrupted`] if the observer stops the computation.
///
/// # Source
/// The comparison of nearest distances with those of held-out data: Meehan, Chaudhuri, Dasgupta
/// (2020), *A non-parametric test to detect data-copying in generative models*; here as a share
/// below a quantile in place of their rank test.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, RandomStream, Unobserved};
/// use zbridge_eval::nearest_training;
///
/// let mut stream = RandomStream::named(7, "pixels");
/// let mut images = |rows| DiagonalGaussian::standard(rows, 5).sample(&mut stream);
/// let (training, held_out) = (images(100), images(100));
/// // The first ten "generated" images are copies.
/// let generated = training.select(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// let found = nearest_training(&generated, &held_out, &training, 3, &Unobserved)?;
/// assert_eq!((found.exact_copies, found.close_share), (10, 1.0));
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn nearest_training(
    generated: &Latents,
    held_out: &Latents,
    training: &Latents,
    closest: usize,
    observer: &dyn Observer,
) -> Result<NearestTraining, EvalError> {
    expect_count(
        "features of the generated set",
        training.dim(),
        generated.dim(),
    )?;
    expect_count(
        "features of the held-out set",
        training.dim(),
        held_out.dim(),
    )?;
    expect_items("generated observations", 1, generated.rows())?;
    expect_items("held-out observations", 1, held_out.rows())?;
    expect_items("training observations", 1, training.rows())?;
    let rows = generated.rows() + held_out.rows();
    let stage = Stage::new(observer, "nearest training observations", rows as u64);
    let panels = Panels::of(training);
    let generated = closest_first(nearest_pairs(generated, &panels, &stage)?);
    let held_out = closest_first(nearest_pairs(held_out, &panels, &stage)?);
    Ok(NearestTraining::new(
        generated,
        &distances(&held_out),
        closest,
    ))
}

fn closest_first(mut pairs: Vec<NearestPair>) -> Vec<NearestPair> {
    // Stable: pairs at the same distance stay in the order of their rows.
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs
}

fn distances(pairs: &[NearestPair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.distance).collect()
}

impl NearestTraining {
    /// Returns the comparison of pairs, closest first, with the sorted distances of held-out
    /// observations.
    fn new(mut pairs: Vec<NearestPair>, held_out: &[f64], closest: usize) -> Self {
        let distances = distances(&pairs);
        let threshold = quantile(held_out, CLOSE_QUANTILE);
        let close_count = distances.partition_point(|&distance| distance < threshold);
        let close_share = close_count as f64 / distances.len() as f64;
        let at_level = |level| DistanceQuantile::at(level, &distances, held_out);
        // Everything else is computed from all pairs.
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

impl DistanceQuantile {
    /// Returns the quantiles at `level` of sorted distances.
    fn at(level: f64, generated: &[f64], held_out: &[f64]) -> Self {
        Self {
            level,
            generated: quantile(generated, level),
            held_out: quantile(held_out, level),
        }
    }
}

/// Returns the ⌈level · n⌉-th smallest of sorted values, the smallest for level 0.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = (level * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

/// Returns the nearest training row of each point, in the order of the points.
fn nearest_pairs(
    points: &Latents,
    training: &Panels,
    stage: &Stage<'_>,
) -> Result<Vec<NearestPair>, Interrupted> {
    let of_block = |block: Range<usize>| {
        let mut nearest = vec![Nearest::NONE; block.len()];
        training.for_each(points, block.clone(), |i, j, square| {
            let nearest = &mut nearest[i - block.start];
            // Points come in ascending order: the first of several equal ones stays.
            // Squares have the order of distances: roots are taken at the end only.
            if square < nearest.square {
                *nearest = Nearest { square, row: j };
            }
        });
        let pairs = block.zip(nearest).map(|(row, nearest)| nearest.pair(row));
        pairs.collect::<Vec<_>>()
    };
    Ok(each_block(points.rows(), BLOCK, stage, of_block)?.concat())
}

/// The nearest training row so far.
#[derive(Clone, Copy)]
struct Nearest {
    /// Its squared distance.
    square: f32,
    row: usize,
}

impl Nearest {
    const NONE: Self = Self {
        square: f32::INFINITY,
        row: 0,
    };

    /// Returns the pair of a generated observation with this row.
    fn pair(self, generated: usize) -> NearestPair {
        NearestPair {
            generated,
            training: self.row,
            distance: f64::from(self.square).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{RandomStream, Unobserved};

    fn normal(rows: usize, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * 5];
        RandomStream::named(seed, "nearest").fill_standard_normal(&mut values);
        Latents::from_vec(values, 5).unwrap()
    }

    fn found(
        generated: &Latents,
        held_out: &Latents,
        training: &Latents,
        closest: usize,
    ) -> Result<NearestTraining, EvalError> {
        nearest_training(generated, held_out, training, closest, &Unobserved)
    }

    #[test]
    fn new_draws_of_the_same_distribution_are_no_closer_than_held_out_ones() {
        let found = found(&normal(2000, 1), &normal(2000, 2), &normal(1000, 3), 5).unwrap();
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
        let found = found(&generated, &normal(500, 2), &training, 3).unwrap();
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
                found(sets[0], sets[1], sets[2], 1),
                Err(EvalError::TooFew { .. })
            ));
        }
        let narrow = Latents::filled(4, 2, 0.0);
        assert!(matches!(
            found(&narrow, &set, &set, 1),
            Err(EvalError::Mismatch { .. })
        ));
    }
}
