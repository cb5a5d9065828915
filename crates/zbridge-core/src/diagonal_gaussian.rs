use crate::{DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream, ShapeError};
use ndarray::Array2;

/// A batch of Gaussians with diagonal covariance: row `i` is N(mean_i, diag(exp(log_var_i))).
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalGaussian {
    mean: Latents,
    log_var: Latents,
}

impl DiagonalGaussian {
    /// The batch with these means and log-variances, both `[batch, dim]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the two shapes differ.
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

    /// `rows` standard normals in `dim` dimensions: the prior of a VAE.
    pub fn standard(rows: usize, dim: usize) -> Self {
        Self {
            mean: Latents::filled(rows, dim, 0.0),
            log_var: Latents::filled(rows, dim, 0.0),
        }
    }

    /// The distributions of all parts, one part behind the other, each over `dim` dimensions.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when a part has other dimensions.
    pub fn joined<'g>(
        parts: impl IntoIterator<Item = &'g Self>,
        dim: usize,
    ) -> Result<Self, ShapeError> {
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for part in parts {
            part.mean
                .expect_shape("Gaussians to be joined", part.rows(), dim)?;
            means.extend_from_slice(part.mean.values());
            log_vars.extend_from_slice(part.log_var.values());
        }
        Self::new(
            Latents::from_vec(means, dim)?,
            Latents::from_vec(log_vars, dim)?,
        )
    }

    /// Means, `[batch, dim]`.
    pub fn mean(&self) -> &Latents {
        &self.mean
    }

    /// Log-variances, `[batch, dim]`.
    pub fn log_var(&self) -> &Latents {
        &self.log_var
    }

    /// How many distributions.
    pub fn rows(&self) -> usize {
        self.mean.rows()
    }

    /// Dimensions of each.
    pub fn dim(&self) -> usize {
        self.mean.dim()
    }

    /// The distributions named by `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            mean: self.mean.select(rows),
            log_var: self.log_var.select(rows),
        }
    }

    /// One draw from each distribution, `[batch, dim]`.
    pub fn sample(&self, stream: &mut RandomStream) -> Latents {
        self.sample_each(1, stream)
    }

    /// Returns `draws` points from each distribution, `[batch · draws, dim]`; the draws of a row
    /// stand side by side.
    pub fn sample_each(&self, draws: usize, stream: &mut RandomStream) -> Latents {
        let dim = self.dim();
        let mut values = vec![0.0; self.rows() * draws * dim];
        stream.fill_standard_normal(&mut values);
        for (i, draw) in values.chunks_exact_mut(dim).enumerate() {
            let row = i / draws;
            let parameters = self
                .mean
                .row_values(row)
                .iter()
                .zip(self.log_var.row_values(row));
            for (value, (mean, log_var)) in draw.iter_mut().zip(parameters) {
                // A bounded standard deviation, since ∞ · 0 would be NaN.
                let sd = (0.5 * log_var).exp().min(f32::MAX);
                *value = mean + sd * *value;
            }
        }
        Latents::clamped(values, dim).expect("a bounded sd times a finite number is not NaN")
    }

    /// KL(self ‖ other) row by row, in nats, `[batch]`; closed form.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the batches differ in shape.
    pub fn kl_divergence_nats(&self, other: &Self) -> Result<Vec<f64>, ShapeError> {
        other
            .mean
            .expect_shape("the second Gaussian", self.rows(), self.dim())?;
        let rows = (0..self.rows()).map(|row| {
            let (own, their) = (self.parameters(row), other.parameters(row));
            own.zip(their)
                .map(|((mean, log_var), (other_mean, other_log_var))| {
                    let gap = mean - other_mean;
                    0.5 * (other_log_var - log_var
                        + (log_var.exp() + gap * gap) * (-other_log_var).exp()
                        - 1.0)
                })
        });
        Ok(rows.map(Iterator::sum).collect())
    }

    /// log density of every point under every Gaussian in nats, `[points, batch]`: what
    /// [`log_prob`](LatentDistribution::log_prob) gives for each pair, with what belongs to a
    /// Gaussian worked out once.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the points have another dimension.
    pub fn cross_log_prob(&self, points: &Latents) -> Result<Vec<f64>, ShapeError> {
        let (rows, dim) = (self.rows(), self.dim());
        points.expect_shape("points under the Gaussians", points.rows(), dim)?;
        // `[dim, rows]`, so that neighbours in memory are Gaussians and not columns that are
        // summed.
        let [mut means, mut constants, mut precisions] = [(); 3].map(|()| vec![0.0; dim * rows]);
        for row in 0..rows {
            for (column, (mean, log_var)) in self.parameters(row).enumerate() {
                let place = column * rows + row;
                (means[place], constants[place], precisions[place]) =
                    (mean, LN_TWO_PI + log_var, (-log_var).exp());
            }
        }
        let mut nats = vec![0.0; points.rows() * rows];
        for (point, nats) in nats.chunks_exact_mut(rows.max(1)).enumerate() {
            for (column, &value) in points.row(point).iter().enumerate() {
                let place = column * rows..(column + 1) * rows;
                let gaussians = means[place.clone()]
                    .iter()
                    .zip(&constants[place.clone()])
                    .zip(&precisions[place]);
                for (sum, ((mean, constant), precision)) in nats.iter_mut().zip(gaussians) {
                    let gap = f64::from(value) - mean;
                    *sum += constant + gap * gap * precision;
                }
            }
            nats.iter_mut().for_each(|sum| *sum *= -0.5);
        }
        Ok(nats)
    }

    /// (mean, log-variance) of row `row`, column by column, in f64.
    fn parameters(&self, row: usize) -> impl Iterator<Item = (f64, f64)> {
        self.mean
            .row_values(row)
            .iter()
            .zip(self.log_var.row_values(row))
            .map(|(&m, &v)| (f64::from(m), f64::from(v)))
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
        let density = |row: usize| -> f64 {
            let terms =
                self.parameters(row)
                    .zip(points.row(row))
                    .map(|((mean, log_var), &point)| {
                        let gap = f64::from(point) - mean;
                        LN_TWO_PI + log_var + gap * gap * (-log_var).exp()
                    });
            -0.5 * terms.sum::<f64>()
        };
        DensityError::check((0..self.rows()).map(density).collect())
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
    fn every_point_under_every_gaussian_is_each_pair() {
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
}
