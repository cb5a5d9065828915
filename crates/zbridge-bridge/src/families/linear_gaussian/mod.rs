mod fit;
#[cfg(test)]
mod tests;

pub(crate) use fit::shrunk;

use super::family_density::FamilyDensity;
use super::parametric::{MeanIn, Parametric, ParametricDistributions};
use super::stored::{put_json, put_matrix, put_vector, stored, stored_matrix};
use crate::BridgeError;
use crate::linear_algebra::Cholesky;
use crate::rows::{dot, row_major, rows_of_mut, values_of, values_of_mut};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, aview1};
use std::path::Path;
use zbridge_core::{ConditionalDensity, DensityError, LN_TWO_PI, LatentDistribution, Latents};
use zbridge_nn::{NnError, WeightsFile};

/// q(t|s) = N(A s + b, Σ) with one full covariance Σ for every source: the conditional of two
/// jointly Gaussian latents, fitted in closed form.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearGaussian {
    /// A, `[target, source]`.
    matrix: Array2<f32>,
    /// b, `[target]`.
    offset: Array1<f32>,
    /// The factorisation of Σ, of numbers that f32 holds exactly: as they are stored.
    noise: Cholesky,
}

/// A mean is at most this far from 0, where squares of differences are still numbers.
const MAX_MEAN: f32 = 1e30;

impl FamilyDensity for LinearGaussian {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        let lower = self.noise.lower().mapv(|value| value as f32);
        put_matrix(file, format!("{prefix}.matrix"), self.matrix.view());
        put_vector(file, format!("{prefix}.offset"), &self.offset.to_vec());
        put_matrix(file, format!("{prefix}.factor"), lower.view());
        put_json(file, format!("{prefix}.linear-gaussian"), &self.dims())
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the linear Gaussian `{prefix}` {reason}; get the file anew"),
        };
        let (source, dim): (usize, usize) =
            file.parsed_metadata(&format!("{prefix}.linear-gaussian"), path)?;
        if source == 0 || dim == 0 {
            return Err(fault("has no dimensions").into());
        }
        let lower = stored_matrix(file, &format!("{prefix}.factor"), (dim, dim), path)?;
        let noise = Cholesky::from_lower(lower.mapv(f64::from));
        let offset = stored(file, &format!("{prefix}.offset"), &[dim], path)?;
        Ok(Self {
            matrix: stored_matrix(file, &format!("{prefix}.matrix"), (dim, source), path)?,
            offset: aview1(offset).to_owned(),
            noise: noise.ok_or_else(|| {
                fault("has a factor that is not lower-triangular with a positive diagonal")
            })?,
        })
    }
}

impl ConditionalDensity for LinearGaussian {
    fn dims(&self) -> (usize, usize) {
        (self.matrix.ncols(), self.matrix.nrows())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(ParametricDistributions::new(
            self,
            self.dims(),
            source,
        )?))
    }
}

impl Parametric for LinearGaussian {
    type Tape = Array2<f32>;

    const MEAN: Option<MeanIn<Self>> = Some(|_, mean| mean);

    /// Returns the means A s + b, `[rows, target]`.
    fn parameters_of<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        means: &'t mut Array2<f32>,
    ) -> ArrayView2<'t, f32> {
        *means = row_major(sources.dot(&self.matrix.t()) + &self.offset);
        // A source far off must not give an infinite mean.
        means.mapv_inplace(|mean| mean.clamp(-MAX_MEAN, MAX_MEAN));
        means.view()
    }

    fn log_density_nats(&self, mean: &[f32], point: &[f32], residual: &mut Vec<f64>) -> f64 {
        let differences = point.iter().zip(mean);
        residual.clear();
        residual.extend(differences.map(|(&point, &mean)| f64::from(point) - f64::from(mean)));
        // rᵀ Σ⁻¹ r = ‖L⁻¹ r‖² with Σ = L Lᵀ.
        self.noise.whiten(rows_of_mut(residual, mean.len()));
        let distance = dot(residual, residual) + mean.len() as f64 * LN_TWO_PI;
        -self.noise.half_log_determinant() - 0.5 * distance
    }

    /// Draws A s + b + L z.
    fn draw(
        &self,
        mean: &[f32],
        _uniforms: &[f32],
        mut noise: ArrayViewMut2<'_, f32>,
        _scratch: &mut Vec<f64>,
    ) {
        let coloured = self.noise.coloured(noise.mapv(f64::from).view());
        for (draw, coloured) in noise.rows_mut().into_iter().zip(coloured.rows()) {
            let draw = values_of_mut(draw);
            for ((value, &mean), coloured) in draw.iter_mut().zip(mean).zip(values_of(coloured)) {
                *value = (f64::from(mean) + coloured) as f32;
            }
        }
    }
}
