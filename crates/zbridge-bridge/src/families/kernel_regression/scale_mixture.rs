use crate::BridgeError;
use crate::families::stored::{put_vector, stored};
use ndarray::{Array1, ArrayView1, ArrayView2};
use std::path::Path;
use zbridge_core::{
    DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream, log_sum_exp,
};
use zbridge_nn::{NnError, WeightsFile};

/// r ~ Σ_k w_k N(0, v_k I): a density of whitened residuals that can have heavy tails.
///
/// # Source
/// Andrews & Mallows 1974: scale mixtures of normal distributions, Student's among them. The scales
/// are fixed here, and the weights are fitted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScaleMixture {
    /// v_k and w_k.
    components: Vec<Scale>,
}

/// A component of a [`ScaleMixture`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    variance: f32,
    weight: f32,
}

/// v_k: half an octave of standard deviation apart, from well within to far out.
const VARIANCES: [f32; 11] = [
    0.125, 0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 4.0, 8.0, 32.0, 128.0,
];

impl ScaleMixture {
    /// Returns the weights of highest likelihood for these residuals `[rows, dim]`, a little towards
    /// one standard normal, as if one further residual had certainly been drawn from it.
    pub(super) fn fit(residuals: ArrayView2<'_, f32>) -> Self {
        const ROUNDS: usize = 100;
        let dim = residuals.ncols();
        let squares: Vec<f64> = residuals.rows().into_iter().map(sum_of_squares).collect();
        let prior = 1.0;
        let mut weights = [1.0 / VARIANCES.len() as f64; VARIANCES.len()];
        for _ in 0..ROUNDS {
            let mut counts = VARIANCES.map(|variance| match variance == 1.0 {
                true => prior,
                false => 0.0,
            });
            for square in &squares {
                let terms: Vec<f64> = (0..VARIANCES.len())
                    .map(|k| weights[k].ln() + log_normal(*square, VARIANCES[k], dim))
                    .collect();
                let total = log_sum_exp(&terms);
                for (count, term) in counts.iter_mut().zip(terms) {
                    *count += (term - total).exp();
                }
            }
            let total: f64 = counts.iter().sum();
            // Weights of 0 would have no logarithm.
            weights = counts.map(|count| (count / total).max(1e-9));
        }
        let scale = |(variance, weight): (f32, f64)| Scale {
            variance,
            weight: weight as f32,
        };
        Self {
            components: VARIANCES.into_iter().zip(weights).map(scale).collect(),
        }
    }

    /// Returns the mixture as the distribution of each of `rows` rows.
    pub(super) fn for_rows(&self, rows: usize, dim: usize) -> ScaledNormals<'_> {
        ScaledNormals {
            mixture: self,
            rows,
            dim,
        }
    }

    /// Returns the sum of the log densities of these residuals `[rows, dim]`, in nats.
    pub(super) fn total_log_density(&self, residuals: ArrayView2<'_, f32>) -> f64 {
        let nats = |row| self.log_prob(sum_of_squares(row), residuals.ncols());
        residuals.rows().into_iter().map(nats).sum()
    }

    /// Returns E[1 / v_k | r] for each of these residuals `[rows, dim]`.
    pub(super) fn expected_precisions(&self, residuals: ArrayView2<'_, f32>) -> Array1<f64> {
        let expected = |row| {
            let terms = self.terms(sum_of_squares(row), residuals.ncols());
            let total = log_sum_exp(&terms);
            let weighted = terms.iter().zip(&self.components);
            weighted
                .map(|(term, scale)| (term - total).exp() / f64::from(scale.variance))
                .sum()
        };
        residuals.rows().into_iter().map(expected).collect()
    }

    fn log_prob(&self, square: f64, dim: usize) -> f64 {
        log_sum_exp(&self.terms(square, dim))
    }

    /// Returns log w_k N(r; 0, v_k I) of each component, for a residual with this sum of squares.
    fn terms(&self, square: f64, dim: usize) -> Vec<f64> {
        let term =
            |scale: &Scale| f64::from(scale.weight).ln() + log_normal(square, scale.variance, dim);
        self.components.iter().map(term).collect()
    }

    /// Returns the standard deviation of a component drawn at random.
    fn draw_deviation(&self, stream: &mut RandomStream) -> f32 {
        let total: f32 = self.components.iter().map(|scale| scale.weight).sum();
        let mut left = stream.uniform() * total;
        let mut variance = 1.0;
        for scale in &self.components {
            variance = scale.variance;
            left -= scale.weight;
            if left < 0.0 {
                break;
            }
        }
        variance.sqrt()
    }

    pub(super) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let variances: Vec<f32> = self.components.iter().map(|scale| scale.variance).collect();
        let weights: Vec<f32> = self.components.iter().map(|scale| scale.weight).collect();
        put_vector(file, format!("{prefix}.scale-variances"), &variances);
        put_vector(file, format!("{prefix}.scale-weights"), &weights);
    }

    pub(super) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let count = [VARIANCES.len()];
        let variances = stored(file, &format!("{prefix}.scale-variances"), &count, path)?;
        let weights = stored(file, &format!("{prefix}.scale-weights"), &count, path)?;
        if variances.iter().chain(weights).any(|&value| value <= 0.0) {
            let reason =
                format!("the scales of `{prefix}` are not all positive; get the file anew");
            let path = path.to_owned();
            return Err(NnError::Weights { path, reason }.into());
        }
        let pairs = variances.iter().zip(weights);
        let scale = |(&variance, &weight): (&f32, &f32)| Scale { variance, weight };
        Ok(Self {
            components: pairs.map(scale).collect(),
        })
    }
}

/// Returns log N(r; 0, variance I) for a point with this sum of squares, in nats.
fn log_normal(square: f64, variance: f32, dim: usize) -> f64 {
    let variance = f64::from(variance);
    -0.5 * (square / variance + dim as f64 * (variance.ln() + LN_TWO_PI))
}

fn sum_of_squares(row: ArrayView1<'_, f32>) -> f64 {
    row.iter().map(|&value| f64::from(value).powi(2)).sum()
}

/// The same mixture for each of some rows.
pub(super) struct ScaledNormals<'m> {
    mixture: &'m ScaleMixture,
    rows: usize,
    dim: usize,
}

impl LatentDistribution for ScaledNormals<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.dim)
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let mut values = vec![0.0; self.rows * draws * self.dim];
        for draw in values.chunks_exact_mut(self.dim) {
            stream.fill_standard_normal(draw);
            let deviation = self.mixture.draw_deviation(stream);
            for value in draw {
                *value *= deviation;
            }
        }
        Ok(Latents::clamped(values, self.dim)?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        points.expect_shape("points under the density", self.rows, self.dim)?;
        let nats = |point| self.mixture.log_prob(sum_of_squares(point), self.dim);
        DensityError::check(points.view().rows().into_iter().map(nats).collect())
    }

    fn means(&self) -> Result<Option<Latents>, DensityError> {
        Ok(Some(Latents::filled(self.rows, self.dim, 0.0)))
    }
}
