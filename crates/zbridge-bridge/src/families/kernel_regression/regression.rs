//! Solutions of a kernel ridge regression, and what they say of pairs that are left out.

use super::kernel::Kernel;
use crate::BridgeError;
use crate::families::shrunk;
use crate::linear_algebra::Cholesky;
use crate::scale_mixture::ScaleMixture;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use zbridge_core::Stage;

/// What is chosen by the pairs themselves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) kernel: Kernel,
    /// λ_d: the variance of each dimension of a target around its mean, relative to that of the
    /// mean, `[target]`.
    pub(super) noise: Array1<f64>,
}

/// Pairs to regress targets on sources.
#[derive(Debug)]
pub(super) struct Regression {
    /// `[pairs, inputs]`.
    sources: Array2<f64>,
    /// Targets around their mean, `[pairs, target]`.
    centred: Array2<f64>,
    /// The mean of the targets, `[target]`.
    offset: Array1<f64>,
    /// How much each pair counts: the inverse of the relative variance of its noise, `[pairs]`.
    weights: Array1<f64>,
}

/// α, and what is left of the targets where it was found without them.
#[derive(Debug)]
pub(super) struct Solution {
    /// The sources that span the mean, `[landmarks, inputs]`.
    pub(super) landmarks: Array2<f64>,
    /// α, `[landmarks, target]`.
    pub(super) coefficients: Array2<f64>,
    /// The target of each pair less its mean under the fit without the pair, `[pairs, target]`.
    pub(super) residuals: Array2<f64>,
}

/// Left-out residuals as a density describes them.
pub(super) struct ResidualSpread {
    /// The sum of their log densities, in nats.
    log_density: f64,
    /// The expected inverse of the relative variance of each, `[pairs]`; their mean is 1. Pairs
    /// count less the further they are from their left-out means.
    pub(super) weights: Array1<f64>,
}

/// Rows whose covariances with the landmarks are held at a time.
pub(super) const ROWS_AT_ONCE: usize = 1024;
/// A pair counts at least this much.
const MIN_WEIGHT: f64 = 1e-3;

impl Regression {
    /// Returns the regression in which all pairs count equally.
    pub(super) fn of(sources: Array2<f64>, targets: Array2<f64>) -> Self {
        let weights = Array1::ones(targets.nrows());
        Self::weighted(sources, targets, weights)
    }

    fn weighted(sources: Array2<f64>, targets: Array2<f64>, weights: Array1<f64>) -> Self {
        let total = weights.sum().max(f64::MIN_POSITIVE);
        let offset = weights.dot(&targets) / total;
        Self {
            sources,
            centred: targets - &offset,
            offset,
            weights,
        }
    }

    /// Returns the same pairs with these weights.
    pub(super) fn reweighted(self, weights: Array1<f64>) -> Self {
        let targets = self.centred + &self.offset;
        Self::weighted(self.sources, targets, weights)
    }

    /// Returns the mean of the targets, `[target]`.
    pub(super) fn offset(&self) -> &Array1<f64> {
        &self.offset
    }

    /// Returns the mean of each pair's target that was fitted without the pair, `[pairs, target]`.
    pub(super) fn left_out_means(&self, solution: &Solution) -> Array2<f64> {
        &self.centred - &solution.residuals + &self.offset
    }

    /// Returns the weighted mean square of left-out residuals in each dimension of the target.
    pub(super) fn mean_squares(&self, residuals: ArrayView2<'_, f64>) -> Array1<f64> {
        let total = self.weights.sum();
        let mean = |column: ArrayView1<'_, f64>| (&column * &column).dot(&self.weights) / total;
        residuals.axis_iter(Axis(1)).map(mean).collect()
    }

    /// Returns the solution in which all pairs count equally, or that in which pairs far from their
    /// left-out means count less: the one whose left-out residuals have the higher density. The
    /// regression comes with the weights of that solution.
    pub(super) fn solved_robustly(
        self,
        settings: &Settings,
        landmarks: Option<&[usize]>,
        stage: &Stage<'_>,
    ) -> Result<(Self, Solution), BridgeError> {
        let plain = self.solved(settings, landmarks, stage)?;
        let spread = ResidualSpread::of(plain.residuals.view(), stage)?;
        let equal = self.weights.clone();
        let robust = self.reweighted(spread.weights);
        let solution = robust.solved(settings, landmarks, stage)?;
        let of_robust = ResidualSpread::of(solution.residuals.view(), stage)?;
        Ok(match of_robust.log_density > spread.log_density {
            true => (robust, solution),
            false => (robust.reweighted(equal), plain),
        })
    }

