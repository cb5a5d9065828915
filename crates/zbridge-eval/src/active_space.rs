use crate::latent_health::Column;
use ndarray::{Array2, ArrayView1};
use zbridge_core::{Latents, Posterior};

/// The active dimensions of a latent space, centred and scaled by a batch of posteriors: the
/// coordinates in which distances between latents are taken.
///
/// A dimension is active if the means of the posteriors carry at least a fiftieth of its variance,
/// as in [`LatentHealth`](crate::LatentHealth).
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents, Posterior};
/// use zbridge_eval::ActiveSpace;
///
/// // The second dimension is the same for every observation.
/// let means = Latents::from_vec(vec![1.0, 7.0, 3.0, 7.0, 5.0, 7.0], 2)?;
/// let posterior = Posterior::from(DiagonalGaussian::new(means, Latents::filled(3, 2, -20.0))?);
/// let space = ActiveSpace::of(&posterior);
/// assert_eq!(space.columns(), [0]);
/// let points = space.points(posterior.moments().mean());
/// assert!((points[[0, 0]] + 1.0).abs() < 1e-3 && points[[1, 0]].abs() < 1e-6);
/// # Ok::<(), zbridge_core::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveSpace {
    columns: Vec<usize>,
    /// Of each active dimension.
    centre: Vec<f64>,
    /// Standard deviation of a posterior draw along each active dimension.
    deviation: Vec<f64>,
}

impl ActiveSpace {
    /// Returns the active dimensions of a batch of posteriors, with their centres and scales.
    pub fn of(posterior: &Posterior) -> Self {
        let moments = posterior.moments();
        let mut space = Self {
            columns: vec![],
            centre: vec![],
            deviation: vec![],
        };
        for number in 0..moments.dim() {
            let column = Column::of(&moments, number);
            if column.is_active() {
                space.columns.push(number);
                space.centre.push(column.centre);
                space.deviation.push(column.total().sqrt());
            }
        }
        space
    }

    /// Returns the active dimensions, from 0, in rising order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Returns latents in these coordinates, `[rows, active dimensions]`.
    ///
    /// # Panics
    /// If the latents have fewer dimensions than the posteriors had.
    pub fn points(&self, latents: &Latents) -> Array2<f64> {
        let values = latents.view();
        Array2::from_shape_fn((latents.rows(), self.columns.len()), |(row, place)| {
            let value = f64::from(values[[row, self.columns[place]]]);
            (value - self.centre[place]) / self.deviation[place]
        })
    }
}

/// Returns the squared Euclidean distance of two points of equal dimensions.
pub(crate) fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
