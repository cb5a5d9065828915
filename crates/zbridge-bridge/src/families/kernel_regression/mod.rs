mod kernel;
mod mean;
mod regression;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use mean::{FittedMean, KernelMean};

use super::family_density::FamilyDensity;
use super::stored::{put_json, put_matrix, put_vector, stored, stored_matrix};
use crate::BridgeError;
use crate::density::Density;
use crate::linear_algebra::Cholesky;
use crate::maximum_likelihood::{PairBatch, Pairs};
use crate::rows::{DistinctRows, clamped};
use crate::scale_mixture::ScaleMixture;
use kernel::Kernel;
use ndarray::{Array2, ArrayView2, Axis, aview1};
use std::path::Path;
use zbridge_core::{ConditionalDensity, DensityError, LatentDistribution, Latents, RandomStream};
use zbridge_nn::{NnError, WeightsFile};

/// The density of a whitened residual r.
#[derive(Debug, Clone, PartialEq)]
enum Residual {
    /// The same for every source.
    Scaled(ScaleMixture),
    /// Depending on the source.
    Conditional(Box<Density>),
}

/// q(t|s): the mean m(s) of a Gaussian process, and a density of what it leaves.
///
/// t = m(s) + L r, where r follows a scale mixture of normals, or a density that depends on s. L Lᵀ
/// is the covariance of t − m(s) over pairs that the mean was fitted without, so that the density
/// is as wide on new pairs as it says.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelRegression {
    mean: KernelMean,
    /// L Lᵀ.
    covariance: Cholesky,
    residual: Residual,
}

impl KernelRegression {
    /// Returns the regression whose whitened residuals are distributed like these, whatever the
    /// source is: `residuals` `[rows, target]`.
    pub(crate) fn new(
        mean: KernelMean,
        covariance: Cholesky,
        residuals: ArrayView2<'_, f32>,
    ) -> Self {
        Self {
            mean,
            covariance,
            residual: Residual::Scaled(ScaleMixture::fit(residuals)),
        }
    }

    /// Returns the same mean with this density of whitened residuals.
    pub(crate) fn with_residual(self, residual: Density) -> Self {
        Self {
            residual: Residual::Conditional(Box::new(residual)),
            ..self
        }
    }

    /// Returns draws of L r, which is the same for every source, `[draws, target]`; zeros if r
    /// depends on the source.
    pub(crate) fn deviations(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        let dim = self.mean.offset.len();
        let Residual::Scaled(mixture) = &self.residual else {
            return Ok(Array2::zeros((draws, dim)));
        };
        let residuals = mixture.for_rows(1, dim).sample_each(draws, stream)?;
        Ok(self.covariance.coloured_f32(residuals.view()))
    }

    /// Returns the mean m(s) of the regression for each source, `[rows, target]`.
    pub(crate) fn means(&self, sources: &Latents) -> Result<Latents, DensityError> {
        // A mean costs as much as there are pairs, and sources often occur many times.
        let distinct = DistinctRows::of(sources.view());
        let means = self.mean.at(sources.select(&distinct.firsts).view());
        Ok(clamped(means.select(Axis(0), &distinct.places))?)
    }
}

impl FamilyDensity for KernelRegression {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        let KernelMean {
            kernel,
            scales,
            landmarks,
            weights,
            offset,
        } = &self.mean;
        let lower = self.covariance.lower().mapv(|value| value as f32);
        put_vector(file, format!("{prefix}.scales"), &scales.to_vec());
        let as_f32 = |values: &Array2<f64>| values.mapv(|value| value as f32);
        put_matrix(
            file,
            format!("{prefix}.landmarks"),
            as_f32(landmarks).view(),
        );
        put_matrix(file, format!("{prefix}.weights"), as_f32(weights).view());
        put_vector(file, format!("{prefix}.offset"), &offset.to_vec());
        put_matrix(file, format!("{prefix}.factor"), lower.view());
        let (inputs, target) = self.dims();
        let shape = (landmarks.nrows(), inputs, target);
        put_json(file, format!("{prefix}.kernel"), kernel)?;
        put_json(file, format!("{prefix}.kernel-regression"), &shape)?;
        match &self.residual {
            Residual::Scaled(mixture) => {
                mixture.put_into(file, prefix);
                Ok(())
            }
            Residual::Conditional(residual) => {
                residual.put_into(file, &format!("{prefix}.residual"))
            }
        }
    }

    fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
        let factor = 1.0 / f64::from(inverse_temperature).sqrt();
        Self {
            covariance: self.covariance.scaled(factor),
            ..self
        }
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let fault = |reason: &str| NnError::Weights {
            path: path.to_owned(),
            reason: format!("the kernel regression `{prefix}` {reason}; get the file anew"),
        };
        let kernel: Kernel = file.parsed_metadata(&format!("{prefix}.kernel"), path)?;
        let (landmarks, inputs, target): (usize, usize, usize) =
            file.parsed_metadata(&format!("{prefix}.kernel-regression"), path)?;
        if !kernel.is_sound() || landmarks == 0 || inputs == 0 || target == 0 {
            return Err(fault("has no dimensions, or a kernel that is none").into());
        }
        let lower = stored_matrix(file, &format!("{prefix}.factor"), (target, target), path)?;
        let covariance = Cholesky::from_lower(lower.mapv(f64::from)).ok_or_else(|| {
            fault("has a factor that is not lower-triangular with a positive diagonal")
        })?;
        let matrix = |name: &str, shape| -> Result<Array2<f64>, BridgeError> {
            let values = stored_matrix(file, &format!("{prefix}.{name}"), shape, path)?;
            Ok(values.mapv(f64::from))
        };
        let shape = (landmarks, inputs);
        let scales = stored(file, &format!("{prefix}.scales"), &[inputs], path)?;
        let mean = KernelMean {
            kernel,
            scales: aview1(scales).to_owned(),
            landmarks: matrix("landmarks", shape)?,
            weights: matrix("weights", (landmarks, target))?,
            offset: aview1(stored(file, &format!("{prefix}.offset"), &[target], path)?).to_owned(),
        };
        let residual = residual_from_file(file, prefix, path)?;
        if let Residual::Conditional(density) = &residual
            && density.as_dyn().dims() != (inputs, target)
        {
            return Err(fault("has a residual of other dimensions").into());
        }
        Ok(Self {
            mean,
            covariance,
            residual,
        })
    }
}