    /// Returns the solution that is spanned by the sources in the rows `landmarks`, or by all.
    pub(super) fn solved(
        &self,
        settings: &Settings,
        landmarks: Option<&[usize]>,
        stage: &Stage<'_>,
    ) -> Result<Solution, BridgeError> {
        match landmarks {
            None => self.exact(settings, stage),
            Some(rows) => self.spanned_by(rows, settings, stage),
        }
    }

    /// Returns α = (K + λ_d W⁻¹)⁻¹ t_d for each dimension d of the target, and the left-out
    /// residuals α_i / [(K + λ_d W⁻¹)⁻¹]_ii.
    ///
    /// # Source
    /// Rasmussen & Williams 2006, equation 5.12.
    fn exact(&self, settings: &Settings, stage: &Stage<'_>) -> Result<Solution, BridgeError> {
        let sources = self.sources.view();
        let covariance = settings.kernel.between(sources, sources);
        let mut coefficients = Array2::zeros(self.centred.dim());
        let mut residuals = Array2::zeros(self.centred.dim());
        for DimensionsOfNoise { noise, dimensions } in by_noise(&settings.noise) {
            let mut noisy = covariance.clone();
            let mut diagonal = noisy.diag_mut();
            diagonal += &self.weights.mapv(|weight| noise / weight);
            let factor = Cholesky::of_nearly(noisy, stage)?;
            let solved = factor.solved(self.centred.select(Axis(1), &dimensions).view());
            let precisions = factor.inverse_diagonal();
            for (&dimension, solved) in dimensions.iter().zip(solved.axis_iter(Axis(1))) {
                coefficients.column_mut(dimension).assign(&solved);
                residuals
                    .column_mut(dimension)
                    .assign(&(&solved / &precisions));
            }
        }
        Ok(Solution {
            landmarks: self.sources.clone(),
            coefficients,
            residuals,
        })
    }

    /// Returns the solution spanned by the sources in `rows`: of all functions of that form, the
    /// one that a Gaussian process restricted to them gives.
    ///
    /// With Φ = k(all, landmarks) and A = Φᵀ W Φ + λ_d k(landmarks, landmarks): α = A⁻¹ Φᵀ W t_d.
    /// The left-out residual of pair i is its residual divided by 1 − w_i φ_i A⁻¹ φ_iᵀ.
    ///
    /// # Source
    /// Rasmussen & Williams 2006, section 8.3.1 (subset of regressors).
    fn spanned_by(
        &self,
        rows: &[usize],
        settings: &Settings,
        stage: &Stage<'_>,
    ) -> Result<Solution, BridgeError> {
        let landmarks = self.sources.select(Axis(0), rows);
        let prior = settings.kernel.between(landmarks.view(), landmarks.view());
        let Products { gram, with_targets } = self.products(settings.kernel, &landmarks, stage)?;
        let mut coefficients = Array2::zeros((rows.len(), self.offset.len()));
        let mut residuals = Array2::zeros(self.centred.dim());
        for DimensionsOfNoise { noise, dimensions } in by_noise(&settings.noise) {
            let factor = Cholesky::of_nearly(&gram + &(noise * &prior), stage)?;
            let solved = factor.solved(with_targets.select(Axis(1), &dimensions).view());
            for (&dimension, solved) in dimensions.iter().zip(solved.axis_iter(Axis(1))) {
                coefficients.column_mut(dimension).assign(&solved);
            }
            for block in self.blocks() {
                stage.check()?;
                let covariances = settings.kernel.between(block.sources, landmarks.view());
                let fitted = covariances.dot(&solved);
                let kept = kept_shares(&factor, covariances, block.weights);
                for (&dimension, fitted) in dimensions.iter().zip(fitted.axis_iter(Axis(1))) {
                    let left = (&block.centred.column(dimension) - &fitted) / &kept;
                    let of_block = block.first..block.first + left.len();
                    let mut column = residuals.column_mut(dimension);
                    column
                        .slice_axis_mut(Axis(0), of_block.into())
                        .assign(&left);
                }
            }
        }
        Ok(Solution {
            landmarks,
            coefficients,
            residuals,
        })
    }

