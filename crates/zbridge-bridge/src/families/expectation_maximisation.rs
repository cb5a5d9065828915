//! Gaussian mixtures with diagonal covariance, fitted to points by expectation–maximisation.

use super::components::Components;
use crate::rows::{clamped, values_of};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, aview1};
use rayon::prelude::*;
use std::iter;
use zbridge_core::{
    DiagonalGaussian, Latents, Moments, RandomStream, ShapeError, softmax_in_place,
};

const MAX_POINTS: usize = 20_000;
const STARTS: usize = 3;
/// Steps after which the best start is chosen.
const FIRST_STEPS: usize = 8;
const MAX_STEPS: usize = 50;
/// A step that gains less than this, in nats for each point, is the last one.
const MIN_GAIN: f64 = 1e-4;
/// Least variance of a component in standardised columns.
const MIN_VARIANCE: f64 = 1e-3;
/// Smaller deviations of a column count as this, so that a constant still has a density.
const MIN_DEVIATION: f64 = 1e-6;
/// Smaller shares are not worth the time to add them.
const MIN_SHARE: f32 = 1e-6;
/// Points that each component has in advance, so that no weight is 0.
const PSEUDO_COUNT: f64 = 1e-3;
/// Points that a core works on at a time.
const ROWS_AT_ONCE: usize = 512;

/// Returns a mixture of at most `most` Gaussians with diagonal covariance for these points: the
/// components, and their log weights. It has 1, 2, 4, 8, … or `most` components, whichever is best
/// by the Bayesian information criterion. Variances are no less than a thousandth of their
/// column's. Of more than 20,000 points, as many are drawn from `stream`.
///
/// # Errors
/// [`ShapeError::NotFinite`] if moments of the points are NaN.
///
/// # Source
/// Dempster, Laird & Rubin 1977. Starts by Arthur & Vassilvitskii 2007 (k-means++), of which the
/// one that is best after a few steps goes on (Biernacki, Celeux & Govaert 2003). Schwarz 1978 for
/// the criterion.
pub(crate) fn fit_components(
    points: &Latents,
    most: usize,
    stream: &mut RandomStream,
) -> Result<(DiagonalGaussian, Vec<f32>), ShapeError> {
    let points = some_of(points, stream);
    let scale = Scale::of(&points);
    let points = scale.standardised(&points)?;
    let mut best: Option<FittedMixture> = None;
    for count in component_counts(most).take_while(|&count| count <= points.rows()) {
        let fitted = FittedMixture::of(&points, count, stream)?;
        let criterion = |fitted: &FittedMixture| fitted.criterion(points.rows());
        if best
            .as_ref()
            .is_none_or(|best| criterion(&fitted).total_cmp(&criterion(best)).is_lt())
        {
            best = Some(fitted);
        }
    }
    match best {
        Some(best) => Ok((
            scale.restored(best.components.gaussians())?,
            best.log_weights,
        )),
        None => {
            let standard = DiagonalGaussian::standard(1, points.dim());
            Ok((scale.restored(&standard)?, vec![0.0]))
        }
    }
}

/// Returns 1, 2, 4, 8, … and `most`.
fn component_counts(most: usize) -> impl Iterator<Item = usize> {
    iter::successors(Some(1), move |&count| {
        (count < most).then(|| (2 * count).min(most))
    })
}

/// Returns the points, or a random choice of as many as there is time for.
fn some_of(points: &Latents, stream: &mut RandomStream) -> Latents {
    if points.rows() <= MAX_POINTS {
        return points.clone();
    }
    points.select(&stream.permutation(points.rows())[..MAX_POINTS])
}

/// Mean and deviation of each column, `[dim]`.
struct Scale {
    mean: Array1<f64>,
    deviation: Array1<f64>,
}

impl Scale {
    fn of(points: &Latents) -> Self {
        let (mut mean, mut deviation) = (Array1::zeros(points.dim()), Array1::zeros(points.dim()));
        for (column, values) in points.view().columns().into_iter().enumerate() {
            let mut moments = Moments::default();
            for &value in values {
                moments.push(f64::from(value));
            }
            if points.rows() > 0 {
                mean[column] = moments.mean();
            }
            if points.rows() > 1 {
                deviation[column] = moments.variance().sqrt();
            }
        }
        // A constant column is divided by this instead of 0.
        deviation.mapv_inplace(|deviation: f64| deviation.max(MIN_DEVIATION));
        Self { mean, deviation }
    }

