//! The mean of a Gaussian process, in closed form.

use super::kernel::Kernel;
use crate::BridgeError;
use crate::linear_algebra::Cholesky;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::{RandomStream, Stage};

/// m(s) = b + Σ_j k(s, s_j) α_j over some sources s_j of pairs: kernel ridge regression.
///
/// # Source
/// Rasmussen & Williams 2006, equation 2.25.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KernelMean {
    pub(super) kernel: Kernel,
    /// What each dimension of a source is multiplied by before distances are taken, `[inputs]`.
    pub(super) scales: Array1<f32>,
    /// The sources s_j, scaled, `[landmarks, inputs]`.
    pub(super) landmarks: Array2<f32>,
    /// α, `[landmarks, target]`.
    pub(super) weights: Array2<f32>,
    /// b, `[target]`.
    pub(super) offset: Array1<f32>,
}

/// A fitted mean, and what it says of its own pairs.
pub(crate) struct FittedMean {
    pub(crate) mean: KernelMean,
    /// For each pair, the mean that was fitted without it, `[pairs, target]`.
    pub(crate) left_out: Array2<f32>,
}

/// What is chosen by the pairs themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    kernel: Kernel,
    /// Variance of a target around its mean, relative to that of the mean.
    noise: f64,
}

/// Sources that a mean is spanned by at most: its fit costs pairs times their square.
const MAX_LANDMARKS: usize = 1024;
/// Pairs by which the settings are chosen at most.
const MAX_PAIRS_OF_A_CHOICE: usize = 384;
/// Rows whose covariances with the landmarks are held at a time.
const ROWS_AT_ONCE: usize = 1024;
/// Sources beyond this, in standard deviations, count as this: squares stay finite.
const MAX_SOURCE: f32 = 1e6;
/// Means stay within this.
const MAX_MEAN: f64 = 1e30;

impl KernelMean {
    /// Returns the mean of the targets given their sources. Length scale, linear part and noise are
    /// those of the least error on pairs that are left out one at a time, and so is the power of
    /// `spreads` by which dimensions of the sources are scaled: whitened principal components count
    /// equally at 0, and as they vary in the latent space at 1.
    ///
    /// # Shapes
    /// `sources` `[pairs, inputs]`, `targets` `[pairs, target]`, `spreads` `[inputs]`.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`] if values overflow; [`BridgeError::Interrupted`].
    pub(crate) fn fit(
        sources: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, f32>,
        spreads: Option<ArrayView1<'_, f32>>,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<FittedMean, BridgeError> {
        let order = stream.permutation(sources.nrows());
        let targets = targets.mapv(f64::from);
        let some = &order[..order.len().min(MAX_PAIRS_OF_A_CHOICE)];
        let mut best: Option<(f64, Settings, Array1<f32>)> = None;
        for scales in possible_scales(sources.ncols(), spreads) {
            let of_some = bounded(sources.select(Axis(0), some).view(), &scales);
            let some = Regression::of(of_some, targets.select(Axis(0), some));
            let (settings, error) = some.best_settings(stage)?;
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                best = Some((error, settings, scales));
            }
        }
        let (_, settings, scales) = best.expect("scales of 1 are possible");
        let all = Regression::of(bounded(sources, &scales), targets);
        let fitted = match order.len() {
            ..=MAX_LANDMARKS => all.exact(&settings, stage)?,
            _ => all.spanned_by(&order[..MAX_LANDMARKS], &settings, stage)?,
        };
        let mean = Self {
            scales,
            ..fitted.mean
        };
        Ok(FittedMean { mean, ..fitted })
    }

    /// Returns m(s), `[rows, target]`.
    pub(crate) fn at(&self, sources: ArrayView2<'_, f32>) -> Array2<f32> {
        let (rows, dim) = (sources.nrows(), self.offset.len());
        let landmarks = self.landmarks.mapv(f64::from);
        let weights = self.weights.mapv(f64::from);
        let mut means = Array2::zeros((rows, dim));
        let blocks: Vec<_> = sources
            .axis_chunks_iter(Axis(0), ROWS_AT_ONCE)
            .zip(means.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE))
            .collect();
        blocks.into_par_iter().for_each(|(sources, mut means)| {
            let sources = bounded(sources, &self.scales);
            let covariances = self.kernel.between(sources.view(), landmarks.view());
            let values = covariances.dot(&weights);
            for (mut mean, value) in means.outer_iter_mut().zip(values.outer_iter()) {
                for column in 0..dim {
                    let sum = f64::from(self.offset[column]) + value[column];
                    mean[column] = sum.clamp(-MAX_MEAN, MAX_MEAN) as f32;
                }
            }
        });
        means
    }
}

