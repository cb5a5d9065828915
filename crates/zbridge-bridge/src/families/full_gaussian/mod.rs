mod gradient;
mod outputs;
#[cfg(test)]
mod tests;

use super::conditioner::Conditioner;
use super::family_density::FamilyDensity;
use super::parametric::{MeanIn, Parametric, ParametricDistributions};
use super::smooth_clamp::smooth_clamp;
use super::stored::put_json;
use crate::BridgeError;
use crate::rows::{add_scaled, dot, values_of_mut};
use ndarray::{ArrayView2, ArrayViewMut2};
use outputs::{Outputs, outputs_in};
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, LN_TWO_PI, LatentDistribution, Latents, RandomStream,
};
use zbridge_nn::{NnError, Tape, WeightsFile};

/// q(t|s) = N(μ(s), (L(s) L(s)ᵀ)⁻¹): a Gaussian with full covariance. A network gives its mean, and
/// the lower-triangular factor L of its precision.
///
/// log q = Σ log L_ii − ½ ‖Lᵀ (t − μ)‖² − ½ dim log 2π.
///
/// # Source
/// Williams 1996, "Using neural networks to model conditional multivariate densities": the
/// precision's factor needs no constraint but a positive diagonal, and no inverse on the way to the
/// likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct FullGaussian {
    /// Its outputs are those of [`Outputs`].
    conditioner: Conditioner,
    dim: usize,
}

/// log L_ii stays within ± this.
const MAX_LOG_SCALE: f32 = 8.0;

impl FullGaussian {
    /// Returns the untrained density, next to the standard normal for every source.
    ///
    /// # Errors
    /// [`ShapeError::Empty`](zbridge_core::ShapeError::Empty) if a width is 0,
    /// [`BridgeError::Setting`] if `dropout` is not in [0, 1).
    pub(crate) fn initial(
        source: usize,
        target: usize,
        hidden: &[usize],
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        // No network has 0 outputs: a number that is too large becomes an error of shapes.
        let outputs = outputs_in(target).unwrap_or(0);
        Ok(Self {
            conditioner: Conditioner::initial(source, hidden, outputs, dropout, stream)?,
            dim: target,
        })
    }
}

impl FamilyDensity for FullGaussian {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        self.conditioner.put_into(file, prefix)?;
        put_json(file, format!("{prefix}.full-gaussian"), &self.dim)
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let conditioner = Conditioner::from_file(file, prefix, path)?;
        let dim: usize = file.parsed_metadata(&format!("{prefix}.full-gaussian"), path)?;
        let found = conditioner.outputs();
        if dim == 0 || outputs_in(dim) != Some(found) {
            let reason = format!(
                "`{prefix}` gives {found} numbers, which are no full Gaussian in {dim} dimensions"
            );
            let path = path.to_owned();
            return Err(NnError::Weights { path, reason }.into());
        }
        Ok(Self { conditioner, dim })
    }
}

impl ConditionalDensity for FullGaussian {
    fn dims(&self) -> (usize, usize) {
        (self.conditioner.inputs(), self.dim)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(ParametricDistributions::new(
            self,
            self.dims(),
            source,
        )?))
    }
}

impl Parametric for FullGaussian {
    type Tape = Tape;

    const MEAN: Option<MeanIn<Self>> =
        Some(|family, outputs| Outputs::of(outputs, family.dim).mean);

    fn parameters_of<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        self.conditioner.infer(sources, tape)
    }

    fn log_density_nats(&self, outputs: &[f32], point: &[f32], whitened: &mut Vec<f64>) -> f64 {
        let outputs = Outputs::of(outputs, self.dim);
        let mut nats = -0.5 * self.dim as f64 * LN_TWO_PI;
        whitened.clear();
        whitened.resize(self.dim, 0.0);
        for i in 0..self.dim {
            let log_scale = f64::from(smooth_clamp(outputs.log_scales[i], MAX_LOG_SCALE).value);
            let residual = f64::from(point[i]) - f64::from(outputs.mean[i]);
            // u = Lᵀ r, row by row of L: row i takes part in u_0 … u_i.
            whitened[i] += log_scale.exp() * residual;
            for (whitened, &entry) in whitened.iter_mut().zip(outputs.left_of_diagonal(i)) {
                *whitened += residual * f64::from(entry);
            }
            // ½ log det L Lᵀ = Σ log L_ii.
            nats += log_scale;
        }
        nats - 0.5 * dot(whitened, whitened)
    }

    /// Draws μ + L⁻ᵀ z, from the last dimension to the first.
    fn draw(
        &self,
        outputs: &[f32],
        _uniforms: &[f32],
        mut noise: ArrayViewMut2<'_, f32>,
        deviations: &mut Vec<f64>,
    ) {
        let outputs = Outputs::of(outputs, self.dim);
        let deviation = |&raw: &f32| f64::from(-smooth_clamp(raw, MAX_LOG_SCALE).value).exp();
        deviations.clear();
        deviations.extend(outputs.log_scales.iter().map(deviation));
        for draw in noise.rows_mut() {
            let draw = values_of_mut(draw);
            for i in (0..self.dim).rev() {
                draw[i] *= deviations[i] as f32;
                let solved = draw[i];
                // Back substitution in Lᵀ x = z: row i of L is column i of Lᵀ.
                add_scaled(&mut draw[..i], -solved, outputs.left_of_diagonal(i));
                draw[i] += outputs.mean[i];
            }
        }
    }
}
