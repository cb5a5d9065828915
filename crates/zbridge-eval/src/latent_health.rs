use ndarray::{Array2, ArrayView1, Axis};
use serde::Serialize;
use std::collections::HashSet;
use zbridge_core::{DiagonalGaussian, Moments, Posterior};

/// A dimension is collapsed if less than this share of its whole variance is that of the means.
const COLLAPSED_BELOW: f64 = 0.02;
/// Values with a standard deviation below this count as equal.
const CONSTANT_BELOW: f64 = 1e-7;
/// The largest number of rows over which the covariance is taken.
const MOST_ROWS_OF_COVARIANCE: usize = 512;

/// Faults and figures of a latent space, from the posteriors of many observations and before a
/// bridge is fitted.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents, Posterior, RandomStream};
/// use zbridge_eval::LatentHealth;
///
/// // Narrow posteriors whose means vary in both dimensions.
/// let means = DiagonalGaussian::standard(100, 2).sample(&mut RandomStream::named(7, "means"));
/// let posterior = DiagonalGaussian::new(means, Latents::filled(100, 2, -4.0))?;
/// let health = LatentHealth::of(&Posterior::from(posterior));
/// assert_eq!((health.active, health.collapsed.len(), health.constant.len()), (2, 0, 0));
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentHealth {
    /// The number of observations.
    pub rows: usize,
    /// The number of dimensions.
    pub dim: usize,
    /// The number of different posteriors: few if the modality is discrete.
    pub distinct_rows: usize,
    /// Dimensions along which all means are equal.
    pub constant: Vec<usize>,
    /// Dimensions along which the means vary, but by less than a fiftieth of the whole variance:
    /// the encoder tells almost nothing there (a collapsed posterior). They exclude the constant
    /// ones.
    pub collapsed: Vec<usize>,
    /// The number of all other dimensions.
    pub active: usize,
    /// Participation ratio (Σλ)² / Σλ² of the covariance of the means: the number of directions in
    /// which they vary.
    pub effective_dim: f64,
    /// Smallest and largest standard deviation of the means over active dimensions; 0 if there are
    /// none.
    pub scale: [f64; 2],
    /// The coordinate of a mean that is farthest from zero.
    pub farthest: FarthestMean,
    /// Mean over active dimensions of the share of variance within posteriors: 0 for points, near 1
    /// if posteriors overlap so much that they hardly distinguish observations.
    pub posterior_share: f64,
}

/// A coordinate of a posterior mean; serialised as `[value, row, column]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(into = "(f64, usize, usize)")]
pub struct FarthestMean {
    /// The coordinate.
    pub value: f64,
    /// The observation, from 0.
    pub row: usize,
    /// The dimension, from 0.
    pub column: usize,
}

impl From<FarthestMean> for (f64, usize, usize) {
    fn from(farthest: FarthestMean) -> Self {
        (farthest.value, farthest.row, farthest.column)
    }
}

impl LatentHealth {
    /// Returns the health of a batch of posteriors.
    pub fn of(posterior: &Posterior) -> Self {
        let moments = posterior.moments();
        let dim = moments.dim();
        let columns: Vec<Column> = (0..dim)
            .map(|column| Column::of(&moments, column))
            .collect();
        let active: Vec<&Column> = columns.iter().filter(|column| column.is_active()).collect();
        Self {
            rows: moments.rows(),
            dim,
            distinct_rows: distinct_rows(&moments),
            constant: places(&columns, Column::is_constant),
            collapsed: places(&columns, Column::is_collapsed),
            active: active.len(),
            effective_dim: effective_dim(&moments),
            scale: scale(&active),
            farthest: FarthestMean::of(&moments),
            posterior_share: posterior_share(&active),
        }
    }
}

/// One dimension of a latent space.
pub(crate) struct Column {
    /// The mean of the means.
    pub(crate) centre: f64,
    /// The variance of the means.
    between: f64,
    /// The mean of the variances.
    within: f64,
}

impl Column {
    pub(crate) fn of(moments: &DiagonalGaussian, column: usize) -> Self {
        let (mut means, mut variances) = (Moments::default(), Moments::default());
        for &mean in moments.mean().view().column(column) {
            means.push(f64::from(mean));
        }
        for &log_var in moments.log_var().view().column(column) {
            // In f64: the exponential of a large log-variance overflows f32.
            variances.push(f64::from(log_var).exp());
        }
        Self {
            centre: means.mean(),
            between: means.variance(),
            within: variances.mean(),
        }
    }

    fn is_constant(&self) -> bool {
        self.between.sqrt() < CONSTANT_BELOW
    }

    fn is_collapsed(&self) -> bool {
        !self.is_constant() && self.between < COLLAPSED_BELOW * self.total()
    }

    pub(crate) fn is_active(&self) -> bool {
        !self.is_constant() && !self.is_collapsed()
    }

    fn within_share(&self) -> f64 {
        self.within / self.total()
    }

    /// Returns the variance of a draw from the posterior of an observation taken at random.
    pub(crate) fn total(&self) -> f64 {
        self.between + self.within
    }
}

/// Returns the numbers of the columns that pass a test.
fn places(columns: &[Column], test: fn(&Column) -> bool) -> Vec<usize> {
    let numbers = 0..columns.len();
    numbers.filter(|&number| test(&columns[number])).collect()
}

