use super::roles::{LatentsArrays, Roles};
use crate::container::ArrayFile;
use crate::{ArrayError, DataError};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

impl Roles {
    /// Returns p(z|x) of each row.
    pub(super) fn posterior(&self, file: &ArrayFile<'_>) -> Result<Posterior, DataError> {
        match self.latents {
            LatentsArrays::Gaussian {
                mean,
                spread,
                is_standard_deviation: false,
            } => self.gaussian(file, mean, spread),
            LatentsArrays::Gaussian { mean, spread, .. } => {
                let log_var = self.log_var_of_scales(file, spread)?;
                gaussian(file, self.latents(file, mean)?, spread, log_var)
            }
            LatentsArrays::Samples(index) | LatentsArrays::Points(index) => {
                self.samples(file, index)
            }
        }
    }

    /// Returns p(z|x′) of the augmented views; `None` if the file has none.
    pub(super) fn views(&self, file: &ArrayFile<'_>) -> Result<Option<Posterior>, DataError> {
        match self.views {
            None => Ok(None),
            Some(views) => self.gaussian(file, views.mean, views.log_var).map(Some),
        }
    }

    fn gaussian(
        &self,
        file: &ArrayFile<'_>,
        mean: usize,
        log_var: usize,
    ) -> Result<Posterior, DataError> {
        let mean = self.latents(file, mean)?;
        gaussian(file, mean, log_var, self.latents(file, log_var)?)
    }

    /// Returns an array of floats as latents, `[n, d]` or `[n · views, d]`.
    fn latents(&self, file: &ArrayFile<'_>, index: usize) -> Result<Latents, DataError> {
        let latents = Latents::from_vec(file.floats_f32(index)?, self.layout.dim());
        latents.map_err(|reason| file.wrong_value(index, reason))
    }

    /// Returns the log-variances of standard deviations.
    fn log_var_of_scales(&self, file: &ArrayFile<'_>, index: usize) -> Result<Latents, DataError> {
        let scales = file.floats_f64(index)?;
        if let Some(place) = scales.iter().position(|&scale| scale <= 0.0) {
            return Err(self.wrong_scale(file, index, place, scales[place]));
        }
        // In double precision, so that the square of a small scale is not 0.
        let log_var = scales.iter().map(|scale| (2.0 * scale.ln()) as f32);
        let log_var = Latents::from_vec(log_var.collect(), self.layout.dim());
        log_var.map_err(|reason| file.wrong_value(index, reason))
    }

    fn wrong_scale(
        &self,
        file: &ArrayFile<'_>,
        index: usize,
        place: usize,
        value: f64,
    ) -> DataError {
        let dim = self.layout.dim();
        file.error(ArrayError::ScaleNotPositive {
            array: file.named(index),
            row: file.row_number(place / dim),
            column: place % dim,
            value,
        })
    }

    fn samples(&self, file: &ArrayFile<'_>, index: usize) -> Result<Posterior, DataError> {
        let draws = self.layout.draws;
        let points = Latents::from_vec(file.floats_f32(index)?, self.layout.dim());
        let points = points.map_err(|reason| wrong_draw(file, index, reason, draws))?;
        // A point is a posterior of one draw.
        let samples = PosteriorSamples::new(points, draws);
        let samples = samples.map_err(|reason| file.wrong_value(index, reason))?;
        Ok(samples.into())
    }
}

fn gaussian(
    file: &ArrayFile<'_>,
    mean: Latents,
    spread: usize,
    log_var: Latents,
) -> Result<Posterior, DataError> {
    let gaussian = DiagonalGaussian::new(mean, log_var);
    let gaussian = gaussian.map_err(|reason| file.wrong_value(spread, reason))?;
    Ok(gaussian.into())
}

/// Returns the error of values of draws, with the row and the draw.
fn wrong_draw(file: &ArrayFile<'_>, index: usize, reason: ShapeError, draws: usize) -> DataError {
    match reason {
        // The rows of the error are draws, which users do not count.
        ShapeError::NotFinite { row, column, value } if draws > 1 => {
            file.error(ArrayError::Value {
                array: format!("{}, draw {}", file.named(index), row % draws),
                reason: ShapeError::NotFinite {
                    row: file.row_number(row / draws),
                    column,
                    value,
                },
            })
        }
        reason => file.wrong_value(index, reason),
    }
}
