use crate::EvalError;
use zbridge_core::{
    DiagonalGaussian, EventKind, LN_TWO_PI, LatentModel, LatentModelError, Latents, Observations,
    Posterior, ShapeError,
};

/// A model whose every likelihood has a closed form: z ~ N(0, I), x ~ N(Wz + b, σ²I), the columns
/// of W orthogonal.
///
/// The oracle of this crate: an estimator that disagrees with it is wrong. Under any Gaussian N(m,
/// diag(s²)) over z (the prior, or a bridge's q(z|context)) it knows log p(x) and the exact
/// posterior, which is diagonal because WᵀW is.
///
/// # Source
/// Bishop, *Pattern Recognition and Machine Learning* (2006), eqs. 2.113–2.117 and 12.35.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearGaussianModel {
    /// W by columns, `[latent, pixels]`.
    columns: Vec<Vec<f64>>,
    /// b, `[pixels]`.
    offset: Vec<f64>,
    /// σ².
    noise_variance: f64,
    event: EventKind,
}

impl LinearGaussianModel {
    /// The model with this weight, given column after column, offset and standard deviation of the
    /// noise.
    ///
    /// # Shapes
    /// `offset` `[pixels]`, `weight_columns` `[latent · pixels]`; observations are images `[1, 1,
    /// pixels]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] when the weight is not a whole number of columns,
    /// [`EvalError::Setting`] unless the noise is positive and finite, [`EvalError::NotOrthogonal`]
    /// naming the columns.
    pub fn new(
        weight_columns: Vec<f64>,
        offset: Vec<f64>,
        noise_sd: f64,
    ) -> Result<Self, EvalError> {
        let pixels = offset.len();
        if pixels == 0 || weight_columns.is_empty() {
            return Err(EvalError::Empty {
                what: "pixels and latents of a linear-Gaussian model",
            });
        }
        if !weight_columns.len().is_multiple_of(pixels) {
            return Err(ShapeError::Ragged {
                values: weight_columns.len(),
                dim: pixels,
            }
            .into());
        }
        if !(noise_sd > 0.0 && noise_sd.is_finite()) {
            return Err(EvalError::Setting {
                name: "noise_sd",
                value: noise_sd,
                range: "a positive number is needed",
            });
        }
        let columns: Vec<Vec<f64>> = weight_columns
            .chunks_exact(pixels)
            .map(<[f64]>::to_vec)
            .collect();
        expect_orthogonal(&columns)?;
        let event = EventKind::Image {
            channels: 1,
            height: 1,
            width: pixels,
        };
        Ok(Self {
            columns,
            offset,
            noise_variance: noise_sd * noise_sd,
            event,
        })
    }

    /// These values as observations of the model, `[values.len() / pixels, pixels]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] when they are no whole number of observations or not finite.
    pub fn observations(&self, values: Vec<f32>) -> Result<Observations, EvalError> {
        Ok(Observations::new(values, self.event.clone())?)
    }

    /// The exact log p(x_i) = log N(x_i; b, WWᵀ + σ²I) in nats, `[n]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] when the observations are not of the model's event.
    pub fn log_marginal_nats(&self, observations: &Observations) -> Result<Vec<f64>, EvalError> {
        self.log_marginal_given_nats(
            observations,
            &DiagonalGaussian::standard(observations.rows(), self.latent_dim()),
        )
    }

