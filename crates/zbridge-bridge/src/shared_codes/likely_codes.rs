//! Likely codes of all posteriors, found without a network.
//!
//! Two pairs have the same code if they are near each other on *both* sides. A matrix A has how
//! strongly pairs reach each other along the graph of x's posteriors, B along that of y's. Vectors
//! that A·B hardly shortens change little from neighbour to neighbour on either side: what only x
//! tells is levelled by B, and what only y tells by A. Clusters in the space of these vectors are
//! codes, which are then spread along the graph of each side.
//!
//! How many codes there are, and how sharp the spread ones, is decided by pairs that are left out.
//!
//! # Source
//! Lederman & Talmon 2018: alternating diffusion. The bound that decides is that of
//! [`shared_codes`](super).

use super::k_means::k_means;
use super::pair_objective::{DELTA, means};
use crate::BridgeError;
use crate::linear_algebra::{Eigen, orthonormal_rows};
use crate::mean_teacher::sharpen;
use crate::rows::{leading_columns, row_major, side_by_side, standard_normal};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::{Estimate, RandomStream, Stage};

/// How strongly pairs reach all posteriors of either side.
#[derive(Clone, Copy)]
pub(crate) struct PairReach<'r> {
    /// What [`diffused`](crate::graph::diffused) returns for x and y: points are pairs, then other
    /// posteriors; `[points, pairs]`.
    pub(crate) of_sides: [&'r Array2<f32>; 2],
    /// The pairs that may be used, `[rows]`.
    pub(crate) rows: &'r [usize],
}

/// Codes that posteriors are likely to have.
#[derive(Debug, Clone)]
pub(crate) struct LikelyCodes {
    /// p(k|point) of all points of x and of y, `[points, K]`.
    pub(crate) of_sides: [Array2<f32>; 2],
    /// What the codes tell of left-out pairs, in nats: a lower bound on what the sides share.
    pub(crate) gain_nats: Estimate,
}

/// Parts of the pairs, each of which is left out once.
const FOLDS: usize = 4;
/// Numbers of codes that are compared.
const CODES: [usize; 14] = [2, 3, 4, 5, 6, 8, 10, 11, 12, 14, 16, 20, 24, 32];
/// Pairs for each code at least.
const MIN_PAIRS_OF_CODE: usize = 4;
/// Temperatures to which spread codes are sharpened.
const TEMPERATURES: [f32; 6] = [1.0, 0.7, 0.5, 0.35, 0.25, 0.15];

/// A number of codes and a temperature, and what they tell of each left-out pair.
#[derive(Debug, Clone)]
struct Compared {
    codes: usize,
    temperature: f32,
    nats: Vec<f64>,
}

impl LikelyCodes {
    /// Returns codes found from these pairs; `None` if pairs are too few to leave some out.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`].
    pub(crate) fn find(
        reach: PairReach<'_>,
        stream: &RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Option<Self>, BridgeError> {
        let order = stream.child(0).permutation(reach.rows.len());
        let mut compared: Vec<Compared> = Vec::new();
        for fold in 0..FOLDS {
            stage.advance(0)?;
            let of_fold = reach.compared_on(&order, fold, &stream.child(1 + fold as u64));
            for (place, of_fold) in of_fold.into_iter().enumerate() {
                match compared.get_mut(place) {
                    Some(all) => all.nats.extend(of_fold.nats),
                    None => compared.push(of_fold),
                }
            }
        }
        let total = |compared: &Compared| compared.nats.iter().sum::<f64>();
        let Some(best) = compared.iter().max_by(|a, b| total(a).total_cmp(&total(b))) else {
            return Ok(None);
        };
        stage.advance(0)?;
        let stream = stream.child(1 + FOLDS as u64);
        let labels = reach.embedding(&stream).codes(best.codes, &stream.child(1));
        let of_side = |side: usize| {
            let from_pairs = reach.of_sides[side].select(Axis(1), reach.rows);
            spread_codes(from_pairs.view(), &labels, best.temperature)
        };
        Ok(Some(Self {
            of_sides: [of_side(0), of_side(1)],
            gain_nats: Estimate::of(best.nats.iter().copied()),
        }))
    }
}

impl PairReach<'_> {
    /// Returns what each number of codes and temperature tells of the pairs that a fold leaves out.
    fn compared_on(&self, order: &[usize], fold: usize, stream: &RandomStream) -> Vec<Compared> {
        let (mut fitted, mut left_out) = (Vec::new(), Vec::new());
        for (place, &number) in order.iter().enumerate() {
            let side = if place % FOLDS == fold {
                &mut left_out
            } else {
                &mut fitted
            };
            side.push(self.rows[number]);
        }
        let most = fitted.len() / MIN_PAIRS_OF_CODE;
        let possible: Vec<usize> = CODES.into_iter().filter(|codes| *codes <= most).collect();
        if possible.is_empty() || left_out.is_empty() {
            return Vec::new();
        }
        let among = PairReach {
            of_sides: self.of_sides,
            rows: &fitted,
        };
        let embedding = among.embedding(stream);
        let to_left_out = self
            .of_sides
            .map(|reach| reach.select(Axis(0), &left_out).select(Axis(1), &fitted));
        let at = |&codes: &usize| -> Vec<Compared> {
            let labels = embedding.codes(codes, &stream.child(codes as u64));
            let at_temperature = |&temperature: &f32| {
                let [x, y] = to_left_out.each_ref();
                let x = spread_codes(x.view(), &labels, temperature);
                let y = spread_codes(y.view(), &labels, temperature);
                Compared {
                    codes,
                    temperature,
                    nats: log_ratios(&x, &y),
                }
            };
            TEMPERATURES.iter().map(at_temperature).collect()
        };
        possible.par_iter().flat_map_iter(at).collect()
    }

