//! Standardised coordinates of a latent space: what makes a few hundred pairs enough.

mod fit;
mod framed_posterior;
#[cfg(test)]
mod tests;

pub(crate) use framed_posterior::FramedPosterior;

use crate::families::responsibilities;
use crate::principal_components::PrincipalComponents;
use crate::rows::{clamped, side_by_side, standard_normal};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use zbridge_core::{DiagonalGaussian, LN_TWO_PI, Latents, RandomStream, ShapeError};

/// The coordinates in which a density sees a latent space: its active dimensions, centred and
/// scaled by the aggregate posterior.
///
/// A dimension is active if the posteriors' means vary along it. Along the others the encoder says
/// the same of every observation (a collapsed posterior, Lucas et al. 2019): they carry nothing
/// about the other modality, so they are left out of a source, and drawn from their own Gaussian in
/// a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// Mean of each dimension of the latent space, `[dim]`.
    mean: Vec<f32>,
    /// Standard deviation of each dimension, `[dim]`.
    deviation: Vec<f32>,
    /// The active dimensions, in rising order.
    active: Vec<usize>,
    /// The principal components of the active dimensions, if there are too many of these.
    #[serde(skip)]
    pub(crate) principal: Option<PrincipalComponents>,
    /// The distinct posteriors, if the modality is discrete.
    atoms: Option<Atoms>,
    /// How log-variances vary, if densities are given these of a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_variances: Option<LogVariances>,
}

/// How the log-variances of posteriors vary, for each active dimension: `[active]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LogVariances {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// What standardised log-variances are multiplied by as features: they tell less than means, and
/// must not dominate distances.
const WEIGHT_OF_LOG_VARIANCES: f32 = 0.4;

/// The distinct posteriors of a discrete modality: means and log-variances of the active
/// dimensions, standardised, each `[atoms, active]` in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Atoms(Vec<f32>, Vec<f32>);

impl Frame {
    /// Returns the coordinates of a latent space as they are.
    pub(crate) fn identity(dim: usize) -> Self {
        Self {
            mean: vec![0.0; dim],
            deviation: vec![1.0; dim],
            active: (0..dim).collect(),
            principal: None,
            atoms: None,
            log_variances: None,
        }
    }

    /// Returns whether log-variances can be given to a density.
    pub(crate) fn has_log_variances(&self) -> bool {
        self.log_variances.is_some()
    }

    /// Returns the same frame for densities that are not given log-variances.
    pub(crate) fn without_log_variances(&self) -> Self {
        Self {
            log_variances: None,
            ..self.clone()
        }
    }

    /// Returns the number of dimensions of the latent space.
    pub(crate) fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Returns the number of coordinates: of active dimensions, or of principal components of them.
    pub(crate) fn active(&self) -> usize {
        match &self.principal {
            Some(principal) => principal.count(),
            None => self.active.len(),
        }
    }

    /// Returns the number of active dimensions, all or some of whose directions are coordinates.
    pub(crate) fn active_dimensions(&self) -> usize {
        self.active.len()
    }

