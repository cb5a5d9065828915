use crate::{DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream, ShapeError};
use ndarray::{Array2, ArrayView1, Zip};

/// A batch of Gaussians with diagonal covariance: row `i` is N(mean_i, diag(exp(log_var_i))).
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents};
///
/// let shifted = DiagonalGaussian::new(Latents::filled(1, 3, 2.0), Latents::filled(1, 3, 0.0))?;
/// let standard = DiagonalGaussian::standard(1, 3);
/// // KL(N(2, 1) ‖ N(0, 1)) is 2²/2 nats in each dimension.
/// assert_eq!(shifted.kl_divergence_nats(&standard)?, [6.0]);
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalGaussian {
    mean: Latents,
    log_var: Latents,
}

impl DiagonalGaussian {
    /// Returns the batch with these means and log-variances, both `[batch, dim]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the two shapes differ.
    pub fn new(mean: Latents, log_var: Latents) -> Result<Self, ShapeError> {
        log_var.expect_shape("log-variances", mean.rows(), mean.dim())?;
        Ok(Self { mean, log_var })
    }

    /// Returns the batch of means and log-variances of one shape that are known to be finite.
    pub(crate) fn of_finite(mean: Array2<f32>, log_var: Array2<f32>) -> Self {
        debug_assert_eq!(mean.dim(), log_var.dim());
        Self {
            mean: Latents::new(mean).expect("means are finite"),
            log_var: Latents::new(log_var).expect("log-variances are finite"),
        }
    }

    /// Returns `rows` standard normals in `dim` dimensions: the prior of a VAE.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn standard(rows: usize, dim: usize) -> Self {
        Self {
            mean: Latents::filled(rows, dim, 0.0),
            log_var: Latents::filled(rows, dim, 0.0),
        }
    }

    /// Returns the distributions of all parts, one part after the other, each over `dim`
    /// dimensions.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if a part has other dimensions.
    pub fn joined<'g>(
        parts: impl IntoIterator<Item = &'g Self>,
        dim: usize,
    ) -> Result<Self, ShapeError> {
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for part in parts {
            let (mean, log_var) = (&part.mean, &part.log_var);
            mean.expect_shape("Gaussians to be joined", part.rows(), dim)?;
            means.extend_from_slice(mean.values());
            log_vars.extend_from_slice(log_var.values());
        }
        let means = Latents::from_vec(means, dim)?;
        Self::new(means, Latents::from_vec(log_vars, dim)?)
    }

    /// Returns the means, `[batch, dim]`.
    pub fn mean(&self) -> &Latents {
        &self.mean
    }

    /// Returns the log-variances, `[batch, dim]`.
    pub fn log_var(&self) -> &Latents {
        &self.log_var
    }

    /// Returns the number of distributions.
    pub fn rows(&self) -> usize {
        self.mean.rows()
    }

    /// Returns the number of dimensions of the latent space.
    pub fn dim(&self) -> usize {
        self.mean.dim()
    }

    /// Returns the distributions at `rows`, in that order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            mean: self.mean.select(rows),
            log_var: self.log_var.select(rows),
        }
    }

    /// Returns one draw from each distribution, `[batch, dim]`.
    pub fn sample(&self, stream: &mut RandomStream) -> Latents {
        self.sample_each(1, stream)
    }

    /// Returns `draws` points from each distribution, `[batch · draws, dim]`; the draws of a
    /// distribution are consecutive rows.
    pub fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        let dim = self.dim();
        let mut values = vec![0.0; self.rows() * draws * dim];
        stream.fill_standard_normal(&mut values);
        for (i, draw) in values.chunks_exact_mut(dim).enumerate() {
            let row = i / draws;
            let (mean, log_var) = (self.mean.row(row), self.log_var.row(row));
            scale_and_shift(draw, mean, log_var);
        }
        Latents::clamped(values, dim).expect("a bounded sd times a finite number is not NaN")
    }

    /// Returns KL(self ‖ other) row by row, in nats, `[batch]`; closed form.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the batches differ in shape.
    pub fn kl_divergence_nats(&self, other: &Self) -> Result<Vec<f64>, ShapeError> {
        let their_mean = &other.mean;
        their_mean.expect_shape("the second Gaussian", self.rows(), self.dim())?;
        let mut nats = Vec::with_capacity(self.rows());
        for row in 0..self.rows() {
            let (own, their) = (self.parameters(row), other.parameters(row));
            nats.push(own.zip(their).map(|(q, p)| q.kl_divergence(p)).sum());
        }
        Ok(nats)
    }

    /// Returns the log density of every point under every Gaussian in row-major order, in nats,
    /// `[points, batch]`.
    ///
    /// The values are those of [`log_prob`](LatentDistribution::log_prob) for each pair of a point
    /// and a Gaussian, but the terms of a Gaussian are computed once.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the points have another dimension.
    pub fn cross_log_prob(&self, points: &Latents) -> Result<Vec<f64>, ShapeError> {
        let (rows, dim) = (self.rows(), self.dim());
        points.expect_shape("points under the Gaussians", points.rows(), dim)?;
        let terms = TransposedTerms::of(self);
        let mut nats = Array2::zeros((points.rows(), rows));
        for (point, mut nats) in points.view().outer_iter().zip(nats.outer_iter_mut()) {
            for (column, &value) in point.iter().enumerate() {
                let value = f64::from(value);
                // One column of all Gaussians at once: rows of `terms` fill vector registers.
                Zip::from(&mut nats)
                    .and(terms.mean.row(column))
                    .and(terms.constant.row(column))
                    .and(terms.precision.row(column))
                    .for_each(|sum, mean, constant, precision| {
                        let gap = value - mean;
                        *sum += constant + gap * gap * precision;
                    });
            }
            nats *= -0.5;
        }
        Ok(nats.into_raw_vec_and_offset().0)
    }

    /// Returns the parameters of row `row`, column by column.
    fn parameters(&self, row: usize) -> impl Iterator<Item = Gaussian> {
        let columns = self.mean.row_values(row).iter();
        let columns = columns.zip(self.log_var.row_values(row));
        columns.map(|(&mean, &log_var)| Gaussian {
            mean: mean.into(),
            log_var: log_var.into(),
        })
    }
}

