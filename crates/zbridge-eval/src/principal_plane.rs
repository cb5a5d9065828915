use crate::EvalError;
use crate::checks::{expect_count, expect_items};
use nalgebra::{DMatrix, Dyn, SymmetricEigen};
use ndarray::ArrayView1;
use zbridge_core::Latents;

/// The plane in which points vary most: principal component analysis with two components.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::Latents;
/// use zbridge_eval::PrincipalPlane;
///
/// let points = Latents::new(array![[0.0, 1.0, 0.1], [4.0, 1.0, 0.0], [2.0, 2.0, 0.2]])?;
/// let plane = PrincipalPlane::of(&points)?;
/// assert!(plane.explained[0] > 0.8 && plane.explained[0] + plane.explained[1] > 0.99);
/// assert_eq!(plane.coordinates(&points)?.len(), 3);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalPlane {
    mean: Vec<f64>,
    /// Two directions of length 1.
    axes: [Vec<f64>; 2],
    /// Share of the points' variance along each of them.
    pub explained: [f64; 2],
}

impl PrincipalPlane {
    /// Returns the plane of these points.
    ///
    /// The sign of an axis is arbitrary; here its largest component is positive.
    ///
    /// # Shapes
    /// `points` `[n, dim]`.
    ///
    /// # Errors
    /// [`EvalError::TooFew`] with fewer than two dimensions or points.
    pub fn of(points: &Latents) -> Result<Self, EvalError> {
        expect_items("dimensions of points in a plane", 2, points.dim())?;
        expect_items("points that span a plane", 2, points.rows())?;
        let mut centred = matrix(points);
        let mean = subtract_means(&mut centred);
        // The scale of the scatter matrix changes neither its axes nor shares of variance.
        let eigen = SymmetricEigen::new(centred.transpose() * &centred);
        let [first, second] = largest_two(&eigen);
        Ok(Self {
            mean,
            axes: [axis(&eigen, first), axis(&eigen, second)],
            explained: [explained(&eigen, first), explained(&eigen, second)],
        })
    }

    /// Returns the coordinates in the plane of points of the same space, a pair for each row.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if they have another dimension.
    pub fn coordinates(&self, points: &Latents) -> Result<Vec<(f64, f64)>, EvalError> {
        expect_count(
            "dimensions of points in the plane",
            self.mean.len(),
            points.dim(),
        )?;
        let [first, second] = &self.axes;
        let mut coordinates = Vec::with_capacity(points.rows());
        for point in points.view().outer_iter() {
            coordinates.push((self.along(point, first), self.along(point, second)));
        }
        Ok(coordinates)
    }

    /// Returns Σ (value − mean) · axis.
    fn along(&self, point: ArrayView1<f32>, axis: &[f64]) -> f64 {
        let columns = point.iter().zip(&self.mean).zip(axis);
        let terms = columns.map(|((&value, mean), axis)| (f64::from(value) - mean) * axis);
        terms.sum()
    }
}

fn matrix(points: &Latents) -> DMatrix<f64> {
    let values = points.values().iter().map(|&value| f64::from(value));
    DMatrix::from_row_iterator(points.rows(), points.dim(), values)
}

/// Subtracts its mean from each column, and returns the means.
fn subtract_means(matrix: &mut DMatrix<f64>) -> Vec<f64> {
    let mut means = Vec::with_capacity(matrix.ncols());
    for mut column in matrix.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
        means.push(mean);
    }
    means
}

/// Returns the places of the two largest eigenvalues, the largest first.
fn largest_two(eigen: &SymmetricEigen<f64, Dyn>) -> [usize; 2] {
    let values = &eigen.eigenvalues;
    // nalgebra returns eigenvalues in no particular order.
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    [order[0], order[1]]
}

/// Returns the eigenvector at `place`, or its opposite: the one with a positive largest component.
fn axis(eigen: &SymmetricEigen<f64, Dyn>, place: usize) -> Vec<f64> {
    let axis: Vec<f64> = eigen.eigenvectors.column(place).iter().copied().collect();
    let mut largest = 0.0f64;
    for &component in &axis {
        if component.abs() > largest.abs() {
            largest = component;
        }
    }
    if largest >= 0.0 {
        return axis;
    }
    axis.into_iter().map(|component| -component).collect()
}

/// Returns the share of the variance along the eigenvector at `place`; 0 for points without spread.
fn explained(eigen: &SymmetricEigen<f64, Dyn>, place: usize) -> f64 {
    // Rounding can make the eigenvalue of a flat direction negative.
    let variance = |value: &f64| value.max(0.0);
    let total: f64 = eigen.eigenvalues.iter().map(variance).sum();
    if total > 0.0 {
        variance(&eigen.eigenvalues[place]) / total
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    #[test]
    fn the_plane_has_the_directions_of_most_variance() {
        let mut noise = vec![0.0; 3000];
        RandomStream::named(1, "plane").fill_standard_normal(&mut noise);
        // Most along (0.6, 0.8, 0), less along the third axis, next to none across.
        let points = noise.chunks_exact(3).flat_map(|n| {
            let (long, short, thin) = (5.0 * n[0], 2.0 * n[1], 0.1 * n[2]);
            [
                0.6 * long - 0.8 * thin + 1.0,
                0.8 * long + 0.6 * thin,
                short,
            ]
        });
        let points = Latents::from_vec(points.collect(), 3).unwrap();
        let plane = PrincipalPlane::of(&points).unwrap();
        assert!(
            (plane.axes[0][0] - 0.6).abs() < 0.02 && (plane.axes[0][1] - 0.8).abs() < 0.02,
            "{:?}",
            plane.axes
        );
        assert!(plane.axes[1][2] > 0.99, "{:?}", plane.axes);
        assert!(plane.explained[0] > 0.8 && plane.explained.iter().sum::<f64>() > 0.999);
        let coordinates = plane.coordinates(&points).unwrap();
        let spread = coordinates.iter().map(|(x, _)| x * x).sum::<f64>() / 1000.0;
        assert!((spread.sqrt() - 5.0).abs() < 0.5, "{spread}");
        assert!(plane.coordinates(&Latents::filled(1, 2, 0.0)).is_err());
    }

    #[test]
    fn points_without_spread_have_a_plane() {
        let plane = PrincipalPlane::of(&Latents::filled(4, 3, 1.0)).unwrap();
        assert_eq!(plane.explained, [0.0, 0.0]);
        assert!(PrincipalPlane::of(&Latents::filled(4, 1, 1.0)).is_err());
        assert!(PrincipalPlane::of(&Latents::filled(1, 2, 1.0)).is_err());
    }
}
