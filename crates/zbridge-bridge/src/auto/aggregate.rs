//! Components of a target's aggregate posterior.

use super::latent_space::LatentSpace;
use crate::families::{fit_components, responsibilities};
use crate::rows::{clamped, stacked};
use ndarray::{Array1, Array2, ArrayView2};
use zbridge_core::{DiagonalGaussian, RandomStream, ShapeError};

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
                log_weights: log_frequencies(&atoms, points.view()),
                gaussians: atoms,
            });
        }
        let (gaussians, log_weights) = fit_components(&clamped(points)?, MAX_COMPONENTS, stream)?;
        Ok(Self {
            gaussians,
            log_weights,
        })
    }
}

/// Returns one draw of each posterior, those of the pairs first.
fn draw_once(space: &LatentSpace, rows: &[usize], stream: &mut RandomStream) -> Array2<f32> {
    let of_pairs = space.pairs.draw(rows, stream);
    let Some(unpaired) = &space.unpaired else {
        return of_pairs;
    };
    let every: Vec<usize> = (0..unpaired.rows()).collect();
    stacked([&of_pairs, &unpaired.draw(&every, stream)])
}

/// Returns the logarithms of the atoms' frequencies among points.
fn log_frequencies(atoms: &DiagonalGaussian, points: ArrayView2<'_, f32>) -> Vec<f32> {
    // One more of each, so that an atom that does not occur is rare, not impossible.
    let mut counts = Array1::ones(atoms.rows());
    for probabilities in responsibilities(atoms, points).rows() {
        counts += &probabilities;
    }
    let total: f32 = counts.iter().sum();
    counts.iter().map(|count| (count / total).ln()).collect()
}