impl LatentDistribution for DiagonalGaussian {
    fn shape(&self) -> (usize, usize) {
        (self.rows(), self.dim())
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        Ok(self.sample_each(draws, stream))
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        points.expect_shape("points under the Gaussians", self.rows(), self.dim())?;
        let mut nats = Vec::with_capacity(self.rows());
        for row in 0..self.rows() {
            let columns = self.parameters(row).zip(points.row_values(row));
            let terms = columns.map(|(gaussian, &point)| gaussian.deviance(point.into()));
            nats.push(-0.5 * terms.sum::<f64>());
        }
        // A precision of exp(−log_var) can overflow although every parameter is finite.
        DensityError::check(nats)
    }

    fn means(&self) -> Result<Option<Latents>, DensityError> {
        Ok(Some(self.mean.clone()))
    }
}

/// Turns standard normal noise into a draw: mean + sd · noise.
fn scale_and_shift(noise: &mut [f32], mean: ArrayView1<f32>, log_var: ArrayView1<f32>) {
    for ((value, mean), log_var) in noise.iter_mut().zip(mean).zip(log_var) {
        // A bounded standard deviation, since ∞ · 0 would be NaN.
        let sd = (0.5 * log_var).exp().min(f32::MAX);
        *value = mean + sd * *value;
    }
}

/// A Gaussian in one dimension.
#[derive(Clone, Copy)]
struct Gaussian {
    mean: f64,
    log_var: f64,
}

impl Gaussian {
    /// KL(self ‖ other) in nats.
    fn kl_divergence(self, other: Self) -> f64 {
        let gap = self.mean - other.mean;
        let precision = (-other.log_var).exp();
        0.5 * (other.log_var - self.log_var + (self.log_var.exp() + gap * gap) * precision - 1.0)
    }

    /// −2 log density at `point`.
    fn deviance(self, point: f64) -> f64 {
        let gap = point - self.mean;
        LN_TWO_PI + self.log_var + gap * gap * (-self.log_var).exp()
    }
}

/// What the log density of a batch of Gaussians needs, each `[dim, batch]`: neighbours in memory
/// are Gaussians, which can be summed over columns side by side.
struct TransposedTerms {
    mean: Array2<f64>,
    /// ln 2π + log-variance.
    constant: Array2<f64>,
    precision: Array2<f64>,
}