    fn standardised(&self, points: &Latents) -> Result<Latents, ShapeError> {
        let standardised = (points.view().mapv(f64::from) - &self.mean) / &self.deviation;
        in_f32(standardised)
    }

    fn restored(&self, gaussians: &DiagonalGaussian) -> Result<DiagonalGaussian, ShapeError> {
        let means = gaussians.mean().view().mapv(f64::from) * &self.deviation + &self.mean;
        // A variance grows by the square of the scale.
        let log_variance = self.deviation.mapv(|deviation| 2.0 * deviation.ln());
        let log_vars = gaussians.log_var().view().mapv(f64::from) + &log_variance;
        DiagonalGaussian::new(in_f32(means)?, in_f32(log_vars)?)
    }
}

/// A mixture, and how well it explains the points.
struct FittedMixture {
    components: Components,
    /// `[K]`.
    log_weights: Vec<f32>,
    /// Of all points, in nats; −∞ before it is known.
    log_likelihood: f64,
}

impl FittedMixture {
    /// Returns the best mixture of `count` components that a few starts lead to.
    fn of(points: &Latents, count: usize, stream: &mut RandomStream) -> Result<Self, ShapeError> {
        // A single component has one solution, whatever it starts from.
        let starts = if count == 1 { 1 } else { STARTS };
        let mut best = Self::started(points, count, stream)?.improved(points, FIRST_STEPS)?;
        for _ in 1..starts {
            let other = Self::started(points, count, stream)?.improved(points, FIRST_STEPS)?;
            if other.log_likelihood > best.log_likelihood {
                best = other;
            }
        }
        best.improved(points, MAX_STEPS - FIRST_STEPS)
    }

    /// Returns the mixture in which every point belongs to the nearest of `count` seeds.
    fn started(
        points: &Latents,
        count: usize,
        stream: &mut RandomStream,
    ) -> Result<Self, ShapeError> {
        let mut sums = Sums::zeros(count, points.dim());
        // Every point counts as a whole for its nearest seed.
        for (row, nearest) in nearest_seeds(points, count, stream).into_iter().enumerate() {
            sums.add(nearest, 1.0, points.row_values(row));
        }
        sums.maximised(points.rows())
    }

    /// Returns the mixture after up to `steps` steps, fewer if they gain next to nothing.
    fn improved(mut self, points: &Latents, steps: usize) -> Result<Self, ShapeError> {
        for step in 0..=steps {
            let sums = self.expected(points.view());
            let gain = sums.log_likelihood - self.log_likelihood;
            self.log_likelihood = sums.log_likelihood;
            if step == steps || gain < MIN_GAIN * points.rows() as f64 {
                break;
            }
            self = sums.maximised(points.rows())?;
        }
        Ok(self)
    }

    /// The expectation step: returns sums over the points, weighted by each component's share of
    /// them.
    fn expected(&self, points: ArrayView2<'_, f32>) -> Sums {
        let blocks: Vec<_> = points.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).collect();
        let sums: Vec<Sums> = blocks
            .par_iter()
            .map(|block| self.expected_in(*block))
            .collect();
        // Added in the order of the blocks, so that the number of threads does not matter.
        let zeros = Sums::zeros(self.components.count(), points.ncols());
        sums.iter().fold(zeros, Sums::plus)
    }

    fn expected_in(&self, points: ArrayView2<'_, f32>) -> Sums {
        let count = self.components.count();
        let mut sums = Sums::zeros(count, points.ncols());
        let mut shares = vec![0.0; count];
        for point in points.rows() {
            let point = values_of(point);
            self.components.log_densities(point, &mut shares);
            for (share, log_weight) in shares.iter_mut().zip(&self.log_weights) {
                *share += log_weight;
            }
            sums.log_likelihood += f64::from(softmax_in_place(&mut shares));
            for (k, &share) in shares.iter().enumerate() {
                // Most components have next to no share of a point: leaving them out saves time.
                if share > MIN_SHARE {
                    sums.add(k, share, point);
                }
            }
        }
        sums
    }

    /// Returns the Bayesian information criterion: less is better.
    fn criterion(&self, points: usize) -> f64 {
        // A mean and a variance in each dimension, and a weight; the weights sum to one.
        let parameters = self.components.count() * (2 * self.components.dim() + 1) - 1;
        parameters as f64 * (points as f64).ln() - 2.0 * self.log_likelihood
    }
}

