use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::Serialize;
use zbridge_core::{Latents, RandomStream};

/// The largest number of rows; more are sampled at random.
const MOST_ROWS: usize = 400;
/// The smallest number of rows: with fewer, permutations tell nothing.
const LEAST_ROWS: usize = 8;
const PERMUTATIONS: usize = 199;

/// Whether the rows of two latent spaces depend on each other: distance correlation, tested by
/// permutations of the partners.
///
/// # Source
/// Székely, Rizzo and Bakirov (2007), *Measuring and testing dependence by correlation of
/// distances*, eq. 2.10 and section 5.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents, RandomStream};
/// use zbridge_eval::Dependence;
///
/// let x = DiagonalGaussian::standard(100, 1).sample(&mut RandomStream::named(7, "x"));
/// let squares = x.values().iter().map(|value| value * value).collect();
/// let y = Latents::from_vec(squares, 1)?;
/// let found = Dependence::of(&x, &y, 7).unwrap();
/// assert!(found.p_value < 0.01 && found.distance_correlation > found.by_chance);
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dependence {
    /// Distance correlation: 0 for independence in large samples, 1 for a similarity.
    pub distance_correlation: f64,
    /// Its mean over permutations: what chance gives at this number of rows.
    pub by_chance: f64,
    /// Share of permutations, the pairs themselves included, with at least this correlation.
    pub p_value: f64,
    /// The number of rows that were compared.
    pub rows: usize,
}

impl Dependence {
    /// Returns the dependence of rows `x`, `[rows, dim]`, on rows `y`, `[rows, other dim]`; `None`
    /// for fewer than 8 rows. Every dimension is scaled by its own standard deviation.
    ///
    /// # Panics
    /// If the numbers of rows differ.
    pub fn of(x: &Latents, y: &Latents, seed: u64) -> Option<Self> {
        assert_eq!(x.rows(), y.rows(), "pairs");
        // Rows are sampled because time and memory grow with their square.
        let mut stream = RandomStream::named(seed, "dependence");
        let mut chosen = stream.permutation(x.rows());
        chosen.truncate(MOST_ROWS);
        if chosen.len() < LEAST_ROWS {
            return None;
        }
        let pair = CentredDistances::of(&x.select(&chosen), &y.select(&chosen));
        Some(Self::by_permutations(&pair, &mut stream))
    }

    fn by_permutations(pair: &CentredDistances, stream: &mut RandomStream) -> Self {
        let rows = pair.x.nrows();
        let distance_correlation = pair.correlation(&pair.own_order());
        // The pairs themselves are one of the permutations that are at least as large.
        let (mut sum, mut as_large) = (0.0, 1_usize);
        for _ in 0..PERMUTATIONS {
            let permuted = pair.correlation(&stream.permutation(rows));
            sum += permuted;
            as_large += usize::from(permuted >= distance_correlation);
        }
        Self {
            distance_correlation,
            by_chance: sum / PERMUTATIONS as f64,
            p_value: as_large as f64 / (PERMUTATIONS + 1) as f64,
            rows,
        }
    }
}

/// The centred distances of both spaces, each `[rows, rows]`.
struct CentredDistances {
    x: Array2<f32>,
    y: Array2<f32>,
    /// The geometric mean of both distance variances.
    scale: f64,
}

impl CentredDistances {
    fn of(x: &Latents, y: &Latents) -> Self {
        let mut pair = Self {
            x: centred_distances(x.view()),
            y: centred_distances(y.view()),
            scale: 0.0,
        };
        let order = pair.own_order();
        let x_variance = mean_product(&pair.x, &pair.x, &order);
        let y_variance = mean_product(&pair.y, &pair.y, &order);
        pair.scale = (x_variance * y_variance).sqrt();
        pair
    }

    /// Returns the order in which every row has its own partner.
    fn own_order(&self) -> Vec<usize> {
        (0..self.x.nrows()).collect()
    }