impl TransposedTerms {
    fn of(gaussians: &DiagonalGaussian) -> Self {
        let shape = (gaussians.dim(), gaussians.rows());
        let mut terms = Self {
            mean: Array2::zeros(shape),
            constant: Array2::zeros(shape),
            precision: Array2::zeros(shape),
        };
        for row in 0..gaussians.rows() {
            for (column, gaussian) in gaussians.parameters(row).enumerate() {
                let place = [column, row];
                terms.mean[place] = gaussian.mean;
                terms.constant[place] = LN_TWO_PI + gaussian.log_var;
                terms.precision[place] = (-gaussian.log_var).exp();
            }
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(mean: f32, log_var: f32) -> DiagonalGaussian {
        DiagonalGaussian::new(Latents::filled(1, 1, mean), Latents::filled(1, 1, log_var)).unwrap()
    }

    #[test]
    fn log_density_integrates_to_one() {
        let (q, step) = (gaussian(0.3, -0.7), 1e-3);
        let mass: f64 = (-8000..8000)
            .map(|i| {
                q.log_prob(&Latents::filled(1, 1, i as f32 * step as f32))
                    .unwrap()[0]
                    .exp()
                    * step
            })
            .sum();
        assert!((mass - 1.0).abs() < 1e-6, "{mass}");
    }

    #[test]
    fn cross_densities_are_those_of_each_pair() {
        let draw = |rows: usize, name: &str| {
            let mut values = vec![0.0; rows * 3];
            RandomStream::named(1, name).fill_standard_normal(&mut values);
            Latents::from_vec(values, 3).unwrap()
        };
        let (gaussians, points) = (
            DiagonalGaussian::new(draw(5, "m"), draw(5, "v")).unwrap(),
            draw(4, "points"),
        );
        let crossed = gaussians.cross_log_prob(&points).unwrap();
        for (point, nats) in crossed.chunks_exact(5).enumerate() {
            assert_eq!(
                nats,
                gaussians.log_prob(&points.select(&[point; 5])).unwrap()
            );
        }
        assert!(
            gaussians
                .cross_log_prob(&Latents::filled(1, 2, 0.0))
                .is_err()
        );
    }

    #[test]
    fn divergence_agrees_with_its_definition_by_quadrature() {
        let (q, p, step) = (gaussian(0.3, -0.7), gaussian(-0.2, 0.4), 1e-3);
        let by_quadrature: f64 = (-9000..9000)
            .map(|i| {
                let point = Latents::filled(1, 1, i as f32 * step as f32);
                let (log_q, log_p) = (
                    q.log_prob(&point).unwrap()[0],
                    p.log_prob(&point).unwrap()[0],
                );
                log_q.exp() * (log_q - log_p) * step
            })
            .sum();
        let closed = q.kl_divergence_nats(&p).unwrap()[0];
        assert!(
            (closed - by_quadrature).abs() < 1e-5,
            "{closed} against {by_quadrature}"
        );
        assert!(q.kl_divergence_nats(&q).unwrap()[0].abs() < 1e-12);
    }

    #[test]
    fn draws_have_the_stated_mean_and_variance() {
        let n = 200_000;
        let draws = gaussian(1.5, -1.0).sample_each(n, &mut RandomStream::named(3, "test"));
        let mean = draws.values().iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let var = draws
            .values()
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n as f64;
        let (sd, true_var) = ((-0.5f64).exp(), (-1.0f64).exp());
        assert!((mean - 1.5).abs() < 4.0 * sd / (n as f64).sqrt());
        assert!((var - true_var).abs() < 4.0 * true_var * (2.0 / n as f64).sqrt());
    }

    #[test]
    fn divergence_from_the_prior_is_zero_at_the_prior_only() {
        let prior = DiagonalGaussian::standard(2, 3);
        assert_eq!(prior.kl_divergence_nats(&prior).unwrap(), [0.0, 0.0]);
        let shifted =
            DiagonalGaussian::new(Latents::filled(1, 4, 1.0), Latents::filled(1, 4, 0.0)).unwrap();
        let prior = DiagonalGaussian::standard(1, 4);
        assert!((shifted.kl_divergence_nats(&prior).unwrap()[0] - 2.0).abs() < 1e-12);
    }
}
