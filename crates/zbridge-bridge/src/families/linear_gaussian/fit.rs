//! The closed form of a linear Gaussian.

use super::LinearGaussian;
use crate::BridgeError;
use crate::linear_algebra::Cholesky;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayViewMut2, Axis};
use zbridge_core::{DiagonalGaussian, Stage};

/// Log-variances beyond ±this have no variance in f32.
const MAX_LOG_VARIANCE: f64 = 87.0;
/// Rows that are added to a covariance at a time.
const ROWS_AT_ONCE: usize = 512;

impl LinearGaussian {
    /// Returns the density of highest expected likelihood over draws from both posteriors of each
    /// row, ridge and shrinkage aside. `pairs` is the number of independent rows, if rows are
    /// several draws of fewer pairs. It exists for any finite posteriors, also for fewer pairs than
    /// dimensions and for dimensions that never vary.
    ///
    /// With S the covariance of the draws of both sides, A = S_ts (S_ss + λ I)⁻¹ and Σ = S_tt − A
    /// S_st, where λ is `ridge` times the mean variance of the source. The off-diagonal of Σ is
    /// then shrunk, see [`shrunk`].
    ///
    /// # Shapes
    /// `source` and `target` have the same number of rows; row i of one belongs to row i of the
    /// other.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`] if moments overflow; [`BridgeError::Interrupted`] if
    /// the observer of the stage stops it.
    ///
    /// # Source
    /// Bishop 2006, equations 2.81, 2.82 and 3.28: the conditional of a joint Gaussian, and ridge
    /// regression.
    pub(crate) fn fit(
        source: &DiagonalGaussian,
        target: &DiagonalGaussian,
        pairs: usize,
        ridge: f64,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let (source, target) = (Moments::of(source), Moments::of(target));
        let with_ridge = with_ridge(source.covariance(stage)?, ridge);
        let factor = Cholesky::of_nearly(with_ridge, stage)?;
        // With C Cᵀ = S_ss + λ I and W = C⁻¹ S_st: Aᵀ = C⁻ᵀ W, and Σ = S_tt − Wᵀ W, symmetric by
        // construction. All are kept as their transposes, row by row of the target.
        let mut rows = target.covariance_with(&source, stage)?;
        in_blocks(&mut rows, stage, |rows| factor.whiten(rows))?;
        let covariance = target.covariance(stage)? - rows.dot(&rows.t());
        in_blocks(&mut rows, stage, |rows| factor.solve_transposed(rows))?;
        let offset = target.mean - rows.dot(&source.mean);
        let noise = Cholesky::of_nearly(shrunk(covariance, pairs), stage)?;
        Ok(Self {
            matrix: rows.mapv(finite),
            offset: offset.mapv(finite),
            noise: noise.rounded(),
        })
    }
}

/// The draws from a batch of posteriors, as far as their covariances need to know.
struct Moments {
    /// The mean over all draws, `[dim]`.
    mean: Array1<f64>,
    /// The posteriors' own means around it, `[rows, dim]`.
    centred: Array2<f64>,
    /// The mean variance of the posteriors, `[dim]`.
    variance_within: Array1<f64>,
}

impl Moments {
    fn of(posterior: &DiagonalGaussian) -> Self {
        let (dim, count) = (posterior.dim(), posterior.rows().max(1) as f64);
        let mut mean = Array1::zeros(dim);
        let mut variance_within = Array1::zeros(dim);
        for row in 0..posterior.rows() {
            let (means, log_vars) = (posterior.mean().row(row), posterior.log_var().row(row));
            for column in 0..dim {
                let log_var = f64::from(log_vars[column]);
                let variance = log_var.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE).exp();
                mean[column] += f64::from(means[column]) / count;
                variance_within[column] += variance / count;
            }
        }
        Self {
            centred: posterior.mean().view().mapv(f64::from) - &mean,
            mean,
            variance_within,
        }
    }

    /// Returns the covariance of the draws, `[dim, dim]`: that of the posteriors' means and, on the
    /// diagonal, the variance within.
    fn covariance(&self, stage: &Stage<'_>) -> Result<Array2<f64>, BridgeError> {
        let mut covariance = self.covariance_with(self, stage)?;
        let mut diagonal = covariance.diag_mut();
        // The law of total variance: between the means, and within the posteriors.
        diagonal += &self.variance_within;
        Ok(covariance)
    }

    /// Returns the covariance with the draws of the other side, `[dim, other dim]`: that of the
    /// means, since two posteriors of a pair are drawn from independently.
    fn covariance_with(&self, other: &Self, stage: &Stage<'_>) -> Result<Array2<f64>, BridgeError> {
        let mut covariance = Array2::zeros((self.mean.len(), other.mean.len()));
        // Divided by the number of rows, not by one less: the estimate of maximum likelihood.
        let weight = 1.0 / self.centred.nrows().max(1) as f64;
        let own = self.centred.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        for (own, other) in own.zip(other.centred.axis_chunks_iter(Axis(0), ROWS_AT_ONCE)) {
            stage.check()?;
            general_mat_mul(weight, &own.t(), &other, 1.0, &mut covariance);
        }
        Ok(covariance)
    }
}

/// Calls `solve` with all rows, a few at a time.
fn in_blocks(
    rows: &mut Array2<f64>,
    stage: &Stage<'_>,
    solve: impl Fn(ArrayViewMut2<'_, f64>),
) -> Result<(), BridgeError> {
    for block in rows.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE) {
        stage.check()?;
        solve(block);
    }
    Ok(())
}

/// Returns the covariance plus `ridge` times its mean variance on the diagonal.
fn with_ridge(mut covariance: Array2<f64>, ridge: f64) -> Array2<f64> {
    let mut diagonal = covariance.diag_mut();
    // Relative to the mean variance, so that the scale of the source does not matter.
    let added = ridge * diagonal.sum() / diagonal.len() as f64;
    diagonal += added;
    covariance
}

/// Returns (1 − α) Σ + α diag(Σ) with α = (dim + 1) / (pairs + dim + 1): correlations count as much
/// as the pairs that show them.
///
/// # Source
/// The posterior mean of Σ under an inverse-Wishart prior (Gelman et al. 2013, section 3.6) that is
/// worth dim + 1 pairs, the least for which it has a mean, and is centred at the variances without
/// their correlations.
pub(crate) fn shrunk(mut covariance: Array2<f64>, pairs: usize) -> Array2<f64> {
    let dim = covariance.nrows();
    let kept = pairs as f64 / (pairs + dim + 1) as f64;
    let variances = covariance.diag().to_owned();
    covariance *= kept;
    covariance.diag_mut().assign(&variances);
    covariance
}

/// Returns the value in f32, within its range.
fn finite(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}