/// Pairs to regress targets on sources.
struct Regression {
    /// `[pairs, inputs]`.
    sources: Array2<f64>,
    /// Targets around their mean, `[pairs, target]`.
    centred: Array2<f64>,
    /// The mean of the targets, `[target]`.
    offset: Array1<f64>,
}

impl Regression {
    fn of(sources: Array2<f64>, targets: Array2<f64>) -> Self {
        let count = targets.nrows().max(1) as f64;
        let offset = targets.sum_axis(Axis(0)) / count;
        Self {
            sources,
            centred: targets - &offset,
            offset,
        }
    }

    /// Returns the settings of least left-out error among those on a path, and the error: settings
    /// are multiplied or divided by a factor, one at a time, until none of these steps helps.
    fn best_settings(&self, stage: &Stage<'_>) -> Result<(Settings, f64), BridgeError> {
        const MAX_ROUNDS: usize = 4;
        let mut best = Settings {
            kernel: Kernel {
                length_scale: 2.0,
                linear: 0.3,
            },
            noise: 0.03,
        };
        let mut least = self.log_error(&best, stage)?;
        for _ in 0..MAX_ROUNDS {
            let before = least;
            for step in Settings::STEPS {
                for factor in [step.factor, 1.0 / step.factor] {
                    // On in this direction for as long as it helps.
                    loop {
                        let candidate = (step.apply)(best, factor);
                        let error = self.log_error(&candidate, stage)?;
                        if error >= least || !candidate.within_bounds() {
                            break;
                        }
                        (best, least) = (candidate, error);
                    }
                }
            }
            if least >= before {
                break;
            }
        }
        Ok((best, least))
    }

    /// Returns Σ_d log of the mean squared left-out error of each dimension of the target: up to a
    /// factor, −log likelihood of Gaussian residuals of any scale.
    fn log_error(&self, settings: &Settings, stage: &Stage<'_>) -> Result<f64, BridgeError> {
        const SMALLEST_ERROR: f64 = 1e-12;
        let (_, residuals) = self.solve(settings, stage)?;
        let count = residuals.nrows().max(1) as f64;
        let of_column =
            |column: ArrayView1<'_, f64>| (column.dot(&column) / count).max(SMALLEST_ERROR).ln();
        Ok(residuals.axis_iter(Axis(1)).map(of_column).sum())
    }

    /// Returns α = (K + λ I)⁻¹ t, and the residual of each pair under the mean fitted without it,
    /// α_i / [(K + λ I)⁻¹]_ii; both `[pairs, target]`.
    ///
    /// # Source
    /// Rasmussen & Williams 2006, equation 5.12.
    fn solve(
        &self,
        settings: &Settings,
        stage: &Stage<'_>,
    ) -> Result<(Array2<f64>, Array2<f64>), BridgeError> {
        let mut covariance = settings
            .kernel
            .between(self.sources.view(), self.sources.view());
        covariance
            .diag_mut()
            .mapv_inplace(|value| value + settings.noise);
        let factor = Cholesky::of_nearly(covariance, stage)?;
        let inverse = factor.inverse();
        let weights = inverse.dot(&self.centred);
        let mut residuals = weights.clone();
        for (mut residual, &precision) in residuals.outer_iter_mut().zip(inverse.diag()) {
            residual /= precision;
        }
        Ok((weights, residuals))
    }

    /// Returns the mean spanned by all sources.
    fn exact(&self, settings: &Settings, stage: &Stage<'_>) -> Result<FittedMean, BridgeError> {
        let (weights, residuals) = self.solve(settings, stage)?;
        let left_out = &self.centred - &residuals + &self.offset;
        Ok(FittedMean {
            mean: self.mean(settings, self.sources.view(), weights),
            left_out: left_out.mapv(|value| value as f32),
        })
    }

