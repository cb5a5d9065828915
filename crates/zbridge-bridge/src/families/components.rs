use rayon::prelude::*;
use zbridge_core::{DiagonalGaussian, LN_TWO_PI};

/// Gaussians with diagonal covariance, ready to be evaluated at many points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Components {
    gaussians: DiagonalGaussian,
    /// 1/deviation, `[count, dim]`.
    precisions_root: Vec<f32>,
    /// −½ Σ (log 2π + log variance), `[count]`.
    log_normalisers: Vec<f64>,
}

/// Log-variances further from 0 than this count as this: beyond it, squares overflow in f32.
const MOST_LOG_VARIANCE: f32 = 60.0;

impl Components {
    /// The rows of these Gaussians.
    pub(crate) fn new(gaussians: DiagonalGaussian) -> Self {
        let log_vars = gaussians
            .log_var()
            .values()
            .iter()
            .map(|v| v.clamp(-MOST_LOG_VARIANCE, MOST_LOG_VARIANCE));
        let log_vars: Vec<f32> = log_vars.collect();
        let normaliser = |row: &[f32]| row.iter().map(|&v| -0.5 * (LN_TWO_PI + f64::from(v))).sum();
        Self {
            precisions_root: log_vars.iter().map(|v| (-0.5 * v).exp()).collect(),
            log_normalisers: log_vars
                .chunks_exact(gaussians.dim())
                .map(normaliser)
                .collect(),
            gaussians,
        }
    }

    /// The Gaussians as they were given.
    pub(crate) fn gaussians(&self) -> &DiagonalGaussian {
        &self.gaussians
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.gaussians.rows()
    }

    /// Dimensions of each.
    pub(crate) fn dim(&self) -> usize {
        self.gaussians.dim()
    }

    /// Component `k` with its numbers side by side.
    pub(crate) fn component(&self, k: usize) -> Component<'_> {
        let dim = self.dim();
        Component {
            mean: self.gaussians.mean().row_values(k),
            precision_root: &self.precisions_root[k * dim..][..dim],
            log_normaliser: self.log_normalisers[k],
        }
    }

    /// Means and 1/deviations of all, each `[count, dim]`.
    pub(crate) fn means_and_roots(&self) -> [&[f32]; 2] {
        [self.gaussians.mean().values(), &self.precisions_root]
    }

    /// log N_k(point) for every component in `log_densities` `[count]`, in f32.
    pub(crate) fn log_densities(&self, point: &[f32], log_densities: &mut [f32]) {
        for (k, log_density) in log_densities.iter_mut().enumerate() {
            *log_density = self.component(k).log_density_in_f32(point);
        }
    }
}

/// One of the components.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component<'c> {
    pub(crate) mean: &'c [f32],
    /// 1/deviation.
    pub(crate) precision_root: &'c [f32],
    pub(crate) log_normaliser: f64,
}

impl Component<'_> {
    /// log N(point) in f32, for training, and finite everywhere.
    pub(crate) fn log_density_in_f32(&self, point: &[f32]) -> f32 {
        const LANES: usize = 8;
        let square = |point: f32, mean: f32, root: f32| {
            let standard = (point - mean) * root;
            standard * standard
        };
        let (points, point_rest) = point.as_chunks::<LANES>();
        let (means, mean_rest) = self.mean.as_chunks::<LANES>();
        let (roots, root_rest) = self.precision_root.as_chunks::<LANES>();
        let mut lanes = [0.0f32; LANES];
        for ((point, mean), root) in points.iter().zip(means).zip(roots) {
            for lane in 0..LANES {
                lanes[lane] += square(point[lane], mean[lane], root[lane]);
            }
        }
        let rest = point_rest.iter().zip(mean_rest).zip(root_rest);
        let rest: f32 = rest
            .map(|((&point, &mean), &root)| square(point, mean, root))
            .sum();
        self.log_normaliser as f32 - 0.5 * (lanes.iter().sum::<f32>() + rest).min(f32::MAX)
    }

    /// A draw in place of standard normal noise.
    pub(crate) fn draw(&self, noise: &mut [f32]) {
        for (value, (mean, root)) in noise
            .iter_mut()
            .zip(self.mean.iter().zip(self.precision_root))
        {
            *value = mean + *value / root;
        }
    }

    /// log N(point), in f64.
    pub(crate) fn log_density(&self, point: &[f32]) -> f64 {
        let parameters = self.mean.iter().zip(self.precision_root);
        let squares = point
            .iter()
            .zip(parameters)
            .map(|(&point, (&mean, &root))| {
                let standard = (f64::from(point) - f64::from(mean)) * f64::from(root);
                standard * standard
            });
        self.log_normaliser - 0.5 * squares.sum::<f64>()
    }
}

/// N_k(t) / Σ_j N_j(t) of points t under equally weighted components, `[rows, count]`; each row
/// sums to one, however far from all components its point is.
///
/// # Shapes
/// `points` `[rows, dim]`, row-major.
pub(crate) fn responsibilities(components: &DiagonalGaussian, points: &[f32]) -> Vec<f32> {
    const ROWS_AT_ONCE: usize = 256;
    let components = Components::new(components.clone());
    let (count, dim) = (components.count(), components.dim());
    let mut shares = vec![0.0; points.len() / dim * count];
    if count > 0 {
        let blocks = shares
            .par_chunks_mut(ROWS_AT_ONCE * count)
            .zip(points.par_chunks(ROWS_AT_ONCE * dim));
        blocks.for_each(|(shares, points)| {
            for (shares, point) in shares.chunks_exact_mut(count).zip(points.chunks_exact(dim)) {
                components.log_densities(point, shares);
                normalise(shares);
            }
        });
    }
    shares
}

/// `e^v / Σ e^v` in place of `values` v; gives log Σ e^v.
pub(crate) fn normalise(values: &mut [f32]) -> f32 {
    let highest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values
        .iter_mut()
        .for_each(|value| *value = (*value - highest).exp());
    let total: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= total);
    highest + total.ln()
}

/// The place below which weights that sum to 1 add up to `uniform`, a number in [0, 1).
pub(crate) fn chosen(weights: &[f32], uniform: f32) -> usize {
    let mut below = 0.0;
    let found = weights.iter().position(|weight| {
        below += weight;
        uniform < below
    });
    // The weights may add up to a little less than 1.
    found.unwrap_or_else(|| {
        weights
            .iter()
            .rposition(|&weight| weight > 0.0)
            .unwrap_or(0)
    })
}

/// log Σ e^v in f64.
pub(crate) fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let highest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    highest
        + values
            .map(|value| (value - highest).exp())
            .sum::<f64>()
            .ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{LatentDistribution, Latents, RandomStream};

    fn components() -> DiagonalGaussian {
        let (mut means, mut log_vars) = (vec![0.0; 3 * 11], vec![0.0; 3 * 11]);
        let mut stream = RandomStream::named(41, "components");
        stream.fill_standard_normal(&mut means);
        stream.fill_standard_normal(&mut log_vars);
        DiagonalGaussian::new(
            Latents::from_vec(means, 11).unwrap(),
            Latents::from_vec(log_vars, 11).unwrap(),
        )
        .unwrap()
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
        let shares = responsibilities(&gaussians, points.values());
        for (shares, point) in shares.chunks_exact(3).zip(0..) {
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
        let shares = responsibilities(&gaussians.unwrap(), &[f32::MAX, f32::MIN, 1e6, 0.0]);
        for row in shares.chunks_exact(3) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
}
