use crate::rows::flat;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::{DiagonalGaussian, LN_TWO_PI, softmax_in_place};

/// Gaussians with diagonal covariance, ready to be evaluated at many points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Components {
    gaussians: DiagonalGaussian,
    /// 1 / deviation, `[K, dim]`.
    inverse_deviations: Array2<f32>,
    /// −½ Σ (log 2π + log variance), `[K]`.
    log_normalisers: Vec<f64>,
}

/// Log-variances further from 0 than this count as this: beyond it, squares overflow in f32.
const MAX_LOG_VARIANCE: f32 = 60.0;

impl Components {
    /// Returns the rows of these Gaussians as components.
    pub(crate) fn new(gaussians: DiagonalGaussian) -> Self {
        let log_vars = gaussians.log_var().view();
        let log_vars = log_vars.mapv(|v| v.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE));
        let log_normaliser = |v: &f32| -0.5 * (LN_TWO_PI + f64::from(*v));
        let rows = log_vars.rows().into_iter();
        Self {
            inverse_deviations: log_vars.mapv(|v| (-0.5 * v).exp()),
            log_normalisers: rows
                .map(|row| row.iter().map(log_normaliser).sum())
                .collect(),
            gaussians,
        }
    }

    /// Returns the Gaussians as they were given.
    pub(crate) fn gaussians(&self) -> &DiagonalGaussian {
        &self.gaussians
    }

    /// Returns the number of components, K.
    pub(crate) fn count(&self) -> usize {
        self.gaussians.rows()
    }

    /// Returns the number of dimensions of each.
    pub(crate) fn dim(&self) -> usize {
        self.gaussians.dim()
    }

    /// Returns 1 / deviation of all components, `[K, dim]`.
    pub(crate) fn inverse_deviations(&self) -> ArrayView2<'_, f32> {
        self.inverse_deviations.view()
    }

    /// Returns component `k`.
    pub(crate) fn component(&self, k: usize) -> Component<'_> {
        let dim = self.dim();
        Component {
            mean: self.gaussians.mean().row_values(k),
            inverse_deviation: &flat(self.inverse_deviations.view())[k * dim..][..dim],
            log_normaliser: self.log_normalisers[k],
        }
    }

    /// Writes log N_k(point), in f32, for every component into `log_densities` `[K]`.
    pub(crate) fn log_densities(&self, point: &[f32], log_densities: &mut [f32]) {
        for (k, log_density) in log_densities.iter_mut().enumerate() {
            *log_density = self.component(k).log_density_in_f32(point);
        }
    }
}

/// One component of a mixture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component<'c> {
    /// `[dim]`.
    pub(crate) mean: &'c [f32],
    /// 1 / deviation, `[dim]`.
    pub(crate) inverse_deviation: &'c [f32],
    /// The log density at the mean, in nats.
    pub(crate) log_normaliser: f64,
}

impl Component<'_> {
    /// Returns log N(point) in f32, for training; finite everywhere.
    pub(crate) fn log_density_in_f32(&self, point: &[f32]) -> f32 {
        // Far from the mean, the sum of squares overflows to infinity.
        let distance = squared_distance(point, self.mean, self.inverse_deviation);
        self.log_normaliser as f32 - 0.5 * distance.min(f32::MAX)
    }

    /// Returns log N(point) in f64.
    pub(crate) fn log_density(&self, point: &[f32]) -> f64 {
        let mut distance = 0.0;
        for ((&point, &mean), &inverse_deviation) in
            point.iter().zip(self.mean).zip(self.inverse_deviation)
        {
            // In f64: beyond 1e19, the square of an f32 overflows.
            let standard = (f64::from(point) - f64::from(mean)) * f64::from(inverse_deviation);
            distance += standard * standard;
        }
        self.log_normaliser - 0.5 * distance
    }

    /// Replaces standard normal noise by a draw.
    pub(crate) fn draw(&self, noise: &mut [f32]) {
        for ((value, mean), inverse_deviation) in
            noise.iter_mut().zip(self.mean).zip(self.inverse_deviation)
        {
            *value = mean + *value / inverse_deviation;
        }
    }
}

