//! From one modality to the other: the three sampling steps of the paper's section 3.1.

use crate::Error;
use zbridge_core::{
    ConditionalDensity, LatentModel, Latents, Observations, Posterior, RandomStream,
};

/// Target latents for each source posterior, `[n · draws, target dim]`, draws side by side:
/// z_source ~ p(z|source_i), then z_target ~ q(z_target|z_source).
///
/// # Errors
/// [`Error::Shape`] when the posterior is not of the density's source dimension.
pub fn translate(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Latents, Error> {
    let sources = source.sample_each(draws, stream);
    Ok(density.given(&sources)?.sample_each(1, stream))
}

/// One generated observation for each source posterior and draw, `[n · draws]`.
///
/// # Errors
/// [`Error::Shape`] when dimensions do not belong together.
pub fn generate(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    target: &dyn LatentModel,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    Ok(target.decode(&translate(density, source, draws, stream)?)?)
}

/// p(target class|source_i) = E p(y|z_y) over `draws` draws, `[n, classes]`.
///
/// # Errors
/// [`Error::Shape`] when dimensions do not belong together.
pub fn class_probabilities(
    density: &dyn ConditionalDensity,
    source: &Posterior,
    target: &dyn LatentModel,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    mean_probabilities(&generate(density, source, target, draws, stream)?, draws)
}

/// The mean of each `draws` rows of class probabilities, `[n, classes]`.
///
/// # Errors
/// [`Error::Shape`] when the observations are not classes.
pub(crate) fn mean_probabilities(each: &Observations, draws: usize) -> Result<Observations, Error> {
    let classes = each.kind().size();
    let mean_of = |block: &[f32]| -> Vec<f32> {
        let mut mean = vec![0.0; classes];
        for row in block.chunks_exact(classes) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(total, p)| *total += p / draws as f32);
        }
        mean
    };
    let values = each
        .values()
        .chunks_exact(draws * classes)
        .flat_map(mean_of)
        .collect();
    Ok(Observations::new(values, each.kind().clone())?)
}