    /// Returns how much the latent space varies along each coordinate, if these are whitened
    /// principal components: `[active]`.
    pub(crate) fn spreads(&self) -> Option<ArrayView1<'_, f32>> {
        self.principal
            .as_ref()
            .map(|principal| principal.deviations())
    }

    /// Returns the number of columns of [`features`](Self::features).
    pub(crate) fn feature_width(&self) -> usize {
        self.active()
            + self
                .atoms
                .as_ref()
                .map_or(0, |atoms| atoms.count(self.active.len()))
            + self.log_variances.as_ref().map_or(0, |_| self.active.len())
    }

    /// Returns the distinct posteriors of a discrete modality, standardised; `None` for a
    /// continuous modality.
    pub(crate) fn atoms(&self) -> Option<DiagonalGaussian> {
        let Atoms(means, log_vars) = self.atoms.clone()?;
        let latents = |values| Latents::from_vec(values, self.active.len());
        let gaussians =
            latents(means).and_then(|means| DiagonalGaussian::new(means, latents(log_vars)?));
        Some(gaussians.expect("atoms are checked where they are found or read"))
    }

    /// Returns whether this frame, as a file describes it, is one of a latent space of `dim`
    /// dimensions.
    pub(crate) fn is_sound(&self, dim: usize) -> bool {
        let rising = self.active.is_sorted_by(|a, b| a < b);
        let positive = |deviation: &f32| deviation.is_finite() && *deviation > 0.0;
        self.mean.len() == dim
            && self.mean.iter().all(|mean| mean.is_finite())
            && self.deviation.len() == dim
            && self.deviation.iter().all(positive)
            && rising
            && self.active.last().is_some_and(|&last| last < dim)
            && self
                .atoms
                .as_ref()
                .is_none_or(|atoms| atoms.are_sound(self.active.len()))
            && self
                .log_variances
                .as_ref()
                .is_none_or(|log_variances| log_variances.are_sound(self.active.len()))
    }

    /// Returns points of the latent space `[rows, dim]` in the frame, `[rows, active]`.
    pub(crate) fn standardised(&self, points: ArrayView2<'_, f32>) -> Array2<f32> {
        let columns = self.active_columns(points);
        match &self.principal {
            Some(principal) => principal.coordinates(columns.view()),
            None => columns,
        }
    }

    /// Returns the active dimensions of points `[rows, dim]`, centred and scaled,
    /// `[rows, active dimensions]`.
    fn active_columns(&self, points: ArrayView2<'_, f32>) -> Array2<f32> {
        Array2::from_shape_fn((points.nrows(), self.active.len()), |(row, place)| {
            let column = self.active[place];
            (points[[row, column]] - self.mean[column]) / self.deviation[column]
        })
    }

    /// Returns what a density is given of source points in the frame `[rows, active]`: the points
    /// and, for a discrete modality, the probability of each atom, `[rows, feature width]`.
    pub(crate) fn features(&self, points: Array2<f32>) -> Array2<f32> {
        match self.atoms() {
            Some(atoms) => {
                let probabilities = responsibilities(&atoms, points.view());
                side_by_side(points.view(), probabilities.view())
            }
            None => points,
        }
    }

    /// Returns the features of source points `[rows, dim]`, or of means and log-variances side by
    /// side `[rows, 2 · dim]` if densities are given these; points alone count as means whose
    /// log-variances are average.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the points are of another space.
    pub(crate) fn features_of(&self, source: &Latents) -> Result<Latents, ShapeError> {
        if self.has_log_variances() && source.dim() == 2 * self.dim() {
            let (means, log_vars) = source.view().split_at(Axis(1), self.dim());
            let log_vars = self.standardised_log_variances(log_vars);
            let means = self.standardised(means);
            return clamped(side_by_side(means.view(), log_vars.view()));
        }
        source.expect_shape("source latents of the bridge", source.rows(), self.dim())?;
        let features = self.features(self.standardised(source.view()));
        if !self.has_log_variances() {
            return clamped(features);
        }
        let average = Array2::zeros((source.rows(), self.feature_width() - features.ncols()));
        clamped(side_by_side(features.view(), average.view()))
    }

    /// Returns log-variances of posteriors `[rows, dim]` as features `[rows, active]`; of average
    /// ones if the frame has none.
    fn standardised_log_variances(&self, log_vars: ArrayView2<'_, f32>) -> Array2<f32> {
        let shape = (log_vars.nrows(), self.active.len());
        let Some(LogVariances { mean, deviation }) = &self.log_variances else {
            return Array2::zeros(shape);
        };
        Array2::from_shape_fn(shape, |(row, place)| {
            let log_var = log_vars[[row, self.active[place]]];
            WEIGHT_OF_LOG_VARIANCES * (log_var - mean[place]) / deviation[place]
        })
    }

    /// Returns the points of the latent space whose coordinates are `points` `[rows, active]`. What
    /// the frame leaves out is drawn.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] if a point is NaN.
    pub(crate) fn restored(
        &self,
        points: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
    ) -> Result<Latents, ShapeError> {
        let shape = (points.nrows(), self.dim());
        let outside = match self.active() < self.dim() {
            true => standard_normal(shape, stream),
            false => Array2::zeros(shape),
        };
        let columns = match &self.principal {
            None => points.to_owned(),
            Some(principal) => principal.drawn_points(points, stream),
        };
        self.unstandardised(columns, outside)
    }

    /// Returns the same with the mean of what the frame leaves out.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] if a point is NaN.
    pub(crate) fn restored_mean(&self, points: ArrayView2<'_, f32>) -> Result<Latents, ShapeError> {
        let columns = match &self.principal {
            None => points.to_owned(),
            Some(principal) => principal.mean_points(points),
        };
        self.unstandardised(columns, Array2::zeros((points.nrows(), self.dim())))
    }

    /// Returns the points whose active dimensions are `columns` `[rows, active dimensions]`, and
    /// whose others are those of `outside` `[rows, dim]`, both standardised.
    fn unstandardised(
        &self,
        columns: Array2<f32>,
        mut outside: Array2<f32>,
    ) -> Result<Latents, ShapeError> {
        for (place, &column) in self.active.iter().enumerate() {
            outside.column_mut(column).assign(&columns.column(place));
        }
        for mut point in outside.rows_mut() {
            for column in 0..self.dim() {
                point[column] = self.mean[column] + self.deviation[column] * point[column];
            }
        }
        clamped(outside)
    }

    /// Returns what the log density of a point of the latent space `[dim]` has beyond that of its
    /// coordinates, in nats: the change of scale, and the dimensions that the frame leaves out.
    pub(crate) fn log_density_outside(&self, point: ArrayView1<'_, f32>) -> f64 {
        let mut nats = 0.0;
        let mut active = self.active.iter().peekable();
        for (column, &value) in point.iter().enumerate() {
            let deviation = f64::from(self.deviation[column]);
            nats -= deviation.ln();
            if active.next_if(|&&next| next == column).is_none() {
                let standard = f64::from(value - self.mean[column]) / deviation;
                nats -= 0.5 * (standard * standard + LN_TWO_PI);
            }
        }
        match &self.principal {
            Some(principal) => {
                let columns = self.active_columns(point.insert_axis(Axis(0)));
                nats + principal.log_density_beside(columns.row(0))
            }
            None => nats,
        }
    }
}

impl LogVariances {
    /// Returns whether these are those of `width` dimensions.
    fn are_sound(&self, width: usize) -> bool {
        let Self { mean, deviation } = self;
        mean.len() == width
            && deviation.len() == width
            && mean.iter().all(|value| value.is_finite())
            && deviation
                .iter()
                .all(|&value| value.is_finite() && value > 0.0)
    }
}

impl Atoms {
    /// Returns the number of atoms of `width` dimensions.
    fn count(&self, width: usize) -> usize {
        self.0.len() / width
    }

    /// Returns whether these are atoms of `width` dimensions.
    fn are_sound(&self, width: usize) -> bool {
        let Self(means, log_vars) = self;
        !means.is_empty()
            && means.len() == log_vars.len()
            && means.len().is_multiple_of(width)
            && means.iter().chain(log_vars).all(|value| value.is_finite())
    }
}
