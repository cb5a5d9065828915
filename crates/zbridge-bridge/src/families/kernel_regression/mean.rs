//! The mean of a Gaussian process, in closed form.

use super::kernel::Kernel;
use super::regression::{ROWS_AT_ONCE, Regression, Settings, Solution};
use crate::BridgeError;
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
    pub(super) landmarks: Array2<f64>,
    /// α, `[landmarks, target]`.
    pub(super) weights: Array2<f64>,
    /// b, `[target]`.
    pub(super) offset: Array1<f32>,
}

/// A fitted mean, and what it says of its own pairs.
pub(crate) struct FittedMean {
    pub(crate) mean: KernelMean,
    /// For each pair, the mean that was fitted without it, `[pairs, target]`.
    pub(crate) left_out: Array2<f32>,
}

/// What was chosen by left-out pairs.
struct Choice {
    /// See [`Settings::best_for`].
    log_error: f64,
    settings: Settings,
    scales: Array1<f32>,
}

/// Sources that a mean is spanned by at most: its fit costs pairs times their square.
const MAX_LANDMARKS: usize = 1024;
/// Pairs by which the settings are chosen at most.
const MAX_PAIRS_OF_A_CHOICE: usize = 384;
/// Sources beyond this, in standard deviations, count as this: squares stay finite.
const MAX_SOURCE: f32 = 1e6;
/// Means stay within this.
const MAX_MEAN: f64 = 1e30;

impl KernelMean {
    /// Returns the mean of the targets given their sources. Length scale, linear part and the noise
    /// of each target dimension are those of the least error on pairs that are left out one at a
    /// time, and so is the power of `spreads` by which dimensions of the sources are scaled:
    /// whitened principal components count equally at 0, and as they vary in the latent space at 1.
    ///
    /// Pairs whose targets lie far out count less, if left-out pairs are better described so: under
    /// heavy tails a mean of squares follows the few largest residuals.
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
        let mut best: Option<Choice> = None;
        for scales in possible_scales(sources.ncols(), spreads) {
            let of_some = bounded(sources.select(Axis(0), some).view(), &scales);
            let some = Regression::of(of_some, targets.select(Axis(0), some));
            let (settings, log_error) = Settings::best_for(some, stage)?;
            if best.as_ref().is_none_or(|best| log_error < best.log_error) {
                best = Some(Choice {
                    log_error,
                    settings,
                    scales,
                });
            }
        }
        let Choice {
            settings, scales, ..
        } = best.expect("scales of 1 are possible");
        let all = Regression::of(bounded(sources, &scales), targets);
        let landmarks = (order.len() > MAX_LANDMARKS).then(|| &order[..MAX_LANDMARKS]);
        let (all, solution) = all.solved_robustly(&settings, landmarks, stage)?;
        Ok(Self::of(&all, settings.kernel, scales, solution))
    }

    /// Returns the mean of a regression with these coefficients, as close as f32 comes to them: as
    /// files keep them.
    fn of(
        regression: &Regression,
        kernel: Kernel,
        scales: Array1<f32>,
        solution: Solution,
    ) -> FittedMean {
        let finite = |value: f64| (value as f32).clamp(f32::MIN, f32::MAX);
        let rounded = |value: f64| f64::from(finite(value));
        let mean = Self {
            kernel,
            scales,
            landmarks: solution.landmarks.mapv(rounded),
            weights: solution.coefficients.mapv(rounded),
            offset: regression.offset().mapv(finite),
        };
        let left_out = regression.left_out_means(&solution);
        FittedMean {
            mean,
            left_out: left_out.mapv(finite),
        }
    }

    /// Returns m(s), `[rows, target]`.
    pub(crate) fn at(&self, sources: ArrayView2<'_, f32>) -> Array2<f32> {
        let (rows, dim) = (sources.nrows(), self.offset.len());
        let mut means = Array2::zeros((rows, dim));
        let blocks: Vec<_> = sources
            .axis_chunks_iter(Axis(0), ROWS_AT_ONCE)
            .zip(means.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE))
            .collect();
        blocks.into_par_iter().for_each(|(sources, mut means)| {
            let sources = bounded(sources, &self.scales);
            let covariances = self.kernel.between(sources.view(), self.landmarks.view());
            let values = covariances.dot(&self.weights);
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