    /// Returns the mean spanned by the sources in `rows`: of all functions of that form, the one
    /// that a Gaussian process restricted to them gives.
    ///
    /// With Φ = k(all, landmarks) and A = ΦᵀΦ + λ k(landmarks, landmarks): α = A⁻¹ Φᵀ t. The
    /// left-out residual of pair i is its residual divided by 1 − φ_i A⁻¹ φ_iᵀ.
    ///
    /// # Source
    /// Rasmussen & Williams 2006, section 8.3.1 (subset of regressors).
    fn spanned_by(
        &self,
        rows: &[usize],
        settings: &Settings,
        stage: &Stage<'_>,
    ) -> Result<FittedMean, BridgeError> {
        let landmarks = self.sources.select(Axis(0), rows);
        let kernel = settings.kernel;
        let mut gram = settings.noise * kernel.between(landmarks.view(), landmarks.view());
        let mut products = Array2::zeros((rows.len(), self.offset.len()));
        for (sources, targets) in self.blocks() {
            stage.check()?;
            let covariances = kernel.between(sources, landmarks.view());
            general_mat_mul(1.0, &covariances.t(), &covariances, 1.0, &mut gram);
            general_mat_mul(1.0, &covariances.t(), &targets, 1.0, &mut products);
        }
        let inverse = Cholesky::of_nearly(gram, stage)?.inverse();
        let weights = inverse.dot(&products);
        let mut left_out = Vec::with_capacity(self.centred.len());
        for (sources, targets) in self.blocks() {
            stage.check()?;
            let covariances = kernel.between(sources, landmarks.view());
            let fitted = covariances.dot(&weights);
            let influences = (&covariances.dot(&inverse) * &covariances).sum_axis(Axis(1));
            for (row, influence) in influences.into_iter().enumerate() {
                // A pair that determines its own value says nothing of others: at most 0.99.
                let kept = 1.0 - influence.clamp(0.0, 0.99);
                let residuals = &targets.row(row) - &fitted.row(row);
                let values = &targets.row(row) - &(residuals / kept) + &self.offset;
                left_out.extend(values.into_iter().map(|value| value as f32));
            }
        }
        let shape = self.centred.dim();
        Ok(FittedMean {
            mean: self.mean(settings, landmarks.view(), weights),
            left_out: Array2::from_shape_vec(shape, left_out).expect("a row for each pair"),
        })
    }

    fn blocks(&self) -> impl Iterator<Item = (ArrayView2<'_, f64>, ArrayView2<'_, f64>)> {
        let sources = self.sources.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        sources.zip(self.centred.axis_chunks_iter(Axis(0), ROWS_AT_ONCE))
    }

    fn mean(
        &self,
        settings: &Settings,
        landmarks: ArrayView2<'_, f64>,
        weights: Array2<f64>,
    ) -> KernelMean {
        let finite = |value: f64| (value as f32).clamp(f32::MIN, f32::MAX);
        KernelMean {
            kernel: settings.kernel,
            scales: Array1::ones(landmarks.ncols()),
            landmarks: landmarks.mapv(finite),
            weights: weights.mapv(finite),
            offset: self.offset.mapv(finite),
        }
    }
}

/// A way to change settings.
struct Step {
    factor: f64,
    apply: fn(Settings, f64) -> Settings,
}

impl Settings {
    const STEPS: [Step; 3] = [
        Step {
            factor: 3.0,
            apply: |settings, factor| Self {
                noise: settings.noise * factor,
                ..settings
            },
        },
        Step {
            factor: 1.5,
            apply: |settings, factor| Self {
                kernel: Kernel {
                    length_scale: settings.kernel.length_scale * factor,
                    ..settings.kernel
                },
                ..settings
            },
        },
        Step {
            factor: 4.0,
            apply: |settings, factor| Self {
                kernel: Kernel {
                    linear: settings.kernel.linear * factor,
                    ..settings.kernel
                },
                ..settings
            },
        },
    ];

    fn within_bounds(&self) -> bool {
        let within = |value: f64, least: f64, most: f64| (least..=most).contains(&value);
        within(self.noise, 1e-5, 100.0)
            && within(self.kernel.length_scale, 0.02, 50.0)
            && within(self.kernel.linear, 1e-3, 1e4)
    }
}

/// Returns values in f64, within reach of a kernel, each column multiplied by its scale.
fn bounded(rows: ArrayView2<'_, f32>, scales: &Array1<f32>) -> Array2<f64> {
    let mut rows = rows.mapv(|value| f64::from(value.clamp(-MAX_SOURCE, MAX_SOURCE)));
    rows *= &scales.mapv(f64::from);
    rows
}

/// Returns what dimensions may be multiplied by: 1, and powers of their spreads of mean square 1.
fn possible_scales(inputs: usize, spreads: Option<ArrayView1<'_, f32>>) -> Vec<Array1<f32>> {
    let mut possible = vec![Array1::ones(inputs)];
    let Some(spreads) = spreads else {
        return possible;
    };
    for power in [0.5, 1.0] {
        let scales = spreads.mapv(|spread| spread.powf(power));
        let mean_square = scales.dot(&scales) / inputs as f32;
        possible.push(scales / mean_square.sqrt());
    }
    possible
}