/// Returns Σ ((point − mean) · inverse deviation)².
fn squared_distance(point: &[f32], mean: &[f32], inverse_deviation: &[f32]) -> f32 {
    // Eight sums side by side: the compiler makes one vector of them, and their order is fixed.
    const LANES: usize = 8;
    let square = |point: f32, mean: f32, inverse_deviation: f32| {
        let standard = (point - mean) * inverse_deviation;
        standard * standard
    };
    let (points, last_points) = point.as_chunks::<LANES>();
    let (means, last_means) = mean.as_chunks::<LANES>();
    let (inverses, last_inverses) = inverse_deviation.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for ((point, mean), inverse) in points.iter().zip(means).zip(inverses) {
        for lane in 0..LANES {
            lanes[lane] += square(point[lane], mean[lane], inverse[lane]);
        }
    }
    let mut last = 0.0;
    for ((&point, &mean), &inverse) in last_points.iter().zip(last_means).zip(last_inverses) {
        last += square(point, mean, inverse);
    }
    lanes.iter().sum::<f32>() + last
}

/// Returns N_k(t) / Σ_j N_j(t) of points t `[rows, dim]` under equally weighted components,
/// `[rows, K]`. Each row sums to one, however far from all components its point is.
pub(crate) fn responsibilities(
    components: &DiagonalGaussian,
    points: ArrayView2<'_, f32>,
) -> Array2<f32> {
    const ROWS_AT_ONCE: usize = 256;
    let components = Components::new(components.clone());
    let mut shares = Array2::zeros((points.nrows(), components.count()));
    let blocks = shares.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE);
    let blocks: Vec<_> = blocks
        .zip(points.axis_chunks_iter(Axis(0), ROWS_AT_ONCE))
        .collect();
    blocks.into_par_iter().for_each(|(mut shares, points)| {
        for (mut shares, point) in shares.rows_mut().into_iter().zip(points.rows()) {
            let shares = shares.as_slice_mut().expect("rows of a row-major array");
            components.log_densities(point.to_slice().expect("row-major points"), shares);
            softmax_in_place(shares);
        }
    });
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;
    use ndarray::array;
    use zbridge_core::{LatentDistribution, Latents, RandomStream};

    fn components() -> DiagonalGaussian {
        let mut stream = RandomStream::named(41, "components");
        let [means, log_vars] =
            [(); 2].map(|()| Latents::new(standard_normal((3, 11), &mut stream)).unwrap());
        DiagonalGaussian::new(means, log_vars).unwrap()
    }

    #[test]
    fn log_densities_are_those_of_the_gaussians() {
        let (gaussians, point) = (components(), Latents::filled(1, 11, 0.4));
        let (components, mut in_f32) = (Components::new(gaussians.clone()), [0.0; 3]);
        components.log_densities(point.values(), &mut in_f32);
        for (k, in_f32) in in_f32.into_iter().enumerate() {
            let exact = gaussians.select(&[k]).log_prob(&point).unwrap()[0];
            assert!((components.component(k).log_density(point.values()) - exact).abs() < 1e-4);
            assert!(
                (f64::from(in_f32) - exact).abs() < 1e-4,
                "{in_f32} against {exact}"
            );
        }
    }

    #[test]
    fn responsibilities_are_shares_of_the_density() {
        let gaussians = components();
        let points = gaussians.sample_each(200, &mut RandomStream::named(42, "points"));
        let shares = responsibilities(&gaussians, points.view());
        for (shares, point) in shares.rows().into_iter().zip(0..) {
            let point = points.select(&[point, point, point]);
            let densities: Vec<f64> = gaussians
                .log_prob(&point)
                .unwrap()
                .iter()
                .map(|nats| nats.exp())
                .collect();
            for (share, density) in shares.iter().zip(&densities) {
                assert!((f64::from(*share) - density / densities.iter().sum::<f64>()).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn responsibilities_far_off_are_still_shares() {
        let gaussians = DiagonalGaussian::new(
            Latents::from_vec(vec![0.0, 1.0, 5.0], 1).unwrap(),
            Latents::from_vec(vec![f32::MIN, 0.0, f32::MAX], 1).unwrap(),
        );
        let points = array![[f32::MAX], [f32::MIN], [1e6], [0.0]];
        let shares = responsibilities(&gaussians.unwrap(), points.view());
        for row in shares.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
}