fn residual_from_file(
    file: &WeightsFile,
    prefix: &str,
    path: &Path,
) -> Result<Residual, BridgeError> {
    let residual = format!("{prefix}.residual");
    if !file.metadata.contains_key(&format!("{residual}.kind")) {
        let mixture = ScaleMixture::from_file(file, prefix, path)?;
        return Ok(Residual::Scaled(mixture));
    }
    // A file must not make us follow residuals of residuals without end.
    if prefix.ends_with(".residual") {
        let reason = format!("`{prefix}` is a residual and has one itself; get the file anew");
        let path = path.to_owned();
        return Err(NnError::Weights { path, reason }.into());
    }
    let density = Density::from_file(file, &residual, path)?;
    Ok(Residual::Conditional(Box::new(density)))
}

impl ConditionalDensity for KernelRegression {
    fn dims(&self) -> (usize, usize) {
        (self.mean.landmarks.ncols(), self.mean.offset.len())
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        let (inputs, dim) = self.dims();
        super::parametric::check_source(source, inputs)?;
        let residuals = match &self.residual {
            Residual::Conditional(density) => density.as_dyn().given(source)?,
            Residual::Scaled(mixture) => Box::new(mixture.for_rows(source.rows(), dim)),
        };
        Ok(Box::new(AroundMeans {
            means: self.means(source)?,
            covariance: &self.covariance,
            residuals,
        }))
    }
}

/// m(s_i) + L r_i for each row of a batch of sources.
struct AroundMeans<'r> {
    /// `[rows, target]`.
    means: Latents,
    covariance: &'r Cholesky,
    /// Of r.
    residuals: Box<dyn LatentDistribution + 'r>,
}

impl LatentDistribution for AroundMeans<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.means.rows(), self.means.dim())
    }

    fn sample_each(
        &self,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, DensityError> {
        let residuals = self.residuals.sample_each(draws, stream)?;
        let deviations = self.covariance.coloured_f32(residuals.view());
        let means = self.means.repeat_each(draws);
        Ok(clamped(deviations + means.view())?)
    }

    fn log_prob(&self, points: &Latents) -> Result<Vec<f64>, DensityError> {
        let (rows, dim) = self.shape();
        points.expect_shape("points under the density", rows, dim)?;
        let deviations = &points.view() - &self.means.view();
        let residuals = clamped(self.covariance.whitened_f32(deviations.view()))?;
        let mut nats = self.residuals.log_prob(&residuals)?;
        for nats in &mut nats {
            *nats -= self.covariance.half_log_determinant();
        }
        DensityError::check(nats)
    }

    fn means(&self) -> Result<Option<Latents>, DensityError> {
        let Some(residuals) = self.residuals.means()? else {
            return Ok(None);
        };
        let deviations = self.covariance.coloured_f32(residuals.view());
        Ok(Some(clamped(deviations + self.means.view())?))
    }
}

/// Pairs with the whitened residual L⁻¹ (t − m₋ᵢ(s_i)) in place of each target, where m₋ᵢ is the
/// mean fitted without pair i.
pub(crate) struct ResidualPairs<'p> {
    pub(crate) pairs: &'p dyn Pairs,
    /// m₋ᵢ(s_i), `[pairs, target]`.
    pub(crate) left_out: &'p Array2<f32>,
    pub(crate) covariance: &'p Cholesky,
}

impl Pairs for ResidualPairs<'_> {
    fn count(&self) -> usize {
        self.pairs.count()
    }

    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let PairBatch { source, target } = self.pairs.draw(rows, stream);
        let residuals = target - self.left_out.select(Axis(0), rows);
        PairBatch {
            source,
            target: self.covariance.whitened_f32(residuals.view()),
        }
    }
}
