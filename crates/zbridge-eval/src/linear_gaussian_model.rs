use crate::EvalError;
use crate::checks::expect_items;
use ndarray::{Array1, Array2, ArrayView1};
use zbridge_core::{
    DiagonalGaussian, EventKind, LN_TWO_PI, LatentModel, LatentModelError, Latents, Observations,
    Posterior, ShapeError,
};

/// A model whose every likelihood has a closed form: z ~ N(0, I), x ~ N(Wz + b, σ²I), the columns
/// of W orthogonal.
///
/// It is the oracle of this crate: an estimator that disagrees with it is wrong. For any Gaussian
/// N(m, diag(s²)) over z (the prior, or a bridge's q(z|context)) it returns log p(x) and the exact
/// posterior, which is diagonal because WᵀW is.
///
/// # Source
/// Bishop, *Pattern Recognition and Machine Learning* (2006), eqs. 2.113–2.117 and 12.35.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{Latents, LatentModel};
/// use zbridge_eval::LinearGaussianModel;
///
/// // Two latents, three pixels.
/// let weight = array![[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]];
/// let model = LinearGaussianModel::new(weight, array![0.0, 0.1, 0.0], 0.5)?;
/// let decoded = model.decode(&Latents::new(array![[1.0, -1.0]])?)?;
/// assert_eq!(decoded.view(), array![[1.0, -1.9, -1.0]]);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearGaussianModel {
    /// W by columns, `[latent, pixels]`.
    columns: Array2<f64>,
    /// b, `[pixels]`.
    offset: Array1<f64>,
    /// σ².
    noise_variance: f64,
    event: EventKind,
}

impl LinearGaussianModel {
    /// Returns the model with this weight, offset and standard deviation of the noise. Its
    /// observations are images `[1, 1, pixels]`.
    ///
    /// # Shapes
    /// `weight_columns` `[latent, pixels]`: row `j` is column `j` of W; `offset` `[pixels]`.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] without latents or pixels, [`EvalError::Shape`] if weight and offset
    /// differ in the number of pixels, [`EvalError::Setting`] unless the noise is positive and
    /// finite, [`EvalError::NotOrthogonal`] with the columns.
    pub fn new(
        weight_columns: Array2<f64>,
        offset: Array1<f64>,
        noise_sd: f64,
    ) -> Result<Self, EvalError> {
        let (latents, pixels) = weight_columns.dim();
        expect_items("latents of a linear-Gaussian model", 1, latents)?;
        expect_items("pixels of a linear-Gaussian model", 1, offset.len())?;
        if pixels != offset.len() {
            return Err(EvalError::Shape(ShapeError::Mismatch {
                what: "weight of a linear-Gaussian model",
                expected: (latents, offset.len()),
                found: (latents, pixels),
            }));
        }
        expect_positive("noise_sd", noise_sd)?;
        // Without this the exact posterior would not be diagonal.
        expect_orthogonal(&weight_columns)?;
        let event = EventKind::Image {
            channels: 1,
            height: 1,
            width: pixels,
        };
        Ok(Self {
            columns: weight_columns,
            offset,
            noise_variance: noise_sd * noise_sd,
            event,
        })
    }

    /// Returns these values as observations of the model, `[rows, pixels]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] if the rows have another number of pixels or a value is not finite.
    pub fn observations(&self, values: Array2<f32>) -> Result<Observations, EvalError> {
        Ok(Observations::from_array(values, self.event.clone())?)
    }

    /// Returns the exact log p(x_i) = log N(x_i; b, WWᵀ + σ²I) in nats, `[n]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] if the observations are not of the model's event.
    pub fn log_marginal_nats(&self, observations: &Observations) -> Result<Vec<f64>, EvalError> {
        self.log_marginal_given_nats(observations, &self.standard_prior(observations.rows()))
    }