    /// Returns the space in which pairs of one code are near each other.
    fn embedding(&self, stream: &RandomStream) -> Embedding {
        let [a, b] = self.of_sides.map(|reach| affinity(reach, self.rows));
        Embedding::of(a.dot(&b), &mut stream.child(0))
    }
}

/// Returns how near pairs are to each other on one side, `[rows, rows]`: symmetric, and every row
/// and column sums to one. How strongly a pair reaches itself is left out: it would be alike on
/// both sides for every pair.
fn affinity(reach: &Array2<f32>, rows: &[usize]) -> Array2<f32> {
    /// Times the mean, is added to all pairs, so that no one is alone.
    const LEAST: f32 = 1e-6;
    const ROUNDS: usize = 50;
    let among = reach.select(Axis(0), rows).select(Axis(1), rows);
    let mut affinity = &among + &among.t();
    affinity.diag_mut().fill(0.0);
    let largest = affinity.fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
    affinity /= largest;
    let mean = affinity.mean().unwrap_or(0.0).max(f32::MIN_POSITIVE);
    affinity += LEAST * mean;
    // Sinkhorn & Knopp 1967, of a symmetric matrix.
    let mut factors = Array1::<f32>::ones(rows.len());
    for _ in 0..ROUNDS {
        factors = (&factors / &affinity.dot(&factors)).mapv(f32::sqrt);
    }
    for (mut row, factor) in affinity.rows_mut().into_iter().zip(&factors) {
        row *= *factor;
        row *= &factors;
    }
    affinity
}

/// The leading singular vectors of A·B, but for the first pair of them, which are constant.
struct Embedding {
    /// Each times its singular value, `[pairs, vectors]`.
    left: Array2<f32>,
    /// `[pairs, vectors]`.
    right: Array2<f32>,
}

impl Embedding {
    /// Returns the singular vectors of `product` by iteration of a subspace.
    ///
    /// # Source
    /// Halko, Martinsson & Tropp 2011, algorithm 4.4.
    fn of(product: Array2<f32>, stream: &mut RandomStream) -> Self {
        /// Vectors besides those that are used, which make the others converge faster.
        const MORE: usize = 16;
        const ROUNDS: usize = 12;
        let pairs = product.nrows();
        let count = (CODES[CODES.len() - 1] + MORE).min(pairs);
        let mut right = orthonormal_rows(standard_normal((count, pairs), stream).view());
        for _ in 0..ROUNDS {
            let left = orthonormal_rows(row_major(right.dot(&product.t())).view());
            right = orthonormal_rows(row_major(left.dot(&product)).view());
        }
        let image = product.dot(&right.t());
        let eigen = Eigen::of_symmetric(image.t().dot(&image).mapv(f64::from).view());
        let turn = eigen.vectors.mapv(|value| value as f32);
        let right = turn.dot(&right);
        let left = right.dot(&product.t());
        Self {
            left: without_first(left.view()),
            right: without_first(right.view()),
        }
    }

    /// Returns one of `count` codes for each pair, one-hot, `[pairs, count]`.
    fn codes(&self, count: usize, stream: &RandomStream) -> Array2<f32> {
        let leading = |vectors: &Array2<f32>| {
            let used = (count - 1).min(vectors.ncols());
            of_unit_length(leading_columns(vectors.view(), used))
        };
        let points = side_by_side(leading(&self.left).view(), leading(&self.right).view());
        let clusters = k_means(&points, count, stream);
        let mut codes = Array2::zeros((points.nrows(), count));
        for (mut row, cluster) in codes.rows_mut().into_iter().zip(clusters) {
            row[cluster] = 1.0;
        }
        codes
    }
}

/// Returns all rows but the first, as columns.
fn without_first(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    row_major(rows.slice_axis(Axis(0), (1..).into()).t().to_owned())
}