    /// The exact log p(x_i) in nats when z ~ N(m_i, diag(s_i²)) is row `i` of `prior`: log N(x_i; b
    /// + Wm_i, W diag(s_i²) Wᵀ + σ²I), `[n]`.
    ///
    /// # Shapes
    /// `observations` `[n, pixels]`, `prior` `[n, latent]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] when shapes do not belong together.
    pub fn log_marginal_given_nats(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<Vec<f64>, EvalError> {
        self.expect(observations, prior)?;
        Ok((0..observations.rows())
            .map(|row| {
                self.log_marginal(
                    observations.row(row),
                    prior.mean().row_values(row),
                    prior.log_var().row_values(row),
                )
            })
            .collect())
    }

    /// The exact p(z|x_i) when z ~ N(m_i, diag(s_i²)) is row `i` of `prior`, `[n, latent]`.
    ///
    /// # Shapes
    /// `observations` `[n, pixels]`, `prior` `[n, latent]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] when shapes do not belong together.
    pub fn posterior_given(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<DiagonalGaussian, EvalError> {
        self.expect(observations, prior)?;
        Ok(self.exact_posterior(observations, prior)?)
    }

    /// Row by row and column by column: precision 1/s² + |w|²/σ², mean = m + wᵀ(x − b − Wm) / (σ² ·
    /// precision).
    fn exact_posterior(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<DiagonalGaussian, ShapeError> {
        let (mut means, mut log_vars) = (Vec::new(), Vec::new());
        for row in 0..observations.rows() {
            let residual = self.residual(observations.row(row), prior.mean().row_values(row));
            for (j, column) in self.columns.iter().enumerate() {
                let (mean, log_var) = (
                    f64::from(prior.mean().row_values(row)[j]),
                    f64::from(prior.log_var().row_values(row)[j]),
                );
                let precision = (-log_var).exp() + dot(column, column) / self.noise_variance;
                means.push(
                    (mean + dot(column, &residual) / (self.noise_variance * precision)) as f32,
                );
                log_vars.push(-precision.ln() as f32);
            }
        }
        DiagonalGaussian::new(
            Latents::from_vec(means, self.latent_dim())?,
            Latents::from_vec(log_vars, self.latent_dim())?,
        )
    }

    /// With orthogonal columns the covariance has the eigenvalues σ² + s_j²|w_j|² along them and σ²
    /// elsewhere.
    fn log_marginal(&self, x: &[f32], mean: &[f32], log_var: &[f32]) -> f64 {
        let residual = self.residual(x, mean);
        let mut log_determinant = x.len() as f64 * self.noise_variance.ln();
        let mut quadratic = dot(&residual, &residual) / self.noise_variance;
        for (column, &log_var) in self.columns.iter().zip(log_var) {
            let (signal, projection) = (f64::from(log_var).exp(), dot(column, &residual));
            let variance = self.noise_variance + signal * dot(column, column);
            log_determinant += (variance / self.noise_variance).ln();
            quadratic -= signal * projection * projection / (self.noise_variance * variance);
        }
        -0.5 * (x.len() as f64 * LN_TWO_PI + log_determinant + quadratic)
    }

    /// log N(x; Wz + b, σ²I).
    fn log_likelihood(&self, x: &[f32], z: &[f32]) -> f64 {
        let residual = self.residual(x, z);
        let log_variance = LN_TWO_PI + self.noise_variance.ln();
        -0.5 * (x.len() as f64 * log_variance + dot(&residual, &residual) / self.noise_variance)
    }

    /// x − (Wz + b).
    fn residual(&self, x: &[f32], z: &[f32]) -> Vec<f64> {
        x.iter()
            .zip(self.mean_of(z))
            .map(|(&x, mean)| f64::from(x) - mean)
            .collect()
    }

    /// Wz + b.
    fn mean_of(&self, z: &[f32]) -> Vec<f64> {
        let mut mean = self.offset.clone();
        for (column, &z) in self.columns.iter().zip(z) {
            mean.iter_mut()
                .zip(column)
                .for_each(|(mean, weight)| *mean += weight * f64::from(z));
        }
        mean
    }

    fn expect(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<(), ShapeError> {
        self.expect_event(observations)?;
        let (expected, found) = (
            (observations.rows(), self.latent_dim()),
            (prior.rows(), prior.dim()),
        );
        match expected == found {
            true => Ok(()),
            false => Err(ShapeError::Mismatch {
                what: "priors, one per observation",
                expected,
                found,
            }),
        }
    }

    fn expect_event(&self, observations: &Observations) -> Result<(), ShapeError> {
        if observations.kind() == &self.event {
            return Ok(());
        }
        let rows = observations.rows();
        Err(ShapeError::Mismatch {
            what: "observations of a linear-Gaussian model",
            expected: (rows, self.offset.len()),
            found: (rows, observations.kind().size()),
        })
    }

    fn expect_latents(&self, latents: &Latents, rows: usize) -> Result<(), ShapeError> {
        let (expected, found) = ((rows, self.latent_dim()), (latents.rows(), latents.dim()));
        match expected == found {
            true => Ok(()),
            false => Err(ShapeError::Mismatch {
                what: "latents of a linear-Gaussian model",
                expected,
                found,
            }),
        }
    }
}

impl LatentModel for LinearGaussianModel {
    fn name(&self) -> &str {
        "linear-Gaussian"
    }

    fn latent_dim(&self) -> usize {
        self.columns.len()
    }

    fn event(&self) -> &EventKind {
        &self.event
    }

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        self.expect_event(observations)?;
        let prior = DiagonalGaussian::standard(observations.rows(), self.latent_dim());
        Ok(self.exact_posterior(observations, &prior)?.into())
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        self.expect_latents(latents, latents.rows())?;
        let rows = latents.values().chunks_exact(latents.dim());
        let means = rows.flat_map(|z| self.mean_of(z)).map(|mean| mean as f32);
        Ok(Observations::new(means.collect(), self.event.clone())?)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.expect_event(observations)?;
        let draws = latents.rows() / observations.rows().max(1);
        self.expect_latents(latents, draws * observations.rows())?;
        Ok((0..latents.rows())
            .map(|k| self.log_likelihood(observations.row(k / draws), latents.row_values(k)) as f32)
            .collect())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Errors when two columns have a cosine beyond rounding, or one of them none at all (zero or not
/// finite).
fn expect_orthogonal(columns: &[Vec<f64>]) -> Result<(), EvalError> {
    for (second, b) in columns.iter().enumerate() {
        for (first, a) in columns[..second].iter().enumerate() {
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            if cosine.is_nan() || cosine.abs() > 1e-9 {
                return Err(EvalError::NotOrthogonal {
                    first,
                    second,
                    cosine,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::LatentDistribution;

    fn model() -> LinearGaussianModel {
        LinearGaussianModel::new(
            vec![1.0, 1.0, 0.0, 0.5, -0.5, 2.0],
            vec![0.1, 0.2, 0.3],
            0.7,
        )
        .unwrap()
    }

    #[test]
    fn bayes_rule_holds_at_every_latent() {
        // log p(x) = log p(x|z) + log p(z) − log p(z|x) for any z, here with a conditional prior
        // too.
        let model = model();
        let images = model.observations(vec![0.5, -1.0, 2.0]).unwrap();
        let bridge = DiagonalGaussian::new(
            Latents::from_vec(vec![0.4, -0.8], 2).unwrap(),
            Latents::from_vec(vec![-1.0, 0.6], 2).unwrap(),
        );
        for prior in [DiagonalGaussian::standard(1, 2), bridge.unwrap()] {
            let marginal = model.log_marginal_given_nats(&images, &prior).unwrap()[0];
            let posterior = model.posterior_given(&images, &prior).unwrap();
            for z in [[0.0, 0.0], [1.0, -2.0], [0.3, 0.9]] {
                let z = Latents::from_vec(z.to_vec(), 2).unwrap();
                let likelihood = f64::from(model.log_likelihood_nats(&images, &z).unwrap()[0]);
                let by_bayes = likelihood + prior.log_prob(&z).unwrap()[0]
                    - posterior.log_prob(&z).unwrap()[0];
                assert!(
                    (by_bayes - marginal).abs() < 1e-5,
                    "{by_bayes} against {marginal}"
                );
            }
        }
    }

    #[test]
    fn marginal_density_integrates_to_one() {
        let model = LinearGaussianModel::new(vec![0.8], vec![0.3], 0.5).unwrap();
        let step = 1e-3;
        let grid = model
            .observations((-8000..8000).map(|i| i as f32 * step).collect())
            .unwrap();
        let mass: f64 = model
            .log_marginal_nats(&grid)
            .unwrap()
            .iter()
            .map(|log| log.exp() * f64::from(step))
            .sum();
        assert!((mass - 1.0).abs() < 1e-5, "{mass}");
    }

    #[test]
    fn draws_of_one_observation_stand_side_by_side() {
        let model = model();
        let images = model
            .observations(vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
            .unwrap();
        let z = Latents::from_vec(vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0], 2).unwrap();
        let batch = model.log_likelihood_nats(&images, &z).unwrap();
        for (k, in_batch) in batch.into_iter().enumerate() {
            let alone = model
                .log_likelihood_nats(&images.select(&[k / 2]), &z.select(&[k]))
                .unwrap();
            assert_eq!(alone, [in_batch]);
        }
    }

    #[test]
    fn what_has_no_diagonal_posterior_is_refused() {
        let build = |weight: &[f64], sd| {
            LinearGaussianModel::new(weight.to_vec(), vec![0.0, 0.0], sd).map(|_| ())
        };
        assert!(matches!(
            build(&[1.0, 0.0, 1.0, 1.0], 1.0),
            Err(EvalError::NotOrthogonal {
                first: 0,
                second: 1,
                ..
            })
        ));
        assert!(matches!(
            build(&[1.0, 0.0, 1.0], 1.0),
            Err(EvalError::Shape(ShapeError::Ragged { .. }))
        ));
        assert!(matches!(
            build(&[1.0, 0.0], 0.0),
            Err(EvalError::Setting {
                name: "noise_sd",
                ..
            })
        ));
        assert!(
            model()
                .posterior(&Observations::one_hot(&[0], 3).unwrap())
                .is_err()
        );
    }
}
