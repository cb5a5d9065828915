//! Gaussian mixtures with diagonal covariance, fitted to points by expectation–maximisation.

use super::components::{Components, normalise};
use rayon::prelude::*;
use std::iter;
use zbridge_core::{DiagonalGaussian, Latents, Moments, RandomStream};

/// A mixture of at most `most` Gaussians with diagonal covariance for these points: the components,
/// and their log weights. It has 1, 2, 4, 8, … or `most` components, whichever is best by the
/// Bayesian information criterion. Variances are no less than a thousandth of their column's. No
/// more than 20,000 points are looked at, drawn from `stream`.
///
/// # Source
/// Dempster, Laird & Rubin 1977; starts by Arthur & Vassilvitskii 2007 (k-means++), of which the
/// one that is best after a few steps goes on (Biernacki, Celeux & Govaert 2003); Schwarz 1978 for
/// the criterion.
pub(crate) fn fit_components(
    points: &Latents,
    most: usize,
    stream: &mut RandomStream,
) -> (DiagonalGaussian, Vec<f32>) {
    let points = some_of(points, stream);
    let scale = Scale::of(&points);
    let points = scale.standardised(&points);
    let counts = iter::successors(Some(1), |&count| {
        (count < most).then(|| (2 * count).min(most))
    });
    let fits = counts
        .take_while(|&count| count <= points.rows())
        .map(|count| Fit::of(&points, count, stream));
    let best = fits.min_by(|a, b| {
        a.criterion(points.rows())
            .total_cmp(&b.criterion(points.rows()))
    });
    match best {
        Some(fit) => (scale.restored(fit.components.gaussians()), fit.log_weights),
        None => (
            scale.restored(&DiagonalGaussian::standard(1, points.dim())),
            vec![0.0],
        ),
    }
}

const MOST_POINTS: usize = 20_000;
const STARTS: usize = 3;
/// Steps after which the best start is chosen.
const FIRST_STEPS: usize = 8;
const MOST_STEPS: usize = 50;
/// A step that gains less than this in nats for each point is the last one.
const LEAST_GAIN: f64 = 1e-4;
/// Variances in standardised columns are at least this.
const LEAST_VARIANCE: f64 = 1e-3;
/// Shares below this are not worth the time to add them.
const LEAST_SHARE: f32 = 1e-6;
/// Points that each component has in advance, so that no weight is 0.
const POINTS_IN_ADVANCE: f64 = 1e-3;

/// The points, or a random choice of as many as there is time for.
fn some_of(points: &Latents, stream: &mut RandomStream) -> Latents {
    if points.rows() <= MOST_POINTS {
        return points.clone();
    }
    points.select(&stream.permutation(points.rows())[..MOST_POINTS])
}

/// Mean and deviation of each column.
struct Scale(Vec<(f64, f64)>);

impl Scale {
    fn of(points: &Latents) -> Self {
        /// What never varies still has a density.
        const LEAST_DEVIATION: f64 = 1e-6;
        let column = |column: usize| {
            let mut moments = Moments::default();
            points
                .values()
                .iter()
                .skip(column)
                .step_by(points.dim())
                .for_each(|&value| moments.push(f64::from(value)));
            let variance = if points.rows() > 1 {
                moments.variance()
            } else {
                0.0
            };
            (
                if points.rows() > 0 {
                    moments.mean()
                } else {
                    0.0
                },
                variance.sqrt().max(LEAST_DEVIATION),
            )
        };
        Self((0..points.dim()).map(column).collect())
    }

    fn standardised(&self, points: &Latents) -> Latents {
        let columns = self.0.iter().cycle();
        let values = points.values().iter().zip(columns);
        let values = values
            .map(|(&value, (mean, deviation))| ((f64::from(value) - mean) / deviation) as f32)
            .collect();
        Latents::clamped(values, points.dim()).expect("finite points over finite deviations")
    }