fn of_unit_length(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.rows_mut() {
        let length = row.dot(&row).sqrt();
        row /= length.max(f32::MIN_POSITIVE);
    }
    rows
}

/// Returns p(k|point) `[points, K]`: the codes `labels` `[pairs, K]` of pairs, spread to the points
/// that these reach, `[points, pairs]`. All pairs of a code together count as one.
fn spread_codes(reach: ArrayView2<'_, f32>, labels: &Array2<f32>, temperature: f32) -> Array2<f32> {
    /// Times the largest value, is added to all codes: a point that no pair reaches may have any.
    const LEAST: f32 = 1e-12;
    let sizes = labels.sum_axis(Axis(0)).mapv(|size| size.max(1e-9));
    let mut spread = row_major(reach.dot(&(labels / &sizes)));
    let largest = spread.fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
    spread /= largest;
    spread += LEAST;
    sharpen(&mut spread, temperature);
    spread
}

/// Returns log(δ + (1 − δ) r/r̄) of each pair, where r = Σ_k p(k|x) p(k|y) / p(k) and r̄ is its
/// mean over x and y that are no pair.
fn log_ratios(x: &Array2<f32>, y: &Array2<f32>) -> Vec<f64> {
    let frequency = 0.5 * (means(x.view()) + means(y.view())) + 1e-9;
    let ratios = (x / &frequency).dot(&y.t());
    let pairs = ratios.nrows() as f32;
    let of_pairs = ratios.diag();
    let of_others = (ratios.sum() - of_pairs.sum()) / (pairs * (pairs - 1.0)).max(1.0);
    let nats = |ratio: &f32| f64::from((DELTA + (1.0 - DELTA) * ratio / of_others.max(1e-9)).ln());
    of_pairs.iter().map(nats).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{NeighbourGraph, diffused};
    use zbridge_core::Unobserved;

    const PAIRS: usize = 96;

    /// Points of which the first coordinate tells a row's class, and the second something of its
    /// own.
    fn reach(class_of: impl Fn(usize) -> usize, name: &str) -> Array2<f32> {
        let mut points = standard_normal((400, 2), &mut RandomStream::named(1, name));
        for (row, mut point) in points.rows_mut().into_iter().enumerate() {
            point[0] += 8.0 * class_of(row) as f32;
            point[1] += if point[1] > 0.0 { 6.0 } else { -6.0 };
        }
        let stage = Stage::new(&Unobserved, "graph", 0);
        diffused(&NeighbourGraph::of(&points, &stage).unwrap(), PAIRS, &stage).unwrap()
    }

    fn found(x: &Array2<f32>, y: &Array2<f32>) -> LikelyCodes {
        let rows: Vec<usize> = (0..PAIRS).collect();
        let reach = PairReach {
            of_sides: [x, y],
            rows: &rows,
        };
        let stage = Stage::new(&Unobserved, "codes", 0);
        let stream = RandomStream::named(1, "codes");
        LikelyCodes::find(reach, &stream, &stage).unwrap().unwrap()
    }

    #[test]
    fn codes_are_what_both_sides_tell() {
        let (x, y) = (reach(|row| row % 4, "x"), reach(|row| row % 4, "y"));
        let codes = found(&x, &y);
        assert!(codes.gain_nats.mean > 1.2, "{:?}", codes.gain_nats);
        let count = codes.of_sides[0].ncols();
        let code = |side: usize, row: usize| {
            let row = codes.of_sides[side].row(row);
            (0..count)
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap()
        };
        // There may be several codes for a class, but none for two.
        let mut class_of_code = vec![None; count];
        for row in 0..PAIRS {
            class_of_code[code(0, row)] = Some(row % 4);
        }
        for side in 0..2 {
            let right = (0..400).filter(|&row| class_of_code[code(side, row)] == Some(row % 4));
            let right = right.count();
            assert!(right > 380, "side {side}: {right} of 400");
        }
    }

    #[test]
    fn pairs_that_share_nothing_have_no_codes() {
        let order = RandomStream::named(3, "order").permutation(400);
        let (x, y) = (reach(|row| row % 4, "x"), reach(|row| order[row] % 4, "y"));
        let gain = found(&x, &y).gain_nats;
        assert!(gain.mean < 2.0 * gain.standard_error + 0.02, "{gain:?}");
    }

    #[test]
    fn three_pairs_are_too_few() {
        let x = reach(|row| row % 4, "x");
        let reach = PairReach {
            of_sides: [&x, &x],
            rows: &[0, 1, 2],
        };
        let stage = Stage::new(&Unobserved, "codes", 0);
        let stream = RandomStream::named(1, "codes");
        assert!(LikelyCodes::find(reach, &stream, &stage).unwrap().is_none());
    }
}