/// Returns the smallest and the largest standard deviation of the means; 0 without columns.
fn scale(active: &[&Column]) -> [f64; 2] {
    if active.is_empty() {
        return [0.0; 2];
    }
    let (mut smallest, mut largest) = (f64::INFINITY, 0.0f64);
    for column in active {
        // Of the means alone: a posterior that is wide everywhere has no scale.
        let sd = column.between.sqrt();
        smallest = smallest.min(sd);
        largest = largest.max(sd);
    }
    [smallest, largest]
}

/// Returns the mean share of variance within posteriors; 0 without columns.
fn posterior_share(active: &[&Column]) -> f64 {
    let sum: f64 = active.iter().map(|column| column.within_share()).sum();
    sum / active.len().max(1) as f64
}

fn distinct_rows(moments: &DiagonalGaussian) -> usize {
    let (means, log_vars) = (moments.mean().view(), moments.log_var().view());
    // Bits, because floats have no hash.
    let bits = |row: ArrayView1<f32>| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let rows = means.outer_iter().zip(log_vars.outer_iter());
    let rows: HashSet<_> = rows
        .map(|(mean, log_var)| (bits(mean), bits(log_var)))
        .collect();
    rows.len()
}

/// Returns (tr C)² / tr C² of the covariance C of the means.
fn effective_dim(moments: &DiagonalGaussian) -> f64 {
    let means = centred_means(moments);
    // tr C² is the sum of squared inner products of rows, whatever the number of dimensions.
    let (mut trace, mut squares) = (0.0, 0.0);
    for a in 0..means.nrows() {
        // Products are symmetric: each pair of rows is computed once and counted twice.
        let own = dot(means.row(a), means.row(a));
        trace += own;
        let before = (0..a).map(|b| dot(means.row(a), means.row(b)).powi(2));
        squares += own.powi(2) + 2.0 * before.sum::<f64>();
    }
    if squares > 0.0 {
        trace * trace / squares
    } else {
        0.0
    }
}

/// Returns the first means, each column minus its own mean, `[rows, dim]`.
fn centred_means(moments: &DiagonalGaussian) -> Array2<f64> {
    let rows = moments.rows().min(MOST_ROWS_OF_COVARIANCE);
    let mut means = moments.mean().view();
    means.slice_axis_inplace(Axis(0), (0..rows).into());
    let mut centred = means.mapv(f64::from);
    for mut column in centred.columns_mut() {
        let centre = column
            .iter()
            .fold(0.0, |sum, value| sum + value / rows as f64);
        column.mapv_inplace(|value| value - centre);
    }
    centred
}

fn dot(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl FarthestMean {
    /// Returns the coordinate of largest magnitude; 0 without observations.
    fn of(moments: &DiagonalGaussian) -> Self {
        let mut farthest = Self {
            value: 0.0,
            row: 0,
            column: 0,
        };
        for ((row, column), &value) in moments.mean().view().indexed_iter() {
            let value = f64::from(value);
            if value.abs() >= farthest.value.abs() {
                farthest = Self { value, row, column };
            }
        }
        farthest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{Latents, RandomStream};

    /// Means that vary along two of five dimensions, hardly along a third and not along the others.
    fn posterior(rows: usize) -> Posterior {
        let mut mean = vec![0.0; rows * 5];
        RandomStream::named(1, "health").fill_standard_normal(&mut mean);
        for row in mean.chunks_exact_mut(5) {
            (row[0], row[1], row[2], row[3], row[4]) =
                (row[0], 2.0 * row[1], 0.05 * row[2], 0.7, row[0]);
        }
        mean[7 * 5 + 1] = -40.0;
        let log_var = (0..rows)
            .flat_map(|_| [-3.0, -3.0, 0.0, 0.0, -3.0])
            .collect();
        DiagonalGaussian::new(
            Latents::from_vec(mean, 5).unwrap(),
            Latents::from_vec(log_var, 5).unwrap(),
        )
        .unwrap()
        .into()
    }

    #[test]
    fn constant_and_collapsed_dimensions_are_named() {
        let health = LatentHealth::of(&posterior(500));
        assert_eq!(
            (health.constant, health.collapsed, health.active),
            (vec![3], vec![2], 3)
        );
        let farthest = FarthestMean {
            value: -40.0,
            row: 7,
            column: 1,
        };
        assert_eq!(health.farthest, farthest);
        assert!((0.8..1.2).contains(&health.scale[0]) && health.scale[1] > 2.0);
        assert!(health.posterior_share < 0.1);
        assert_eq!(health.distinct_rows, 500);
    }

    #[test]
    fn the_effective_dimension_counts_directions() {
        let mut mean = vec![0.0; 400 * 3];
        RandomStream::named(2, "health").fill_standard_normal(&mut mean);
        let even = |mean: Vec<f32>| {
            let log_var = Latents::filled(400, 3, -9.0);
            LatentHealth::of(
                &DiagonalGaussian::new(Latents::from_vec(mean, 3).unwrap(), log_var)
                    .unwrap()
                    .into(),
            )
        };
        assert!((even(mean.clone()).effective_dim - 3.0).abs() < 0.1);
        mean.chunks_exact_mut(3)
            .for_each(|row| (row[1], row[2]) = (row[0], -row[0]));
        assert!((even(mean).effective_dim - 1.0).abs() < 1e-6);
    }
}