    fn restored(&self, gaussians: &DiagonalGaussian) -> DiagonalGaussian {
        let means = gaussians.mean().values().iter().zip(self.0.iter().cycle());
        let means = means
            .map(|(&value, (mean, deviation))| (mean + deviation * f64::from(value)) as f32)
            .collect();
        let log_vars = gaussians
            .log_var()
            .values()
            .iter()
            .zip(self.0.iter().cycle());
        let log_vars = log_vars
            .map(|(&value, (_, deviation))| (f64::from(value) + 2.0 * deviation.ln()) as f32);
        of_values(means, log_vars.collect(), gaussians.dim())
    }
}

/// A mixture, and how well it explains the points.
struct Fit {
    components: Components,
    log_weights: Vec<f32>,
    log_likelihood: f64,
}

impl Fit {
    /// The best mixture of `count` components that a few starts lead to.
    fn of(points: &Latents, count: usize, stream: &mut RandomStream) -> Self {
        let starts = if count == 1 { 1 } else { STARTS };
        let mut best = Self::started(points, count, stream).climbed(points, FIRST_STEPS);
        for _ in 1..starts {
            let other = Self::started(points, count, stream).climbed(points, FIRST_STEPS);
            if other.log_likelihood > best.log_likelihood {
                best = other;
            }
        }
        best.climbed(points, MOST_STEPS - FIRST_STEPS)
    }

    /// The mixture in which every point belongs to the nearest of `count` seeds.
    fn started(points: &Latents, count: usize, stream: &mut RandomStream) -> Self {
        let mut sums = Sums::none(count, points.dim());
        for (point, nearest) in points
            .values()
            .chunks_exact(points.dim())
            .zip(nearest_seeds(points, count, stream))
        {
            sums.add(nearest, 1.0, point);
        }
        sums.maximised(points.rows())
    }

    /// The mixture after up to `steps` steps, fewer where they gain next to nothing.
    fn climbed(mut self, points: &Latents, steps: usize) -> Self {
        for step in 0..=steps {
            let sums = self.expected(points);
            let gain = sums.log_likelihood - self.log_likelihood;
            self.log_likelihood = sums.log_likelihood;
            if step == steps || gain < LEAST_GAIN * points.rows() as f64 {
                break;
            }
            self = sums.maximised(points.rows());
        }
        self
    }

    /// The expectation step: sums over the points, weighted by each component's share of them.
    /// Blocks are summed in their order, so that threads do not matter.
    fn expected(&self, points: &Latents) -> Sums {
        const ROWS_AT_ONCE: usize = 512;
        let (count, dim) = (self.components.count(), points.dim());
        let sums_of = |block: &[f32]| {
            let (mut sums, mut shares) = (Sums::none(count, dim), vec![0.0; count]);
            for point in block.chunks_exact(dim) {
                self.components.log_densities(point, &mut shares);
                shares
                    .iter_mut()
                    .zip(&self.log_weights)
                    .for_each(|(share, weight)| *share += weight);
                sums.log_likelihood += f64::from(normalise(&mut shares));
                for (k, &share) in shares
                    .iter()
                    .enumerate()
                    .filter(|(_, share)| **share > LEAST_SHARE)
                {
                    sums.add(k, share, point);
                }
            }
            sums
        };
        let blocks: Vec<Sums> = points
            .values()
            .par_chunks(ROWS_AT_ONCE * dim)
            .map(sums_of)
            .collect();
        blocks.into_iter().fold(Sums::none(count, dim), Sums::and)
    }

    /// The Bayesian information criterion: less is better.
    fn criterion(&self, points: usize) -> f64 {
        let parameters = self.components.count() * (2 * self.components.dim() + 1) - 1;
        parameters as f64 * (points as f64).ln() - 2.0 * self.log_likelihood
    }
}

/// For each point the seed that is nearest to it, of `count` seeds that k-means++ chooses.
fn nearest_seeds(points: &Latents, count: usize, stream: &mut RandomStream) -> Vec<usize> {
    let (mut nearest, mut squares) = (vec![0; points.rows()], vec![f32::MAX; points.rows()]);
    let mut seed = stream.below(points.rows());
    for k in 0..count {
        let rows = points
            .values()
            .chunks_exact(points.dim())
            .zip(nearest.iter_mut().zip(&mut squares));
        for (point, (nearest, least)) in rows {
            let square = point
                .iter()
                .zip(points.row(seed))
                .map(|(a, b)| (a - b) * (a - b))
                .sum();
            if square < *least {
                (*nearest, *least) = (k, square);
            }
        }
        seed = drawn(&squares, stream);
    }
    nearest
}

