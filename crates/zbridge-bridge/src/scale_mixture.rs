use crate::BridgeError;
use crate::families::{put_vector, stored};
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
/// are fixed, and the weights are fitted.
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
    /// Returns the weights of highest likelihood for these residuals `[rows, dim]`, a little
    /// towards one standard normal, as if one further residual had certainly been drawn from it.
    pub(crate) fn fit(residuals: ArrayView2<'_, f32>) -> Self {
        let squares: Vec<f64> = residuals.rows().into_iter().map(sum_of_squares).collect();
        Self::fit_weights(&squares, residuals.ncols(), &VARIANCES)
    }

    /// Returns the same for residuals of many dimensions, of which the sums of squares are given:
    /// with more variances, since many dimensions tell the scale of a row almost exactly.
    pub(crate) fn fit_many_dimensions(squares: &[f64], dim: usize) -> Self {
        const SCALES: usize = 64;
        let (mut least, mut most) = (1.0f64, 1.0f64);
        for square in squares {
            let mean_square = (square / dim.max(1) as f64).clamp(1e-3, 1e3);
            (least, most) = (least.min(mean_square), most.max(mean_square));
        }
        let step = (most / least).ln() / (SCALES - 1) as f64;
        let variance = |k: usize| (least * (step * k as f64).exp()) as f32;
        let variances: Vec<f32> = (0..SCALES).map(variance).collect();
        Self::fit_weights(squares, dim, &variances)
    }

    /// Returns the mixture of one standard normal.
    pub(crate) fn standard() -> Self {
        let (variance, weight) = (1.0, 1.0);
        Self {
            components: vec![Scale { variance, weight }],
        }
    }

    fn fit_weights(squares: &[f64], dim: usize, variances: &[f32]) -> Self {
        const ROUNDS: usize = 100;
        let distance_from_1 = |k: &usize| variances[*k].ln().abs();
        let nearest_to_1 =
            (0..variances.len()).min_by(|a, b| distance_from_1(a).total_cmp(&distance_from_1(b)));
        let mut weights = vec![1.0 / variances.len() as f64; variances.len()];
        for _ in 0..ROUNDS {
            let mut counts = vec![0.0; variances.len()];
            if let Some(k) = nearest_to_1 {
                counts[k] = 1.0;
            }
            let log_weights: Vec<f64> = weights.iter().map(|weight: &f64| weight.ln()).collect();
            for square in squares {
                let terms: Vec<f64> = log_weights
                    .iter()
                    .zip(variances)
                    .map(|(log_weight, &variance)| log_weight + log_normal(*square, variance, dim))
                    .collect();
                let total = log_sum_exp(&terms);
                for (count, term) in counts.iter_mut().zip(terms) {
                    *count += (term - total).exp();
                }
            }
            let total: f64 = counts.iter().sum();
            // Weights of 0 would have no logarithm.
            weights = counts
                .iter()
                .map(|count| (count / total).max(1e-9))
                .collect();
        }
        let scale = |(&variance, weight): (&f32, f64)| Scale {
            variance,
            weight: weight as f32,
        };
        Self {
            components: variances.iter().zip(weights).map(scale).collect(),
        }
    }

    /// Returns v_k and w_k of all components.
    pub(crate) fn components(&self) -> (Vec<f32>, Vec<f32>) {
        let pair = |scale: &Scale| (scale.variance, scale.weight);
        self.components.iter().map(pair).unzip()
    }

    /// Returns the mixture as the distribution of each of `rows` rows.
    pub(crate) fn for_rows(&self, rows: usize, dim: usize) -> ScaledNormals<'_> {
        ScaledNormals {
            mixture: self,
            rows,
            dim,
        }
    }

    /// Returns the sum of the log densities of these residuals `[rows, dim]`, in nats.
    pub(crate) fn total_log_density(&self, residuals: ArrayView2<'_, f32>) -> f64 {
        let nats = |row| self.log_prob(sum_of_squares(row), residuals.ncols());
        residuals.rows().into_iter().map(nats).sum()
    }

    /// Returns E[1 / v_k | r] for each of these residuals `[rows, dim]`.
    pub(crate) fn expected_precisions(&self, residuals: ArrayView2<'_, f32>) -> Array1<f64> {
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

    /// Returns the log density of a residual with this sum of squares, in nats.
    pub(crate) fn log_prob(&self, square: f64, dim: usize) -> f64 {
        log_sum_exp(&self.terms(square, dim))
    }

    /// Returns log w_k N(r; 0, v_k I) of each component, for a residual with this sum of squares.
    fn terms(&self, square: f64, dim: usize) -> Vec<f64> {
        let term =
            |scale: &Scale| f64::from(scale.weight).ln() + log_normal(square, scale.variance, dim);
        self.components.iter().map(term).collect()
    }

    /// Returns the standard deviation of a component drawn at random.
    pub(crate) fn draw_deviation(&self, stream: &mut RandomStream) -> f32 {
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

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let variances: Vec<f32> = self.components.iter().map(|scale| scale.variance).collect();
        let weights: Vec<f32> = self.components.iter().map(|scale| scale.weight).collect();
        put_vector(file, format!("{prefix}.scale-variances"), &variances);
        put_vector(file, format!("{prefix}.scale-weights"), &weights);
    }

    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let scales = file.tensors.get(&format!("{prefix}.scale-variances"));
        let count = [scales.map_or(0, |scales| scales.values.len())];
        let variances = stored(file, &format!("{prefix}.scale-variances"), &count, path)?;
        let weights = stored(file, &format!("{prefix}.scale-weights"), &count, path)?;
        let unsound = |value: &f32| !value.is_finite() || *value <= 0.0;
        if variances.is_empty() || variances.iter().chain(weights).any(unsound) {
            let reason = format!(
                "the scales of `{prefix}` are missing or not all positive; get the file anew"
            );
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
pub(crate) struct ScaledNormals<'m> {
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