    /// Returns the distance correlation if row `i` of x is paired with row `order[i]` of y.
    fn correlation(&self, order: &[usize]) -> f64 {
        // A covariance below 0 is rounding; a scale of 0 belongs to constant rows, which have none.
        let covariance = mean_product(&self.x, &self.y, order).max(0.0);
        (covariance / self.scale.max(1e-30)).sqrt()
    }
}

/// Returns distances between rows in standardised dimensions, minus the means of their row and
/// column, plus the mean of all, `[rows, rows]`.
fn centred_distances(points: ArrayView2<f32>) -> Array2<f32> {
    let points = standardised(points);
    let rows = points.nrows();
    let mut distances = Array2::from_shape_fn((rows, rows), |(a, b)| {
        distance(points.row(a), points.row(b))
    });
    // Distances are symmetric: these are the means of rows and of columns.
    let means = distances.outer_iter().map(|row| mean(row.iter()));
    let means: Vec<f32> = means.collect();
    let mean_of_all = mean(means.iter());
    for ((a, b), distance) in distances.indexed_iter_mut() {
        *distance += mean_of_all - means[a] - means[b];
    }
    distances
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f32>) -> f32 {
    let count = values.len() as f32;
    values.sum::<f32>() / count
}

fn distance(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f32 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f32>().sqrt()
}

/// Returns the points with mean 0 and variance 1 in every column, 0 in constant columns.
fn standardised(points: ArrayView2<f32>) -> Array2<f32> {
    let rows = points.nrows() as f32;
    let mut standardised = points.to_owned();
    for mut column in standardised.columns_mut() {
        let mean = column.iter().fold(0.0, |sum, value| sum + value / rows);
        column.mapv_inplace(|value| value - mean);
        let variance = column.iter().fold(0.0, |sum, gap| sum + gap * gap / rows);
        let sd = variance.sqrt().max(1e-12);
        column.mapv_inplace(|gap| gap / sd);
    }
    standardised
}

/// Returns the mean over all pairs of rows of the product of `a` there and `b` at the permuted
/// pair.
fn mean_product(a: &Array2<f32>, b: &Array2<f32>, order: &[usize]) -> f64 {
    let rows = a.nrows();
    let mut sum = 0.0;
    for (a, &place) in a.outer_iter().zip(order) {
        let b = b.row(place);
        let products = a
            .iter()
            .zip(order)
            .map(|(a, &place)| f64::from(a * b[place]));
        sum += products.sum::<f64>();
    }
    sum / (rows * rows) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, rows: usize, dim: usize) -> Latents {
        let mut values = vec![0.0; rows * dim];
        RandomStream::named(seed, "noise").fill_standard_normal(&mut values);
        Latents::from_vec(values, dim).unwrap()
    }

    #[test]
    fn a_dependence_without_correlation_is_found() {
        let x = noise(1, 300, 2);
        let squares = x
            .values()
            .chunks_exact(2)
            .map(|row| row[0] * row[0])
            .collect();
        let found = Dependence::of(&x, &Latents::from_vec(squares, 1).unwrap(), 1).unwrap();
        assert!(
            found.p_value <= 0.01 && found.distance_correlation > 2.0 * found.by_chance,
            "{found:?}"
        );
    }

    #[test]
    fn independent_rows_look_independent_as_often_as_they_should() {
        let small = (0..60).filter(|&seed| {
            let (x, y) = (noise(2 * seed, 60, 3), noise(2 * seed + 1, 60, 2));
            Dependence::of(&x, &y, seed).unwrap().p_value <= 0.1
        });
        let count = small.count();
        assert!(count <= 14, "{count} of 60 below 0.1");
    }

    #[test]
    fn an_equal_space_correlates_fully_and_few_rows_give_none() {
        let x = noise(5, 50, 4);
        assert!((Dependence::of(&x, &x, 1).unwrap().distance_correlation - 1.0).abs() < 1e-6);
        assert_eq!(Dependence::of(&noise(1, 7, 1), &noise(2, 7, 1), 1), None);
    }
}
