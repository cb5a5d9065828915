//! From one modality to the other: the three sampling steps of the paper's section 3.1.

use crate::Error;
use zbridge_bridge::GaussianDensity;
use zbridge_core::{LatentDistribution, LatentModel, Latents, Observations, Posterior, RandomStream};

/// Target latents for each source posterior, `[n · draws, target dim]`, draws side by side:
/// z_source ~ p(z|source_i), then z_target ~ q(z_target|z_source).
///
/// # Errors
/// [`Error::Shape`] when the posterior is not of the density's source dimension.
pub fn translate(
    density: &GaussianDensity,
    source: &Posterior,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Latents, Error> {
    let sources = source.as_diagonal().sample_each(draws, stream);
    Ok(density.gaussians(&sources)?.sample(stream))
}

/// One generated observation for each source posterior and draw, `[n · draws]`.
///
/// # Errors
/// [`Error::Shape`] when dimensions do not belong together.
pub fn generate(
    density: &GaussianDensity,
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
    density: &GaussianDensity,
    source: &Posterior,
    target: &dyn LatentModel,
    draws: usize,
    stream: &mut RandomStream,
) -> Result<Observations, Error> {
    let each = generate(density, source, target, draws, stream)?;
    let classes = each.kind().size();
    let mean_of = |block: &[f32]| -> Vec<f32> {
        let mut mean = vec![0.0; classes];
        for row in block.chunks_exact(classes) {
            mean.iter_mut().zip(row).for_each(|(total, p)| *total += p / draws as f32);
        }
        mean
    };
    let values = each.values().chunks_exact(draws * classes).flat_map(mean_of).collect();
    Ok(Observations::new(values, each.kind().clone())?)
}
