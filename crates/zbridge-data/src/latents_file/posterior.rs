use super::contents::Contents;
use super::roles::{LatentsRole, Layout, Roles};
use crate::DataError;
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

impl Roles {
    /// p(z|x) of each row.
    pub(super) fn posterior(&self, contents: &Contents<'_>) -> Result<Posterior, DataError> {
        let dim = self.layout.dim();
        match self.latents {
            LatentsRole::Gaussian {
                mean,
                spread,
                is_scale,
            } => {
                let mean = batch(contents, mean, contents.rounded(mean)?, dim)?;
                let log_var = if is_scale {
                    log_var(contents, spread, dim)?
                } else {
                    contents.rounded(spread)?
                };
                gaussian(contents, mean, spread, log_var)
            }
            LatentsRole::Samples(index) | LatentsRole::Points(index) => self.draws(contents, index),
        }
    }

    fn draws(&self, contents: &Contents<'_>, index: usize) -> Result<Posterior, DataError> {
        let Layout { draws, .. } = self.layout;
        let points = contents.rounded(index)?;
        let points = Latents::from_vec(points, self.layout.dim())
            .map_err(|reason| of_draw(contents, index, reason, draws))?;
        let samples = PosteriorSamples::new(points, draws)
            .map_err(|reason| contents.wrong_value(index, reason))?;
        Ok(samples.into())
    }

    /// p(z|x′) of other looks, those of a row side by side.
    pub(super) fn views(&self, contents: &Contents<'_>) -> Result<Option<Posterior>, DataError> {
        let Some([mean_index, log_var_index]) = self.views else {
            return Ok(None);
        };
        let mean = batch(
            contents,
            mean_index,
            contents.rounded(mean_index)?,
            self.layout.dim(),
        )?;
        let log_var = contents.rounded(log_var_index)?;
        gaussian(contents, mean, log_var_index, log_var).map(Some)
    }
}

fn gaussian(
    contents: &Contents<'_>,
    mean: Latents,
    spread: usize,
    log_var: Vec<f32>,
) -> Result<Posterior, DataError> {
    let log_var = batch(contents, spread, log_var, mean.dim())?;
    let gaussian = DiagonalGaussian::new(mean, log_var)
        .map_err(|reason| contents.wrong_value(spread, reason))?;
    Ok(gaussian.into())
}

fn batch(
    contents: &Contents<'_>,
    index: usize,
    values: Vec<f32>,
    dim: usize,
) -> Result<Latents, DataError> {
    Latents::from_vec(values, dim).map_err(|reason| contents.wrong_value(index, reason))
}

/// Twice the logarithm of each standard deviation.
fn log_var(contents: &Contents<'_>, index: usize, dim: usize) -> Result<Vec<f32>, DataError> {
    let scales = contents.floats(index)?;
    match scales.iter().position(|&scale| scale <= 0.0) {
        None => Ok(scales
            .iter()
            .map(|scale| (2.0 * scale.ln()) as f32)
            .collect()),
        Some(i) => Err(DataError::ScaleNotPositive {
            path: contents.path.clone(),
            tensor: contents.named(index),
            row: contents.row(i / dim),
            column: i % dim,
            value: scales[i],
        }),
    }
}

/// The place of a value among draws: its row, and the draw in it.
fn of_draw(contents: &Contents<'_>, index: usize, reason: ShapeError, draws: usize) -> DataError {
    match reason {
        ShapeError::NotFinite { row, column, value } if draws > 1 => DataError::Value {
            path: contents.path.clone(),
            tensor: format!("{}, draw {}", contents.named(index), row % draws),
            reason: ShapeError::NotFinite {
                row: contents.row(row / draws),
                column,
                value,
            },
        },
        reason => contents.wrong_value(index, reason),
    }
}