    /// Returns the exact log p(x_i) in nats if z ~ N(m_i, diag(s_i²)) is row `i` of `prior`:
    /// log N(x_i; b + Wm_i, W diag(s_i²) Wᵀ + σ²I), `[n]`.
    ///
    /// # Shapes
    /// `observations` `[n, pixels]`, `prior` `[n, latent]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] if the shapes do not belong together.
    pub fn log_marginal_given_nats(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<Vec<f64>, EvalError> {
        self.expect_prior(observations, prior)?;
        let mut nats = Vec::with_capacity(observations.rows());
        for (row, x) in observations.view().outer_iter().enumerate() {
            nats.push(self.log_marginal(x, prior.mean().row(row), prior.log_var().row(row)));
        }
        Ok(nats)
    }

    /// Returns the exact p(z|x_i) if z ~ N(m_i, diag(s_i²)) is row `i` of `prior`, `[n, latent]`.
    ///
    /// # Shapes
    /// `observations` `[n, pixels]`, `prior` `[n, latent]`.
    ///
    /// # Errors
    /// [`EvalError::Shape`] if the shapes do not belong together.
    pub fn posterior_given(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<DiagonalGaussian, EvalError> {
        self.expect_prior(observations, prior)?;
        Ok(self.exact_posterior(observations, prior)?)
    }

    fn standard_prior(&self, rows: usize) -> DiagonalGaussian {
        DiagonalGaussian::standard(rows, self.latent_dim())
    }

    /// Row by row and column by column: precision 1/s² + |w|²/σ², mean = m + wᵀ(x − b − Wm) / (σ² ·
    /// precision).
    fn exact_posterior(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<DiagonalGaussian, ShapeError> {
        let shape = (observations.rows(), self.latent_dim());
        let (mut means, mut log_vars) = (Array2::zeros(shape), Array2::zeros(shape));
        for (row, x) in observations.view().outer_iter().enumerate() {
            let (prior_mean, prior_log_var) = (prior.mean().row(row), prior.log_var().row(row));
            // The residual at the prior mean: the posterior mean is the prior mean plus a shift.
            let residual = self.residual(x, prior_mean);
            for (j, column) in self.columns.outer_iter().enumerate() {
                let precision = self.posterior_precision(column, prior_log_var[j]);
                let shift = dot(column, residual.view()) / (self.noise_variance * precision);
                means[[row, j]] = (f64::from(prior_mean[j]) + shift) as f32;
                log_vars[[row, j]] = -precision.ln() as f32;
            }
        }
        DiagonalGaussian::new(Latents::new(means)?, Latents::new(log_vars)?)
    }

    /// Returns 1/s² + |w|²/σ² of a column w.
    fn posterior_precision(&self, column: ArrayView1<f64>, prior_log_var: f32) -> f64 {
        (-f64::from(prior_log_var)).exp() + squared_norm(column) / self.noise_variance
    }

    /// With orthogonal columns the covariance has the eigenvalues σ² + s_j²|w_j|² along them and σ²
    /// elsewhere.
    fn log_marginal(
        &self,
        x: ArrayView1<f32>,
        mean: ArrayView1<f32>,
        log_var: ArrayView1<f32>,
    ) -> f64 {
        let residual = self.residual(x, mean);
        let residual = residual.view();
        let mut log_determinant = x.len() as f64 * self.noise_variance.ln();
        let mut quadratic = squared_norm(residual) / self.noise_variance;
        for (column, &log_var) in self.columns.outer_iter().zip(log_var) {
            let (signal, projection) = (f64::from(log_var).exp(), dot(column, residual));
            let variance = self.noise_variance + signal * squared_norm(column);
            log_determinant += (variance / self.noise_variance).ln();
            quadratic -= signal * projection * projection / (self.noise_variance * variance);
        }
        -0.5 * (x.len() as f64 * LN_TWO_PI + log_determinant + quadratic)
    }

    /// Returns log N(x; Wz + b, σ²I).
    fn log_likelihood(&self, x: ArrayView1<f32>, z: ArrayView1<f32>) -> f64 {
        let residual = self.residual(x, z);
        let distance = squared_norm(residual.view()) / self.noise_variance;
        let log_variance = LN_TWO_PI + self.noise_variance.ln();
        -0.5 * (x.len() as f64 * log_variance + distance)
    }

    /// Returns x − (Wz + b).
    fn residual(&self, x: ArrayView1<f32>, z: ArrayView1<f32>) -> Array1<f64> {
        x.mapv(f64::from) - self.mean_of(z)
    }

    /// Returns Wz + b.
    fn mean_of(&self, z: ArrayView1<f32>) -> Array1<f64> {
        let mut mean = self.offset.clone();
        for (column, &z) in self.columns.outer_iter().zip(z) {
            mean.scaled_add(f64::from(z), &column);
        }
        mean
    }

    fn expect_prior(
        &self,
        observations: &Observations,
        prior: &DiagonalGaussian,
    ) -> Result<(), ShapeError> {
        self.expect_event(observations)?;
        let (rows, dim) = (observations.rows(), self.latent_dim());
        prior
            .mean()
            .expect_shape("priors, one per observation", rows, dim)
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
        latents.expect_shape(
            "latents of a linear-Gaussian model",
            rows,
            self.latent_dim(),
        )
    }
}

impl LatentModel for LinearGaussianModel {
    fn name(&self) -> &str {
        "linear-Gaussian"
    }

    fn latent_dim(&self) -> usize {
        self.columns.nrows()
    }

    fn event(&self) -> &EventKind {
        &self.event
    }

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        self.expect_event(observations)?;
        let prior = self.standard_prior(observations.rows());
        Ok(self.exact_posterior(observations, &prior)?.into())
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        self.expect_latents(latents, latents.rows())?;
        let mut means = Array2::zeros((latents.rows(), self.offset.len()));
        for (z, mut mean) in latents.view().outer_iter().zip(means.outer_iter_mut()) {
            mean.assign(&self.mean_of(z).mapv(|mean| mean as f32));
        }
        Ok(Observations::from_array(means, self.event.clone())?)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.expect_event(observations)?;
        let draws = latents.rows() / observations.rows().max(1);
        self.expect_latents(latents, draws * observations.rows())?;
        let mut nats = Vec::with_capacity(latents.rows());
        let rows = observations.view();
        for (k, z) in latents.view().outer_iter().enumerate() {
            nats.push(self.log_likelihood(rows.row(k / draws), z) as f32);
        }
        Ok(nats)
    }
}

/// In sequence, unlike `ArrayBase::dot`, whose order of summation depends on its version.
fn dot(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squared_norm(vector: ArrayView1<f64>) -> f64 {
    dot(vector, vector)
}

fn cosine(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    dot(a, b) / (squared_norm(a) * squared_norm(b)).sqrt()
}

fn expect_positive(name: &'static str, value: f64) -> Result<(), EvalError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(EvalError::Setting {
        name,
        value,
        range: "a positive number is needed",
    })
}

/// Checks that every pair of columns is orthogonal up to rounding.
///
/// # Errors
/// [`EvalError::NotOrthogonal`] otherwise, and if a column is zero or not finite.
fn expect_orthogonal(columns: &Array2<f64>) -> Result<(), EvalError> {
    for (second, b) in columns.outer_iter().enumerate() {
        for (first, a) in columns.outer_iter().enumerate().take(second) {
            let cosine = cosine(a, b);
            // A column of zeros has no direction: its cosine is NaN.
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
    use ndarray::array;
    use zbridge_core::LatentDistribution;

    fn model() -> LinearGaussianModel {
        let weight = array![[1.0, 1.0, 0.0], [0.5, -0.5, 2.0]];
        LinearGaussianModel::new(weight, array![0.1, 0.2, 0.3], 0.7).unwrap()
    }

    #[test]
    fn bayes_rule_holds_at_every_latent() {
        // log p(x) = log p(x|z) + log p(z) − log p(z|x) for any z, here with a conditional prior
        // too.
        let model = model();
        let images = model.observations(array![[0.5, -1.0, 2.0]]).unwrap();
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
        let model = LinearGaussianModel::new(array![[0.8]], array![0.3], 0.5).unwrap();
        let step = 1e-3;
        let grid = Array2::from_shape_fn((16_000, 1), |(row, _)| (row as f32 - 8000.0) * step);
        let grid = model.observations(grid).unwrap();
        let mass: f64 = model
            .log_marginal_nats(&grid)
            .unwrap()
            .iter()
            .map(|log| log.exp() * f64::from(step))
            .sum();
        assert!((mass - 1.0).abs() < 1e-5, "{mass}");
    }

    #[test]
    fn draws_of_an_observation_are_consecutive() {
        let model = model();
        let images = array![[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]];
        let images = model.observations(images).unwrap();
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
    fn weights_without_a_diagonal_posterior_are_errors() {
        let build = |weight: Array2<f64>, sd| {
            LinearGaussianModel::new(weight, array![0.0, 0.0], sd).map(|_| ())
        };
        assert!(matches!(
            build(array![[1.0, 0.0], [1.0, 1.0]], 1.0),
            Err(EvalError::NotOrthogonal {
                first: 0,
                second: 1,
                ..
            })
        ));
        assert!(matches!(
            build(array![[1.0, 0.0, 1.0]], 1.0),
            Err(EvalError::Shape(ShapeError::Mismatch { .. }))
        ));
        assert!(matches!(
            build(array![[1.0, 0.0]], 0.0),
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
