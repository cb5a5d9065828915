//! Components of a target's aggregate posterior.

use super::latent_space::LatentSpace;
use crate::families::{fit_components, responsibilities};
use crate::rows::{clamped, stacked};
use crate::scale_mixture::ScaleMixture;
use ndarray::{Array1, Array2, ArrayView2};
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
    /// distinct posteriors of a discrete modality, weighted by their frequency; in whitened
    /// principal components normals around 0 of several variances; otherwise a Gaussian mixture
    /// fitted to one draw of each posterior.
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
        if space.frame.spreads().is_some() {
            return Self::of_scales(points.view());
        }
        let (gaussians, log_weights) = fit_components(&clamped(points)?, MAX_COMPONENTS, stream)?;
        Ok(Self {
            gaussians,
            log_weights,
        })
    }

    /// Returns normals around 0 whose variances, and their weights, are those of a scale mixture
    /// fitted to whitened points.
    fn of_scales(points: ArrayView2<'_, f32>) -> Result<Self, ShapeError> {
        let (variances, weights) = ScaleMixture::fit(points).components();
        let (rows, dim) = (variances.len(), points.ncols());
        let log_var = Array2::from_shape_fn((rows, dim), |(row, _)| variances[row].ln());
        let mean = Latents::filled(rows, dim, 0.0);
        Ok(Self {
            gaussians: DiagonalGaussian::new(mean, Latents::new(log_var)?)?,
            log_weights: weights.iter().map(|weight| weight.ln()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;

    #[test]
    fn whitened_points_are_described_by_their_scales() {
        let points = standard_normal((500, 8), &mut RandomStream::named(1, "points"));
        let found = AggregateComponents::of_scales(points.view()).unwrap();
        assert!(
            found
                .gaussians
                .mean()
                .values()
                .iter()
                .all(|mean| *mean == 0.0)
        );
        let heaviest = (0..found.log_weights.len())
            .max_by(|&a, &b| found.log_weights[a].total_cmp(&found.log_weights[b]))
            .unwrap();
        let log_var = found.gaussians.log_var().row(heaviest)[0];
        assert!(log_var.abs() < 0.4, "{log_var}");
    }
}