/// Returns for each point the nearest of `count` seeds that k-means++ chooses.
fn nearest_seeds(points: &Latents, count: usize, stream: &mut RandomStream) -> Vec<usize> {
    let mut nearest = vec![0; points.rows()];
    // The squared distance from the nearest seed so far.
    let mut squares = vec![f32::MAX; points.rows()];
    let mut seed = stream.below(points.rows());
    for k in 0..count {
        for row in 0..points.rows() {
            let square = squared_distance(points.row_values(row), points.row_values(seed));
            if square < squares[row] {
                nearest[row] = k;
                squares[row] = square;
            }
        }
        seed = drawn(&squares, stream);
    }
    nearest
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Returns a place, drawn in proportion to the values.
fn drawn(values: &[f32], stream: &mut RandomStream) -> usize {
    let total: f64 = values.iter().map(|&value| f64::from(value)).sum();
    let mut left = f64::from(stream.uniform()) * total;
    for (place, &value) in values.iter().enumerate() {
        left -= f64::from(value);
        if left < 0.0 {
            return place;
        }
    }
    // All values are 0, or rounding left a little over.
    stream.below(values.len())
}

/// What the maximisation step needs to know of the points.
struct Sums {
    /// Σ share, `[K]`.
    mass: Array1<f64>,
    /// Σ share · point, `[K, dim]`.
    first: Array2<f64>,
    /// Σ share · point², `[K, dim]`.
    second: Array2<f64>,
    log_likelihood: f64,
}

impl Sums {
    fn zeros(count: usize, dim: usize) -> Self {
        Self {
            mass: Array1::zeros(count),
            first: Array2::zeros((count, dim)),
            second: Array2::zeros((count, dim)),
            log_likelihood: 0.0,
        }
    }

    /// Counts `point` as `share` of a point of component `k`.
    fn add(&mut self, k: usize, share: f32, point: &[f32]) {
        let share = f64::from(share);
        self.mass[k] += share;
        let sums = Zip::from(self.first.row_mut(k)).and(self.second.row_mut(k));
        sums.and(aview1(point)).for_each(|first, second, &value| {
            let value = f64::from(value);
            *first += share * value;
            *second += share * value * value;
        });
    }

    fn plus(mut self, other: &Self) -> Self {
        self.mass += &other.mass;
        self.first += &other.first;
        self.second += &other.second;
        self.log_likelihood += other.log_likelihood;
        self
    }

    /// The maximisation step. A component that has lost its points begins anew as all of them.
    fn maximised(&self, points: usize) -> Result<FittedMixture, ShapeError> {
        let (mut means, mut log_vars) = (self.first.clone(), self.second.clone());
        for (k, &mass) in self.mass.iter().enumerate() {
            let moments = Zip::from(means.row_mut(k)).and(log_vars.row_mut(k));
            moments.for_each(|first, second| {
                let (mean, variance) = moments_of(mass, *first, *second);
                *first = mean;
                *second = variance.ln();
            });
        }
        // A component that loses all points keeps a weight above 0, whose logarithm is finite.
        let total = points as f64 + self.mass.len() as f64 * PSEUDO_COUNT;
        let log_weight = |mass: &f64| ((mass + PSEUDO_COUNT) / total).ln() as f32;
        let gaussians = DiagonalGaussian::new(in_f32(means)?, in_f32(log_vars)?)?;
        Ok(FittedMixture {
            components: Components::new(gaussians),
            log_weights: self.mass.iter().map(log_weight).collect(),
            log_likelihood: f64::NEG_INFINITY,
        })
    }
}

/// Returns the mean and the variance of a component from its sums in one dimension. Columns are
/// standardised: 0 and 1 are those of all points.
fn moments_of(mass: f64, first: f64, second: f64) -> (f64, f64) {
    if mass < PSEUDO_COUNT {
        return (0.0, 1.0);
    }
    let mean = first / mass;
    (mean, (second / mass - mean * mean).max(MIN_VARIANCE))
}

/// Returns the values in f32, within its range.
fn in_f32(values: Array2<f64>) -> Result<Latents, ShapeError> {
    clamped(values.mapv(|value| value as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::LatentDistribution;

    const CENTRES: [[f32; 2]; 3] = [[-5.0, 0.0], [5.0, 1.0], [0.0, 30.0]];

    /// Draws from three clusters of deviation ½: `each` of the first, twice and three times as many
    /// of the others.
    fn clusters(each: usize) -> Latents {
        let mut stream = RandomStream::named(51, "clusters");
        let rows = CENTRES.iter().zip(1..).flat_map(|(centre, share)| {
            let gaussian = DiagonalGaussian::new(
                Latents::from_vec(centre.to_vec(), 2).unwrap(),
                Latents::filled(1, 2, 0.25f32.ln()),
            );
            gaussian
                .unwrap()
                .sample_each(share * each, &mut stream)
                .into_vec()
        });
        Latents::from_vec(rows.collect(), 2).unwrap()
    }

    fn fitted(points: &Latents, most: usize) -> (DiagonalGaussian, Vec<f32>) {
        fit_components(points, most, &mut RandomStream::named(52, "fit")).unwrap()
    }

    #[test]
    fn three_clusters_are_found() {
        let (components, log_weights) = fitted(&clusters(300), 3);
        assert_eq!(components.rows(), 3);
        for (centre, share) in CENTRES.iter().zip(1..) {
            let distance = |k: usize| {
                components
                    .mean()
                    .row(k)
                    .iter()
                    .zip(centre)
                    .map(|(a, b)| (a - b).abs())
                    .sum::<f32>()
            };
            let k = (0..3)
                .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
                .unwrap();
            assert!(
                distance(k) < 0.2,
                "{centre:?} is {} from its component",
                distance(k)
            );
            assert!((log_weights[k].exp() - share as f32 / 6.0).abs() < 1e-3);
            assert!(
                components
                    .log_var()
                    .row(k)
                    .iter()
                    .all(|v| (v - 0.25f32.ln()).abs() < 0.25)
            );
        }
    }

    #[test]
    fn no_more_components_than_the_points_ask_for() {
        let one =
            DiagonalGaussian::standard(1, 3).sample_each(2000, &mut RandomStream::named(53, "one"));
        let (components, log_weights) = fitted(&one, 16);
        assert_eq!((components.rows(), log_weights.len()), (1, 1));
        assert!(log_weights[0].abs() < 1e-6);
        assert!(
            components
                .mean()
                .values()
                .iter()
                .all(|mean| mean.abs() < 0.1)
        );
        assert_eq!(
            fitted(&clusters(300), 16).0.rows(),
            4,
            "3 are not among 1, 2, 4, 8, 16"
        );
    }

    #[test]
    fn same_stream_gives_the_same_mixture() {
        let points = clusters(4000);
        assert!(points.rows() > MAX_POINTS);
        assert_eq!(fitted(&points, 4), fitted(&points, 4));
    }

    #[test]
    fn degenerate_points_have_a_mixture() {
        for points in [
            Latents::from_vec(vec![], 2).unwrap(),
            Latents::filled(1, 2, 3.0),
            Latents::filled(40, 2, 3.0),
            Latents::from_vec(vec![f32::MAX, 0.0, f32::MIN, 0.0, 1.0, 0.0], 2).unwrap(),
        ] {
            let (components, log_weights) = fitted(&points, 8);
            assert_eq!(components.rows(), log_weights.len());
            assert!(components.rows() >= 1 && log_weights.iter().all(|weight| weight.is_finite()));
            if points.rows() > 0 {
                let nats = components
                    .select(&[0])
                    .log_prob(&points.select(&[0]))
                    .unwrap();
                assert!(nats[0].is_finite());
            }
        }
    }

    #[test]
    fn variances_have_a_floor() {
        let mut values = clusters(100).into_vec();
        // Half of the points stand in one place.
        values.iter_mut().take(600).for_each(|value| *value = 1.0);
        let points = Latents::from_vec(values, 2).unwrap();
        let scale = Scale::of(&points);
        let (components, _) = fitted(&points, 8);
        for row in 0..components.rows() {
            for (log_var, deviation) in components.log_var().row(row).iter().zip(&scale.deviation) {
                assert!(f64::from(*log_var) > (0.99e-3 * deviation * deviation).ln());
            }
        }
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_fit() {
        let (mut means, mut stream) = (vec![0.0; 40 * 16], RandomStream::named(54, "time"));
        stream.fill_standard_normal(&mut means);
        let means = Latents::from_vec(means, 16).unwrap();
        let mixture = DiagonalGaussian::new(means, Latents::filled(40, 16, -1.5)).unwrap();
        let points = mixture.sample_each(600, &mut stream);
        for most in [16, 32, 64] {
            let start = std::time::Instant::now();
            let found = fit_components(&points, most, &mut stream).unwrap().0.rows();
            println!(
                "{} points in 16 dimensions, up to {most}: {found} in {:?}",
                points.rows(),
                start.elapsed()
            );
        }
    }
}