    /// Returns Φᵀ W Φ and Φᵀ W t.
    fn products(
        &self,
        kernel: Kernel,
        landmarks: &Array2<f64>,
        stage: &Stage<'_>,
    ) -> Result<Products, BridgeError> {
        let count = landmarks.nrows();
        let mut gram = Array2::zeros((count, count));
        let mut with_targets = Array2::zeros((count, self.offset.len()));
        for block in self.blocks() {
            stage.check()?;
            let covariances = kernel.between(block.sources, landmarks.view());
            let weighted = &covariances * &block.weights.insert_axis(Axis(1));
            general_mat_mul(1.0, &weighted.t(), &covariances, 1.0, &mut gram);
            general_mat_mul(1.0, &weighted.t(), &block.centred, 1.0, &mut with_targets);
        }
        Ok(Products { gram, with_targets })
    }

    fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let weights = self.weights.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let sources = self.sources.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let centred = self.centred.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let firsts = (0..).step_by(ROWS_AT_ONCE);
        let parts = sources.zip(centred).zip(weights).zip(firsts);
        parts.map(|(((sources, centred), weights), first)| Block {
            first,
            sources,
            centred,
            weights,
        })
    }
}

/// Some consecutive pairs of a [`Regression`].
struct Block<'r> {
    /// The number of the first pair.
    first: usize,
    sources: ArrayView2<'r, f64>,
    centred: ArrayView2<'r, f64>,
    weights: ArrayView1<'r, f64>,
}

struct Products {
    /// `[landmarks, landmarks]`.
    gram: Array2<f64>,
    /// `[landmarks, target]`.
    with_targets: Array2<f64>,
}

/// Returns 1 − w_i φ_i A⁻¹ φ_iᵀ for each row φ_i: how much of its residual is left of a pair's
/// left-out residual.
fn kept_shares(
    factor: &Cholesky,
    mut covariances: Array2<f64>,
    weights: ArrayView1<'_, f64>,
) -> Array1<f64> {
    factor.whiten(covariances.view_mut());
    let influences = (&covariances * &covariances).sum_axis(Axis(1)) * weights;
    // A pair that determines its own value says nothing of others: at most 0.99.
    influences.mapv(|influence| 1.0 - influence.clamp(0.0, 0.99))
}

/// Dimensions of a target that have the same noise.
struct DimensionsOfNoise {
    noise: f64,
    dimensions: Vec<usize>,
}

/// Returns the dimensions of each distinct noise of `noise` `[target]`.
fn by_noise(noise: &Array1<f64>) -> Vec<DimensionsOfNoise> {
    let mut groups: Vec<DimensionsOfNoise> = Vec::new();
    for (dimension, &noise) in noise.iter().enumerate() {
        match groups.iter_mut().find(|group| group.noise == noise) {
            Some(group) => group.dimensions.push(dimension),
            None => groups.push(DimensionsOfNoise {
                noise,
                dimensions: vec![dimension],
            }),
        }
    }
    groups
}

impl ResidualSpread {
    /// Returns how a scale mixture of normals describes these residuals `[pairs, target]`.
    pub(super) fn of(
        residuals: ArrayView2<'_, f64>,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let pairs = residuals.nrows();
        let covariance = residuals.t().dot(&residuals) / pairs.max(1) as f64;
        let covariance = Cholesky::of_nearly(shrunk(covariance, pairs), stage)?;
        let mut whitened = residuals.to_owned();
        covariance.whiten(whitened.view_mut());
        let whitened = whitened.mapv(|value| value as f32);
        let mixture = ScaleMixture::fit(whitened.view());
        let log_density = mixture.total_log_density(whitened.view())
            - pairs as f64 * covariance.half_log_determinant();
        let weights = mixture.expected_precisions(whitened.view());
        let mean = weights.mean().unwrap_or(1.0);
        Ok(Self {
            log_density,
            weights: weights.mapv(|weight| (weight / mean).max(MIN_WEIGHT)),
        })
    }
}