/// A place, drawn in proportion to the values.
fn drawn(values: &[f32], stream: &mut RandomStream) -> usize {
    let total: f64 = values.iter().map(|&value| f64::from(value)).sum();
    let mut left = f64::from(stream.uniform()) * total;
    let place = values.iter().position(|&value| {
        left -= f64::from(value);
        left < 0.0
    });
    place.unwrap_or_else(|| stream.below(values.len()))
}

/// What the maximisation step needs to know of the points.
struct Sums {
    /// Σ share, `[count]`.
    mass: Vec<f64>,
    /// Σ share · point, `[count, dim]`.
    first: Vec<f64>,
    /// Σ share · point², `[count, dim]`.
    second: Vec<f64>,
    log_likelihood: f64,
}

impl Sums {
    fn none(count: usize, dim: usize) -> Self {
        let zeros = || vec![0.0; count * dim];
        Self {
            mass: vec![0.0; count],
            first: zeros(),
            second: zeros(),
            log_likelihood: 0.0,
        }
    }

    /// Counts `point` as `share` of a point of component `k`.
    fn add(&mut self, k: usize, share: f32, point: &[f32]) {
        let share = f64::from(share);
        self.mass[k] += share;
        let at = k * point.len();
        let sums = self.first[at..].iter_mut().zip(&mut self.second[at..]);
        for ((first, second), &value) in sums.zip(point) {
            let value = f64::from(value);
            *first += share * value;
            *second += share * value * value;
        }
    }

    fn and(mut self, other: Self) -> Self {
        let add = |own: &mut Vec<f64>, other: &[f64]| {
            own.iter_mut()
                .zip(other)
                .for_each(|(own, other)| *own += other)
        };
        add(&mut self.mass, &other.mass);
        add(&mut self.first, &other.first);
        add(&mut self.second, &other.second);
        self.log_likelihood += other.log_likelihood;
        self
    }

    /// The maximisation step. A component that has lost its points begins anew as all of them.
    fn maximised(&self, points: usize) -> Fit {
        let (count, dim) = (self.mass.len(), self.first.len() / self.mass.len().max(1));
        let moments =
            self.first
                .iter()
                .zip(&self.second)
                .enumerate()
                .map(|(at, (first, second))| {
                    let mass = self.mass[at / dim];
                    if mass < POINTS_IN_ADVANCE {
                        return (0.0, 1.0);
                    }
                    let mean = first / mass;
                    (mean, (second / mass - mean * mean).max(LEAST_VARIANCE))
                });
        let (means, log_vars) = moments
            .map(|(mean, variance): (f64, f64)| (mean as f32, variance.ln() as f32))
            .unzip();
        let total = points as f64 + count as f64 * POINTS_IN_ADVANCE;
        let log_weights = self
            .mass
            .iter()
            .map(|mass| ((mass + POINTS_IN_ADVANCE) / total).ln() as f32)
            .collect();
        Fit {
            components: Components::new(of_values(means, log_vars, dim)),
            log_weights,
            log_likelihood: f64::NEG_INFINITY,
        }
    }
}

fn of_values(means: Vec<f32>, log_vars: Vec<f32>, dim: usize) -> DiagonalGaussian {
    let rows = means.len() / dim;
    Latents::clamped(means, dim)
        .and_then(|means| DiagonalGaussian::new(means, Latents::clamped(log_vars, dim)?))
        .unwrap_or_else(|_| DiagonalGaussian::standard(rows, dim))
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
        fit_components(points, most, &mut RandomStream::named(52, "fit"))
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
        assert!(points.rows() > MOST_POINTS);
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
            for (log_var, (_, deviation)) in components.log_var().row(row).iter().zip(&scale.0) {
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
            let found = fit_components(&points, most, &mut stream).0.rows();
            println!(
                "{} points in 16 dimensions, up to {most}: {found} in {:?}",
                points.rows(),
                start.elapsed()
            );
        }
    }
}
