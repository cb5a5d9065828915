//! Components of a target's aggregate posterior.

use super::latent_space::LatentSpace;
use crate::families::{fit_components, responsibilities};
use zbridge_core::{DiagonalGaussian, Latents, RandomStream, ShapeError};

/// Gaussians that together describe an aggregate posterior, with their weights.
#[derive(Debug, Clone)]
pub(super) struct AggregateComponents {
    /// `[components, active]`, in the coordinates of the frame.
    pub(super) gaussians: DiagonalGaussian,
    /// `[components]`.
    pub(super) log_weights: Vec<f32>,
}

impl AggregateComponents {
    /// Returns the components for the pairs in `rows` and all posteriors without partners: the
    /// distinct posteriors of a discrete modality, weighted by their frequency; otherwise a
    /// Gaussian mixture fitted to one draw of each posterior.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] if a draw is NaN.
    pub(super) fn of(
        space: &LatentSpace,
        rows: &[usize],
        stream: &mut RandomStream,
    ) -> Result<Self, ShapeError> {
        const MAX_COMPONENTS: usize = 32;
        let points = draw_once(space, rows, stream);
        if let Some(atoms) = space.frame.atoms() {
            return Ok(Self {
                log_weights: log_frequencies(&atoms, &points),
                gaussians: atoms,
            });
        }
        let points = Latents::clamped(points, space.frame.active())?;
        let (gaussians, log_weights) = fit_components(&points, MAX_COMPONENTS, stream);
        Ok(Self {
            gaussians,
            log_weights,
        })
    }
}

/// Returns one draw of each posterior, those of the pairs first.
fn draw_once(space: &LatentSpace, rows: &[usize], stream: &mut RandomStream) -> Vec<f32> {
    let mut points = Vec::new();
    space.pairs.draw(rows, stream, &mut points);
    if let Some(unpaired) = &space.unpaired {
        let every: Vec<usize> = (0..unpaired.rows()).collect();
        let mut more = Vec::new();
        unpaired.draw(&every, stream, &mut more);
        points.extend(more);
    }
    points
}

/// Returns the logarithms of the atoms' frequencies among points.
fn log_frequencies(atoms: &DiagonalGaussian, points: &[f32]) -> Vec<f32> {
    // One more of each, so that an atom that does not occur is rare, not impossible.
    let mut counts = vec![1.0f32; atoms.rows()];
    for probabilities in responsibilities(atoms, points).chunks_exact(atoms.rows()) {
        for (count, probability) in counts.iter_mut().zip(probabilities) {
            *count += probability;
        }
    }
    let total: f32 = counts.iter().sum();
    counts.iter().map(|count| (count / total).ln()).collect()
}
