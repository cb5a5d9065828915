//! From one modality to the other: the three sampling steps of section 3.1 of the paper (Imakiire,
//! Ochi, Mori, Sakata 2018).

use crate::Error;
use ndarray::Array2;
use zbridge_core::{
    ConditionalDensity, LatentModel, Latents, Observations, Posterior, RandomStream, ShapeError,
};

/// Returns target latents for each source posterior, `[n · draws, target dim]`; the draws of a row
/// stand side by side.
///
/// For each draw, z_source ~ p(z|source_i), or its mean for a density that was fitted on means,
/// then z_target ~ q(z_target|z_source).
///
/// ```
/// use zbridge::{Bridge, BridgeConfig, DiagonalGaussian, FitData, Posterior, RandomStream};
/// # let mut stream = RandomStream::named(1, "example");
/// # let x: Posterior = DiagonalGaussian::standard(40, 3).into();
/// # let y: Posterior = DiagonalGaussian::standard(40, 2).into();
/// # let mut config = zbridge::PaperConfig::default();
/// # config.steps = 10;
/// # let config = BridgeConfig::paper(config).check()?;
/// # let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &zbridge::Unobserved)?;
/// let draws = zbridge::translate(bridge.x_to_y(), &x, 5, &mut stream)?;
/// assert_eq!((draws.rows(), draws.dim()), (40 * 5, 2));
/// # Ok::<(), zbridge::Error>(())
/// ```
///
/// # Errors
/// [`Error::Density`] if the posterior is not of the density's source dimension.
pub fn translate(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Latents, Error> {
    let sources = density.sources(source, draws, stream);
    Ok(density.given(&sources)?.sample_each(1, stream)?)
}

/// Draws that are in memory at once for each source.
const DRAWS_AT_ONCE: usize = 256;

/// Returns the mean of the conditional for each source posterior, `[n, target dim]`: over `draws`
/// draws of the source, the mean of the conditional's mean, or of a draw from it if its mean has no
/// closed form.
///
/// It is the best guess under squared error. Where targets fall into groups, such as classes, it
/// lies between the groups, where there may be no target at all.
///
/// # Errors
/// [`Error::Density`] if the posterior is not of the density's source dimension,
/// [`Error::Shape`] if there are no draws.
pub fn translate_mean(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Latents, Error> {
    if draws == 0 {
        let what = "draws of a conditional";
        return Err(ShapeError::Empty { what }.into());
    }
    let (_, dim) = density.dims();
    let mut sums = Array2::<f64>::zeros((source.rows(), dim));
    for first in (0..draws).step_by(DRAWS_AT_ONCE) {
        let count = DRAWS_AT_ONCE.min(draws - first);
        let sources = density.sources(source, count, stream);
        let given = density.given(&sources)?;
        let drawn = match given.means()? {
            Some(means) => means,
            None => given.sample_each(1, stream)?,
        };
        for (row, draw) in drawn.view().outer_iter().enumerate() {
            let mut sum = sums.row_mut(row / count);
            sum.zip_mut_with(&draw, |sum, &value| *sum += f64::from(value));
        }
    }
    Ok(Latents::new(sums.mapv(|sum| (sum / draws as f64) as f32))?)
}

/// Returns one generated observation for each source posterior and draw, `[n · draws]`:
/// [`translate`], then the decoder of the target's model.
///
/// # Errors
/// [`Error::Density`] or [`Error::LatentModel`] if dimensions do not belong together.
pub fn generate(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    target: &dyn LatentModel,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    Ok(target.decode(&translate(density, source, draws, stream)?)?)
}

/// Returns p(target class|source_i), `[n, classes]`: the mean of p(y|z_y) over `draws` draws.
///
/// # Errors
/// [`Error::Density`] or [`Error::LatentModel`] if dimensions do not belong together.
pub fn class_probabilities(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    target: &dyn LatentModel,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    let each = generate(density, source, target, draws, stream)?;
    Ok(mean_observations(&each, draws)?)
}

/// Returns the mean of every `draws` rows in a row, `[rows / draws]` observations.
///
/// # Errors
/// [`ShapeError::Ragged`] if the rows are not a multiple of `draws`.
pub fn mean_observations(
    observations: &Observations,
    draws: usize,
) -> Result<Observations, ShapeError> {
    let rows = observations.rows();
    if draws == 0 || !rows.is_multiple_of(draws) {
        return Err(ShapeError::Ragged {
            values: rows,
            dim: draws,
        });
    }
    let mut means = vec![0.0; rows / draws * observations.kind().size()];
    let blocks = means.chunks_exact_mut(observations.kind().size());
    for (block, mean) in blocks.enumerate() {
        for row in block * draws..(block + 1) * draws {
            for (mean, value) in mean.iter_mut().zip(observations.row(row)) {
                *mean += value / draws as f32;
            }
        }
    }
    Observations::new(means, observations.kind().clone())
}
